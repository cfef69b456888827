/* SPDX-License-Identifier: BSD-3-Clause */
/* route.h - which addresses are ours, and by which neighbour a destination is reached.
 * Guarantee: the longest matching prefix wins; a destination that no unicast host can have (wildcard,
 * loopback, multicast, a subnet's broadcast) is never found.
 * Owner: the slow path.
 *
 * Both families in one table: an IPv4 prefix is 96 bits longer in a net_prefix. It is a sorted array,
 * looked at once per connection: a handful of static routes fits a few cache lines, which neither rte_lpm
 * (IPv4 only, 64 MB of tables) nor rte_fib would improve. A table mirrored from the kernel can take its
 * place behind these functions. */
#ifndef TAS_SLOWPATH_ROUTE_H
#define TAS_SLOWPATH_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "include/net/addr.h"

enum { ROUTES_MAX = 64, ROUTE_ADDRESSES_MAX = 32, ROUTE_ADVERTS_MAX = 16 };

struct route {
	struct net_prefix dst;
	struct net_addr gateway; /* wildcard: the destination itself is the neighbour */
	struct net_addr src;     /* our address towards it */
};

struct route_address {
	struct net_addr addr;
	uint8_t len;     /* of the prefix of its subnet */
	bool deprecated; /* the source of nothing new if there is another (RFC 4862 5.5.4) */
};

/* Who has an address in the prefix is known beyond the router. */
struct route_advert {
	struct net_prefix prefix;
	struct net_addr router;
};

struct routes {
	uint32_t n, addresses, adverts;
	struct route route[ROUTES_MAX];                    /* longest prefix first */
	struct route_address address[ROUTE_ADDRESSES_MAX]; /* ours */
	struct route_advert advert[ROUTE_ADVERTS_MAX];
};

struct route_result {
	struct net_addr next_hop; /* the neighbour to resolve */
	struct net_addr src;      /* our address to use */
	uint8_t prefix_len;       /* of the route that matched, 0 to 128 */
	bool found;
	bool local; /* the destination is one of ours */
};

void routes_init(struct routes *r);

/* An address of ours and the subnet it is in. -EINVAL for one that no host can have, -EEXIST, -ENOSPC. */
int route_add_address(struct routes *r, const struct net_prefix *address);

/* A subnet on our link, whether an address of ours is in it or not (IPv6 alone: RFC 4861 6.3.4); src: our
 * link-local address. -EINVAL for what is no subnet of IPv6, or all of it; -EEXIST, -ENOSPC. */
int route_add_link(struct routes *r, const struct net_prefix *dst, struct net_addr src);
/* One that route_add_link() added. */
void route_remove_link(struct routes *r, const struct net_prefix *dst);

/* dst by way of a gateway, which must be in a subnet of ours: -ENETUNREACH. A second route to the same
 * prefix: -EEXIST. -ENOSPC. */
int route_add(struct routes *r, const struct net_prefix *dst, struct net_addr gateway);
/* The default route of the gateway's family. */
int route_add_default(struct routes *r, struct net_addr gateway);

/* An address that is ours no longer, with the route to its subnet if no other of ours is in it; routes
 * through gateways there stay, and find no neighbour. False: it was none. */
bool route_remove_address(struct routes *r, struct net_addr a);
/* Whether an address of ours is to be avoided, or is not any more. */
void route_deprecate(struct routes *r, struct net_addr a, bool deprecated);
/* A router advertises the prefix, or does so no longer (RFC 6724 5, rule 5.5). False: there is no room. */
bool route_add_advert(struct routes *r, const struct net_prefix *prefix, struct net_addr router);
void route_remove_advert(struct routes *r, const struct net_prefix *prefix, struct net_addr router);
/* The default route of the gateway's family, if it goes by this gateway. */
bool route_remove_default(struct routes *r, struct net_addr gateway);

struct route_result route_lookup(const struct routes *r, struct net_addr dst);

bool route_is_local(const struct routes *r, struct net_addr a);
/* Could one host, we or another, have it (RFC 1122 3.2.1.3)? None has a wildcard, loopback, multicast or
 * broadcast address, be it of a subnet of ours. */
bool route_is_host(const struct routes *r, struct net_addr a);
/* Is a in a subnet of ours, and could it be a host there? Then *src (may be NULL) is our address in it. */
bool route_on_link(const struct routes *r, struct net_addr a, struct net_addr *src);

#endif
