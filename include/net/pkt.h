/* SPDX-License-Identifier: BSD-3-Clause */
/* pkt.h - what a received Ethernet frame is, and the TCP segment in it.
 * Guarantee: never reads outside frame[0..frame_len); whatever length a header claims is checked first; a
 * segment that comes out as PKT_TCP has right checksums. Padding behind the IP packet is not payload. Keeps
 * no state; safe on any core. The common shape, IPv4 without options and TCP with timestamps or without
 * options, is decided in line; pkt.c does the rest.
 * Sources: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 3.1 (TCP), RFC 7323 appendix A (timestamps). */
#ifndef TAS_NET_PKT_H
#define TAS_NET_PKT_H

#include <stdint.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "include/base/compiler.h"
#include "include/net/bytes.h"
#include "include/net/cksum.h"
#include "include/net/flow_key.h"
#include "include/net/seg.h"
#include "include/net/tcp_opt.h"

enum pkt_kind {
	PKT_TCP,
	PKT_ARP,
	PKT_ICMP,       /* ICMP in IPv4, checksum right */
	PKT_ICMP6,      /* ICMP in IPv6, checksum right */
	PKT_OTHER_L4,   /* another protocol above IP, or IPv6 extension headers to be refused (ext6.h) */
	PKT_FRAGMENT,   /* a fragment of a packet */
	PKT_IGNORED,    /* an Ethernet type that is not ours, VLAN tags included; a source route */
	PKT_BAD_LENGTH, /* a header does not fit, or claims a length that does not */
	PKT_BAD_CHECKSUM,
	PKT_BAD_HEADER, /* a version that does not match the Ethernet type */
	PKT_NR_KINDS,
};

/* Bits of `verified`: which checksums the NIC found right. */
enum pkt_verified {
	PKT_VERIFIED_IP = 1 << 0,
	PKT_VERIFIED_L4 = 1 << 1,
};

/* A word for logs and counters: "tcp", "bad checksum". */
const char *pkt_kind_name(enum pkt_kind kind);

/* The whole parser; call pkt_parse(). */
enum pkt_kind pkt_parse_any(const uint8_t *frame, uint32_t frame_len, unsigned verified, struct flow_key *key,
	struct seg *seg);

/* Writes the key of a packet: local is its destination. ports_be: source and destination port as they
 * stand on the wire. */
static inline void pkt_key_v4(struct flow_key *key, uint32_t src_be, uint32_t dst_be, uint32_t ports_be)
{
	const uint64_t mapped = htobe32(0xffff);

	key->local.q[0] = 0;
	key->local.q[1] = mapped | (uint64_t)dst_be << 32;
	key->remote.q[0] = 0;
	key->remote.q[1] = mapped | (uint64_t)src_be << 32;
	key->ports_zone = (uint32_t)(ports_be << 16 | ports_be >> 16);
	key->zero = 0;
}

/* The TCP header at `l4` (frame + l4_off) without its options, all of whose bytes are there. */
static inline void pkt_seg(struct seg *seg, const uint8_t *l4, uint32_t l4_off, uint32_t l4_len,
	uint32_t hdr_len, uint8_t ecn)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)l4;

	*seg = (struct seg){
		.seq = { be32toh(tcp->sent_seq) },
		.ack = { be32toh(tcp->recv_ack) },
		.payload_len = l4_len - hdr_len,
		.wnd = be16toh(tcp->rx_win),
		.payload_off = (uint16_t)(l4_off + hdr_len),
		.opts_off = (uint16_t)(l4_off + sizeof(*tcp)),
		.opts_len = (uint8_t)(hdr_len - sizeof(*tcp)),
		.flags = tcp->tcp_flags,
		.ecn = ecn,
		.l4_off = (uint16_t)l4_off,
	};
}

