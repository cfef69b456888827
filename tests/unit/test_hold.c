/* SPDX-License-Identifier: BSD-3-Clause */
/* test_hold.c - a listener is closed once, when the last that held it is gone, in every order of events. */
#include "slowpath/hold.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"

enum { PARENT, CHILD, GRANDCHILD, STRANGER, APPS_MAX = 8, IDS_MAX = 5000 };
enum { COOKIE = 77, ID = 3, FLOW = 4242 };
#define NOBODY UINT16_MAX

#ifndef __SANITIZE_ADDRESS__
static unsigned mallocs;

void *__libc_malloc(size_t size);
void *malloc(size_t size)
{
	mallocs++;
	return __libc_malloc(size);
}
#else
enum { mallocs = 0 };
#endif

struct rig {
	struct holds hs;
	struct users users;
	unsigned closed[IDS_MAX];
	unsigned left[APPS_MAX][IDS_MAX];
};

static void on_left(void *arg, uint16_t app, uint64_t id) { ((struct rig *)arg)->left[app][id]++; }
static void on_closed(void *arg, uint64_t id) { ((struct rig *)arg)->closed[id]++; }

static struct rig *rig_new(void)
{
	static struct rig r;

	memset(&r, 0, sizeof(r));
	users_init(&r.users);
	r.hs.users = &r.users;
	r.hs.left = on_left;
	r.hs.closed = on_closed;
	r.hs.arg = &r;
	assert_int_equal(holds_init(&r.hs, APPS_MAX), 0);
	return &r;
}

static void rig_end(struct rig *r)
{
	assert_int_equal(r->hs.nr_refs, 0);
	assert_int_equal(r->hs.nr_holds, 0);
	holds_fini(&r->hs);
	assert_true(RB_EMPTY(&r->users.tree));
}

/* The parent listens and forks. */
static struct hold *listen_and_fork(struct rig *r)
{
	struct hold *h;

	assert_int_equal(hold_add(&r->hs, PARENT, COOKIE, ID), 0);
	h = hold_fork(&r->hs, PARENT, 1234);
	assert_non_null(h);
	return h;
}

static void without_fork_the_owner_closes(void **state)
{
	struct rig *r = rig_new();
	uint64_t id = 0;

	(void)state;
	assert_int_equal(hold_add(&r->hs, PARENT, COOKIE, ID), 0);
	assert_true(hold_find(&r->hs, PARENT, COOKIE, &id));
	assert_int_equal(id, ID);
	assert_int_equal(hold_drop(&r->hs, PARENT, COOKIE), 0);
	assert_int_equal(r->closed[ID], 1);
	assert_int_equal(r->left[PARENT][ID], 1);
	assert_int_equal(hold_drop(&r->hs, PARENT, COOKIE), -ENOENT);
	rig_end(r);
}

static void a_cookie_names_one_listener_of_a_process(void **state)
{
	struct rig *r = rig_new();
	uint64_t id;

	(void)state;
	assert_int_equal(hold_add(&r->hs, PARENT, COOKIE, 1), 0);
	assert_int_equal(hold_add(&r->hs, PARENT, COOKIE, 2), -EEXIST);
	assert_int_equal(hold_add(&r->hs, STRANGER, COOKIE, 2), 0);
	assert_true(hold_find(&r->hs, STRANGER, COOKIE, &id) && id == 2);
	hold_app_gone(&r->hs, PARENT, UINT_MAX);
	assert_int_equal(r->closed[1], 1);
	assert_int_equal(r->closed[2], 0);
	hold_app_gone(&r->hs, STRANGER, UINT_MAX);
	assert_int_equal(r->closed[2], 1);
	rig_end(r);
}

/* What can happen after listen and fork, in any order; each at most once. */
enum event {
	PARENT_CLOSES,
	PARENT_DIES,
	CHILD_ATTACHES,
	CHILD_ADOPTS,
	CHILD_CLOSES,
	CHILD_DIES,
	END_HANGS_UP,
	NR_EVENTS
};

struct model {
	bool parent_has, hold_has, child_has, attached, child_dead, parent_dead, ended;
};

