/* SPDX-License-Identifier: BSD-3-Clause */
/* app_turn.c - whose bells a core looks at in a pass, and for how long.
 *
 * Guarantees: an application that did not ring for a while costs nothing. One that rings without end has one
 * turn in each pass. Cores are shared by users, not by processes: all applications of one user together have
 * SHARE in a pass, and as long as any user wants more than that, and another rings, too, no more than one
 * turn. Within its share a user's applications take turns. */
#include "fastpath/stages.h"

enum {
	QUIET_NS = 10 * 1000 * 1000, /* an application that did not ring for so long is not polled: its bell
					becomes a system call */
	SHARE = 4 * APP_TURN,
};

/* Stop looking at it: from now on it must ring by system call. False if it rang in this moment. */
static bool app_quieten(struct fp_core *c, struct app *a)
{
	struct abi_core_line *line = &a->header->core_line[c->id];

	atomic_store_explicit(&line->asleep, 1, memory_order_relaxed);
	/* pairs with the library's fence between setting a bit of `bells` and reading `asleep` */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&line->bells, memory_order_relaxed) == 0)
		return true;
	atomic_store_explicit(&line->asleep, 0, memory_order_relaxed);
	return false;
}

static void user_remove(struct fp_core *c, uint16_t user)
{
	uint32_t i = 0;

	while (c->users[i] != user)
		i++;
	c->users[i] = c->users[--c->nusers];
}

static void unpoll(struct fp_core *c, uint16_t before, uint16_t app)
{
	struct fp_app *fa = &c->app[app];
	struct fp_user *u = &c->user[fa->user];

	c->app[before].user_next = fa->user_next;
	if (u->last == app)
		u->last = before;
	fa->polled = false;
	c->napps--;
	if (--u->napps == 0)
		user_remove(c, fa->user);
}

static void poll_from_now(struct fp_core *c, uint16_t app, uint16_t user)
{
	struct fp_app *fa = &c->app[app];
	struct fp_user *u = &c->user[user];

	fa->user = user;
	fa->polled = true;
	c->napps++;
	if (u->napps++ == 0) {
		u->left = 0;
		u->last = app;
		fa->user_next = app;
		c->users[c->nusers++] = user;
		return;
	}
	fa->user_next = c->app[u->last].user_next;
	c->app[u->last].user_next = app;
}

/* One application, after it that of `before` in the ring. False if it need not be polled any more. */
static bool app_turn(struct fp_core *c, uint16_t id, int *turn, unsigned *n)
{
	struct app *a = &c->fp->apps[id];
	unsigned took;

	if (unlikely(!atomic_load_explicit(&a->live, memory_order_acquire)))
		return false;
	took = app_poll(c, a, turn);
	*n += took;
	if (took > 0)
		c->app[id].busy_ns = c->now;
	return took > 0 || c->now - c->app[id].busy_ns <= QUIET_NS || !app_quieten(c, a);
}

/* All applications of a user, a turn each, as long as its share lasts. Whose turn did not come begins the
 * next pass. */
static unsigned user_poll(struct fp_core *c, struct fp_user *u, int share)
{
	unsigned n = 0;
	int left = min_i32(u->left, 0) + share;

	for (unsigned i = u->napps; i > 0 && left > 0; i--) {
		uint16_t id = c->app[u->last].user_next;
		int whole = min_i32(left, APP_TURN), turn = whole;

		if (likely(app_turn(c, id, &turn, &n)))
			u->last = id;
		else
			unpoll(c, u->last, id);
		left -= whole - turn;
	}
	u->left = (int16_t)left;
	return n;
}

unsigned appq_poll(struct fp_core *c)
{
	int share = unlikely(c->users_short) && c->nusers > 1 ? APP_TURN : SHARE;
	unsigned n = 0;

	c->users_short = false;
	for (uint32_t i = 0; i < c->nusers;) {
		uint32_t users = c->nusers;
		struct fp_user *u = &c->user[c->users[i]];

		n += user_poll(c, u, share);
		c->users_short |= u->left <= 0;
		i += users == c->nusers; /* else another has its place */
	}
	return n;
}

/* An id that now stands for another application may still be polled as its user's who had it. */
static void polled_as(struct fp_core *c, uint16_t app, uint16_t user)
{
	uint16_t before = app;

	if (c->app[app].polled && c->app[app].user != user) {
		while (c->app[before].user_next != app)
			before = c->app[before].user_next;
		unpoll(c, before, app);
	}
	if (!c->app[app].polled)
		poll_from_now(c, app, user);
}

void core_app_rang(struct fp_core *c, uint16_t app)
{
	const struct app *a = &c->fp->apps[app];

	if (app >= c->fp->conf.apps_max || !atomic_load_explicit(&a->live, memory_order_acquire) ||
		(c->app[app].polled && c->app[app].user == a->user))
		return;
	polled_as(c, app, a->user);
	atomic_store_explicit(&a->header->core_line[c->id].asleep, 0, memory_order_relaxed);
	c->app[app].busy_ns = c->now;
}

struct polled {
	uint32_t user;
	uint16_t app;
};
static const struct polled polled_first = { 0, APP_NONE };

/* The next of those that are polled, of all users; NULL after the last. */
static struct app *polled_next(const struct fp_core *c, struct polled *at)
{
	uint16_t last, app;

	if (at->user >= c->nusers)
		return NULL;
	last = c->user[c->users[at->user]].last;
	app = c->app[at->app == APP_NONE ? last : at->app].user_next;
	at->app = app == last ? APP_NONE : app;
	at->user += app == last;
	return &c->fp->apps[app];
}

void core_sleep_begin(struct fp_core *c)
{
	struct polled at = polled_first;
	struct app *a;

	while ((a = polled_next(c, &at)) != NULL) {
		if (atomic_load_explicit(&a->live, memory_order_acquire))
			atomic_store_explicit(&a->header->core_line[c->id].asleep, 1, memory_order_relaxed);
	}
	atomic_store_explicit(&c->asleep, 1, memory_order_relaxed);
	/* pairs with the fences of whoever rings, kicks or sends: they see us asleep, or core_has_work() sees
	 * what they published */
	atomic_thread_fence(memory_order_seq_cst);
}

bool core_has_work(struct fp_core *c)
{
	struct polled at = polled_first;
	struct app *a;

	while ((a = polled_next(c, &at)) != NULL) {
		if (!atomic_load_explicit(&a->live, memory_order_acquire) ||
			atomic_load_explicit(&a->header->core_line[c->id].bells, memory_order_relaxed) != 0)
			return true;
	}
	return !rte_ring_empty(c->kicks) || !rte_ring_empty(c->sends);
}

void core_sleep_end(struct fp_core *c)
{
	struct polled at = polled_first;
	struct app *a;

	atomic_store_explicit(&c->asleep, 0, memory_order_relaxed);
	while ((a = polled_next(c, &at)) != NULL) {
		if (atomic_load_explicit(&a->live, memory_order_acquire))
			atomic_store_explicit(&a->header->core_line[c->id].asleep, 0, memory_order_relaxed);
	}
}
