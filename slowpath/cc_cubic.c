/* SPDX-License-Identifier: BSD-3-Clause */
/* cc_cubic.c - CUBIC (RFC 9438) with HyStart++ (RFC 9406): the window follows a cubic function of the time
 * since the last reduction, flat around where that happened, and never grows slower than Reno would.
 * Windows in segments, times in seconds, as in the RFC. */
#include <math.h>
#include <stddef.h>

#include "include/base/compiler.h"
#include "slowpath/cc.h"

enum {
	CUBIC_BETA_Q8 = 179, /* 0.7 */
	CUBIC_STEPS_MAX = 16,
};

static const double CUBIC_C = 0.4, CUBIC_BETA = CUBIC_BETA_Q8 / 256.0;

/* How the next interval of congestion avoidance begins. */
enum cubic_phase {
	CUBIC_AT_PLATEAU,  /* W_max is the window then: after slow start or a timeout (4.8, 4.10) */
	CUBIC_BELOW_W_MAX, /* after a reduction that is not followed by slow start (4.2) */
	CUBIC_RUNNING,
};

static void cubic_init(struct cc_state *st)
{
	st->cubic = (struct cc_cubic_state){ .phase = CUBIC_AT_PLATEAU };
}

/* The window was `w` when congestion was noticed. 4.7: one that did not get back to W_max makes room for
 * others. */
static void cubic_reduced(struct cc_cubic_state *c, double w)
{
	c->w_max = w < c->w_max ? w * (1 + CUBIC_BETA) / 2 : w;
	c->w_prior = (float)w;
	c->phase = CUBIC_BELOW_W_MAX;
}

static void cubic_epoch_begin(struct cc_cubic_state *c, double cwnd)
{
	if (c->phase == CUBIC_AT_PLATEAU || c->w_max < cwnd)
		c->w_max = cwnd;
	c->k_s = cbrt((c->w_max - cwnd) / CUBIC_C);
	c->w_est = cwnd;
	c->t_s = 0;
	c->phase = CUBIC_RUNNING;
}

static double cubic_w(const struct cc_cubic_state *c, double t_s)
{
	double d = t_s - c->k_s;

	return CUBIC_C * d * d * d + c->w_max;
}

/* 4.3: what Reno would have. Until it is where it was, with an increase that makes up for the smaller
 * reduction. */
static void cubic_w_est_grow(struct cc_cubic_state *c, double cwnd, double acked)
{
	double alpha = c->w_est < c->w_prior ? 3 * (1 - CUBIC_BETA) / (1 + CUBIC_BETA) : 1;

	c->w_est += alpha * acked / cwnd;
}

/* 4.4, 4.5: `acked` segments later the window is on its way to where the function is a round trip ahead. */
static double cubic_step(struct cc_cubic_state *c, double cwnd, double acked, double dt_s, double rtt_s)
{
	double target;

	c->t_s += dt_s;
	cubic_w_est_grow(c, cwnd, acked);
	if (cubic_w(c, c->t_s) < c->w_est)
		return fmax(cwnd, c->w_est);
	target = fmin(fmax(cubic_w(c, c->t_s + rtt_s), cwnd), 1.5 * cwnd);
	return fmin(cwnd + (target - cwnd) / cwnd * acked, target);
}

/* In steps of a quarter of a window, between which time and target move on as they would from one
 * acknowledgement to the next. The time that belongs to `bytes` is their part of the interval. */
static double cubic_avoidance(struct cc_cubic_state *c, const struct cc_sample *s, double cwnd,
	uint64_t bytes)
{
	double acked = (double)bytes / s->mss;
	unsigned steps = (unsigned)fmin(fmax(ceil(4 * acked / cwnd), 1), CUBIC_STEPS_MAX);
	double time_s = (double)s->interval_ns / (double)NS_PER_SEC *
		((double)bytes / (double)max_u64(s->acked, bytes));
	double dt_s = time_s / steps, rtt_s = s->srtt_us / 1e6;

	if (c->phase != CUBIC_RUNNING)
		cubic_epoch_begin(c, cwnd);
	for (unsigned i = 0; i < steps; i++)
		cwnd = cubic_step(c, cwnd, acked / steps, dt_s, rtt_s);
	return cwnd;
}

/* Only whole segments are ever in flight, so the window waits for one; the fast path adds it with the
 * acknowledgement that completes it, if things go on as in this interval. */
