/* SPDX-License-Identifier: BSD-3-Clause */
/* cc_const_rate.c - sends at one rate, whatever the network says: for tests and measurements, and for
 * networks in which somebody else has reserved it. The rate is the application's (SO_MAX_PACING_RATE) or else
 * that of tasd.conf; the window is the peer's alone. Only a timeout stops it, for a round trip. */
#include <stddef.h>

#include "slowpath/cc.h"

static void const_rate_init(struct cc_state *st) { (void)st; }

static void const_rate_update(struct cc_state *st, const struct cc_sample *s, struct cc_decision *out)
{
	(void)st;
	*out = cc_keep(s);
	out->cwnd = CC_CWND_MAX;
	out->rate_bytes_s = s->const_bytes_s;
	out->answers_marks = s->marked > 0; /* else the peer would repeat them for ever */
}

const struct cc_ops cc_const_rate = {
	.name = "const-rate",
	.beta_q8 = 0,
	.init = const_rate_init,
	.begin = const_rate_update,
	.update = const_rate_update,
};
