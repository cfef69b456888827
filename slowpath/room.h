/* SPDX-License-Identifier: BSD-3-Clause */
/* room.h - who makes way when the flows are nearly all in use.
 * Guarantee: a newcomer (SYN or connect) is never refused because of connections in TIME_WAIT or FIN_WAIT_2
 * that no application has, nor because of ones that a peer began and never completed: the oldest of these go
 * first. As a slot is free only after a grace period, a few are kept free at all times. Connections that are
 * being opened from here, or are established, never make way; therefore they are shared between users
 * (users.h): one that waits to be accepted is the listener's user's, then that of the process's user.
 * Owner: the slow path. Functions that take a flow want its lock held. */
#ifndef TAS_SLOWPATH_ROOM_H
#define TAS_SLOWPATH_ROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sp;

enum room_class { /* who goes first is first */
	ROOM_TIME_WAIT,
	ROOM_ORPHAN, /* FIN_WAIT_2 without an application */
	ROOM_EMBRYO,
	NR_ROOM_CLASSES
};

enum { ROOM_RESERVE_MAX = 256 }; /* slots kept free; at most an eighth of all */

struct room_queue { /* flow ids through conn.room_next/prev, oldest first */
	uint32_t head, tail, count;
};

/* May a user have one flow more? */
bool room_may_take(const struct sp *sp, uid_t uid);
/* Is there no place for a newcomer but that of an embryo? */
bool room_is_short(const struct sp *sp);
/* The flow is this user's, and not another's any more; false if he may have no more. */
bool room_take(struct sp *sp, uint32_t flow, uid_t uid);
/* It is nobody's any more, if it was anybody's. */
void room_give(struct sp *sp, uint32_t flow);
/* The flow may be ended for a newcomer from here on, and counts for nobody; it is the youngest of its class,
 * also if it was there. */
void room_offer(struct sp *sp, uint32_t flow, enum room_class class);
/* Not any more. */
void room_keep(struct sp *sp, uint32_t flow);
/* Ends as many as it takes to have the reserve. No lock is held. */
void room_make(struct sp *sp);
/* This embryo makes way for another. No lock is held. */
void room_end_embryo(struct sp *sp, uint32_t flow);

#endif
