/* SPDX-License-Identifier: BSD-3-Clause */
/* ext6.c - see ext6.h. */
#include "include/net/ext6.h"

#include "include/base/compiler.h"
#include "include/net/bytes.h"

enum {
	IP6_HDR_LEN = 40,
	IP6_NEXT_HEADER = 6, /* offset in the IPv6 header */
	OPT_PAD1 = 0,
	/* ICMPv6 parameter problems (RFC 4443 3.4) */
	BAD_FIELD = 0,
	BAD_NEXT_HEADER = 1,
	BAD_OPTION = 2,
};

static struct ext6 verdict(enum ext6_verdict v, uint8_t code, uint32_t at)
{
	return (struct ext6){ .verdict = v, .code = code, .at = (uint16_t)at };
}

/* The options in ip[from, to): EXT6_UPPER if all may be skipped (RFC 8200 4.2). */
static struct ext6 options_skip(const uint8_t *ip, uint32_t from, uint32_t to)
{
	static const uint8_t on_unknown[] = { EXT6_UPPER, EXT6_DROP, EXT6_REFUSE, EXT6_REFUSE_ONE };

	while (from < to) {
		uint8_t type = ip[from];
		enum ext6_verdict v = on_unknown[type >> 6];

		if (type == OPT_PAD1) {
			from++;
			continue;
		}
		if (v != EXT6_UPPER)
			return verdict(v, BAD_OPTION, from);
		if (to - from < 2 || ip[from + 1] > to - from - 2)
			return verdict(EXT6_DROP, 0, 0);
		from += 2u + ip[from + 1];
	}
	return verdict(EXT6_UPPER, 0, 0);
}

/* One extension header at ip[at, end): EXT6_UPPER if it may be skipped. */
static struct ext6 header_skip(const uint8_t *ip, uint8_t type, uint32_t at, uint32_t end)
{
	switch (type) {
	case EXT6_ROUTING:
		/* segments left: the packet wants to go on from here */
		return ip[at + 3] == 0 ? verdict(EXT6_UPPER, 0, 0) : verdict(EXT6_REFUSE, BAD_FIELD, at + 2);
	case EXT6_FRAGMENT:
		/* offset and M */
		return (load_be16(ip + at + 2) & 0xfff9) == 0 ? verdict(EXT6_UPPER, 0, 0)
							      : verdict(EXT6_IS_PIECE, 0, at);
	default: return options_skip(ip, at + 2, end);
	}
}

static bool is_extension(uint8_t type)
{
	return type == EXT6_HOP_BY_HOP || type == EXT6_ROUTING || type == EXT6_FRAGMENT ||
		type == EXT6_DESTINATION;
}

struct ext6 ext6_skip(const uint8_t *ip, uint32_t len)
{
	uint32_t at = IP6_HDR_LEN, named = IP6_NEXT_HEADER, size;
	uint8_t type = ip[IP6_NEXT_HEADER];
	struct ext6 e;

	for (; is_extension(type); named = at, type = ip[at], at += size) {
		/* hop-by-hop options stand first or nowhere (RFC 8200 4.1) */
		if (type == EXT6_HOP_BY_HOP && at != IP6_HDR_LEN)
			return verdict(EXT6_REFUSE, BAD_NEXT_HEADER, named);
		if (len - at < 8)
			return verdict(EXT6_SHORT, 0, 0);
		size = type == EXT6_FRAGMENT ? 8 : 8u * (ip[at + 1] + 1u);
		if (size > len - at)
			return verdict(EXT6_SHORT, 0, 0);
		if (at + size > IP6_HDR_LEN + EXT6_BYTES_MAX)
			return verdict(EXT6_DROP, 0, 0);
		e = header_skip(ip, type, at, at + size);
		if (e.verdict != EXT6_UPPER)
			return e;
	}
	return (struct ext6){ .verdict = type == EXT6_NONE ? EXT6_DROP : EXT6_UPPER,
		.proto = type,
		.at = (uint16_t)at,
		.named = (uint16_t)named };
}
