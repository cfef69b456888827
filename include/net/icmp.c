/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp.c - see icmp.h. */
#include "include/net/icmp.h"

#include <string.h>

#include "include/base/compiler.h"
#include "include/net/bytes.h"
#include "include/net/cksum.h"
#include "include/net/pkt.h"

enum {
	ICMP_L3 = RTE_ETHER_HDR_LEN,
	ICMP_TTL = 64,
	ICMP_TOS_CONTROL = 0xc0, /* precedence "internetwork control" for errors (RFC 1812 4.3.2.5) */
	ICMP_QUOTE_MIN = 8,      /* of what follows the IP header: ports and sequence number (RFC 792) */
};

/* An IPv4 packet whose claimed lengths are true. */
struct icmp_ip {
	struct rte_ipv4_hdr hdr; /* without options */
	uint32_t len, hdr_len;
};

static bool icmp_ip_read(const uint8_t *ip, uint32_t room, struct icmp_ip *out)
{
	if (room < sizeof(out->hdr))
		return false;
	memcpy(&out->hdr, ip, sizeof(out->hdr));
	out->hdr_len = rte_ipv4_hdr_len(&out->hdr);
	out->len = be16toh(out->hdr.total_length);
	return out->hdr.version_ihl >> 4 == 4 && out->hdr_len >= sizeof(out->hdr) && out->hdr_len <= out->len;
}

static bool icmp_is_fragment(const struct rte_ipv4_hdr *ip, uint16_t mask)
{
	return (ip->fragment_offset & htobe16(mask)) != 0;
}

static bool icmp_is_one_host(uint32_t ip_be)
{
	uint8_t first = (uint8_t)(be32toh(ip_be) >> 24);

	return first != 0 && first != 127 && first < 0xe0;
}

/* A whole IPv4 packet in an Ethernet frame that one host sent to one host: what ICMP may answer at all
 * (RFC 1122 3.2.2). */
static bool icmp_answerable(const uint8_t *frame, uint32_t len, struct icmp_ip *ip)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;

	if (len < ICMP_L3 || eth->ether_type != htobe16(RTE_ETHER_TYPE_IPV4) ||
		!icmp_ip_read(frame + ICMP_L3, len - ICMP_L3, ip) || ip->len > len - ICMP_L3)
		return false;
	return rte_is_unicast_ether_addr(&eth->dst_addr) && rte_is_unicast_ether_addr(&eth->src_addr) &&
		icmp_is_one_host(ip->hdr.src_addr) && icmp_is_one_host(ip->hdr.dst_addr);
}

/* Ethernet and IP headers of an answer to a frame with these headers; `to` may be the frame itself. */
static void icmp_write_headers(uint8_t *to, const struct rte_ether_hdr *eth, const struct rte_ipv4_hdr *ip,
	uint32_t icmp_len, uint8_t tos)
{
	struct rte_ether_hdr out_eth = { .dst_addr = eth->src_addr,
		.src_addr = eth->dst_addr,
		.ether_type = eth->ether_type };
	struct rte_ipv4_hdr out_ip = {
		.version_ihl = 4 << 4 | sizeof(out_ip) / 4,
		.type_of_service = tos,
		.total_length = htobe16((uint16_t)(sizeof(out_ip) + icmp_len)),
		.fragment_offset = htobe16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = ICMP_TTL,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = ip->dst_addr,
		.dst_addr = ip->src_addr,
	};

	out_ip.hdr_checksum = cksum_finish(cksum_ipv4_20(&out_ip));
	memcpy(to, &out_eth, sizeof(out_eth));
	memcpy(to + ICMP_L3, &out_ip, sizeof(out_ip));
}

