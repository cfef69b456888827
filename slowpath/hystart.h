/* SPDX-License-Identifier: BSD-3-Clause */
/* hystart.h - leaves slow start when round trips begin to take longer (HyStart++, RFC 9406), before a queue
 * overflows. Differs from the RFC in one thing: its rounds are control intervals, of two round trips or
 * more, because that is how often congestion control looks. So a "round" is one call, and conservative slow
 * start lasts as many round trips as the RFC says, not as many calls. Owner: the congestion control state
 * it is part of. */
#ifndef TAS_SLOWPATH_HYSTART_H
#define TAS_SLOWPATH_HYSTART_H

#include <stdbool.h>
#include <stdint.h>

struct hystart {
	uint32_t last_rtt_us; /* least of the last round, 0 = none */
	uint32_t
		baseline_rtt_us; /* least of the round that began conservative slow start; 0 = in standard slow start */
	uint32_t css_us; /* time spent in conservative slow start */
};

enum hystart_verdict {
	HYSTART_GROW,         /* standard slow start: by what was acknowledged */
	HYSTART_CONSERVATIVE, /* by a quarter of that */
	HYSTART_LEAVE,        /* ssthresh = cwnd */
};

/* One round of slow start. min_rtt_us: UINT32_MAX if nothing was measured. */
enum hystart_verdict hystart_round(struct hystart *h, uint32_t min_rtt_us, uint32_t srtt_us,
	uint64_t round_us);

#endif
