/* SPDX-License-Identifier: BSD-3-Clause */
/* cc_flow.h - congestion control of one flow: from the totals that the fast path keeps to window and pace.
 * Guarantee: nothing the fast path counted is missed or seen twice, however rarely a flow is visited.
 * Owner: the slow path; every function is called with the flow's lock held, which is why a decision never
 * overwrites a reduction that the fast path made in between. No clock. */
#ifndef TAS_SLOWPATH_CC_FLOW_H
#define TAS_SLOWPATH_CC_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "fastpath/fastpath.h"
#include "include/base/time.h"
#include "slowpath/cc.h"

struct cc_flow {
	struct cc_state state;
	uint64_t delivered, marked, lost; /* totals at the last visit */
	uint64_t steady;                  /* delivered outside of fast recoveries, at the last visit */
	uint64_t held;                    /* bytes that may grow the window when recovery is over */
	uint32_t recoveries, timeouts, answered, undone;
	uint64_t rate_from;     /* `delivered` where the interval's rate sample begins, */
	uint32_t rate_us;       /* and when that was */
	uint64_t sent;          /* bytes_out at the last visit */
	tas_ns limited_at;      /* when the window was last seen to have been the limit */
	tas_ns looked;          /* when it was last looked at, though the interval may go on, */
	tas_ns visited;         /* and last visited, be it to let the window grow */
	tas_ns since;           /* when the interval began */
	uint64_t interval_us;   /* the algorithm's wish; 0: see cc_flow_due() */
	uint32_t grows_to;      /* the same, of cc_decision */
	uint32_t grown;         /* by so much the window grew in this interval */
	uint64_t const_bytes_s; /* tasd.conf's for const-rate */
	uint64_t max_bytes_s; /* the application's limit (SO_MAX_PACING_RATE), which a new one keeps; or 0 */
	uint32_t pace_q16;    /* the pace without it */
	uint32_t initial_segments;
	bool was_limited; /* the window held back data before this interval: it may grow to grows_to */
};

/* A new connection: sets cc, beta, initial window, no ssthresh, and the pace with which the algorithm begins,
 * if it has one. const_bytes_s is the caller's to set before. */
void cc_flow_init(struct cc_flow *c, struct flow *f, struct flow_cold *k, enum cc_algorithm alg,
	uint32_t initial_segments, tas_ns now);

/* Another algorithm goes on with the window and the threshold that there are. */
void cc_flow_switch(struct cc_flow *c, struct flow *f, struct flow_cold *k, enum cc_algorithm alg,
	tas_ns now);

/* max_bytes_s changed. */
void cc_flow_pace(struct cc_flow *c, struct flow *f, struct flow_cold *k);

/* The flow became active (FLOW_EV_CC): an interval begins, with what was acknowledged since then. Visit it
 * again at cc_flow_due(). */
void cc_flow_wake(struct cc_flow *c, const struct flow *f, struct flow_cold *k, tas_ns now);

/* When to look next: when the current interval ends, after what the algorithm wants; or else half a round
 * trip, of a small window a quarter, for algorithms with beta 0 two; but not less than min_interval_ns.
 * Before that, eight times in a round trip, as long as the window may grow in between
 * (cc_decision.grows_to). */
tas_ns cc_flow_due(const struct cc_flow *c, const struct flow *f, tas_ns min_interval_ns);

/* Before the interval is over the window grows. Then: sets cwnd, ssthresh and pace, and begins the next one.
 * False if nothing happened in it that a window could answer (the application was the limit, and nothing was
 * lost or marked): FLOW_CC_ACTIVE was cleared, and the next FLOW_EV_CC will say when to go on. If the window
 * grew, the caller kicks the flow's core. */
bool cc_flow_update(struct cc_flow *c, struct flow *f, struct flow_cold *k, tas_ns now);

#endif
