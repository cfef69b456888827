/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_opt.c - options written as Linux writes them, and read whatever they are. */
#include "include/net/tcp_opt.h"

#include "tests/unit/net_frames.h"

#include "include/base/compiler.h"

#define TS_BYTES 8, 10, 1, 2, 3, 4, 5, 6, 7, 8

/* Parses a copy of exactly these bytes. */
static bool parse(const uint8_t *opts, uint32_t len, struct tcp_opts *o)
{
	uint8_t *copy = exact(opts, len);
	bool ok = tcp_opt_parse(copy, len, o);

	free(copy);
	return ok;
}

#define PARSE(o, ...) parse((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), o)

static void no_options_are_well_formed(void **state)
{
	struct tcp_opts o, zero = { 0 };

	(void)state;
	memset(&o, 0xff, sizeof(o));
	assert_true(parse(NULL, 0, &o));
	assert_memory_equal(&o, &zero, sizeof(o));
}

static void a_linux_syn_is_read(void **state)
{
	struct tcp_opts o;

	(void)state;
	assert_true(PARSE(&o, 2, 4, 0x05, 0xb4, 4, 2, TS_BYTES, 1, 3, 3, 7));
	assert_int_equal(o.has, TCP_HAS_MSS | TCP_HAS_SACK_PERM | TCP_HAS_TS | TCP_HAS_WSCALE);
	assert_int_equal(o.mss, 1460);
	assert_int_equal(o.wscale, 7);
	assert_int_equal(o.ts_val, 0x01020304);
	assert_int_equal(o.ts_ecr, 0x05060708);
	assert_int_equal(o.nsack, 0);
}

static void sack_blocks_are_read_in_order(void **state) /* RFC 2018 3 */
{
	struct tcp_opts o;

	(void)state;
	assert_true(PARSE(&o, 1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0, 0, 0, 0xff, 0, 0, 9));
	assert_int_equal(o.has, TCP_HAS_SACK);
	assert_int_equal(o.nsack, 2);
	assert_int_equal(o.sack[0].left.v, 1);
	assert_int_equal(o.sack[0].right.v, 2);
	assert_int_equal(o.sack[1].left.v, 0xff000000);
	assert_int_equal(o.sack[1].right.v, 0xff000009);
}

static void nothing_is_read_after_the_end_of_options(void **state) /* RFC 9293 3.1 */
{
	struct tcp_opts o;

	(void)state;
	assert_true(PARSE(&o, 1, 0, 2, 4, 5, 0xb4, 3, 0));
	assert_int_equal(o.has, 0);
}

static void unknown_options_are_skipped(void **state) /* RFC 9293 3.2, MUST-6 */
{
	struct tcp_opts o;

	(void)state;
	assert_true(PARSE(&o, 253, 6, 1, 2, 3, 4, 34, 2, 2, 4, 5, 0xb4, 255, 3, 9));
	assert_int_equal(o.has, TCP_HAS_MSS);
	assert_int_equal(o.mss, 1460);
}

static void an_option_of_length_0_or_1_ends_the_parse(void **state) /* RFC 9293 3.2, MUST-7 */
{
	struct tcp_opts o;

	(void)state;
	for (unsigned kind = 2; kind < 256; kind++) {
		for (uint8_t len = 0; len < 2; len++) {
			assert_false(PARSE(&o, 2, 4, 5, 0xb4, (uint8_t)kind, len, 3, 3, 7));
			assert_int_equal(o.has, TCP_HAS_MSS); /* what came before stands */
		}
	}
}

static void an_option_cut_short_ends_the_parse(void **state)
{
	const uint8_t whole[] = { 2, 4, 5, 0xb4, TS_BYTES, 3, 3, 7, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2 };
	const uint32_t ends[] = { 0, 4, 14, 17, 27 };
	const uint8_t has[] = { 0, TCP_HAS_MSS, TCP_HAS_TS, TCP_HAS_WSCALE, TCP_HAS_SACK };
	struct tcp_opts o;

	(void)state;
	for (uint32_t len = 0; len <= sizeof(whole); len++) {
		uint8_t expected = 0;
		bool at_end = false;

		for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
			at_end |= len == ends[i];
			expected |= ends[i] <= len ? has[i] : 0;
		}
		assert_int_equal(parse(whole, len, &o), at_end);
		assert_int_equal(o.has, expected);
	}
}

