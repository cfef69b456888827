/* SPDX-License-Identifier: BSD-3-Clause */
/* test_fp.c - what the data path takes at its start, and slots of flows, which come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <rte_malloc.h>

#include "fastpath/fastpath.h"
#include "tests/unit/eal_rig.h"

/* Bytes of DPDK's memory that are in use. */
static uint64_t taken(void)
{
	struct rte_malloc_socket_stats s;

	assert_int_equal(rte_malloc_get_socket_stats(0, &s), 0);
	return s.heap_allocsz_bytes;
}

static void what_is_reckoned_up_front_is_what_is_taken(void **state)
{
	static const struct fp_conf confs[] = {
		{ .cores = 1, .flows_max = 64, .apps_max = 1 },
		{ .cores = 1, .flows_max = 5000, .apps_max = 4096 },
		{ .cores = 1, .flows_max = 16383, .apps_max = 512 },
		{ .cores = 1, .flows_max = 16384, .apps_max = 512 },
		{ .cores = 2, .flows_max = 16385, .apps_max = 512 },
		{ .cores = 1, .flows_max = 40000, .apps_max = 512 },
		{ .cores = 64, .flows_max = 4000, .apps_max = 512 },
	};
	char err[256];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(confs); i++) {
		uint64_t before = taken(), reckoned = fp_memory_bytes(&confs[i]), bytes;
		struct fp_conf c = confs[i];
		struct port port = { .nb_rxq = (uint16_t)confs[i].cores };
		struct fastpath fp;

		c.name = "t";
		c.numa_node = -1;
		if (fp_create(&fp, &c, &port, NULL, NULL, err, sizeof(err)) != 0)
			fail_msg("%s", err);
		bytes = taken() - before;
		if (bytes * 100 > reckoned * 103 + (128 << 10) * 100 || reckoned > bytes + bytes / 33)
			fail_msg("%u flows, %u applications, %u cores: %lu bytes and not %lu", c.flows_max,
				c.apps_max, c.cores, bytes, reckoned);
		fp_destroy(&fp);
		assert_int_equal(taken(), before);
	}
}

static void too_little_memory_is_told_with_how_much_it_would_be(void **state)
{
	struct fp_conf c = { .cores = 1,
		.flows_max = 1 << 20,
		.apps_max = 512,
		.numa_node = -1,
		.name = "t" };
	struct port port = { 0 };
	struct fastpath fp;
	char err[256], amount[32];

	(void)state;
	assert_int_equal(fp_create(&fp, &c, &port, NULL, NULL, err, sizeof(err)), -ENOMEM);
	snprintf(amount, sizeof(amount), "take %lu MiB", fp_memory_bytes(&c) >> 20);
	assert_non_null(strstr(err, "flows_max=1048576"));
	assert_non_null(strstr(err, amount));
}

/* --- slots of flows: each comes back once, however many there are --- */

enum { SLOTS = 4000, BURST = 1024 };

static struct fastpath fp;

static int setup(void **state)
{
	struct fp_conf fc = { .cores = 1, .flows_max = SLOTS, .apps_max = 1, .numa_node = -1, .name = "fp" };
	char err[256];

	(void)state;
	return fp_create(&fp, &fc, NULL, NULL, NULL, err, sizeof(err));
}

static int teardown(void **state)
{
	(void)state;
	fp_destroy(&fp);
	return 0;
}

static void all_begin_and_end(void)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		assert_int_not_equal(flow_alloc(&fp), FLOW_NONE);
	assert_int_equal(flow_alloc(&fp), FLOW_NONE);
	for (uint32_t i = 0; i < SLOTS; i++)
		flow_remove(&fp, i);
}

static void no_slot_comes_back_before_every_core_has_looked_away(void **state)
{
	(void)state;
	all_begin_and_end();
	for (unsigned i = 0; i < 10; i++)
		fp_reclaim(&fp);
	assert_int_equal(fp.nr_free, 0);
	rte_rcu_qsbr_quiescent(fp.qsbr, 0);
	fp_reclaim(&fp);
	assert_int_not_equal(fp.nr_free, 0);
}

static void slots_come_back_a_bounded_number_in_each_pass(void **state)
{
	static bool is_free[SLOTS];
	uint32_t free_slots = 0;

	(void)state;
	all_begin_and_end();
	rte_rcu_qsbr_quiescent(fp.qsbr, 0);
	while (fp.nr_free < SLOTS) {
		fp_reclaim(&fp);
		assert_in_range(fp.nr_free, free_slots + 1, free_slots + BURST);
		free_slots = fp.nr_free;
	}
	assert_int_equal(fp.nr_graves, 0);
	for (uint32_t i = 0; i < SLOTS; i++) {
		assert_false(is_free[fp.free_flow[i]]);
		is_free[fp.free_flow[i]] = true;
	}
}

/* What a list still names waits, and keeps no other. */
static void a_slot_that_a_list_names_waits_alone(void **state)
{
	(void)state;
	all_begin_and_end();
	rte_rcu_qsbr_quiescent(fp.qsbr, 0);
	for (uint32_t i = 0; i < 2 * BURST; i++)
		fp.cold[i].on_list = LIST_KICKED;
	for (unsigned i = 0; i < 2 * SLOTS / BURST; i++)
		fp_reclaim(&fp);
	assert_int_equal(fp.nr_free, SLOTS - 2 * BURST);
	for (uint32_t i = 0; i < 2 * BURST; i++)
		fp.cold[i].on_list = 0;
	for (unsigned i = 0; i < 3; i++)
		fp_reclaim(&fp);
	assert_int_equal(fp.nr_free, SLOTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_reckoned_up_front_is_what_is_taken),
		cmocka_unit_test(too_little_memory_is_told_with_how_much_it_would_be),
		cmocka_unit_test_setup_teardown(no_slot_comes_back_before_every_core_has_looked_away, setup,
			teardown),
		cmocka_unit_test_setup_teardown(slots_come_back_a_bounded_number_in_each_pass, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_slot_that_a_list_names_waits_alone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
