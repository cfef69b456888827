/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cksum.c - every sum equals the plainest one (net_frames.h), at every length and alignment. */
#include "include/net/cksum.h"

#include "tests/unit/net_frames.h"

enum { ODDS = 19, LEN_MAX = 300 };

/* The naive sum as it stands in memory. */
static uint16_t expected_sum(const uint8_t *p, size_t len) { return htobe16(naive_sum(p, len)); }

static void the_example_of_rfc_1071_comes_out(void **state) /* RFC 1071 3 */
{
	const uint8_t data[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(be16toh(cksum_fold(cksum_partial(data, sizeof(data), 0))), 0xddf2);
	assert_int_equal(be16toh(cksum_finish(cksum_partial(data, sizeof(data), 0))), 0x220d);
}

static void every_length_at_every_start_is_summed_right(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	for (size_t len = 0; len <= LEN_MAX; len++) {
		for (size_t start = 0; start < ODDS; start++) {
			uint8_t *p = malloc(start + len);

			fill_random(&r, p, start + len);
			assert_int_equal(cksum_fold(cksum_partial(p + start, len, 0)),
				expected_sum(p + start, len));
			free(p);
		}
	}
}

static void the_largest_words_never_overflow(void **state)
{
	static uint8_t ones[3 * CKSUM_PIECE_MAX + 7], copy[sizeof(ones)];
	const size_t lens[] = { 15, 16, 4096, 65535, 65536, 65537, 131072, 131073, sizeof(ones) };

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
		assert_int_equal(cksum_fold(cksum_partial(ones, lens[i], 0)), expected_sum(ones, lens[i]));
		assert_int_equal(cksum_fold(cksum_partial(ones, lens[i], UINT32_MAX)),
			expected_sum(ones, lens[i]));
		assert_int_equal(cksum_fold(cksum_copy(copy, ones, lens[i], UINT32_MAX - 1)),
			cksum_fold(cksum_add(cksum_partial(ones, lens[i], 0), UINT32_MAX - 1)));
	}
}

static void only_zeros_sum_to_zero(void **state)
{
	uint8_t data[100] = { 0 };

	(void)state;
	assert_int_equal(cksum_fold(cksum_partial(data, sizeof(data), 0)), 0);
	data[40] = data[41] = 0xff;
	assert_int_equal(cksum_fold(cksum_partial(data, sizeof(data), 0)), 0xffff);
	assert_int_equal(cksum_fold(cksum_partial(NULL, 0, 0)), 0);
}

static void long_data_is_summed_and_copied_right(void **state)
{
	static uint8_t data[200001], copy[sizeof(data)];
	const size_t lens[] = { 1448, 1460, 8948, 65535, 65536, 65537, sizeof(data) };
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 2);
	fill_random(&r, data, sizeof(data));
	for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
		memset(copy, 0, sizeof(copy));
		assert_int_equal(cksum_fold(cksum_copy(copy, data, lens[i], 0)), expected_sum(data, lens[i]));
		assert_int_equal(cksum_fold(cksum_partial(data, lens[i], 0)), expected_sum(data, lens[i]));
		assert_memory_equal(copy, data, lens[i]);
	}
}

static void a_copy_is_exact_and_sums_as_it_goes(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 3);
	for (size_t len = 0; len <= LEN_MAX; len++) {
		for (size_t odd = 0; odd < ODDS; odd++) {
			uint8_t *from = malloc(odd + len), *to = malloc(ODDS + len);
			uint32_t sum = (uint32_t)rand_u64(&r);

			fill_random(&r, from, odd + len);
			memset(to, 0x5a, ODDS + len);
			assert_int_equal(cksum_fold(cksum_copy(to + ODDS - odd, from + odd, len, sum)),
				cksum_fold(cksum_partial(from + odd, len, sum)));
			assert_memory_equal(to + ODDS - odd, from + odd, len);
			for (size_t i = 0; i < ODDS; i++)
				assert_int_equal(to[i < ODDS - odd ? i : len + i], 0x5a);
			free(from);
			free(to);
		}
	}
}

