/* SPDX-License-Identifier: BSD-3-Clause */
/* cost.h - how much the slow path does for applications in one pass, so that packets and timers, and the
 * requests of others, wait for no one's for long.
 *
 * Guarantee: who asks cost_may() before each piece of work and cost_left() how large it may be takes at most
 * COST_PASS units in a pass, one user other than root at most COST_USER of them, and in the long run no more
 * than COST_FORGIVEN. A piece that cannot be divided may take more; its user then waits for so many passes.
 *
 * A unit is the time that it takes to populate a page, some 3 us. Owner: the slow path, one thread. */
#ifndef TAS_SLOWPATH_COST_H
#define TAS_SLOWPATH_COST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "slowpath/users.h"

enum {
	COST_PASS = 256,
	COST_USER = 192,
	COST_FORGIVEN = 64, /* of what a user spent, with each pass */
	COST_PIECE = 64,    /* of a request that can be divided, in one pass */

	/* units for one */
	COST_ENTER = 8,   /* client of the control socket */
	COST_ATTACH = 32, /* application: its region */
	COST_FORK = 8,
	/* so many for a unit */
	COST_BYTES = 32 << 10, /* copied from one region to another */
	COST_LOOKUPS = 32,     /* in the flow table */
	COST_REFS = 8,         /* to listeners, copied or dropped */
};

struct cost {
	struct users *users;
	uint64_t pass;
	uint64_t spent; /* ever */
	uint32_t left;
};

/* A pass begins. */
void cost_begin(struct cost *c);
/* May something be begun for this user? */
bool cost_may(const struct cost *c, uid_t uid);
/* How much it may take; 0 if nothing. */
uint32_t cost_left(const struct cost *c, uid_t uid);
void cost_spend(struct cost *c, uid_t uid, uint64_t units);

#endif
