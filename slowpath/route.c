/* SPDX-License-Identifier: BSD-3-Clause */
/* route.c - see route.h. */
#include "slowpath/route.h"

#include <errno.h>
#include <string.h>

enum { V4_BITS = ADDR_V4_PREFIX_OFFSET };

void routes_init(struct routes *r) { *r = (struct routes){ 0 }; }

static bool is_v4_prefix(const struct net_prefix *p) { return addr_is_v4(p->addr) && p->len >= V4_BITS; }

static struct net_addr network_of(const struct net_prefix *p)
{
	unsigned high = p->len < 64 ? p->len : 64;
	struct net_addr a = p->addr;

	a.q[0] &= addr_mask64(high);
	a.q[1] &= addr_mask64(p->len - high);
	return a;
}

/* Links of two hosts have no broadcast address (RFC 3021), IPv6 has none at all. */
static bool is_broadcast(const struct net_prefix *p, struct net_addr a)
{
	return is_v4_prefix(p) && p->len <= V4_BITS + 30 && addr_is_v4(a) &&
		addr_v4_be(a) == prefix_v4_broadcast(p);
}

static bool is_unicast(struct net_addr a)
{
	return !addr_is_any(a) && !addr_is_multicast(a) && !addr_is_v4_broadcast(a);
}

static int insert(struct routes *r, struct route new)
{
	uint32_t at = 0;

	new.dst.addr = network_of(&new.dst);
	for (; at < r->n && r->route[at].dst.len >= new.dst.len; at++)
		if (r->route[at].dst.len == new.dst.len && addr_eq(r->route[at].dst.addr, new.dst.addr))
			return -EEXIST;
	if (r->n == ROUTES_MAX)
		return -ENOSPC;
	memmove(&r->route[at + 1], &r->route[at], (r->n - at) * sizeof(new));
	r->route[at] = new;
	r->n++;
	return 0;
}

int route_add_address(struct routes *r, const struct net_prefix *address)
{
	struct net_addr a = address->addr;
	int result;

	if (!is_unicast(a) || addr_is_loopback(a) || is_broadcast(address, a) || address->len > 128)
		return -EINVAL;
	if (route_is_local(r, a))
		return -EEXIST;
	if (r->addresses == ROUTE_ADDRESSES_MAX)
		return -ENOSPC;
	result = insert(r, (struct route){ .dst = *address, .gateway = addr_any(), .src = a });
	if (result == -EEXIST)
		result = 0; /* a second address in one subnet: the first stays the source */
	if (result == 0)
		r->address[r->addresses++] = (struct route_address){ .addr = a, .len = address->len };
	return result;
}

int route_add_link(struct routes *r, const struct net_prefix *dst, struct net_addr src)
{
	if (dst->len == 0 || dst->len > 128 || addr_is_v4(dst->addr) || addr_is_multicast(dst->addr))
		return -EINVAL;
	return insert(r, (struct route){ .dst = *dst, .gateway = addr_any(), .src = src });
}

int route_add(struct routes *r, const struct net_prefix *dst, struct net_addr gateway)
{
	struct route new = { .dst = *dst, .gateway = gateway };

	if (dst->len > 128 || addr_is_v4(gateway) != is_v4_prefix(dst))
		return -EINVAL;
	if (route_is_local(r, gateway) || !route_on_link(r, gateway, &new.src))
		return -ENETUNREACH;
	return insert(r, new);
}

static struct net_prefix everything(struct net_addr of_family)
{
	return addr_is_v4(of_family) ? prefix_v4(0, 0) : (struct net_prefix){ addr_any(), 0 };
}

int route_add_default(struct routes *r, struct net_addr gateway)
{
	struct net_prefix any = everything(gateway);

	return route_add(r, &any, gateway);
}

