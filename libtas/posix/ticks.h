/* SPDX-License-Identifier: BSD-3-Clause */
/* ticks.h - a cheap clock that only says "a while ago", and the processor's hint for spinning.
 * LOOK_TICKS is between 20 and 50 us on machines of 2 to 5 GHz; it needs no calibration, since nothing
 * depends on more than that the kernel's part of a mixed set is looked at often enough, and not at every
 * call. Any thread. */
#ifndef TAS_POSIX_TICKS_H
#define TAS_POSIX_TICKS_H

#include <stdint.h>

#define LOOK_TICKS 100000

static inline uint64_t ticks_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks * 32; /* counts at tens of MHz */
#else
#error "ticks_now() is not written for this processor"
#endif
}

static inline void ticks_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
