/* SPDX-License-Identifier: BSD-3-Clause */
/* neigh_nd.c - neighbour discovery for the neighbour table (RFC 4861 7.2, RFC 4862 5.4). */
#include "include/net/nd.h"

#include "slowpath/neigh_int.h"

static void nd_send(struct neigh *n, const uint8_t *frame, uint32_t len)
{
	n->ops.send(n->ops.arg, frame, len);
}

void neigh_nd_solicit(struct neigh *n, struct net_addr src, const struct rte_ether_addr *to,
	struct net_addr addr)
{
	alignas(8) uint8_t frame[ND_FRAME_MAX];

	nd_send(n, frame, nd_write_solicitation(frame, sizeof(frame), &n->mac, src, to, addr));
}

void neigh_nd_probe(struct neigh *n, struct net_addr addr) { neigh_nd_solicit(n, addr_any(), NULL, addr); }

void neigh_nd_announce(struct neigh *n, struct net_addr addr)
{
	alignas(8) uint8_t frame[ND_FRAME_MAX];

	nd_send(n, frame,
		nd_write_advertisement(frame, sizeof(frame), &n->mac, addr, NULL, addr_all_nodes(), true));
}

static void answer(struct neigh *n, const struct nd_msg *m, tas_ns now)
{
	alignas(8) uint8_t frame[ND_FRAME_MAX];

	if (!limit_pass(&n->replies, now))
		return;
	/* back to where it came from: who asks without saying its hardware address may not be known here; and
	 * overriding nobody as long as another may have it (RFC 4429 3.3) */
	nd_send(n, frame,
		nd_write_advertisement(frame, sizeof(frame), &n->mac, m->target,
			m->has_mac ? &m->mac : &m->eth_src, m->src, !neigh_is_tentative(n, m->target)));
}

static void solicitation_in(struct neigh *n, const struct nd_msg *m, tas_ns now)
{
	if (!route_is_local(n->routes, m->target))
		return;
	if (addr_is_any(m->src) && neigh_is_tentative(n, m->target)) { /* both ask (RFC 4862 5.4.3) */
		neigh_duplicate(n, m->target, &m->eth_src);
		return;
	}
	if (addr_is_any(m->src) || route_is_local(n->routes, m->src)) { /* it means to have it, too */
		neigh_conflict(n, m->target, &m->eth_src, now);
		return;
	}
	if (m->has_mac)
		neigh_asks(n, m->src, &m->mac, now);
	answer(n, m, now);
}

/* RFC 4861 7.2.5. What nobody looks for is not remembered. True if it counts. */
static bool advertisement_in(struct neigh *n, const struct nd_msg *m, tas_ns now)
{
	uint32_t id = neigh_find(n, m->target);
	const struct neigh_entry *e;
	bool same;

	if (route_is_local(n->routes, m->target)) {
		if (neigh_is_tentative(n, m->target)) /* RFC 4862 5.4.4 */
			neigh_duplicate(n, m->target, &m->eth_src);
		else
			neigh_conflict(n, m->target, &m->eth_src, now);
		return false;
	}
	if (id == NEIGH_NONE)
		return false;
	e = &n->entry[id];
	if (e->state == NEIGH_INCOMPLETE || e->state == NEIGH_FAILED) {
		if (m->has_mac)
			neigh_learn(n, id, &m->mac, m->solicited && neigh_was_asked(n, id), now);
		return m->has_mac;
	}
	/* an answer to a unicast question may leave its address out */
	same = !m->has_mac || rte_is_same_ether_addr(&m->mac, &e->mac);
	if (same || m->override)
		neigh_learn(n, id, same ? &e->mac : &m->mac, m->solicited && neigh_was_asked(n, id), now);
	else if (e->state == NEIGH_REACHABLE)
		neigh_doubt(n, id, now);
	return same || m->override;
}

bool neigh_nd_in(struct neigh *n, const struct nd_msg *m, tas_ns now)
{
	if (rte_is_same_ether_addr(&m->eth_src, &n->mac) && /* our own comes back: see neigh_arp.c */
		(addr_is_any(m->src) || route_is_local(n->routes, m->src)))
		return false;
	if (m->type == ICMP6_ADVERTISEMENT)
		return advertisement_in(n, m, now);
	if (m->type == ICMP6_SOLICITATION)
		solicitation_in(n, m, now);
	else if (m->has_mac) /* RFC 4861 6.3.4: a router says where it is, too */
		neigh_asks(n, m->src, &m->mac, now);
	return false;
}
