/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_app.h - what simulated processes do: a plan for each connection says what either side writes, how it reads
 * and how it ends, and both sides are held to it.
 * Guarantee (checked at every read): byte o of a stream is the byte that the plan's pattern has there; the end of
 * the stream comes after the last byte that was written and not before; an error comes only where the plan has one
 * side abort, or close with bytes unread. A side acts on notifications and on its own timers alone, so a lost
 * notification shows as a connection that stands still. Owner: the run. */
#ifndef TAS_SIM_APP_H
#define TAS_SIM_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/rand.h"
#include "include/base/time.h"
#include "tests/sim/sim_api.h"
#include "tests/sim/sim_trace.h"

enum { PLANS_MAX = 256, APP_PORT = 7000 };

enum plan_end {
	END_SHUT,  /* everything written: shutdown(SHUT_WR), reads on to the end, close() */
	END_CLOSE, /* everything written and everything expected read: close() */
	END_WAIT,  /* reads to the end, writes the rest, close() */
	END_EARLY, /* close() as soon as everything is written, whatever is unread: a RST may follow */
	END_ABORT, /* close() with linger 0 somewhere in the middle */
	NR_PLAN_ENDS
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
	unsigned client, server; /* processes */
	tas_ns start;
	uint16_t local_port;      /* 0: tasd chooses */
	struct plan_side side[2]; /* client, server */
};

enum end_state { ENDS_NOT_BEGUN, ENDS_OPEN, ENDS_CLOSED };

/* One side as it stands. */
struct app_end {
	struct app_world *w;
	struct plan *plan;
	uint8_t side;
	unsigned plan_no, proc, ctx;
	enum end_state state;
	void *sock;
	uint64_t written, read;
	bool shut, eof, failed, hot;
	int error;
	tas_ns pause_to; /* it does something else until then */
	tas_ns due;      /* of its own timer */
	tas_ns since;    /* when it last got anywhere */
};

struct app_proc {
	struct sim_proc p;
	void *listener;
	bool listener_hot;
	bool sleeps, asleep, woken; /* contexts sleep together: one thread */
	tas_ns stalled_to;
	uint16_t port;
};

struct app_world {
	struct trace *trace;
	struct tas_rand rand;
	tas_ns now;
	unsigned nplans, nprocs;
	struct plan plan[PLANS_MAX];
	struct app_end end[PLANS_MAX][2];
	struct app_proc proc[8];
	tas_ns patience; /* after which a side whose peer may be gone without a word gives up */
	uint32_t stall_ppm;
	tas_ns stall_max;
	uint64_t payload; /* bytes read by all */
	bool failed;
};

/* Everything but the plans, the number of processes and their api, host and rand is made here. */
void app_world_begin(struct app_world *w);
void app_world_end(struct app_world *w);
/* Listeners are given up. */
void app_world_unlisten(struct app_world *w);
/* One turn of every process that is awake; how much was done. */
unsigned app_world_poll(struct app_world *w, tas_ns now);
tas_ns app_world_deadline(const struct app_world *w, tas_ns now);
/* Every side closed. */
bool app_world_done(const struct app_world *w);
/* A context's descriptor was written. */
void app_world_woken(struct app_world *w, struct host *h, int fd);
/* May a side of this plan see an error? */
bool plan_may_fail(const struct plan *p);

#endif
