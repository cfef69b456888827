/* SPDX-License-Identifier: BSD-3-Clause */
/* hystart.h - leaves slow start when round trips begin to take longer, before a queue overflows: HyStart++
 * (RFC 9406).
 * Guarantee: on a path whose round trips do not grow by 4 ms and an eighth, slow start is as without it;
 * where they do, it ends within HYSTART_CSS_ROUNDS round trips unless the delay goes away again.
 * Owner: the congestion control state it is part of. Pure.
 *
 * It differs from the RFC in one thing: a call is not a round, but what passed since the last one. Calls are
 * put together to a round of a round trip or more, and conservative slow start lasts as many round trips as
 * the RFC says, not as many rounds. */
#ifndef TAS_SLOWPATH_HYSTART_H
#define TAS_SLOWPATH_HYSTART_H

#include <stdint.h>

/* RFC 9406 4.3. */
enum {
	HYSTART_MIN_RTT_THRESH_US = 4000,
	HYSTART_MAX_RTT_THRESH_US = 16000,
	HYSTART_MIN_RTT_DIVISOR = 8,
	HYSTART_CSS_DIVISOR = 4,
	HYSTART_CSS_ROUNDS = 5,
};

/* All zeros is a good beginning. */
struct hystart {
	uint32_t last_rtt_us;     /* least of the round before; 0 = none */
	uint32_t baseline_rtt_us; /* least of the round that began conservative slow start; 0 = not in it */
	uint32_t css_rtts_x16;    /* how many round trips that lasts already, in sixteenths */
	uint32_t round_us;        /* how long the round lasts already, */
	uint32_t round_rtt_us;    /* and its least round trip; 0 = none */
	uint8_t verdict;          /* of the last one */
};

enum hystart_verdict {
	HYSTART_GROW,         /* by what was acknowledged */
	HYSTART_CONSERVATIVE, /* by what was acknowledged / HYSTART_CSS_DIVISOR */
	HYSTART_LEAVE,        /* ssthresh = cwnd */
};

/* A part of slow start is over that lasted round_us; parts of less than a round trip are put together.
 * min_rtt_us: UINT32_MAX if nothing was measured in it. */
enum hystart_verdict hystart_round(struct hystart *h, uint32_t min_rtt_us, uint32_t srtt_us,
	uint64_t round_us);

#endif
