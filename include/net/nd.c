/* SPDX-License-Identifier: BSD-3-Clause */
/* nd.c - see nd.h. */
#include "include/net/nd.h"

#include <string.h>

#include "include/net/bytes.h"

enum {
	L3 = RTE_ETHER_HDR_LEN,
	L4 = L3 + 40,
	HOPS = 255,     /* nobody beyond a router can send it (RFC 4861 3.1) */
	NS_LEN = 24,    /* solicitation and advertisement without options */
	RA_LEN = 16,    /* router advertisement without options */
	RS_LEN = 8,     /* router solicitation without options */
	LLADDR_LEN = 8, /* an option with an Ethernet address */
	PREFIX_LEN = 32,
	OPT_SOURCE = 1,
	OPT_TARGET = 2,
	OPT_PREFIX = 3,
	OPT_MTU = 5,
	NA_ROUTER = 0x80,
	NA_SOLICITED = 0x40,
	NA_OVERRIDE = 0x20,
	PREFIX_ON_LINK = 0x80,
	PREFIX_AUTONOMOUS = 0x40,
};

/* --- read --- */

static void prefix_read(const uint8_t *o, struct nd_msg *m)
{
	struct nd_prefix *p = &m->prefix[m->prefixes];

	if (o[2] > 128 || m->prefixes == ND_PREFIXES_MAX)
		return;
	*p = (struct nd_prefix){
		.prefix = { .len = o[2] },
		.on_link = o[3] & PREFIX_ON_LINK,
		.autonomous = o[3] & PREFIX_AUTONOMOUS,
		.valid_s = load_be32(o + 4),
		.preferred_s = load_be32(o + 8),
	};
	memcpy(&p->prefix.addr, o + 16, sizeof(p->prefix.addr));
	p->prefix.addr.q[0] &= addr_mask64(o[2] < 64 ? o[2] : 64);
	p->prefix.addr.q[1] &= addr_mask64(o[2] < 64 ? 0 : o[2] - 64u);
	/* RFC 4861 6.3.4: the link-local prefix is not theirs to give; RFC 4862 5.5.3 (c) */
	if (addr_is_link_local6(p->prefix.addr) || addr_is_multicast(p->prefix.addr) ||
		p->preferred_s > p->valid_s)
		return;
	m->prefixes++;
}

static void mac_read(const uint8_t *o, struct nd_msg *m)
{
	memcpy(&m->mac, o + 2, sizeof(m->mac));
	m->has_mac = rte_is_unicast_ether_addr(&m->mac) && !rte_is_zero_ether_addr(&m->mac);
}

/* RFC 4861 4.6: all options must have a length; those nobody knows are skipped. */
static bool options_read(const uint8_t *o, uint32_t len, struct nd_msg *m)
{
	uint8_t lladdr = m->type == ICMP6_ADVERTISEMENT ? OPT_TARGET : OPT_SOURCE;
	uint32_t size;

	for (; len > 0; o += size, len -= size) {
		if (len < 8 || o[1] == 0 || o[1] * 8u > len)
			return false;
		size = o[1] * 8u;
		if (o[0] == lladdr && size == LLADDR_LEN)
			mac_read(o, m);
		else if (o[0] == OPT_PREFIX && size == PREFIX_LEN)
			prefix_read(o, m);
		else if (o[0] == OPT_MTU && size == 8)
			m->mtu = load_be32(o + 4);
	}
	return true;
}

static bool solicitation_ok(const struct nd_msg *m)
{
	struct net_addr group = nd_solicited_node(m->target);

	if (addr_is_multicast(m->target))
		return false;
	/* who has no address yet asks the group, and says no hardware address (RFC 4861 7.1.1) */
	return !addr_is_any(m->src) || (addr_eq(m->dst, group) && !m->has_mac);
}

static bool advertisement_ok(const struct nd_msg *m)
{
	return !addr_is_multicast(m->target) && !(addr_is_multicast(m->dst) && m->solicited);
}

