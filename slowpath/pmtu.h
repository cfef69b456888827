/* SPDX-License-Identifier: BSD-3-Clause */
/* pmtu.h - what is known of paths: how large the packets may be that they carry.
 * Guarantee: a destination is remembered for ten minutes (RFC 1191 6.3, RFC 8201 4; mtu_expires of Linux),
 * and only with a size between what every path carries and 65535. There is room for PMTU_SETS * PMTU_WAYS;
 * a new one takes the place of the one that would be forgotten first. A message of ICMP never raises what
 * is known. Owner: the slow path. Pure: no clock, no memory but the table handed in. */
#ifndef TAS_SLOWPATH_PMTU_H
#define TAS_SLOWPATH_PMTU_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/time.h"
#include "include/net/addr.h"

enum {
	PMTU_SETS = 256, /* a power of two */
	PMTU_WAYS = 4,
	PMTU_MIN_V4 = 552,  /* min_pmtu of Linux: forged messages must not make connections crawl */
	PMTU_MIN_V6 = 1280, /* what IPv6 guarantees (RFC 8200 5) */
	PMTU_BASE = 1064,   /* tcp_base_mss of Linux with its headers: carried by all but odd paths */
};

#define PMTU_EXPIRES (600 * NS_PER_SEC)

struct pmtu {
	struct {
		struct net_addr to;
		tas_ns until;
		uint16_t mtu; /* 0: none */
	} entry[PMTU_SETS][PMTU_WAYS];
};

/* Bytes of an IP packet to this address; 0: nothing is known that is less than what the link takes. */
uint16_t pmtu_of(const struct pmtu *p, struct net_addr to, tas_ns now);
/* It is `mtu` from now on, whatever was known. */
void pmtu_learn(struct pmtu *p, struct net_addr to, uint16_t mtu, tas_ns now);
void pmtu_forget(struct pmtu *p, struct net_addr to);

/* What to make of the size that a router names: at least what every path carries; 0: nothing, a router of
 * IPv6 that names less is not to be believed (RFC 8201 4). */
uint16_t pmtu_named(bool v4, uint16_t mtu);

/* The next size to try when packets of `mtu` bytes vanish; `mtu` itself if there is none that is smaller. */
uint16_t pmtu_smaller(bool v4, uint16_t mtu);

#endif