/* Where timestamps begin in 12 bytes of options, 0 if these hold anything else. */
static inline uint32_t pkt_ts_at(const uint8_t *opts)
{
	if (likely(load_u32(opts) == htobe32(TCP_OPT_TS_WORD)))
		return 4;
	if (load_u16(opts) == htobe16(TCP_OPT_TS << 8 | 10) &&
		load_u16(opts + 10) == htobe16(TCP_OPT_NOP << 8 | TCP_OPT_NOP))
		return 2;
	return 0;
}

/* Are the checksums right of an IPv4 header without options and of the TCP behind it, where the NIC did
 * not look? */
static inline bool pkt_cksums_right(const struct rte_ipv4_hdr *ip, const uint8_t *l4, uint32_t l4_len,
	unsigned verified)
{
	uint32_t sum;

	if (!(verified & PKT_VERIFIED_IP) && cksum_fold(cksum_ipv4_20(ip)) != 0xffff)
		return false;
	if (verified & PKT_VERIFIED_L4)
		return true;
	sum = cksum_pseudo_v4(ip->src_addr, ip->dst_addr, IPPROTO_TCP, l4_len);
	return cksum_fold(cksum_partial(l4, l4_len, sum)) == 0xffff;
}

/* What the frame is. For PKT_TCP fills key (local: the packet's destination, remote: its source; zone 0) and
 * seg. For PKT_ICMP, PKT_ICMP6, PKT_OTHER_L4 and PKT_FRAGMENT the addresses of key, ports 0, and of seg
 * payload_off and payload_len (what follows the IP headers; of a fragment in IPv6 its fragment header is the
 * first of that), l4_off and ecn. For every other kind neither is to be read.
 * `verified`: enum pkt_verified. */
static inline enum pkt_kind pkt_parse(const uint8_t *frame, uint32_t frame_len, unsigned verified,
	struct flow_key *key, struct seg *seg)
{
	enum {
		L3 = RTE_ETHER_HDR_LEN,
		L4 = L3 + sizeof(struct rte_ipv4_hdr),
		HDR = sizeof(struct rte_tcp_hdr)
	};
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + L3);
	const uint8_t *l4 = frame + L4;
	uint32_t ip_len, l4_len, hdr_len, ts_at = 0;

	if (unlikely(frame_len < L4 + HDR))
		return pkt_parse_any(frame, frame_len, verified, key, seg);

	/* Ethernet type IPv4 (08 00), version 4, header of 20 bytes (45) in one comparison; then no
	 * fragment, TCP */
	ip_len = be16toh(ip->total_length);
	hdr_len = (l4[12] >> 4) * 4u;
	if (unlikely((load_u32(frame + 12) & 0xffffff) != 0x450008 || ip->next_proto_id != IPPROTO_TCP ||
		    (ip->fragment_offset & htobe16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0 ||
		    ip_len > frame_len - L3 || ip_len < sizeof(*ip) + hdr_len))
		return pkt_parse_any(frame, frame_len, verified, key, seg);
	if (likely(hdr_len == HDR + TCP_OPT_TS_LEN))
		ts_at = pkt_ts_at(l4 + HDR);
	if (unlikely(ts_at == 0 && hdr_len != HDR))
		return pkt_parse_any(frame, frame_len, verified, key, seg);

	l4_len = ip_len - sizeof(*ip);
	if (unlikely(!pkt_cksums_right(ip, l4, l4_len, verified)))
		return PKT_BAD_CHECKSUM;

	pkt_key_v4(key, ip->src_addr, ip->dst_addr, load_u32(l4));
	pkt_seg(seg, l4, L4, l4_len, hdr_len, ip->type_of_service & RTE_IPV4_HDR_ECN_MASK);
	if (likely(ts_at != 0)) {
		seg->ts_val = load_be32(l4 + HDR + ts_at);
		seg->ts_ecr = load_be32(l4 + HDR + ts_at + 4);
		seg->has_ts = 1;
	}
	return PKT_TCP;
}

#endif
