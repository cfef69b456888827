/* SPDX-License-Identifier: BSD-3-Clause */
/* seg.h - one received TCP segment, as pkt_parse() found it (RFC 9293 3.1, RFC 7323 3).
 * Guarantee: all offsets count from the start of the frame and, with their lengths, lie within it. Numbers in
 * host order. */
#ifndef TAS_NET_SEG_H
#define TAS_NET_SEG_H

#include <assert.h>
#include <stdint.h>

#include <rte_tcp.h>

#include "include/net/seq.h"

struct seg {
	tcp_seq seq, ack;
	uint32_t payload_len;
	uint32_t ts_val, ts_ecr; /* 0 unless has_ts */
	uint16_t wnd;            /* as on the wire, not scaled */
	uint16_t payload_off;
	uint16_t opts_off; /* the fixed TCP header is the 20 bytes before */
	uint8_t opts_len;
	uint8_t flags; /* RTE_TCP_*_FLAG */
	uint8_t ecn;   /* the two ECN bits of the IP header: IP_ECN_* */
	uint8_t has_ts : 1;
	uint8_t has_other_opts : 1; /* besides NOP, EOL, timestamps; or malformed: ask tcp_opt_parse() */
	uint16_t l4_off;
};

static_assert(sizeof(struct seg) <= 40, "a batch of 32 stays within 20 cache lines");

/* RFC 3168 5: the ECN field of the IP header. */
enum ip_ecn { IP_ECN_NOT_ECT = 0, IP_ECN_ECT1 = 1, IP_ECN_ECT0 = 2, IP_ECN_CE = 3 };

/* The sequence space the segment takes: its payload, and one each for SYN and FIN. */
static inline uint32_t seg_seq_len(const struct seg *s)
{
	return s->payload_len + ((s->flags & RTE_TCP_SYN_FLAG) != 0) + ((s->flags & RTE_TCP_FIN_FLAG) != 0);
}

#endif
