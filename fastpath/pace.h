/* SPDX-License-Identifier: BSD-3-Clause */
/* pace.h - when a flow may send, and a timing wheel of lists for those that wait until then.
 * Guarantees, as long as no pass comes PACE_CREDIT_NS after a flow's time: over any interval t a paced flow
 * sends at most rate * (t + PACE_CREDIT_NS) and one packet more; and, if it always has data, not less than
 * rate * t and that. What later passes cost it is made up for at up to twice the rate. A flow comes out of
 * the wheel at the first pass not before its slot, at most one slot (16 us) after its time; what lies beyond
 * the wheel's 16 ms comes out early and waits again.
 * Owner: one core. The links are flow_cold.paced_next. */
#ifndef TAS_FASTPATH_PACE_H
#define TAS_FASTPATH_PACE_H

#include <stdint.h>

#include "fastpath/flow.h"

enum { PACE_SLOTS = 1024, PACE_SLOT_NS = 16384 };

/* So late a flow may be and still count from the time at which it could have sent: what slots and passes cost
 * it is made up for. Who comes later had nothing to send, and gets no credit for that; or it waited for a
 * core that came late, and is owed the time. */
#define PACE_CREDIT_NS (250 * NS_PER_US)

/* A core that shares its CPU comes late by milliseconds. What a flow is owed is not sent at once: each
 * segment takes half of its time until all is made up for (Linux has that, for a segment's time at most). So
 * much of its round trip, and so much at most: the network has room for it. */
#define PACE_OWED_MAX_NS (4 * NS_PER_MS)
enum { PACE_OWED_RTT = 8 };

/* The earliest time of the segment after one that went at `now`, could have gone at `next`, and takes `ns` at
 * the flow's pace. */
static inline tas_ns pace_after(tas_ns next, tas_ns now, uint64_t ns)
{
	return (next + PACE_CREDIT_NS > now ? next : now) + ns;
}

/* A flow comes out of the wheel, where it waited with data that it may send. */
static inline void pace_comes(struct flow_cold *k, tas_ns now, uint32_t srtt_us)
{
	tas_ns late;

	if (likely(k->pace_next_ns + PACE_CREDIT_NS > now))
		return;
	late = now - k->pace_next_ns - PACE_CREDIT_NS + 1 + k->pace_owed_ns;
	late = min_u64(late, PACE_OWED_MAX_NS);
	k->pace_owed_ns = (uint32_t)min_u64(late, srtt_us * NS_PER_US / PACE_OWED_RTT);
	k->pace_next_ns = now - PACE_CREDIT_NS + 1;
}

/* A segment went that takes `ns` at the flow's pace. */
static inline void pace_goes(struct flow_cold *k, tas_ns now, uint64_t ns)
{
	uint32_t back;

	if (unlikely(k->pace_owed_ns != 0)) {
		if (k->pace_next_ns + PACE_CREDIT_NS <= now)
			k->pace_owed_ns = 0; /* it had nothing to send since */
		back = (uint32_t)min_u64(k->pace_owed_ns, ns / 2);
		k->pace_owed_ns -= back;
		ns -= back;
	}
	k->pace_next_ns = pace_after(k->pace_next_ns, now, ns);
}

/* A flow waits so long for several segments to be due at once: each wake-up and each burst has its price, and
 * with segments of a few us there would be one for each slot. Linux's TCP lets a millisecond go at once. */
#define PACE_GATHER_NS (100 * NS_PER_US)

/* When a flow whose next segment may go at `next`, and takes `ns`, is to be looked at again. */
static inline tas_ns pace_due(tas_ns next, uint64_t ns)
{
	return next + (ns < PACE_GATHER_NS ? PACE_GATHER_NS - ns : 0);
}

struct pace_wheel {
	uint64_t tick; /* everything up to this one was taken out */
	uint32_t waiting;
	uint32_t head[PACE_SLOTS];
};

void pace_init(struct pace_wheel *w);
/* An empty wheel stands still: brings it to the present. To be called before an insertion. */
void pace_turn(struct pace_wheel *w, tas_ns now);
/* The flow must not be in the wheel (flow_cold.on_list, LIST_PACED). */
void pace_insert(struct pace_wheel *w, struct flow_cold *cold, uint32_t id, tas_ns due);
/* Takes out one flow whose slot is due; FLOW_NONE if none is. */
uint32_t pace_pop(struct pace_wheel *w, struct flow_cold *cold, tas_ns now);
/* Not later than the first flow is due; TAS_NS_NEVER if none waits. */
tas_ns pace_next(const struct pace_wheel *w);

#endif
