/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/users.h"

#include <stdlib.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"

enum { ROOT = 0, TIMES = 3 }; /* what a user may have, by what none of them has */

static int user_cmp(const struct user *a, const struct user *b)
{
	return (a->uid > b->uid) - (a->uid < b->uid);
}

/* cppcheck-suppress unknownMacro ; libbsd's */
RB_GENERATE_INTERNAL(user_tree, user, link, user_cmp, TAS_UNUSED static)

void users_init(struct users *us)
{
	*us = (struct users){ 0 };
	RB_INIT(&us->tree);
}

static void user_free(struct users *us, struct user *u)
{
	RB_REMOVE(user_tree, &us->tree, u);
	free(u);
}

void users_fini(struct users *us)
{
	while (!RB_EMPTY(&us->tree))
		user_free(us, RB_ROOT(&us->tree));
}

void users_limit(struct users *us, enum user_share what, uint64_t max) { us->max[what] = max; }

struct user *users_find(const struct users *us, uid_t uid)
{
	struct user like = { .uid = uid };

	return RB_FIND(user_tree, (struct user_tree *)(uintptr_t)&us->tree, &like);
}

uint64_t users_has(const struct users *us, uid_t uid, enum user_share what)
{
	const struct user *u = users_find(us, uid);

	return u != NULL ? u->has[what] : 0;
}

bool users_may_take(const struct users *us, uid_t uid, enum user_share what, uint64_t n)
{
	uint64_t left = us->max[what] - us->taken[what], nobodys = left + us->roots[what];

	TAS_ASSERT(n > 0);
	if (n > left)
		return false;
	/* one after the other: this is about the last */
	return uid == ROOT || users_has(us, uid, what) + n - 1 < TIMES * (nobodys - (n - 1));
}

static struct user *user_have(struct users *us, uid_t uid)
{
	struct user *u = users_find(us, uid);

	if (u != NULL)
		return u;
	u = calloc(1, sizeof(*u));
	if (u != NULL) {
		u->uid = uid;
		RB_INSERT(user_tree, &us->tree, u);
	}
	return u;
}

bool users_take(struct users *us, uid_t uid, enum user_share what, uint64_t n)
{
	struct user *u = users_may_take(us, uid, what, n) ? user_have(us, uid) : NULL;

	if (u == NULL)
		return false;
	u->has[what] += n;
	u->sum += n;
	us->taken[what] += n;
	us->roots[what] += uid == ROOT ? n : 0;
	return true;
}

void users_give(struct users *us, uid_t uid, enum user_share what, uint64_t n)
{
	struct user *u = users_find(us, uid);

	if (n == 0)
		return;
	TAS_ASSERT(u != NULL && u->has[what] >= n && us->taken[what] >= n);
	u->has[what] -= n;
	u->sum -= n;
	us->taken[what] -= n;
	us->roots[what] -= uid == ROOT ? n : 0;
	if (u->sum == 0)
		user_free(us, u);
}
