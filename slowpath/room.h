/* SPDX-License-Identifier: BSD-3-Clause */
/* room.h - who makes way when the flows are nearly all in use.
 * Guarantee: a newcomer (SYN or connect) is never refused because of connections in TIME_WAIT that no
 * application has, nor because of ones that a peer began and never completed: the oldest of these go first.
 * As a slot is free only after a grace period, a few are kept free at all times. Established connections
 * never make way. Owner: the slow path. Functions that take a flow want its lock held. */
#ifndef TAS_SLOWPATH_ROOM_H
#define TAS_SLOWPATH_ROOM_H

#include <stdint.h>

struct sp;

enum room_class { ROOM_TIME_WAIT, ROOM_EMBRYO, NR_ROOM_CLASSES }; /* who goes first is first */

enum { ROOM_RESERVE_MAX = 256 }; /* slots kept free; at most an eighth of all */

struct room_queue { /* flow ids through conn.room_next/prev, oldest first */
	uint32_t head, tail, count;
};

/* The flow may be ended for a newcomer from here on; the youngest of its class, also if it was there. */
void room_offer(struct sp *sp, uint32_t flow, enum room_class class);
/* Not any more. */
void room_keep(struct sp *sp, uint32_t flow);
/* Ends as many as it takes to have the reserve. No lock is held. */
void room_make(struct sp *sp);
/* This embryo makes way for another. No lock is held. */
void room_end_embryo(struct sp *sp, uint32_t flow);

#endif
