/* SPDX-License-Identifier: BSD-3-Clause */
/* holes.h - room for flows with many holes: a window of hundreds of segments on a path that loses some
 * percent has more intervals than struct flow_cold holds, and without room for them each loss beyond costs
 * round trips, or a timeout.
 * Guarantee: a block is a flow's from when it has one interval too many until it has none at all; if all are
 * taken, the flow goes on with what it has. Owner: functions want the flow's lock held; the free blocks are
 * behind a lock of their own, which nobody takes while nothing is lost. */
#ifndef TAS_FASTPATH_HOLES_H
#define TAS_FASTPATH_HOLES_H

#include <stdbool.h>
#include <stdint.h>

#include "fastpath/fastpath.h"

/* How many there are in an instance with so many flows: at most 3 MB of them. */
static inline uint32_t holes_blocks(uint32_t flows_max) { return min_u32(flows_max, 256); }

void holes_take_slow(struct fastpath *fp, struct flow_cold *k);
/* To be called before something is added: takes a block if the flow may need it. */
static inline void holes_room(struct fastpath *fp, struct flow_cold *k)
{
	if (unlikely(k->sacked.n >= REASS_MAX || k->reass.n >= REASS_MAX || k->resent.n + 2 >= RESENT_MAX) &&
		k->holes == NULL)
		holes_take_slow(fp, k);
}

void holes_give_slow(struct fastpath *fp, struct flow_cold *k);
/* To be called when something has become empty: gives the block back if all has. */
static inline void holes_done(struct fastpath *fp, struct flow_cold *k)
{
	if (unlikely(k->holes != NULL) && k->sacked.n == 0 && k->reass.n == 0 && k->resent.n == 0)
		holes_give_slow(fp, k);
}

#endif
