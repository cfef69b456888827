/* SPDX-License-Identifier: BSD-3-Clause */
/* test_fp.c - what the data path takes at its start. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_reckoned_up_front_is_what_is_taken),
		cmocka_unit_test(too_little_memory_is_told_with_how_much_it_would_be),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
