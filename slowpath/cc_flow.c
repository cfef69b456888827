/* SPDX-License-Identifier: BSD-3-Clause */
/* cc_flow.c - see cc_flow.h. */
#include "slowpath/cc_flow.h"

enum {
	PACE_SLOW_NS = 1 << 16, /* a byte, at the slowest pace that flow.pace_q16 can say */
	SMALL_WINDOW = 16,      /* segments: a fraction of one matters, so it is looked for more often */
	GROWTHS = 8,            /* a round trip, of a window that grows between looks */
	PACE_WINDOWS = 3,
};

/* Of the first `delivered` bytes that were delivered, those outside of fast recoveries: exact behind the
 * begin of the last one, which is all that an interval asks for. */
static uint64_t steady_of(const struct flow *f, const struct flow_cold *k, uint64_t delivered)
{
	if (delivered < k->recovery_from)
		return k->steady_delivered - min_u64(k->recovery_from - delivered, k->steady_delivered);
	if (f->flags & FLOW_RECOVERY)
		return k->steady_delivered;
	return max_u64(k->steady_delivered, delivered - min_u64(k->recovery_delivered, delivered));
}

void cc_flow_init(struct cc_flow *c, struct flow *f, struct flow_cold *k, enum cc_algorithm alg,
	uint32_t initial_segments, tas_ns now)
{
	*c = (struct cc_flow){
		.delivered = k->delivered,
		.steady = steady_of(f, k, k->delivered),
		.marked = k->marked,
		.lost = k->lost,
		.recoveries = k->recoveries,
		.timeouts = k->timeouts,
		.answered = k->answered,
		.undone = k->undone,
		.rate_from = k->delivered,
		.rate_us = ns_to_us32(now),
		.sent = k->bytes_out,
		.since = now,
		.looked = now,
		.visited = now,
		.initial_segments = initial_segments,
		.max_bytes_s = c->max_bytes_s,
		.const_bytes_s = c->const_bytes_s,
	};
	f->cwnd = cc_initial_cwnd(f->mss, initial_segments);
	k->ssthresh = CC_SSTHRESH_NONE;
	k->step_at = UINT64_MAX;
	k->min_rtt_us = UINT32_MAX;
	cc_flow_switch(c, f, k, alg, now);
}

static void pace_set(const struct cc_flow *c, struct flow *f, struct flow_cold *k)
{
	uint64_t slow_ns = c->max_bytes_s != 0 ? NS_PER_SEC / c->max_bytes_s : 0;

	f->pace_q16 = max_u32(c->pace_q16, cc_pace_q16(c->max_bytes_s));
	k->pace_slow_ns = (uint32_t)min_u64(max_u64(slow_ns, PACE_SLOW_NS), UINT32_MAX);
}

void cc_flow_wake(struct cc_flow *c, const struct flow *f, struct flow_cold *k, tas_ns now)
{
	c->since = c->looked = c->visited = now;
	c->delivered = k->cc_from;
	c->steady = steady_of(f, k, k->cc_from);
	c->rate_from = k->delivered;
	c->rate_us = ns_to_us32(now);
	c->sent = k->bytes_out;
	c->grown = 0;
	c->was_limited = (f->flags & FLOW_CWND_LIMITED) != 0;
	k->step_at = UINT64_MAX;
}

/* Between looks, too: cc_decision.grows_to. */
static bool may_grow(const struct cc_flow *c, const struct flow *f)
{
	return c->was_limited && c->grows_to > f->cwnd;
}

static tas_ns interval_ns(const struct cc_flow *c, const struct flow *f)
{
	uint32_t srtt_us = f->srtt_us >> 3;

	if (c->interval_us != 0)
		return c->interval_us * NS_PER_US;
	if (cc_ops_of(f->cc)->beta_q8 == 0)
		return 2ull * srtt_us * NS_PER_US;
	return srtt_us / (f->cwnd <= SMALL_WINDOW * f->mss ? 4 : 2) * NS_PER_US;
}

