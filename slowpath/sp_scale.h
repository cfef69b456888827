/* SPDX-License-Identifier: BSD-3-Clause */
/* sp_scale.h - how many cores serve: asks scale.h a few times a second, and steers.
 * Guarantee: between [fastpath] cores_min and cores_max cores have packets; one step at a time, and none
 * before the last one is complete. Owner: the slow path. */
#ifndef TAS_SLOWPATH_SP_SCALE_H
#define TAS_SLOWPATH_SP_SCALE_H

#include <stdint.h>

#include "include/base/time.h"
#include "slowpath/scale.h"

struct sp;

#define SP_SCALE_INTERVAL (100 * NS_PER_MS)

struct sp_scale {
	struct scale scale;
	tas_ns since, next; /* next: TAS_NS_NEVER if there is nothing to decide */
	uint64_t busy_ns;   /* of all cores, up to `since` */
};

/* The fast path was created with as many cores as serve at the start. */
void sp_scale_init(struct sp *sp);
/* Once a pass; returns how much it did. */
unsigned sp_scale_poll(struct sp *sp);
tas_ns sp_scale_deadline(const struct sp *sp);

#endif
