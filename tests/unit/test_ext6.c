/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ext6.c - chains of extension headers, each in an allocation of exactly its size. */
#include "include/net/ext6.h"

#include "tests/unit/net_frames.h"

enum { IP6 = 40, TCP = 6 };

static uint8_t packet[2048];
static uint32_t len;

static void begin(uint8_t first)
{
	memset(packet, 0, sizeof(packet));
	packet[0] = 0x60;
	packet[6] = first;
	len = IP6;
}

/* A header of 8 bytes, or more by `more` of them, with these behind the length. */
static void add(uint8_t next, uint8_t more, const char *bytes, uint32_t n)
{
	packet[len] = next;
	packet[len + 1] = more;
	memcpy(packet + len + 2, bytes, n);
	len += 8u * (more + 1u);
}
#define ADD(next, more, bytes) add(next, more, bytes, sizeof(bytes) - 1)

static struct ext6 skipped(void)
{
	uint8_t *copy = exact(packet, len);
	struct ext6 e = ext6_skip(copy, len);

	free(copy);
	return e;
}

static void expect(enum ext6_verdict v, unsigned code, unsigned at)
{
	struct ext6 e = skipped();

	assert_int_equal(e.verdict, v);
	assert_int_equal(e.code, code);
	assert_int_equal(e.at, at);
}

static void a_packet_without_them_begins_behind_its_header(void **state)
{
	(void)state;
	begin(TCP);
	expect(EXT6_UPPER, 0, IP6);
	assert_int_equal(skipped().proto, TCP);
	assert_int_equal(skipped().named, 6);
}

static void known_and_skippable_options_are_skipped(void **state)
{
	(void)state;
	begin(EXT6_HOP_BY_HOP);
	ADD(EXT6_DESTINATION, 0, "\1\4\0\0\0\0");           /* PadN */
	ADD(EXT6_DESTINATION, 1, "\5\2\0\0\x1e\2\0\0\1\4"); /* router alert, an unknown one of type 00 */
	ADD(TCP, 0, "\0\0\0\0\0\0");                        /* Pad1 */
	expect(EXT6_UPPER, 0, IP6 + 32);
	assert_int_equal(skipped().proto, TCP);
	assert_int_equal(skipped().named, IP6 + 24);
}

static void an_unknown_option_is_treated_as_its_type_asks(void **state) /* RFC 8200 4.2 */
{
	(void)state;
	begin(EXT6_DESTINATION);
	ADD(TCP, 0, "\0\x5e\2\0\0\0");
	expect(EXT6_DROP, 2, IP6 + 3);
	begin(EXT6_DESTINATION);
	ADD(TCP, 0, "\1\0\x9e\2\0\0");
	expect(EXT6_REFUSE, 2, IP6 + 4);
	begin(EXT6_DESTINATION);
	ADD(TCP, 0, "\xde\4\0\0\0\0");
	expect(EXT6_REFUSE_ONE, 2, IP6 + 2);
}

static void an_option_longer_than_its_header_is_dropped(void **state)
{
	(void)state;
	begin(EXT6_DESTINATION);
	ADD(TCP, 0, "\1\5\0\0\0\0");
	expect(EXT6_DROP, 0, 0);
	begin(EXT6_DESTINATION);
	ADD(TCP, 0, "\1\3\0\0\0\1"); /* the last has no length */
	expect(EXT6_DROP, 0, 0);
}

static void a_route_that_ends_here_is_skipped_and_another_refused(void **state) /* RFC 8200 4.4, RFC 5095 */
{
	(void)state;
	begin(EXT6_ROUTING);
	ADD(TCP, 0, "\0\0\0\0\0\0");
	expect(EXT6_UPPER, 0, IP6 + 8);
	begin(EXT6_ROUTING);
	ADD(TCP, 0, "\0\1\0\0\0\0");
	expect(EXT6_REFUSE, 0, IP6 + 2);
}

