/* SPDX-License-Identifier: BSD-3-Clause */
/* hystart.c - RFC 9406 4.2. */
#include "slowpath/hystart.h"

#include <stdbool.h>

#include "include/base/compiler.h"

static bool is_delayed(const struct hystart *h, uint32_t rtt_us)
{
	uint32_t threshold = h->last_rtt_us / HYSTART_MIN_RTT_DIVISOR;

	threshold = min_u32(max_u32(threshold, HYSTART_MIN_RTT_THRESH_US), HYSTART_MAX_RTT_THRESH_US);
	return h->last_rtt_us != 0 && rtt_us >= h->last_rtt_us + threshold;
}

/* In conservative slow start: was the delay a passing one, or is it time to leave? */
static enum hystart_verdict css_round(struct hystart *h, bool says, uint32_t srtt_us)
{
	if (says && h->round_rtt_us < h->baseline_rtt_us) {
		h->baseline_rtt_us = 0;
		return HYSTART_GROW;
	}
	h->css_rtts_x16 += (uint32_t)min_u64(16ull * h->round_us / max_u32(srtt_us, 1),
		16 * HYSTART_CSS_ROUNDS);
	return h->css_rtts_x16 >= 16 * HYSTART_CSS_ROUNDS ? HYSTART_LEAVE : HYSTART_CONSERVATIVE;
}

static enum hystart_verdict round_over(struct hystart *h, uint32_t srtt_us)
{
	bool says = h->round_rtt_us != 0 && h->round_segments >= HYSTART_RTT_SAMPLES;

	if (h->baseline_rtt_us != 0)
		return css_round(h, says, srtt_us);
	if (!says || !is_delayed(h, h->round_rtt_us))
		return HYSTART_GROW;
	h->baseline_rtt_us = h->round_rtt_us;
	h->css_rtts_x16 = 0;
	return HYSTART_CONSERVATIVE;
}

enum hystart_verdict hystart_round(struct hystart *h, const struct hystart_part *p)
{
	if (p->min_rtt_us != UINT32_MAX)
		h->round_rtt_us = h->round_rtt_us != 0 ? min_u32(h->round_rtt_us, p->min_rtt_us)
						       : p->min_rtt_us;
	h->round_us += (uint32_t)min_u64(p->us, UINT32_MAX - h->round_us);
	h->round_segments += min_u32(p->segments, UINT32_MAX - h->round_segments);
	if (h->round_us < p->srtt_us)
		return h->verdict;
	h->verdict = round_over(h, p->srtt_us);
	if (h->round_rtt_us != 0)
		h->last_rtt_us = h->round_rtt_us;
	h->round_us = h->round_rtt_us = h->round_segments = 0;
	return h->verdict;
}
