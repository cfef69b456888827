/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_trace.h - what happened in a run: every frame and what became of it, and what applications did.
 * Guarantee: two runs of one seed have the same hash, or something in them depends on more than the seed.
 * The last TRACE_KEPT entries are kept as they are and turned into text only when somebody asks. */
#ifndef TAS_SIM_TRACE_H
#define TAS_SIM_TRACE_H

#include <stdint.h>
#include <stdio.h>

#include "include/base/compiler.h"
#include "include/base/time.h"

enum { TRACE_KEPT = 4096, TRACE_BYTES = 192 };

struct trace_entry {
	tas_ns at;
	char from;        /* 'A' is host 0; 0: not a frame but a note */
	const char *fate; /* what the network does with the frame */
	uint32_t len;     /* of the whole frame */
	uint8_t bytes[TRACE_BYTES];
};

struct trace {
	uint64_t hash, entries;
	tas_ns now, base; /* of the run: base is what text counts from */
	FILE *out;        /* every entry as it comes; NULL: none */
	struct trace_entry kept[TRACE_KEPT];
};

void trace_begin(struct trace *t, FILE *out, tas_ns base);
/* `bytes` are the frame's. */
void trace_frame(struct trace *t, char from, const char *fate, const uint8_t *bytes, uint32_t len);
void trace_note(struct trace *t, const char *fmt, ...) TAS_PRINTF(2, 3);
/* The last entries as text. */
void trace_tail(const struct trace *t, FILE *to, unsigned entries);

#endif
