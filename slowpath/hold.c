/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/hold.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"

#define NOBODY UINT16_MAX /* APP_NONE, which this file needs no data path for */

static int ref_cmp(const struct hold_ref *a, const struct hold_ref *b)
{
	return (a->key > b->key) - (a->key < b->key);
}

/* cppcheck-suppress unknownMacro ; libbsd's */
RB_GENERATE_INTERNAL(hold_refs, hold_ref, link, ref_cmp, TAS_UNUSED static)

static int object_cmp(const struct hold_object *a, const struct hold_object *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

RB_GENERATE_INTERNAL(hold_objects, hold_object, link, object_cmp, TAS_UNUSED static)

static struct hold_ref *ref_find(const struct hold_refs *refs, uint64_t key)
{
	struct hold_ref like = { .key = key };

	return RB_FIND(hold_refs, (struct hold_refs *)(uintptr_t)refs, &like);
}

static int gone_cmp(const struct cover_gone *a, const struct cover_gone *b)
{
	return (a->key > b->key) - (a->key < b->key);
}

/* cppcheck-suppress unknownMacro ; libbsd's */
RB_GENERATE_INTERNAL(cover_gones, cover_gone, link, gone_cmp, TAS_UNUSED static)

/* On the account of `user`. */
static bool ref_make(struct holds *hs, uid_t user, struct hold_refs *refs, uint64_t key,
	struct hold_object *object)
{
	struct hold_ref *ref = malloc(sizeof(*ref));

	if (ref == NULL || !users_take(hs->users, user, SHARE_LISTENERS, 1)) {
		free(ref);
		return false;
	}
	*ref = (struct hold_ref){ .key = key, .object = object };
	object->holders++;
	hs->nr_refs++;
	TAS_ASSERT(RB_INSERT(hold_refs, refs, ref) == NULL);
	return true;
}

/* `app` is told that it left, unless it is NOBODY; the last one out closes. */
static void ref_free(struct holds *hs, uid_t user, struct hold_refs *refs, struct hold_ref *ref, uint16_t app)
{
	struct hold_object *object = ref->object;

	RB_REMOVE(hold_refs, refs, ref);
	free(ref);
	hs->nr_refs--;
	users_give(hs->users, user, SHARE_LISTENERS, 1);
	TAS_ASSERT(object->holders > 0);
	object->holders--;
	if (app != NOBODY)
		hs->left(hs->arg, app, object->id);
	if (object->holders == 0) {
		RB_REMOVE(hold_objects, &hs->objects, object);
		hs->closed(hs->arg, object->id);
		free(object);
	}
}

static void refs_free(struct holds *hs, uid_t user, struct hold_refs *refs)
{
	while (!RB_EMPTY(refs))
		ref_free(hs, user, refs, RB_MIN(hold_refs, refs), NOBODY);
}

int holds_init(struct holds *hs, uint32_t apps_max)
{
	hs->app = calloc(apps_max, sizeof(*hs->app));
	hs->apps_max = apps_max;
	hs->nr_holds = hs->nr_refs = 0;
	users_limit(hs->users, SHARE_HOLDS, HOLDS_MAX);
	users_limit(hs->users, SHARE_LISTENERS, HOLD_REFS_MAX);
	users_limit(hs->users, SHARE_COVERS, COVERS_MAX);
	RB_INIT(&hs->objects);
	LIST_INIT(&hs->all);
	LIST_INIT(&hs->ended);
	return hs->app != NULL ? 0 : -ENOMEM;
}

static void ignore_left(void *arg TAS_UNUSED, uint16_t app TAS_UNUSED, uint64_t id TAS_UNUSED) {}
static void ignore_closed(void *arg TAS_UNUSED, uint64_t id TAS_UNUSED) {}

static void uncover(struct holds *hs, struct hold *h)
{
	h->nr_covers--;
	users_give(hs->users, h->user, SHARE_COVERS, 1);
}

/* False if the burst was used up before. */
static bool cover_free(struct holds *hs, struct cover *c, unsigned *burst)
{
	struct cover_gone *g;

	for (; *burst > 0 && (g = RB_ROOT(&c->gone)) != NULL; --*burst) {
		RB_REMOVE(cover_gones, &c->gone, g);
		free(g);
		c->nr_gone--;
		uncover(hs, c->hold);
	}
	if (*burst == 0)
		return false;
	--*burst;
	LIST_REMOVE(c, others);
	uncover(hs, c->hold);
	free(c);
	return true;
}

static void covers_free(struct holds *hs, struct hold *h)
{
	unsigned all = UINT_MAX;

	while (!LIST_EMPTY(&h->covers))
		cover_free(hs, LIST_FIRST(&h->covers), &all);
}

static void holds_free(struct holds *hs, struct hold_list *list)
{
	struct hold *h, *next;

	LIST_FOREACH_SAFE(h, list, all, next) {
		refs_free(hs, h->user, &h->refs);
		users_give(hs->users, h->user, SHARE_HOLDS, 1);
		covers_free(hs, h);
		free(h);
	}
}

void holds_fini(struct holds *hs)
{
	if (hs->app == NULL)
		return;
	hs->left = ignore_left;
	hs->closed = ignore_closed;
	for (uint32_t i = 0; i < hs->apps_max; i++)
		refs_free(hs, hs->app[i].user, &hs->app[i].refs);
	holds_free(hs, &hs->all);
	holds_free(hs, &hs->ended);
	TAS_ASSERT(hs->nr_refs == 0);
	free(hs->app);
	hs->app = NULL;
}

int hold_may_add(const struct holds *hs, uint16_t app, uint32_t cookie)
{
	const struct hold_app *a = &hs->app[app];

	if (ref_find(&a->refs, cookie) != NULL)
		return -EEXIST;
	return a->nr_refs < HOLD_REFS_APP_MAX && users_may_take(hs->users, a->user, SHARE_LISTENERS, 1)
		? 0
		: -ENOSPC;
}

static struct hold_object *object_of(const struct holds *hs, uint64_t id)
{
	struct hold_object like = { .id = id };

	return RB_FIND(hold_objects, (struct hold_objects *)(uintptr_t)&hs->objects, &like);
}

bool hold_knows(const struct holds *hs, uint64_t id) { return object_of(hs, id) != NULL; }

int hold_add(struct holds *hs, uint16_t app, uint32_t cookie, uint64_t id)
{
	struct hold_app *a = &hs->app[app];
	int error = hold_may_add(hs, app, cookie);
	struct hold_object *object, *fresh = NULL;

	if (error != 0)
		return error;
	object = object_of(hs, id);
	if (object == NULL)
		object = fresh = calloc(1, sizeof(*object));
	if (object == NULL)
		return -ENOMEM;
	object->id = id;
	if (!ref_make(hs, a->user, &a->refs, cookie, object)) {
		free(fresh);
		return -ENOMEM;
	}
	if (fresh != NULL)
		RB_INSERT(hold_objects, &hs->objects, fresh);
	a->nr_refs++;
	a->nr_own++;
	return 0;
}

bool hold_find(const struct holds *hs, uint16_t app, uint32_t cookie, uint64_t *id)
{
	struct hold_ref *ref = ref_find(&hs->app[app].refs, cookie);

	if (ref != NULL)
		*id = ref->object->id;
	return ref != NULL;
}

int hold_drop(struct holds *hs, uint16_t app, uint32_t cookie)
{
	struct hold_app *a = &hs->app[app];
	struct hold_ref *ref = ref_find(&a->refs, cookie);

	if (ref == NULL)
		return -ENOENT;
	a->nr_refs--;
	a->nr_own--;
	ref_free(hs, a->user, &a->refs, ref, app);
	return 0;
}

/* The hold has each of these listeners, once. */
static bool copy_refs(struct holds *hs, struct hold *h, const struct hold_refs *from)
{
	struct hold_ref *ref;

	RB_FOREACH(ref, hold_refs, (struct hold_refs *)(uintptr_t)from)
	{
		if (ref_find(&h->refs, ref->object->id) != NULL)
			continue;
		if (!ref_make(hs, h->user, &h->refs, ref->object->id, ref->object))
			return false;
		h->nr_refs++;
	}
	return true;
}

static bool inherit(struct holds *hs, struct hold *h, const struct hold_app *parent)
{
	return copy_refs(hs, h, &parent->refs) &&
		(parent->from == NULL || copy_refs(hs, h, &parent->from->refs));
}

/* --- covers --- */

int cover_give_up(struct holds *hs, struct cover *c, uint64_t key)
{
	struct cover_gone *g, like = { .key = key };

	if (RB_FIND(cover_gones, &c->gone, &like) != NULL)
		return 0;
	g = malloc(sizeof(*g));
	if (g == NULL)
		return -ENOMEM;
	if (!users_take(hs->users, c->hold->user, SHARE_COVERS, 1)) {
		free(g);
		return -ENOSPC;
	}
	g->key = key;
	RB_INSERT(cover_gones, &c->gone, g);
	c->nr_gone++;
	c->hold->nr_covers++;
	return 0;
}

static struct cover *cover_make(struct holds *hs, struct hold *h, uint16_t parent, uint64_t number)
{
	struct cover *c = malloc(sizeof(*c));

	if (c == NULL || !users_take(hs->users, h->user, SHARE_COVERS, 1)) {
		free(c);
		return NULL;
	}
	*c = (struct cover){ .hold = h, .number = number, .flows = COVER_NO_FLOWS, .parent = parent };
	h->nr_covers++;
	return c;
}

/* What the hold's parent might still take over itself. */
static bool cover_copy(struct holds *hs, struct hold *h, struct cover *of)
{
	struct cover *c = cover_make(hs, h, of->parent, of->number);
	struct cover_gone *g;

	if (c == NULL)
		return false;
	LIST_INSERT_AFTER(of, c, siblings); /* as old as that one */
	LIST_INSERT_AFTER(LIST_FIRST(&h->covers), c, others);
	RB_FOREACH(g, cover_gones, &of->gone)
	{
		if (cover_give_up(hs, c, g->key) != 0)
			return false;
	}
	return true;
}

static void covers_leave(struct hold *h)
{
	struct cover *c;

	LIST_FOREACH(c, &h->covers, others) {
		if (c->parent != NOBODY)
			LIST_REMOVE(c, siblings);
	}
}

/* What the parent has, and what it might still take over itself. */
static bool cover_all(struct holds *hs, struct hold *h, uint16_t parent)
{
	struct hold_app *a = &hs->app[parent];
	struct cover *c = cover_make(hs, h, parent, a->forks + 1);

	if (c == NULL)
		return false;
	LIST_INSERT_HEAD(&a->forked, c, siblings); /* the youngest */
	LIST_INSERT_HEAD(&h->covers, c, others);
	if (a->from == NULL)
		return true;
	LIST_FOREACH(c, &a->from->covers, others) {
		if (c->parent != NOBODY && !cover_copy(hs, h, c))
			return false;
	}
	return true;
}

/* Asked before anything is copied: who is refused may ask again at once. */
static bool may_fork(const struct holds *hs, const struct hold_app *a)
{
	uint32_t refs = a->nr_own + (a->from != NULL ? a->from->nr_refs : 0);
	uint32_t covers = 1 + (a->from != NULL ? a->from->nr_covers : 0);

	return a->nr_holds < HOLDS_APP_MAX && a->nr_refs + refs <= HOLD_REFS_APP_MAX &&
		refs + covers <= HOLD_COPIES_MAX && users_may_take(hs->users, a->user, SHARE_HOLDS, 1) &&
		users_may_take(hs->users, a->user, SHARE_COVERS, covers) &&
		(refs == 0 || users_may_take(hs->users, a->user, SHARE_LISTENERS, refs));
}

struct hold *hold_fork(struct holds *hs, uint16_t parent, uint64_t token)
{
	struct hold_app *a = &hs->app[parent];
	struct hold *h = may_fork(hs, a) ? malloc(sizeof(*h)) : NULL;

	if (h == NULL)
		return NULL;
	*h = (struct hold){ .token = token, .parent = parent, .child = NOBODY, .user = a->user };
	if (!inherit(hs, h, a) || !cover_all(hs, h, parent) ||
		!users_take(hs->users, h->user, SHARE_HOLDS, 1)) {
		refs_free(hs, h->user, &h->refs); /* the parent has them: none is closed by this */
		covers_leave(h);
		covers_free(hs, h);
		free(h);
		return NULL;
	}
	a->forks++;
	a->nr_refs += h->nr_refs;
	a->nr_holds++;
	hs->nr_holds++;
	LIST_INSERT_HEAD(&hs->all, h, all);
	return h;
}

/* Rare: once for each child that attaches. */
bool hold_attach(struct holds *hs, uint64_t token, uint16_t child)
{
	struct hold *h;

	LIST_FOREACH(h, &hs->all, all) {
		if (h->token != token || h->child != NOBODY)
			continue;
		h->child = child;
		hs->app[child].from = h;
		return true;
	}
	return false;
}

/* One reference fewer of a hold; the parent's account knows, if it still has one. */
static void uncount(struct holds *hs, struct hold *h, uint32_t refs)
{
	h->nr_refs -= refs;
	if (h->parent != NOBODY)
		hs->app[h->parent].nr_refs -= refs;
}

int hold_adopt(struct holds *hs, uint16_t child, uint64_t id, uint32_t cookie)
{
	struct hold_app *c = &hs->app[child];
	struct hold_ref *ref = c->from != NULL ? ref_find(&c->from->refs, id) : NULL;

	if (ref == NULL)
		return -ENOENT;
	if (ref_find(&c->refs, cookie) != NULL)
		return -EEXIST;
	if (c->nr_refs >= HOLD_REFS_APP_MAX)
		return -ENOSPC;
	if (!users_take(hs->users, c->user, SHARE_LISTENERS, 1)) /* who may be another than the parent's */
		return -ENOSPC;
	users_give(hs->users, c->from->user, SHARE_LISTENERS, 1);
	RB_REMOVE(hold_refs, &c->from->refs, ref);
	uncount(hs, c->from, 1);
	ref->key = cookie;
	RB_INSERT(hold_refs, &c->refs, ref);
	c->nr_refs++;
	c->nr_own++;
	return 0;
}

void hold_let_go(struct holds *hs, struct hold *h, uint64_t id)
{
	struct hold_ref *ref = ref_find(&h->refs, id);

	if (ref == NULL)
		return;
	uncount(hs, h, 1);
	ref_free(hs, h->user, &h->refs, ref, NOBODY);
}

void hold_end(struct holds *hs, struct hold *h)
{
	unsigned burst = HOLD_BURST;

	TAS_ASSERT(!h->ended);
	h->ended = true;
	if (h->child != NOBODY)
		hs->app[h->child].from = NULL;
	uncount(hs, h, h->nr_refs);
	covers_leave(h);
	if (h->parent != NOBODY)
		hs->app[h->parent].nr_holds--;
	LIST_REMOVE(h, all);
	LIST_INSERT_HEAD(&hs->ended, h, all);
	refs_free(hs, h->user, &h->refs);
	hold_release(hs, h, &burst);
}

struct cover *hold_release(struct holds *hs, struct hold *h, unsigned *burst)
{
	TAS_ASSERT(h->ended);
	while (!LIST_EMPTY(&h->covers)) {
		struct cover *c = LIST_FIRST(&h->covers);

		if (c->flows != COVER_NO_FLOWS)
			return c;
		if (!cover_free(hs, c, burst))
			return NULL;
	}
	LIST_REMOVE(h, all);
	hs->nr_holds--;
	users_give(hs->users, h->user, SHARE_HOLDS, 1);
	free(h);
	return NULL;
}

static bool keeps(const struct cover *c, uint64_t born, uint64_t key)
{
	struct cover_gone like = { .key = key };

	return c->number > born &&
		RB_FIND(cover_gones, (struct cover_gones *)(uintptr_t)&c->gone, &like) == NULL;
}

struct cover *hold_covers(const struct holds *hs, uint16_t parent, uint64_t born, uint64_t upto, uint64_t key)
{
	struct cover *c;

	LIST_FOREACH(c, &hs->app[parent].forked, siblings) {
		if (c->number <= born)
			return NULL;
		if (c->number <= upto && keeps(c, born, key))
			return c;
	}
	return NULL;
}

struct cover *hold_cover_of(const struct hold *h, uint16_t parent, uint64_t born, uint64_t key)
{
	struct cover *c;

	LIST_FOREACH(c, &h->covers, others) {
		if (c->parent == parent && keeps(c, born, key))
			return c;
	}
	return NULL;
}

unsigned hold_app_gone(struct holds *hs, uint16_t app, unsigned burst)
{
	struct hold_app *a = &hs->app[app];
	unsigned n = 0;

	if (a->from != NULL)
		a->from->child = NOBODY;
	a->from = NULL;
	for (; n < burst && !RB_EMPTY(&a->refs); n++) {
		a->nr_refs--;
		a->nr_own--;
		ref_free(hs, a->user, &a->refs, RB_MIN(hold_refs, &a->refs), app);
	}
	return n;
}

void hold_app_reset(struct holds *hs, uint16_t app)
{
	struct hold_app *a = &hs->app[app];

	TAS_ASSERT(RB_EMPTY(&a->refs) && a->from == NULL);
	while (!LIST_EMPTY(&a->forked)) {
		struct cover *c = LIST_FIRST(&a->forked);

		LIST_REMOVE(c, siblings);
		c->parent = NOBODY;
		if (c->hold->parent == app)
			c->hold->parent = NOBODY;
	}
	*a = (struct hold_app){ 0 };
}
