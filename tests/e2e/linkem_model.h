/* SPDX-License-Identifier: BSD-3-Clause */
/* linkem_model.h - what a bad link does with frames, by their number, size and time alone: without clock and
 * devices.
 * What a SPEC says is told at the top of linkem.c. Owner: one thread. */
#ifndef TAS_TESTS_LINKEM_MODEL_H
#define TAS_TESTS_LINKEM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/base/rand.h"
#include "include/base/time.h"

enum { WIRE_EXTRA = 4 + 8 + 12, PPM = 1000000 };

/* What one direction does. */
struct spec {
	tas_ns delay_ns, jitter_ns, late_ns;
	uint32_t loss_ppm, burst_ppm, dup_ppm, reorder_ppm;
	uint32_t burst_len, mtu;
	uint64_t rate_bits_s, queue_bytes;
};

struct counts {
	uint64_t in, in_bytes, out, out_bytes;
	uint64_t lost_random, lost_burst, lost_queue, lost_mtu, lost_device;
	uint64_t duplicated, late, queue_max, behind_ns_max, behind_ns_sum;
};

/* One direction: when frames come out, by number, size and time alone. */
struct model {
	struct spec spec;
	struct counts n;
	struct tas_rand rand;
	tas_ns busy_until, last_due;
	bool in_burst;
};

struct frame {
	tas_ns due;
	uint64_t number; /* of those with the same time the first comes first */
	uint32_t len;
	uint8_t *data;
};

/* What is on its way, as a heap by time. */
struct heap {
	struct frame *f;
	size_t n, size;
	uint64_t numbers;
};

/* Ends the program. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Changes text; ends the program if that is no SPEC. */
void spec_parse(struct spec *s, char *text);

void model_init(struct model *m, const struct spec *s, uint64_t seed);
/* How often a frame of len bytes comes out, 0 to 2 times, and when. */
unsigned model_take(struct model *m, uint32_t len, tas_ns now, tas_ns due[2]);

/* The data is copied. */
void heap_push(struct heap *h, const uint8_t *data, uint32_t len, tas_ns due);
/* The first one, of a heap that is not empty. The caller frees its data. */
struct frame heap_pop(struct heap *h);
/* Does a come out before b? */
bool frame_before(const struct frame *a, const struct frame *b);

/* Holds the model against what was asked; the exit code. */
int self_test(void);

#endif
