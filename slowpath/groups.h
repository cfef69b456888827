/* SPDX-License-Identifier: BSD-3-Clause */
/* groups.h - which multicast groups we are in, told to routers, and to switches that forward multicast only
 * where it is wanted (MLDv2, RFC 3810 6; MLDv1, RFC 2710 4, while a router speaks that).
 * Guarantee: bounded. The groups are the solicited-node ones of our addresses (RFC 4861 7.2.1), so all nodes'
 * is never told. A change is told at once and once more; no query is answered before GROUPS_ANSWER_MIN_MS, so
 * that no flood of them makes us flood the link.
 * Owner: the slow path. No clock, no OS: frames leave by the neighbour table's ops. */
#ifndef TAS_SLOWPATH_GROUPS_H
#define TAS_SLOWPATH_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/rand.h"
#include "include/base/time.h"
#include "include/net/mld.h"
#include "slowpath/neigh.h"
#include "slowpath/route.h"

enum {
	GROUPS_MAX = ROUTE_ADDRESSES_MAX,
	GROUPS_ROBUSTNESS = 2,      /* how often a change is told (RFC 3810 9.1), */
	GROUPS_AGAIN_MS = 1000,     /* again within so much (9.11), */
	GROUPS_AGAIN_V1_MS = 10000, /* or that (RFC 2710 7.10) */
	GROUPS_ANSWER_MIN_MS = 10,
};
/* RFC 3810 9.12: twice the usual time between queries, which those of version 1 do not say, and the usual one
 * for answers. */
#define GROUPS_V1_NS ((GROUPS_ROBUSTNESS * 125 + 10) * NS_PER_SEC)

struct group {
	struct net_addr addr;
	bool left;       /* it stays until that was told often enough */
	uint8_t changes; /* how many reports have still to say that it was joined, or left */
	tas_ns due;      /* it, or these sources of it, are asked for */
	uint32_t sources;
	struct net_addr source[MLD_SOURCES_MAX];
};

struct groups {
	const struct neigh *neigh;
	struct tas_rand rand;
	bool unnamed; /* who we are was left out, as it was not sure */
	uint32_t n;
	struct group group[GROUPS_MAX];
	tas_ns all_due, change_due; /* all are asked for; a change is to be told again */
	tas_ns v1_until;            /* NEVER: version 2 */
	tas_ns next;
};

/* neigh must outlive it. Nothing is told before groups_update(). */
void groups_init(struct groups *g, const struct neigh *neigh, tas_ns now);
/* Our addresses are others than before: before neigh_announce(), so that the answers reach us. */
void groups_update(struct groups *g, tas_ns now);
void groups_in(struct groups *g, const struct mld_msg *m, tas_ns now);
/* Once a pass, after neigh_poll(); the number of things done. */
unsigned groups_poll(struct groups *g, tas_ns now);
static inline tas_ns groups_next(const struct groups *g) { return g->next; }

#endif
