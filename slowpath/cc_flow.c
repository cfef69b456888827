/* SPDX-License-Identifier: BSD-3-Clause */
/* cc_flow.c - see cc_flow.h. */
#include "slowpath/cc_flow.h"

enum { PACE_SLOW_NS = 1 << 16 }; /* a byte, at the slowest pace that flow.pace_q16 can say */

void cc_flow_init(struct cc_flow *c, struct flow *f, struct flow_cold *k, enum cc_algorithm alg,
	uint32_t initial_segments, tas_ns now)
{
	*c = (struct cc_flow){
		.delivered = k->delivered,
		.marked = k->marked,
		.lost = k->lost,
		.recoveries = k->recoveries,
		.timeouts = k->timeouts,
		.undone = k->undone,
		.since = now,
		.max_bytes_s = c->max_bytes_s,
	};
	cc_flow_switch(c, f, k, alg);
	f->cwnd = cc_initial_cwnd(f->mss, initial_segments);
	cc_flow_pace(c, f, k);
	k->ssthresh = CC_SSTHRESH_NONE;
	k->min_rtt_us = UINT32_MAX;
}

void cc_flow_switch(struct cc_flow *c, struct flow *f, struct flow_cold *k, enum cc_algorithm alg)
{
	const struct cc_ops *ops = cc_ops_of(alg);

	ops->init(&c->state);
	f->cc = (uint8_t)alg;
	k->beta_q8 = ops->beta_q8;
}

void cc_flow_pace(const struct cc_flow *c, struct flow *f, struct flow_cold *k)
{
	uint64_t slow_ns = c->max_bytes_s != 0 ? NS_PER_SEC / c->max_bytes_s : 0;

	f->pace_q16 = max_u32(c->pace_q16, cc_pace_q16(c->max_bytes_s));
	k->pace_slow_ns = (uint32_t)min_u64(max_u64(slow_ns, PACE_SLOW_NS), UINT32_MAX);
}

void cc_flow_wake(struct cc_flow *c, const struct flow_cold *k, tas_ns now)
{
	c->since = now;
	c->delivered = k->cc_from;
}

tas_ns cc_flow_due(const struct cc_flow *c, const struct flow *f, tas_ns min_interval_ns)
{
	return c->since + max_u64(2 * (f->srtt_us >> 3) * NS_PER_US, min_interval_ns);
}

/* What was undone, and not followed by the next loss, did not happen.
 * After a timeout the window is one segment until the first acknowledgement, whoever wanted to send
 * meanwhile. */
static struct cc_sample sample_of(const struct cc_flow *c, const struct flow *f, const struct flow_cold *k,
	tas_ns now)
{
	bool undone = k->undone != c->undone && k->undone_of == k->recoveries + k->timeouts;
	uint32_t timeouts = undone ? 0 : k->timeouts - c->timeouts;
	bool in_recovery = (f->flags & FLOW_RECOVERY) != 0;

	return (struct cc_sample){
		.now = now,
		.interval_ns = now > c->since ? now - c->since : 0,
		.acked = k->delivered - c->delivered,
		.marked = k->marked - c->marked,
		.lost = k->lost - c->lost,
		.recoveries = undone ? 0 : k->recoveries - c->recoveries,
		.timeouts = timeouts,
		.undone = undone,
		.before_timeout = timeouts > 0 && k->timeout_delivered > c->delivered
			? k->timeout_delivered - c->delivered
			: 0,
		.srtt_us = f->srtt_us >> 3,
		.min_rtt_us = k->min_rtt_us,
		.mss = f->mss,
		.inflight = f->tx_inflight,
		.cwnd = in_recovery ? k->ssthresh : f->cwnd, /* where proportional rate reduction leads */
		.ssthresh = k->ssthresh,
		.cwnd_limited = (f->flags & (FLOW_CWND_LIMITED | FLOW_LOSS)) != 0,
		.in_recovery = in_recovery,
	};
}

static void interval_begin(struct cc_flow *c, struct flow *f, struct flow_cold *k, tas_ns now)
{
	c->delivered = k->delivered;
	c->marked = k->marked;
	c->lost = k->lost;
	c->recoveries = k->recoveries;
	c->timeouts = k->timeouts;
	c->undone = k->undone;
	c->since = now;
	k->min_rtt_us = UINT32_MAX;
	f->flags &= ~(uint32_t)FLOW_CWND_LIMITED;
}

bool cc_flow_update(struct cc_flow *c, struct flow *f, struct flow_cold *k, tas_ns now)
{
	struct cc_sample s = sample_of(c, f, k, now);
	bool trouble = s.marked > 0 || s.lost > 0 || s.recoveries > 0 || s.timeouts > 0;
	bool again = trouble || (s.acked > 0 && (s.cwnd_limited || s.in_recovery));
	struct cc_decision d;

	if (!again)
		f->flags &= ~(uint32_t)FLOW_CC_ACTIVE;
	if (!trouble && s.acked == 0)
		return false;
	cc_ops_of(f->cc)->update(&c->state, &s, &d);
	if (!s.in_recovery) /* else the fast path has it */
		f->cwnd = d.cwnd;
	k->ssthresh = d.ssthresh;
	c->pace_q16 = cc_pace_q16(d.rate_bytes_s);
	cc_flow_pace(c, f, k);
	if (d.answers_marks)
		f->flags |= FLOW_CWR;
	interval_begin(c, f, k, now);
	return again;
}
