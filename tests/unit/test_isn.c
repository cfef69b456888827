/* SPDX-License-Identifier: BSD-3-Clause */
/* test_isn.c - RFC 6528: predictable to us, to nobody else, and running with the clock. */
#include "slowpath/isn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint8_t secret[ISN_SECRET_LEN] = "sixteen letters!",
		     other_secret[ISN_SECRET_LEN] = "sixteen letters?";

static struct flow_key key_of(uint32_t remote_be, uint16_t local_port, uint16_t remote_port)
{
	return (struct flow_key){
		.local = addr_v4(0x0100000a),
		.remote = addr_v4(remote_be),
		.local_port = local_port,
		.remote_port = remote_port,
	};
}

/* RFC 6528 3: M goes up by one every 4 us, and nothing else changes from one incarnation to the next. */
static void of_one_connection_it_grows_by_one_every_4_us(void **state)
{
	struct isn i = isn_of(secret);
	struct flow_key k = key_of(1, 2, 3);
	tcp_seq first = isn_next(&i, &k, 0);

	(void)state;
	assert_int_equal(seq_dist(first, isn_next(&i, &k, 3999)), 0);
	assert_int_equal(seq_dist(first, isn_next(&i, &k, 4000)), 1);
	assert_int_equal(seq_dist(first, isn_next(&i, &k, NS_PER_SEC)), 250000);
	/* wraps after 4.8 hours and goes on */
	assert_int_equal(seq_dist(isn_next(&i, &k, (1ull << 32) * 4000), first), 0);
}

static void each_part_of_the_4_tuple_and_the_secret_gives_another(void **state)
{
	const struct flow_key k[] = { key_of(1, 2, 3), key_of(9, 2, 3), key_of(1, 9, 3), key_of(1, 2, 9),
		key_of(1, 3, 2) };
	struct isn i = isn_of(secret), j = isn_of(other_secret);

	(void)state;
	for (unsigned a = 0; a < 5; a++) {
		assert_false(seq_eq(isn_next(&i, &k[a], 0), isn_next(&j, &k[a], 0)));
		assert_int_not_equal(isn_ts_offset(&i, &k[a]), isn_ts_offset(&j, &k[a]));
		for (unsigned b = 0; b < a; b++) {
			assert_false(seq_eq(isn_next(&i, &k[a], 0), isn_next(&i, &k[b], 0)));
			assert_int_not_equal(isn_ts_offset(&i, &k[a]), isn_ts_offset(&i, &k[b]));
		}
	}
}

/* RFC 9293 3.4.3: where its numbers stood a host does not remember that starts again. It has another secret,
 * so that those of a connection begin anywhere, whatever the clocks say. */
static void numbers_begin_elsewhere_after_a_restart(void **state)
{
	struct isn before = isn_of(secret);
	struct flow_key k = key_of(1, 2, 3);
	unsigned quarter[4] = { 0 };

	(void)state;
	for (uint16_t n = 0; n < 4000; n++) {
		uint8_t another[ISN_SECRET_LEN] = { (uint8_t)n, (uint8_t)(n >> 8) };
		struct isn after = isn_of(another);

		quarter[seq_dist(isn_next(&before, &k, NS_PER_SEC), isn_next(&after, &k, 0)) >> 30 & 3]++;
	}
	for (unsigned q = 0; q < 4; q++)
		assert_in_range(quarter[q], 860, 1140); /* five standard deviations about 1000 */
}

static void neighbouring_ports_are_spread_over_the_whole_space(void **state)
{
	struct isn i = isn_of(secret);
	unsigned quarter[4] = { 0 };

	(void)state;
	for (uint16_t port = 0; port < 4000; port++) {
		struct flow_key k = key_of(1, port, 80);

		quarter[isn_next(&i, &k, 0).v >> 30]++;
	}
	for (unsigned q = 0; q < 4; q++)
		assert_in_range(quarter[q], 860, 1140); /* five standard deviations about 1000 */
}

/* RFC 7323 5.4: an offset that lasts, so that timestamps of later incarnations are later. */
static void the_timestamp_offset_lasts_and_is_not_the_sequence_number(void **state)
{
	struct isn i = isn_of(secret);
	struct flow_key k = key_of(1, 2, 3);

	(void)state;
	assert_int_equal(isn_ts_offset(&i, &k), isn_ts_offset(&i, &k));
	assert_int_not_equal(isn_ts_offset(&i, &k), isn_next(&i, &k, 0).v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_one_connection_it_grows_by_one_every_4_us),
		cmocka_unit_test(each_part_of_the_4_tuple_and_the_secret_gives_another),
		cmocka_unit_test(numbers_begin_elsewhere_after_a_restart),
		cmocka_unit_test(neighbouring_ports_are_spread_over_the_whole_space),
		cmocka_unit_test(the_timestamp_offset_lasts_and_is_not_the_sequence_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
