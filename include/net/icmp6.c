/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp6.c - see icmp6.h. */
#include "include/net/icmp6.h"

#include <string.h>

#include "include/base/compiler.h"
#include "include/net/bytes.h"
#include "include/net/cksum.h"
#include "include/net/ext6.h"

enum {
	L3 = RTE_ETHER_HDR_LEN,
	L4 = L3 + sizeof(struct rte_ipv6_hdr),
	HOPS = 64,
	QUOTE_MIN = 8, /* of TCP: ports and sequence number */
};

uint32_t icmp6_finish(uint8_t *frame, const struct icmp6_to *to, uint32_t icmp_len)
{
	struct rte_ether_hdr eth = { .dst_addr = to->dst_mac,
		.src_addr = to->src_mac,
		.ether_type = htobe16(RTE_ETHER_TYPE_IPV6) };
	struct rte_ipv6_hdr ip = {
		.vtc_flow = htobe32(6u << 28 | (uint32_t)to->tclass << RTE_IPV6_HDR_TC_SHIFT),
		.payload_len = htobe16((uint16_t)icmp_len),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = to->hops,
	};
	uint32_t sum = cksum_pseudo_v6(&to->src, &to->dst, IPPROTO_ICMPV6, icmp_len);

	memcpy(ip.src_addr, &to->src, sizeof(ip.src_addr));
	memcpy(ip.dst_addr, &to->dst, sizeof(ip.dst_addr));
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + L3, &ip, sizeof(ip));
	store_u16(frame + L4 + 2, 0);
	store_u16(frame + L4 + 2, cksum_finish(cksum_partial(frame + L4, icmp_len, sum)));
	return L4 + icmp_len;
}

static bool is_one_host(struct net_addr a)
{
	return !addr_is_any(a) && !addr_is_multicast(a) && !addr_is_loopback(a) && !addr_is_v4(a);
}

/* To whom a frame's answer goes; false if ICMP must not answer it (RFC 4443 2.4 (e)). */
static bool answer_to(const uint8_t *frame, struct icmp6_to *to)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(frame + L3);

	*to = (struct icmp6_to){ .src_mac = eth->dst_addr, .dst_mac = eth->src_addr, .hops = HOPS };
	memcpy(&to->src, ip->dst_addr, sizeof(to->src));
	memcpy(&to->dst, ip->src_addr, sizeof(to->dst));
	return rte_is_unicast_ether_addr(&eth->dst_addr) && rte_is_unicast_ether_addr(&eth->src_addr) &&
		is_one_host(to->src) && is_one_host(to->dst);
}

uint32_t icmp6_echo_reply(uint8_t *frame, const struct seg *seg)
{
	uint8_t *icmp = frame + L4;
	struct icmp6_to to;

	if (seg->payload_len < ICMP6_HDR_LEN || frame[seg->payload_off] != ICMP6_ECHO_REQUEST ||
		!answer_to(frame, &to))
		return 0;
	to.tclass = (uint8_t)(load_be16(frame + L3) >> 4) & 0xfc;
	memmove(icmp, frame + seg->payload_off, seg->payload_len);
	icmp[0] = ICMP6_ECHO_REPLY;
	return icmp6_finish(frame, &to, seg->payload_len);
}

uint32_t icmp6_write_error(uint8_t *buf, uint32_t size, uint8_t type, uint8_t code, uint32_t value,
	const uint8_t *frame, uint32_t len)
{
	uint32_t quoted, icmp_len;
	struct icmp6_to to;
	struct ext6 ext;

	if (len < L4 || load_be16(frame + 12) != RTE_ETHER_TYPE_IPV6 || !answer_to(frame, &to))
		return 0;
	quoted = min_u32(load_be16(frame + L3 + 4) + (uint32_t)sizeof(struct rte_ipv6_hdr), len - L3);
	/* errors, and what cannot be told from one, are answered by none */
	ext = ext6_skip(frame + L3, quoted);
	if (ext.verdict == EXT6_UPPER && ext.proto == IPPROTO_ICMPV6 &&
		(ext.at >= quoted || frame[L3 + ext.at] < ICMP6_ECHO_REQUEST))
		return 0;
	quoted = min_u32(quoted, ICMP6_ERROR_MAX - L4 - ICMP6_HDR_LEN);
	icmp_len = ICMP6_HDR_LEN + quoted;
	if (size < L4 + icmp_len)
		return 0;
	buf[L4] = type;
	buf[L4 + 1] = code;
	store_be32(buf + L4 + 4, value);
	memcpy(buf + L4 + ICMP6_HDR_LEN, frame + L3, quoted);
	return icmp6_finish(buf, &to, icmp_len);
}

bool icmp6_error_parse(const uint8_t *icmp, uint32_t len, struct icmp_error *out)
{
	const uint8_t *ip = icmp + ICMP6_HDR_LEN, *l4;
	struct ext6 ext;

	if (len < ICMP6_HDR_LEN || icmp[0] < ICMP6_UNREACHABLE || icmp[0] > ICMP6_PARAMETER_PROBLEM)
		return false;
	len -= ICMP6_HDR_LEN;
	if (len < sizeof(struct rte_ipv6_hdr) || ip[0] >> 4 != 6)
		return false;
	ext = ext6_skip(ip, len);
	if (ext.verdict != EXT6_UPPER || ext.proto != IPPROTO_TCP || len < (uint32_t)ext.at + QUOTE_MIN)
		return false;
	l4 = ip + ext.at;
	*out = (struct icmp_error){ .seq = { load_be32(l4 + 4) },
		.type = icmp[0],
		.code = icmp[1],
		.v6 = true };
	if (out->type == ICMP6_TOO_BIG)
		out->mtu = (uint16_t)min_u32(load_be32(icmp + 4), UINT16_MAX);
	/* what we sent: seen from here the quoted source is local */
	memcpy(&out->key.local, ip + 8, sizeof(out->key.local));
	memcpy(&out->key.remote, ip + 24, sizeof(out->key.remote));
	out->key.ports_zone = load_u32(l4);
	return true;
}
