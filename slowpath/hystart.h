/* SPDX-License-Identifier: BSD-3-Clause */
/* hystart.h - leaves slow start when round trips begin to take longer, before a queue overflows: HyStart++
 * (RFC 9406).
 * Guarantee: on a path whose round trips do not grow by 4 ms and an eighth, slow start is as without it;
 * where they do, it ends within HYSTART_CSS_ROUNDS round trips unless the delay goes away again.
 * Owner: the congestion control state it is part of. Pure.
 *
 * It differs from the RFC in two things. A call is not a round, but what passed since the last one: calls are
 * put together to a round of a round trip or more, and conservative slow start lasts as many round trips as
 * the RFC says, not as many rounds. And round trips are not counted, but the segments that were acknowledged:
 * with delayed acknowledgements two for each. */
#ifndef TAS_SLOWPATH_HYSTART_H
#define TAS_SLOWPATH_HYSTART_H

#include <stdint.h>

/* RFC 9406 4.3. */
enum {
	HYSTART_RTT_SAMPLES = 8, /* of fewer a round says nothing */
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
	uint32_t round_rtt_us;    /* its least round trip, 0 = none, */
	uint32_t round_segments;  /* and of how many segments */
	uint8_t verdict;          /* of the last one */
};

enum hystart_verdict {
	HYSTART_GROW,         /* by what was acknowledged */
	HYSTART_CONSERVATIVE, /* by what was acknowledged / HYSTART_CSS_DIVISOR */
	HYSTART_LEAVE,        /* ssthresh = cwnd */
};

/* What passed since the last call. min_rtt_us: UINT32_MAX if nothing was measured in it. */
struct hystart_part {
	uint32_t min_rtt_us, srtt_us;
	uint32_t segments; /* acknowledged */
	uint64_t us;       /* so long it was */
};

/* Parts of less than a round trip are put together. */
enum hystart_verdict hystart_round(struct hystart *h, const struct hystart_part *p);

#endif
