/* SPDX-License-Identifier: BSD-3-Clause */
/* test_flow_table.c - keys to flow ids, one by one and in batches, up to the last entry. */
#include "fastpath/flow_table.h"

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fastpath/flow.h"
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
	r->table = flow_table_create("test_flows", ENTRIES, SOCKET_ID_ANY, r->qsbr);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_configured_entry_fits_and_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(a_key_has_one_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(a_removed_key_is_gone_and_can_come_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_batch_tells_known_from_unknown, setup, teardown),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
