/* SPDX-License-Identifier: BSD-3-Clause */
/* test_addr.c - addresses and prefixes, held against the C library's text functions and a bit-by-bit
 * match. */
#include "include/net/addr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"

static struct net_addr addr(const char *text)
{
	struct net_addr a;

	if (!addr_parse(text, &a))
		fail_msg("%s does not parse", text);
	return a;
}

static void assert_text(struct net_addr a, const char *expected)
{
	char text[ADDR_STRLEN];

	assert_string_equal(addr_format(a, text, sizeof(text)), expected);
}

static void ipv4_is_held_mapped(void **state)
{
	const uint8_t bytes[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 };
	struct net_addr a = addr_v4(htonl(0xc0000201));

	(void)state;
	assert_memory_equal(a.b, bytes, 16);
	assert_true(addr_is_v4(a));
	assert_int_equal(addr_v4_be(a), htonl(0xc0000201));
	assert_true(addr_eq(a, addr("192.0.2.1")));
	assert_true(addr_eq(a, addr("::ffff:192.0.2.1")));
	assert_false(addr_is_v4(addr("::192.0.2.1")));
	assert_false(addr_is_v4(addr("1::ffff:192.0.2.1")));
}

static void equality_looks_at_every_byte(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 128; i++) {
		struct net_addr a = addr("2001:db8::1"), b = a;

		b.b[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_true(addr_eq(a, a));
		assert_false(addr_eq(a, b));
	}
}

static void kinds_of_addresses_are_told_apart(void **state)
{
	(void)state;
	assert_true(addr_is_any(addr_any()) && addr_is_any(addr("::")) && addr_is_any(addr("0.0.0.0")));
	assert_false(addr_is_any(addr("::1")) || addr_is_any(addr("0.0.0.1")) || addr_is_any(addr("1::")));
	assert_false(addr_is_any(addr("::1:0:0")));
	assert_true(addr_is_loopback(addr("127.0.0.1")) && addr_is_loopback(addr("127.255.0.9")));
	assert_true(addr_is_loopback(addr("::1")));
	assert_false(addr_is_loopback(addr("128.0.0.1")) || addr_is_loopback(addr("::2")) ||
		addr_is_loopback(addr("1::1")));
	assert_true(addr_is_multicast(addr("224.0.0.1")) && addr_is_multicast(addr("239.255.255.255")));
	assert_true(addr_is_multicast(addr("ff02::1")));
	assert_false(addr_is_multicast(addr("223.255.255.255")) || addr_is_multicast(addr("240.0.0.1")));
	assert_false(addr_is_multicast(addr("fe80::1")));
	assert_true(addr_is_v4_broadcast(addr("255.255.255.255")));
	assert_false(
		addr_is_v4_broadcast(addr("255.255.255.254")) || addr_is_v4_broadcast(addr("::ffff:ffff")));
}

static void text_that_is_no_address_is_refused_and_writes_nothing(void **state)
{
	static const char *const wrong[] = {
		"",
		" ",
		"1",
		"1.2.3",
		"1.2.3.4.",
		"1.2.3.4.5",
		".1.2.3.4",
		"1..2.3",
		"256.1.1.1",
		"1.2.3.400",
		"01.2.3.4",
		"1.2.3.04",
		"1.2.3.4 ",
		" 1.2.3.4",
		"1.2.3.4/8",
		"0x1.2.3.4",
		"1.2.3.-4",
		"+1.2.3.4",
		"4294967297.1.1.1",
		":",
		":::",
		"1::2::3",
		":1",
		"1:",
		"::1:",
		":1::",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"1:2:3:4:5:6:7::8",
		"::1:2:3:4:5:6:7:8",
		"12345::",
		"g::",
		"::1%eth0",
		"[::1]",
		"1:2:3:4:5:6:7:1.2.3.4",
		"::1.2.3.4:5",
		"::1.2.3",
		"::01.2.3.4",
		"1.2.3.4::",
		"fe80::1 ",
		"2001:db8:1.2.3.4",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		struct net_addr a = addr("2001:db8::77");

		if (addr_parse(wrong[i], &a))
			fail_msg("\"%s\" was taken for an address", wrong[i]);
		assert_true(addr_eq(a, addr("2001:db8::77")));
	}
}