static bool route_del(struct routes *r, const struct net_prefix *dst, struct net_addr gateway)
{
	struct net_addr net = network_of(dst);

	for (uint32_t i = 0; i < r->n; i++) {
		const struct route *at = &r->route[i];

		if (at->dst.len != dst->len || !addr_eq(at->dst.addr, net) || !addr_eq(at->gateway, gateway))
			continue;
		r->n--;
		memmove(&r->route[i], &r->route[i + 1], (r->n - i) * sizeof(*at));
		return true;
	}
	return false;
}

void route_remove_link(struct routes *r, const struct net_prefix *dst) { route_del(r, dst, addr_any()); }

bool route_remove_default(struct routes *r, struct net_addr gateway)
{
	struct net_prefix any = everything(gateway);

	return route_del(r, &any, gateway);
}

/* Where it stands among ours, or how many there are. */
static uint32_t find_address(const struct routes *r, struct net_addr a)
{
	uint32_t i = 0;

	while (i < r->addresses && !addr_eq(r->address[i].addr, a))
		i++;
	return i;
}

static struct net_prefix prefix_of(const struct route_address *a)
{
	return (struct net_prefix){ a->addr, a->len };
}

bool route_remove_address(struct routes *r, struct net_addr a)
{
	uint32_t i = find_address(r, a);
	struct net_prefix gone;

	if (i == r->addresses)
		return false;
	gone = prefix_of(&r->address[i]);
	r->addresses--;
	memmove(&r->address[i], &r->address[i + 1], (r->addresses - i) * sizeof(*r->address));
	route_del(r, &gone, addr_any());
	for (i = 0; i < r->addresses; i++)
		insert(r,
			(struct route){ .dst = prefix_of(&r->address[i]),
				.gateway = addr_any(),
				.src = r->address[i].addr });
	return true;
}

void route_deprecate(struct routes *r, struct net_addr a, bool deprecated)
{
	uint32_t i = find_address(r, a);

	if (i < r->addresses)
		r->address[i].deprecated = deprecated;
}

/* Where it stands, or how many there are. */
static uint32_t find_advert(const struct routes *r, const struct net_prefix *prefix, struct net_addr router)
{
	uint32_t i = 0;

	while (i < r->adverts &&
		(r->advert[i].prefix.len != prefix->len || !addr_eq(r->advert[i].router, router) ||
			!addr_eq(r->advert[i].prefix.addr, prefix->addr)))
		i++;
	return i;
}

bool route_add_advert(struct routes *r, const struct net_prefix *prefix, struct net_addr router)
{
	uint32_t i = find_advert(r, prefix, router);

	if (i == ROUTE_ADVERTS_MAX)
		return false;
	if (i == r->adverts)
		r->advert[r->adverts++] = (struct route_advert){ .prefix = *prefix, .router = router };
	return true;
}

void route_remove_advert(struct routes *r, const struct net_prefix *prefix, struct net_addr router)
{
	uint32_t i = find_advert(r, prefix, router);

	if (i < r->adverts)
		r->advert[i] = r->advert[--r->adverts];
}

bool route_is_local(const struct routes *r, struct net_addr a) { return find_address(r, a) < r->addresses; }

/* Mapped addresses lie within ::/0, but IPv4 does not travel by IPv6's default route. */
static const struct route *find(const struct routes *r, struct net_addr a)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (is_v4_prefix(&r->route[i].dst) == addr_is_v4(a) && prefix_contains(&r->route[i].dst, a))
			return &r->route[i];
	return NULL;
}

static bool is_broadcast_of_ours(const struct routes *r, struct net_addr a)
{
	for (uint32_t i = 0; i < r->addresses; i++) {
		struct net_prefix subnet = prefix_of(&r->address[i]);

		if (is_broadcast(&subnet, a))
			return true;
	}
	return false;
}

/* RFC 1122 3.2.1.3 (b), 0.0.0.0/8: whoever has no address yet. */
static bool is_this_network(struct net_addr a) { return addr_is_v4(a) && a.b[12] == 0; }