static bool possible(const struct model *m, enum event e)
{
	switch (e) {
	case PARENT_CLOSES: return m->parent_has && !m->parent_dead;
	case PARENT_DIES: return !m->parent_dead;
	case CHILD_ATTACHES: return !m->attached && !m->child_dead;
	case CHILD_ADOPTS: return m->attached && !m->child_dead;
	case CHILD_CLOSES: return m->attached && m->child_has && !m->child_dead;
	case CHILD_DIES: return !m->child_dead;
	default: return !m->ended;
	}
}

static void apply(struct rig *r, struct model *m, struct hold *h, enum event e)
{
	switch (e) {
	case PARENT_CLOSES:
		assert_int_equal(hold_drop(&r->hs, PARENT, COOKIE), 0);
		m->parent_has = false;
		break;
	case PARENT_DIES:
		hold_app_gone(&r->hs, PARENT, UINT_MAX);
		hold_app_reset(&r->hs, PARENT);
		m->parent_has = false;
		m->parent_dead = true;
		break;
	case CHILD_ATTACHES:
		assert_int_equal(hold_attach(&r->hs, 1234, CHILD), !m->ended);
		m->attached = true;
		break;
	case CHILD_ADOPTS:
		assert_int_equal(hold_adopt(&r->hs, CHILD, ID, 5), m->hold_has ? 0 : -ENOENT);
		m->child_has |= m->hold_has;
		m->hold_has = false;
		break;
	case CHILD_CLOSES:
		assert_int_equal(hold_drop(&r->hs, CHILD, 5), 0);
		m->child_has = false;
		break;
	case CHILD_DIES:
		if (m->attached) {
			hold_app_gone(&r->hs, CHILD, UINT_MAX);
			hold_app_reset(&r->hs, CHILD);
		}
		m->child_has = false;
		m->child_dead = true;
		break;
	default:
		hold_end(&r->hs, h);
		m->hold_has = false;
		m->ended = true;
	}
}

static unsigned orders_run;

static void run_order(const enum event *order, unsigned n)
{
	struct rig *r = rig_new();
	struct hold *h = listen_and_fork(r);
	struct model m = { .parent_has = true, .hold_has = true };

	for (unsigned i = 0; i < n; i++) {
		apply(r, &m, h, order[i]);
		assert_int_equal(r->closed[ID], !m.parent_has && !m.hold_has && !m.child_has);
	}
	if (m.ended && !m.parent_dead) /* nothing of the fork stays on its account */
		assert_int_equal(r->hs.app[PARENT].nr_refs, m.parent_has);
	holds_fini(&r->hs); /* must cope with whatever is left */
	orders_run++;
}

static void every_order_from(enum event *order, unsigned n, const struct model *m, unsigned done)
{
	run_order(order, n);
	for (enum event e = 0; e < NR_EVENTS; e++) {
		struct model next = *m;

		if (done >> e & 1 || !possible(m, e))
			continue;
		/* only what `possible` asks about */
		next.parent_has &= e != PARENT_CLOSES && e != PARENT_DIES;
		next.parent_dead |= e == PARENT_DIES;
		next.attached |= e == CHILD_ATTACHES;
		next.child_has = (next.child_has || (e == CHILD_ADOPTS && m->hold_has)) && e != CHILD_CLOSES;
		next.hold_has &= e != CHILD_ADOPTS && e != END_HANGS_UP;
		next.child_dead |= e == CHILD_DIES;
		next.ended |= e == END_HANGS_UP;
		if (e == CHILD_ATTACHES && m->ended)
			next.attached = true;
		order[n] = e;
		every_order_from(order, n + 1, &next, done | 1u << e);
	}
}

static void in_every_order_the_last_one_closes(void **state)
{
	enum event order[NR_EVENTS];
	struct model m = { .parent_has = true, .hold_has = true };

	(void)state;
	every_order_from(order, 0, &m, 0);
	assert_true(orders_run > 500);
}

static void a_child_that_never_attaches_keeps_the_listener_until_it_ends(void **state)
{
	struct rig *r = rig_new();
	struct hold *h = listen_and_fork(r);

	(void)state;
	hold_app_gone(&r->hs, PARENT, UINT_MAX);
	assert_int_equal(r->left[PARENT][ID], 1);
	assert_int_equal(r->closed[ID], 0);
	hold_end(&r->hs, h);
	assert_int_equal(r->closed[ID], 1);
	hold_app_reset(&r->hs, PARENT);
	rig_end(r);
}

