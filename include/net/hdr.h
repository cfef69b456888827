/* SPDX-License-Identifier: BSD-3-Clause */
/* hdr.h - writes the headers of outgoing TCP segments from a template that is made once per connection.
 * Guarantee: what hdr_write() leaves, with the payload behind it, is a complete frame whose checksums are
 * right, or are prepared as ethdev wants them where the NIC completes them. Only the returned number of bytes
 * is written: payload may already stand behind. The template is changed by hdr_tmpl_*() alone; its owner is
 * the flow, whose lock orders that.
 *
 * All that is constant in a sum is summed in the template, so a segment costs a copy and a dozen adds.
 * Identification is always 0, with DF set. Such a datagram is never fragmented and so never needs one (RFC
 * 6864 4.1 lets it be anything). Linux counts it up per connection for old header compressors that wanted it
 * so; that would cost a store to hot state per packet, here, and receivers that merge packets (Linux's GRO)
 * take a constant as well as a counter when DF is set. Where routers may fragment (hdr_tmpl_fragments()) each
 * segment gets another one.
 * Sources: RFC 791, RFC 8200, RFC 9293 3.1, RFC 3168 (ECN), RFC 6437 3 (flow label). */
#ifndef TAS_NET_HDR_H
#define TAS_NET_HDR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "include/base/assert.h"
#include "include/net/bytes.h"
#include "include/net/cksum.h"
#include "include/net/flow_key.h"
#include "include/net/seq.h"
#include "include/net/tcp_opt.h"

enum {
	HDR_TMPL_MAX = 88,   /* Ethernet 14, IPv6 40, TCP 20, timestamps 12, and 2 to spare */
	HDR_WRITE_MAX = 114, /* the same with 40 bytes of options */
};

struct hdr_tmpl {
	alignas(8) uint8_t bytes[HDR_TMPL_MAX];
	uint8_t l2_len, l3_len;
	uint8_t l4_len;      /* with the timestamps, if used */
	uint8_t total_len;   /* the sum of the three */
	uint32_t ip_sum;     /* IPv4 header with length and checksum 0 */
	uint32_t pseudo_sum; /* pseudo-header with length 0 */
	uint32_t l4_sum;     /* pseudo_sum and the ports */
};

static_assert(sizeof(struct hdr_tmpl) == 104, "fits two cache lines beside other read-only state");

/* What differs from segment to segment; numbers in host order. */
struct hdr_fields {
	tcp_seq seq, ack;
	uint32_t ts_val, ts_ecr; /* used if the template has timestamps */
	uint16_t wnd;            /* as on the wire, scaled already */
	uint8_t flags;           /* RTE_TCP_*_FLAG */
	uint8_t ecn;             /* enum ip_ecn: IP_ECN_ECT0 on data of an ECN flow, else 0 (RFC 3168 6.1) */
};

/* Which checksums the NIC will fill in: the RTE_MBUF_F_TX_* flags that the caller sets on the mbuf must
 * say the same. */
enum hdr_offload {
	HDR_OFFLOAD_IP = 1 << 0,  /* the field is left 0 */
	HDR_OFFLOAD_L4 = 1 << 1,  /* the field holds the pseudo-header's sum; payload_sum is not looked at */
	HDR_OFFLOAD_TSO = 1 << 2, /* with L4: the same without the length, as rte_ipv4_phdr_cksum() has it */
};

/* key->local becomes the source. Both addresses must be of one family. dscp_ecn is the byte of the IP header;
 * its ECN bits are ignored, as they belong to each segment (hdr_fields.ecn). timestamps: every hdr_write()
 * carries them. */
void hdr_tmpl_init(struct hdr_tmpl *t, const struct rte_ether_addr *src_mac,
	const struct rte_ether_addr *dst_mac, const struct flow_key *key, uint8_t ttl, uint8_t dscp_ecn,
	bool timestamps);

/* The neighbour answered from, or moved to, another hardware address. */
static inline void hdr_tmpl_set_dst_mac(struct hdr_tmpl *t, const struct rte_ether_addr *mac)
{
	memcpy(t->bytes, mac, sizeof(*mac));
}

/* Every hdr_write() carries timestamps from now on, or none does. */
void hdr_tmpl_set_timestamps(struct hdr_tmpl *t, bool timestamps);
/* Another value of the byte with ECN, and another TTL or hop limit. */
void hdr_tmpl_set_class(struct hdr_tmpl *t, uint8_t ttl, uint8_t dscp_ecn);
/* IPv4: without DF, with identifications from `id` on. */
void hdr_tmpl_set_fragments(struct hdr_tmpl *t, uint16_t id);
/* IPv4: with DF again. */
void hdr_tmpl_set_whole(struct hdr_tmpl *t);
/* Without DF: before each segment by 1; after one that the port cut into n by n - 1. */
void hdr_tmpl_next_id(struct hdr_tmpl *t, uint32_t n);

/* The urgent pointer of what is written from now on, with or without URG; 0: none. */
static inline void hdr_tmpl_set_urgent(struct hdr_tmpl *t, uint16_t pointer)
{
	uint8_t *tcp = t->bytes + t->l2_len + t->l3_len;

	store_be16(tcp + offsetof(struct rte_tcp_hdr, tcp_urp), pointer);
	t->l4_sum = cksum_add(cksum_add(t->pseudo_sum, load_u32(tcp)), htobe16(pointer));
}

