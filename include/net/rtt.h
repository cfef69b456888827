/* SPDX-License-Identifier: BSD-3-Clause */
/* rtt.h - round-trip time estimate and retransmission timeout (RFC 6298), in microseconds.
 * Guarantee: after one sample srtt is never 0 again (0 means "none yet"), nothing overflows whatever is
 * measured, and a timeout lies within its bounds. Samples of retransmitted data must not be fed in (Karn).
 * Fixed point as in the flow: srtt is kept << 3, rttvar << 2, so that the gains 1/8 and 1/4 are shifts.
 * Pure functions over the caller's fields; no clock. */
#ifndef TAS_NET_RTT_H
#define TAS_NET_RTT_H

#include <stdint.h>

#include "include/base/compiler.h"

/* Longer samples count as this: 67 s, so that srtt << 3 keeps far from 32 bits. */
#define RTT_SAMPLE_MAX_US (1u << 26)

struct rtt_bounds {
	uint32_t min_us;     /* 200 ms in Linux */
	uint32_t max_us;     /* 120 s in Linux */
	uint32_t initial_us; /* 1 s: before the first sample (RFC 6298 2.1) */
};

/* RFC 6298 2.2, 2.3. */
static inline void rtt_sample(uint32_t *srtt_x8, uint32_t *rttvar_x4, uint32_t measured_us)
{
	int32_t us = (int32_t)min_u32(max_u32(measured_us, 1), RTT_SAMPLE_MAX_US), error;

	if (*srtt_x8 == 0) {
		*srtt_x8 = (uint32_t)us << 3;
		*rttvar_x4 = (uint32_t)us << 1;
		return;
	}
	error = us - (int32_t)(*srtt_x8 >> 3);
	*srtt_x8 = (uint32_t)((int32_t)*srtt_x8 + error);
	*rttvar_x4 += (uint32_t)(error < 0 ? -error : error) - (*rttvar_x4 >> 2);
}

/* SRTT + max(min, 4 * RTTVAR), at most max (RFC 6298 2.3 with G = min). The lower bound is put on the
 * variance term, as Linux does: a peer that delays its acknowledgements by up to that much causes no
 * timeout, however constant the path is. */
static inline uint32_t rtt_rto_us(uint32_t srtt_x8, uint32_t rttvar_x4, const struct rtt_bounds *b)
{
	uint64_t rto = (uint64_t)(srtt_x8 >> 3) + max_u32(b->min_us, rttvar_x4);

	return srtt_x8 == 0 ? b->initial_us : (uint32_t)min_u64(rto, b->max_us);
}

/* The timeout after it expired `times` times without progress (RFC 6298 5.5). */
static inline uint32_t rtt_backoff_us(uint32_t rto_us, uint32_t times, uint32_t max_us)
{
	return (uint32_t)min_u64((uint64_t)rto_us << min_u32(times, 31), max_us);
}

#endif
