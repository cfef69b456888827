/* SPDX-License-Identifier: BSD-3-Clause */
/* timer.h - one timer for each index, on a hierarchical wheel.
 * Guarantee: a timer never fires early, and late by at most one tick (65.5 us) plus the time until the next
 * timers_expire(). Timers fire in the order of their ticks. Arming, arming again and cancelling cost O(1); so
 * does firing, but for at most 7 moves to a lower wheel, one for each factor of 64 in the time that a timer
 * was armed for. Nothing is allocated after timers_init().
 * Owner: one thread. No clock: callers pass `now`; going back in time fires nothing.
 *
 * What an index means is the caller's: flow i, or object i of another kind at an offset.
 *
 * The key idea: 8 wheels of 64 slots; a slot of wheel L is 64^L ticks long. A timer sits in the wheel of the
 * highest base-64 digit in which its tick differs from the current tick, in the slot of that digit. So the
 * slots behind the current one are empty, the lowest wheel that is not empty holds the earliest timers, and
 * its first used slot begins no later than the earliest of them is due: one look at two bitmaps finds it. */
#ifndef TAS_SLOWPATH_TIMER_H
#define TAS_SLOWPATH_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/assert.h"
#include "include/base/time.h"

enum {
	TIMER_TICK_SHIFT = 16, /* a tick is 2^16 ns */
	TIMER_SLOT_BITS = 6,
	TIMER_SLOTS = 1 << TIMER_SLOT_BITS,
	TIMER_WHEELS = (64 - TIMER_TICK_SHIFT) / TIMER_SLOT_BITS,
};

#define TIMER_TICK_NS (1ull << TIMER_TICK_SHIFT)

struct timer_node {
	uint32_t next, prev; /* ring through the sentinel of a slot; idle: both are the node itself */
	uint64_t due_tick;
};

struct timers {
	uint32_t count; /* indices 0..count-1 are timers; a sentinel for each slot follows */
	uint32_t armed;
	uint64_t tick;        /* all timers due before it have fired */
	uint32_t wheels_used; /* bit L: wheel L is not empty */
	uint32_t moving;      /* the wheel whose slot at `tick` is being moved to lower ones; 0 = none */
	uint64_t slots_used[TIMER_WHEELS];
	struct timer_node *node; /* [count + TIMER_WHEELS * TIMER_SLOTS] */
};

typedef void timer_fn(void *arg, uint32_t index, tas_ns now);

/* 0 or -ENOMEM. */
int timers_init(struct timers *t, uint32_t count, tas_ns now);
void timers_fini(struct timers *t);

/* Arms or arms again; what is due already fires in the next timers_expire(). TAS_NS_NEVER cancels. */
void timer_arm(struct timers *t, uint32_t index, tas_ns due);
void timer_cancel(struct timers *t, uint32_t index);

static inline bool timer_is_armed(const struct timers *t, uint32_t index)
{
	TAS_ASSERT(index < t->count);
	return t->node[index].next != index;
}

/* When it will fire at the earliest (its tick); TAS_NS_NEVER if idle. */
static inline tas_ns timer_due(const struct timers *t, uint32_t index)
{
	return timer_is_armed(t, index) ? t->node[index].due_tick << TIMER_TICK_SHIFT : TAS_NS_NEVER;
}

/* Calls fn for the timers due at or before `now`, each idle again by then: fn may arm and cancel any. Stops
 * after `max` steps, a step being a call of fn or a timer's move to a lower wheel, and returns how many there
 * were: if max, there may be more to do. */
unsigned timers_expire(struct timers *t, tas_ns now, unsigned max, timer_fn *fn, void *arg);

/* No timer fires before this; in the past if timers_expire() left work; TAS_NS_NEVER if none is armed. */
tas_ns timers_next(const struct timers *t);

#endif
