/* SPDX-License-Identifier: BSD-3-Clause */
/* bulk_rx, bulk_tx - a stream in segments of 1448 bytes, one direction. */
#include <stdio.h>

#include "tools/bench/bench.h"

enum { MSS = 1448, RING = 1 << 18, WARM_UP = 20000, ROUNDS = 300000 };

static bool rx_measure(struct rig *r, uint64_t rounds, double *cycles)
{
	uint32_t i, len;

	r->cycles = 0;
	for (uint64_t sent = 0; sent < rounds; sent += FP_BATCH) {
		for (unsigned n = 0; n < FP_BATCH; n++)
			rig_send(r, 0, MSS);
		rig_poll(r);
		while ((i = rig_notified(r)) != FLOW_NONE) {
			rig_app_read(r, i);
			rig_app_bell(r, i, 0);
		}
		while (rig_receive(r, &len) != FLOW_NONE)
			;
		rig_slow_path(r);
	}
	*cycles = (double)r->cycles / (double)rounds;
	if (r->peer[0].app_read == r->peer[0].tx)
		return true;
	fprintf(stderr, "tas-bench: bulk_rx: the application did not receive everything\n");
	return false;
}

static bool run_rx(struct bench_result *results, unsigned *n)
{
	struct rig *r = rig_create(1, RING);
	struct bench_result *res = &results[(*n)++];

	*res = (struct bench_result){ .name = "bulk_rx", .flows = 1, .rounds = ROUNDS, .unit = "segment" };
	if (!rx_measure(r, WARM_UP, &res->cycles) ||
		!rx_measure(r, ROUNDS / FP_BATCH * FP_BATCH, &res->cycles))
		return false;
	res->floor_cycles = rig_floor(r, 66 + MSS, 66, MSS);
	rig_free(r);
	return true;
}

static bool tx_measure(struct rig *r, uint64_t rounds, double *cycles)
{
	struct peer *p = &r->peer[0];
	uint64_t goal = p->rx + rounds * MSS;
	uint32_t len;

	r->cycles = 0;
	while (p->rx < goal) {
		uint32_t room = (uint32_t)(RING -
			(p->app_written - atomic_load(&app_rec(r->app, 0)->tx_una)));
		bool came = false;

		if (room >= 16 * MSS)
			rig_app_bell(r, 0, room / MSS * MSS);
		rig_poll(r);
		while (rig_receive(r, &len) != FLOW_NONE)
			came = true;
		if (came)
			rig_send(r, 0, 0);
		while (rig_notified(r) != FLOW_NONE)
			;
		rig_slow_path(r);
	}
	*cycles = (double)r->cycles / (double)rounds;
	return true;
}

static bool run_tx(struct bench_result *results, unsigned *n)
{
	struct rig *r = rig_create(1, RING);
	struct bench_result *res = &results[(*n)++];

	*res = (struct bench_result){ .name = "bulk_tx", .flows = 1, .rounds = ROUNDS, .unit = "segment" };
	if (!tx_measure(r, WARM_UP, &res->cycles) || !tx_measure(r, ROUNDS, &res->cycles))
		return false;
	res->floor_cycles = rig_floor(r, 66, 66 + MSS, MSS);
	rig_free(r);
	return true;
}

const struct bench bench_bulk_rx = { "bulk_rx", "a stream received in segments of 1448 B", run_rx };
const struct bench bench_bulk_tx = { "bulk_tx", "a stream sent in segments of 1448 B", run_tx };
