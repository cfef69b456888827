/* SPDX-License-Identifier: BSD-3-Clause */
/* ra.c - see ra.h. */
#include "slowpath/ra.h"

#include <rte_hash_crc.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"

static tas_ns after(tas_ns now, uint32_t lifetime_s)
{
	return lifetime_s == ND_INFINITE_S ? TAS_NS_NEVER : now + lifetime_s * NS_PER_SEC;
}

static void deadline_find(struct ra *r)
{
	r->next = r->solicitations > 0 ? r->solicit_next : TAS_NS_NEVER;
	if (r->rerouted)
		r->next = min_u64(r->next, r->reroute_next);
	for (uint32_t i = 0; i < r->routers; i++)
		r->next = min_u64(r->next, r->router[i].until);
	for (uint32_t i = 0; i < r->prefixes; i++) {
		r->next = min_u64(r->next, r->prefix[i].until);
		if (!r->prefix[i].deprecated)
			r->next = min_u64(r->next, r->prefix[i].preferred_until);
	}
	for (uint32_t i = 0; i < r->links; i++)
		r->next = min_u64(r->next, r->link[i].until);
	for (uint32_t i = 0; i < r->adverts; i++)
		r->next = min_u64(r->next, r->advert[i].until);
}

static struct net_addr our_link_local(const struct ra *r)
{
	return nd_eui64(addr_link_local_net(), &r->neigh->mac);
}

void ra_init(struct ra *r, struct routes *routes, struct neigh *neigh, bool on, bool gateway_is_fixed,
	tas_ns now)
{
	*r = (struct ra){ .routes = routes,
		.neigh = neigh,
		.on = on,
		.gateway_is_fixed = gateway_is_fixed,
		.solicitations = on ? RA_SOLICITATIONS : 0,
		.solicit_next = now };
	deadline_find(r);
}

static bool prefix_eq(const struct net_prefix *a, const struct net_prefix *b)
{
	return a->len == b->len && addr_eq(a->addr, b->addr);
}

/* --- routers --- */

static uint32_t router_find(const struct ra *r, struct net_addr addr)
{
	uint32_t i = 0;

	while (i < r->routers && !addr_eq(r->router[i].addr, addr))
		i++;
	return i;
}

/* After the list has changed. */
static void gateway_set(struct ra *r)
{
	struct net_addr first = r->routers > 0 ? r->router[0].addr : addr_any();

	if (!addr_eq(first, r->gateway))
		route_remove_default(r->routes, r->gateway);
	if (r->routers == 0)
		return;
	if (!addr_eq(first, r->gateway))
		r->rerouted |= !addr_is_any(r->gateway);
	r->gateway = first;
	route_add_default(r->routes, first);
}

static void router_forget(struct ra *r, uint32_t i)
{
	r->routers--;
	for (; i < r->routers; i++)
		r->router[i] = r->router[i + 1];
	gateway_set(r);
}

void ra_no_router(struct ra *r, struct net_addr neighbour)
{
	uint32_t i = router_find(r, neighbour);

	if (i == r->routers)
		return;
	router_forget(r, i);
	deadline_find(r);
}

void ra_silent(struct ra *r, struct net_addr neighbour)
{
	uint32_t i = router_find(r, neighbour);
	struct ra_router last;

	if (i == r->routers)
		return;
	last = r->router[i];
	for (; i + 1 < r->routers; i++)
		r->router[i] = r->router[i + 1];
	r->router[i] = last;
	gateway_set(r);
	deadline_find(r);
}

static void router_in(struct ra *r, struct net_addr addr, uint16_t lifetime_s, tas_ns now)
{
	uint32_t i = router_find(r, addr);

	if (lifetime_s == 0) {
		if (i < r->routers)
			router_forget(r, i);
		return;
	}
	if (i == RA_ROUTERS_MAX)
		return;
	if (i == r->routers) {
		r->router[r->routers++].addr = addr;
		gateway_set(r);
	}
	r->router[i].until = after(now, lifetime_s);
}

/* --- subnets on the link --- */

static void link_forget(struct ra *r, uint32_t i)
{
	route_remove_link(r->routes, &r->link[i].prefix);
	r->links--;
	for (; i < r->links; i++)
		r->link[i] = r->link[i + 1];
	r->rerouted = true;
}

