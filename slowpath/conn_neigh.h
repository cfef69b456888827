/* SPDX-License-Identifier: BSD-3-Clause */
/* conn_neigh.h - which connections go through which neighbour.
 * Guarantee: news of a neighbour costs what its own connections cost, however many others there are. A
 * connection that goes through a neighbour holds its entry (neigh.h) and is on its list, both or neither.
 * Owner: the slow path; a connection's lock is held where nothing else is said. */
#ifndef TAS_SLOWPATH_CONN_NEIGH_H
#define TAS_SLOWPATH_CONN_NEIGH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <rte_ether.h>

struct sp;

/* Every list empty. 0 or -ENOMEM. */
int conn_neigh_init(struct sp *sp);
void conn_neigh_fini(struct sp *sp);

/* The connection, which goes through none yet, goes through this one from now on; false if user `uid` may
 * have no more neighbours (users.h). */
bool conn_neigh_join(struct sp *sp, uint32_t id, uint32_t neigh, uid_t uid);
/* Segments of it are sent in vain: is the neighbour there? */
void conn_neigh_advise(struct sp *sp, uint32_t id);
/* Through none, if it went through one. */
void conn_neigh_leave(struct sp *sp, uint32_t id);

/* The neighbour's address became known or changed (mac), or it does not answer (NULL). Takes the locks. */
void conn_neigh_event(struct sp *sp, uint32_t neigh, const struct rte_ether_addr *mac);

/* What IPv6 goes by has changed: connections that go through another neighbour than the routes say now go
 * through that one; those that no route leads to stay. Costs what all connections over IPv6 cost. Takes the
 * locks. */
void conn_neigh_reroute(struct sp *sp);

#endif