static void an_option_with_the_wrong_length_is_left_out_and_the_rest_read(void **state)
{
	static const struct {
		uint8_t kind, len, has;
	} right[] = {
		{ 2, 4, TCP_HAS_MSS },
		{ 3, 3, TCP_HAS_WSCALE },
		{ 4, 2, TCP_HAS_SACK_PERM },
		{ 8, 10, TCP_HAS_TS },
	};
	struct tcp_opts o;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(right); i++) {
		for (uint8_t len = 2; len < 30; len++) {
			uint8_t opts[40] = { right[i].kind, len, 1 };
			bool ok = len == right[i].len;

			opts[len] = 30; /* an unknown option behind it */
			opts[len + 1] = 2;
			assert_int_equal(parse(opts, len + 2u, &o), ok);
			assert_int_equal(o.has, ok ? right[i].has : 0);
		}
	}
	assert_false(PARSE(&o, 2, 3, 5, 3, 3, 7));
	assert_int_equal(o.has, TCP_HAS_WSCALE);
}

static void sack_lengths_must_be_whole_blocks(void **state)
{
	struct tcp_opts o;

	(void)state;
	for (uint8_t len = 2; len <= 40; len++) {
		uint8_t opts[40] = { 5, len };
		bool ok = len == 10 || len == 18 || len == 26 || len == 34;

		assert_int_equal(parse(opts, len, &o), ok);
		assert_int_equal(o.nsack, ok ? (len - 2) / 8 : 0);
	}
	assert_false(PARSE(&o, 5, 42,
		0)); /* five blocks fit no header, but an array of four must not be run over */
}

static void a_window_scale_above_14_counts_as_14(void **state) /* RFC 7323 2.3 */
{
	struct tcp_opts o;

	(void)state;
	assert_true(PARSE(&o, 3, 3, 14));
	assert_int_equal(o.wscale, 14);
	assert_true(PARSE(&o, 3, 3, 255));
	assert_int_equal(o.wscale, 14);
	assert_true(PARSE(&o, 3, 3, 0));
	assert_int_equal(o.wscale, 0);
	assert_int_equal(o.has, TCP_HAS_WSCALE);
}

static void an_mss_of_0_is_no_mss(void **state)
{
	struct tcp_opts o;

	(void)state;
	assert_true(PARSE(&o, 2, 4, 0, 0));
	assert_int_equal(o.has, 0);
	assert_int_equal(o.mss, 0);
}

static void the_last_of_two_equal_options_counts(void **state)
{
	struct tcp_opts o;

	(void)state;
	assert_true(PARSE(&o, 2, 4, 0, 1, 2, 4, 2, 24));
	assert_int_equal(o.mss, 536);
}

static void assert_syn(uint8_t has, const uint8_t *expected, uint32_t len)
{
	struct tcp_opts o = { .mss = 1460,
		.wscale = 7,
		.has = has,
		.ts_val = 0x01020304,
		.ts_ecr = 0x05060708 },
			back;
	uint8_t opts[TCP_OPT_MAX];

	assert_int_equal(tcp_opt_write_syn(opts, &o), len);
	assert_memory_equal(opts, expected, len);
	assert_true(parse(opts, len, &back));
	assert_int_equal(back.has, has);
}

