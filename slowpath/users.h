/* SPDX-License-Identifier: BSD-3-Clause */
/* users.h - what each user of the machine has of that of which there is a limit for all.
 *
 * Guarantee: users other than root do not use up a limit, neither one nor several together. Who is not root
 * gets one more only if it has less than three times what no such user has: a single one ends at three
 * quarters of all, a second one at three quarters of the rest, and to the next, and to root, some is left.
 * Root may have all, and what it has makes nobody's share smaller until nothing is free.
 *
 * Plain bookkeeping: whoever takes gives back. Owner: the slow path, one thread. */
#ifndef TAS_SLOWPATH_USERS_H
#define TAS_SLOWPATH_USERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <bsd/sys/tree.h>

enum user_share {
	SHARE_NEWCOMERS, /* clients of the control socket that have not attached */
	SHARE_APPS,
	SHARE_MEMORY,     /* pages of regions */
	SHARE_HOLDS,      /* of children that have not attached */
	SHARE_LISTENERS,  /* references to them, of processes and of holds */
	SHARE_COVERS,     /* what holds have to remember of flows */
	SHARE_FLOWS,      /* that make way for nobody (room.h) */
	SHARE_NEIGHBOURS, /* that flows hold */
	SHARE_PORTS,      /* of the range that connections are made from, with a listener */
	NR_USER_SHARES
};

struct user {
	RB_ENTRY(user) link;
	uid_t uid;
	uint64_t sum;             /* of all it has */
	uint64_t cost, cost_pass; /* cost.h: spent, as of that pass */
	uint16_t number;          /* app.c: its own, while it has of SHARE_APPS */
	uint64_t has[NR_USER_SHARES];
};
RB_HEAD(user_tree, user);

struct users {
	struct user_tree tree; /* those who have anything */
	uint64_t max[NR_USER_SHARES], taken[NR_USER_SHARES], roots[NR_USER_SHARES];
};

/* Nothing may be taken of a share before users_limit() said how much there is. */
void users_init(struct users *us);
/* Whatever they still have: the instance ends. */
void users_fini(struct users *us);
void users_limit(struct users *us, enum user_share what, uint64_t max);

/* May the user have n > 0 more? */
bool users_may_take(const struct users *us, uid_t uid, enum user_share what, uint64_t n);
/* It has n more; false if it may not, or there is no memory to write it down. */
bool users_take(struct users *us, uid_t uid, enum user_share what, uint64_t n);
/* It had taken them. */
void users_give(struct users *us, uid_t uid, enum user_share what, uint64_t n);
/* NULL: it has nothing. */
struct user *users_find(const struct users *us, uid_t uid);
uint64_t users_has(const struct users *us, uid_t uid, enum user_share what);

#endif
