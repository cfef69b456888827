/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/pace.h"

#include "include/base/assert.h"

void pace_init(struct pace_wheel *w)
{
	w->tick = 0;
	w->waiting = 0;
	for (unsigned i = 0; i < PACE_SLOTS; i++)
		w->head[i] = FLOW_NONE;
}

void pace_turn(struct pace_wheel *w, tas_ns now)
{
	if (w->waiting == 0)
		w->tick = max_u64(w->tick, now / PACE_SLOT_NS);
}

void pace_insert(struct pace_wheel *w, struct flow_cold *cold, uint32_t id, tas_ns due)
{
	uint64_t tick = due / PACE_SLOT_NS + 1;

	if (tick <= w->tick)
		tick = w->tick + 1;
	if (tick >= w->tick + PACE_SLOTS)
		tick = w->tick + PACE_SLOTS - 1;
	cold[id].paced_next = w->head[tick % PACE_SLOTS];
	w->head[tick % PACE_SLOTS] = id;
	w->waiting++;
}

uint32_t pace_pop(struct pace_wheel *w, struct flow_cold *cold, tas_ns now)
{
	uint64_t now_tick = now / PACE_SLOT_NS;

	if (w->waiting == 0) {
		w->tick = max_u64(w->tick, now_tick);
		return FLOW_NONE;
	}
	while (w->tick <= now_tick) {
		uint32_t id = w->head[w->tick % PACE_SLOTS];

		if (id != FLOW_NONE) {
			w->head[w->tick % PACE_SLOTS] = cold[id].paced_next;
			w->waiting--;
			return id;
		}
		if (w->tick == now_tick)
			break;
		w->tick++;
	}
	return FLOW_NONE;
}

tas_ns pace_next(const struct pace_wheel *w)
{
	if (w->waiting == 0)
		return TAS_NS_NEVER;
	for (uint64_t tick = w->tick; tick < w->tick + PACE_SLOTS; tick++)
		if (w->head[tick % PACE_SLOTS] != FLOW_NONE)
			return tick * PACE_SLOT_NS;
	TAS_ASSERT(!"a waiting flow is in no slot");
	return TAS_NS_NEVER;
}