static void a_listener_made_after_the_fork_is_not_the_childs(void **state)
{
	struct rig *r = rig_new();
	struct hold *h = listen_and_fork(r);

	(void)state;
	assert_int_equal(hold_add(&r->hs, PARENT, COOKIE + 1, ID + 1), 0);
	assert_int_equal(hold_drop(&r->hs, PARENT, COOKIE + 1), 0);
	assert_int_equal(r->closed[ID + 1], 1);
	assert_true(hold_attach(&r->hs, 1234, CHILD));
	assert_int_equal(hold_adopt(&r->hs, CHILD, ID + 1, 1), -ENOENT);
	hold_end(&r->hs, h);
	hold_app_gone(&r->hs, PARENT, UINT_MAX);
	assert_int_equal(r->closed[ID], 1);
	rig_end(r);
}

static void a_stranger_adopts_nothing(void **state)
{
	struct rig *r = rig_new();
	struct hold *h = listen_and_fork(r);

	(void)state;
	assert_false(hold_attach(&r->hs, 4321, STRANGER));
	assert_int_equal(hold_adopt(&r->hs, STRANGER, ID, 1), -ENOENT);
	assert_true(hold_attach(&r->hs, 1234, CHILD));
	assert_false(hold_attach(&r->hs, 1234, STRANGER)); /* a token serves one process */
	assert_int_equal(hold_adopt(&r->hs, STRANGER, ID, 1), -ENOENT);
	hold_end(&r->hs, h);
	hold_app_gone(&r->hs, PARENT, UINT_MAX);
	rig_end(r);
}

/* nginx: the master forks a worker, and the worker, which has adopted nothing yet, forks again. */
static void a_grandchild_inherits_what_its_parent_had_not_adopted(void **state)
{
	struct rig *r = rig_new();
	struct hold *h = listen_and_fork(r), *h2;

	(void)state;
	assert_true(hold_attach(&r->hs, 1234, CHILD));
	h2 = hold_fork(&r->hs, CHILD, 99);
	hold_app_gone(&r->hs, PARENT, UINT_MAX);
	hold_app_gone(&r->hs, CHILD, UINT_MAX);
	hold_end(&r->hs, h);
	assert_int_equal(r->closed[ID], 0);
	assert_true(hold_attach(&r->hs, 99, GRANDCHILD));
	assert_int_equal(hold_adopt(&r->hs, GRANDCHILD, ID, 9), 0);
	hold_end(&r->hs, h2);
	assert_int_equal(r->closed[ID], 0);
	hold_app_gone(&r->hs, GRANDCHILD, UINT_MAX);
	assert_int_equal(r->closed[ID], 1);
	rig_end(r);
}

static struct hold *covering(struct rig *r, uint16_t parent, uint64_t born, uint64_t upto)
{
	struct cover *c = hold_covers(&r->hs, parent, born, upto, FLOW);

	return c != NULL ? c->hold : NULL;
}

static void a_flow_is_covered_by_forks_younger_than_itself(void **state)
{
	struct rig *r = rig_new();
	struct hold *first, *second;

	(void)state;
	assert_null(covering(r, PARENT, 0, 9));
	first = hold_fork(&r->hs, PARENT, 1);
	assert_ptr_equal(covering(r, PARENT, 0, 9), first);
	assert_null(covering(r, PARENT, 1, 9)); /* born after the first fork */
	second = hold_fork(&r->hs, PARENT, 2);
	assert_ptr_equal(covering(r, PARENT, 1, 9), second);
	assert_ptr_equal(covering(r, PARENT, 0, 1), first); /* closed before the second */
	hold_end(&r->hs, second);
	assert_null(covering(r, PARENT, 1, 9));
	assert_ptr_equal(covering(r, PARENT, 0, 9), first);
	hold_end(&r->hs, first);
	assert_null(covering(r, PARENT, 0, 9));
	rig_end(r);
}