tas_ns cc_flow_due(const struct cc_flow *c, const struct flow *f, tas_ns min_interval_ns)
{
	tas_ns due = c->looked + max_u64(interval_ns(c, f), min_interval_ns), growth;

	growth = c->visited + max_u64((f->srtt_us >> 3) / GROWTHS * NS_PER_US, min_interval_ns);
	return may_grow(c, f) ? min_u64(due, growth) : due;
}

static uint64_t less(uint64_t a, uint64_t b) { return a - min_u64(b, a); }

/* Of the interval's bytes, those that may still grow the window: what grew it is the first of them. */
static uint64_t steady_growth(const struct cc_flow *c, const struct flow *f, const struct flow_cold *k)
{
	uint64_t all = less(steady_of(f, k, k->delivered), c->steady), before = 0;

	if (k->recoveries != c->recoveries)
		before = less(min_u64(less(k->steady_delivered, c->steady), all), c->grown);
	all = less(all, c->grown);
	return min_u64(all - before + cc_growth_before(before, k->recoveries - c->recoveries, k->beta_q8),
		less(k->delivered - c->delivered, c->grown));
}

/* The window was the limit within the last round trip: shorter intervals may pass between bursts that fill
 * it (RFC 7661 4.3 asks what was in the network within a round trip, as Linux does). */
static bool limited_lately(const struct cc_flow *c, const struct flow *f, const struct flow_cold *k,
	tas_ns now)
{
	return k->beta_q8 != 0 && c->limited_at != 0 && now - c->limited_at <= (f->srtt_us >> 3) * NS_PER_US;
}

static bool cwnd_limited(const struct cc_flow *c, const struct flow *f, const struct flow_cold *k, tas_ns now)
{
	return (f->flags & (FLOW_CWND_LIMITED | FLOW_LOSS)) || limited_lately(c, f, k, now);
}

/* Not negative: another core, with a younger clock, may have taken the acknowledgement. */
static uint32_t us32_since(uint32_t now_us, uint32_t since_us)
{
	return us32_reached(now_us, since_us) ? now_us - since_us : 0;
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
	uint64_t acked = k->delivered - c->delivered;
	/* where proportional rate reduction leads */
	uint32_t cwnd = in_recovery && k->beta_q8 != 0 ? k->ssthresh : f->cwnd;

	return (struct cc_sample){
		.now = now,
		.interval_ns = now > c->since ? now - c->since : 0,
		.acked = acked,
		.grown = min_u64(c->grown, acked),
		.recovering = timeouts == 0 && !undone ? less(acked, c->grown) - steady_growth(c, f, k) : 0,
		.held = timeouts == 0 ? c->held : 0,
		.marked = k->marked - c->marked,
		.lost = undone ? 0 : k->lost - c->lost,
		.recoveries = undone ? 0 : k->recoveries - c->recoveries,
		.answered = k->answered - c->answered,
		.timeouts = timeouts,
		.undone = undone,
		.before_timeout = timeouts > 0 ? less(less(k->timeout_delivered, c->delivered), c->grown) : 0,
		.srtt_us = f->srtt_us >> 3,
		.min_rtt_us = k->min_rtt_us,
		.mss = f->mss,
		.inflight = f->tx_inflight,
		.sacked = recovery_sacked(f, k),
		.cwnd = cwnd,
		.ssthresh = k->ssthresh,
		.stepped = k->step_at == 0,
		.cwnd_limited = cwnd_limited(c, f, k, now),
		.in_recovery = in_recovery,
		.in_loss = (f->flags & FLOW_LOSS) != 0,
		.paced = (k->cc_seen & CC_SEEN_PACED) != 0,
		.dry = (k->cc_seen & CC_SEEN_DRY) != 0,
		.rate_bytes = k->delivered - c->rate_from,
		.rate_us = k->delivered > c->rate_from ? us32_since(k->delivered_us, c->rate_us) : 0,
		.sent = k->bytes_out - c->sent,
		.pipe = recovery_pipe(f, k),
		.const_bytes_s = c->max_bytes_s != 0 ? c->max_bytes_s : c->const_bytes_s,
	};
}

