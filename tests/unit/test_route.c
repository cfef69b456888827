/* SPDX-License-Identifier: BSD-3-Clause */
/* test_route.c - a small host with two subnets, a gateway in each, and both families. */
#include "slowpath/route.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct routes r;

static struct net_addr addr(const char *text)
{
	struct net_addr a;

	assert_true(addr_parse(text, &a));
	return a;
}

static struct net_prefix prefix(const char *text)
{
	struct net_prefix p;

	assert_true(prefix_parse(text, &p));
	return p;
}

static int add_address(const char *text)
{
	struct net_prefix p = prefix(text);

	return route_add_address(&r, &p);
}

static int add(const char *dst, const char *gateway)
{
	struct net_prefix p = prefix(dst);

	return route_add(&r, &p, addr(gateway));
}

static int setup(void **state)
{
	(void)state;
	routes_init(&r);
	assert_int_equal(add_address("10.0.0.1/24"), 0);
	assert_int_equal(add_address("10.0.1.1/25"), 0);
	assert_int_equal(add_address("2001:db8::1/64"), 0);
	assert_int_equal(route_add_default(&r, addr("10.0.0.254")), 0);
	assert_int_equal(add("172.16.0.0/12", "10.0.1.100"), 0);
	assert_int_equal(add("172.16.5.0/24", "10.0.0.200"), 0);
	assert_int_equal(add("172.16.5.9/32", "10.0.1.101"), 0);
	return 0;
}

static void expect(const char *dst, const char *next_hop, const char *src, unsigned prefix_len)
{
	struct route_result got = route_lookup(&r, addr(dst));

	assert_true(got.found);
	assert_false(got.local);
	assert_true(addr_eq(got.next_hop, addr(next_hop)));
	assert_true(addr_eq(got.src, addr(src)));
	assert_int_equal(got.prefix_len, prefix_len);
}

static void expect_none(const char *dst)
{
	assert_false(route_lookup(&r, addr(dst)).found);
	assert_false(route_on_link(&r, addr(dst), NULL));
}

static void a_destination_in_our_subnet_is_its_own_neighbour(void **state)
{
	(void)state;
	expect("10.0.0.7", "10.0.0.7", "10.0.0.1", 96 + 24);
	expect("10.0.1.126", "10.0.1.126", "10.0.1.1", 96 + 25);
	expect("2001:db8::99", "2001:db8::99", "2001:db8::1", 64);
}

static void others_go_by_the_gateway_of_the_longest_prefix(void **state)
{
	(void)state;
	expect("8.8.8.8", "10.0.0.254", "10.0.0.1", 96);
	expect("10.0.1.128", "10.0.0.254", "10.0.0.1", 96);
	expect("172.31.255.1", "10.0.1.100", "10.0.1.1", 96 + 12);
	expect("172.16.5.8", "10.0.0.200", "10.0.0.1", 96 + 24);
	expect("172.16.5.9", "10.0.1.101", "10.0.1.1", 96 + 32);
}

static void our_addresses_are_local(void **state)
{
	static const char *const ours[] = { "10.0.0.1", "10.0.1.1", "2001:db8::1" };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct route_result got = route_lookup(&r, addr(ours[i]));

		assert_true(got.found && got.local);
		assert_true(addr_eq(got.src, addr(ours[i])));
		assert_true(route_is_local(&r, addr(ours[i])));
	}
	assert_false(route_is_local(&r, addr("10.0.0.2")));
	assert_false(route_is_local(&r, addr("0.0.0.0")));
}

/* RFC 1122 3.2.1.3: none of these is a host to connect to. */
static void addresses_that_no_host_has_are_not_found(void **state)
{
	(void)state;
	expect_none("0.0.0.0");
	expect_none("0.1.2.3");
	expect_none("255.255.255.255");
	expect_none("10.0.0.255");
	expect_none("10.0.1.127");
	expect_none("224.0.0.1");
	expect_none("127.0.0.1");
	expect_none("::");
	expect_none("::1");
	expect_none("ff02::1");
}

static void hosts_are_told_from_what_no_host_has(void **state)
{
	static const char *const none[] = { "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.255.0.1",
		"255.255.255.255", "10.0.0.255", "10.0.1.127", "::", "::1", "ff02::1" };
	static const char *const host[] = { "10.0.0.1", "10.0.0.7", "10.0.1.255", "8.8.8.8", "2001:db8::9" };

	(void)state;
	for (unsigned i = 0; i < sizeof(none) / sizeof(*none); i++)
		assert_false(route_is_host(&r, addr(none[i])));
	for (unsigned i = 0; i < sizeof(host) / sizeof(*host); i++)
		assert_true(route_is_host(&r, addr(host[i])));
}

/* RFC 3021. */
static void a_link_of_two_hosts_has_no_broadcast_address(void **state)
{
	(void)state;
	assert_int_equal(add_address("192.168.0.0/31"), 0);
	expect("192.168.0.1", "192.168.0.1", "192.168.0.0", 96 + 31);
}

