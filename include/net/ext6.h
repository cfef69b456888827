/* SPDX-License-Identifier: BSD-3-Clause */
/* ext6.h - the extension headers of an IPv6 packet (RFC 8200 4), skipped or refused.
 * Guarantee: reads only ip[0..len), and no more than EXT6_BYTES_MAX of headers, whatever they claim (RFC 8504
 * 5.3 allows limits). Keeps no state.
 *
 * Options are skipped or refused as their types ask; no route through us (RFC 5095); an atomic fragment (RFC
 * 6946) is a whole packet. */
#ifndef TAS_NET_EXT6_H
#define TAS_NET_EXT6_H

#include <stdbool.h>
#include <stdint.h>

enum { EXT6_BYTES_MAX = 512 };

/* Next-header numbers that are not upper layers. */
enum ext6_header {
	EXT6_HOP_BY_HOP = 0,
	EXT6_ROUTING = 43,
	EXT6_FRAGMENT = 44,
	EXT6_NONE = 59,
	EXT6_DESTINATION = 60,
};

enum ext6_verdict {
	EXT6_UPPER,     /* `proto` begins at `at`, which may be the packet's end */
	EXT6_IS_PIECE,  /* a fragment of a packet: its header is at `at` */
	EXT6_SHORT,     /* the packet ends within a header */
	EXT6_DROP,      /* to be dropped in silence */
	EXT6_REFUSE,    /* to be answered by a parameter problem: `code` and `at`, the pointer */
	EXT6_REFUSE_ONE /* the same, unless it was sent to a multicast address */
};

struct ext6 {
	enum ext6_verdict verdict;
	uint8_t proto, code;
	uint16_t at;    /* from the start of the IPv6 header */
	uint16_t named; /* where the next-header field stands that says `proto` */
};

/* ip: a whole IPv6 header and what follows it, len bytes of which are there (40 or more). */
struct ext6 ext6_skip(const uint8_t *ip, uint32_t len);

#endif
