/* SPDX-License-Identifier: BSD-3-Clause */
/* cc_timely.c - TIMELY (Mittal et al., SIGCOMM 2015): the rate follows the gradient of round-trip times, so
 * that queues stay short without marks. It grows by a step, or by five when round trips have not grown for a
 * while (HAI); it falls in proportion to how fast they grow, or to how far they are above T_high.
 *
 * The paper's thresholds (50 and 500 us) are of a network of 20 us round trips; here they stand for what may
 * be queued, above the least round trip of the flow, or a part of that on longer paths. Its step, 10 Mbit/s,
 * is a thousandth of the paper's link; here it is a segment a round trip at most, and less of one for a flow
 * that has few of them in the network, or three such would overshoot T_high in one round trip. Five steps at
 * once (HAI) are no more than a sixteenth of the rate. What the paper leaves open:
 *   - a flow begins in slow start, until round trips pass T_low, and goes on with the rate that was delivered
 *     by then; what slow start lost asks for no other.
 *   - losses and marks, which the paper does not expect, halve the rate. A path that was silent, so that
 *     timeouts alone told of losses, leaves 0.7 of it: half is soon there again, where a step is thousandths.
 *   - the window is what the rate sends in two round trips, so that a path that has become silent is not
 *     flooded.
 *   - the least round trip is forgotten when nothing like it was measured for 10 s: another path may be
 *     longer. The flow's own queue must not be taken for that, so another one is looked for at half the
 *     rate, as bbr does. If it is above the T_high there was, slow start finds the rate of the path. */
#include <math.h>
#include <stddef.h>

#include "include/base/compiler.h"
#include "slowpath/cc.h"

enum {
	TIMELY_LOW_US = 30, /* 50 and 500 us less the paper's 20 */
	TIMELY_HIGH_US = 480,
	TIMELY_LOW_DIVISOR = 8,
	TIMELY_HIGH_DIVISOR = 2,
	TIMELY_HAI_AFTER = 5,
	TIMELY_HAI_STEPS = 5,
	TIMELY_HAI_DIVISOR = 16,
	TIMELY_STEP_BYTES_S = 1250000,
	TIMELY_STEP_WINDOW = 64, /* segments in the network with which a step is a whole one a round trip, */
	TIMELY_AFTERMATH_TRIPS = 2, /* until what slow start lost is known */
	TIMELY_WINDOWS = 2,         /* round trips at the rate */
	TIMELY_FLOOR_SEGMENTS = 2,
};

#define TIMELY_LEAST_NS (10 * NS_PER_SEC)
#define TIMELY_LOOK_NS (200 * NS_PER_MS)

static const double TIMELY_STEP_LEAST = 0.25; /* and with a few */
static const double TIMELY_ALPHA = 0.46, TIMELY_BETA = 0.8, TIMELY_LOSS = 0.5, TIMELY_SILENCE = 0.7;

static void timely_init(struct cc_state *st)
{
	st->timely = (struct cc_timely_state){ .least_rtt_us = UINT32_MAX, .slow_start = true };
}

static double low_us(const struct cc_timely_state *t)
{
	return t->least_rtt_us + max_u32(TIMELY_LOW_US, t->least_rtt_us / TIMELY_LOW_DIVISOR);
}

static double high_us(const struct cc_timely_state *t)
{
	return t->least_rtt_us + max_u32(TIMELY_HIGH_US, t->least_rtt_us / TIMELY_HIGH_DIVISOR);
}

/* What is measured is the least round trip again, but for a quarter of what may be queued below T_low. */
static bool is_least(const struct cc_timely_state *t, uint32_t rtt_us)
{
	return rtt_us <= t->least_rtt_us + (low_us(t) - t->least_rtt_us) / 4;
}

static void timely_path_begin(struct cc_timely_state *t, uint32_t rtt_us, tas_ns now)
{
	t->slow_start |= t->least_rtt_us != UINT32_MAX && rtt_us > high_us(t);
	t->least_rtt_us = rtt_us;
	t->least_at = now;
	t->last_rtt_us = 0;
	t->diff_us = 0;
}

/* The least round trip, or a look for another one. A path that was silent was not measured. */
static void timely_least(struct cc_timely_state *t, const struct cc_sample *s)
{
	if (t->least_at == 0 || s->timeouts > 0)
		t->least_at = s->now;
	if (s->min_rtt_us != UINT32_MAX && is_least(t, s->min_rtt_us)) {
		t->least_rtt_us = min_u32(t->least_rtt_us, s->min_rtt_us);
		t->least_at = s->now;
		t->looks_until = 0;
	} else if (t->looks_until == 0 && s->now - t->least_at > TIMELY_LEAST_NS) {
		t->looks_until = s->now + TIMELY_LOOK_NS + 2 * s->srtt_us * NS_PER_US;
		t->found_rtt_us = UINT32_MAX;
	} else if (t->looks_until != 0) {
		t->found_rtt_us = min_u32(t->found_rtt_us, s->min_rtt_us);
		if (s->now >= t->looks_until && t->found_rtt_us != UINT32_MAX) {
			timely_path_begin(t, t->found_rtt_us, s->now);
			t->looks_until = 0;
		}
	}
}

