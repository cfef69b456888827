/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/cost.h"

#include "include/base/compiler.h"

enum { ROOT = 0 };

void cost_begin(struct cost *c)
{
	c->pass++;
	c->left = COST_PASS;
}

/* What a user spent and is not forgiven yet. */
static uint64_t spent(const struct cost *c, const struct user *u)
{
	uint64_t forgiven = (c->pass - u->cost_pass) * COST_FORGIVEN;

	return u->cost > forgiven ? u->cost - forgiven : 0;
}

uint32_t cost_left(const struct cost *c, uid_t uid)
{
	const struct user *u = uid != ROOT ? users_find(c->users, uid) : NULL;
	uint64_t gone = u != NULL ? spent(c, u) : 0;

	if (uid == ROOT)
		return c->left;
	return gone < COST_USER ? min_u32(c->left, COST_USER - (uint32_t)gone) : 0;
}

bool cost_may(const struct cost *c, uid_t uid) { return cost_left(c, uid) > 0; }

void cost_spend(struct cost *c, uid_t uid, uint64_t units)
{
	struct user *u = users_find(c->users, uid);

	c->spent += units;
	c->left -= (uint32_t)min_u64(units, c->left);
	if (u == NULL) /* it has nothing any more */
		return;
	u->cost = spent(c, u) + units;
	u->cost_pass = c->pass;
}
