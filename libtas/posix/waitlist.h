/* SPDX-License-Identifier: BSD-3-Clause */
/* waitlist.h - threads that sleep until something happens to a file or an epoll set.
 *
 * A thread joins, looks once more at what it waits for, sleeps on its context's descriptors
 * (tas_ctx_sleep_begin), leaves. Whoever makes something happen publishes it and calls waitlist_wake.
 * Guarantees: who joined before the wake is woken, if its events ask for it. A handler that interrupts its
 * own thread in here does not wait: its wake is done when the thread leaves the lock; its join returns false
 * (look again in a while). Threads of a parent process do not wait in its child. All zeros is an empty list.
 *  */
#ifndef TAS_POSIX_WAITLIST_H
#define TAS_POSIX_WAITLIST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/tas/tas.h"
#include "libtas/posix/px_lock.h"

struct waitlist;

struct waiter { /* in a stay (stay.h) of the thread that waits */
	struct tas_ctx *ctx;
	struct waitlist *list; /* NULL: not joined */
	uint32_t events;       /* bits it waits for */
	uint32_t forks;        /* px_fork_count() at the join */
	bool told;             /* woken by waitlist_wake_one */
	struct waiter *next, *prev;
};

struct waitlist {
	_Atomic uint32_t waiting; /* how many */
	_Atomic uint32_t pending; /* bits that a handler could not deliver */
	uint32_t forks;           /* px_fork_count() of those in the list */
	struct px_lock lock;
	struct waiter *first;
};

bool waitlist_join(struct waitlist *l, struct waiter *w, struct tas_ctx *c, uint32_t events);
/* Returns whether it was woken by waitlist_wake_one and so owes it to others to look. */
bool waitlist_leave(struct waiter *w);
/* Wakes all that wait for one of the bits. */
void waitlist_wake_slow(struct waitlist *l, uint32_t events);
/* Wakes one that was not told yet. */
void waitlist_wake_one_slow(struct waitlist *l);

static inline bool waitlist_empty(const struct waitlist *l)
{
	return atomic_load_explicit(&l->waiting, memory_order_relaxed) == 0;
}

/* Between what makes something true and the look for who waits for it; pairs with the join. Whoever wakes
 * has it from tasd's memory or has made it true by a locked instruction, which on x86 is fence enough. */
static inline void waitlist_fence(void)
{
#ifdef __x86_64__
	atomic_signal_fence(memory_order_seq_cst);
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

static inline void waitlist_wake(struct waitlist *l, uint32_t events)
{
	waitlist_fence();
	if (unlikely(!waitlist_empty(l)))
		waitlist_wake_slow(l, events);
}

static inline void waitlist_wake_one(struct waitlist *l)
{
	waitlist_fence();
	if (unlikely(!waitlist_empty(l)))
		waitlist_wake_one_slow(l);
}

#endif
