/* SPDX-License-Identifier: BSD-3-Clause */
/* px_lock.h - the POSIX layer's lock: it knows its owner and survives fork.
 *
 * Guarantees: one thread is inside at a time. px_lock_enter returns false, at once, if the calling thread
 * itself is inside (a signal handler that interrupted it); the handler leaves its wish behind in a way of the
 * lock's own. A lock that a thread of the parent held at fork is free in the child, at no cost for fork: the
 * owner's word carries the number of forks before it. What such a lock guards may have been caught half
 * changed, so locks that guard linked lists are entered by fork's prepare handler (fork.c). All zeros is a
 * free lock. Sections are short and call nothing that waits. Any thread, any handler.
 *
 * Who finds it taken spins, yields, and then sleeps for moments: nobody keeps the processor from the holder,
 * whatever their priorities. A futex would wake sooner, at the price of a locked instruction for everybody
 * who leaves a lock that nobody waits for. */
#ifndef TAS_PX_LOCK_H
#define TAS_PX_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/base/compiler.h"

#define PX_TLS _Thread_local __attribute__((tls_model("initial-exec")))

struct px_lock {
	_Atomic uint64_t owner;
};

extern _Atomic uint32_t px_forks;        /* forks that this process came by */
extern PX_TLS uint32_t px_thread_number; /* 0: not given yet */

uint32_t px_thread_new(void);
bool px_lock_enter_slow(struct px_lock *l, uint64_t me);
/* Gives up when the lock was taken for as long as a section should last. */
enum px_lock_tried { PX_LOCK_TAKEN, PX_LOCK_ENTERED, PX_LOCK_MINE };
enum px_lock_tried px_lock_try(struct px_lock *l);

static inline uint32_t px_fork_count(void) { return atomic_load_explicit(&px_forks, memory_order_relaxed); }

static inline uint64_t px_lock_me(void)
{
	uint32_t thread = likely(px_thread_number != 0) ? px_thread_number : px_thread_new();

	return (uint64_t)px_fork_count() << 32 | thread;
}

/* False: this thread is inside already. */
static inline bool px_lock_enter(struct px_lock *l)
{
	uint64_t me = px_lock_me(), nobody = 0;

	/* pairs with the release in px_lock_leave */
	return likely(atomic_compare_exchange_strong_explicit(&l->owner, &nobody, me, memory_order_acquire,
		       memory_order_relaxed)) ||
		px_lock_enter_slow(l, me);
}

static inline void px_lock_leave(struct px_lock *l)
{
	atomic_store_explicit(&l->owner, 0,
		memory_order_release); /* pairs with the acquire in px_lock_enter */
}

static inline bool px_lock_is_mine(struct px_lock *l)
{
	return atomic_load_explicit(&l->owner, memory_order_relaxed) == px_lock_me();
}

#endif
