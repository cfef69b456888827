/* SPDX-License-Identifier: BSD-3-Clause */
/* fastpath_rpc - 64 bytes in, the application is told, 64 bytes out; one packet each way for a request. */
#include <stdio.h>

#include "tools/bench/bench.h"

enum { REQUEST = 64, WARM_UP = 20000, ROUNDS = 200000 };

/* Every response that is on the wire; false if a request took more than one packet. */
static bool responses(struct rig *r, uint64_t *answered)
{
	uint32_t len;

	while (rig_receive(r, &len) != FLOW_NONE) {
		if (len != REQUEST) {
			fprintf(stderr, "tas-bench: fastpath_rpc: a packet with %u bytes came out, not %u\n",
				len, REQUEST);
			return false;
		}
		(*answered)++;
	}
	return true;
}

static bool measure(struct rig *r, uint64_t rounds, double *cycles)
{
	uint64_t asked = 0, answered = 0;
	uint32_t next = 0, i;

	r->cycles = 0;
	while (answered < rounds) {
		for (unsigned n = 0; n < FP_BATCH && asked - answered < r->flows; n++, asked++) {
			rig_send(r, next, REQUEST);
			next = next + 1 < r->flows ? next + 1 : 0;
		}
		rig_poll(r);
		while ((i = rig_notified(r)) != FLOW_NONE)
			rig_app_bell(r, i, rig_app_read(r, i));
		if (!responses(r, &answered))
			return false;
		rig_slow_path(r);
	}
	*cycles = (double)r->cycles / (double)answered;
	return true;
}

static bool run(struct bench_result *results, unsigned *n)
{
	static const uint32_t flows[] = { 1, 64, 4096 };

	for (unsigned i = 0; i < ARRAY_LEN(flows); i++) {
		struct rig *r = rig_create(flows[i], 4096);
		struct bench_result *res = &results[(*n)++];

		*res = (struct bench_result){ .name = "fastpath_rpc",
			.flows = flows[i],
			.rounds = ROUNDS,
			.unit = "request" };
		if (!measure(r, WARM_UP, &res->cycles) || !measure(r, ROUNDS, &res->cycles))
			return false;
		res->floor_cycles = rig_floor(r, 66 + REQUEST, 66 + REQUEST, 2 * REQUEST);
		rig_free(r);
	}
	return true;
}

const struct bench bench_fastpath_rpc = { "fastpath_rpc", "64 B in, notify, 64 B out: one packet each way",
	run };
