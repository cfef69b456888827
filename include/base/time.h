/* SPDX-License-Identifier: BSD-3-Clause */
/* time.h - time is a number of nanoseconds that a caller hands down.
 * Nothing below the loops reads a clock. The rim turns TSC ticks into ns by one multiply and one shift. */
#ifndef TAS_BASE_TIME_H
#define TAS_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t tas_ns;

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_SEC 1000000000ull /* DPDK has an NS_PER_S, which is an int and overflows at 3 s */
#define TAS_NS_NEVER UINT64_MAX

/* ns = (ticks * mult) >> 32 in 128 bits, so it never overflows. */
struct tsc_scale {
	uint64_t mult;
};

static inline struct tsc_scale tsc_scale_of(uint64_t ticks_per_second)
{
	unsigned __int128 second = (unsigned __int128)NS_PER_SEC << 32;

	return (struct tsc_scale){ .mult = (uint64_t)(second / ticks_per_second) };
}

static inline tas_ns tsc_to_ns(struct tsc_scale s, uint64_t ticks)
{
	return (tas_ns)(((unsigned __int128)ticks * s.mult) >> 32);
}

/* 32-bit microsecond stamps wrap every 71 minutes: compare them only by distance. */
static inline uint32_t ns_to_us32(tas_ns t) { return (uint32_t)(t / NS_PER_US); }
static inline bool us32_reached(uint32_t now_us, uint32_t due_us) { return (int32_t)(now_us - due_us) >= 0; }
/* The one of two past times that is nearer; what lies hours back may be any time. */
static inline uint32_t us32_later(uint32_t now_us, uint32_t a, uint32_t b)
{
	return now_us - a < now_us - b ? a : b;
}

#endif
