/* SPDX-License-Identifier: BSD-3-Clause */
/* hold.h - who keeps a listener alive: every process that has it, and every fork that may still come for it.
 *
 * Guarantee: a listener is closed exactly once, when the last that held it is gone, in whatever order
 * processes close, fork, attach, adopt, exit or are killed.
 *
 * A holder is an application (a process) or a hold. A hold stands for a child that was forked and has not
 * attached: it holds what its parent held at that moment, until the child's end of its socketpair hangs up
 * (exit, exec, or the child's library let go). The child that attaches with the hold's token may adopt what
 * the hold has; the reference then moves from the hold to the child. A child that forks in its turn gives
 * its own hold what itself and the hold it came from have. Processes that inherit the child's end without
 * attaching keep the hold, too.
 *
 * Connections are many, so a fork does not visit them. A hold has a cover for its parent, and one for each
 * process from which the parent itself inherited: a cover keeps open every flow of that process that is older
 * than the fork, but for those that the child took over or closed (cover.gone). A flow that its process
 * closes meanwhile waits on a cover (cover.flows, kept by app_flow.c).
 *
 * Plain bookkeeping without descriptors or memory of anybody else. Owner: the slow path, one thread. */
#ifndef TAS_SLOWPATH_HOLD_H
#define TAS_SLOWPATH_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "slowpath/users.h"

enum {
	HOLDS_APP_MAX = 1024,       /* of one parent, while it lives */
	HOLDS_MAX = 8192,           /* of all, whose parents may be long gone; shared by users.h */
	HOLD_REFS_APP_MAX = 8192,   /* of a process and its forks' holds, while it lives */
	HOLD_REFS_MAX = 256 * 1024, /* of all; shared by users.h */
	COVERS_MAX = 512 * 1024,    /* of all, and what is in their sets; shared by users.h */
	HOLD_COPIES_MAX = 8192,     /* of these made by one fork */
	HOLD_BURST = 64,            /* of these freed when a hold ends: larger ones go step by step */
};

struct hold_object { /* a listener */
	RB_ENTRY(hold_object) link;
	uint64_t id;
	uint32_t holders;
};

struct hold_ref { /* one holder's reference to it */
	RB_ENTRY(hold_ref) link;
	uint64_t key; /* the library's cookie for a process, the listener's id for a hold */
	struct hold_object *object;
};
RB_HEAD(hold_refs, hold_ref);
RB_HEAD(hold_objects, hold_object);

struct cover_gone {
	RB_ENTRY(cover_gone) link;
	uint64_t key; /* hold_flow_key() */
};
RB_HEAD(cover_gones, cover_gone);

struct cover {
	LIST_ENTRY(cover) siblings, others; /* in hold_app.forked; in hold.covers */
	struct hold *hold;
	struct cover_gones gone;
	uint32_t nr_gone;
	uint64_t number; /* the process's forks, the one that made this counted */
	uint32_t flows;  /* app_flow.c: closed flows that wait for it */
	uint16_t parent; /* APP_NONE once its slot was given back */
};
LIST_HEAD(cover_list, cover);

struct hold {
	LIST_ENTRY(hold) all;
	struct hold_refs refs;
	struct cover_list covers; /* the parent's first */
	uint32_t nr_refs;
	uint32_t nr_covers; /* and what is in their sets */
	uint16_t parent;    /* APP_NONE once its slot was given back */
	uint16_t child;     /* who attached with the token, or APP_NONE */
	uid_t user;         /* the parent's */
	uint64_t token;
	bool ended; /* the child's end hung up: covers nothing any more */
};
LIST_HEAD(hold_list, hold);

struct hold_app { /* what a process has */
	struct hold_refs refs;
	uint32_t nr_own;            /* in refs */
	uint32_t nr_refs, nr_holds; /* its holds' references are counted here, too */
	uint64_t forks;
	struct cover_list forked; /* what keeps its flows, youngest first */
	struct hold *from;        /* the hold it came from, or NULL */
	uid_t user;               /* set by who attaches it */
};

struct holds {
	struct hold_app *app; /* [apps_max] */
	struct hold_objects objects;
	struct hold_list all, ended;
	struct users *users;
	uint32_t apps_max, nr_holds, nr_refs;
	/* Called when `app` no longer has the listener, and when nobody has. */
	void (*left)(void *arg, uint16_t app, uint64_t id);
	void (*closed)(void *arg, uint64_t id);
	void *arg;
};

/* `users`, `left`, `closed` and `arg` are the caller's to set. 0 or -ENOMEM. Fini calls neither: the instance
 * ends. */
int holds_init(struct holds *hs, uint32_t apps_max);
void holds_fini(struct holds *hs);

/* --- listeners --- */

/* Is there room for one more, under a cookie not in use? 0, -EEXIST, -ENOSPC. */
int hold_may_add(const struct holds *hs, uint16_t app, uint32_t cookie);
/* The listener `id` has a holder more, or its first. As above, or -ENOMEM. */
int hold_add(struct holds *hs, uint16_t app, uint32_t cookie, uint64_t id);
/* The listener behind a process's cookie; false if there is none. */
bool hold_find(const struct holds *hs, uint16_t app, uint32_t cookie, uint64_t *id);
/* Has anybody this listener? */
bool hold_knows(const struct holds *hs, uint64_t id);
/* The process no longer has it. -ENOENT. */
int hold_drop(struct holds *hs, uint16_t app, uint32_t cookie);

/* --- forks --- */

/* A process is about to fork. NULL if there are too many, or too much to copy, or no memory. */
struct hold *hold_fork(struct holds *hs, uint16_t parent, uint64_t token);
/* A process attached with a token; false if no hold waits for it. */
bool hold_attach(struct holds *hs, uint64_t token, uint16_t child);
/* It takes over a listener of its hold. -ENOENT, -EEXIST, -ENOSPC. */
int hold_adopt(struct holds *hs, uint16_t child, uint64_t id, uint32_t cookie);
/* Its child, which has not attached, closed the listener. */
void hold_let_go(struct holds *hs, struct hold *h, uint64_t id);
#define COVER_NO_FLOWS UINT32_MAX
/* The child's end hung up. The hold is freed at once if no flow waits for it and it is small; else it moves
 * to holds.ended, and hold_release() goes on. */
void hold_end(struct holds *hs, struct hold *h);
/* Frees what no flow waits for, at most *burst pieces, which it takes off. A cover for which flows wait, to
 * whose end the caller sees; or NULL: the hold is freed, or the burst used up. */
struct cover *hold_release(struct holds *hs, struct hold *h, unsigned *burst);

static inline uint64_t hold_flow_key(uint32_t flow, uint32_t gen) { return (uint64_t)flow << 32 | gen; }
/* A cover that keeps this flow of the process: the fork was after `born` and not after `upto`, both counted
 * as hold_app.forks; or NULL. */
struct cover *hold_covers(const struct holds *hs, uint16_t parent, uint64_t born, uint64_t upto,
	uint64_t key);
/* The same for one hold. */
struct cover *hold_cover_of(const struct hold *h, uint16_t parent, uint64_t born, uint64_t key);
/* The child took this flow over, or closed it. -ENOMEM, -ENOSPC. */
int cover_give_up(struct holds *hs, struct cover *c, uint64_t key);

/* The process is gone: at most `burst` of the listeners that it had are dropped. Returns how many; fewer: it
 * has nothing any more. Its forks' holds stay. */
unsigned hold_app_gone(struct holds *hs, uint16_t app, unsigned burst);
/* Its slot will be used again: nothing names it any more. */
void hold_app_reset(struct holds *hs, uint16_t app);

#endif
