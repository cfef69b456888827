/* SPDX-License-Identifier: BSD-3-Clause */
/* test_nd.c - neighbour and router discovery, byte by byte. Each frame that is parsed is an allocation of its
 * size, and goes through pkt_parse() first, as in tasd. */
#include "include/net/nd.h"

#include "include/net/pkt.h"
#include "tests/unit/net_frames.h"

enum { ICMP = 54 };

static const struct rte_ether_addr our_mac = { { 2, 0, 0, 0, 0, 1 } }, host_mac = { { 2, 0, 0, 0, 0, 0xa } };
static struct net_addr ours, host, router;
static struct frame f;

static int setup(void **state)
{
	(void)state;
	assert_true(addr_parse("2001:db8::1", &ours));
	assert_true(addr_parse("2001:db8::a:b:c", &host));
	assert_true(addr_parse("fe80::1", &router));
	return 0;
}

static void take(uint32_t len)
{
	assert_in_range(len, 1, FRAME_MAX);
	f.len = len;
}

/* What comes out of the parsers, pkt_parse() and nd_parse(). */
static bool parse(struct nd_msg *m)
{
	uint8_t *copy = exact(f.b, f.len);
	struct flow_key key;
	struct seg seg;
	bool ok = pkt_parse(copy, f.len, 0, &key, &seg) == PKT_ICMP6 && nd_parse(copy, &seg, m);

	free(copy);
	return ok;
}

static bool is_wrong_after(uint32_t at, uint8_t value)
{
	struct frame good = f;
	struct nd_msg m;
	bool ok;

	f.b[at] = value;
	frame_seal(&f);
	ok = parse(&m);
	f = good;
	return !ok;
}

static void solicit(const struct rte_ether_addr *to)
{
	memset(&f, 0, sizeof(f));
	take(nd_write_solicitation(f.b, sizeof(f.b), &host_mac, host, to, ours));
}

static void advertise(struct net_addr dst)
{
	memset(&f, 0, sizeof(f));
	take(nd_write_advertisement(f.b, sizeof(f.b), &host_mac, host, &our_mac, dst, true));
}

static void a_solicitation_goes_to_the_group_of_its_target(void **state)
{
	struct nd_msg m;

	(void)state;
	solicit(NULL);
	assert_memory_equal(f.b, "\x33\x33\xff\0\0\1\2\0\0\0\0\xa\x86\xdd", 14);
	assert_memory_equal(f.b + 38, "\xff\2\0\0\0\0\0\0\0\0\0\1\xff\0\0\1", 16);
	assert_int_equal(f.b[14 + 7], 255);
	assert_int_equal(frame_l4_sum(&f, true), 0xffff);
	assert_true(parse(&m));
	assert_int_equal(m.type, ICMP6_SOLICITATION);
	assert_true(addr_eq(m.target, ours) && addr_eq(m.src, host));
	assert_true(m.has_mac && rte_is_same_ether_addr(&m.mac, &host_mac));
}

static void one_that_only_confirms_goes_to_one_host(void **state)
{
	struct nd_msg m;

	(void)state;
	solicit(&our_mac);
	assert_memory_equal(f.b, our_mac.addr_bytes, 6);
	assert_memory_equal(f.b + 38, ours.b, 16);
	assert_true(parse(&m));
}

static void one_from_nobody_asks_whether_the_address_is_taken(void **state) /* RFC 4862 5.4.2 */
{
	struct nd_msg m;

	(void)state;
	take(nd_write_solicitation(f.b, sizeof(f.b), &host_mac, addr_any(), NULL, ours));
	assert_int_equal(f.len, ICMP + 24); /* without its hardware address */
	assert_true(parse(&m));
	assert_true(addr_is_any(m.src) && !m.has_mac);
	/* not to one host, and not with a hardware address (RFC 4861 7.1.1) */
	assert_true(is_wrong_after(38 + 11, 0));
	solicit(NULL);
	memset(f.b + 22, 0, 16);
	frame_seal(&f);
	assert_false(parse(&m));
}

static void an_answer_says_that_it_is_one(void **state)
{
	struct nd_msg m;

	(void)state;
	advertise(ours);
	assert_true(parse(&m));
	assert_int_equal(m.type, ICMP6_ADVERTISEMENT);
	assert_true(m.solicited && m.override && !m.router && m.has_mac);
	assert_true(addr_eq(m.target, host));
	assert_memory_equal(f.b, our_mac.addr_bytes, 6);
}

static void an_announcement_goes_to_all_and_answers_nobody(void **state)
{
	struct nd_msg m;

	(void)state;
	advertise(addr_all_nodes());
	assert_memory_equal(f.b, "\x33\x33\0\0\0\1", 6);
	assert_true(parse(&m));
	assert_true(!m.solicited && m.override);
	assert_true(is_wrong_after(ICMP + 4, 0x60)); /* solicited, to a group (RFC 4861 7.1.2) */
	take(nd_write_advertisement(f.b, sizeof(f.b), &host_mac, host, &our_mac, ours, false));
	assert_true(parse(&m));
	assert_true(m.solicited && !m.override);
}

static void what_may_come_from_beyond_a_router_is_ignored(void **state)
{
	(void)state;
	solicit(NULL);
	assert_true(is_wrong_after(14 + 7, 254));
	assert_true(is_wrong_after(ICMP + 1, 1));    /* a code */
	assert_true(is_wrong_after(ICMP + 8, 0xff)); /* the target is a group */
	assert_true(is_wrong_after(22, 0xff));       /* the source is a group */
	assert_true(is_wrong_after(ICMP + 25, 0));   /* an option without length */
	assert_true(is_wrong_after(ICMP + 25, 2));   /* one that is too long */
	assert_true(is_wrong_after(ICMP, 137));      /* a redirect is not for us */
	assert_false(is_wrong_after(ICMP + 24, 99)); /* an option nobody knows */
	assert_false(
		is_wrong_after(ICMP + 26, 0x33)); /* a hardware address of a group is none, but no fault */
}