static void two_pieces_join_at_any_place(void **state) /* RFC 1071 2.B */
{
	uint8_t data[131];
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 4);
	for (int round = 0; round < 50; round++) {
		fill_random(&r, data, sizeof(data));
		for (size_t len = 0; len <= sizeof(data); len++) {
			size_t at = rand_below(&r, (uint32_t)len + 1);
			uint32_t first = cksum_partial(data, at, 0),
				 second = cksum_partial(data + at, len - at, 0);

			assert_int_equal(cksum_fold(cksum_join(first, second, at)), expected_sum(data, len));
		}
	}
}

static void an_unfolded_second_piece_joins_too(void **state)
{
	uint8_t data[3] = { 0x12, 0x34, 0x56 };

	(void)state;
	/* 0x3456 in memory order, written as another number that is congruent to it modulo 0xffff */
	assert_int_equal(cksum_fold(cksum_join(0x12, htobe16(0x3456) + 0xffff0000u, 1)),
		expected_sum(data, 3));
	assert_int_equal(cksum_fold(cksum_join(0x12, htobe16(0x3456) + 5u * 0xffff, 1)),
		expected_sum(data, 3));
}

static void a_running_sum_goes_on(void **state)
{
	uint8_t data[256];
	struct tas_rand r;
	uint32_t sum = 0;

	(void)state;
	rand_seed(&r, 5);
	fill_random(&r, data, sizeof(data));
	for (size_t at = 0; at < sizeof(data); at += 32)
		sum = cksum_partial(data + at, 32, sum);
	assert_int_equal(cksum_fold(sum), expected_sum(data, sizeof(data)));
}

static void carries_come_back_in(void **state)
{
	(void)state;
	assert_int_equal(cksum_add(0xffffffff, 1), 1);
	assert_int_equal(cksum_add(0xffffffff, 0xffffffff), 0xffffffff);
	assert_int_equal(cksum_fold64(UINT64_MAX), 0xffffffff);
	assert_int_equal(cksum_fold64(0x1ffffffffull), 1);
	assert_int_equal(cksum_fold64(0xffffffff00000001ull), 1);
	assert_int_equal(cksum_fold(0xffffffff), 0xffff);
	assert_int_equal(cksum_fold(0x1ffff), 1);
	assert_int_equal(cksum_fold(0xfffe0001), 0xffff);
}

static void pseudo_headers_are_summed_as_written_out(void **state) /* RFC 9293 3.1, RFC 8200 8.1 */
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 6);
	for (int i = 0; i < 10000; i++) {
		uint8_t v4[12] = { 0 }, v6[40] = { 0 }, proto = (uint8_t)rand_u64(&r);
		uint32_t l4_len = rand_below(&r, 65536);

		fill_random(&r, v4, 8);
		v4[9] = proto;
		put16(v4 + 10, l4_len);
		assert_int_equal(cksum_fold(cksum_pseudo_v4(load_u32(v4), load_u32(v4 + 4), proto, l4_len)),
			expected_sum(v4, sizeof(v4)));
		fill_random(&r, v6, 32);
		put32(v6 + 32, l4_len);
		v6[39] = proto;
		assert_int_equal(cksum_fold(cksum_pseudo_v6(v6, v6 + 16, proto, l4_len)),
			expected_sum(v6, sizeof(v6)));
	}
}

static void an_ipv4_header_is_summed_whole(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 7);
	for (int i = 0; i < 10000; i++) {
		uint8_t ip[20];

		fill_random(&r, ip, sizeof(ip));
		if (i == 0)
			memset(ip, 0xff, sizeof(ip));
		assert_int_equal(cksum_fold(cksum_ipv4_20(ip)), expected_sum(ip, sizeof(ip)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_1071_comes_out),
		cmocka_unit_test(every_length_at_every_start_is_summed_right),
		cmocka_unit_test(the_largest_words_never_overflow),
		cmocka_unit_test(only_zeros_sum_to_zero),
		cmocka_unit_test(long_data_is_summed_and_copied_right),
		cmocka_unit_test(a_copy_is_exact_and_sums_as_it_goes),
		cmocka_unit_test(two_pieces_join_at_any_place),
		cmocka_unit_test(an_unfolded_second_piece_joins_too),
		cmocka_unit_test(a_running_sum_goes_on),
		cmocka_unit_test(carries_come_back_in),
		cmocka_unit_test(pseudo_headers_are_summed_as_written_out),
		cmocka_unit_test(an_ipv4_header_is_summed_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
