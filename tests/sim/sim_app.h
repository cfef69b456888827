/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_app.h - simulated processes: they attach, listen, open and accept connections after their plans, sleep
 * when there is nothing to do, and some die. Owner: the run. */
#ifndef TAS_SIM_APP_H
#define TAS_SIM_APP_H

#include "tests/sim/sim_end.h"

enum { PLANS_MAX = 256, PROCS_MAX = 8, APP_PORT = 7000, TWIN_PORT = 9000 };

struct app_proc {
	struct sim_proc p;
	void *listener;
	bool listener_hot;
	bool sleeps, asleep, woken; /* contexts sleep together: one thread */
	tas_ns stalled_to;
	tas_ns dies; /* TAS_NS_NEVER: it does not */
	int backlog;
	uint16_t port;
	struct app_end *end[2 * PLANS_MAX]; /* those of its own that may still do something, in order */
	unsigned nends;
};

struct app_world {
	struct end_world w;
	unsigned nplans, nprocs;
	struct plan plan[PLANS_MAX];
	struct app_end end[PLANS_MAX][2];
	struct app_proc proc[PROCS_MAX];
	unsigned peer_host; /* of PROC_PEER */
	uint32_t stall_ppm;
	tas_ns stall_max;
};

/* Plans, the number of processes, and their api, host, rand and habits are the caller's. */
void app_world_begin(struct app_world *w);
void app_world_end(struct app_world *w);
/* Listeners are given up. */
void app_world_unlisten(struct app_world *w);
/* One turn of every process that is awake; how much was done. */
unsigned app_world_poll(struct app_world *w, tas_ns now);
tas_ns app_world_deadline(const struct app_world *w, tas_ns now);
/* Every side closed. */
bool app_world_done(const struct app_world *w);
/* A context's descriptor was written. */
void app_world_woken(struct app_world *w, struct host *h, int fd);

#endif
