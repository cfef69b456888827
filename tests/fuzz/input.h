/* SPDX-License-Identifier: BSD-3-Clause */
/* input.h - a fuzzer's bytes as a list of steps, each of STEP_LEN bytes: what is inserted, lost or changed in
 * one leaves the others what they were.
 * Guarantee: reading never fails; what is not there is 0. The mutator moves whole steps about, and leaves the
 * bytes within them to libFuzzer. Owner: the fuzzer, one thread. */
#ifndef TAS_FUZZ_INPUT_H
#define TAS_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STEP_LEN = 16, STEPS_MAX = 96 };

struct input {
	const uint8_t *b;
	size_t len, at;
};

/* One step, read from its first byte on. */
struct step {
	uint8_t b[STEP_LEN];
	unsigned at;
};

/* False at the end. */
bool input_step(struct input *in, struct step *s);
/* The bytes of the steps that follow, at most max, as bytes; returns how many. */
size_t input_bytes(struct input *in, uint8_t *to, size_t max);

static inline uint8_t step_u8(struct step *s) { return s->at < STEP_LEN ? s->b[s->at++] : 0; }

static inline uint16_t step_u16(struct step *s)
{
	uint8_t low = step_u8(s);

	return (uint16_t)(low | step_u8(s) << 8);
}

static inline uint32_t step_u32(struct step *s)
{
	uint32_t low = step_u16(s);

	return low | (uint32_t)step_u16(s) << 16;
}

static inline uint64_t step_u64(struct step *s)
{
	uint64_t low = step_u32(s);

	return low | (uint64_t)step_u32(s) << 32;
}

/* Any size of number is as likely as any other: 0, or a power of two and what is below it. */
static inline uint64_t step_wide(struct step *s)
{
	uint8_t bits = step_u8(s);
	uint64_t low = step_u16(s);

	bits &= 63;
	return bits == 0 ? low & 3
			 : (1ull << bits) + (bits < 16 ? low & ((1u << bits) - 1) : low << (bits - 16));
}

/* A difference that is mostly nothing or small: `mode` says. */
static inline uint32_t step_delta(struct step *s, unsigned mode)
{
	int16_t d = (int16_t)step_u16(s);

	switch (mode & 3) {
	case 0: return 0;
	case 1: return (d & 2 ? 0u - 1 : 1u) + (uint32_t)(d & 1);
	case 2: return (uint32_t)(int32_t)d;
	default: return (uint32_t)d << 16;
	}
}

#endif
