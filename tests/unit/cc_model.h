/* SPDX-License-Identifier: BSD-3-Clause */
/* cc_model.h - a fluid model of flows that share one bottleneck, for the tests of congestion control.
 * In each step of a tenth of the base round trip every flow sends window / RTT; what the link cannot take
 * waits in a queue, which drops beyond `buffer` and marks beyond `mark_above`. A flow reduces by itself
 * when it loses, as the fast path does, and asks its algorithm once per two round trips. */
#ifndef TAS_TESTS_CC_MODEL_H
#define TAS_TESTS_CC_MODEL_H

#include <math.h>
#include <string.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"
#include "slowpath/cc.h"

enum { MODEL_FLOWS_MAX = 4, MODEL_MSS = 1448 };

struct model_flow {
	const struct cc_ops *ops;
	struct cc_state state;
	uint32_t cwnd, ssthresh;
	double recovery_until_s, update_at_s, since_s;
	struct cc_sample sums;
	double acked, marked;         /* of the interval */
	double steady_before, steady; /* of `acked`, outside of recoveries: before the last one, and since */
	uint64_t held;
	double total; /* bytes delivered since the start or the last model_forget() */
};

struct model {
	double rate; /* bytes/s */
	double base_rtt_s;
	double buffer;     /* bytes */
	double mark_above; /* bytes; HUGE_VAL: never */
	double now_s, queue, counted_s;
	double queue_sum; /* over counted_s */
	unsigned flows, losses;
	struct model_flow flow[MODEL_FLOWS_MAX];
};

static inline struct model_flow *model_add(struct model *m, const struct cc_ops *ops, uint32_t segments)
{
	struct model_flow *f = &m->flow[m->flows++];

	*f = (struct model_flow){ .ops = ops, .cwnd = segments * MODEL_MSS, .ssthresh = CC_SSTHRESH_NONE };
	f->sums.min_rtt_us = UINT32_MAX;
	f->since_s = m->now_s;
	f->update_at_s = m->now_s + 2 * m->base_rtt_s;
	ops->init(&f->state);
	return f;
}

static inline double model_rtt_s(const struct model *m) { return m->base_rtt_s + m->queue / m->rate; }

static inline void model_update(struct model *m, struct model_flow *f)
{
	struct cc_sample s = f->sums;
	struct cc_decision d;
	double steady;

	s.now = (tas_ns)(m->now_s * 1e9);
	s.interval_ns = (tas_ns)((m->now_s - f->since_s) * 1e9);
	s.acked = (uint64_t)f->acked;
	s.held = f->held;
	steady = f->steady +
		(double)cc_growth_before((uint64_t)f->steady_before, s.recoveries, f->ops->beta_q8);
	s.recovering = s.acked - min_u64((uint64_t)steady, s.acked);
	s.marked = (uint64_t)f->marked;
	s.srtt_us = (uint32_t)(model_rtt_s(m) * 1e6);
	s.mss = MODEL_MSS;
	s.inflight = s.cwnd = f->cwnd;
	s.ssthresh = f->ssthresh;
	s.cwnd_limited = true;
	s.in_recovery = m->now_s < f->recovery_until_s;
	f->ops->update(&f->state, &s, &d);
	f->cwnd = d.cwnd;
	f->ssthresh = d.ssthresh;
	f->acked -= (double)s.acked; /* what is less than a byte stays */
	f->held = s.in_recovery ? s.held + s.acked - s.recovering : 0;
	f->steady = s.in_recovery ? 0 : f->acked;
	f->steady_before = 0;
	f->marked = 0;
	f->since_s = m->now_s;
	f->update_at_s = m->now_s + 2 * model_rtt_s(m);
	f->sums = (struct cc_sample){ .min_rtt_us = UINT32_MAX };
}

