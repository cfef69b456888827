/* SPDX-License-Identifier: BSD-3-Clause */
/* mld.h - multicast listener discovery, read and written: version 2 (RFC 3810) and version 1 (RFC 2710).
 * Guarantee: as nd.h. A message that comes out passed every check of RFC 3810 6.2: sent from this link (a
 * link-local source, hop limit 1) with a router alert. Keeps no state: groups.h does. */
#ifndef TAS_NET_MLD_H
#define TAS_NET_MLD_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "include/net/addr.h"
#include "include/net/seg.h"

enum {
	MLD_RECORDS_MAX = 32,
	MLD_SOURCES_MAX = 16,
	MLD_FRAME_MAX = RTE_ETHER_HDR_LEN + 40 + 8 + 8 + 20 * MLD_RECORDS_MAX,
};

/* A query, or a report of version 1. */
struct mld_msg {
	bool is_query, is_v1;
	uint32_t max_delay_ms; /* of the answer */
	struct net_addr group; /* any: all groups are asked for */
	uint32_t sources;      /* asked for, of a group. 0: all, or more than there is room for */
	struct net_addr source[MLD_SOURCES_MAX];
};

/* A PKT_ICMP6 as pkt_parse() left it; false if it is neither, or must be ignored. */
bool mld_parse(const uint8_t *frame, const struct seg *seg, struct mld_msg *out);

/* RFC 3810 5.2.12: what is listened to, and whether this is new. */
enum mld_record_type { MLD_IS_INCLUDE = 1, MLD_IS_EXCLUDE = 2, MLD_TO_INCLUDE = 3, MLD_TO_EXCLUDE = 4 };

struct mld_record {
	enum mld_record_type type;
	struct net_addr group;
	uint32_t sources; /* to be included; others than 0 with MLD_IS_INCLUDE alone */
	const struct net_addr *source;
};

/* Both return the frame's length, or 0 if size is less; MLD_FRAME_MAX is enough for MLD_RECORDS_MAX records
 * without sources, or one with MLD_SOURCES_MAX. src: our link-local address; any, as long as it may be
 * another's. */

/* Version 2: at least one record. */
uint32_t mld_write_report(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	struct net_addr src, const struct mld_record *record, uint32_t records);
/* Version 1: we listen to the group, or (done) do so no longer. */
uint32_t mld_write_v1(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac, struct net_addr src,
	struct net_addr group, bool done);

#endif
