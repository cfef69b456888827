/* SPDX-License-Identifier: BSD-3-Clause */
/* net_frames.h - frames for the tests of include/net, built byte by byte and summed in the plainest way, so
 * that the
 * builders and parsers are not tested against themselves. Every frame handed to a parser is an allocation of
 * exactly its size: the address sanitizer sees a read of one byte too many. */
#ifndef TAS_TESTS_NET_FRAMES_H
#define TAS_TESTS_NET_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/base/rand.h"

enum { FRAME_ETH = 14, FRAME_MAX = 9216 };

struct frame {
	uint8_t b[FRAME_MAX];
	uint32_t len;
};

struct frame_spec {
	bool v6;
	uint8_t proto; /* 0: TCP */
	uint8_t tos, flags;
	uint8_t ip_opts_len; /* of NOPs; IPv4 only, a multiple of 4 */
	const uint8_t *tcp_opts;
	uint8_t tcp_opts_len; /* a multiple of 4 */
	uint32_t payload_len, padding;
};

/* RFC 1071: the ones' complement sum of the 16-bit words, first byte high; an odd last byte counts as if 0
 * followed. */
static inline uint16_t naive_sum(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint64_t)p[i] << 8 : p[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static inline uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }

/* A copy in an allocation of exactly len bytes. */
static inline uint8_t *exact(const void *p, size_t len)
{
	uint8_t *copy = malloc(len);

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, p, len);
	return copy;
}

static inline void fill_random(struct tas_rand *r, uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)rand_u64(r);
}

static inline bool frame_is_v6(const struct frame *f) { return f->b[FRAME_ETH] >> 4 == 6; }

static inline uint32_t frame_l4_off(const struct frame *f)
{
	return FRAME_ETH + (frame_is_v6(f) ? 40u : (f->b[FRAME_ETH] & 15u) * 4);
}

/* What the IP header says follows it, but no more than is there. */
static inline uint32_t frame_l4_len(const struct frame *f)
{
	uint32_t off = frame_l4_off(f), room = f->len > off ? f->len - off : 0;
	uint32_t said = get16(f->b + FRAME_ETH + (frame_is_v6(f) ? 4 : 2));

	if (!frame_is_v6(f))
		said = said > off - FRAME_ETH ? said - (off - FRAME_ETH) : 0;
	return said < room ? said : room;
}

static inline uint16_t frame_l4_sum(const struct frame *f, bool pseudo)
{
	uint8_t data[40 + FRAME_MAX];
	uint32_t off = frame_l4_off(f), len = frame_l4_len(f), addrs = frame_is_v6(f) ? 32 : 8;

	memset(data, 0, 40);
	if (pseudo) {
		memcpy(data, f->b + FRAME_ETH + (frame_is_v6(f) ? 8 : 12), addrs);
		data[35] = f->b[FRAME_ETH + (frame_is_v6(f) ? 6 : 9)];
		put32(data + 36, len);
	}
	memcpy(data + 40, f->b + off, len);
	return naive_sum(data, 40 + len);
}

/* Puts the right checksums in, after whatever was changed in the headers. */
static inline void frame_seal(struct frame *f)
{
	uint8_t proto = f->b[FRAME_ETH + (frame_is_v6(f) ? 6 : 9)];
	uint32_t at = frame_l4_off(f) + (proto == 6 ? 16 : 2);
	bool pseudo = proto != 1;

	if (!frame_is_v6(f)) {
		put16(f->b + FRAME_ETH + 10, 0);
		put16(f->b + FRAME_ETH + 10,
			(uint16_t)~naive_sum(f->b + FRAME_ETH, (f->b[FRAME_ETH] & 15u) * 4));
	}
	if (proto == 6 || proto == 1 || proto == 58) {
		put16(f->b + at, 0);
		put16(f->b + at, (uint16_t)~frame_l4_sum(f, pseudo));
	}
}

static inline uint32_t frame_put_ip(uint8_t *ip, const struct frame_spec *s, uint32_t l4_len)
{
	uint8_t proto = s->proto != 0 ? s->proto : 6;

	if (s->v6) {
		put32(ip, 0x60012345u | (uint32_t)s->tos << 20);
		put16(ip + 4, l4_len);
		ip[6] = proto;
		ip[7] = 64;
		for (unsigned i = 0; i < 32; i++)
			ip[8 + i] = (uint8_t)(0x20 + i);
		return 40;
	}
	ip[0] = (uint8_t)(0x45 + s->ip_opts_len / 4);
	ip[1] = s->tos;
	put16(ip + 2, 20 + s->ip_opts_len + l4_len);
	put16(ip + 4, 0xbeef);
	put16(ip + 6, 0x4000);
	ip[8] = 61;
	ip[9] = proto;
	put32(ip + 12, 0xc0000201); /* 192.0.2.1 to 198.51.100.7 */
	put32(ip + 16, 0xc6336407);
	memset(ip + 20, 1, s->ip_opts_len);
	return 20u + s->ip_opts_len;
}

/* From port 40000 to 80, sequence number 1000000007, acknowledging 4000000009, window 501. Other protocols
 * than TCP get payload_len bytes behind the IP header. The payload counts up from 0. */
static inline void frame_make(struct frame *f, const struct frame_spec *s)
{
	bool tcp = s->proto == 0 || s->proto == 6;
	uint32_t hdr_len = tcp ? 20u + s->tcp_opts_len : 0;
	uint8_t *l4;

	memset(f, 0, sizeof(*f));
	memcpy(f->b, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01", 12);
	put16(f->b + 12, s->v6 ? 0x86dd : 0x0800);
	l4 = f->b + FRAME_ETH + frame_put_ip(f->b + FRAME_ETH, s, hdr_len + s->payload_len);
	if (tcp) {
		put16(l4, 40000);
		put16(l4 + 2, 80);
		put32(l4 + 4, 1000000007);
		put32(l4 + 8, 4000000009);
		l4[12] = (uint8_t)(hdr_len / 4 << 4);
		l4[13] = s->flags;
		put16(l4 + 14, 501);
		if (s->tcp_opts_len > 0)
			memcpy(l4 + 20, s->tcp_opts, s->tcp_opts_len);
	}
	for (uint32_t i = 0; i < s->payload_len; i++)
		l4[hdr_len + i] = (uint8_t)i;
	f->len = (uint32_t)(l4 - f->b) + hdr_len + s->payload_len + s->padding;
	frame_seal(f);
}

#endif
