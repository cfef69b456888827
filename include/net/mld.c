/* SPDX-License-Identifier: BSD-3-Clause */
/* mld.c - see mld.h. */
#include "include/net/mld.h"

#include <string.h>

#include "include/net/bytes.h"
#include "include/net/cksum.h"
#include "include/net/ext6.h"
#include "include/net/nd.h"

enum {
	L3 = RTE_ETHER_HDR_LEN,
	L4 = L3 + 40,
	QUERY_LEN = 24, /* of version 1; version 2 has more */
	ROUTER_ALERT_LEN = 8,
	MODE_IS_EXCLUDE = 2,
	CHANGE_TO_EXCLUDE = 4,
	RECORD_LEN = 20,
};

bool mld_is_query(const uint8_t *frame, const struct seg *seg)
{
	struct net_addr src;

	memcpy(&src, frame + L3 + 8, sizeof(src));
	return frame[seg->payload_off] == ICMP6_MLD_QUERY && seg->payload_len >= QUERY_LEN &&
		frame[L3 + 7] == 1 && addr_is_link_local6(src);
}

/* Headers with a router alert between IPv6's and ICMP's (RFC 3810 5, RFC 2711). */
static uint32_t report_finish(uint8_t *frame, const struct rte_ether_addr *my_mac, struct net_addr src,
	uint32_t icmp_len)
{
	static const uint8_t router_alert[ROUTER_ALERT_LEN] = { IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0 };
	struct net_addr routers = { .b = { 0xff, 2, [15] = 0x16 } };
	struct icmp6_to to = { .src_mac = *my_mac,
		.dst_mac = nd_multicast_mac(routers),
		.src = src,
		.dst = routers,
		.hops = 1 };
	uint8_t *icmp = frame + L4 + ROUTER_ALERT_LEN;
	uint32_t sum = cksum_pseudo_v6(&src, &routers, IPPROTO_ICMPV6, icmp_len);

	icmp6_finish(frame, &to, 0);
	store_be16(frame + L3 + 4, (uint16_t)(ROUTER_ALERT_LEN + icmp_len));
	frame[L3 + 6] = EXT6_HOP_BY_HOP;
	memcpy(frame + L4, router_alert, sizeof(router_alert));
	store_u16(icmp + 2, cksum_finish(cksum_partial(icmp, icmp_len, sum)));
	return L4 + ROUTER_ALERT_LEN + icmp_len;
}

uint32_t mld_write_report(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	struct net_addr src, const struct net_addr *group, uint32_t groups, bool joined)
{
	uint8_t *icmp = buf + L4 + ROUTER_ALERT_LEN;
	uint32_t icmp_len = 8 + RECORD_LEN * groups;

	if (groups == 0 || groups > MLD_GROUPS_MAX || size < L4 + ROUTER_ALERT_LEN + icmp_len)
		return 0;
	memset(icmp, 0, icmp_len);
	icmp[0] = ICMP6_MLD2_REPORT;
	store_be16(icmp + 6, (uint16_t)groups);
	for (uint32_t i = 0; i < groups; i++) {
		icmp[8 + RECORD_LEN * i] = joined ? CHANGE_TO_EXCLUDE : MODE_IS_EXCLUDE;
		memcpy(icmp + 8 + RECORD_LEN * i + 4, &group[i], sizeof(group[i]));
	}
	return report_finish(buf, my_mac, src, icmp_len);
}