static inline bool hdr_tmpl_is_v4(const struct hdr_tmpl *t)
{
	return t->l3_len == sizeof(struct rte_ipv4_hdr);
}
static inline bool hdr_tmpl_has_ts(const struct hdr_tmpl *t)
{
	return t->l4_len != sizeof(struct rte_tcp_hdr);
}

/* Length, ECN and checksum of the IP header at ip; l4_len with payload. */
static inline void hdr_write_ip(const struct hdr_tmpl *t, uint8_t *ip, uint32_t l4_len, uint8_t ecn,
	unsigned offload)
{
	if (likely(hdr_tmpl_is_v4(t))) {
		struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)ip;
		uint16_t len_be = htobe16((uint16_t)(sizeof(*ip4) + l4_len));

		ip4->type_of_service = t->bytes[RTE_ETHER_HDR_LEN + 1] | ecn;
		ip4->total_length = len_be;
		if (!(offload & HDR_OFFLOAD_IP))
			ip4->hdr_checksum = cksum_finish(cksum_add(t->ip_sum, len_be + cksum_word(ecn)));
	} else {
		ip[1] = (uint8_t)(t->bytes[RTE_ETHER_HDR_LEN + 1] | ecn << 4);
		store_be16(ip + 4, (uint16_t)l4_len);
	}
}

/* The fixed TCP header at tcp, behind which tcp_len - 20 bytes of options follow. Returns the sum over
 * what it wrote. */
static inline uint64_t hdr_write_tcp(struct rte_tcp_hdr *tcp, const struct hdr_fields *f, uint32_t tcp_len)
{
	uint32_t seq = htobe32(f->seq.v), ack = htobe32(f->ack.v);
	uint16_t off_flags = htobe16((uint16_t)(tcp_len << 10 | f->flags)), wnd = htobe16(f->wnd);

	tcp->sent_seq = seq;
	tcp->recv_ack = ack;
	store_u16(&tcp->data_off, off_flags);
	tcp->rx_win = wnd;
	return (uint64_t)seq + ack + off_flags + wnd;
}

/* The TCP checksum field: complete, or what the NIC starts from. sum: fixed header but for the ports,
 * options and payload. */
static inline uint16_t hdr_l4_cksum(const struct hdr_tmpl *t, uint64_t sum, uint32_t l4_len, unsigned offload)
{
	if (unlikely(offload & HDR_OFFLOAD_TSO))
		return cksum_fold(t->pseudo_sum);
	if (offload & HDR_OFFLOAD_L4)
		return cksum_fold(cksum_add(t->pseudo_sum, htobe32(l4_len)));
	return cksum_finish(cksum_fold64(sum + t->l4_sum + htobe32(l4_len)));
}

/* Writes the headers of a segment of payload_len bytes to frame, which need not be aligned beyond 2 bytes.
 * payload_sum: the sum of the payload (cksum_copy) unless offload has HDR_OFFLOAD_L4. Returns the length of
 * the headers, t->total_len: the payload begins there. The IP packet must not pass 65535 bytes. */
static inline uint32_t hdr_write(const struct hdr_tmpl *t, uint8_t *frame, const struct hdr_fields *f,
	uint32_t payload_len, uint32_t payload_sum, unsigned offload)
{
	enum { TO_PORTS_V4 = 14 + 20 + 20, TO_PORTS_V6 = 14 + 40 + 20 };
	uint32_t l4_len = t->l4_len + payload_len;
	struct rte_tcp_hdr *tcp;
	uint64_t sum;

	TAS_DEBUG_ASSERT(t->l3_len + l4_len <= UINT16_MAX);
	if (likely(hdr_tmpl_is_v4(t)))
		memcpy(frame, t->bytes, TO_PORTS_V4); /* lengths that the compiler knows */
	else
		memcpy(frame, t->bytes, TO_PORTS_V6);
	tcp = (struct rte_tcp_hdr *)(frame + t->l2_len + t->l3_len);
	hdr_write_ip(t, frame + t->l2_len, l4_len, f->ecn, offload);
	sum = hdr_write_tcp(tcp, f, t->l4_len) + payload_sum;
	if (likely(hdr_tmpl_has_ts(t))) {
		tcp_opt_write_ts((uint8_t *)(tcp + 1), f->ts_val, f->ts_ecr);
		sum += (uint64_t)htobe32(TCP_OPT_TS_WORD) + htobe32(f->ts_val) + htobe32(f->ts_ecr);
	}
	tcp->cksum = hdr_l4_cksum(t, sum, l4_len, offload);
	return t->total_len;
}

/* The same with the given options (opts_len a multiple of 4, at most TCP_OPT_MAX) in place of the template's:
 * for SYN and SACK, written by tcp_opt_write_*(). ts_val and ts_ecr are not looked at. Returns the length of
 * the headers. */
uint32_t hdr_write_opts(const struct hdr_tmpl *t, uint8_t *frame, const struct hdr_fields *f,
	const uint8_t *opts, uint32_t opts_len, uint32_t payload_len, uint32_t payload_sum, unsigned offload);

#endif