static void short_ones_are_ignored(void **state)
{
	struct nd_msg m;

	(void)state;
	solicit(NULL);
	for (uint32_t len = f.len - 1; len >= ICMP; len--) {
		f.len = len;
		put16(f.b + 18, len - ICMP);
		frame_seal(&f);
		assert_int_equal(parse(&m), len == ICMP + 24);
	}
}

static void router_advertisement(void)
{
	static const uint8_t body[] = { ICMP6_ROUTER_ADVERTISEMENT, 0, 0, 0, 64, 0, 0x07, 0x08, /* 1800 s */
		0, 0, 0x27, 0x10, 0, 0, 0x01, 0xf4,                             /* 10 s, 500 ms */
		1, 1, 2, 0, 0, 0, 0, 0xfe,                                      /* its address */
		5, 1, 0, 0, 0, 0, 0x05, 0x78,                                   /* MTU 1400 */
		3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x07, 0x08, 0, 0, 0, 0, /* prefix */
		0x20, 1, 0xd, 0xb8, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9 };

	frame_make(&f, &(struct frame_spec){ .v6 = true, .proto = 58, .payload_len = sizeof(body) });
	memcpy(f.b + ICMP, body, sizeof(body));
	memcpy(f.b + 22, router.b, 16);
	f.b[14 + 7] = 255;
	frame_seal(&f);
}

static void a_router_says_what_the_link_is_like(void **state)
{
	struct nd_msg m;
	struct net_addr net;

	(void)state;
	router_advertisement();
	assert_true(parse(&m));
	assert_int_equal(m.hops, 64);
	assert_int_equal(m.router_lifetime_s, 1800);
	assert_int_equal(m.reachable_ms, 10000);
	assert_int_equal(m.retrans_ms, 500);
	assert_int_equal(m.mtu, 1400);
	assert_true(m.has_mac);
	assert_int_equal(m.prefixes, 1);
	assert_int_equal(m.prefix[0].prefix.len, 64);
	assert_true(addr_parse("2001:db8:0:7::", &net)); /* the host part is gone */
	assert_true(addr_eq(m.prefix[0].prefix.addr, net));
	assert_true(m.prefix[0].on_link && m.prefix[0].autonomous);
	assert_int_equal(m.prefix[0].valid_s, 3600);
	assert_int_equal(m.prefix[0].preferred_s, 1800);
}

static void a_router_speaks_from_its_link_local_address(void **state) /* RFC 4861 6.1.2 */
{
	(void)state;
	router_advertisement();
	assert_true(is_wrong_after(22, 0x20));
	assert_true(is_wrong_after(14 + 7, 64));
}

static void a_prefix_nobody_can_have_is_left_out(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t value;
	} wrong[] = { { 2, 129 }, { 10, 0xff }, { 16, 0xff } }; /* length; preferred past valid; a group */

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct nd_msg m;

		router_advertisement();
		f.b[ICMP + 32 + wrong[i].at] = wrong[i].value;
		frame_seal(&f);
		assert_true(parse(&m));
		assert_int_equal(m.prefixes, 0);
	}
}

static void random_changes_are_read_within_their_bounds(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 8);
	for (unsigned i = 0; i < 100000; i++) {
		struct nd_msg m;

		if (i % 2 == 0)
			router_advertisement();
		else
			solicit(NULL);
		for (unsigned n = rand_below(&r, 4); n > 0; n--)
			f.b[ICMP + rand_below(&r, f.len - ICMP)] = (uint8_t)rand_u64(&r);
		f.len = ICMP + rand_below(&r, f.len - ICMP + 1);
		put16(f.b + 18, f.len - ICMP);
		frame_seal(&f);
		if (parse(&m))
			assert_in_range(m.prefixes, 0, ND_PREFIXES_MAX);
	}
}

static void an_address_comes_from_the_hardware(void **state) /* RFC 4291, appendix A */
{
	struct net_addr expected, got = nd_eui64(addr_link_local_net(), &host_mac);

	(void)state;
	assert_true(addr_parse("fe80::ff:fe00:a", &expected));
	assert_true(addr_eq(got, expected));
	assert_true(addr_is_link_local6(got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_solicitation_goes_to_the_group_of_its_target, setup),
		cmocka_unit_test_setup(one_that_only_confirms_goes_to_one_host, setup),
		cmocka_unit_test_setup(one_from_nobody_asks_whether_the_address_is_taken, setup),
		cmocka_unit_test_setup(an_answer_says_that_it_is_one, setup),
		cmocka_unit_test_setup(an_announcement_goes_to_all_and_answers_nobody, setup),
		cmocka_unit_test_setup(what_may_come_from_beyond_a_router_is_ignored, setup),
		cmocka_unit_test_setup(short_ones_are_ignored, setup),
		cmocka_unit_test_setup(a_router_says_what_the_link_is_like, setup),
		cmocka_unit_test_setup(a_router_speaks_from_its_link_local_address, setup),
		cmocka_unit_test_setup(a_prefix_nobody_can_have_is_left_out, setup),
		cmocka_unit_test_setup(random_changes_are_read_within_their_bounds, setup),
		cmocka_unit_test_setup(an_address_comes_from_the_hardware, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