static void cubic_advance(struct cc_cubic_state *c, const struct cc_sample *s, uint64_t bytes,
	struct cc_decision *out)
{
	double before = (double)out->cwnd / s->mss, from = before + c->pending;
	double to = cubic_avoidance(c, s, from, bytes), whole = floor(before) + 1;

	if (to >= whole) {
		out->cwnd = (uint32_t)fmin(to * s->mss, CC_CWND_MAX);
		whole = floor(to) + 1;
		c->pending = 0;
	} else {
		c->pending = (float)(to - before);
	}
	if (to > from)
		out->step_after = (uint64_t)fmin((whole - to) / (to - from) * (double)bytes, CC_CWND_MAX);
}

/* RFC 9406 is for the first slow start alone: later ones know where they end. */
static void cubic_slow_start(struct cc_cubic_state *c, const struct cc_sample *s, uint64_t *acked,
	struct cc_decision *out)
{
	const struct hystart_part part = { .min_rtt_us = s->min_rtt_us,
		.srtt_us = s->srtt_us,
		.segments = (uint32_t)min_u64(s->acked / s->mss, UINT32_MAX),
		.us = s->interval_ns / NS_PER_US };
	enum hystart_verdict verdict = HYSTART_GROW;

	if (s->ssthresh >= CC_SSTHRESH_NONE)
		verdict = hystart_round(&c->hystart, &part);
	if (verdict == HYSTART_LEAVE)
		out->ssthresh = max_u32(out->cwnd, 2 * s->mss);
	else if (verdict == HYSTART_CONSERVATIVE)
		*acked /= HYSTART_CSS_DIVISOR;
	out->cwnd = cc_slow_start(out->cwnd, out->ssthresh, acked);
}

static void cubic_grow(struct cc_cubic_state *c, const struct cc_sample *s, uint64_t bytes,
	struct cc_decision *out)
{
	if (s->cwnd < s->ssthresh) {
		if (c->phase == CUBIC_RUNNING) /* slow start once more, after the flow was idle */
			c->phase = CUBIC_AT_PLATEAU;
		c->pending = 0;
		cubic_slow_start(c, s, &bytes, out);
		if (out->cwnd < out->ssthresh)
			return;
	}
	if (bytes > 0)
		cubic_advance(c, s, bytes, out);
}

/* What the fast path did to the window: the segment that it foresaw, and beta of it for losses. */
static void cubic_note_changes(struct cc_cubic_state *c, const struct cc_sample *s)
{
	double before = s->ssthresh / CUBIC_BETA / s->mss;

	if (s->stepped)
		c->pending -= 1;
	if (s->undone || s->recoveries > 0 || s->timeouts > 0)
		c->pending = 0;
	if (s->undone) { /* 4.9: what there is was no wrong window */
		c->w_max = fmax(c->w_max, (double)s->cwnd / s->mss);
		c->phase = CUBIC_BELOW_W_MAX;
	}
	if (s->recoveries > s->answered)
		cubic_reduced(c, before);
	if (s->timeouts > 0) {
		c->w_prior = (float)before;
		c->phase = CUBIC_AT_PLATEAU;
	}
}

static void cubic_update(struct cc_state *st, const struct cc_sample *s, struct cc_decision *out)
{
	struct cc_cubic_state *c = &st->cubic;
	uint64_t bytes = cc_growth_bytes(s);

	*out = cc_keep(s);
	cubic_note_changes(c, s);
	if (cc_marks_reduce(s, &c->marks)) {
		cubic_reduced(c, (double)s->cwnd / s->mss);
		cc_reduce(s, CUBIC_BETA_Q8, out);
		c->pending = 0;
	} else if (bytes > 0 || s->grown > 0) {
		cubic_grow(c, s, bytes, out);
	}
	out->cwnd = cc_clamp_cwnd(out->cwnd, s->mss);
	if (c->hystart.baseline_rtt_us == 0 || s->ssthresh < CC_SSTHRESH_NONE) /* else by a fraction */
		cc_slow_start_goes_on(out);
	out->rate_bytes_s = cc_window_rate(s, out);
}

const struct cc_ops cc_cubic = {
	.name = "cubic",
	.beta_q8 = CUBIC_BETA_Q8,
	.init = cubic_init,
	.update = cubic_update,
};
