/* SPDX-License-Identifier: BSD-3-Clause */
/* ra.h - IPv6 addresses, routers and what is on the link, from router advertisements (RFC 4861 6.3, RFC 4862
 * 5.5).
 * Guarantee: bounded, and nothing of what the operator configured is changed: a gateway6 of tasd.conf stays
 * the only one. What is learned is forgotten when its lifetime is over; nobody makes an address end sooner
 * than in two hours (RFC 4862 5.5.3 (e)).
 * Owner: the slow path. No clock, no OS. */
#ifndef TAS_SLOWPATH_RA_H
#define TAS_SLOWPATH_RA_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/time.h"
#include "include/net/nd.h"
#include "slowpath/neigh.h"
#include "slowpath/route.h"

enum {
	RA_ROUTERS_MAX = 4,
	RA_PREFIXES_MAX = 8,
	RA_SOLICITATIONS = 3, /* RFC 4861 10 */
};
#define RA_SOLICITATION_APART_NS (4 * NS_PER_SEC)
#define RA_TWO_HOURS_S 7200u
#define RA_REROUTES_APART_NS NS_PER_SEC
/* What routers say of neighbours is taken for so much at least (as Linux), and at most (RFC 4861 6.2.1). */
#define RA_REACHABLE_LEAST_MS 100u
#define RA_RETRANS_LEAST_MS 10u
#define RA_REACHABLE_MOST_MS 3600000u
#define RA_RETRANS_MOST_MS 60000u

struct ra {
	struct routes *routes;
	struct neigh *neigh;
	bool on, gateway_is_fixed;
	uint32_t mtu; /* of the link, as a router says; 0: as the port has it */
	uint8_t hops; /* of what is sent, likewise; 0: as usual */
	uint32_t routers, prefixes;
	struct ra_router {
		struct net_addr addr;
		tas_ns until;
	} router[RA_ROUTERS_MAX]; /* the first is the default route */
	struct net_addr gateway;  /* that one, or the last there was */
	bool rerouted;            /* for ra_rerouted(), */
	tas_ns reroute_next;      /* but not before */
	struct {
		struct net_prefix prefix;
		struct net_addr addr; /* ours in it */
		tas_ns until, preferred_until;
		bool deprecated;
	} prefix[RA_PREFIXES_MAX];
	uint32_t links;
	struct {
		struct net_prefix prefix;
		tas_ns until;
	} link[RA_PREFIXES_MAX]; /* subnets on the link, whether we have an address there or not */
	uint32_t adverts;
	struct {
		struct net_prefix prefix;
		struct net_addr router;
		tas_ns until;
	} advert[ROUTE_ADVERTS_MAX]; /* who advertises what, for the choice of a source */
	uint32_t gones;
	struct net_addr gone[RA_PREFIXES_MAX]; /* for ra_gone() */
	uint32_t solicitations;                /* still to be sent */
	tas_ns solicit_next, next;
};

/* `routes` has our link-local address, and the default route if it is fixed; both outlive it. Off, it ignores
 * everything. */
void ra_init(struct ra *r, struct routes *routes, struct neigh *neigh, bool on, bool gateway_is_fixed,
	tas_ns now);
/* An ICMP6_ROUTER_ADVERTISEMENT. True if an address came: neigh_announce() it. */
bool ra_in(struct ra *r, const struct nd_msg *m, tas_ns now);
/* A neighbour says that it is no router, if it was one (RFC 4861 7.2.5). */
void ra_no_router(struct ra *r, struct net_addr neighbour);
/* A neighbour does not answer: if it is a router, the others are asked first (RFC 4861 6.3.6). */
void ra_silent(struct ra *r, struct net_addr neighbour);
/* Once a pass: lifetimes, solicitations. The number of things done. */
unsigned ra_poll(struct ra *r, tas_ns now);
/* After ra_poll(), until it is false: an address whose lifetime ended. It is ours no longer; what goes on
 * from it must end (RFC 4862 5.5.4). */
bool ra_gone(struct ra *r, struct net_addr *addr);
/* True, once, if what went by one neighbour goes by another now; not more than once a second, whatever
 * routers say. */
bool ra_rerouted(struct ra *r, tas_ns now);
static inline tas_ns ra_next(const struct ra *r) { return r->next; }

#endif
