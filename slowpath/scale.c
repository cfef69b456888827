/* SPDX-License-Identifier: BSD-3-Clause */
/* scale.c - see scale.h. Times are sums of intervals, so that no clock is needed. */
#include "slowpath/scale.h"

#include <stdbool.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"

struct scale scale_of(uint32_t cores_min, uint32_t cores_max)
{
	TAS_ASSERT(cores_min >= 1 && cores_min <= cores_max);
	return (struct scale){
		.cores_min = cores_min,
		.cores_max = cores_max,
		.add_after_ns = 100 * NS_PER_MS, /* load hurts now, an idle core does not */
		.remove_after_ns = NS_PER_SEC,
		.cores = cores_min,
		.patience = 1,
		.calm_ns = TAS_NS_NEVER / 2,
	};
}

/* Soon after the last removal: that was wrong, or the load swings. */
static bool is_soon(const struct scale *s)
{
	return s->calm_ns < SCALE_SOON * s->patience * s->remove_after_ns;
}

static uint32_t scale_add(struct scale *s)
{
	if (is_soon(s))
		s->patience = min_u32(2 * s->patience, SCALE_PATIENCE_MAX);
	s->short_ns = s->ample_ns = 0;
	return ++s->cores;
}

static uint32_t scale_remove(struct scale *s)
{
	if (!is_soon(s))
		s->patience = max_u32(s->patience / 2, 1);
	s->short_ns = s->ample_ns = s->calm_ns = 0;
	return --s->cores;
}

uint32_t scale_update(struct scale *s, uint64_t busy_ns, tas_ns interval_ns)
{
	uint64_t all_ns = s->cores * interval_ns, idle_ns = all_ns - min_u64(busy_ns, all_ns);
	bool is_short = idle_ns * 100 < SCALE_ADD_BELOW_PERCENT * interval_ns;
	bool is_ample = idle_ns * 100 > SCALE_REMOVE_ABOVE_PERCENT * interval_ns;

	s->calm_ns += min_u64(interval_ns, TAS_NS_NEVER / 2 - s->calm_ns);
	s->short_ns = is_short ? s->short_ns + interval_ns : 0;
	s->ample_ns = is_ample ? s->ample_ns + interval_ns : 0;
	if (s->short_ns >= s->add_after_ns && s->cores < s->cores_max)
		return scale_add(s);
	if (s->ample_ns >= s->patience * s->remove_after_ns && s->cores > s->cores_min)
		return scale_remove(s);
	return s->cores;
}
