/* SPDX-License-Identifier: BSD-3-Clause */
/* rack.h - when what was sent, and what that says of loss (RFC 8985, RACK).
 *
 * Guarantee: with SACK, data is deemed lost when something sent after it was delivered and a round trip has
 * passed since it was sent, plus a window for reordering: none once three segments' worth was SACKed and the
 * path never reordered, else a quarter of the least round trip, one more for each round trip in which the
 * peer reports duplicates. A
 * retransmission is judged by the same rule. Without SACK nothing here deems anything lost.
 *
 * The key idea: data is first sent in the order of its offsets, so one mark (end, time) for a flow and pass
 * is all there is to remember; what may be lost is a prefix of the marks. Retransmissions are few, and are
 * remembered one by one. A round trip is measured when a mark is acknowledged whole.
 * Owner: whoever holds the flow's lock. */
#ifndef TAS_FASTPATH_RACK_H
#define TAS_FASTPATH_RACK_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/compiler.h"

enum {
	SENT_MARKS = 32,   /* of data sent once; a power of two */
	RESENT_MAX = 16,   /* pieces sent again that are not acknowledged */
	RACK_PERSIST = 16, /* recoveries that a wider reordering window lasts (RFC 8985 6.2 step 4) */
};

/* Offsets as their low halves: they are within 2^31 of una. Its first byte was sent at `since`. */
struct sent_mark {
	uint32_t end, us, since;
};

struct sent_log {
	uint8_t head, n;
	struct sent_mark mark[SENT_MARKS];
};

struct resent_piece {
	uint64_t from, to;
	uint32_t us;
};

/* Ascending, disjoint; what was SACKed meanwhile is cut out. In `more`, if that is there. */
struct resent {
	uint32_t n;
	struct resent_piece p[RESENT_MAX];
	struct resent_piece *more; /* [HOLES_RESENT_MAX] */
};

struct rack {
	uint64_t end;            /* of the segment sent last among those delivered */
	uint32_t us;             /* when that was sent */
	uint32_t rtt_us;         /* and how long ago, when it was acknowledged */
	uint32_t due_us;         /* when the reordering window of what is next to be lost is over */
	bool is_set, is_waiting; /* us, end, rtt_us; due_us */
	bool reordered;          /* the path was seen to reorder */
	bool duplicate;          /* the last acknowledgement with options reports one (RFC 2883), */
	bool probe_duplicate;    /* and it is the tail loss probe */
	uint64_t dsack_round;    /* una below it: reports are of the round that was counted; 0 = none */
	uint8_t reo_wnd_mult, reo_wnd_persist;
};

/* Two marks become one that was sent when the second was: what is lost is then found later by a part of a
 * round trip, and nothing falsely. */
void sent_halve(struct sent_log *l);

/* The newest data sent ends at `end`. What is sent within grain_us of each other is one mark: a part of a
 * round trip, or a paced flow, with a time for each segment, would fill the log with the newest of a window
 * and know nothing of the others. */
static inline void sent_add(struct sent_log *l, uint64_t end, uint32_t now_us, uint32_t grain_us)
{
	struct sent_mark *last = &l->mark[(l->head + l->n - 1u) % SENT_MARKS];

	if (l->n == 0) { /* so that a flow that sends a little at a time touches one line of it */
		l->head = 0;
	} else if (now_us - last->since <= grain_us) {
		last->end = (uint32_t)end;
		last->us = now_us;
		return;
	}
	if (unlikely(l->n == SENT_MARKS))
		sent_halve(l);
	l->mark[(l->head + l->n) % SENT_MARKS] = (struct sent_mark){ (uint32_t)end, now_us, now_us };
	l->n++;
}

/* Everything below una is acknowledged. True if a mark was, whole, and when the last of these was sent. */
static inline bool sent_acked(struct sent_log *l, uint64_t una, uint32_t *us)
{
	bool any = false;

	while (l->n > 0 && (int32_t)(l->mark[l->head].end - (uint32_t)una) <= 0) {
		*us = l->mark[l->head].us;
		l->head = (l->head + 1u) % SENT_MARKS;
		l->n--;
		any = true;
	}
	return any;
}

#endif