static void what_a_child_gave_up_only_others_cover(void **state)
{
	struct rig *r = rig_new();
	struct hold *first = hold_fork(&r->hs, PARENT, 1), *second = hold_fork(&r->hs, PARENT, 2);

	(void)state;
	assert_int_equal(cover_give_up(&r->hs, hold_cover_of(second, PARENT, 0, FLOW), FLOW), 0);
	assert_int_equal(cover_give_up(&r->hs, LIST_FIRST(&second->covers), FLOW), 0); /* again */
	assert_null(hold_cover_of(second, PARENT, 0, FLOW));
	assert_non_null(hold_cover_of(second, PARENT, 0, FLOW + 1));
	assert_ptr_equal(covering(r, PARENT, 0, 9), first);
	hold_end(&r->hs, first);
	assert_null(covering(r, PARENT, 0, 9));
	hold_end(&r->hs, second);
	rig_end(r);
}

/* A forks B, which forks C before it touched anything of A's. */
static void a_grandchild_covers_what_its_parent_could_have_taken(void **state)
{
	struct rig *r = rig_new();
	struct hold *b = hold_fork(&r->hs, PARENT, 1), *c;

	(void)state;
	assert_true(hold_attach(&r->hs, 1, CHILD));
	assert_int_equal(cover_give_up(&r->hs, LIST_FIRST(&b->covers), FLOW + 1), 0);
	c = hold_fork(&r->hs, CHILD, 2);
	assert_int_equal(cover_give_up(&r->hs, LIST_FIRST(&b->covers), FLOW), 0);
	hold_app_gone(&r->hs, CHILD, UINT_MAX);
	hold_end(&r->hs, b);
	assert_ptr_equal(covering(r, PARENT, 0, 9), c);
	assert_non_null(hold_cover_of(c, PARENT, 0, FLOW));
	assert_null(hold_cover_of(c, PARENT, 0, FLOW + 1)); /* B had it itself when it forked */
	assert_non_null(hold_cover_of(c, CHILD, 0, FLOW));
	hold_app_gone(&r->hs, PARENT, UINT_MAX);
	hold_app_reset(&r->hs, PARENT);
	hold_app_reset(&r->hs, CHILD);
	assert_null(covering(r, PARENT, 0, 9));
	hold_end(&r->hs, c);
	assert_int_equal(r->hs.nr_holds, 0);
	rig_end(r);
}

/* The parent has forked again meanwhile: its youngest child covers most. */
static void a_grandchild_is_no_younger_than_its_parent(void **state)
{
	struct rig *r = rig_new();
	struct hold *b = hold_fork(&r->hs, PARENT, 1), *young = hold_fork(&r->hs, PARENT, 2), *c;

	(void)state;
	assert_true(hold_attach(&r->hs, 1, CHILD));
	c = hold_fork(&r->hs, CHILD, 3);
	assert_ptr_equal(covering(r, PARENT, 1, 9), young);
	hold_end(&r->hs, young);
	assert_null(covering(r, PARENT, 1, 9));
	hold_end(&r->hs, b);
	assert_ptr_equal(covering(r, PARENT, 0, 9), c);
	hold_end(&r->hs, c);
	rig_end(r);
}

static void a_hold_for_which_flows_wait_covers_nothing_once_it_ended(void **state)
{
	struct rig *r = rig_new();
	struct hold *h = listen_and_fork(r);
	unsigned burst = 2;

	(void)state;
	LIST_FIRST(&h->covers)->flows = 5;
	hold_app_gone(&r->hs, PARENT, UINT_MAX);
	hold_end(&r->hs, h);
	assert_int_equal(r->closed[ID], 1); /* listeners do not wait */
	assert_null(covering(r, PARENT, 0, 9));
	assert_ptr_equal(LIST_FIRST(&r->hs.ended), h);
	assert_ptr_equal(hold_release(&r->hs, h, &burst), LIST_FIRST(&h->covers));
	LIST_FIRST(&h->covers)->flows = COVER_NO_FLOWS;
	assert_null(hold_release(&r->hs, h, &burst));
	hold_app_reset(&r->hs, PARENT);
	rig_end(r);
}

