/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/hold.h"

#include <errno.h>
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

static bool ref_make(struct holds *hs, struct hold_refs *refs, uint64_t key, struct hold_object *object)
{
	struct hold_ref *ref = malloc(sizeof(*ref));

	if (ref == NULL)
		return false;
	*ref = (struct hold_ref){ .key = key, .object = object };
	object->holders++;
	hs->nr_refs++;
	TAS_ASSERT(RB_INSERT(hold_refs, refs, ref) == NULL);
	return true;
}

/* `app` is told that it left, unless it is NOBODY; the last one out closes. */
static void ref_free(struct holds *hs, struct hold_refs *refs, struct hold_ref *ref, uint16_t app)
{
	struct hold_object *object = ref->object;

	RB_REMOVE(hold_refs, refs, ref);
	free(ref);
	hs->nr_refs--;
	TAS_ASSERT(object->holders > 0);
	object->holders--;
	if (app != NOBODY)
		hs->left(hs->arg, app, object->id);
	if (object->holders == 0) {
		hs->closed(hs->arg, object->id);
		free(object);
	}
}

static void refs_free(struct holds *hs, struct hold_refs *refs, uint16_t app)
{
	while (!RB_EMPTY(refs))
		ref_free(hs, refs, RB_MIN(hold_refs, refs), app);
}

int holds_init(struct holds *hs, uint32_t apps_max)
{
	hs->app = calloc(apps_max, sizeof(*hs->app));
	hs->apps_max = apps_max;
	hs->nr_holds = hs->nr_refs = 0;
	users_limit(hs->users, SHARE_HOLDS, HOLDS_MAX);
	LIST_INIT(&hs->all);
	LIST_INIT(&hs->ended);
	return hs->app != NULL ? 0 : -ENOMEM;
}

static void ignore_left(void *arg TAS_UNUSED, uint16_t app TAS_UNUSED, uint64_t id TAS_UNUSED) {}
static void ignore_closed(void *arg TAS_UNUSED, uint64_t id TAS_UNUSED) {}

static void gones_free(struct cover_gones *gone)
{
	while (!RB_EMPTY(gone)) {
		struct cover_gone *g = RB_MIN(cover_gones, gone);

		RB_REMOVE(cover_gones, gone, g);
		free(g);
	}
}

/* With everything but its references. */
static void release(struct hold *h)
{
	while (!LIST_EMPTY(&h->covers)) {
		struct cover *c = LIST_FIRST(&h->covers);

		LIST_REMOVE(c, others);
		gones_free(&c->gone);
		free(c);
	}
	free(h);
}

static void holds_free(struct holds *hs, struct hold_list *list)
{
	struct hold *h, *next;

	LIST_FOREACH_SAFE(h, list, all, next) {
		refs_free(hs, &h->refs, NOBODY);
		users_give(hs->users, h->user, SHARE_HOLDS, 1);
		release(h);
	}
}

void holds_fini(struct holds *hs)
{
	if (hs->app == NULL)
		return;
	hs->left = ignore_left;
	hs->closed = ignore_closed;
	for (uint32_t i = 0; i < hs->apps_max; i++)
		refs_free(hs, &hs->app[i].refs, NOBODY);
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
	return a->nr_refs < HOLD_REFS_APP_MAX && hs->nr_refs < HOLD_REFS_MAX ? 0 : -ENOSPC;
}

static struct hold_object *object_in(const struct hold_refs *refs, uint64_t id)
{
	struct hold_ref *ref;

	RB_FOREACH(ref, hold_refs, (struct hold_refs *)(uintptr_t)refs)
	{
		if (ref->object->id == id)
			return ref->object;
	}
	return NULL;
}

static struct hold_object *object_of(const struct holds *hs, uint64_t id)
{
	struct hold_object *o = NULL;
	struct hold *h;

	for (uint32_t i = 0; o == NULL && i < hs->apps_max; i++)
		o = object_in(&hs->app[i].refs, id);
	LIST_FOREACH(h, &hs->all, all) {
		if (o == NULL)
			o = object_in(&h->refs, id);
	}
	return o;
}

bool hold_knows(const struct holds *hs, uint64_t id) { return object_of(hs, id) != NULL; }

int hold_add(struct holds *hs, uint16_t app, uint32_t cookie, uint64_t id)
{
	int error = hold_may_add(hs, app, cookie);
	struct hold_object *object, *fresh = NULL;

	if (error != 0)
		return error;
	object = id <= hs->last_id ? object_of(hs, id) : NULL; /* ids only grow */
	hs->last_id = max_u64(hs->last_id, id);
	if (object == NULL)
		object = fresh = calloc(1, sizeof(*object));
	if (object == NULL)
		return -ENOMEM;
	object->id = id;
	if (!ref_make(hs, &hs->app[app].refs, cookie, object)) {
		free(fresh);
		return -ENOMEM;
	}
	hs->app[app].nr_refs++;
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
	ref_free(hs, &a->refs, ref, app);
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
		if (hs->nr_refs >= HOLD_REFS_MAX || !ref_make(hs, &h->refs, ref->object->id, ref->object))
			return false;
		h->nr_refs++;
	}
	return true;
}

