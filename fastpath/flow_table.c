/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/flow_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#include "fastpath/flow.h"
#include "include/base/assert.h"

enum { BULK_MAX = 32 };

struct flow_table {
	struct rte_hash *hash;
	uint64_t secret[FLOW_TABLE_SECRET_LEN / sizeof(uint64_t)];
};

/* NH of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway 1999), a universal hash: the sum of products of words
 * to each of which a secret one was added. Two different keys have the same sum for one secret in 2^64. What
 * a peer can choose is multiplied with each other, so that no set of differences keeps the sum for ever.
 * CRC32 only shrinks it to the size that rte_hash wants, and spreads it over all bits. */
static inline uint32_t hash_of(const struct flow_table *t, const struct flow_key *key)
{
	const uint64_t *s = t->secret;
	unsigned __int128 sum;

	sum = (unsigned __int128)(key->remote.q[1] + s[0]) * (key->ports_zone + s[1]);
	sum += (unsigned __int128)(key->remote.q[0] + s[2]) * (key->local.q[1] + s[3]);
	sum += (unsigned __int128)(key->local.q[0] + s[4]) * (key->zero + s[5]);
	return rte_hash_crc_8byte((uint64_t)sum, rte_hash_crc_8byte((uint64_t)(sum >> 64), 0));
}

uint32_t flow_table_hash(const struct flow_table *t, const struct flow_key *key) { return hash_of(t, key); }

/* rte_hash keeps a pointer per key; the id stands in it, one up, so that NULL means nothing. */
static inline void *id_to_data(uint32_t id) { return (void *)((uintptr_t)id + 1); }
static inline uint32_t data_to_id(const void *data) { return (uint32_t)((uintptr_t)data - 1); }

/* As rte_hash lays it out: keys with their data, aligned to 16; eight entries a bucket, and as many spare
 * buckets; a ring of the free keys, and one of those that wait for a grace period. */
uint64_t flow_table_bytes(uint32_t entries)
{
	uint64_t key = (sizeof(void *) + sizeof(struct flow_key) + 15) & ~15ull;
	uint64_t slots = pow2_at_least(entries), ring = pow2_at_least(entries + 2);

	return (entries + 1) * key + 2 * (slots / 8) * CACHE_LINE + ring * sizeof(uint32_t) +
		ring * 2 * sizeof(uint64_t);
}

static struct rte_hash *hash_create(const char *name, uint32_t entries, int numa_node,
	struct rte_rcu_qsbr *qsbr)
{
	struct rte_hash_parameters params = {
		.name = name,
		.entries = max_u32(entries, 64),
		.key_len = sizeof(struct flow_key),
		.socket_id = numa_node,
		/* the extendable table, because a cuckoo hash may else refuse keys before it is full */
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct rte_hash_rcu_config rcu = { .v = qsbr, .mode = RTE_HASH_QSBR_MODE_DQ };
	struct rte_hash *h = rte_hash_create(&params);

	if (h != NULL && qsbr != NULL && rte_hash_rcu_qsbr_add(h, &rcu) != 0) {
		rte_hash_free(h);
		return NULL;
	}
	return h;
}

struct flow_table *flow_table_create(const char *name, uint32_t entries, int numa_node,
	struct rte_rcu_qsbr *qsbr, const uint8_t secret[FLOW_TABLE_SECRET_LEN])
{
	struct flow_table *t = rte_zmalloc(name, sizeof(*t), CACHE_LINE);

	if (t == NULL)
		return NULL;
	memcpy(t->secret, secret, FLOW_TABLE_SECRET_LEN);
	t->hash = hash_create(name, entries, numa_node, qsbr);
	if (t->hash == NULL) {
		rte_free(t);
		return NULL;
	}
	return t;
}

void flow_table_free(struct flow_table *t)
{
	if (t == NULL)
		return;
	rte_hash_free(t->hash);
	rte_free(t);
}

int flow_table_add(struct flow_table *t, const struct flow_key *key, uint32_t id)
{
	uint32_t hash = hash_of(t, key);
	void *have;

	if (rte_hash_lookup_with_hash_data(t->hash, key, hash, &have) >= 0)
		return -EEXIST;
	return rte_hash_add_key_with_hash_data(t->hash, key, hash, id_to_data(id));
}

int flow_table_del(struct flow_table *t, const struct flow_key *key)
{
	return rte_hash_del_key_with_hash(t->hash, key, hash_of(t, key)) >= 0 ? 0 : -ENOENT;
}

uint32_t flow_table_find(const struct flow_table *t, const struct flow_key *key)
{
	void *data;

	return rte_hash_lookup_with_hash_data(t->hash, key, hash_of(t, key), &data) >= 0 ? data_to_id(data)
											 : FLOW_NONE;
}

void flow_table_find_bulk(const struct flow_table *t, const struct flow_key *const *keys, uint32_t n,
	uint32_t *ids)
{
	void *data[BULK_MAX];
	hash_sig_t hash[BULK_MAX];
	uint64_t hits = 0;

	TAS_ASSERT(n > 0 && n <= BULK_MAX);
	for (uint32_t i = 0; i < n; i++)
		hash[i] = hash_of(t, keys[i]);
	rte_hash_lookup_with_hash_bulk_data(t->hash, (const void **)(uintptr_t)keys, hash, n, &hits, data);
	for (uint32_t i = 0; i < n; i++)
		ids[i] = hits & (1ull << i) ? data_to_id(data[i]) : FLOW_NONE;
}
