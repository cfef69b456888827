/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/input.h"

#include <string.h>

#include "include/base/rand.h"
#include "tests/fuzz/fuzz.h"

bool input_step(struct input *in, struct step *s)
{
	*s = (struct step){ .at = 0 };
	return input_bytes(in, s->b, STEP_LEN) > 0;
}

size_t input_bytes(struct input *in, uint8_t *to, size_t max)
{
	size_t n = in->len - in->at < max ? in->len - in->at : max;

	if (n > 0)
		memcpy(to, in->b + in->at, n);
	in->at += n;
	return n;
}

/* --- mutation --- */

static size_t step_at(struct tas_rand *r, size_t steps) { return rand_below(r, (uint32_t)steps) * STEP_LEN; }

/* Moves the steps from `from` on to `to`, and returns the new length. */
static size_t steps_shift(uint8_t *b, size_t len, size_t from, size_t to)
{
	memmove(b + to, b + from, len - from);
	return len - from + to;
}

static void bytes_draw(struct tas_rand *r, uint8_t *b)
{
	for (unsigned i = 0; i < STEP_LEN; i++)
		b[i] = (uint8_t)rand_u64(r);
}

/* A step is new, goes, comes again elsewhere, changes its place or its kind. */
static size_t steps_mutate(uint8_t *b, size_t len, size_t max, struct tas_rand *r)
{
	size_t steps = len / STEP_LEN, at = steps > 0 ? step_at(r, steps) : 0, from;
	uint8_t copy[STEP_LEN];
	bool room = len + STEP_LEN <= max;

	if (steps == 0 && !room)
		return len;
	switch (steps > 0 ? rand_below(r, 5) : 0) {
	case 0: bytes_draw(r, copy); break;
	case 1: return steps > 1 ? steps_shift(b, len, at + STEP_LEN, at) : len;
	case 2: memcpy(copy, b + step_at(r, steps), STEP_LEN); break;
	case 3:
		from = step_at(r, steps);
		memcpy(copy, b + from, STEP_LEN);
		memcpy(b + from, b + at, STEP_LEN);
		memcpy(b + at, copy, STEP_LEN);
		return len;
	default: b[at] = (uint8_t)rand_u64(r); return len;
	}
	if (room)
		len = steps_shift(b, len, at, at + STEP_LEN);
	memcpy(b + at, copy, STEP_LEN);
	return len;
}

size_t input_mutate(uint8_t *b, size_t len, size_t max, unsigned seed)
{
	struct tas_rand r;
	size_t at;

	rand_seed(&r, seed);
	if (rand_below(&r, 2) == 0)
		return steps_mutate(b, len, max, &r);
	if (len < STEP_LEN || rand_below(&r, 8) == 0)
		return LLVMFuzzerMutate(b, len, max);
	at = step_at(&r, len / STEP_LEN);
	LLVMFuzzerMutate(b + at, STEP_LEN, STEP_LEN);
	return len;
}
