/* SPDX-License-Identifier: BSD-3-Clause */
/* timer.c - see timer.h for why the first used slot of the lowest used wheel is always the next. */
#include "slowpath/timer.h"

#include <errno.h>
#include <stdlib.h>

#include "include/base/compiler.h"

static inline uint32_t sentinel(const struct timers *t, unsigned wheel, unsigned slot)
{
	return t->count + wheel * TIMER_SLOTS + slot;
}

static inline unsigned digit(uint64_t tick, unsigned wheel)
{
	return (unsigned)(tick >> (wheel * TIMER_SLOT_BITS)) & (TIMER_SLOTS - 1);
}

int timers_init(struct timers *t, uint32_t count, tas_ns now)
{
	uint32_t all = count + TIMER_WHEELS * TIMER_SLOTS;

	*t = (struct timers){ .count = count, .tick = now >> TIMER_TICK_SHIFT };
	t->node = calloc(all, sizeof(*t->node));
	if (t->node == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < all; i++)
		t->node[i].next = t->node[i].prev = i;
	return 0;
}

void timers_fini(struct timers *t)
{
	free(t->node);
	*t = (struct timers){ 0 };
}

/* The wheel of the highest digit in which the two differ; 0 if they are equal. */
static inline unsigned wheel_of(uint64_t tick, uint64_t due_tick)
{
	return (63u - (unsigned)__builtin_clzll((tick ^ due_tick) | 1)) / TIMER_SLOT_BITS;
}

static void node_insert(struct timers *t, uint32_t index)
{
	struct timer_node *n = &t->node[index];
	uint64_t at = max_u64(n->due_tick, t->tick);
	unsigned wheel = wheel_of(t->tick, at), slot = digit(at, wheel);
	uint32_t s = sentinel(t, wheel, slot);

	n->next = s;
	n->prev = t->node[s].prev;
	t->node[n->prev].next = index;
	t->node[s].prev = index;
	t->slots_used[wheel] |= 1ull << slot;
	t->wheels_used |= 1u << wheel;
}

static void slot_emptied(struct timers *t, uint32_t at)
{
	unsigned wheel = at / TIMER_SLOTS, slot = at % TIMER_SLOTS;

	t->slots_used[wheel] &= ~(1ull << slot);
	if (t->slots_used[wheel] == 0)
		t->wheels_used &= ~(1u << wheel);
	if (wheel == t->moving && slot == digit(t->tick, wheel))
		t->moving = 0;
}

static void node_remove(struct timers *t, uint32_t index)
{
	struct timer_node *n = &t->node[index];
	uint32_t next = n->next;

	t->node[n->prev].next = next;
	t->node[next].prev = n->prev;
	if (next == n->prev) { /* only the sentinel is left */
		TAS_ASSERT(next >= t->count);
		slot_emptied(t, next - t->count);
	}
	n->next = n->prev = index;
}

void timer_arm(struct timers *t, uint32_t index, tas_ns due)
{
	timer_cancel(t, index);
	if (due == TAS_NS_NEVER)
		return;
	/* rounded up: never early; the last tick there is, is after any time */
	t->node[index].due_tick = min_u64((due >> TIMER_TICK_SHIFT) + ((due & (TIMER_TICK_NS - 1)) != 0),
		UINT64_MAX >> TIMER_TICK_SHIFT);
	node_insert(t, index);
	t->armed++;
}

void timer_cancel(struct timers *t, uint32_t index)
{
	if (!timer_is_armed(t, index))
		return;
	node_remove(t, index);
	t->armed--;
}

/* The first tick of the next used slot, and its wheel; UINT64_MAX if there is none. */
static uint64_t next_slot(const struct timers *t, unsigned *wheel)
{
	unsigned shift;

	if (t->wheels_used == 0)
		return UINT64_MAX;
	*wheel = t->moving != 0 ? t->moving : (unsigned)__builtin_ctz(t->wheels_used);
	shift = *wheel * TIMER_SLOT_BITS;
	return ((t->tick >> shift & ~(uint64_t)(TIMER_SLOTS - 1)) |
		       (unsigned)__builtin_ctzll(t->slots_used[*wheel]))
		<< shift;
}

/* The timer's slot in a higher wheel has come: it goes to a lower one. */
static void node_move(struct timers *t, unsigned wheel)
{
	uint32_t s = sentinel(t, wheel, digit(t->tick, wheel)), index = t->node[s].next;

	t->moving = wheel;
	node_remove(t, index);
	node_insert(t, index);
}

static void node_fire(struct timers *t, tas_ns now, timer_fn *fn, void *arg)
{
	uint32_t index = t->node[sentinel(t, 0, digit(t->tick, 0))].next;

	timer_cancel(t, index);
	fn(arg, index, now);
}

unsigned timers_expire(struct timers *t, tas_ns now, unsigned max, timer_fn *fn, void *arg)
{
	uint64_t target = now >> TIMER_TICK_SHIFT;
	unsigned steps = 0, wheel = 0;

	for (; steps < max; steps++) {
		uint64_t tick = next_slot(t, &wheel);

		if (tick > target) {
			t->tick = max_u64(t->tick, target);
			break;
		}
		t->tick = tick;
		if (wheel > 0)
			node_move(t, wheel);
		else
			node_fire(t, now, fn, arg);
	}
	return steps;
}

tas_ns timers_next(const struct timers *t)
{
	unsigned wheel;
	uint64_t tick = next_slot(t, &wheel);

	return tick == UINT64_MAX ? TAS_NS_NEVER : tick << TIMER_TICK_SHIFT;
}
