/* SPDX-License-Identifier: BSD-3-Clause */
/* test_flow_table.c - keys to flow ids, one by one and in batches, up to the last entry. */
#include "fastpath/flow_table.h"

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fastpath/flow.h"
#include "include/base/rand.h"
#include "tests/unit/eal_rig.h"

enum { ENTRIES = 1000 };

static struct flow_key key_of(uint32_t i)
{
	return (struct flow_key){
		.local = addr_v4(htobe32(0x0a000001)),
		.remote = addr_v4(htobe32(0x0a000000 + i / 256)),
		.local_port = htobe16(80),
		.remote_port = htobe16((uint16_t)(1024 + i % 256)),
	};
}

static const uint8_t secret[FLOW_TABLE_SECRET_LEN] = "forty-eight bytes that nobody outside can guess";

struct rig {
	struct rte_rcu_qsbr *qsbr;
	struct flow_table *table;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	size_t size = (rte_rcu_qsbr_get_memsize(1) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;

	r->qsbr = aligned_alloc(CACHE_LINE, size);
	rte_rcu_qsbr_init(r->qsbr, 1);
	rte_rcu_qsbr_thread_register(r->qsbr, 0);
	rte_rcu_qsbr_thread_online(r->qsbr, 0);
	r->table = flow_table_create("test_flows", ENTRIES, SOCKET_ID_ANY, r->qsbr, secret);
	*state = r;
	return r->table == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	flow_table_free(r->table);
	free(r->qsbr);
	free(r);
	return 0;
}

static void every_configured_entry_fits_and_is_found(void **state)
{
	struct rig *r = *state;

	for (uint32_t i = 0; i < ENTRIES; i++) {
		struct flow_key k = key_of(i);

		assert_int_equal(flow_table_add(r->table, &k, i), 0);
	}
	for (uint32_t i = 0; i < ENTRIES; i++) {
		struct flow_key k = key_of(i);

		assert_int_equal(flow_table_find(r->table, &k), i);
	}
}

static void a_key_has_one_flow(void **state)
{
	struct rig *r = *state;
	struct flow_key k = key_of(5);

	assert_int_equal(flow_table_add(r->table, &k, 17), 0);
	assert_int_equal(flow_table_add(r->table, &k, 18), -EEXIST);
	assert_int_equal(flow_table_find(r->table, &k), 17);
}

static void a_removed_key_is_gone_and_can_come_again(void **state)
{
	struct rig *r = *state;

	for (uint32_t round = 0; round < 5 * ENTRIES; round++) {
		struct flow_key k = key_of(round % 7);

		assert_int_equal(flow_table_add(r->table, &k, round), 0);
		assert_int_equal(flow_table_find(r->table, &k), round);
		assert_int_equal(flow_table_del(r->table, &k), 0);
		assert_int_equal(flow_table_find(r->table, &k), FLOW_NONE);
		assert_int_equal(flow_table_del(r->table, &k), -ENOENT);
		rte_rcu_qsbr_quiescent(r->qsbr, 0);
	}
}

static void a_batch_tells_known_from_unknown(void **state)
{
	struct rig *r = *state;
	struct flow_key keys[32];
	const struct flow_key *ptrs[32];
	uint32_t ids[32];

	for (uint32_t i = 0; i < 32; i++) {
		keys[i] = key_of(i);
		ptrs[i] = &keys[i];
		if (i % 3 != 0)
			assert_int_equal(flow_table_add(r->table, &keys[i], 100 + i), 0);
	}
	for (uint32_t n = 1; n <= 32; n++) {
		flow_table_find_bulk(r->table, ptrs, n, ids);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(ids[i], i % 3 != 0 ? 100 + i : FLOW_NONE);
	}
}

/* --- the hash --- */

enum { BITS = 48, COLLIDING = 1 << 12 };

/* A key with these 48 bits, which a peer can choose, changed: of its address and port. */
static struct flow_key key_with(uint64_t change)
{
	struct flow_key k = key_of(0);

