/* SPDX-License-Identifier: BSD-3-Clause */
/* addr.h - one address type for IPv4 and IPv6, and prefixes of it.
 * Guarantee: an IPv4 address is always held mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2), so that equality,
 * hashing and longest-prefix match need not know the family. Bytes stand in network order. Plain values: no
 * owner, no locks. No DPDK, no OS: libtas includes this. */
#ifndef TAS_NET_ADDR_H
#define TAS_NET_ADDR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_addr {
	union {
		uint8_t b[16];
		uint32_t w[4];
		uint64_t q[2];
	};
};

/* An address and how many of its 128 bits are the network's. The host part is kept: "10.0.0.1/24" is an
 * interface. */
struct net_prefix {
	struct net_addr addr;
	uint8_t len; /* 0 to 128 */
};

enum {
	ADDR_STRLEN = 46,           /* room for any address as text, with the end mark */
	PREFIX_STRLEN = 50,         /* the same with "/128" */
	ADDR_V4_PREFIX_OFFSET = 96, /* an IPv4 prefix length is this much longer in a net_prefix */
};

_Static_assert(sizeof(struct net_addr) == 16, "an address is its 16 bytes");

/* The IPv4 address given in network byte order. */
static inline struct net_addr addr_v4(uint32_t be32)
{
	return (struct net_addr){ .w = { 0, 0, htobe32(0xffff), be32 } };
}

static inline bool addr_is_v4(struct net_addr a) { return a.q[0] == 0 && a.w[2] == htobe32(0xffff); }

/* The IPv4 address in network byte order; meaningful only if addr_is_v4(a). */
static inline uint32_t addr_v4_be(struct net_addr a) { return a.w[3]; }

static inline struct net_addr addr_any(void) { return (struct net_addr){ .q = { 0, 0 } }; }

static inline bool addr_eq(struct net_addr a, struct net_addr b)
{
	return ((a.q[0] ^ b.q[0]) | (a.q[1] ^ b.q[1])) == 0;
}

/* Both wildcards, :: and 0.0.0.0. */
static inline bool addr_is_any(struct net_addr a)
{
	return a.q[0] == 0 && a.w[3] == 0 && (a.w[2] == 0 || a.w[2] == htobe32(0xffff));
}

/* 127.0.0.0/8 and ::1. */
static inline bool addr_is_loopback(struct net_addr a)
{
	if (addr_is_v4(a))
		return a.b[12] == 127;
	return a.q[0] == 0 && a.w[2] == 0 && a.w[3] == htobe32(1);
}

/* 224.0.0.0/4 and ff00::/8. */
static inline bool addr_is_multicast(struct net_addr a)
{
	return addr_is_v4(a) ? (a.b[12] & 0xf0) == 0xe0 : a.b[0] == 0xff;
}

/* fe80::/10, valid on one link only (RFC 4291 2.5.6). */
static inline bool addr_is_link_local6(struct net_addr a)
{
	return a.b[0] == 0xfe && (a.b[1] & 0xc0) == 0x80;
}

/* 255.255.255.255; a subnet's broadcast address is known to whoever knows the subnet:
 * prefix_v4_broadcast(). */
static inline bool addr_is_v4_broadcast(struct net_addr a) { return addr_is_v4(a) && a.w[3] == 0xffffffff; }

/* The mask of the first `bits` (0 to 64) bits of a 64-bit word in network byte order. */
static inline uint64_t addr_mask64(unsigned bits)
{
	return bits == 0 ? 0 : htobe64(UINT64_MAX << (64 - bits));
}

/* Are the first prefix_len (0 to 128) bits of a and net equal? */
static inline bool addr_prefix_match(struct net_addr a, struct net_addr net, unsigned prefix_len)
{
	unsigned high = prefix_len < 64 ? prefix_len : 64;

	return (((a.q[0] ^ net.q[0]) & addr_mask64(high)) |
		       ((a.q[1] ^ net.q[1]) & addr_mask64(prefix_len - high))) == 0;
}

static inline bool prefix_contains(const struct net_prefix *p, struct net_addr a)
{
	return addr_prefix_match(a, p->addr, p->len);
}

/* The prefix of an IPv4 address (network order) and its IPv4 length (0 to 32). */
static inline struct net_prefix prefix_v4(uint32_t be32, unsigned v4_len)
{
	return (struct net_prefix){ addr_v4(be32), (uint8_t)(v4_len + ADDR_V4_PREFIX_OFFSET) };
}

/* The subnet's broadcast address in network byte order; meaningful for IPv4 prefixes of length 30 or less. */
static inline uint32_t prefix_v4_broadcast(const struct net_prefix *p)
{
	return p->addr.w[3] | ~(uint32_t)(addr_mask64(p->len - 64u) >> 32);
}

/* --- as text: of the project alone, libtas.so exports none of it (inet_pton and addr_v4 do it elsewhere)
 * --- */

/* Exactly one address and nothing else, "192.0.2.1" or "2001:db8::1" (RFC 4291 2.2; no zone, no brackets, no
 * leading zeros in IPv4). False leaves *out alone. */
bool addr_parse(const char *text, struct net_addr *out);

/* Writes a as text (RFC 5952; mapped ones dotted), always ended, and returns buf. A buffer that is too small
 * (ADDR_STRLEN is enough) gets the empty string. */
const char *addr_format(struct net_addr a, char *buf, size_t size);

/* "10.0.0.1/24" (len 120), "2001:db8::/32"; without "/..." the whole address. False leaves *out alone. */
bool prefix_parse(const char *text, struct net_prefix *out);

/* Writes p with the length as its family counts it ("10.0.0.1/24"), under the rules of addr_format();
 * PREFIX_STRLEN is enough. */
const char *prefix_format(const struct net_prefix *p, char *buf, size_t size);

#endif
