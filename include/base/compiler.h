/* SPDX-License-Identifier: BSD-3-Clause */
/* compiler.h - words the compiler understands: likely, cache lines, alignment.
 * No protocol, no OS; safe to include from anywhere, the application included. */
#ifndef TAS_BASE_COMPILER_H
#define TAS_BASE_COMPILER_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#define TAS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TAS_UNUSED __attribute__((unused))
#define TAS_NOINLINE __attribute__((noinline))
#define TAS_EXPORT __attribute__((visibility("default")))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define container_of_(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline int32_t min_i32(int32_t a, int32_t b) { return a < b ? a : b; }
static inline uint32_t max_u32(uint32_t a, uint32_t b) { return a > b ? a : b; }
static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* The smallest power of two that is at least v; v from 1 to 2^31. */
static inline uint32_t pow2_at_least(uint32_t v) { return v <= 1 ? 1 : 1u << (32 - __builtin_clz(v - 1)); }

static inline int is_pow2(uint64_t v) { return v != 0 && (v & (v - 1)) == 0; }

/* The base-two logarithm of a power of two. */
static inline unsigned log2_of(uint64_t v) { return (unsigned)__builtin_ctzll(v); }

#endif