static void a_fragment_is_a_piece_unless_it_is_the_whole(void **state) /* RFC 6946 */
{
	(void)state;
	begin(EXT6_FRAGMENT);
	ADD(TCP, 0, "\0\0\x12\x34\x56\x78");
	expect(EXT6_UPPER, 0, IP6 + 8);
	packet[IP6 + 1] = 0xff; /* reserved: no length here */
	expect(EXT6_UPPER, 0, IP6 + 8);
	packet[IP6 + 3] = 1; /* more fragments */
	expect(EXT6_IS_PIECE, 0, IP6);
	packet[IP6 + 3] = 8; /* one that is not the first */
	expect(EXT6_IS_PIECE, 0, IP6);
	packet[IP6 + 3] = 6; /* reserved bits */
	expect(EXT6_UPPER, 0, IP6 + 8);
}

static void hop_by_hop_options_stand_first_or_are_refused(void **state) /* RFC 8200 4.1 */
{
	(void)state;
	begin(EXT6_DESTINATION);
	ADD(EXT6_HOP_BY_HOP, 0, "\1\4\0\0\0\0");
	ADD(TCP, 0, "\1\4\0\0\0\0");
	expect(EXT6_REFUSE, 1, IP6);
}

static void nothing_behind_them_is_dropped(void **state)
{
	(void)state;
	begin(EXT6_NONE);
	assert_int_equal(skipped().verdict, EXT6_DROP);
	begin(EXT6_DESTINATION);
	ADD(EXT6_NONE, 0, "\1\4\0\0\0\0");
	assert_int_equal(skipped().verdict, EXT6_DROP);
}

static void a_header_that_does_not_fit_is_short(void **state)
{
	(void)state;
	begin(EXT6_DESTINATION);
	ADD(TCP, 2, "\1\x14\0\0\0\0");
	expect(EXT6_UPPER, 0, IP6 + 24);
	for (len = IP6; len < IP6 + 24; len++)
		expect(EXT6_SHORT, 0, 0);
}

static void a_chain_that_takes_too_much_is_dropped(void **state)
{
	(void)state;
	begin(EXT6_DESTINATION);
	for (unsigned i = 0; i < EXT6_BYTES_MAX / 8 - 1; i++)
		ADD(EXT6_DESTINATION, 0, "\1\4\0\0\0\0");
	ADD(TCP, 0, "\1\4\0\0\0\0");
	expect(EXT6_UPPER, 0, IP6 + EXT6_BYTES_MAX);
	packet[len - 8] = EXT6_DESTINATION;
	ADD(TCP, 0, "\1\4\0\0\0\0");
	expect(EXT6_DROP, 0, 0);
}

static void random_bytes_are_read_within_their_bounds(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 6);
	for (unsigned i = 0; i < 200000; i++) {
		static const uint8_t some[] = { 0, 43, 44, 60, 60, 6, 59, 1 };
		uint32_t room = (uint32_t)(rand_u64(&r) % 120);
		struct ext6 e;

		begin(some[rand_u64(&r) % 8]);
		len = IP6 + room;
		fill_random(&r, packet + IP6, room);
		for (uint32_t at = 0; at + 1 < room; at += 8) {
			packet[IP6 + at] = some[rand_u64(&r) % 8];
			packet[IP6 + at + 1] %= 3;
		}
		e = skipped();
		if (e.verdict == EXT6_UPPER)
			assert_in_range(e.at, IP6, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_without_them_begins_behind_its_header),
		cmocka_unit_test(known_and_skippable_options_are_skipped),
		cmocka_unit_test(an_unknown_option_is_treated_as_its_type_asks),
		cmocka_unit_test(an_option_longer_than_its_header_is_dropped),
		cmocka_unit_test(a_route_that_ends_here_is_skipped_and_another_refused),
		cmocka_unit_test(a_fragment_is_a_piece_unless_it_is_the_whole),
		cmocka_unit_test(hop_by_hop_options_stand_first_or_are_refused),
		cmocka_unit_test(nothing_behind_them_is_dropped),
		cmocka_unit_test(a_header_that_does_not_fit_is_short),
		cmocka_unit_test(a_chain_that_takes_too_much_is_dropped),
		cmocka_unit_test(random_bytes_are_read_within_their_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
