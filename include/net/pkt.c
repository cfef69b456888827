/* SPDX-License-Identifier: BSD-3-Clause */
/* pkt.c - the parser for everything but the common shape, which pkt.h decides in line. */
#include "include/net/pkt.h"

#include "include/net/ext6.h"

enum {
	ICMP_HDR_LEN = 8,
	TS_OPT_LEN = 10,
	IP_OPT_END = 0, /* RFC 791 3.1 */
	IP_OPT_NOP = 1,
	IP_OPT_LOOSE_ROUTE = 131,
	IP_OPT_STRICT_ROUTE = 137,
};

const char *pkt_kind_name(enum pkt_kind kind)
{
	static const char *const names[PKT_NR_KINDS] = {
		[PKT_TCP] = "tcp",
		[PKT_ARP] = "arp",
		[PKT_ICMP] = "icmp",
		[PKT_ICMP6] = "icmp6",
		[PKT_OTHER_L4] = "other protocol",
		[PKT_FRAGMENT] = "fragment",
		[PKT_IGNORED] = "ignored",
		[PKT_BAD_LENGTH] = "bad length",
		[PKT_BAD_CHECKSUM] = "bad checksum",
		[PKT_BAD_HEADER] = "bad header",
	};

	return (unsigned)kind < PKT_NR_KINDS ? names[kind] : "unknown";
}

/* Finds the timestamps, and whether there is more than timestamps, NOP and EOL. Under the rules of
 * tcp_opt_parse(). */
static void pkt_scan_opts(struct seg *seg, const uint8_t *p, uint32_t len)
{
	while (len > 0 && p[0] != TCP_OPT_EOL) {
		uint32_t opt_len = 1;

		if (p[0] != TCP_OPT_NOP) {
			if (len < 2 || p[1] < 2 || p[1] > len) {
				seg->has_other_opts = 1;
				return;
			}
			opt_len = p[1];
			if (p[0] == TCP_OPT_TS && opt_len == TS_OPT_LEN) {
				seg->has_ts = 1;
				seg->ts_val = load_be32(p + 2);
				seg->ts_ecr = load_be32(p + 6);
			} else {
				seg->has_other_opts = 1;
			}
		}
		p += opt_len;
		len -= opt_len;
	}
}

/* sum: of the pseudo-header. The packet's bytes from seg->payload_off for seg->payload_len are TCP's. */
static enum pkt_kind pkt_parse_tcp(const uint8_t *frame, uint32_t sum, unsigned verified,
	struct flow_key *key, struct seg *seg)
{
	uint32_t l4_off = seg->payload_off, l4_len = seg->payload_len, hdr_len;
	const uint8_t *l4 = frame + l4_off;

	if (l4_len < sizeof(struct rte_tcp_hdr))
		return PKT_BAD_LENGTH;
	hdr_len = (((const struct rte_tcp_hdr *)l4)->data_off >> 4) * 4u;
	if (hdr_len < sizeof(struct rte_tcp_hdr) || hdr_len > l4_len)
		return PKT_BAD_LENGTH;
	if (!(verified & PKT_VERIFIED_L4) && cksum_fold(cksum_partial(l4, l4_len, sum)) != 0xffff)
		return PKT_BAD_CHECKSUM;
	key->remote_port = load_u16(l4);
	key->local_port = load_u16(l4 + 2);
	pkt_seg(seg, l4, l4_off, l4_len, hdr_len, seg->ecn);
	pkt_scan_opts(seg, frame + seg->opts_off, seg->opts_len);
	return PKT_TCP;
}

/* NICs vouch for the checksums of TCP and UDP at most, so these are always summed. */
static enum pkt_kind pkt_parse_icmp(const uint8_t *frame, uint32_t sum, enum pkt_kind kind,
	const struct seg *seg)
{
	if (seg->payload_len < ICMP_HDR_LEN)
		return PKT_BAD_LENGTH;
	return cksum_fold(cksum_partial(frame + seg->payload_off, seg->payload_len, sum)) == 0xffff
		? kind
		: PKT_BAD_CHECKSUM;
}

static void pkt_set_l4(struct seg *seg, uint32_t l4_off, uint32_t l4_len, uint8_t ecn)
{
	*seg = (struct seg){
		.l4_off = (uint16_t)l4_off,
		.payload_off = (uint16_t)l4_off,
		.payload_len = l4_len,
		.ecn = ecn,
	};
}

/* A route that the sender chose: what it sends so, it could not see answered otherwise (RFC 7126 4.3, 4.4;
 * Linux's accept_source_route is off, too). Other options are passed over. */
static bool pkt_is_source_routed(const uint8_t *opts, uint32_t len)
{
	while (len > 0 && opts[0] != IP_OPT_END) {
		uint32_t opt_len = 1;

		if (opts[0] == IP_OPT_LOOSE_ROUTE || opts[0] == IP_OPT_STRICT_ROUTE)
			return true;
		if (opts[0] != IP_OPT_NOP) {
			if (len < 2 || opts[1] < 2 || opts[1] > len)
				return false;
			opt_len = opts[1];
		}
		opts += opt_len;
		len -= opt_len;
	}
	return false;
}

