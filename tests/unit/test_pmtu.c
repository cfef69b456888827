/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pmtu.c - what is remembered of paths (RFC 1191, 8201). */
#include "slowpath/pmtu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "include/net/bytes.h"

#define NOW (1000 * NS_PER_SEC)

static struct pmtu p;

static struct net_addr host(uint32_t n) { return addr_v4(htobe32(0x0a000000 + n)); }

static int setup(void **state)
{
	(void)state;
	memset(&p, 0, sizeof(p));
	return 0;
}

static void path_is_known_for_ten_minutes(void **state) /* RFC 1191 6.3 */
{
	(void)state;
	assert_int_equal(pmtu_of(&p, host(1), NOW), 0);
	pmtu_learn(&p, host(1), 1400, NOW);
	assert_int_equal(pmtu_of(&p, host(1), NOW + 599 * NS_PER_SEC), 1400);
	assert_int_equal(pmtu_of(&p, host(2), NOW), 0);
	assert_int_equal(pmtu_of(&p, host(1), NOW + 600 * NS_PER_SEC), 0);
}

static void what_was_learned_last_counts(void **state)
{
	(void)state;
	pmtu_learn(&p, host(1), 1400, NOW);
	pmtu_learn(&p, host(1), 1300, NOW + 300 * NS_PER_SEC);
	assert_int_equal(pmtu_of(&p, host(1), NOW + 899 * NS_PER_SEC), 1300);
	pmtu_forget(&p, host(1));
	assert_int_equal(pmtu_of(&p, host(1), NOW + 300 * NS_PER_SEC), 0);
}

static void newcomer_takes_the_place_of_the_oldest(void **state)
{
	uint32_t known = 0;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		pmtu_learn(&p, host(i), (uint16_t)(600 + i % 800), NOW + i);
		assert_int_equal(pmtu_of(&p, host(i), NOW + i), 600 + i % 800);
	}
	for (uint32_t i = 0; i < 10000; i++) {
		uint16_t mtu = pmtu_of(&p, host(i), NOW + 10000);

		known += mtu != 0;
		assert_true(mtu == 0 || mtu == 600 + i % 800);
	}
	assert_in_range(known, PMTU_SETS * PMTU_WAYS / 2, PMTU_SETS * PMTU_WAYS);
	for (uint32_t i = 9990; i < 10000; i++)
		assert_int_equal(pmtu_of(&p, host(i), NOW + 10000), 600 + i % 800);
}

static void routers_name_no_absurd_sizes(void **state) /* 552 as Linux; RFC 8201 4: discarded */
{
	(void)state;
	assert_int_equal(pmtu_named(true, 1400), 1400);
	assert_int_equal(pmtu_named(true, 68), 552);
	assert_int_equal(pmtu_named(true, 0), 552); /* a router from before RFC 1191 */
	assert_int_equal(pmtu_named(false, 1400), 1400);
	assert_int_equal(pmtu_named(false, 1280), 1280);
	assert_int_equal(pmtu_named(false, 1279), 0);
}

static void sizes_go_down_in_steps_to_what_every_path_carries(void **state)
{
	(void)state;
	assert_int_equal(pmtu_smaller(true, 9000), 1500);
	assert_int_equal(pmtu_smaller(true, 1500), 1064);
	assert_int_equal(pmtu_smaller(true, 1064), 552);
	assert_int_equal(pmtu_smaller(true, 552), 552);
	assert_int_equal(pmtu_smaller(false, 9000), 1500);
	assert_int_equal(pmtu_smaller(false, 1500), 1280);
	assert_int_equal(pmtu_smaller(false, 1280), 1280);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(path_is_known_for_ten_minutes, setup),
		cmocka_unit_test_setup(what_was_learned_last_counts, setup),
		cmocka_unit_test_setup(newcomer_takes_the_place_of_the_oldest, setup),
		cmocka_unit_test(routers_name_no_absurd_sizes),
		cmocka_unit_test(sizes_go_down_in_steps_to_what_every_path_carries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
