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
	ROUTER_ALERT_LEN = 8,
	ICMP = L4 + ROUTER_ALERT_LEN, /* in what is written */
	V1_LEN = 24,
	V2_QUERY_LEN = 28, /* before the sources */
	V2_REPORT_LEN = 8, /* before the records */
	RECORD_LEN = 20,   /* before its sources */
	ADDR_LEN = 16,
	OPT_PAD1 = 0,
	OPT_ROUTER_ALERT = 5,
};

/* --- read --- */

/* Hop-by-hop options stand first or nowhere, and pkt_parse() went through them: their lengths are right. Its
 * value is 0 (RFC 2711 2.1). */
static bool has_router_alert(const uint8_t *ip)
{
	uint32_t at = 42, end = 48u + 8u * ip[41];

	if (ip[6] != EXT6_HOP_BY_HOP)
		return false;
	while (at < end && ip[at] != OPT_ROUTER_ALERT)
		at += ip[at] == OPT_PAD1 ? 1u : 2u + ip[at + 1];
	return at < end && ip[at + 1] == 2 && load_be16(ip + at + 2) == 0;
}

static bool is_from_this_link(const uint8_t *ip)
{
	struct net_addr src;

	memcpy(&src, ip + 8, sizeof(src));
	return ip[7] == 1 && addr_is_link_local6(src) && has_router_alert(ip);
}

/* Of version 2, the maximum response code (RFC 3810 5.1.3). */
static uint32_t delay_of_code(uint32_t code)
{
	return code < 0x8000 ? code : ((code & 0xfff) | 0x1000) << ((code >> 12 & 7) + 3);
}

static bool sources_parse(const uint8_t *icmp, uint32_t len, struct mld_msg *out)
{
	uint32_t sources = load_be16(icmp + 26);

	if (ADDR_LEN * sources > len - V2_QUERY_LEN)
		return false;
	out->sources = sources <= MLD_SOURCES_MAX ? sources : 0;
	memcpy(out->source, icmp + V2_QUERY_LEN, ADDR_LEN * out->sources);
	return true;
}

bool mld_parse(const uint8_t *frame, const struct seg *seg, struct mld_msg *out)
{
	const uint8_t *icmp = frame + seg->payload_off;
	uint32_t len = seg->payload_len, code;

	if ((icmp[0] != ICMP6_MLD_QUERY && icmp[0] != ICMP6_MLD_REPORT) || len < V1_LEN ||
		!is_from_this_link(frame + L3))
		return false;
	code = load_be16(icmp + 4);
	*out = (struct mld_msg){ .is_query = icmp[0] == ICMP6_MLD_QUERY,
		.is_v1 = true,
		.max_delay_ms = code };
	memcpy(&out->group, icmp + 8, sizeof(out->group));
	if (!addr_is_multicast(out->group) && !(out->is_query && addr_is_any(out->group)))
		return false;
	if (!out->is_query || len == V1_LEN)
		return true;
	out->is_v1 = false;
	out->max_delay_ms = delay_of_code(code);
	return len >= V2_QUERY_LEN && sources_parse(icmp, len, out); /* RFC 3810 8.1: none is between */
}

/* --- written --- */

/* Headers with a router alert between IPv6's and ICMP's (RFC 3810 5, RFC 2711). */
static uint32_t finish(uint8_t *frame, const struct rte_ether_addr *my_mac, struct net_addr src,
	struct net_addr dst, uint32_t icmp_len)
{
	static const uint8_t router_alert[ROUTER_ALERT_LEN] = { IPPROTO_ICMPV6, 0, OPT_ROUTER_ALERT, 2, 0, 0,
		1, 0 };
	struct icmp6_to to = { .src_mac = *my_mac,
		.dst_mac = nd_multicast_mac(dst),
		.src = src,
		.dst = dst,
		.hops = 1 };
	uint32_t sum = cksum_pseudo_v6(&src, &dst, IPPROTO_ICMPV6, icmp_len);

	icmp6_finish(frame, &to, 0);
	store_be16(frame + L3 + 4, (uint16_t)(ROUTER_ALERT_LEN + icmp_len));
	frame[L3 + 6] = EXT6_HOP_BY_HOP;
	memcpy(frame + L4, router_alert, sizeof(router_alert));
	store_u16(frame + ICMP + 2, cksum_finish(cksum_partial(frame + ICMP, icmp_len, sum)));
	return ICMP + icmp_len;
}

static uint32_t record_len(const struct mld_record *r) { return RECORD_LEN + ADDR_LEN * r->sources; }

static void record_write(uint8_t *to, const struct mld_record *r)
{
	to[0] = (uint8_t)r->type;
	store_be16(to + 2, (uint16_t)r->sources);
	memcpy(to + 4, &r->group, ADDR_LEN);
	if (r->sources > 0)
		memcpy(to + RECORD_LEN, r->source, ADDR_LEN * r->sources);
}

uint32_t mld_write_report(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	struct net_addr src, const struct mld_record *record, uint32_t records)
{
	const struct net_addr v2_routers = { .b = { 0xff, 2, [15] = 0x16 } };
	uint32_t icmp_len = V2_REPORT_LEN;

	for (uint32_t i = 0; i < records; i++)
		icmp_len += record_len(&record[i]);
	if (size < ICMP + icmp_len)
		return 0;
	memset(buf + ICMP, 0, icmp_len);
	buf[ICMP] = ICMP6_MLD2_REPORT;
	store_be16(buf + ICMP + 6, (uint16_t)records);
	for (uint32_t i = 0, at = ICMP + V2_REPORT_LEN; i < records; at += record_len(&record[i]), i++)
		record_write(buf + at, &record[i]);
	return finish(buf, my_mac, src, v2_routers, icmp_len);
}

uint32_t mld_write_v1(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac, struct net_addr src,
	struct net_addr group, bool done)
{
	if (size < ICMP + V1_LEN)
		return 0;
	memset(buf + ICMP, 0, V1_LEN);
	buf[ICMP] = done ? ICMP6_MLD_DONE : ICMP6_MLD_REPORT;
	memcpy(buf + ICMP + 8, &group, sizeof(group));
	return finish(buf, my_mac, src, done ? addr_all_routers() : group, V1_LEN);
}