static bool inherit(struct holds *hs, struct hold *h, const struct hold_app *parent)
{
	return copy_refs(hs, h, &parent->refs) &&
		(parent->from == NULL || copy_refs(hs, h, &parent->from->refs)) &&
		parent->nr_refs + h->nr_refs <= HOLD_REFS_APP_MAX;
}

/* --- covers --- */

int cover_give_up(struct cover *c, uint64_t key)
{
	struct cover_gone *g = malloc(sizeof(*g));

	if (g == NULL)
		return -ENOMEM;
	g->key = key;
	if (RB_INSERT(cover_gones, &c->gone, g) != NULL)
		free(g);
	return 0;
}

static bool cover_add(struct holds *hs, struct hold *h, uint16_t parent, uint64_t number,
	const struct cover_gones *gone)
{
	struct cover_list *list = &hs->app[parent].forked;
	struct cover *c = malloc(sizeof(*c)), *at, *last = NULL;
	struct cover_gone *g;

	if (c == NULL)
		return false;
	*c = (struct cover){ .hold = h, .number = number, .flows = COVER_NO_FLOWS, .parent = parent };
	LIST_FOREACH(at, list, siblings) {
		if (at->number <= number)
			break;
		last = at;
	}
	if (last != NULL)
		LIST_INSERT_AFTER(last, c, siblings);
	else
		LIST_INSERT_HEAD(list, c, siblings);
	at = LIST_FIRST(&h->covers);
	if (at != NULL)
		LIST_INSERT_AFTER(at, c, others);
	else
		LIST_INSERT_HEAD(&h->covers, c, others);
	RB_FOREACH(g, cover_gones, (struct cover_gones *)(uintptr_t)gone)
	{
		if (cover_give_up(c, g->key) != 0)
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
	static const struct cover_gones none = RB_INITIALIZER(&none);
	const struct hold_app *a = &hs->app[parent];
	const struct cover *c;

	if (!cover_add(hs, h, parent, a->forks + 1, &none))
		return false;
	if (a->from == NULL)
		return true;
	LIST_FOREACH(c, &a->from->covers, others) {
		if (c->parent != NOBODY && !cover_add(hs, h, c->parent, c->number, &c->gone))
			return false;
	}
	return true;
}

struct hold *hold_fork(struct holds *hs, uint16_t parent, uint64_t token)
{
	struct hold_app *a = &hs->app[parent];
	struct hold *h = a->nr_holds < HOLDS_APP_MAX ? malloc(sizeof(*h)) : NULL;

	if (h == NULL)
		return NULL;
	*h = (struct hold){ .token = token, .parent = parent, .child = NOBODY, .user = a->user };
	if (!inherit(hs, h, a) || !cover_all(hs, h, parent) ||
		!users_take(hs->users, h->user, SHARE_HOLDS, 1)) {
		refs_free(hs, &h->refs, NOBODY); /* the parent has them: none is closed by this */
		covers_leave(h);
		release(h);
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
	RB_REMOVE(hold_refs, &c->from->refs, ref);
	uncount(hs, c->from, 1);
	ref->key = cookie;
	RB_INSERT(hold_refs, &c->refs, ref);
	c->nr_refs++;
	return 0;
}

struct cover *hold_waited_for(const struct hold *h)
{
	struct cover *c;

	LIST_FOREACH(c, &h->covers, others) {
		if (c->flows != COVER_NO_FLOWS)
			return c;
	}
	return NULL;
}

void hold_let_go(struct holds *hs, struct hold *h, uint64_t id)
{
	struct hold_ref *ref = ref_find(&h->refs, id);

	if (ref == NULL)
		return;
	uncount(hs, h, 1);
	ref_free(hs, &h->refs, ref, NOBODY);
}

void hold_end(struct holds *hs, struct hold *h)
{
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
	refs_free(hs, &h->refs, NOBODY);
	if (hold_waited_for(h) == NULL)
		hold_free(hs, h);
}

void hold_free(struct holds *hs, struct hold *h)
{
	TAS_ASSERT(h->ended && hold_waited_for(h) == NULL);
	LIST_REMOVE(h, all);
	hs->nr_holds--;
	users_give(hs->users, h->user, SHARE_HOLDS, 1);
	release(h);
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

void hold_app_gone(struct holds *hs, uint16_t app)
{
	struct hold_app *a = &hs->app[app];

	if (a->from != NULL)
		a->from->child = NOBODY;
	a->from = NULL;
	while (!RB_EMPTY(&a->refs)) {
		a->nr_refs--;
		ref_free(hs, &a->refs, RB_MIN(hold_refs, &a->refs), app);
	}
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