bool route_is_host(const struct routes *r, struct net_addr a)
{
	return is_unicast(a) && !addr_is_loopback(a) && !is_this_network(a) && !is_broadcast_of_ours(r, a);
}

static unsigned common_bits(struct net_addr a, struct net_addr b)
{
	unsigned bits = 0;

	while (bits < 128 && addr_prefix_match(a, b, bits + 1))
		bits++;
	return bits;
}

static bool is_deprecated(const struct routes *r, struct net_addr a)
{
	uint32_t i = find_address(r, a);

	return i < r->addresses && r->address[i].deprecated;
}

/* Where an address is known: FROM_NEXT_HOP, if that is one of several routers that advertise its prefix. */
enum origin { FROM_NO_ROUTER, FROM_NEXT_HOP, FROM_ANOTHER };

static enum origin origin_of(const struct routes *r, struct net_addr a, struct net_addr next_hop)
{
	enum origin from = FROM_NO_ROUTER;

	for (uint32_t i = 0; i < r->adverts && from != FROM_NEXT_HOP; i++)
		if (prefix_contains(&r->advert[i].prefix, a))
			from = addr_eq(r->advert[i].router, next_hop) ? FROM_NEXT_HOP : FROM_ANOTHER;
	return from;
}

/* Is `a` a better source towards dst by way of next_hop than b (RFC 6724 5, rules 2, 3, 5.5 and 8)? Of homes,
 * interfaces and temporary addresses (4, 5, 7) there is no choice; labels (6) tell apart what rule 8 does. */
static bool is_better(const struct routes *r, struct net_addr a, struct net_addr b, struct net_addr dst,
	struct net_addr next_hop)
{
	enum origin from_a = origin_of(r, a, next_hop), from_b = origin_of(r, b, next_hop);
	bool of_link = addr_is_link_local6(a), avoided = is_deprecated(r, a);

	if (of_link != addr_is_link_local6(b))
		return of_link == addr_is_link_local6(dst);
	if (avoided != is_deprecated(r, b))
		return !avoided;
	if (from_a != from_b && from_a != FROM_NO_ROUTER && from_b != FROM_NO_ROUTER)
		return from_a == FROM_NEXT_HOP;
	return common_bits(a, dst) > common_bits(b, dst);
}

/* That of the route, if it has the destination's scope and is not deprecated: the operator's. But a gateway's
 * link-local address says nothing of which of ours is known beyond it, nor that a subnet is on the link of
 * which is known there. */
static struct net_addr source_for(const struct routes *r, const struct route *route, struct net_addr dst)
{
	struct net_addr best = route->src, next_hop = addr_is_any(route->gateway) ? dst : route->gateway;

	if (addr_is_v4(dst) ||
		(addr_is_link_local6(best) == addr_is_link_local6(dst) && !is_deprecated(r, best)))
		return best;
	for (uint32_t i = 0; i < r->addresses; i++) {
		struct net_addr a = r->address[i].addr;

		if (!addr_is_v4(a) && is_better(r, a, best, dst, next_hop))
			best = a;
	}
	return best;
}

bool route_on_link(const struct routes *r, struct net_addr a, struct net_addr *src)
{
	const struct route *best = find(r, a);

	if (best == NULL || !addr_is_any(best->gateway) || !route_is_host(r, a))
		return false;
	if (src != NULL)
		*src = source_for(r, best, a);
	return true;
}

struct route_result route_lookup(const struct routes *r, struct net_addr dst)
{
	const struct route *best;

	if (route_is_local(r, dst))
		return (struct route_result){ .next_hop = dst,
			.src = dst,
			.prefix_len = 128,
			.found = true,
			.local = true };
	best = find(r, dst);
	if (best == NULL || !route_is_host(r, dst))
		return (struct route_result){ 0 };
	return (struct route_result){
		.next_hop = addr_is_any(best->gateway) ? dst : best->gateway,
		.src = source_for(r, best, dst),
		.prefix_len = best->dst.len,
		.found = true,
	};
}
