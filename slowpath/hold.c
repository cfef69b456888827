/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/hold.h"

#include <errno.h>
#include <stdlib.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"

#define NOBODY UINT16_MAX /* APP_NONE, which this file needs no data path for */
#define NO_FLOWS UINT32_MAX

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
	LIST_INIT(&hs->all);
	LIST_INIT(&hs->ended);
	return hs->app != NULL ? 0 : -ENOMEM;
}

static void ignore_left(void *arg TAS_UNUSED, uint16_t app TAS_UNUSED, uint64_t id TAS_UNUSED) {}
static void ignore_closed(void *arg TAS_UNUSED, uint64_t id TAS_UNUSED) {}

static void holds_free(struct holds *hs, struct hold_list *list)
{
	struct hold *h, *next;

	LIST_FOREACH_SAFE(h, list, all, next) {
		refs_free(hs, &h->refs, NOBODY);
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

int hold_add(struct holds *hs, uint16_t app, uint32_t cookie, uint64_t id)
{
	int error = hold_may_add(hs, app, cookie);
	struct hold_object *object;

	if (error != 0)
		return error;
	object = malloc(sizeof(*object));
	if (object == NULL)
		return -ENOMEM;
	*object = (struct hold_object){ .id = id };
	if (!ref_make(hs, &hs->app[app].refs, cookie, object)) {
		free(object);
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

struct hold *hold_fork(struct holds *hs, uint16_t parent, uint64_t token)
{
	struct hold_app *a = &hs->app[parent];
	struct hold *h = a->nr_holds < HOLDS_APP_MAX ? malloc(sizeof(*h)) : NULL;

	if (h == NULL)
		return NULL;
	*h = (struct hold){ .token = token,
		.number = a->forks + 1,
		.parent = parent,
		.child = NOBODY,
		.flows = NO_FLOWS };
	if (!inherit(hs, h, a)) {
		refs_free(hs, &h->refs, NOBODY); /* the parent has them: none is closed by this */
		free(h);
		return NULL;
	}
	a->forks++;
	a->nr_refs += h->nr_refs;
	a->nr_holds++;
	hs->nr_holds++;
	LIST_INSERT_HEAD(&hs->all, h, all);
	LIST_INSERT_HEAD(&a->forked, h, siblings);
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

static void leave_parent(struct holds *hs, struct hold *h)
{
	if (h->parent == NOBODY)
		return;
	LIST_REMOVE(h, siblings);
	hs->app[h->parent].nr_holds--;
}

void hold_end(struct holds *hs, struct hold *h)
{
	TAS_ASSERT(!h->ended);
	h->ended = true;
	if (h->child != NOBODY)
		hs->app[h->child].from = NULL;
	uncount(hs, h, h->nr_refs);
	leave_parent(hs, h);
	LIST_REMOVE(h, all);
	LIST_INSERT_HEAD(&hs->ended, h, all);
	refs_free(hs, &h->refs, NOBODY);
	if (h->flows == NO_FLOWS)
		hold_free(hs, h);
}

void hold_free(struct holds *hs, struct hold *h)
{
	TAS_ASSERT(h->ended && h->flows == NO_FLOWS);
	LIST_REMOVE(h, all);
	hs->nr_holds--;
	free(h);
}

struct hold *hold_covers(const struct holds *hs, uint16_t parent, uint64_t born)
{
	struct hold *youngest = LIST_FIRST(&hs->app[parent].forked);

	return youngest != NULL && youngest->number > born ? youngest : NULL;
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
		struct hold *h = LIST_FIRST(&a->forked);

		leave_parent(hs, h);
		h->parent = NOBODY;
	}
	*a = (struct hold_app){ 0 };
}