static enum pkt_kind pkt_parse_v4(const uint8_t *frame, uint32_t room, unsigned verified,
	struct flow_key *key, struct seg *seg)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);
	uint32_t ip_len, hdr_len, l4_len, sum;

	if (room < sizeof(*ip))
		return PKT_BAD_LENGTH;
	if (ip->version_ihl >> 4 != 4)
		return PKT_BAD_HEADER;
	hdr_len = (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * 4u;
	ip_len = be16toh(ip->total_length);
	if (hdr_len < sizeof(*ip) || ip_len < hdr_len || ip_len > room)
		return PKT_BAD_LENGTH;
	if (!(verified & PKT_VERIFIED_IP) && cksum_fold(cksum_partial(ip, hdr_len, 0)) != 0xffff)
		return PKT_BAD_CHECKSUM;
	if (unlikely(hdr_len > sizeof(*ip)) &&
		pkt_is_source_routed((const uint8_t *)(ip + 1), hdr_len - (uint32_t)sizeof(*ip)))
		return PKT_IGNORED;

	l4_len = ip_len - hdr_len;
	pkt_key_v4(key, ip->src_addr, ip->dst_addr, 0);
	pkt_set_l4(seg, RTE_ETHER_HDR_LEN + hdr_len, l4_len, ip->type_of_service & RTE_IPV4_HDR_ECN_MASK);
	if (ip->fragment_offset & htobe16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		return PKT_FRAGMENT;
	switch (ip->next_proto_id) {
	case IPPROTO_TCP:
		sum = cksum_pseudo_v4(ip->src_addr, ip->dst_addr, IPPROTO_TCP, l4_len);
		return pkt_parse_tcp(frame, sum, verified, key, seg);
	case IPPROTO_ICMP: return pkt_parse_icmp(frame, 0, PKT_ICMP, seg);
	default: return PKT_OTHER_L4;
	}
}

/* What is to be refused goes to the slow path, which looks again to say why. */
static enum pkt_kind pkt_ext_kind(enum ext6_verdict v)
{
	switch (v) {
	case EXT6_REFUSE:
	case EXT6_REFUSE_ONE: return PKT_OTHER_L4;
	case EXT6_SHORT: return PKT_BAD_LENGTH;
	default: return PKT_IGNORED;
	}
}

static enum pkt_kind pkt_parse_v6(const uint8_t *frame, uint32_t room, unsigned verified,
	struct flow_key *key, struct seg *seg)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(frame + RTE_ETHER_HDR_LEN);
	struct ext6 ext = { .proto = ip->proto, .at = sizeof(*ip) };
	uint32_t l4_len, sum;

	if (frame[RTE_ETHER_HDR_LEN] >> 4 != 6)
		return PKT_BAD_HEADER;
	l4_len = be16toh(ip->payload_len);
	if (l4_len > room - sizeof(*ip))
		return PKT_BAD_LENGTH;

	*key = (struct flow_key){ .zone = 0 };
	memcpy(&key->remote, &ip->src_addr, sizeof(key->remote));
	memcpy(&key->local, &ip->dst_addr, sizeof(key->local));
	pkt_set_l4(seg, RTE_ETHER_HDR_LEN + sizeof(*ip), l4_len, frame[RTE_ETHER_HDR_LEN + 1] >> 4 & 3);
	if (unlikely(ip->proto != IPPROTO_TCP && ip->proto != IPPROTO_ICMPV6)) {
		ext = ext6_skip(frame + RTE_ETHER_HDR_LEN, (uint32_t)sizeof(*ip) + l4_len);
		if (ext.verdict != EXT6_UPPER && ext.verdict != EXT6_IS_PIECE)
			return pkt_ext_kind(ext.verdict);
		l4_len -= ext.at - (uint32_t)sizeof(*ip);
		pkt_set_l4(seg, RTE_ETHER_HDR_LEN + ext.at, l4_len, seg->ecn);
		if (ext.verdict == EXT6_IS_PIECE)
			return PKT_FRAGMENT;
	}
	if (ext.proto != IPPROTO_TCP && ext.proto != IPPROTO_ICMPV6)
		return PKT_OTHER_L4;
	sum = cksum_pseudo_v6(ip->src_addr, ip->dst_addr, ext.proto, l4_len);
	if (ext.proto == IPPROTO_ICMPV6)
		return pkt_parse_icmp(frame, sum, PKT_ICMP6, seg);
	return pkt_parse_tcp(frame, sum, verified & (ext.at == sizeof(*ip) ? ~0u : 0u), key, seg);
}

enum pkt_kind pkt_parse_any(const uint8_t *frame, uint32_t frame_len, unsigned verified, struct flow_key *key,
	struct seg *seg)
{
	uint32_t room = frame_len - RTE_ETHER_HDR_LEN;

	if (frame_len < RTE_ETHER_HDR_LEN)
		return PKT_BAD_LENGTH;
	switch (load_be16(frame + offsetof(struct rte_ether_hdr, ether_type))) {
	case RTE_ETHER_TYPE_IPV4: return pkt_parse_v4(frame, room, verified, key, seg);
	case RTE_ETHER_TYPE_IPV6:
		return room < sizeof(struct rte_ipv6_hdr) ? PKT_BAD_LENGTH
							  : pkt_parse_v6(frame, room, verified, key, seg);
	case RTE_ETHER_TYPE_ARP: return PKT_ARP;
	default: return PKT_IGNORED;
	}
}
