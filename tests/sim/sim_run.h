/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_run.h - one seed: hosts, network, processes and plans are drawn from it, run to the end in virtual
 * time, and held to the oracles. Guarantee: the outcome depends on the seed and the code alone. The process
 * must have called host_eal_start(). */
#ifndef TAS_SIM_RUN_H
#define TAS_SIM_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "include/base/time.h"
#include "tests/sim/sim_draw.h"

struct sim_options {
	FILE *trace;  /* every frame and note; NULL: none */
	bool hostile; /* a villain on each host, too */
	enum draw_other other;
};

struct sim_outcome {
	bool ok;
	char what[320]; /* if not */
	uint64_t hash;
	tas_ns virtual_ns;
	uint64_t steps, frames, payload, connections;
	uint64_t lost_payload, rtx_payload;   /* only of seeds with nothing but random loss, else 0 */
	uint64_t deeds, faults;               /* of villains */
	uint64_t timeouts, recoveries, again; /* again: segments */
	uint64_t dsacks, undone;              /* heard; recoveries and timeouts taken back */
};

/* A failure prints the last of the trace to standard error. */
void sim_run(uint64_t seed, const struct sim_options *opt, struct sim_outcome *out);

/* In one line: what the seed draws. */
void sim_describe(uint64_t seed, const struct sim_options *opt, FILE *to);

/* For a signal handler: what just runs, and the end of its trace. */
void sim_run_dying(void);

#endif
