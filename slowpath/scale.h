/* SPDX-License-Identifier: BSD-3-Clause */
/* scale.h - how many fast-path cores should run, decided from how busy they were.
 * Guarantee: one more when less than 0.2 core was idle for `add_after_ns`, one less when more than 1.25 were
 * idle for `patience * remove_after_ns`. What is idle after a removal is more than what asks for an addition,
 * so a steady load settles. A load that swings over both limits cannot make it swing for long: an addition
 * soon after a removal doubles the patience, up to SCALE_PATIENCE_MAX; a removal long after the one before
 * halves it.
 * Pure, but for the struct handed in; no clock. Owner: the slow path. */
#ifndef TAS_SLOWPATH_SCALE_H
#define TAS_SLOWPATH_SCALE_H

#include <stdint.h>

#include "include/base/time.h"

enum {
	SCALE_ADD_BELOW_PERCENT = 20, /* of one core idle */
	SCALE_REMOVE_ABOVE_PERCENT = 125,
	SCALE_PATIENCE_MAX = 64,
	SCALE_SOON = 16, /* times the wait before a removal: within that, an addition says it was wrong */
};

struct scale {
	uint32_t cores_min, cores_max;
	tas_ns add_after_ns, remove_after_ns;
	uint32_t cores;    /* that run now */
	uint32_t patience; /* factor on remove_after_ns */
	tas_ns short_ns;   /* for how long too little was idle */
	tas_ns ample_ns;   /* for how long too much was */
	tas_ns calm_ns;    /* since the last removal */
};

/* 1 <= cores_min <= cores_max. Starts with cores_min. */
struct scale scale_of(uint32_t cores_min, uint32_t cores_max);

/* busy_ns: the sum over the running cores of their busy time in the last interval_ns (differences of
 * CNT_CORE_BUSY_NS). Returns how many cores are to run from now on: s->cores or one more or less. Call it
 * 10 times a second or so. */
uint32_t scale_update(struct scale *s, uint64_t busy_ns, tas_ns interval_ns);

#endif