/* Of one that the operator configured nothing is kept: it stays, whatever its lifetime. */
static bool link_new(struct ra *r, const struct net_prefix *p)
{
	if (r->links == RA_PREFIXES_MAX || route_add_link(r->routes, p, our_link_local(r)) != 0)
		return false;
	r->link[r->links++].prefix = *p;
	return true;
}

static void link_in(struct ra *r, const struct nd_prefix *p, tas_ns now)
{
	uint32_t i = 0;

	if (!p->on_link) /* which does not say that it is not (RFC 4861 6.3.4) */
		return;
	while (i < r->links && !prefix_eq(&r->link[i].prefix, &p->prefix))
		i++;
	if (p->valid_s == 0 && i < r->links)
		link_forget(r, i);
	else if (p->valid_s != 0 && (i < r->links || link_new(r, &p->prefix)))
		r->link[i].until = after(now, p->valid_s);
}

/* --- who advertises what --- */

static void advert_forget(struct ra *r, uint32_t i)
{
	route_remove_advert(r->routes, &r->advert[i].prefix, r->advert[i].router);
	r->advert[i] = r->advert[--r->adverts];
}

static void advert_in(struct ra *r, const struct nd_prefix *p, struct net_addr router, tas_ns now)
{
	uint32_t i = 0;

	while (i < r->adverts &&
		!(prefix_eq(&r->advert[i].prefix, &p->prefix) && addr_eq(r->advert[i].router, router)))
		i++;
	if (p->valid_s == 0) {
		if (i < r->adverts)
			advert_forget(r, i);
		return;
	}
	if (i == r->adverts) {
		if (!route_add_advert(r->routes, &p->prefix, router))
			return;
		r->adverts++;
		r->advert[i].prefix = p->prefix;
		r->advert[i].router = router;
	}
	r->advert[i].until = after(now, p->valid_s);
}

/* --- addresses --- */

static void prefix_forget(struct ra *r, uint32_t i)
{
	struct net_addr gone = r->prefix[i].addr;

	if (route_remove_address(r->routes, gone)) { /* false: given up, as another had it */
		TAS_ASSERT(r->gones < RA_PREFIXES_MAX);
		r->gone[r->gones++] = gone;
	}
	r->prefixes--;
	for (; i < r->prefixes; i++)
		r->prefix[i] = r->prefix[i + 1];
}

/* RFC 4862 5.5.4: true if it has just been deprecated. */
static bool prefix_ages(struct ra *r, uint32_t i, tas_ns now)
{
	bool was = r->prefix[i].deprecated;

	r->prefix[i].deprecated = r->prefix[i].preferred_until <= now;
	route_deprecate(r->routes, r->prefix[i].addr, r->prefix[i].deprecated);
	return r->prefix[i].deprecated && !was;
}

static void prefix_prefer(struct ra *r, uint32_t i, uint32_t preferred_s, tas_ns now)
{
	r->prefix[i].preferred_until = after(now, preferred_s);
	prefix_ages(r, i, now);
}

/* RFC 4862 5.5.3 (e): no advertisement, whoever sent it, ends an address at once. */
static void prefix_renew(struct ra *r, uint32_t i, const struct nd_prefix *p, tas_ns now)
{
	uint32_t valid_s = p->valid_s;
	tas_ns until = after(now, valid_s), two_hours = after(now, RA_TWO_HOURS_S);

	prefix_prefer(r, i, p->preferred_s, now);
	if (valid_s > RA_TWO_HOURS_S || until > r->prefix[i].until)
		r->prefix[i].until = until;
	else if (r->prefix[i].until > two_hours)
		r->prefix[i].until = two_hours;
}

/* True if it gave us an address. */
static bool prefix_in(struct ra *r, const struct nd_prefix *p, tas_ns now)
{
	struct net_prefix ours = { nd_eui64(p->prefix.addr, &r->neigh->mac), 128 };
	uint32_t i = 0;

	if (!p->autonomous || p->prefix.len != 64) /* RFC 4862 5.5.3 (a), (d) */
		return false;
	while (i < r->prefixes && !addr_eq(r->prefix[i].prefix.addr, p->prefix.addr))
		i++;
	if (i < r->prefixes) {
		prefix_renew(r, i, p, now);
		return false;
	}
	if (p->valid_s == 0 || i == RA_PREFIXES_MAX)
		return false;
	if (route_add_address(r->routes, &ours) != 0)
		return false;
	r->prefixes++;
	r->prefix[i].prefix = p->prefix;
	r->prefix[i].addr = ours.addr;
	r->prefix[i].until = after(now, p->valid_s);
	prefix_prefer(r, i, p->preferred_s, now);
	return true;
}

