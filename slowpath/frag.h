/* SPDX-License-Identifier: BSD-3-Clause */
/* frag.h - packets that came in fragments are put together (RFC 791 3.2, RFC 1122 3.3.2, RFC 8200 4.5).
 * Guarantee: what comes out is made of fragments that join without gap or overlap (RFC 5722); its checksums
 * are still to be looked at. Memory is bounded and its own, so that no fragment takes a buffer from the port:
 * a host has FRAG_PACKETS incomplete packets of at most FRAG_PIECES fragments, and FRAG_SOURCES hosts have
 * them. Newcomers make way for themselves: of the same host what is older, of hosts the one heard from least
 * recently. So none that floods keeps others out, and what got lost blocks nothing. After 30 seconds (Linux's
 * ipfrag_time) all fragments of a packet are dropped.
 *
 * DPDK's rte_ip_frag does the work, one table for each host. It gives a packet up where fragments overlap, or
 * one came twice (RFC 8200 4.5 leaves that open); what it takes unseen, empty fragments and impossible
 * lengths, is refused before.
 * Owner: the slow path. No clock, no OS. */
#ifndef TAS_SLOWPATH_FRAG_H
#define TAS_SLOWPATH_FRAG_H

#include <stdint.h>

#include <rte_ip_frag.h>
#include <rte_mempool.h>

#include "include/base/time.h"
#include "include/net/flow_key.h"
#include "include/net/seg.h"

enum {
	FRAG_SOURCES = 16,
	FRAG_PACKETS = 8,
	FRAG_PIECES = RTE_LIBRTE_IP_FRAG_MAX_FRAG,
	FRAG_MBUFS = FRAG_SOURCES * FRAG_PACKETS * FRAG_PIECES + 1, /* and one that arrives */
};
#define FRAG_TIMEOUT_NS (30 * NS_PER_SEC)

/* The first fragment of a packet whose others did not come in time, as a frame, without extension headers. */
typedef void frag_late_fn(void *arg, const uint8_t *frame, uint32_t len);

struct frags {
	struct frag_source {
		struct net_addr addr;
		struct rte_ip_frag_tbl *table;
		tas_ns used_ns;
	} source[FRAG_SOURCES];
	struct rte_mempool *pool;
	uint8_t *whole;           /* the packet that was put together last, in its frame */
	uint64_t joined, dropped; /* packets, fragments */
	tas_ns next;
	struct rte_ip_frag_death_row gone;
};

/* Buffers for frames of mtu bytes; `name` is unique in the process. 0 or -ENOMEM; then nothing is left. */
int frags_init(struct frags *g, const char *name, uint32_t mtu, int numa_node);
void frags_fini(struct frags *g);

/* A PKT_FRAGMENT as pkt_parse() left it, from one host to one host. The frame of the whole packet, good until
 * the next call, and its length, if this fragment was the last one missing; else NULL. */
uint8_t *frag_in(struct frags *g, const uint8_t *frame, const struct flow_key *key, const struct seg *seg,
	tas_ns now, uint32_t *len);

/* Once a pass; the number of fragments whose time was over. */
unsigned frags_poll(struct frags *g, tas_ns now, frag_late_fn *late, void *arg);
static inline tas_ns frags_next(const struct frags *g) { return g->next; }

#endif
