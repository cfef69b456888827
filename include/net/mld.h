/* SPDX-License-Identifier: BSD-3-Clause */
/* mld.h - which groups we listen to, for switches that forward multicast only where it is wanted (MLDv2, RFC
 * 3810; for nodes RFC 4861 7.2.1 wants the solicited-node groups joined).
 * Guarantee: as nd.h. No timers: a report goes out when addresses come, and when a router asks. */
#ifndef TAS_NET_MLD_H
#define TAS_NET_MLD_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "include/net/addr.h"
#include "include/net/seg.h"

enum { MLD_GROUPS_MAX = 16, MLD_FRAME_MAX = RTE_ETHER_HDR_LEN + 40 + 8 + 8 + 20 * MLD_GROUPS_MAX };

/* A PKT_ICMP6 as pkt_parse() left it: is it a query of a router on this link, of version 1 or 2? */
bool mld_is_query(const uint8_t *frame, const struct seg *seg);

/* We listen to these groups (joined: from now on), from whomever. src: our link-local address. Returns the
 * frame's length, 0 if size is less or there is no group. */
uint32_t mld_write_report(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	struct net_addr src, const struct net_addr *group, uint32_t groups, bool joined);

#endif
