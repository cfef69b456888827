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

int ports_choose(struct ports *p, struct flow_key *key, ports_in_use_fn *in_use, void *arg)
{
	uint32_t range = p->high - p->low + 1u, *counter;
	uint64_t hash;

	key->local_port = 0;
	hash = siphash_2_4(&p->key, key, sizeof(*key));
	counter = &p->counter[hash % PORTS_COUNTERS];
	for (uint32_t tries = 0; tries < range; tries++) {
		uint32_t at = (uint32_t)(((hash >> 32) + *counter) % range);

		*counter = (*counter + 1) % range;
		key->local_port = htobe16((uint16_t)(p->low + at));
		if (!in_use(arg, key))
			return 0;
	}
	key->local_port = 0;
	return -EADDRNOTAVAIL;
}
