/* SPDX-License-Identifier: BSD-3-Clause */
/* cc_newreno.c - slow start and congestion avoidance of RFC 5681; recovery itself (RFC 6582, 6675) is the
 * fast path's. */
#include <stddef.h>

#include "slowpath/cc.h"

enum { NEWRENO_BETA_Q8 = 128 };

static void newreno_init(struct cc_state *st) { st->newreno = (struct cc_newreno_state){ 0 }; }

static void newreno_update(struct cc_state *st, const struct cc_sample *s, struct cc_decision *out)
{
	struct cc_newreno_state *r = &st->newreno;
	uint64_t bytes = cc_growth_bytes(s);

	*out = cc_keep(s);
	if (s->recoveries > 0 || s->timeouts > 0)
		r->acked = 0;
	if (cc_marks_reduce(s, &r->marks)) {
		cc_reduce(s, NEWRENO_BETA_Q8, out);
		r->acked = 0;
	} else if (bytes > 0 || s->stepped) {
		out->cwnd = cc_slow_start(s->cwnd, s->ssthresh, &bytes);
		cc_reno_step(s, bytes, &r->acked, out);
	}
	out->cwnd = cc_clamp_cwnd(out->cwnd, s->mss);
	cc_slow_start_goes_on(out);
	out->rate_bytes_s = cc_window_rate(s, out);
}

const struct cc_ops cc_newreno = {
	.name = "newreno",
	.beta_q8 = NEWRENO_BETA_Q8,
	.init = newreno_init,
	.update = newreno_update,
};
