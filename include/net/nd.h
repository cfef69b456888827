/* SPDX-License-Identifier: BSD-3-Clause */
/* nd.h - neighbour and router discovery for IPv6 over Ethernet (RFC 4861), read and written.
 * Guarantee: reads only frame[0..len) as pkt_parse() found it, writes only buf[0..size). A message that comes
 * out passed every check of RFC 4861 6.1 and 7.1: sent from this link (hop limit 255), whole, options that
 * end where they say. Keeps no state: what to believe is for the neighbour table (neigh.h) and for ra.h. */
#ifndef TAS_NET_ND_H
#define TAS_NET_ND_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "include/net/addr.h"
#include "include/net/icmp6.h"
#include "include/net/seg.h"

enum {
	ND_FRAME_MAX = RTE_ETHER_HDR_LEN + 40 + 32, /* the longest frame that is written */
	ND_PREFIXES_MAX = 8,                        /* of one router advertisement; others are not read */
};
#define ND_INFINITE_S UINT32_MAX

struct nd_prefix {
	struct net_prefix prefix; /* host part zero */
	bool on_link, autonomous;
	uint32_t valid_s, preferred_s;
};

/* What stands in a message; of other types' fields nothing is set. */
struct nd_msg {
	uint8_t type;              /* ICMP6_SOLICITATION, ICMP6_ADVERTISEMENT, ICMP6_ROUTER_ADVERTISEMENT */
	struct net_addr src, dst;  /* of the IPv6 header */
	struct rte_ether_addr mac; /* from the option for source or target link-layer address */
	bool has_mac;
	struct rte_ether_addr eth_src;

	struct net_addr target;           /* both of neighbours */
	bool router, solicited, override; /* advertisement */

	/* router advertisement */
	uint16_t router_lifetime_s;
	uint8_t hops; /* for what is sent; 0: not said, as of the others */
	uint32_t reachable_ms, retrans_ms;
	uint32_t mtu;
	uint32_t prefixes;
	struct nd_prefix prefix[ND_PREFIXES_MAX];
};

/* A PKT_ICMP6 as pkt_parse() left it; false if it is none of the three, or must be ignored. */
bool nd_parse(const uint8_t *frame, const struct seg *seg, struct nd_msg *out);

/* ff02::1:ff00:0 with the last three bytes of an address (RFC 4291 2.7.1). */
struct net_addr nd_solicited_node(struct net_addr a);
/* 33:33 and the last four bytes (RFC 2464 7). */
struct rte_ether_addr nd_multicast_mac(struct net_addr group);
/* fe80::/64 and the modified EUI-64 of a hardware address (RFC 4291 appendix A); net: another /64. */
struct net_addr nd_eui64(struct net_addr net, const struct rte_ether_addr *mac);
static inline struct net_addr addr_link_local_net(void) { return (struct net_addr){ .b = { 0xfe, 0x80 } }; }
static inline struct net_addr addr_all_nodes(void) { return (struct net_addr){ .b = { 0xff, 2, [15] = 1 } }; }
static inline struct net_addr addr_all_routers(void)
{
	return (struct net_addr){ .b = { 0xff, 2, [15] = 2 } };
}

/* Each writes a frame and returns its length, or 0 if size is less; ND_FRAME_MAX is enough. */

/* Who has target? Tell src at my_mac. To target's solicited-node group, or to one host whose address is only
 * to be confirmed (to not NULL). src any: is anybody using target, which is to be ours (RFC 4862 5.4.2)? */
uint32_t nd_write_solicitation(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	struct net_addr src, const struct rte_ether_addr *to, struct net_addr target);
/* target is at my_mac: an answer to one host at to_mac, or, dst being a group, to all of it. override: even
 * if they know another address of it. */
uint32_t nd_write_advertisement(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	struct net_addr target, const struct rte_ether_addr *to_mac, struct net_addr dst, bool override);
/* Which routers are there? src: our link-local address; any, as long as it may be another's. */
uint32_t nd_write_router_solicitation(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	struct net_addr src);

#endif