static void too_many_forks_and_listeners_are_refused(void **state)
{
	struct rig *r = rig_new();
	unsigned listeners = 0, forks = 0;
	uint32_t refs;

	(void)state;
	while (listeners < 3000 && hold_add(&r->hs, PARENT, listeners, listeners) == 0)
		listeners++;
	refs = r->hs.nr_refs;
	assert_non_null(hold_fork(&r->hs, PARENT, 1)); /* 3000 more */
	refs = r->hs.nr_refs;
	assert_null(hold_fork(&r->hs, PARENT, 2));
	assert_int_equal(r->hs.nr_refs, refs); /* nothing stays of the attempt */
	for (unsigned i = 0; i < listeners; i++)
		assert_int_equal(r->closed[i], 0);
	hold_app_gone(&r->hs, PARENT, UINT_MAX);
	hold_end(&r->hs, LIST_FIRST(&r->hs.all));
	for (unsigned i = 0; i < listeners; i++)
		assert_int_equal(r->closed[i], 1);
	while (hold_fork(&r->hs, CHILD, forks) != NULL)
		forks++;
	assert_int_equal(forks, HOLDS_APP_MAX);
	holds_fini(&r->hs);
}

static void a_fork_that_is_refused_copies_nothing_first(void **state)
{
	struct rig *r = rig_new();
	unsigned before;

	(void)state;
	for (unsigned i = 0; i <= HOLD_REFS_APP_MAX / 2; i++)
		assert_int_equal(hold_add(&r->hs, PARENT, i, i), 0);
	before = mallocs;
	assert_null(hold_fork(&r->hs, PARENT, 1));
	assert_int_equal(mallocs, before);
	assert_int_equal(hold_drop(&r->hs, PARENT, 0), 0);
	assert_non_null(hold_fork(&r->hs, PARENT, 1));
	holds_fini(&r->hs);
}

/* What the child of a child has to remember of its grandparent's flows is copied for it. */
static void what_a_fork_copies_of_flows_is_bounded(void **state)
{
	struct rig *r = rig_new();
	struct hold *b = hold_fork(&r->hs, PARENT, 1), *c;
	unsigned gone = 0, before;

	(void)state;
	assert_true(hold_attach(&r->hs, 1, CHILD));
	for (; gone < HOLD_COPIES_MAX - 2; gone++)
		assert_int_equal(cover_give_up(&r->hs, LIST_FIRST(&b->covers), gone), 0);
	c = hold_fork(&r->hs, CHILD, 2);
	assert_non_null(c);
	assert_int_equal(c->nr_covers, gone + 2);
	assert_int_equal(r->users.taken[SHARE_COVERS], b->nr_covers + c->nr_covers);
	assert_int_equal(cover_give_up(&r->hs, LIST_FIRST(&b->covers), gone), 0);
	before = mallocs;
	assert_null(hold_fork(&r->hs, CHILD, 3));
	assert_int_equal(mallocs, before);
	holds_fini(&r->hs);
	assert_int_equal(r->users.taken[SHARE_COVERS], 0);
}

static void a_user_leaves_memory_for_flows_of_forks_to_others(void **state)
{
	struct rig *r = rig_new();
	struct hold *mine, *other;
	unsigned gone = 0;

	(void)state;
	users_limit(&r->users, SHARE_COVERS, 1000);
	r->hs.app[PARENT].user = 1000;
	r->hs.app[STRANGER].user = 1001;
	mine = hold_fork(&r->hs, PARENT, 1);
	while (cover_give_up(&r->hs, LIST_FIRST(&mine->covers), gone) == 0)
		gone++;
	assert_int_equal(gone, 749);
	assert_int_equal(cover_give_up(&r->hs, LIST_FIRST(&mine->covers), gone), -ENOSPC);
	assert_int_equal(cover_give_up(&r->hs, LIST_FIRST(&mine->covers), 0), 0); /* is there already */
	assert_null(hold_fork(&r->hs, PARENT, 2));
	other = hold_fork(&r->hs, STRANGER, 3);
	assert_int_equal(cover_give_up(&r->hs, LIST_FIRST(&other->covers), 1), 0);
	holds_fini(&r->hs);
	assert_true(RB_EMPTY(&r->users.tree));
}

