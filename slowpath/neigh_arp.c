/* SPDX-License-Identifier: BSD-3-Clause */
/* neigh_arp.c - ARP for the neighbour table (RFC 826, RFC 5227). */
#include "include/net/arp.h"

#include "slowpath/neigh_int.h"

void neigh_arp_request(struct neigh *n, struct net_addr src, const struct rte_ether_addr *to,
	struct net_addr addr)
{
	alignas(8) uint8_t frame[ARP_FRAME_LEN];
	uint32_t len = arp_write_request(frame, sizeof(frame), &n->mac, addr_v4_be(src), to,
		addr_v4_be(addr));

	n->ops.send(n->ops.arg, frame, len);
}

void neigh_arp_announce(struct neigh *n, struct net_addr addr)
{
	alignas(8) uint8_t frame[ARP_FRAME_LEN];
	uint32_t len = arp_write_gratuitous(frame, sizeof(frame), &n->mac, addr_v4_be(addr));

	n->ops.send(n->ops.arg, frame, len);
}

/* RFC 826, "packet reception": merge what is known; add only who asks for us. */
static void sender_in(struct neigh *n, const struct arp_pkt *a, bool to_us, tas_ns now)
{
	struct net_addr sender = addr_v4(a->sender_ip);
	uint32_t id = neigh_find(n, sender);

	if (id != NEIGH_NONE)
		neigh_learn(n, id, &a->sender_mac,
			to_us && a->op == RTE_ARP_OP_REPLY && neigh_was_asked(n, id), now);
	else if (to_us && a->op == RTE_ARP_OP_REQUEST)
		neigh_asks(n, sender, &a->sender_mac, now);
}

static void answer(struct neigh *n, const struct arp_pkt *a, tas_ns now)
{
	alignas(8) uint8_t frame[ARP_FRAME_LEN];
	uint32_t len;

	if (!limit_pass(&n->replies, now))
		return;
	len = arp_write_reply(frame, sizeof(frame), &n->mac, a->target_ip, &a->sender_mac, a->sender_ip);
	n->ops.send(n->ops.arg, frame, len);
}

/* Our own comes back. But the kernel's end of a TAP device has the port's hardware address, too; only what it
 * asks without an address, to learn whether that is free, cannot be told from ours. */
static bool is_ours(const struct neigh *n, const struct arp_pkt *a)
{
	return rte_is_same_ether_addr(&a->sender_mac, &n->mac) &&
		(a->sender_ip == 0 || route_is_local(n->routes, addr_v4(a->sender_ip)));
}

void neigh_arp_in(struct neigh *n, const uint8_t *frame, uint32_t len, tas_ns now)
{
	struct arp_pkt a;
	bool to_us;

	if (!arp_parse(frame, len, &a) || is_ours(n, &a))
		return;
	if (route_is_local(n->routes, addr_v4(a.sender_ip))) {
		neigh_conflict(n, addr_v4(a.sender_ip), &a.sender_mac, now);
		return;
	}
	to_us = route_is_local(n->routes, addr_v4(a.target_ip));
	sender_in(n, &a, to_us, now);
	if (to_us && a.op == RTE_ARP_OP_REQUEST)
		answer(n, &a, now);
}
