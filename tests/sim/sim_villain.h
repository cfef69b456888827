/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_villain.h - a process that keeps to nothing: it writes what it likes over its region, rings with one
 * field wrong or all of them, rewinds indices, never drains, asks for what does not exist, dies, and comes
 * back. Between two of them there are real connections, so that there is something to spoil. Guarantee: it
 * stays within its own region and the functions that the control socket would call for it, so whatever
 * becomes of the others or of tasd is tasd's fault. Owner: the run. */
#ifndef TAS_SIM_VILLAIN_H
#define TAS_SIM_VILLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/rand.h"
#include "include/base/time.h"

enum { VILLAIN_FLOWS = 16, VILLAIN_CONTEXTS = 3, VILLAIN_PORT = 6000, VILLAIN_PORTS = 3 };

struct host;

struct villain_flow {
	uint32_t rec, flow, gen;
	uint64_t rx_read, tx_end;
};

struct villain {
	struct host *host;
	unsigned peer; /* host of another one */
	struct tas_rand rand;
	bool attached;
	uint16_t app;
	uint32_t contexts, flows;
	uint64_t ctx_off[VILLAIN_CONTEXTS];
	struct villain_flow flow[VILLAIN_FLOWS];
	tas_ns next, back_at;
	uint64_t deeds, lives;
};

void villain_begin(struct villain *v, struct host *h, unsigned peer, uint64_t seed);
/* Some mischief, now and then. */
void villain_turn(struct villain *v, tas_ns now);
static inline tas_ns villain_deadline(const struct villain *v) { return v->next; }
void villain_end(struct villain *v);

#endif