/* By the root of the rate in between: who has less still gains on who has more. */
static double step(const struct cc_timely_state *t, const struct cc_sample *s)
{
	double least_us = fmax(t->least_rtt_us, 1), segments = t->rate * least_us / 1e6 / s->mss;
	double part = fmin(fmax(sqrt(segments / TIMELY_STEP_WINDOW), TIMELY_STEP_LEAST), 1);

	return fmin(TIMELY_STEP_BYTES_S, part * s->mss * 1e6 / least_us);
}

static double increase(const struct cc_timely_state *t, const struct cc_sample *s)
{
	double one = step(t, s);

	if (s->min_rtt_us < low_us(t) || t->falling < TIMELY_HAI_AFTER)
		return one;
	return fmax(one, fmin(TIMELY_HAI_STEPS * one, t->rate / TIMELY_HAI_DIVISOR));
}

/* (Algorithm 1 of the paper) */
static void timely_rtt(struct cc_timely_state *t, const struct cc_sample *s, bool may_grow)
{
	double rtt_us = s->min_rtt_us, gradient;

	if (t->last_rtt_us == 0)
		t->last_rtt_us = s->min_rtt_us;
	t->diff_us += TIMELY_ALPHA * (rtt_us - t->last_rtt_us - t->diff_us);
	t->last_rtt_us = s->min_rtt_us;
	gradient = t->diff_us / fmax(t->least_rtt_us, 1);
	t->falling = gradient <= 0 || rtt_us < low_us(t) ? t->falling + 1 : 0;
	if (rtt_us > high_us(t) && rtt_us >= low_us(t))
		t->rate *= 1 - TIMELY_BETA * (1 - high_us(t) / rtt_us);
	else if (rtt_us >= low_us(t) && gradient > 0)
		t->rate *= fmax(1 - TIMELY_BETA * gradient, 0.5);
	else if (may_grow)
		t->rate += increase(t, s);
}

static void timely_begin(struct cc_state *st, const struct cc_sample *s, struct cc_decision *out)
{
	struct cc_timely_state *t = &st->timely;

	*out = cc_keep(s);
	if (s->srtt_us == 0)
		return;
	t->rate = s->cwnd * 1e6 / s->srtt_us;
	t->least_rtt_us = s->srtt_us;
	t->least_at = s->now;
	out->rate_bytes_s = (uint64_t)(2 * t->rate);
	out->interval_us = s->srtt_us;
}

static void timely_slow_start(struct cc_timely_state *t, const struct cc_sample *s)
{
	double rounds = fmin((double)s->interval_ns / 1e3 / fmax(s->srtt_us, 1), 2);

	if (s->min_rtt_us != UINT32_MAX && s->min_rtt_us > low_us(t)) {
		t->slow_start = false;
		t->aftermath_until = s->now + TIMELY_AFTERMATH_TRIPS * s->srtt_us * NS_PER_US;
		if (s->rate_us > 0)
			t->rate = fmin(t->rate, (double)s->rate_bytes * 1e6 / (double)s->rate_us);
	} else if (s->acked > 0 && (s->paced || s->cwnd_limited))
		t->rate *= 1 + rounds * (1 + rounds) / 2; /* about 2^rounds, in no library's last digit */
}

/* What losses that were not answered yet leave of the rate: a timeout in a recovery, or after another, is of
 * the same ones. */
static double timely_left(struct cc_timely_state *t, const struct cc_sample *s)
{
	bool timed_out = s->timeouts > 0 && !t->recovers;

	t->recovers = s->in_recovery || s->in_loss;
	if (s->recoveries > 0 && s->now > t->aftermath_until)
		return TIMELY_LOSS;
	return timed_out ? TIMELY_SILENCE : 1;
}

static void timely_update(struct cc_state *st, const struct cc_sample *s, struct cc_decision *out)
{
	struct cc_timely_state *t = &st->timely;
	double rtt_us = max_u32(s->srtt_us, 1), floor, rate;
	bool marks = cc_marks_reduce(s, &t->marks);
	double left = fmin(timely_left(t, s), marks ? TIMELY_LOSS : 1);

	*out = cc_keep(s);
	if (t->rate == 0)
		t->rate = s->cwnd * 1e6 / rtt_us;
	timely_least(t, s);
	if (t->slow_start)
		timely_slow_start(t, s);
	else if (s->min_rtt_us != UINT32_MAX && s->timeouts == 0 && t->looks_until == 0)
		timely_rtt(t, s, (s->paced || s->cwnd_limited) && s->marked == 0);
	if (left < 1) {
		t->rate *= left;
		t->slow_start = false;
		out->answers_marks = s->marked > 0;
	}
	floor = TIMELY_FLOOR_SEGMENTS * s->mss * 1e6 / rtt_us;
	t->rate = fmin(fmax(t->rate, floor), 1e12);
	rate = t->looks_until != 0 ? fmax(t->rate / 2, floor) : t->rate;
	out->rate_bytes_s = (uint64_t)rate;
	out->cwnd = cc_clamp_cwnd((uint64_t)(TIMELY_WINDOWS * rate * rtt_us / 1e6), 4 * s->mss);
	if (s->in_loss) /* slow start until what was lost is there (RFC 5681 3.1) */
		out->cwnd = min_u32(out->cwnd, cc_clamp_cwnd(s->cwnd + s->acked, s->mss));
	out->interval_us = t->slow_start ? max_u32(s->srtt_us / 2, 1) : s->srtt_us;
}

const struct cc_ops cc_timely = {
	.name = "timely",
	.beta_q8 = 0,
	.follows = true,
	.init = timely_init,
	.begin = timely_begin,
	.update = timely_update,
};