/* Mapped addresses lie within ::/0. */
static void the_families_have_default_routes_of_their_own(void **state)
{
	(void)state;
	expect_none("2001:db8:1::1");
	assert_int_equal(route_add_default(&r, addr("2001:db8::fe")), 0);
	expect("2001:db8:1::1", "2001:db8::fe", "2001:db8::1", 0);
	expect("8.8.8.8", "10.0.0.254", "10.0.0.1", 96);

	routes_init(&r);
	assert_int_equal(add_address("2001:db8::1/64"), 0);
	assert_int_equal(route_add_default(&r, addr("2001:db8::fe")), 0);
	expect_none("8.8.8.8");
}

static void on_link_means_in_a_subnet_of_ours_and_names_our_address_there(void **state)
{
	struct net_addr src;

	(void)state;
	assert_true(route_on_link(&r, addr("10.0.1.5"), &src));
	assert_true(addr_eq(src, addr("10.0.1.1")));
	assert_true(route_on_link(&r, addr("10.0.0.254"), NULL));
	assert_false(route_on_link(&r, addr("8.8.8.8"), NULL));
	assert_false(route_on_link(&r, addr("172.16.5.9"), NULL));
}

static void a_gateway_must_be_a_neighbour(void **state)
{
	(void)state;
	assert_int_equal(add("192.0.2.0/24", "8.8.8.8"), -ENETUNREACH);
	assert_int_equal(add("192.0.2.0/24", "172.16.5.9"), -ENETUNREACH);
	assert_int_equal(add("192.0.2.0/24", "10.0.0.255"), -ENETUNREACH);
	assert_int_equal(add("192.0.2.0/24", "10.0.0.1"), -ENETUNREACH); /* ourselves */
	assert_int_equal(add("192.0.2.0/24", "2001:db8::2"), -EINVAL);
	assert_int_equal(add("2001:db8:5::/48", "10.0.0.254"), -EINVAL);
}

static void what_is_there_is_not_added_again(void **state)
{
	(void)state;
	assert_int_equal(add_address("10.0.0.1/16"), -EEXIST);
	assert_int_equal(add("172.16.0.0/12", "10.0.0.254"), -EEXIST);
	assert_int_equal(add("172.20.0.0/12", "10.0.0.254"), -EEXIST); /* the host part does not count */
	assert_int_equal(route_add_default(&r, addr("10.0.0.253")), -EEXIST);
}

static void a_second_address_in_a_subnet_is_local_but_not_the_source(void **state)
{
	(void)state;
	assert_int_equal(add_address("10.0.0.9/24"), 0);
	assert_true(route_is_local(&r, addr("10.0.0.9")));
	expect("10.0.0.7", "10.0.0.7", "10.0.0.1", 96 + 24);
}

static void source_is_of_the_scope_then_preferred_then_alike(void **state) /* RFC 6724 5, rules 2, 3, 8 */
{
	(void)state;
	assert_int_equal(add_address("fe80::1/64"), 0);
	assert_int_equal(add_address("2001:db8:f::1/128"), 0);
	assert_int_equal(add_address("fd00::1/128"), 0);
	assert_int_equal(route_add_default(&r, addr("fe80::fe")), 0);
	expect("fe80::7", "fe80::7", "fe80::1", 64);
	expect("2001:db8:f:1::9", "fe80::fe", "2001:db8:f::1", 0);
	expect("fd11::9", "fe80::fe", "fd00::1", 0);
	route_deprecate(&r, addr("2001:db8:f::1"), true);
	expect("2001:db8:f:1::9", "fe80::fe", "2001:db8::1", 0);
	route_deprecate(&r, addr("2001:db8::1"), true);
	expect("2001:db8::9", "2001:db8::9", "fd00::1", 64); /* on the link, too */
	route_deprecate(&r, addr("fd00::1"), true);
	expect("2001:db8::9", "2001:db8::9", "2001:db8::1", 64); /* all are */
	route_deprecate(&r, addr("2001:db8:f::1"), false);
	expect("2001:db8::9", "2001:db8::9", "2001:db8:f::1", 64);
	route_deprecate(&r, addr("2001:db8::99"), true); /* none of ours */
	assert_true(route_remove_address(&r, addr("2001:db8::1")));
	expect("2001:db8:1::9", "fe80::fe", "2001:db8:f::1", 0); /* the next did not inherit it */
}

