/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/px_lock.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "libtas/posix/real.h"
#include "libtas/posix/ticks.h"

enum { SPINS = 100 }; /* looks at a taken lock before others get the processor */

_Atomic uint32_t px_forks;
PX_TLS uint32_t px_thread_number;
static _Atomic uint32_t threads_numbered;

TAS_NOINLINE uint32_t px_thread_new(void)
{
	px_thread_number = atomic_fetch_add_explicit(&threads_numbered, 1, memory_order_relaxed) + 1;
	return px_thread_number;
}

TAS_NOINLINE bool px_lock_enter_slow(struct px_lock *l, uint64_t me)
{
	for (unsigned tries = 0;; tries++) {
		uint64_t owner = atomic_load_explicit(&l->owner, memory_order_relaxed);

		if (owner == me)
			return false;
		/* free, or its owner stayed behind in the parent */
		if ((owner == 0 || owner >> 32 != me >> 32) &&
			atomic_compare_exchange_weak_explicit(&l->owner, &owner, me, memory_order_acquire,
				memory_order_relaxed))
			return true;
		if (tries < SPINS)
			ticks_pause();
		else
			real_syscall(SYS_sched_yield);
	}
}
