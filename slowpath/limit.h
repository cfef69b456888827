/* SPDX-License-Identifier: BSD-3-Clause */
/* limit.h - how often something may be done.
 * Guarantee: in any time t at most `burst` + t * per_second events pass, and after a pause `burst` of them at
 * once. One comparison and one addition: it keeps the time at which the next event would be due at the steady
 * rate, and lets events come early by a burst.
 * Owner: one thread. No clock: callers pass `now`. */
#ifndef TAS_SLOWPATH_LIMIT_H
#define TAS_SLOWPATH_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/time.h"

struct limit {
	tas_ns due;
	tas_ns apart_ns; /* between events at the steady rate */
	tas_ns early_ns; /* how much before its due time an event may come */
};

/* Both at least 1. */
static inline struct limit limit_of(uint32_t per_second, uint32_t burst)
{
	tas_ns apart = NS_PER_SEC / per_second;

	return (struct limit){ .apart_ns = apart, .early_ns = apart * (burst - 1) };
}

static inline bool limit_pass(struct limit *l, tas_ns now)
{
	tas_ns due = l->due > now ? l->due : now;

	if (due - now > l->early_ns)
		return false;
	l->due = due + l->apart_ns;
	return true;
}

#endif
