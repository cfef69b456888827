/* SPDX-License-Identifier: BSD-3-Clause */
/* hdr.c - makes header templates, and writes the rarer headers. */
#include "include/net/hdr.h"

static void hdr_tmpl_init_eth(struct hdr_tmpl *t, const struct rte_ether_addr *src_mac,
	const struct rte_ether_addr *dst_mac, uint16_t type)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)t->bytes;

	memcpy(&eth->src_addr, src_mac, sizeof(*src_mac));
	memcpy(&eth->dst_addr, dst_mac, sizeof(*dst_mac));
	eth->ether_type = htobe16(type);
	t->l2_len = sizeof(*eth);
}

static void hdr_tmpl_init_v4(struct hdr_tmpl *t, const struct flow_key *key, uint8_t ttl, uint8_t dscp)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(t->bytes + t->l2_len);

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 4 << 4 | sizeof(*ip) / 4,
		.type_of_service = dscp,
		.fragment_offset = htobe16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = ttl,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = addr_v4_be(key->local),
		.dst_addr = addr_v4_be(key->remote),
	};
	t->l3_len = sizeof(*ip);
	t->ip_sum = cksum_ipv4_20(ip);
	t->pseudo_sum = cksum_pseudo_v4(ip->src_addr, ip->dst_addr, IPPROTO_TCP, 0);
}

/* The flow label is the same for all packets of a connection and looks random, so that routers that balance
 * load by it (RFC 6438) spread connections and keep each on one path. */
static void hdr_tmpl_init_v6(struct hdr_tmpl *t, const struct flow_key *key, uint8_t ttl, uint8_t dscp)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(t->bytes + t->l2_len);
	uint32_t label = flow_key_hash(key) & RTE_IPV6_HDR_FL_MASK;

	ip->vtc_flow = htobe32(6u << 28 | (uint32_t)dscp << RTE_IPV6_HDR_TC_SHIFT | label);
	ip->payload_len = 0;
	ip->proto = IPPROTO_TCP;
	ip->hop_limits = ttl;
	memcpy(&ip->src_addr, &key->local, sizeof(key->local));
	memcpy(&ip->dst_addr, &key->remote, sizeof(key->remote));
	t->l3_len = sizeof(*ip);
	t->pseudo_sum = cksum_pseudo_v6(&ip->src_addr, &ip->dst_addr, IPPROTO_TCP, 0);
}

void hdr_tmpl_init(struct hdr_tmpl *t, const struct rte_ether_addr *src_mac,
	const struct rte_ether_addr *dst_mac, const struct flow_key *key, uint8_t ttl, uint8_t dscp_ecn,
	bool timestamps)
{
	bool v4 = addr_is_v4(key->local);
	uint8_t dscp = dscp_ecn & RTE_IPV4_HDR_DSCP_MASK;

	TAS_ASSERT(v4 == addr_is_v4(key->remote));
	memset(t, 0, sizeof(*t));
	hdr_tmpl_init_eth(t, src_mac, dst_mac, v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	if (v4)
		hdr_tmpl_init_v4(t, key, ttl, dscp);
	else
		hdr_tmpl_init_v6(t, key, ttl, dscp);

	store_u16(t->bytes + t->l2_len + t->l3_len, key->local_port);
	store_u16(t->bytes + t->l2_len + t->l3_len + 2, key->remote_port);
	t->l4_sum = cksum_add(t->pseudo_sum, (uint32_t)key->local_port + key->remote_port);
	hdr_tmpl_set_timestamps(t, timestamps);
}

void hdr_tmpl_set_timestamps(struct hdr_tmpl *t, bool timestamps)
{
	t->l4_len = (uint8_t)(sizeof(struct rte_tcp_hdr) + (timestamps ? TCP_OPT_TS_LEN : 0));
	t->total_len = (uint8_t)(t->l2_len + t->l3_len + t->l4_len);
	TAS_ASSERT(t->total_len <= HDR_TMPL_MAX);
}

static struct rte_ipv4_hdr *tmpl_ipv4(struct hdr_tmpl *t)
{
	TAS_ASSERT(hdr_tmpl_is_v4(t));
	return (struct rte_ipv4_hdr *)(t->bytes + t->l2_len);
}

void hdr_tmpl_set_class(struct hdr_tmpl *t, uint8_t ttl, uint8_t dscp_ecn)
{
	struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(t->bytes + t->l2_len);
	uint8_t dscp = dscp_ecn & RTE_IPV4_HDR_DSCP_MASK;

	if (hdr_tmpl_is_v4(t)) {
		tmpl_ipv4(t)->time_to_live = ttl;
		tmpl_ipv4(t)->type_of_service = dscp;
		t->ip_sum = cksum_ipv4_20(tmpl_ipv4(t));
		return;
	}
	ip6->hop_limits = ttl;
	ip6->vtc_flow = (ip6->vtc_flow & ~htobe32(RTE_IPV6_HDR_TC_MASK)) |
		htobe32((uint32_t)dscp << RTE_IPV6_HDR_TC_SHIFT);
}

static void tmpl_set_fragmenting(struct hdr_tmpl *t, uint16_t df, uint16_t id)
{
	struct rte_ipv4_hdr *ip = tmpl_ipv4(t);

	ip->fragment_offset = htobe16(df);
	ip->packet_id = htobe16(id);
	t->ip_sum = cksum_ipv4_20(ip);
}

void hdr_tmpl_set_fragments(struct hdr_tmpl *t, uint16_t id) { tmpl_set_fragmenting(t, 0, id); }
void hdr_tmpl_set_whole(struct hdr_tmpl *t) { tmpl_set_fragmenting(t, RTE_IPV4_HDR_DF_FLAG, 0); }

void hdr_tmpl_next_id(struct hdr_tmpl *t, uint32_t n)
{
	tmpl_set_fragmenting(t, 0, (uint16_t)(be16toh(tmpl_ipv4(t)->packet_id) + n));
}

uint32_t hdr_write_opts(const struct hdr_tmpl *t, uint8_t *frame, const struct hdr_fields *f,
	const uint8_t *opts, uint32_t opts_len, uint32_t payload_len, uint32_t payload_sum, unsigned offload)
{
	uint32_t ports_off = t->l2_len + t->l3_len;
	uint32_t tcp_len = (uint32_t)sizeof(struct rte_tcp_hdr) + opts_len, l4_len = tcp_len + payload_len;
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(frame + ports_off);
	uint64_t sum;

	TAS_ASSERT(opts_len <= TCP_OPT_MAX && opts_len % 4 == 0);
	TAS_ASSERT(t->l3_len + l4_len <= UINT16_MAX);
	memcpy(frame, t->bytes, ports_off + sizeof(*tcp));
	hdr_write_ip(t, frame + t->l2_len, l4_len, f->ecn, offload);
	sum = hdr_write_tcp(tcp, f, tcp_len) + payload_sum;
	sum += cksum_copy(tcp + 1, opts, opts_len, 0);
	tcp->cksum = hdr_l4_cksum(t, sum, l4_len, offload);
	return ports_off + tcp_len;
}
