/* SPDX-License-Identifier: BSD-3-Clause */
/* cc.c - what the algorithms share. */
#include "slowpath/cc.h"

#include <string.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"

static const struct cc_ops *const cc_table[NR_CC] = {
	[CC_CUBIC] = &cc_cubic,
	[CC_NEWRENO] = &cc_newreno,
	[CC_DCTCP] = &cc_dctcp,
	[CC_BBR] = &cc_bbr,
	[CC_TIMELY] = &cc_timely,
	[CC_CONST_RATE] = &cc_const_rate,
};

const struct cc_ops *cc_ops_of(enum cc_algorithm alg)
{
	TAS_ASSERT((unsigned)alg < NR_CC);
	return cc_table[alg];
}

int cc_find(const char *name)
{
	for (int i = 0; i < NR_CC; i++)
		if (strcmp(cc_table[i]->name, name) == 0)
			return i;
	return -1;
}

void cc_names(char *to, size_t size)
{
	to[0] = '\0';
	for (int i = 0; i < NR_CC; i++) {
		size_t used = strlen(to);

		TAS_ASSERT(used + strlen(cc_table[i]->name) + 1 < size);
		strcpy(stpcpy(to + used, cc_table[i]->name), " ");
	}
}

uint32_t cc_initial_cwnd(uint32_t mss, uint32_t segments)
{
	return cc_clamp_cwnd((uint64_t)mss * segments, mss);
}

uint32_t cc_pace_q16(uint64_t rate_bytes_s)
{
	uint64_t q16;

	if (rate_bytes_s == 0)
		return 0;
	q16 = (NS_PER_SEC << 16) / rate_bytes_s;
	return (uint32_t)min_u64(max_u64(q16, 1), UINT32_MAX);
}

uint32_t cc_slow_start(uint32_t cwnd, uint32_t ssthresh, uint64_t *acked)
{
	uint64_t grow = ssthresh > cwnd ? min_u64(*acked, ssthresh - cwnd) : 0;

	*acked -= grow;
	return cwnd + (uint32_t)grow;
}

static uint32_t whole_segments(uint32_t cwnd, uint32_t mss) { return max_u32(cwnd - cwnd % mss, mss); }

uint32_t cc_reno_avoidance(uint32_t cwnd, uint32_t mss, uint64_t *pending)
{
	for (uint32_t whole; cwnd < CC_CWND_MAX; cwnd += mss) {
		whole = whole_segments(cwnd, mss);
		if (*pending < whole)
			break;
		*pending -= whole;
	}
	if (cwnd >= CC_CWND_MAX)
		*pending = 0;
	return cwnd;
}

void cc_reno_step(const struct cc_sample *s, uint64_t bytes, uint64_t *pending, struct cc_decision *d)
{
	*pending += bytes;
	if (s->stepped && d->cwnd > s->mss)
		*pending -= min_u64(whole_segments(d->cwnd - s->mss, s->mss), *pending);
	d->cwnd = cc_reno_avoidance(d->cwnd, s->mss, pending);
	if (s->cwnd_limited && !s->in_recovery && d->cwnd >= d->ssthresh && d->cwnd < CC_CWND_MAX)
		d->step_after = whole_segments(d->cwnd, s->mss) - *pending;
}

static void marks_answer(const struct cc_sample *s, struct cc_marks *m, bool now)
{
	if (now)
		m->answered = s->inflight - min_u32(s->sacked, s->inflight);
	else
		cc_marks_pass(s, m);
}

/* new_marks: some are of data that was sent after the last reduction. */
static bool marks_reduce(const struct cc_sample *s, struct cc_marks *m, bool new_marks)
{
	bool reduced = s->recoveries > 0 || s->timeouts > 0;
	bool reduce = new_marks && !reduced && !s->in_recovery;

	marks_answer(s, m, reduce || reduced);
	return reduce;
}

static bool has_new_marks(const struct cc_sample *s, const struct cc_marks *m)
{
	return s->marked > min_u64(s->acked, m->answered);
}

bool cc_marks_are_new(const struct cc_sample *s, struct cc_marks *m)
{
	bool is_new = has_new_marks(s, m);

	marks_answer(s, m, is_new);
	return is_new;
}

bool cc_marks_reduce(const struct cc_sample *s, struct cc_marks *m)
{
	return marks_reduce(s, m, has_new_marks(s, m));
}

bool cc_marks_reduce_exact(const struct cc_sample *s, struct cc_marks *m, bool drains)
{
	if (drains) {
		marks_answer(s, m, true);
		return false;
	}
	return marks_reduce(s, m, s->marked > 0 && 2 * s->acked >= 3ull * m->answered);
}

void cc_reduce(const struct cc_sample *s, uint32_t beta_q8, struct cc_decision *d)
{
	d->cwnd = cc_clamp_cwnd((uint64_t)s->cwnd * beta_q8 / 256, min_u32(s->cwnd, 2 * s->mss));
	d->ssthresh = max_u32(d->cwnd, 2 * s->mss);
	d->answers_marks = true;
}

uint64_t cc_rate(const struct cc_sample *s, const struct cc_decision *d)
{
	uint64_t percent = d->cwnd < d->ssthresh / 2 ? 200 : 120;

	return s->srtt_us == 0 ? 0 : max_u64(d->cwnd * percent * (1000000 / 100) / s->srtt_us, 1);
}

/* Below a millisecond windows go as acknowledgements and quota let them: a window then is a few dozen
 * segments at 10 Gbit/s, which any switch holds, and the gaps between paced segments would be shorter than
 * a pass of a core that has other work, so that pacing would cost rate and spread nothing. Above, a burst
 * of a window is a megabyte and worth spreading; but one of twice what every connection may begin with
 * (RFC 6928) needs none. Spread, each of few segments would wait for the receiver's delayed
 * acknowledgement, for want of a second one close behind it. */
uint64_t cc_window_rate(const struct cc_sample *s, const struct cc_decision *d)
{
	return s->srtt_us < CC_PACE_MIN_RTT_US || d->cwnd <= CC_BURST * s->mss ? 0 : cc_rate(s, d);
}
