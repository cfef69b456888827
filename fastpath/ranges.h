/* SPDX-License-Identifier: BSD-3-Clause */
/* ranges.h - a small sorted set of intervals of stream offsets: what was SACKed, what arrived past a gap.
 * Guarantee: intervals are disjoint, do not touch, and are in ascending order. Owner: whoever holds the
 * flow's lock. */
#ifndef TAS_FASTPATH_RANGES_H
#define TAS_FASTPATH_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "fastpath/flow.h"

/* Adds [from, to), joining what it overlaps or touches. Returns the bytes that are new; when the set is full
 * and the interval would be one more, nothing is added and 0 is returned. */
uint64_t ranges_add(struct flow_ranges *s, uint64_t from, uint64_t to);

/* Forgets everything below `off`. */
void ranges_trim_below(struct flow_ranges *s, uint64_t off);

/* Bytes of the set within [from, to). */
uint64_t ranges_bytes(const struct flow_ranges *s, uint64_t from, uint64_t to);

/* The first hole in [from, to): bytes not in the set. False if there is none. */
bool ranges_next_hole(const struct flow_ranges *s, uint64_t from, uint64_t to, struct flow_range *hole);

/* The first part of [from, to) that is in the set. False if nothing is. */
bool ranges_first_common(const struct flow_ranges *s, uint64_t from, uint64_t to, struct flow_range *part);

#endif