	k.remote.w[3] ^= (uint32_t)change;
	k.remote_port ^= (uint16_t)(change >> 32);
	return k;
}

/* What CRC32 makes of a change, the same for every key. */
static uint32_t crc_of(uint64_t change)
{
	struct flow_key k = key_with(change), none = key_with(0);

	return flow_key_hash(&k) ^ flow_key_hash(&none);
}

/* Changes that CRC32 does not see, found as anybody could: by elimination. Returns how many independent ones
 * there are. */
static unsigned blind_changes(uint64_t found[BITS])
{
	uint64_t pivot_change[32] = { 0 };
	uint32_t pivot_crc[32] = { 0 };
	unsigned n = 0;

	for (unsigned bit = 0; bit < BITS; bit++) {
		uint64_t change = 1ull << bit;
		uint32_t crc = crc_of(change);

		for (int top = 31; top >= 0 && crc != 0; top--) {
			if (!(crc >> top & 1))
				continue;
			if (pivot_crc[top] == 0) {
				pivot_crc[top] = crc;
				pivot_change[top] = change;
				break;
			}
			crc ^= pivot_crc[top];
			change ^= pivot_change[top];
		}
		if (crc == 0)
			found[n++] = change;
	}
	return n;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static unsigned different(uint32_t *v, unsigned n)
{
	unsigned distinct = 1;

	qsort(v, n, sizeof(*v), by_value);
	for (unsigned i = 1; i < n; i++)
		distinct += v[i] != v[i - 1];
	return distinct;
}

/* An attacker that fills a bucket makes every packet of it a walk along thousands of keys. */
static void keys_that_meet_without_the_secret_do_not_with_it(void **state)
{
	static uint32_t plain[COLLIDING], keyed[COLLIDING];
	struct rig *r = *state;
	uint64_t blind[BITS];

	assert_true(blind_changes(blind) >= 12);
	for (unsigned i = 0; i < COLLIDING; i++) {
		uint64_t change = 0;
		struct flow_key k;

		for (unsigned b = 0; b < 12; b++)
			change ^= i >> b & 1 ? blind[b] : 0;
		k = key_with(change);
		plain[i] = flow_key_hash(&k);
		keyed[i] = flow_table_hash(r->table, &k);
	}
	assert_int_equal(different(plain, COLLIDING), 1);
	assert_true(different(keyed, COLLIDING) > COLLIDING - 8);
}

/* The fullest of 4096 buckets, by these bits of the hash, of 65,536 keys. */
static unsigned fullest(struct flow_table *t, bool v6, unsigned shift, struct flow_key (*key)(uint32_t))
{
	static unsigned in[4096];
	unsigned most = 0;

	memset(in, 0, sizeof(in));
	for (uint32_t i = 0; i < 65536; i++) {
		struct flow_key k = key(i);
		unsigned b;

		if (v6)
			k.remote = (struct net_addr){ .q = { htobe64(0x20010db8ull << 32 | i / 256), i } };
		b = flow_table_hash(t, &k) >> shift & 4095;
		most = ++in[b] > most ? in[b] : most;
	}
	return most;
}

static struct flow_key next_port_of_one_host(uint32_t i)
{
	struct flow_key k = key_of(0);

	k.remote_port = htobe16((uint16_t)i);
	return k;
}

static struct flow_key next_host(uint32_t i)
{
	struct flow_key k = key_of(0);

	k.remote = addr_v4(htobe32(0x0b000000 + i));
	return k;
}

/* 16 in the mean; 44 in one of 4096 is a chance of one in a million. rte_hash takes the low bits for the
 * bucket, and tells its keys apart by the high ones. */
static void keys_that_follow_each_other_are_spread_whatever_the_secret(void **state)
{
	struct flow_key (*const key[])(uint32_t) = { key_of, next_port_of_one_host, next_host };
	struct tas_rand rand;

	(void)state;
	rand_seed(&rand, 1);
	for (unsigned round = 0; round < 8; round++) {
		uint8_t other[FLOW_TABLE_SECRET_LEN];
		struct flow_table *t;

		for (unsigned i = 0; i < sizeof(other); i++)
			other[i] = (uint8_t)rand_u64(&rand);
		t = flow_table_create("test_spread", ENTRIES, SOCKET_ID_ANY, NULL, other);
		assert_non_null(t);
		for (unsigned i = 0; i < 3; i++) {
			assert_in_range(fullest(t, false, 0, key[i]), 20, 44);
			assert_in_range(fullest(t, false, 16, key[i]), 20, 44);
			assert_in_range(fullest(t, true, 0, key[i]), 20, 44);
		}
		flow_table_free(t);
	}
}

static void every_part_of_the_key_and_the_secret_counts(void **state)
{
	struct rig *r = *state;
	uint8_t other[FLOW_TABLE_SECRET_LEN];
	struct flow_key k = key_of(7);
	uint32_t hash = flow_table_hash(r->table, &k);

	for (unsigned i = 0; i < sizeof(k) - sizeof(k.zero); i++) {
		struct flow_key d = k;

		((uint8_t *)&d)[i] ^= 1;
		assert_int_not_equal(flow_table_hash(r->table, &d), hash);
	}
	for (unsigned i = 0; i < sizeof(other); i++) {
		struct flow_table *t;

		memcpy(other, secret, sizeof(other));
		other[i] ^= 1;
		t = flow_table_create("test_other", ENTRIES, SOCKET_ID_ANY, NULL, other);
		assert_non_null(t);
		assert_int_not_equal(flow_table_hash(t, &k), hash);
		flow_table_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_configured_entry_fits_and_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(a_key_has_one_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(a_removed_key_is_gone_and_can_come_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_batch_tells_known_from_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_that_meet_without_the_secret_do_not_with_it, setup,
			teardown),
		cmocka_unit_test_setup_teardown(every_part_of_the_key_and_the_secret_counts, setup, teardown),
		cmocka_unit_test(keys_that_follow_each_other_are_spread_whatever_the_secret),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