static void decide(struct cc_flow *c, struct flow *f, struct flow_cold *k, const struct cc_decision *d)
{
	if (d->answers_marks) {
		f->flags |= FLOW_CWR;
		k->marks_to = k->beta_q8 != 0 ? flow_tx_nxt(f) : 0;
		k->marks_cwnd = f->cwnd;
	}
	if (!(f->flags & FLOW_RECOVERY) || k->beta_q8 == 0) /* else the fast path has it */
		f->cwnd = d->cwnd;
	k->ssthresh = d->ssthresh;
	c->interval_us = d->interval_us;
	c->grows_to = d->grows_to;
	c->was_limited = (f->flags & FLOW_CWND_LIMITED) != 0;
	k->step_at = d->step_after != 0 && (f->flags & FLOW_CC_ACTIVE) ? k->delivered + d->step_after
								       : UINT64_MAX;
	c->pace_q16 = cc_pace_q16(d->rate_bytes_s);
	pace_set(c, f, k);
}

/* What the algorithm begins with; with the window as it is if that says nothing. */
static void flow_begin(struct cc_flow *c, struct flow *f, struct flow_cold *k, tas_ns now)
{
	const struct cc_ops *ops = cc_ops_of(f->cc);
	struct cc_sample s = sample_of(c, f, k, now);
	struct cc_decision d = cc_keep(&s);

	if (ops->begin != NULL)
		ops->begin(&c->state, &s, &d);
	else if (ops->beta_q8 != 0)
		cc_slow_start_goes_on(&d);
	decide(c, f, k, &d);
}

void cc_flow_switch(struct cc_flow *c, struct flow *f, struct flow_cold *k, enum cc_algorithm alg, tas_ns now)
{
	const struct cc_ops *ops = cc_ops_of(alg);

	ops->init(&c->state);
	f->cc = (uint8_t)alg;
	if (f->cwnd >= CC_CWND_MAX) { /* there was none */
		f->cwnd = max_u32(f->tx_inflight, cc_initial_cwnd(f->mss, c->initial_segments));
		k->undo.cwnd = min_u32(k->undo.cwnd, f->cwnd);
	}
	if ((f->flags & FLOW_RECOVERY) && k->beta_q8 != 0 && ops->beta_q8 == 0)
		f->cwnd = k->ssthresh; /* from now on somebody else's */
	else if ((f->flags & FLOW_RECOVERY) && k->beta_q8 == 0 && ops->beta_q8 != 0)
		k->ssthresh = f->cwnd; /* where proportional rate reduction is to lead */
	k->beta_q8 = ops->beta_q8;
	flow_begin(c, f, k, now);
}

void cc_flow_pace(struct cc_flow *c, struct flow *f, struct flow_cold *k)
{
	if (f->cc == CC_CONST_RATE)
		c->pace_q16 = cc_pace_q16(c->max_bytes_s != 0 ? c->max_bytes_s : c->const_bytes_s);
	pace_set(c, f, k);
}

static void interval_begin(struct cc_flow *c, struct flow *f, struct flow_cold *k, tas_ns now)
{
	c->delivered = k->delivered;
	c->steady = steady_of(f, k, k->delivered);
	c->marked = k->marked;
	c->lost = k->lost;
	c->recoveries = k->recoveries;
	c->timeouts = k->timeouts;
	c->answered = k->answered;
	c->undone = k->undone;
	if (k->delivered != c->rate_from) {
		c->rate_from = k->delivered;
		c->rate_us = k->delivered_us;
	}
	c->sent = k->bytes_out;
	c->since = now;
	c->grown = 0;
	if (f->flags & FLOW_CWND_LIMITED)
		c->limited_at = now;
	k->min_rtt_us = UINT32_MAX;
	k->cc_seen = 0;
	f->flags &= ~(uint32_t)FLOW_CWND_LIMITED;
}