static void of_sources_that_routers_know_it_is_the_next_hops(void **state) /* RFC 6724 5, rule 5.5 */
{
	struct net_prefix f = prefix("2001:db8:f::/48"), fd = prefix("fd00::/8");

	(void)state;
	assert_int_equal(add_address("fe80::1/64"), 0);
	assert_int_equal(add_address("2001:db8:f::1/128"), 0);
	assert_int_equal(add_address("fd00::1/128"), 0);
	assert_int_equal(route_add_default(&r, addr("fe80::fe")), 0);
	assert_true(route_add_advert(&r, &fd, addr("fe80::fe")));
	expect("2001:db8:f:1::9", "fe80::fe", "2001:db8:f::1", 0); /* of no router */
	assert_true(route_add_advert(&r, &f, addr("fe80::fd")));
	assert_true(route_add_advert(&r, &f, addr("fe80::fd")));
	assert_int_equal(r.adverts, 2);
	route_deprecate(&r, addr("2001:db8::1"), true); /* of none, too */
	expect("2001:db8:f:1::9", "fe80::fe", "fd00::1", 0);
	expect("fe80::fd", "fe80::fd", "fe80::1", 64);
	route_remove_advert(&r, &f, addr("fe80::fe")); /* is not its */
	expect("2001:db8:f:1::9", "fe80::fe", "fd00::1", 0);
	route_remove_advert(&r, &f, addr("fe80::fd"));
	expect("2001:db8:f:1::9", "fe80::fe", "2001:db8:f::1", 0);
}

static void link_without_an_address_of_ours_has_a_source_of_another(void **state)
{
	struct net_prefix p = prefix("2001:db8:5::/48"), v4 = prefix("10.9.0.0/16"), all = { addr("::"), 0 };

	(void)state;
	assert_int_equal(route_add_link(&r, &p, addr("fe80::1")), 0);
	assert_int_equal(route_add_link(&r, &p, addr("fe80::1")), -EEXIST);
	assert_int_equal(route_add_link(&r, &v4, addr("fe80::1")), -EINVAL);
	assert_int_equal(route_add_link(&r, &all, addr("fe80::1")), -EINVAL);
	expect("2001:db8:5:6::7", "2001:db8:5:6::7", "2001:db8::1", 48);
	assert_true(route_on_link(&r, addr("2001:db8:5::7"), NULL));
	route_remove_link(&r, &p);
	expect_none("2001:db8:5::7");
}

static void addresses_that_no_host_has_are_not_ours(void **state)
{
	static const char *const bad[] = { "0.0.0.0/24", "224.0.0.1/24", "255.255.255.255/32", "127.0.0.1/8",
		"10.9.0.255/24", "::1/128", "ff02::1/16" };

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(add_address(bad[i]), -EINVAL);
}

static void at_its_limits_the_newcomer_is_refused_and_what_exists_goes_on(void **state)
{
	(void)state;
	for (unsigned i = r.addresses; i < ROUTE_ADDRESSES_MAX; i++) {
		struct net_prefix p = prefix_v4(htobe32(0xc0000200 + i), 32);

		assert_int_equal(route_add_address(&r, &p), 0);
	}
	assert_int_equal(add_address("192.0.2.250/32"), -ENOSPC);
	for (unsigned i = r.n; i < ROUTES_MAX; i++) {
		struct net_prefix p = prefix_v4(htobe32(0xc6336400 + i), 32);

		assert_int_equal(route_add(&r, &p, addr("10.0.0.254")), 0);
	}
	assert_int_equal(add("198.51.100.250/32", "10.0.0.254"), -ENOSPC);
	expect("8.8.8.8", "10.0.0.254", "10.0.0.1", 96);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_destination_in_our_subnet_is_its_own_neighbour, setup),
		cmocka_unit_test_setup(others_go_by_the_gateway_of_the_longest_prefix, setup),
		cmocka_unit_test_setup(our_addresses_are_local, setup),
		cmocka_unit_test_setup(addresses_that_no_host_has_are_not_found, setup),
		cmocka_unit_test_setup(hosts_are_told_from_what_no_host_has, setup),
		cmocka_unit_test_setup(a_link_of_two_hosts_has_no_broadcast_address, setup),
		cmocka_unit_test_setup(the_families_have_default_routes_of_their_own, setup),
		cmocka_unit_test_setup(on_link_means_in_a_subnet_of_ours_and_names_our_address_there, setup),
		cmocka_unit_test_setup(a_gateway_must_be_a_neighbour, setup),
		cmocka_unit_test_setup(what_is_there_is_not_added_again, setup),
		cmocka_unit_test_setup(a_second_address_in_a_subnet_is_local_but_not_the_source, setup),
		cmocka_unit_test_setup(source_is_of_the_scope_then_preferred_then_alike, setup),
		cmocka_unit_test_setup(of_sources_that_routers_know_it_is_the_next_hops, setup),
		cmocka_unit_test_setup(link_without_an_address_of_ours_has_a_source_of_another, setup),
		cmocka_unit_test_setup(addresses_that_no_host_has_are_not_ours, setup),
		cmocka_unit_test_setup(at_its_limits_the_newcomer_is_refused_and_what_exists_goes_on, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
