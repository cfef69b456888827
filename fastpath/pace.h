/* SPDX-License-Identifier: BSD-3-Clause */
/* pace.h - flows that wait until they may send: a timing wheel of lists.
 * Guarantee: a flow comes out at the first pass not before its slot, at most one slot (16 us) after its time;
 * what lies beyond the wheel's 16 ms comes out early and waits again. Owner: one core. The links are
 * flow_cold.paced_next. */
#ifndef TAS_FASTPATH_PACE_H
#define TAS_FASTPATH_PACE_H

#include <stdint.h>

#include "fastpath/flow.h"

enum { PACE_SLOTS = 1024, PACE_SLOT_NS = 16384 };

struct pace_wheel {
	uint64_t tick; /* everything up to this one was taken out */
	uint32_t waiting;
	uint32_t head[PACE_SLOTS];
};

void pace_init(struct pace_wheel *w);
/* An empty wheel stands still: brings it to the present. To be called before an insertion. */
void pace_turn(struct pace_wheel *w, tas_ns now);
/* The flow must not be in the wheel (flow_cold.on_list, LIST_PACED). */
void pace_insert(struct pace_wheel *w, struct flow_cold *cold, uint32_t id, tas_ns due);
/* Takes out one flow whose slot is due; FLOW_NONE if none is. */
uint32_t pace_pop(struct pace_wheel *w, struct flow_cold *cold, tas_ns now);
/* Not later than the first flow is due; TAS_NS_NEVER if none waits. */
tas_ns pace_next(const struct pace_wheel *w);

#endif