static void a_user_leaves_listeners_to_others(void **state)
{
	struct rig *r = rig_new();
	struct hold *h;

	(void)state;
	users_limit(&r->users, SHARE_LISTENERS, 16);
	r->hs.app[PARENT].user = 1000;
	r->hs.app[STRANGER].user = 1001;
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(hold_add(&r->hs, PARENT, i, i), 0);
	assert_null(hold_fork(&r->hs, PARENT, 1)); /* would be 14 of 16 */
	assert_int_equal(hold_drop(&r->hs, PARENT, 6), 0);
	h = hold_fork(&r->hs, PARENT, 1);
	assert_int_equal(hold_add(&r->hs, PARENT, 100, 100), -ENOSPC);
	assert_int_equal(hold_add(&r->hs, STRANGER, 100, 100), 0);
	hold_end(&r->hs, h);
	assert_int_equal(hold_add(&r->hs, PARENT, 101, 101), 0);
	holds_fini(&r->hs);
	assert_true(RB_EMPTY(&r->users.tree));
}

/* nginx: the master is root, a worker is not. */
static void a_listener_counts_for_the_user_who_adopts_it(void **state)
{
	struct rig *r = rig_new();
	struct hold *h;

	(void)state;
	r->hs.app[CHILD].user = 1000;
	h = listen_and_fork(r);
	assert_true(hold_attach(&r->hs, 1234, CHILD));
	assert_int_equal(hold_adopt(&r->hs, CHILD, ID, 5), 0);
	assert_int_equal(users_has(&r->users, 0, SHARE_LISTENERS), 1);
	assert_int_equal(users_has(&r->users, 1000, SHARE_LISTENERS), 1);
	hold_end(&r->hs, h);
	hold_app_gone(&r->hs, PARENT, UINT_MAX);
	hold_app_gone(&r->hs, CHILD, UINT_MAX);
	rig_end(r);
}

static void a_large_hold_goes_step_by_step(void **state)
{
	struct rig *r = rig_new();
	struct hold *h = hold_fork(&r->hs, PARENT, 1);
	unsigned burst, steps = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(cover_give_up(&r->hs, LIST_FIRST(&h->covers), i), 0);
	hold_end(&r->hs, h);
	for (; r->hs.nr_holds > 0; steps++) {
		uint64_t before = r->users.taken[SHARE_COVERS];

		burst = 100;
		assert_ptr_equal(LIST_FIRST(&r->hs.ended), h);
		assert_null(hold_release(&r->hs, h, &burst));
		assert_int_equal(before - r->users.taken[SHARE_COVERS], 100 - burst);
	}
	assert_in_range(steps, (1000 - HOLD_BURST) / 100, 1000 / 100);
	rig_end(r);
}

static void the_listeners_of_the_dead_are_dropped_step_by_step(void **state)
{
	struct rig *r = rig_new();
	unsigned closed = 0;

	(void)state;
	for (unsigned i = 0; i < 25; i++)
		assert_int_equal(hold_add(&r->hs, PARENT, i, i), 0);
	assert_int_equal(hold_app_gone(&r->hs, PARENT, 10), 10);
	assert_int_equal(hold_app_gone(&r->hs, PARENT, 10), 10);
	for (unsigned i = 0; i < 25; i++)
		closed += r->closed[i];
	assert_int_equal(closed, 20);
	assert_int_equal(hold_app_gone(&r->hs, PARENT, 10), 5);
	rig_end(r);
}

/* Processes that fork, leave the children's ends to somebody, die, and come again. */
static void a_user_does_not_gather_holds_of_the_dead(void **state)
{
	struct rig *r = rig_new();
	struct hold *h;
	unsigned forks = 0;

	(void)state;
	for (unsigned life = 0; life < 2 * HOLDS_MAX / HOLDS_APP_MAX; life++) {
		r->hs.app[PARENT].user = 1000;
		for (unsigned i = 0; i < HOLDS_APP_MAX / 2; i++)
			forks += hold_fork(&r->hs, PARENT, i) != NULL;
		hold_app_gone(&r->hs, PARENT, UINT_MAX);
		hold_app_reset(&r->hs, PARENT);
	}
	assert_int_equal(forks, HOLDS_MAX * 3 / 4);
	r->hs.app[PARENT].user = 1000;
	r->hs.app[CHILD].user = 1001;
	assert_non_null(hold_fork(&r->hs, CHILD, 1)); /* others are not concerned */
	assert_null(hold_fork(&r->hs, PARENT, 1));
	h = LIST_FIRST(&r->hs.all);
	while (h->user != 1000)
		h = LIST_NEXT(h, all);
	hold_end(&r->hs, h);
	assert_non_null(hold_fork(&r->hs, PARENT, 1));
	while ((h = LIST_FIRST(&r->hs.all)) != NULL)
		hold_end(&r->hs, h);
	rig_end(r);
}

