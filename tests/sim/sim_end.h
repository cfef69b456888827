/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_end.h - what is to happen on a connection, and one side of it doing so.
 * Guarantee (checked at every read): byte o of a stream is the byte that the plan's pattern has there; the
 * end of the stream comes after the last byte that was written and not before; an error comes only where the
 * plan allows one, and where it demands one, that one comes. A side acts on notifications and on its own
 * timers alone, so a lost notification shows as a connection that stands still. Owner: the run. */
#ifndef TAS_SIM_END_H
#define TAS_SIM_END_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/time.h"
#include "tests/sim/sim_api.h"
#include "tests/sim/sim_trace.h"

enum { PROC_PEER = 255 }; /* the independent peer */

enum plan_end {
	END_SHUT,  /* everything written: shutdown(SHUT_WR), reads on to the end, close() */
	END_CLOSE, /* everything written and everything expected read: close() */
	END_WAIT,  /* reads to the end, writes the rest, close() */
	END_EARLY, /* close() as soon as everything is written, whatever is unread: a RST may follow */
	END_ABORT, /* close() with linger 0 somewhere in the middle */
	NR_PLAN_ENDS
};

enum plan_kind {
	PLAN_PLAIN,
	PLAN_AGAIN,       /* the same addresses and ports as another plan's, as soon as that one is closed */
	PLAN_TWINS,       /* both sides connect: a simultaneous open, if they are lucky */
	PLAN_REFUSED,     /* nobody listens */
	PLAN_UNREACHABLE, /* nobody is there */
};

/* One side of a connection. */
struct plan_side {
	uint64_t bytes;      /* to write */
	uint32_t chunk;      /* a write at most */
	tas_ns write_pause;  /* between writes, at most */
	uint32_t read_chunk; /* a read at most */
	tas_ns read_pause;   /* between reads, at most */
	uint64_t block, per; /* block != 0: may write `block` bytes more for every `per` bytes read */
	uint32_t ahead;      /* and so many blocks before the first read */
	enum plan_end end;
	uint64_t abort_at; /* bytes read and written */
	uint32_t rx_size, tx_size;
	bool nodelay, more;
};

struct plan {
	enum plan_kind kind;
	unsigned client, server; /* processes, or PROC_PEER */
	tas_ns start;
	unsigned after;           /* PLAN_AGAIN: this one */
	uint16_t local_port;      /* 0: tasd chooses */
	bool may_fail;            /* a side may see an error, or nothing at all */
	int must_fail;            /* the client sees this error */
	const char *congestion;   /* the client's choice; NULL: the host's */
	struct plan_side side[2]; /* client, server */
};

enum end_state { ENDS_NOT_BEGUN, ENDS_OPEN, ENDS_CLOSED };

/* What all sides of a run share. */
struct end_world {
	struct trace *trace;
	tas_ns now;
	tas_ns patience;  /* after which a side whose peer may be gone without a word gives up */
	uint64_t payload; /* bytes read by all */
	bool failed;
	const tas_ns *asks_lost; /* see struct net */
};

struct app_end {
	struct end_world *w;
	const struct plan *plan;
	struct sim_proc *proc;
	uint8_t side;
	unsigned plan_no, ctx;
	enum end_state state;
	void *sock;
	uint64_t written, read;
	bool shut, eof, failed;
	bool hot;        /* something was notified: what on_event gets points here */
	tas_ns pause_to; /* it does something else until then */
	tas_ns due;      /* of its own timer */
	tas_ns since;    /* when it last got anywhere */
};

/* What a side of a plan writes. */
uint64_t pattern_stream(unsigned plan_no, unsigned side);
void pattern_fill(uint8_t *buf, uint64_t stream, uint64_t at, uint32_t n);

/* It has a socket now. */
void end_begin(struct app_end *e, void *sock, unsigned ctx);
/* As far as it gets, or until it pauses; how many calls that took. */
unsigned end_step(struct app_end *e);
bool end_wants_step(const struct app_end *e);
/* When it wants one though nothing is notified. */
tas_ns end_deadline(const struct app_end *e);
void end_fail(struct app_end *e, const char *what, uint64_t a, uint64_t b);

#endif