uint32_t icmp_echo_reply(uint8_t *frame, uint32_t len)
{
	uint8_t *icmp = frame + ICMP_L3 + sizeof(struct rte_ipv4_hdr);
	struct rte_icmp_hdr *hdr = (struct rte_icmp_hdr *)icmp;
	struct icmp_ip ip;
	uint32_t icmp_len;

	if (!icmp_answerable(frame, len, &ip) || ip.hdr.next_proto_id != IPPROTO_ICMP ||
		icmp_is_fragment(&ip.hdr, RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		return 0;
	icmp_len = ip.len - ip.hdr_len;
	if (icmp_len < sizeof(*hdr) || frame[ICMP_L3 + ip.hdr_len] != ICMP4_ECHO_REQUEST ||
		cksum_fold(cksum_partial(frame + ICMP_L3 + ip.hdr_len, icmp_len, 0)) != 0xffff)
		return 0;

	memmove(icmp, frame + ICMP_L3 + ip.hdr_len, icmp_len); /* over the IP options */
	icmp_write_headers(frame, (const struct rte_ether_hdr *)frame, &ip.hdr, icmp_len,
		ip.hdr.type_of_service & RTE_IPV4_HDR_DSCP_MASK);
	hdr->icmp_type = ICMP4_ECHO_REPLY;
	hdr->icmp_cksum = 0;
	hdr->icmp_cksum = cksum_finish(cksum_partial(icmp, icmp_len, 0));
	return ICMP_L3 + sizeof(struct rte_ipv4_hdr) + icmp_len;
}

static bool icmp_type_is_error(uint8_t type)
{
	return type != ICMP4_ECHO_REPLY && type != ICMP4_ECHO_REQUEST && (type < 13 || type > 18);
}

static uint32_t icmp_write_error(uint8_t *buf, uint32_t size, uint8_t type, uint8_t code, uint16_t mtu,
	const uint8_t *frame, uint32_t len)
{
	uint32_t off = ICMP_L3 + sizeof(struct rte_ipv4_hdr), quoted, total;
	uint8_t *icmp = buf + off;
	struct icmp_ip ip;

	if (!icmp_answerable(frame, len, &ip) || icmp_is_fragment(&ip.hdr, RTE_IPV4_HDR_OFFSET_MASK))
		return 0;
	if (ip.hdr.next_proto_id == IPPROTO_ICMP &&
		(ip.len == ip.hdr_len || icmp_type_is_error(frame[ICMP_L3 + ip.hdr_len])))
		return 0;
	quoted = min_u32(ip.len, ICMP_ERROR_MAX - off - sizeof(struct rte_icmp_hdr));
	total = off + (uint32_t)sizeof(struct rte_icmp_hdr) + quoted;
	if (size < total)
		return 0;

	icmp_write_headers(buf, (const struct rte_ether_hdr *)frame, &ip.hdr, total - off, ICMP_TOS_CONTROL);
	memset(icmp, 0, sizeof(struct rte_icmp_hdr));
	icmp[0] = type;
	icmp[1] = code;
	store_be16(icmp + 6, mtu);
	memcpy(icmp + sizeof(struct rte_icmp_hdr), frame + ICMP_L3, quoted);
	store_u16(icmp + 2, cksum_finish(cksum_partial(icmp, total - off, 0)));
	return total;
}

uint32_t icmp_write_unreachable(uint8_t *buf, uint32_t size, uint8_t code, uint16_t mtu, const uint8_t *frame,
	uint32_t len)
{
	return icmp_write_error(buf, size, ICMP4_UNREACHABLE, code,
		code == ICMP4_FRAGMENTATION_NEEDED ? mtu : 0, frame, len);
}

uint32_t icmp_write_late(uint8_t *buf, uint32_t size, const uint8_t *frame, uint32_t len)
{
	return icmp_write_error(buf, size, ICMP4_TIME_EXCEEDED, ICMP4_REASSEMBLY_TIME, 0, frame, len);
}

bool icmp_error_parse(const uint8_t *icmp, uint32_t len, struct icmp_error *out)
{
	const uint8_t *inner = icmp + sizeof(struct rte_icmp_hdr), *l4;
	struct icmp_ip ip;
	uint32_t ports;

	if (len < sizeof(struct rte_icmp_hdr) ||
		(icmp[0] != ICMP4_UNREACHABLE && icmp[0] != ICMP4_TIME_EXCEEDED &&
			icmp[0] != ICMP4_PARAMETER_PROBLEM))
		return false;
	len -= sizeof(struct rte_icmp_hdr);
	if (!icmp_ip_read(inner, len, &ip) || ip.hdr.next_proto_id != IPPROTO_TCP ||
		icmp_is_fragment(&ip.hdr, RTE_IPV4_HDR_OFFSET_MASK) || len < ip.hdr_len + ICMP_QUOTE_MIN)
		return false;

	l4 = inner + ip.hdr_len;
	ports = load_u32(l4);
	*out = (struct icmp_error){ .seq = { load_be32(l4 + 4) }, .type = icmp[0], .code = icmp[1] };
	if (out->type == ICMP4_UNREACHABLE && out->code == ICMP4_FRAGMENTATION_NEEDED)
		out->mtu = load_be16(icmp + 6);
	/* what we sent: seen from here the quoted source is local, so both pairs change places */
	pkt_key_v4(&out->key, ip.hdr.dst_addr, ip.hdr.src_addr, ports << 16 | ports >> 16);
	return true;
}
