/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_draw.h - what a seed stands for. Guarantee: a pure function of the seed.
 * A quarter of the seeds has nothing but random loss of 1 %, so that what is sent again can be compared with
 * what was lost; a quarter has a clean, fast network; the rest draws everything. */
#ifndef TAS_SIM_DRAW_H
#define TAS_SIM_DRAW_H

#include "slowpath/conf.h"
#include "tests/sim/sim_app.h"
#include "tests/sim/sim_link.h"
#include "tests/sim/sim_peer.h"

/* Who else is there: nobody but hosts of ours, or one of ours and one that is not. */
enum draw_other { OTHER_NONE, OTHER_PEER, OTHER_LWIP };

enum draw_kind { DRAW_CLEAN, DRAW_LOSS, DRAW_HARSH, DRAW_WILD, NR_DRAW_KINDS };

struct draw_host {
	struct tas_conf conf;
	struct link_model link;
	uint32_t stall_ppm, busy_percent, resteer_ppm, starve_ppm, bereave_ppm, jam_ppm;
	tas_ns stall_max;
};

struct draw {
	enum draw_kind kind;
	unsigned hosts;     /* of ours */
	bool v6;            /* the family of all: half the seeds each */
	tas_ns begin, step; /* virtual time of a pass that found work */
	struct draw_host host[LINK_HOSTS_MAX];
	unsigned procs;
	struct {
		unsigned host, contexts;
		bool sleeps, lib;
		tas_ns dies;
		int backlog;
	} proc[PROCS_MAX];
	uint32_t app_stall_ppm;
	tas_ns app_stall_max;
	struct link_model other_link; /* of who is not ours */
	struct peer_habits habits[PLANS_MAX];
	unsigned nplans;
	struct plan plan[PLANS_MAX];
};

void draw(struct draw *d, uint64_t seed, enum draw_other other);

#endif
