/* SPDX-License-Identifier: BSD-3-Clause */
/* seq.h - sequence numbers, modulo 2^32 (RFC 9293 3.4). Comparisons hold for numbers less than 2^31 apart.
 * A type of their own, so that they mix neither with lengths nor with 64-bit stream offsets. No DPDK, no OS.
 */
#ifndef TAS_NET_SEQ_H
#define TAS_NET_SEQ_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
	uint32_t v;
} tcp_seq;

static inline tcp_seq seq_add(tcp_seq s, uint32_t n) { return (tcp_seq){ s.v + n }; }

/* How far `to` lies after `from`; negative if before. */
static inline int32_t seq_dist(tcp_seq from, tcp_seq to) { return (int32_t)(to.v - from.v); }

static inline bool seq_eq(tcp_seq a, tcp_seq b) { return a.v == b.v; }
static inline bool seq_before(tcp_seq a, tcp_seq b) { return seq_dist(a, b) > 0; }
static inline bool seq_before_eq(tcp_seq a, tcp_seq b) { return seq_dist(a, b) >= 0; }

/* The 64-bit stream offset of s that is nearest to the reference, whose offset and sequence number are known.
 * What lies before offset 0 (a SYN, an old duplicate) comes out as that negative number modulo 2^64: compare
 * by signed distance. */
static inline uint64_t seq_offset_near(uint64_t reference_offset, tcp_seq reference_seq, tcp_seq s)
{
	return reference_offset + (uint64_t)(int64_t)seq_dist(reference_seq, s);
}

#endif
