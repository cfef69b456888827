/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/waitlist.h"

#include <stddef.h>

#define WAKE_ONE 0x80000000u /* in pending, beside the bits of events */

static bool enter(struct waitlist *l)
{
	if (!px_lock_enter(&l->lock))
		return false;
	if (unlikely(l->forks != px_fork_count())) {
		l->first = NULL; /* threads of the parent, with their stacks */
		atomic_store(&l->waiting, 0);
		l->forks = px_fork_count();
	}
	return true;
}

static void wake_all(struct waitlist *l, uint32_t events)
{
	for (struct waiter *w = l->first; w != NULL; w = w->next) {
		if (w->events & events)
			tas_ctx_wake(w->ctx);
	}
}

static void wake_first(struct waitlist *l)
{
	struct waiter *w = l->first;

	while (w != NULL && w->told)
		w = w->next;
	if (w == NULL)
		return;
	w->told = true;
	tas_ctx_wake(w->ctx);
}

/* Leaves the lock, and does before that what handlers could not do meanwhile. */
static void leave(struct waitlist *l)
{
	for (;;) {
		uint32_t bits = atomic_exchange(&l->pending, 0);

		if (bits & WAKE_ONE)
			wake_first(l);
		if (bits & ~WAKE_ONE)
			wake_all(l, bits);
		px_lock_leave(&l->lock);
		atomic_signal_fence(
			memory_order_seq_cst); /* a handler of this thread comes before or after */
		if (likely(atomic_load_explicit(&l->pending, memory_order_relaxed) == 0) || !enter(l))
			return;
	}
}

bool waitlist_join(struct waitlist *l, struct waiter *w, struct tas_ctx *c, uint32_t events)
{
	*w = (struct waiter){ .ctx = c, .events = events, .forks = px_fork_count() };
	if (!enter(l))
		return false;
	w->list = l;
	w->next = l->first;
	if (l->first != NULL)
		l->first->prev = w;
	l->first = w;
	atomic_fetch_add(&l->waiting,
		1); /* a fence: what comes from here on finds us, what came before we see */
	leave(l);
	return true;
}

bool waitlist_leave(struct waiter *w)
{
	struct waitlist *l = w->list;

	if (l == NULL || w->forks != px_fork_count() || !enter(l))
		return false;
	if (w->prev != NULL)
		w->prev->next = w->next;
	else
		l->first = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	atomic_fetch_sub(&l->waiting, 1);
	w->list = NULL;
	leave(l);
	return w->told;
}

void waitlist_wake_slow(struct waitlist *l, uint32_t events)
{
	if (!enter(l)) {
		atomic_fetch_or(&l->pending, events & ~WAKE_ONE);
		return;
	}
	wake_all(l, events);
	leave(l);
}

void waitlist_wake_one_slow(struct waitlist *l)
{
	if (!enter(l)) {
		atomic_fetch_or(&l->pending, WAKE_ONE);
		return;
	}
	wake_first(l);
	leave(l);
}