static void text_is_canonical(void **state) /* RFC 5952 4 */
{
	(void)state;
	assert_text(addr("10.0.0.255"), "10.0.0.255");
	assert_text(addr("::"), "::");
	assert_text(addr("::1"), "::1");
	assert_text(addr("1::"), "1::");
	assert_text(addr("2001:DB8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");    /* the first of equal runs */
	assert_text(addr("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");          /* the longest run */
	assert_text(addr("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1"); /* never for one group */
	assert_text(addr("1:2:3:4:5:6:0:0"), "1:2:3:4:5:6::");
	assert_text(addr("0:0:3:4:5:6:7:8"), "::3:4:5:6:7:8");
	assert_text(addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_text(addr("::ffff:1.2.3.4"), "1.2.3.4");
}

static void a_buffer_too_small_gets_the_empty_string(void **state)
{
	struct net_addr a = addr("192.0.2.100");

	(void)state;
	for (size_t size = 0; size < 14; size++) {
		char *buf = malloc(size);

		if (size > 0)
			buf[0] = 'x';
		assert_ptr_equal(addr_format(a, buf, size), buf);
		if (size > 0)
			assert_string_equal(buf, size < 12 ? "" : "192.0.2.100");
		free(buf);
	}
}

/* Few characters and many zeros, so that a good part of the texts is right or nearly so. */
static void random_text(struct tas_rand *r, char text[64])
{
	static const char *const part[] = {
		":",
		":",
		"::",
		".",
		".",
		"0",
		"1",
		"ffff",
		"abcd",
		"12",
		"255",
		"256",
		"00",
		"1:2:3",
		"10.0.0.",
		"f",
		"2001:db8",
	};
	unsigned parts = 1 + rand_below(r, 12);

	text[0] = '\0';
	for (unsigned i = 0; i < parts; i++) {
		const char *p = part[rand_below(r, ARRAY_LEN(part))];

		if (strlen(text) + strlen(p) < 64)
			strcat(text, p);
	}
}

static void text_is_read_as_the_c_library_reads_it(void **state)
{
	unsigned right = 0;
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 2);
	for (int i = 0; i < 300000; i++) {
		struct net_addr a, expected = addr_v4(0);
		char text[64];
		bool ok;

		random_text(&r, text);
		ok = inet_pton(AF_INET, text, expected.b + 12) == 1 ||
			inet_pton(AF_INET6, text, expected.b) == 1;
		if (addr_parse(text, &a) != ok)
			fail_msg("\"%s\": the C library says %s", text, ok ? "yes" : "no");
		if (!ok)
			continue;
		assert_memory_equal(a.b, expected.b, 16);
		right++;
	}
	assert_true(right > 1000);
}

static void text_is_written_as_the_c_library_writes_it_and_read_back(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 3);
	for (int i = 0; i < 100000; i++) {
		char text[ADDR_STRLEN], expected[INET6_ADDRSTRLEN];
		struct net_addr a;

		a.q[0] = rand_u64(&r);
		a.q[1] = rand_u64(&r);
		for (unsigned g = 1; g < 8; g++)
			if (rand_below(&r, 2) == 0)
				a.b[2 * g] = a.b[2 * g + 1] = 0;
		a.b[0] |= 1; /* the C library writes ::1.2.3.4 for what begins with zeros */
		assert_non_null(inet_ntop(AF_INET6, a.b, expected, sizeof(expected)));
		assert_text(a, expected);
		assert_true(addr_eq(addr(expected), a));
		a = addr_v4(a.w[3]);
		assert_non_null(inet_ntop(AF_INET, a.b + 12, expected, sizeof(expected)));
		assert_string_equal(addr_format(a, text, sizeof(text)), expected);
		assert_true(addr_eq(addr(text), a));
	}
}

static void a_prefix_matches_exactly_its_bits(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 4);
	for (unsigned len = 0; len <= 128; len++) {
		for (unsigned bit = 0; bit < 128; bit++) {
			struct net_addr a = { .q = { rand_u64(&r), rand_u64(&r) } }, b = a;

			b.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			assert_true(addr_prefix_match(a, b, len) == (bit >= len));
			assert_true(addr_prefix_match(a, a, len));
		}
	}
}

static void a_prefix_keeps_its_host_part(void **state)
{
	char text[PREFIX_STRLEN];
	struct net_prefix p;

	(void)state;
	assert_true(prefix_parse("10.0.0.1/24", &p));
	assert_true(addr_eq(p.addr, addr("10.0.0.1")));
	assert_int_equal(p.len, 120);
	assert_true(prefix_contains(&p, addr("10.0.0.200")));
	assert_false(prefix_contains(&p, addr("10.0.1.1")));
	assert_int_equal(prefix_v4_broadcast(&p), htonl(0x0a0000ff));
	assert_string_equal(prefix_format(&p, text, sizeof(text)), "10.0.0.1/24");
	p = prefix_v4(htonl(0xc0a80000), 16);
	assert_string_equal(prefix_format(&p, text, sizeof(text)), "192.168.0.0/16");
}

static void a_default_route_is_of_one_family(void **state)
{
	char text[PREFIX_STRLEN];
	struct net_prefix p;

	(void)state;
	assert_true(prefix_parse("0.0.0.0/0", &p));
	assert_true(prefix_contains(&p, addr("203.0.113.5")));
	assert_false(prefix_contains(&p, addr("2001:db8::1")));
	assert_int_equal(prefix_v4_broadcast(&p), 0xffffffff);
	assert_string_equal(prefix_format(&p, text, sizeof(text)), "0.0.0.0/0");
	assert_true(prefix_parse("::/0", &p));
	assert_int_equal(p.len, 0);
	assert_true(prefix_contains(&p, addr("2001:db8::1")));
	assert_string_equal(prefix_format(&p, text, sizeof(text)), "::/0");
}

static void a_prefix_without_length_is_one_address(void **state)
{
	struct net_prefix p;

	(void)state;
	assert_true(prefix_parse("10.0.0.1", &p) && p.len == 128);
	assert_true(prefix_parse("2001:db8::1", &p) && p.len == 128);
	assert_true(prefix_parse("2001:db8::/32", &p) && p.len == 32);
	assert_true(prefix_parse("::ffff:10.0.0.0/104", &p) && p.len == 104);
	assert_true(prefix_contains(&p, addr("10.9.9.9")));
}

static void text_that_is_no_prefix_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"/",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/08",
		"10.0.0.0/8/8",
		"10.0.0.0/8 ",
		"10.0.0/8",
		"::/129",
		"::/4294967296",
		"::/x",
		"10.0.0.0/ 8",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/12",
		"0000000000000000000000000000000000000000000000000/8",
	};

	(void)state;
	for (unsigned n = 1; n < 100; n++) { /* at and around every buffer's size */
		char *text = malloc(n + 3);
		struct net_prefix p;

		memset(text, '0', n);
		memcpy(text + n, "/8", 3);
		assert_int_equal(prefix_parse(text, &p), false);
		free(text);
	}
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		struct net_prefix p = { addr("2001:db8::77"), 99 };

		if (prefix_parse(wrong[i], &p))
			fail_msg("\"%s\" was taken for a prefix", wrong[i]);
		assert_true(p.len == 99 && addr_eq(p.addr, addr("2001:db8::77")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_is_held_mapped),
		cmocka_unit_test(equality_looks_at_every_byte),
		cmocka_unit_test(kinds_of_addresses_are_told_apart),
		cmocka_unit_test(text_that_is_no_address_is_refused_and_writes_nothing),
		cmocka_unit_test(text_is_canonical),
		cmocka_unit_test(a_buffer_too_small_gets_the_empty_string),
		cmocka_unit_test(text_is_read_as_the_c_library_reads_it),
		cmocka_unit_test(text_is_written_as_the_c_library_writes_it_and_read_back),
		cmocka_unit_test(a_prefix_matches_exactly_its_bits),
		cmocka_unit_test(a_prefix_keeps_its_host_part),
		cmocka_unit_test(a_default_route_is_of_one_family),
		cmocka_unit_test(a_prefix_without_length_is_one_address),
		cmocka_unit_test(text_that_is_no_prefix_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
