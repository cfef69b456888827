/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/px_lock.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libtas/posix/real.h"
#include "libtas/posix/ticks.h"

enum {
	SPINS = 100, /* looks at a taken lock before others get the processor */
	YIELDS = 20, /* times that others get it before we sleep */
	NAPS = 20,   /* sleeps of a try */
	NAP_NS = 50000,
};

_Atomic uint32_t px_forks;
PX_TLS uint32_t px_thread_number;
static _Atomic uint32_t threads_numbered;

TAS_NOINLINE uint32_t px_thread_new(void)
{
	px_thread_number = atomic_fetch_add_explicit(&threads_numbered, 1, memory_order_relaxed) + 1;
	return px_thread_number;
}

static void let_others_run(unsigned tries)
{
	const struct timespec nap = { 0, NAP_NS };
	int saved = errno;

	if (tries < SPINS)
		ticks_pause();
	else if (tries < SPINS + YIELDS)
		real_syscall(SYS_sched_yield);
	else
		real_syscall(SYS_nanosleep, &nap, NULL);
	errno = saved; /* a signal may have ended the nap */
}

static enum px_lock_tried enter_within(struct px_lock *l, uint64_t me, unsigned limit)
{
	for (unsigned tries = 0; tries < limit; tries++) {
		uint64_t owner = atomic_load_explicit(&l->owner, memory_order_relaxed);

		if (owner == me)
			return PX_LOCK_MINE;
		/* free, or its owner stayed behind in the parent */
		if ((owner == 0 || owner >> 32 != me >> 32) &&
			atomic_compare_exchange_weak_explicit(&l->owner, &owner, me, memory_order_acquire,
				memory_order_relaxed))
			return PX_LOCK_ENTERED;
		let_others_run(tries);
	}
	return PX_LOCK_TAKEN;
}

TAS_NOINLINE bool px_lock_enter_slow(struct px_lock *l, uint64_t me)
{
	enum px_lock_tried tried;

	do
		tried = enter_within(l, me, UINT_MAX);
	while (tried == PX_LOCK_TAKEN);
	return tried == PX_LOCK_ENTERED;
}

enum px_lock_tried px_lock_try(struct px_lock *l)
{
	return enter_within(l, px_lock_me(), SPINS + YIELDS + NAPS);
}