/* For after the recovery; algorithms with beta 0 wait for none. */
static uint64_t held_for_later(const struct cc_sample *s, const struct flow_cold *k)
{
	if (!s->in_recovery || !s->cwnd_limited || k->beta_q8 == 0)
		return 0;
	return s->held + less(s->acked, s->before_timeout + s->recovering + s->grown + s->marked);
}

/* Is there a reason to look at the flow again, though nothing of it may be heard until then? */
static bool looks_again(const struct cc_sample *s, bool follows)
{
	return s->acked > 0 && (s->cwnd_limited || s->in_recovery || (follows && (s->paced || !s->dry)));
}

/* With the window; but not one of more than PACE_WINDOWS in a round trip, which is of something else. */
static void pace_grow(struct cc_flow *c, const struct flow *f, uint32_t by)
{
	uint64_t window = f->cwnd + by, most = PACE_WINDOWS * window * 1000000 / max_u32(f->srtt_us >> 3, 1);
	uint32_t with_window = (uint32_t)((uint64_t)c->pace_q16 * f->cwnd / window);

	if (c->pace_q16 != 0)
		c->pace_q16 = min_u32(c->pace_q16, max_u32(with_window, cc_pace_q16(most)));
	else if (f->srtt_us >> 3 >= CC_PACE_MIN_RTT_US && window > CC_BURST * f->mss)
		c->pace_q16 = cc_pace_q16(most); /* until the next look says which */
}

/* In the middle of an interval of slow start: a window that grew only at its end would not double in a round
 * trip. The pace, which is a window in so much time, grows with it. What came after a reduction is another
 * window, and what is marked asks for one. */
static void grow(struct cc_flow *c, struct flow *f, struct flow_cold *k)
{
	uint64_t acked = k->delivered - c->delivered;
	uint32_t by = (uint32_t)min_u64(less(acked, c->grown), c->grows_to - f->cwnd);

	if (k->timeouts != c->timeouts || (k->beta_q8 != 0 && k->recoveries != c->recoveries) ||
		k->marked != c->marked)
		return;
	pace_grow(c, f, by);
	pace_set(c, f, k);
	f->cwnd += by;
	c->grown += by;
}

/* The interval is over. */
static bool look(struct cc_flow *c, struct flow *f, struct flow_cold *k, tas_ns now)
{
	const struct cc_ops *ops = cc_ops_of(f->cc);
	struct cc_sample s = sample_of(c, f, k, now);
	bool trouble = s.marked > 0 || s.lost > 0 || s.recoveries > 0 || s.timeouts > 0;
	bool again = trouble || looks_again(&s, ops->follows);
	struct cc_decision d;

	c->looked = now;
	/* between bursts of a small window, or what acknowledges the next one would not count */
	again |= s.acked == 0 && f->tx_inflight > 0 && limited_lately(c, f, k, now);
	if (!again) {
		f->flags &= ~(uint32_t)FLOW_CC_ACTIVE;
		k->step_at = UINT64_MAX; /* it would grow unseen */
	}
	if (!trouble && s.acked == 0)
		return again;
	ops->update(&c->state, &s, &d);
	decide(c, f, k, &d);
	c->held = held_for_later(&s, k);
	interval_begin(c, f, k, now);
	return again;
}

bool cc_flow_update(struct cc_flow *c, struct flow *f, struct flow_cold *k, tas_ns now)
{
	c->visited = now;
	if (!may_grow(c, f) || now >= c->since + interval_ns(c, f))
		return look(c, f, k, now);
	grow(c, f, k);
	return true;
}