/* Processes that do anything at any time; a count of holders for each listener is the model. */
static void random_families_close_each_listener_once(void **state)
{
	struct tas_rand rand;

	(void)state;
	for (unsigned seed = 0; seed < 200; seed++) {
		struct rig *r = rig_new();
		struct hold *live[64];
		unsigned nr_live = 0, next_id = 0;
		bool attached[APPS_MAX] = { [0] = true, [1] = true };

		rand_seed(&rand, seed);
		for (unsigned step = 0; step < 500; step++) {
			uint16_t app = (uint16_t)rand_below(&rand, APPS_MAX);
			uint32_t cookie = rand_below(&rand, 8), what = rand_below(&rand, 7);

			if (what == 0 && attached[app] && next_id < IDS_MAX)
				next_id += hold_add(&r->hs, app, cookie, next_id) == 0;
			else if (what == 1 && attached[app])
				hold_drop(&r->hs, app, cookie);
			else if (what == 2 && attached[app] && nr_live < ARRAY_LEN(live))
				live[nr_live++] = hold_fork(&r->hs, app, step);
			else if (what == 3 && nr_live > 0 && !attached[app])
				attached[app] = hold_attach(&r->hs, live[rand_below(&rand, nr_live)]->token,
					app);
			else if (what == 4 && attached[app] && next_id > 0)
				hold_adopt(&r->hs, app, rand_below(&rand, next_id), cookie);
			else if (what == 5 && nr_live > 0) {
				unsigned i = rand_below(&rand, nr_live);

				hold_end(&r->hs, live[i]);
				live[i] = live[--nr_live];
			} else if (what == 6 && attached[app] && rand_chance_ppm(&rand, 300000)) {
				hold_app_gone(&r->hs, app, UINT_MAX);
				hold_app_reset(&r->hs, app);
				attached[app] = false;
			}
		}
		for (uint16_t app = 0; app < APPS_MAX; app++)
			hold_app_gone(&r->hs, app, UINT_MAX);
		while (nr_live > 0)
			hold_end(&r->hs, live[--nr_live]);
		for (unsigned i = 0; i < next_id; i++)
			assert_int_equal(r->closed[i], 1);
		for (uint16_t app = 0; app < APPS_MAX; app++)
			assert_int_equal(r->hs.app[app].nr_refs, 0);
		rig_end(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_fork_the_owner_closes),
		cmocka_unit_test(a_cookie_names_one_listener_of_a_process),
		cmocka_unit_test(in_every_order_the_last_one_closes),
		cmocka_unit_test(a_child_that_never_attaches_keeps_the_listener_until_it_ends),
		cmocka_unit_test(a_listener_made_after_the_fork_is_not_the_childs),
		cmocka_unit_test(a_stranger_adopts_nothing),
		cmocka_unit_test(a_grandchild_inherits_what_its_parent_had_not_adopted),
		cmocka_unit_test(a_flow_is_covered_by_forks_younger_than_itself),
		cmocka_unit_test(what_a_child_gave_up_only_others_cover),
		cmocka_unit_test(a_grandchild_covers_what_its_parent_could_have_taken),
		cmocka_unit_test(a_grandchild_is_no_younger_than_its_parent),
		cmocka_unit_test(a_hold_for_which_flows_wait_covers_nothing_once_it_ended),
		cmocka_unit_test(too_many_forks_and_listeners_are_refused),
		cmocka_unit_test(a_fork_that_is_refused_copies_nothing_first),
		cmocka_unit_test(what_a_fork_copies_of_flows_is_bounded),
		cmocka_unit_test(a_user_leaves_memory_for_flows_of_forks_to_others),
		cmocka_unit_test(a_user_leaves_listeners_to_others),
		cmocka_unit_test(a_listener_counts_for_the_user_who_adopts_it),
		cmocka_unit_test(a_large_hold_goes_step_by_step),
		cmocka_unit_test(the_listeners_of_the_dead_are_dropped_step_by_step),
		cmocka_unit_test(a_user_does_not_gather_holds_of_the_dead),
		cmocka_unit_test(random_families_close_each_listener_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