/* The start of fast recovery, as in the fast path; once per round trip. */
static inline void model_lose(struct model *m, struct model_flow *f)
{
	if (m->now_s < f->recovery_until_s)
		return;
	f->ssthresh = max_u32((uint32_t)((uint64_t)f->cwnd * f->ops->beta_q8 / 256), 2 * MODEL_MSS);
	f->cwnd = f->ssthresh;
	f->sums.recoveries++;
	f->steady_before += f->steady;
	f->steady = 0;
	f->recovery_until_s = m->now_s + model_rtt_s(m);
	m->losses++;
}

static inline void model_acked(const struct model *m, struct model_flow *f, double bytes)
{
	f->acked += bytes;
	f->steady += m->now_s < f->recovery_until_s ? 0 : bytes;
}

static inline void model_flow_step(struct model *m, struct model_flow *f, double dt_s, double rtt_s,
	double share)
{
	double sent = f->cwnd / rtt_s * dt_s * share;

	model_acked(m, f, sent);
	f->total += sent;
	if (m->queue > m->mark_above)
		f->marked += sent;
	f->sums.min_rtt_us = min_u32(f->sums.min_rtt_us, (uint32_t)(rtt_s * 1e6));
	if (m->now_s >= f->update_at_s)
		model_update(m, f);
}

static inline void model_step(struct model *m)
{
	double dt_s = m->base_rtt_s / 10, rtt_s = model_rtt_s(m), offered = 0, windows = 0;

	for (unsigned i = 0; i < m->flows; i++)
		windows += m->flow[i].cwnd;
	offered = windows / rtt_s;
	/* windows that fit the pipe and the queue are acknowledged as fast as they are sent */
	m->queue = fmax(windows - m->rate * m->base_rtt_s, 0);
	for (unsigned i = 0; i < m->flows; i++)
		model_flow_step(m, &m->flow[i], dt_s, rtt_s, fmin(m->rate / offered, 1));
	if (m->queue > m->buffer) {
		m->queue = m->buffer;
		for (unsigned i = 0; i < m->flows; i++)
			model_lose(m, &m->flow[i]);
	}
	m->now_s += dt_s;
	m->counted_s += dt_s;
	m->queue_sum += m->queue * dt_s;
}

static inline void model_run(struct model *m, double seconds)
{
	for (double end = m->now_s + seconds; m->now_s < end;)
		model_step(m);
}

static inline void model_forget(struct model *m)
{
	m->counted_s = m->queue_sum = 0;
	m->losses = 0;
	for (unsigned i = 0; i < m->flows; i++)
		m->flow[i].total = 0;
}

/* Delivered since model_forget(), as a part of what the link could carry. */
static inline double model_utilisation(const struct model *m)
{
	double total = 0;

	for (unsigned i = 0; i < m->flows; i++)
		total += m->flow[i].total;
	return total / (m->rate * m->counted_s);
}

/* Jain's index: 1 if all got the same, 1/n if one got all. */
static inline double model_fairness(const struct model *m)
{
	double sum = 0, squares = 0;

	for (unsigned i = 0; i < m->flows; i++) {
		sum += m->flow[i].total;
		squares += m->flow[i].total * m->flow[i].total;
	}
	return sum * sum / (m->flows * squares);
}

/* One flow alone, round trip by round trip, that loses each segment with a chance of loss_ppm; its
 * algorithm is asked once in `rounds_apart` of them. Returns its mean window in segments. */
static inline double model_random_loss(const struct cc_ops *ops, uint32_t rtt_us, uint32_t loss_ppm,
	unsigned rounds_apart)
{
	enum { ROUNDS = 100000 };
	struct model m = { .rate = HUGE_VAL, .base_rtt_s = rtt_us / 1e6 };
	struct model_flow *f = model_add(&m, ops, 10);
	struct tas_rand r;
	double sum = 0;

	rand_seed(&r, 1);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		model_acked(&m, f, f->cwnd);
		for (uint32_t i = 0; i < f->cwnd / MODEL_MSS; i++)
			if (rand_chance_ppm(&r, loss_ppm))
				model_lose(&m, f);
		m.now_s += m.base_rtt_s;
		if (round % rounds_apart == 0)
			model_update(&m, f);
		sum += f->cwnd / (double)MODEL_MSS;
	}
	return sum / ROUNDS;
}

#endif