bool nd_parse(const uint8_t *frame, const struct seg *seg, struct nd_msg *out)
{
	const uint8_t *icmp = frame + seg->payload_off;
	uint32_t fixed = icmp[0] == ICMP6_ROUTER_ADVERTISEMENT ? RA_LEN : NS_LEN;
	struct nd_msg m = { .type = icmp[0] };

	if (m.type < ICMP6_ROUTER_ADVERTISEMENT || m.type > ICMP6_ADVERTISEMENT)
		return false;
	if (frame[L3 + 7] != HOPS || icmp[1] != 0 || seg->payload_len < fixed || seg->payload_off != L4)
		return false;
	memcpy(&m.eth_src, frame + RTE_ETHER_ADDR_LEN, sizeof(m.eth_src));
	memcpy(&m.src, frame + L3 + 8, sizeof(m.src));
	memcpy(&m.dst, frame + L3 + 24, sizeof(m.dst));
	if (addr_is_multicast(m.src) || addr_is_v4(m.src) || !rte_is_unicast_ether_addr(&m.eth_src) ||
		!options_read(icmp + fixed, seg->payload_len - fixed, &m))
		return false;
	*out = m;
	if (m.type == ICMP6_ROUTER_ADVERTISEMENT) {
		out->hops = icmp[4];
		out->router_lifetime_s = load_be16(icmp + 6);
		out->reachable_ms = load_be32(icmp + 8);
		out->retrans_ms = load_be32(icmp + 12);
		return addr_is_link_local6(m.src);
	}
	memcpy(&out->target, icmp + 8, sizeof(out->target));
	out->router = icmp[4] & NA_ROUTER;
	out->solicited = icmp[4] & NA_SOLICITED;
	out->override = icmp[4] & NA_OVERRIDE;
	return m.type == ICMP6_SOLICITATION ? solicitation_ok(out) : advertisement_ok(out);
}

/* --- addresses --- */

struct net_addr nd_solicited_node(struct net_addr a)
{
	return (struct net_addr){ .b = { 0xff, 2, [11] = 1, 0xff, a.b[13], a.b[14], a.b[15] } };
}

struct rte_ether_addr nd_multicast_mac(struct net_addr g)
{
	return (struct rte_ether_addr){ { 0x33, 0x33, g.b[12], g.b[13], g.b[14], g.b[15] } };
}

struct net_addr nd_eui64(struct net_addr net, const struct rte_ether_addr *mac)
{
	const uint8_t *m = mac->addr_bytes;

	memcpy(net.b + 8, (uint8_t[]){ m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5] }, 8);
	return net;
}

/* --- written --- */

static uint32_t write_message(uint8_t *buf, uint32_t size, const struct icmp6_to *to, const uint8_t *fixed,
	uint32_t fixed_len, uint8_t lladdr)
{
	uint32_t len = fixed_len + (lladdr != 0 ? LLADDR_LEN : 0);
	uint8_t *o = buf + L4 + fixed_len;

	if (size < L4 + len)
		return 0;
	memcpy(buf + L4, fixed, fixed_len);
	if (lladdr != 0) {
		o[0] = lladdr;
		o[1] = 1;
		memcpy(o + 2, &to->src_mac, sizeof(to->src_mac));
	}
	return icmp6_finish(buf, to, len);
}

uint32_t nd_write_solicitation(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	struct net_addr src, const struct rte_ether_addr *to, struct net_addr target)
{
	struct icmp6_to h = { .src_mac = *my_mac, .src = src, .dst = target, .hops = HOPS };
	uint8_t fixed[NS_LEN] = { ICMP6_SOLICITATION };

	if (to == NULL)
		h.dst = nd_solicited_node(target);
	h.dst_mac = to != NULL ? *to : nd_multicast_mac(h.dst);
	memcpy(fixed + 8, &target, sizeof(target));
	return write_message(buf, size, &h, fixed, sizeof(fixed), addr_is_any(src) ? 0 : OPT_SOURCE);
}

uint32_t nd_write_advertisement(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	struct net_addr target, const struct rte_ether_addr *to_mac, struct net_addr dst, bool override)
{
	bool group = addr_is_multicast(dst);
	struct icmp6_to h = { .src_mac = *my_mac, .src = target, .dst = dst, .hops = HOPS };
	uint8_t fixed[NS_LEN] = { ICMP6_ADVERTISEMENT };

	h.dst_mac = group ? nd_multicast_mac(dst) : *to_mac;
	fixed[4] = (override ? NA_OVERRIDE : 0) | (group ? 0 : NA_SOLICITED);
	memcpy(fixed + 8, &target, sizeof(target));
	return write_message(buf, size, &h, fixed, sizeof(fixed), OPT_TARGET);
}

uint32_t nd_write_router_solicitation(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	struct net_addr src)
{
	struct net_addr routers = addr_all_routers();
	struct icmp6_to h = { .src_mac = *my_mac,
		.dst_mac = nd_multicast_mac(routers),
		.src = src,
		.dst = routers,
		.hops = HOPS };
	uint8_t fixed[RS_LEN] = { ICMP6_ROUTER_SOLICITATION };

	return write_message(buf, size, &h, fixed, sizeof(fixed), addr_is_any(src) ? 0 : OPT_SOURCE);
}
