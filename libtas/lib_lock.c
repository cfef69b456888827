/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/lib_lock.h"

#include <linux/futex.h>
#include <linux/membarrier.h>

#include "libtas/lib_os.h"

enum {
	SPINS = 200, /* looks at a taken lock before others get the processor */
	YIELDS = 20, /* times others get it before we sleep */
	BARRIER_PAGE = 4096,
};

/* Processors that tell each other of a changed page without an interrupt. */
#if defined(__x86_64__) || defined(__i386__)
#define BARRIER_BY_BROADCAST false
#else
#define BARRIER_BY_BROADCAST true
#endif

_Thread_local uint32_t lib_thread;
static _Atomic uint32_t threads;  /* numbers given out */
static _Atomic bool bias_allowed; /* a property of the process, like its registration for membarrier */

void lib_lock_init(const struct tas_os *os)
{
	long result = LIB_SYS(os, SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);

	atomic_store_explicit(&bias_allowed, result == 0, memory_order_relaxed);
}

uint32_t lib_me_slow(void)
{
	lib_thread = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % (LOCK_PLAIN - 1) + 1;
	return lib_thread;
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static bool word_try(struct lib_lock *l, uint32_t value)
{
	uint32_t free_word = 0;

	/* pairs with the release in lib_lock_leave_slow */
	return atomic_compare_exchange_strong_explicit(&l->word, &free_word, value, memory_order_acquire,
		memory_order_relaxed);
}

/* Asleep until the holder leaves. Who slept takes the lock with the mark, since others may sleep, too. */
static void word_sleep(const struct tas_os *os, struct lib_lock *l, uint32_t me)
{
	while (!word_try(l, me | LOCK_WAITERS)) {
		uint32_t held = atomic_load_explicit(&l->word, memory_order_relaxed);

		if (held == 0)
			continue;
		if (!(held & LOCK_WAITERS) &&
			!atomic_compare_exchange_strong(&l->word, &held, held | LOCK_WAITERS))
			continue;
		LIB_SYS(os, SYS_futex, (long)&l->word, FUTEX_WAIT_PRIVATE, (long)(held | LOCK_WAITERS), 0);
	}
}

static void word_take(const struct tas_os *os, struct lib_lock *l, uint32_t me)
{
	for (unsigned tries = 0; tries < SPINS + YIELDS; tries++) {
		if (atomic_load_explicit(&l->word, memory_order_relaxed) == 0 && word_try(l, me))
			return;
		if (tries < SPINS)
			relax();
		else
			lib_yield(os);
	}
	word_sleep(os, l, me);
}

void lib_lock_leave_slow(const struct tas_os *os, struct lib_lock *l)
{
	/* pairs with the acquire in word_try */
	if (atomic_exchange_explicit(&l->word, 0, memory_order_release) & LOCK_WAITERS)
		LIB_SYS(os, SYS_futex, (long)&l->word, FUTEX_WAKE_PRIVATE, 1);
}

/* Where membarrier is refused since it was registered (a filter for system calls): a page that is in use
 * loses its right to be written, for which the kernel interrupts the other threads. Without that, more
 * than a tick of the scheduler goes by. */
static void barrier_by_page(const struct tas_os *os)
{
	const struct timespec ticks = { 0, 20 * (long)NS_PER_MS };
	char *page = lib_map(os, BARRIER_PAGE, true);
	long error = -ENOMEM;

	if (page != NULL) {
		*(volatile char *)page = 1;
		error = LIB_SYS(os, SYS_mprotect, (long)page, BARRIER_PAGE, PROT_READ);
		lib_unmap(os, page, BARRIER_PAGE);
	}
	if (error != 0 || BARRIER_BY_BROADCAST)
		LIB_SYS(os, SYS_nanosleep, (long)&ticks, 0);
}

static void barrier_everywhere(const struct tas_os *os)
{
	if (LIB_SYS(os, SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
		return;
	atomic_store_explicit(&bias_allowed, false, memory_order_relaxed);
	barrier_by_page(os);
}

/* With word held: nobody enters by `inside` any more, and nobody is inside by it. */
static void lock_unbias(const struct tas_os *os, struct lib_lock *l)
{
	uint32_t favourite = atomic_load_explicit(&l->bias, memory_order_relaxed);

	if (favourite == LOCK_PLAIN)
		return;
	atomic_store_explicit(&l->bias, LOCK_PLAIN, memory_order_seq_cst);
	if (favourite == 0)
		return;
	/* on every thread: the favourite's store to `inside` is seen here, or our store to `bias` there */
	barrier_everywhere(os);
	for (unsigned tries = 0; atomic_load_explicit(&l->inside, memory_order_acquire) != 0; tries++) {
		if (tries < SPINS)
			relax();
		else
			lib_patience(os, tries - SPINS);
	}
}

bool lib_lock_enter_slow(const struct tas_os *os, struct lib_lock *l, bool wait)
{
	uint32_t favourite, me = lib_me();

	if (lib_lock_is_mine(l))
		return false;
	if (wait)
		word_take(os, l, me);
	else if (!word_try(l, me))
		return false;
	favourite = atomic_load_explicit(&l->bias, memory_order_relaxed);
	if (favourite == 0 && atomic_load_explicit(&bias_allowed, memory_order_relaxed)) {
		atomic_store_explicit(&l->inside, me, memory_order_relaxed);
		atomic_store_explicit(&l->bias, me, memory_order_relaxed);
		lib_lock_leave_slow(os, l);
		return true;
	}
	if (!wait && favourite != LOCK_PLAIN && atomic_load_explicit(&l->inside, memory_order_relaxed) != 0) {
		lib_lock_leave_slow(os, l);
		return false;
	}
	lock_unbias(os, l);
	return true;
}

void lib_lock_rebias(const struct tas_os *os, struct lib_lock *l)
{
	uint32_t me = lib_me();

	if (atomic_load_explicit(&l->bias, memory_order_relaxed) == me || lib_lock_is_mine(l))
		return;
	word_take(os, l, me);
	lock_unbias(os, l);
	if (atomic_load_explicit(&bias_allowed, memory_order_relaxed))
		atomic_store_explicit(&l->bias, me, memory_order_relaxed);
	lib_lock_leave_slow(os, l);
}
