/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cookie.c - RFC 4987 3.6: a number that only we can have given, and for how long it is good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "include/base/rand.h"
#include "slowpath/cookie.h"

static const uint8_t secret[COOKIE_SECRET_LEN] = "sixteen bytes it";

static const struct cookie_options all = { .timestamps = true, .sack = true, .ecn = true, .wscale = 14 };

static struct flow_key key_v4(void)
{
	return (struct flow_key){ .local = addr_v4(htobe32(0x0a000001)),
		.remote = addr_v4(htobe32(0x0a000002)),
		.local_port = htobe16(80),
		.remote_port = htobe16(40000) };
}

static struct flow_key key_v6(void)
{
	struct flow_key k = key_v4();

	k.local = (struct net_addr){ .b = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
	k.remote = (struct net_addr){ .b = { 0x20, 1, 0xd, 0xb8, [15] = 2 } };
	return k;
}

/* A cookie made at `made` for `mss` and opened at `opened`; the MSS it says, or 0. */
static uint16_t through(struct flow_key key, uint16_t mss, tas_ns made, tas_ns opened)
{
	struct cookies c = cookies_of(secret);
	tcp_seq cookie = cookie_make(&c, &key, (tcp_seq){ 7 }, mss, &all, made);
	uint16_t said;

	return cookie_open(&c, &key, (tcp_seq){ 7 }, cookie, &all, opened, &said) ? said : 0;
}

static void cookie_brings_back_the_mss_or_less(void **state)
{
	static const uint16_t mss[][2] = { { 48, 48 }, { 535, 48 }, { 536, 536 }, { 1220, 1220 },
		{ 1359, 1220 }, { 1400, 1360 }, { 1432, 1432 }, { 1440, 1440 }, { 1452, 1440 },
		{ 1460, 1460 }, { 8939, 1460 }, { 8960, 8940 }, { 65535, 8940 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(mss) / sizeof(mss[0]); i++) {
		assert_int_equal(through(key_v4(), mss[i][0], 5 * NS_PER_SEC, 6 * NS_PER_SEC), mss[i][1]);
		assert_int_equal(through(key_v6(), mss[i][0], 5 * NS_PER_SEC, 6 * NS_PER_SEC), mss[i][1]);
	}
}

static void cookie_is_good_for_two_minutes_at_most(void **state)
{
	(void)state;
	for (tas_ns made = 0; made < 200 * NS_PER_SEC; made += 7 * NS_PER_SEC) {
		assert_int_equal(through(key_v4(), 1460, made, made + COOKIE_PERIOD_NS), 1460);
		assert_int_equal(through(key_v4(), 1460, made, made + COOKIE_VALID_NS), 0);
	}
}

/* What differs from what it was made for is nobody's. */
static void cookie_of_another_is_refused(void **state)
{
	struct cookies c = cookies_of(secret);
	struct flow_key key = key_v4(), other;
	struct cookie_options o = all;
	tas_ns now = 100 * NS_PER_SEC;
	tcp_seq irs = { 7 }, cookie = cookie_make(&c, &key, irs, 1460, &all, now);
	uint16_t mss;

	(void)state;
	assert_true(cookie_open(&c, &key, irs, cookie, &all, now, &mss));
	for (unsigned i = 0; i < 36; i++) { /* any byte of addresses and ports */
		other = key;
		((uint8_t *)&other)[i] ^= 1;
		assert_false(cookie_open(&c, &other, irs, cookie, &all, now, &mss));
	}
	assert_false(cookie_open(&c, &key, (tcp_seq){ 8 }, cookie, &all, now, &mss));
	o.wscale = 13;
	assert_false(cookie_open(&c, &key, irs, cookie, &o, now, &mss));
	o = all, o.ecn = false;
	assert_false(cookie_open(&c, &key, irs, cookie, &o, now, &mss));
	o = (struct cookie_options){ .wscale = COOKIE_NO_WSCALE };
	assert_false(cookie_open(&c, &key, irs, cookie, &o, now, &mss));
	for (unsigned bit = 0; bit < 29; bit++) {
		tcp_seq like = { cookie.v ^ 1u << bit };

		assert_false(cookie_open(&c, &key, irs, like, &all, now, &mss));
		assert_false(cookie_open(&c, &key, irs, like, &all, now + COOKIE_PERIOD_NS, &mss));
	}
}

static void guesses_do_not_open(void **state)
{
	struct cookies c = cookies_of(secret);
	struct flow_key key = key_v6();
	struct tas_rand r;
	uint16_t mss;

	(void)state;
	rand_seed(&r, 1);
	for (unsigned i = 0; i < 200000; i++)
		assert_false(cookie_open(&c, &key, (tcp_seq){ 7 }, (tcp_seq){ (uint32_t)rand_u64(&r) }, &all,
			NS_PER_SEC, &mss));
}

static void keys_change_with_the_period(void **state)
{
	struct cookies c = cookies_of(secret);
	struct flow_key key = key_v4();
	tcp_seq seen[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		seen[i] = cookie_make(&c, &key, (tcp_seq){ 7 }, 1460, &all, i * COOKIE_PERIOD_NS);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(seen[i].v, seen[j].v);
	}
}

/* RFC 7323 5.4: later timestamps of the connection are not less than that of the SYN-ACK. */
static void timestamp_says_the_options_and_is_not_late(void **state)
{
	(void)state;
	for (uint32_t ts = UINT32_MAX - 200; ts != 200; ts++) {
		for (unsigned i = 0; i < 1u << COOKIE_TS_BITS; i++) {
			struct cookie_options o = { .timestamps = true,
				.sack = i & 1,
				.ecn = i & 2,
				.wscale = (uint8_t)(i >> 2) };
			uint32_t said = cookie_ts(ts, &o);
			struct cookie_options back = cookie_ts_options(said);

			assert_in_range(ts - said, 0, (1u << COOKIE_TS_BITS) - 1);
			assert_true(back.timestamps && back.sack == o.sack && back.ecn == o.ecn &&
				back.wscale == o.wscale);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookie_brings_back_the_mss_or_less),
		cmocka_unit_test(cookie_is_good_for_two_minutes_at_most),
		cmocka_unit_test(cookie_of_another_is_refused),
		cmocka_unit_test(guesses_do_not_open),
		cmocka_unit_test(keys_change_with_the_period),
		cmocka_unit_test(timestamp_says_the_options_and_is_not_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