#define ASSERT_SYN(has, ...) \
	assert_syn(has, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* The bytes of Linux 6 SYNs under every setting of net.ipv4.tcp_sack, tcp_timestamps and
 * tcp_window_scaling. */
static void a_syn_has_linuxs_order_and_padding(void **state)
{
	enum { M = TCP_HAS_MSS, S = TCP_HAS_SACK_PERM, T = TCP_HAS_TS, W = TCP_HAS_WSCALE };

	(void)state;
	ASSERT_SYN(M | S | T | W, 2, 4, 5, 0xb4, 4, 2, TS_BYTES, 1, 3, 3, 7);
	ASSERT_SYN(M | T | W, 2, 4, 5, 0xb4, 1, 1, TS_BYTES, 1, 3, 3, 7);
	ASSERT_SYN(M | S | W, 2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7);
	ASSERT_SYN(M | S | T, 2, 4, 5, 0xb4, 4, 2, TS_BYTES);
	ASSERT_SYN(M | S, 2, 4, 5, 0xb4, 1, 1, 4, 2);
	ASSERT_SYN(M | W, 2, 4, 5, 0xb4, 1, 3, 3, 7);
	ASSERT_SYN(M | T, 2, 4, 5, 0xb4, 1, 1, TS_BYTES);
	ASSERT_SYN(M, 2, 4, 5, 0xb4);
	ASSERT_SYN(W, 1, 3, 3, 7);
	assert_syn(0, NULL, 0);
}

static void sack_blocks_fit_beside_timestamps(void **state)
{
	(void)state;
	for (unsigned ts = 0; ts < 2; ts++) {
		for (uint8_t n = 0; n <= TCP_OPT_SACK_MAX; n++) {
			struct tcp_opts o = { .has = ts ? TCP_HAS_TS : 0,
				.nsack = n,
				.ts_val = 11,
				.ts_ecr = 12 },
					back;
			uint8_t opts[TCP_OPT_MAX], written = ts && n > 3 ? 3 : n;
			uint32_t len;

			for (uint32_t i = 0; i < n; i++)
				o.sack[i] = (struct tcp_sack_block){ { 0xfffffff0 + i * 100 },
					{ 50 + i * 100 } };
			len = tcp_opt_write_sack(opts, &o);
			assert_int_equal(len, (ts ? 12 : 0) + (n > 0 ? 4 + 8 * written : 0));
			assert_true(parse(opts, len, &back));
			assert_int_equal(back.has, (ts ? TCP_HAS_TS : 0) | (n > 0 ? TCP_HAS_SACK : 0));
			assert_int_equal(back.nsack, written);
			assert_memory_equal(back.sack, o.sack, written * sizeof(o.sack[0]));
			assert_int_equal(back.ts_ecr, ts ? 12 : 0);
		}
	}
}

static void timestamps_are_padded_in_front(void **state) /* RFC 7323 appendix A */
{
	const uint8_t expected[] = { 1, 1, TS_BYTES };
	uint8_t opts[TCP_OPT_TS_LEN];

	(void)state;
	assert_int_equal(tcp_opt_write_ts(opts, 0x01020304, 0x05060708), 12);
	assert_memory_equal(opts, expected, 12);
}

static void random_bytes_never_run_over(void **state)
{
	struct tas_rand r;
	unsigned well_formed = 0;

	(void)state;
	rand_seed(&r, 1);
	for (int i = 0; i < 200000; i++) {
		uint8_t opts[64];
		uint32_t len = rand_below(&r, sizeof(opts) + 1);
		struct tcp_opts o;

		for (uint32_t n = 0; n < len; n++) /* small numbers, as kinds and lengths are */
			opts[n] = (uint8_t)(rand_below(&r, 4) != 0 ? rand_below(&r, 12) : rand_u64(&r));
		well_formed += parse(opts, len, &o);
		assert_true(o.nsack <= TCP_OPT_SACK_MAX && o.wscale <= TCP_WSCALE_MAX);
		assert_int_equal(o.nsack != 0, (o.has & TCP_HAS_SACK) != 0);
		assert_int_equal(o.mss != 0, (o.has & TCP_HAS_MSS) != 0);
	}
	assert_in_range(well_formed, 1000, 199000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_options_are_well_formed),
		cmocka_unit_test(a_linux_syn_is_read),
		cmocka_unit_test(sack_blocks_are_read_in_order),
		cmocka_unit_test(nothing_is_read_after_the_end_of_options),
		cmocka_unit_test(unknown_options_are_skipped),
		cmocka_unit_test(an_option_of_length_0_or_1_ends_the_parse),
		cmocka_unit_test(an_option_cut_short_ends_the_parse),
		cmocka_unit_test(an_option_with_the_wrong_length_is_left_out_and_the_rest_read),
		cmocka_unit_test(sack_lengths_must_be_whole_blocks),
		cmocka_unit_test(a_window_scale_above_14_counts_as_14),
		cmocka_unit_test(an_mss_of_0_is_no_mss),
		cmocka_unit_test(the_last_of_two_equal_options_counts),
		cmocka_unit_test(a_syn_has_linuxs_order_and_padding),
		cmocka_unit_test(sack_blocks_fit_beside_timestamps),
		cmocka_unit_test(timestamps_are_padded_in_front),
		cmocka_unit_test(random_bytes_never_run_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
