/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_opt.h - TCP options, read and written (RFC 9293 3.2; RFC 7323 window scale and timestamps; RFC 2018
 * SACK).
 * Guarantee: the parser reads only opts[0..len) and ends after at most len steps, whatever the bytes. The
 * writers follow Linux's order and padding and never write more than TCP_OPT_MAX bytes. No DPDK, no OS, no
 * state. */
#ifndef TAS_NET_TCP_OPT_H
#define TAS_NET_TCP_OPT_H

#include <stdbool.h>
#include <stdint.h>

#include "include/net/bytes.h"
#include "include/net/seq.h"

enum {
	TCP_OPT_MAX = 40,
	TCP_OPT_TS_LEN = 12, /* NOP NOP and a timestamp */
	TCP_OPT_SACK_MAX = 4,
	TCP_WSCALE_MAX = 14,
};

enum tcp_opt_kind {
	TCP_OPT_EOL = 0,
	TCP_OPT_NOP = 1,
	TCP_OPT_MSS = 2,
	TCP_OPT_WSCALE = 3,
	TCP_OPT_SACK_PERM = 4,
	TCP_OPT_SACK = 5,
	TCP_OPT_TS = 8,
};

/* Bits of tcp_opts.has. */
enum tcp_opt_has {
	TCP_HAS_MSS = 1 << 0,
	TCP_HAS_WSCALE = 1 << 1,
	TCP_HAS_TS = 1 << 2,
	TCP_HAS_SACK_PERM = 1 << 3,
	TCP_HAS_SACK = 1 << 4,
};

struct tcp_opts {
	uint16_t mss;   /* 0: none */
	uint8_t wscale; /* at most TCP_WSCALE_MAX */
	uint8_t has;    /* TCP_HAS_* */
	uint32_t ts_val, ts_ecr;
	uint8_t nsack;
	struct tcp_sack_block {
		tcp_seq left, right; /* [left, right) was received; as on the wire: the reader checks */
	} sack[TCP_OPT_SACK_MAX];
};

/* The first word of the only option most segments carry: NOP, NOP, timestamp, length 10 (RFC 7323 appendix
 * A). */
#define TCP_OPT_TS_WORD 0x0101080au

/* True if the options are well formed. As in Linux an option whose length is wrong for its kind is left out,
 * one that does not fit or is shorter than 2 ends the parse, what was read before stands, and the last of two
 * equal kinds counts; all of these return false except the last. An MSS of 0 counts as absent, a window scale
 * above 14 as 14 (RFC 7323 2.3). */
bool tcp_opt_parse(const uint8_t *opts, uint32_t len, struct tcp_opts *out);

/* Options of a SYN or SYN-ACK as o->has says: MSS, SACK permitted, timestamps, window scale. Returns the
 * length, a multiple of 4. */
uint32_t tcp_opt_write_syn(uint8_t opts[TCP_OPT_MAX], const struct tcp_opts *o);

/* NOP NOP timestamp. Returns TCP_OPT_TS_LEN. */
static inline uint32_t tcp_opt_write_ts(uint8_t *opts, uint32_t ts_val, uint32_t ts_ecr)
{
	store_be32(opts, TCP_OPT_TS_WORD);
	store_be32(opts + 4, ts_val);
	store_be32(opts + 8, ts_ecr);
	return TCP_OPT_TS_LEN;
}

/* Timestamps if o->has says so, then as many of the o->nsack blocks as fit (3 beside timestamps, else 4), the
 * first ones first. Returns the length, a multiple of 4. */
uint32_t tcp_opt_write_sack(uint8_t opts[TCP_OPT_MAX], const struct tcp_opts *o);

#endif
