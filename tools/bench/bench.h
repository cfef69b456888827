/* SPDX-License-Identifier: BSD-3-Clause */
/* bench.h - what the benchmarks of tas-bench share: results, and a host without a wire.
 *
 * A rig is the data path exactly as linked into tasd over a net_ring port, with one application whose region
 * is ordinary memory and whose side of the rings the benchmark plays. One thread; only the passes of the core
 * (rig_poll) are timed. Costs are TSC cycles. */
#ifndef TAS_TOOLS_BENCH_H
#define TAS_TOOLS_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>
#include <rte_ring.h>

#include "fastpath/fastpath.h"

struct bench_result {
	const char *name;
	uint32_t flows;
	double cycles;       /* per operation */
	double floor_cycles; /* bare burst in and out and memcpy of the same, measured in the same run */
	uint64_t rounds;     /* operations measured */
	const char *unit;    /* what an operation is */
};

enum { BENCH_RESULTS_MAX = 16, RIG_PATTERN = 65536 };

struct bench {
	const char *name, *help;
	/* Runs and appends to results[*n]. False: what came out was wrong; a sentence was printed. */
	bool (*run)(struct bench_result *results, unsigned *n);
};

extern const struct bench bench_fastpath_rpc, bench_bulk_rx, bench_bulk_tx, bench_lib_posix;

/* Byte p of any stream is rig_pattern[p % RIG_PATTERN]; twice, so that a piece can be compared at once. */
extern uint8_t rig_pattern[2 * RIG_PATTERN];

struct rig {
	struct fastpath fp;
	struct port port;
	struct rte_mempool *pool;
	struct rte_ring *in, *out; /* the wire's ends */
	struct app *app;
	uint32_t flows, ring_size;
	bool shared; /* the region stays the same memory in a forked child */
	tas_ns now;
	uint64_t cycles; /* counted so far */
	struct peer {    /* the other end of flow i; sequence numbers as offsets */
		struct hdr_tmpl hdr;
		uint64_t tx, rx; /* sent to, and received from, the flow */
		uint64_t app_read, app_written;
	} * peer;
};

/* Brings up EAL once, then a rig with `flows` open connections whose payload rings have ring_size bytes.
 * Ends the program with a message on failure. */
struct rig *rig_create(uint32_t flows, uint32_t ring_size);
struct rig *rig_create_shared(uint32_t flows, uint32_t ring_size); /* to be forked */
void rig_free(struct rig *r);

/* One timed pass. */
static inline unsigned rig_poll(struct rig *r)
{
	uint64_t begin;
	unsigned work;

	r->now += NS_PER_US;
	begin = rte_rdtsc();
	work = core_poll(r->fp.core[0], r->now);
	r->cycles += rte_rdtsc() - begin;
	return work;
}

/* Puts a segment with len payload bytes from the peer of flow i on the wire; each byte is a function of its
 * offset. */
void rig_send(struct rig *r, uint32_t i, uint32_t len);
/* Takes a frame off the wire; checks it and advances its flow's peer. Returns the flow, FLOW_NONE if there is
 * none, and ends the program if the frame is wrong. */
uint32_t rig_receive(struct rig *r, uint32_t *len);
/* Tells the application that the flows are connections to accept, of the listener it calls `cookie`. */
void rig_offer(struct rig *r, uint32_t cookie);
/* The next flow that was notified, FLOW_NONE if none. */
uint32_t rig_notified(struct rig *r);
/* The application reads everything that flow i received, and checks it; returns how much. */
uint32_t rig_app_read(struct rig *r, uint32_t i);
/* The application writes len bytes, if they fit, and rings. */
void rig_app_bell(struct rig *r, uint32_t i, uint32_t len);
/* Does what the slow path would about events: nothing that costs the fast path. */
void rig_slow_path(struct rig *r);

/* Cycles for a frame in and one out through the same port by bare bursts, and a memcpy of `copied` bytes. */
double rig_floor(struct rig *r, uint32_t frame_in, uint32_t frame_out, uint32_t copied);
/* Cycles for a memcpy of `copied` bytes alone: the floor of a side that sees no port. */
double rig_floor_copy(uint32_t copied);

#endif
