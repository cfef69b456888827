/* SPDX-License-Identifier: BSD-3-Clause */
/* challenge.c - the bound of a second is drawn by SipHash from its number. */
#include "slowpath/challenge.h"

struct challenge challenge_of(const uint8_t secret[CHALLENGE_SECRET_LEN])
{
	return (struct challenge){ .key = siphash_key_of(secret), .second = UINT64_MAX };
}

static uint32_t drawn(const struct challenge *c)
{
	uint32_t of = CHALLENGES_MOST - CHALLENGES_LEAST + 1;

	return CHALLENGES_LEAST + (uint32_t)(siphash_2_4(&c->key, &c->second, sizeof(c->second)) % of);
}

bool challenge_pass(struct challenge *c, tas_ns now)
{
	uint64_t second = now / NS_PER_SEC;

	if (c->second != second) {
		c->second = second;
		c->left = drawn(c);
	}
	if (c->left == 0)
		return false;
	c->left--;
	return true;
}
