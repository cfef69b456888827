/* SPDX-License-Identifier: BSD-3-Clause */
/* cc_dctcp.c - DCTCP (RFC 8257): reduces in proportion to how much was marked, so that queues stay short
 * and links full. Rate-based as in TAS: whatever the round trip is, the flow is paced at a rate that
 * follows the window, so that a window does not arrive as a burst at a switch that marks at a few dozen
 * packets. The window stays the bound on what is in the network when the rate's round trip is out of date.
 * Once for each window of data it is reduced by alpha / 2, alpha being that of the last round trip that is
 * over; what is not marked grows it as newreno's. Loss is answered as by newreno. */
#include <stddef.h>

#include "include/base/compiler.h"
#include "slowpath/cc.h"

enum {
	DCTCP_BETA_Q8 = 128,
	DCTCP_ROUNDS_MAX = 64, /* after as many, alpha is the measured fraction within 2 % */
};

static const double DCTCP_G = 1.0 / 16;

/* RFC 8257 3.3: careful until the network has shown that it marks little. */
static void dctcp_init(struct cc_state *st) { st->dctcp = (struct cc_dctcp_state){ .alpha = 1 }; }

/* alpha = alpha * (1 - g) + g * M, once for each round trip: intervals are put together to one, or are
 * several. */
static void dctcp_alpha(struct cc_dctcp_state *d, const struct cc_sample *s)
{
	uint64_t rounds;
	double m;

	d->window_acked += s->acked;
	d->window_marked += min_u64(s->marked, s->acked);
	d->window_ns += s->interval_ns;
	rounds = d->window_ns / (max_u32(s->srtt_us, 1) * NS_PER_US);
	if (rounds == 0 || d->window_acked == 0)
		return;
	m = (double)d->window_marked / (double)d->window_acked;
	for (rounds = min_u64(rounds, DCTCP_ROUNDS_MAX); rounds > 0; rounds--)
		d->alpha += DCTCP_G * (m - d->alpha);
	d->window_acked = d->window_marked = d->window_ns = 0;
}

/* cwnd = cwnd * (1 - alpha / 2). */
static void dctcp_reduce(const struct cc_dctcp_state *d, const struct cc_sample *s, struct cc_decision *out)
{
	out->cwnd = cc_clamp_cwnd((uint64_t)(s->cwnd * (1 - d->alpha / 2)), min_u32(s->cwnd, 2 * s->mss));
	out->ssthresh = max_u32(out->cwnd, 2 * s->mss);
	out->answers_marks = true;
}

static void dctcp_update(struct cc_state *st, const struct cc_sample *s, struct cc_decision *out)
{
	struct cc_dctcp_state *d = &st->dctcp;
	uint64_t bytes = cc_growth_bytes(s);
	/* a recovery lets the window down a round trip long: what it sends still meets the old queue */
	bool drains = s->in_recovery || d->recovers;

	d->recovers = s->in_recovery;
	*out = cc_keep(s);
	dctcp_alpha(d, s);
	if (s->recoveries > 0 || s->timeouts > 0 || s->in_recovery) /* by more than marks would */
		d->acked = 0;
	if (cc_marks_reduce_exact(s, &d->marks, drains)) {
		dctcp_reduce(d, s, out);
		d->acked = 0;
	} else if (bytes > 0 || s->stepped) {
		out->cwnd = cc_slow_start(s->cwnd, s->ssthresh, &bytes);
		cc_reno_step(s, bytes, &d->acked, out);
	}
	out->cwnd = cc_clamp_cwnd(out->cwnd, s->mss);
	cc_slow_start_goes_on(out);
	out->rate_bytes_s = cc_rate(s, out);
}

const struct cc_ops cc_dctcp = {
	.name = "dctcp",
	.beta_q8 = DCTCP_BETA_Q8,
	.init = dctcp_init,
	.update = dctcp_update,
};
