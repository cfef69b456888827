/* SPDX-License-Identifier: BSD-3-Clause */
/* ports.c - offset = F(destination), counter = table[G(destination)]: F and G are halves of one hash. */
#include "slowpath/ports.h"

#include <endian.h>
#include <errno.h>

#include "include/base/assert.h"

void ports_init(struct ports *p, uint16_t low, uint16_t high, const uint8_t secret[PORTS_SECRET_LEN])
{
	TAS_ASSERT(low > 0 && low <= high);
	*p = (struct ports){ .key = siphash_key_of(secret), .low = low, .high = high };
}

/* The group of destinations to which the key's belongs is the hash modulo PORTS_COUNTERS. */
static uint64_t hash_of(const struct ports *p, const struct flow_key *key)
{
	struct flow_key k = *key;

	k.local_port = 0;
	return siphash_2_4(&p->key, &k, sizeof(k));
}

static void take(const struct ports *p, struct flow_key *key, uint32_t at)
{
	key->local_port = htobe16((uint16_t)(p->low + at));
}

/* The first that is free, else the first that may be used again; the range's length if there is none. */
static uint32_t search(const struct ports *p, struct flow_key *key, uint32_t first, ports_use_fn *use,
	void *arg)
{
	uint32_t range = p->high - p->low + 1u, again = range;

	for (uint32_t tries = 0; tries < range; tries++) {
		enum port_use is;

		take(p, key, (first + tries) % range);
		is = use(arg, key);
		if (is == PORT_FREE)
			return tries;
		if (is == PORT_REUSABLE && again == range)
			again = tries;
	}
	return again;
}

int ports_choose(struct ports *p, struct flow_key *key, ports_use_fn *use, void *arg, tas_ns now)
{
	uint32_t range = p->high - p->low + 1u, group, first, at = range;
	uint64_t hash = hash_of(p, key);

	group = hash % PORTS_COUNTERS;
	first = (uint32_t)(((hash >> 32) + p->counter[group]) % range);
	if (p->full_until[group] <= now)
		at = search(p, key, first, use, arg);
	if (at < range) {
		p->counter[group] = (p->counter[group] + at + 1) % range;
		take(p, key, (first + at) % range);
		return 0;
	}
	if (p->full_until[group] <= now)
		p->full_until[group] = p->all_until = now + PORTS_FULL_NS;
	key->local_port = 0;
	return -EADDRNOTAVAIL;
}

void ports_ended(struct ports *p, const struct flow_key *key, tas_ns now)
{
	if (p->all_until > now)
		p->full_until[hash_of(p, key) % PORTS_COUNTERS] = 0;
}
