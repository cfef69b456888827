/* SPDX-License-Identifier: BSD-3-Clause */
/* neigh_int.h - between the neighbour table (neigh.c) and its two protocols, neigh_arp.c and neigh_nd.c. */
#ifndef TAS_SLOWPATH_NEIGH_INT_H
#define TAS_SLOWPATH_NEIGH_INT_H

#include "slowpath/neigh.h"

/* --- of the table --- */

/* The entry, or NEIGH_NONE. */
uint32_t neigh_find(const struct neigh *n, struct net_addr addr);
/* Did we ask it, and wait for the answer? */
bool neigh_was_asked(const struct neigh *n, uint32_t id);
/* A neighbour's hardware address as it says itself; confirmed: in answer to our request. */
void neigh_learn(struct neigh *n, uint32_t id, const struct rte_ether_addr *mac, bool confirmed, tas_ns now);
/* It may have another address than we know: who uses it asks before long. */
void neigh_doubt(struct neigh *n, uint32_t id, tas_ns now);
/* A host asks for us, and says its own address: learned, in a new entry if need be. */
void neigh_asks(struct neigh *n, struct net_addr addr, const struct rte_ether_addr *mac, tas_ns now);
/* Another has an address of ours that is tentative (RFC 4862 5.4.5). */
void neigh_duplicate(struct neigh *n, struct net_addr addr, const struct rte_ether_addr *mac);
/* Another host uses our address: keep it, say so once in a while, tell the operator (RFC 5227 2.4 (c), RFC
 * 4862 5.4.4 leaves it open). */
void neigh_conflict(struct neigh *n, struct net_addr addr, const struct rte_ether_addr *mac, tas_ns now);

/* --- of the protocols: frames go by ops.send --- */

/* Who has addr? To everyone, or to one host that is only to be confirmed. */
void neigh_arp_request(struct neigh *n, struct net_addr src, const struct rte_ether_addr *to,
	struct net_addr addr);
void neigh_nd_solicit(struct neigh *n, struct net_addr src, const struct rte_ether_addr *to,
	struct net_addr addr);
/* An address of ours is here. */
void neigh_arp_announce(struct neigh *n, struct net_addr addr);
void neigh_nd_announce(struct neigh *n, struct net_addr addr);
/* Does anybody use the address that is ours from now on (RFC 4862 5.4)? We use it meanwhile, as RFC 4429 has
 * it. */
void neigh_nd_probe(struct neigh *n, struct net_addr addr);

#endif