/* --- what it says of the link --- */

static uint32_t within(uint32_t ms, uint32_t least, uint32_t most)
{
	return ms == 0 ? 0 : min_u32(max_u32(ms, least), most);
}

/* RFC 4861 6.3.4: from half to one and a half of the time that is said, another part for each host, so that
 * they do not all ask at once. */
static void times_in(struct ra *r, const struct nd_msg *m)
{
	uint64_t reachable = within(m->reachable_ms, RA_REACHABLE_LEAST_MS, RA_REACHABLE_MOST_MS) * NS_PER_MS;
	uint32_t part = rte_hash_crc(&r->neigh->mac, sizeof(r->neigh->mac), 0) & 0xffff;

	neigh_times(r->neigh, reachable / 2 + (reachable >> 16) * part,
		within(m->retrans_ms, RA_RETRANS_LEAST_MS, RA_RETRANS_MOST_MS) * NS_PER_MS);
}

bool ra_in(struct ra *r, const struct nd_msg *m, tas_ns now)
{
	bool came = false;

	if (!r->on)
		return false;
	r->solicitations = 0;
	if (!r->gateway_is_fixed)
		router_in(r, m->src, m->router_lifetime_s, now);
	for (uint32_t i = 0; i < m->prefixes; i++) {
		link_in(r, &m->prefix[i], now);
		advert_in(r, &m->prefix[i], m->src, now);
		came |= prefix_in(r, &m->prefix[i], now);
	}
	if (m->mtu >= IP6_MTU_MIN)
		r->mtu = m->mtu;
	if (m->hops != 0)
		r->hops = m->hops;
	times_in(r, m);
	deadline_find(r);
	return came;
}

/* --- time --- */

static void solicit(struct ra *r)
{
	alignas(8) uint8_t frame[ND_FRAME_MAX];
	const struct neigh_ops *ops = &r->neigh->ops;
	struct net_addr src = our_link_local(r);
	uint32_t len;

	/* it may be, or is, another's (RFC 4429 3.2) */
	if (neigh_is_tentative(r->neigh, src) || !route_is_local(r->routes, src))
		src = addr_any();
	len = nd_write_router_solicitation(frame, sizeof(frame), &r->neigh->mac, src);

	r->solicitations--;
	ops->send(ops->arg, frame, len);
}

unsigned ra_poll(struct ra *r, tas_ns now)
{
	unsigned done = 0;

	if (now < r->next)
		return 0;
	for (uint32_t i = r->routers; i-- > 0;)
		if (r->router[i].until <= now)
			router_forget(r, i), done++;
	for (uint32_t i = r->links; i-- > 0;)
		if (r->link[i].until <= now)
			link_forget(r, i), done++;
	for (uint32_t i = r->adverts; i-- > 0;)
		if (r->advert[i].until <= now)
			advert_forget(r, i), done++;
	for (uint32_t i = r->prefixes; i-- > 0;)
		if (r->prefix[i].until <= now)
			prefix_forget(r, i), done++;
		else if (prefix_ages(r, i, now))
			done++;
	if (r->solicitations > 0 && now >= r->solicit_next) {
		r->solicit_next = now + RA_SOLICITATION_APART_NS;
		solicit(r), done++;
	}
	deadline_find(r);
	return done;
}

bool ra_gone(struct ra *r, struct net_addr *addr)
{
	if (r->gones == 0)
		return false;
	*addr = r->gone[--r->gones];
	return true;
}

bool ra_rerouted(struct ra *r, tas_ns now)
{
	if (!r->rerouted || now < r->reroute_next)
		return false;
	r->rerouted = false;
	r->reroute_next = now + RA_REROUTES_APART_NS;
	deadline_find(r);
	return true;
}
