/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ra.c - a host that learns its IPv6 addresses and routers, in virtual time. */
#include "slowpath/ra.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "slowpath/sp.h"

#define S NS_PER_SEC

static const struct rte_ether_addr our_mac = { { 2, 0, 0, 0, 0, 1 } };
static struct routes routes;
static struct neigh neigh;
static struct ra ra;
static unsigned sent;
static struct net_addr asked_by, net, ours, router, other, beyond;

static void on_send(void *arg, const uint8_t *frame, uint32_t len)
{
	(void)arg;
	assert_int_equal(frame[54], ICMP6_ROUTER_SOLICITATION);
	assert_memory_equal(frame, "\x33\x33\0\0\0\2", 6);
	memcpy(&asked_by, frame + 22, sizeof(asked_by));
	assert_int_equal(len, addr_is_any(asked_by) ? 62 : 70); /* with our hardware address */
	sent++;
}

static int start(bool on, bool fixed)
{
	struct net_prefix link_local = { nd_eui64(addr_link_local_net(), &our_mac), 64 };

	routes_init(&routes);
	assert_int_equal(route_add_address(&routes, &link_local), 0);
	neigh = (struct neigh){ .mac = our_mac, .ops = { .send = on_send } };
	assert_true(addr_parse("2001:db8:7::", &net));
	assert_true(addr_parse("2001:db8:7::ff:fe00:1", &ours));
	assert_true(addr_parse("fe80::1", &router));
	assert_true(addr_parse("fe80::2", &other));
	assert_true(addr_parse("2001:db8:ffff::1", &beyond));
	ra_init(&ra, &routes, &neigh, on, fixed, 0);
	sent = 0;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return start(true, false);
}

static struct nd_msg said(struct net_addr by, uint16_t lifetime_s, uint32_t valid_s)
{
	struct nd_msg m = { .type = ICMP6_ROUTER_ADVERTISEMENT, .src = by, .router_lifetime_s = lifetime_s };

	if (valid_s > 0) {
		m.prefixes = 1;
		m.prefix[0] = (struct nd_prefix){ .prefix = { net, 64 },
			.on_link = true,
			.autonomous = true,
			.valid_s = valid_s,
			.preferred_s = valid_s };
	}
	return m;
}

static bool hear(struct nd_msg m, tas_ns now) { return ra_in(&ra, &m, now); }

static bool goes_by(struct net_addr gateway)
{
	struct route_result r = route_lookup(&routes, beyond);

	return r.found && addr_eq(r.next_hop, gateway);
}

static void routers_are_asked_for_three_times(void **state)
{
	(void)state;
	for (tas_ns now = 0; now < 60 * S; now += S)
		ra_poll(&ra, now);
	assert_int_equal(sent, RA_SOLICITATIONS);
	assert_true(ra_next(&ra) == TAS_NS_NEVER);
}

static void routers_do_not_hear_of_an_address_that_may_be_anothers(void **state) /* RFC 4429 3.2 */
{
	(void)state;
	neigh.address6[0] = routes.address[0].addr;
	neigh.tentative = 1;
	ra_poll(&ra, 0);
	assert_true(sent == 1 && addr_is_any(asked_by));
	neigh.tentative = 0;
	ra_poll(&ra, 10 * S);
	assert_true(sent == 2 && addr_eq(asked_by, routes.address[0].addr));
	route_remove_address(&routes, asked_by); /* it is another's */
	ra_poll(&ra, 20 * S);
	assert_true(sent == 3 && addr_is_any(asked_by));
}

static void an_answer_ends_the_asking(void **state)
{
	(void)state;
	ra_poll(&ra, 0);
	hear(said(router, 1800, 0), S);
	for (tas_ns now = S; now < 60 * S; now += S)
		ra_poll(&ra, now);
	assert_int_equal(sent, 1);
}

static void a_prefix_gives_an_address_once(void **state)
{
	(void)state;
	assert_true(hear(said(router, 1800, 3600), 0));
	assert_true(route_is_local(&routes, ours));
	assert_false(hear(said(router, 1800, 3600), S));
	assert_int_equal(routes.addresses, 2);
}

static void a_source_is_the_address_known_beyond_the_router(void **state) /* RFC 6724 5 */
{
	struct route_result r;

	(void)state;
	hear(said(router, 1800, 3600), 0);
	r = route_lookup(&routes, beyond);
	assert_true(r.found && addr_eq(r.next_hop, router) && addr_eq(r.src, ours));
	r = route_lookup(&routes, other); /* on the link the link's own */
	assert_true(r.found && addr_is_link_local6(r.src));
}

static void an_address_ends_with_its_lifetime(void **state)
{
	struct net_addr gone;

	(void)state;
	hear(said(router, 9000, 3600), 0);
	ra_poll(&ra, 3599 * S);
	assert_true(route_is_local(&routes, ours));
	assert_int_equal(ra_next(&ra), 3600 * S);
	assert_false(ra_gone(&ra, &gone));
	ra_poll(&ra, 3600 * S);
	assert_false(route_is_local(&routes, ours));
	assert_true(goes_by(router));
	assert_true(ra_gone(&ra, &gone) && addr_eq(gone, ours)); /* it is told, once */
	assert_false(ra_gone(&ra, &gone));
}

static void an_address_that_was_given_up_does_not_end_again(void **state)
{
	struct net_addr gone;

	(void)state;
	hear(said(router, 9000, 3600), 0);
	assert_true(route_remove_address(&routes, ours)); /* another host has it */
	ra_poll(&ra, 3600 * S);
	assert_false(ra_gone(&ra, &gone));
}

static void nobody_ends_it_at_once(void **state) /* RFC 4862 5.5.3 (e) */
{
	(void)state;
	hear(said(router, 0, 86400), 0);
	hear(said(router, 0, 1), 10 * S);
	ra_poll(&ra, 7200 * S);
	assert_true(route_is_local(&routes, ours));
	ra_poll(&ra, 7210 * S);
	assert_false(route_is_local(&routes, ours));
}

static struct net_addr source(void) { return route_lookup(&routes, beyond).src; }

static void an_address_is_deprecated_before_it_ends(void **state) /* RFC 4862 5.5.4, RFC 6724 5, rule 3 */
{
	struct nd_msg m = said(router, 9000, 3600);
	struct net_addr newer;

	(void)state;
	m.prefix[0].preferred_s = 1000;
	hear(m, 0);
	ra_poll(&ra, 1000 * S); /* there is no other */
	assert_true(addr_eq(source(), ours));
	hear(m, 1500 * S);
	assert_true(addr_parse("2001:db9:1::", &net));
	assert_true(addr_parse("2001:db9:1::ff:fe00:1", &newer));
	hear(said(router, 9000, 7000), 1500 * S);
	ra_poll(&ra, 2499 * S);
	assert_true(addr_eq(source(), ours)); /* the more alike one (rule 8) */
	assert_int_equal(ra_next(&ra), 2500 * S);
	assert_int_equal(ra_poll(&ra, 2500 * S), 1);
	assert_true(addr_eq(source(), newer));
	assert_true(route_is_local(&routes, ours));
	assert_true(ra_next(&ra) > 2500 * S);
	hear(m, 2600 * S); /* it is preferred again */
	assert_true(addr_eq(source(), ours));
	m.prefix[0].preferred_s = 0;
	hear(m, 2700 * S);
	assert_true(addr_eq(source(), newer));
}

/* Of the prefix 2001:db9:1::, less like beyond than the other; our address there. */
static struct net_addr second_net(void)
{
	struct net_addr a;

	assert_true(addr_parse("2001:db9:1::", &net));
	assert_true(addr_parse("2001:db9:1::ff:fe00:1", &a));
	return a;
}

static void a_source_is_of_the_router_that_is_gone_by(void **state) /* RFC 6724 5, rule 5.5 */
{
	struct nd_msg m = said(other, 1800, 5000);
	struct net_addr second = second_net();

	(void)state;
	hear(said(router, 1800, 3600), 0);
	hear(m, 0);
	assert_true(goes_by(router) && addr_eq(source(), second));
	ra_silent(&ra, router);
	assert_true(goes_by(other) && addr_eq(source(), ours));
	hear(said(other, 1800, 3600), 0); /* has both: the more alike one (rule 8) */
	assert_true(addr_eq(source(), ours));
	ra_silent(&ra, other);
	assert_true(goes_by(router) && addr_eq(source(), second));
	m.prefix[0].preferred_s = 0;
	hear(m, 0); /* of the other router, and deprecated */
	assert_true(addr_eq(source(), second));
	m = said(router, 1800, 3600);
	m.prefix[0].preferred_s = 0;
	hear(m, 0);
	m.prefix[0].preferred_s = 5000;
	assert_true(addr_parse("2001:db8:7::", &m.prefix[0].prefix.addr));
	m.src = other;
	hear(m, 0); /* rule 3 is before 5.5 */
	assert_true(addr_eq(source(), ours));
}

static void a_router_has_a_prefix_as_long_as_it_says(void **state) /* RFC 6724 5, rule 5.5 */
{
	struct nd_msg m = said(other, 9000, 5000);
	struct net_addr second = second_net();

	(void)state;
	hear(said(router, 9000, 100), 0);
	hear(m, 0);
	hear(said(other, 9000, 5000), 0);
	assert_true(goes_by(router) && addr_eq(source(), second));
	assert_int_equal(ra_next(&ra), 100 * S);
	assert_int_equal(ra_poll(&ra, 100 * S), 1);
	assert_true(goes_by(router) && addr_eq(source(), ours)); /* both of the other */
	hear(said(router, 9000, 100), 150 * S);
	hear(said(router, 9000, 100), 200 * S);
	ra_poll(&ra, 250 * S);
	assert_true(addr_eq(source(), second));
	m = said(router, 9000, 100);
	m.prefix[0].valid_s = 0;
	hear(m, 260 * S);
	assert_true(addr_eq(source(), ours));
	assert_int_equal(routes.adverts, 2);
}

static void an_address_may_be_deprecated_from_its_beginning(void **state)
{
	struct nd_msg m = said(router, 9000, 3600);

	(void)state;
	m.prefix[0].preferred_s = 0;
	assert_true(hear(m, 0));
	assert_true(addr_eq(source(), ours)); /* one of its scope, all the same */
	assert_true(addr_parse("2001:db9:1::", &net));
	hear(said(router, 9000, 7000), 0);
	assert_false(addr_eq(source(), ours));
}

static void a_prefix_that_is_not_64_bits_or_not_for_it_gives_none(void **state)
{
	struct nd_msg m = said(router, 1800, 3600);

	(void)state;
	m.prefix[0].prefix.len = 56;
	assert_false(hear(m, 0));
	m = said(router, 1800, 3600);
	m.prefix[0].autonomous = false;
	assert_false(hear(m, 0));
	assert_int_equal(routes.addresses, 1);
}

static void a_prefix_that_is_not_on_the_link_is_reached_by_the_router(void **state)
{
	struct nd_msg m = said(router, 1800, 3600);
	struct net_addr neighbour = ours;
	struct route_result r;

	(void)state;
	neighbour.b[15] ^= 1;
	m.prefix[0].on_link = false;
	assert_true(hear(m, 0));
	r = route_lookup(&routes, neighbour);
	assert_true(r.found && addr_eq(r.next_hop, router));
}

static bool on_link(const char *host)
{
	struct net_addr a;

	assert_true(addr_parse(host, &a));
	return route_on_link(&routes, a, NULL);
}

/* Of which there is no address for us. */
static struct nd_msg said_on_link(const char *net_, uint8_t len, uint32_t valid_s)
{
	struct nd_msg m = said(router, 1800, 3600);

	assert_true(addr_parse(net_, &m.prefix[0].prefix.addr));
	m.prefix[0].prefix.len = len;
	m.prefix[0].autonomous = false;
	m.prefix[0].valid_s = valid_s;
	return m;
}

static void a_prefix_may_be_on_the_link_without_an_address(void **state) /* RFC 4861 6.3.4 */
{
	struct net_addr neighbour, src;

	(void)state;
	assert_true(hear(said(router, 1800, 3600), 0));
	assert_false(on_link("2001:db8:8::9"));
	assert_false(hear(said_on_link("2001:db8:8::", 56, 100), 0));
	assert_int_equal(routes.addresses, 2);
	assert_true(addr_parse("2001:db8:8:7::9", &neighbour));
	assert_true(route_on_link(&routes, neighbour, &src) && addr_eq(src, ours));
	assert_true(addr_eq(route_lookup(&routes, neighbour).src, ours));
	hear(said_on_link("2001:db8:8::", 56, 100), 50 * S);
	ra_poll(&ra, 149 * S);
	assert_true(on_link("2001:db8:8::9"));
	assert_false(ra_rerouted(&ra, 149 * S));
	ra_poll(&ra, 150 * S);
	assert_false(on_link("2001:db8:8::9"));
	assert_true(ra_rerouted(&ra, 150 * S)); /* by the router */
	assert_true(goes_by(router));
}

static void being_on_the_link_and_having_an_address_end_apart(void **state)
{
	struct nd_msg m = said(router, 1800, 3600);

	(void)state;
	hear(m, 0);
	m.prefix[0].valid_s = 0; /* an address lasts two hours nevertheless, or as long as it had */
	hear(m, S);
	assert_false(on_link("2001:db8:7::9"));
	assert_true(route_is_local(&routes, ours));
	m.prefix[0].valid_s = 3600;
	m.prefix[0].on_link = false; /* says nothing */
	hear(m, 2 * S);
	assert_false(on_link("2001:db8:7::9"));
	m.prefix[0].on_link = true;
	hear(m, 3 * S);
	m.prefix[0].on_link = false;
	hear(m, 4 * S);
	assert_true(on_link("2001:db8:7::9"));
}

static void no_router_puts_everything_on_the_link(void **state)
{
	struct net_addr v4 = addr_v4(htobe32(0x08080808));

	(void)state;
	hear(said_on_link("::", 0, 3600), 0);
	hear(said_on_link("::ffff:0:0", 96, 3600), 0);
	hear(said_on_link("::ffff:8.8.8.0", 120, 3600), 0);
	assert_int_equal(ra.links, 0);
	assert_true(goes_by(router));
	assert_false(route_lookup(&routes, v4).found);
}

static void what_the_operator_says_is_on_the_link_stays(void **state)
{
	struct net_prefix fixed = { .len = 64 };

	(void)state;
	assert_true(addr_parse("2001:db8:7::5", &fixed.addr));
	assert_int_equal(route_add_address(&routes, &fixed), 0);
	hear(said(router, 1800, 3600), 0);
	hear(said_on_link("2001:db8:7::", 64, 0), S);
	ra_poll(&ra, 3600 * S);
	assert_false(route_is_local(&routes, ours));
	assert_true(on_link("2001:db8:7::9"));
}

static void the_next_router_takes_over(void **state)
{
	(void)state;
	hear(said(router, 100, 0), 0);
	hear(said(other, 1000, 0), 0);
	assert_true(goes_by(router));
	ra_poll(&ra, 100 * S);
	assert_true(goes_by(other));
	hear(said(other, 0, 0), 200 * S); /* it says so itself */
	assert_false(route_lookup(&routes, beyond).found);
}

static void router_that_is_silent_gives_way(void **state) /* RFC 4861 6.3.6 */
{
	(void)state;
	hear(said(router, 1000, 0), 0);
	ra_silent(&ra, router); /* there is no other */
	assert_true(goes_by(router));
	assert_false(ra_rerouted(&ra, 0));
	hear(said(other, 1000, 0), 0);
	ra_silent(&ra, beyond); /* no router */
	assert_true(goes_by(router));
	ra_silent(&ra, router);
	assert_true(goes_by(other));
	hear(said(router, 1000, 0), S); /* what it says is no sign that it hears us */
	assert_true(goes_by(other));
	ra_silent(&ra, other); /* in turn */
	assert_true(goes_by(router));
}

static void what_went_by_another_router_follows(void **state) /* RFC 4861 6.3.5: once a second at most */
{
	(void)state;
	hear(said(router, 1000, 0), 0);
	hear(said(other, 1000, 0), 0);
	assert_false(ra_rerouted(&ra, 0)); /* nothing went by another */
	ra_silent(&ra, router);
	assert_int_equal(ra_next(&ra), 0);
	assert_true(ra_rerouted(&ra, 5 * S));
	assert_false(ra_rerouted(&ra, 5 * S));
	hear(said(other, 0, 0), 5 * S + 1);
	assert_false(ra_rerouted(&ra, 5 * S + 1));
	assert_int_equal(ra_next(&ra), 6 * S);
	assert_true(ra_rerouted(&ra, 6 * S));
	assert_true(goes_by(router));
	hear(said(router, 0, 0), 8 * S);
	assert_false(ra_rerouted(&ra, 8 * S)); /* by nothing */
	hear(said(other, 1000, 0), 9 * S);
	assert_true(goes_by(other) && ra_rerouted(&ra, 9 * S));
}

static void router_that_says_it_is_none_is_none(void **state) /* RFC 4861 7.2.5 */
{
	(void)state;
	hear(said(router, 1000, 0), 0);
	hear(said(other, 1000, 0), 0);
	ra_no_router(&ra, beyond);
	assert_int_equal(ra.routers, 2);
	ra_no_router(&ra, router);
	assert_int_equal(ra.routers, 1);
	assert_true(goes_by(other));
	ra_no_router(&ra, other);
	assert_false(route_lookup(&routes, beyond).found);
	hear(said(router, 1000, 0), S); /* until it is one again */
	assert_true(goes_by(router));
}

static void no_more_is_kept_than_there_is_room_for(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct net_addr by = router;

		net.b[7] = by.b[14] = (uint8_t)i;
		hear(said(by, 1800, 3600), 0);
	}
	assert_int_equal(ra.routers, RA_ROUTERS_MAX);
	assert_int_equal(ra.prefixes, RA_PREFIXES_MAX);
	assert_int_equal(ra.adverts, ROUTE_ADVERTS_MAX);
	assert_int_equal(routes.addresses, 1 + RA_PREFIXES_MAX);
	ra_poll(&ra, 3600 * S);
	assert_int_equal(routes.addresses, 1);
	assert_int_equal(routes.n, 1);
	assert_int_equal(routes.adverts, 0);
}

static void a_fixed_gateway_stays(void **state)
{
	(void)state;
	start(true, true);
	assert_int_equal(route_add_default(&routes, other), 0);
	hear(said(router, 1800, 3600), 0);
	assert_true(goes_by(other));
	assert_true(route_is_local(&routes, ours));
}

static void off_it_ignores_everything(void **state)
{
	(void)state;
	start(false, false);
	assert_false(hear(said(router, 1800, 3600), 0));
	ra_poll(&ra, 60 * S);
	assert_int_equal(sent, 0);
	assert_int_equal(routes.addresses, 1);
	assert_false(route_lookup(&routes, beyond).found);
}

/* With a port of 1500 bytes. */
static uint32_t mss_to(struct net_addr remote)
{
	static struct port port = { .mtu = 1500 };
	static struct fastpath fp = { .port = &port };
	static struct sp sp = { .fp = &fp };

	sp.ra = ra;
	return sp_link_mss(&sp, remote);
}

static void the_links_mtu_is_heeded(void **state)
{
	struct net_addr v4 = addr_v4(htobe32(0x0a000002));
	struct nd_msg m = said(router, 1800, 0);

	(void)state;
	assert_int_equal(mss_to(beyond), 1440);
	m.mtu = 1400;
	hear(m, 0);
	assert_int_equal(mss_to(beyond), 1340);
	assert_int_equal(mss_to(v4), 1460); /* it is of IPv6 alone */
	m.mtu = 1279;                       /* less than IPv6 has */
	hear(m, 0);
	assert_int_equal(mss_to(beyond), 1340);
	m.mtu = 9000; /* more than the port has */
	hear(m, 0);
	assert_int_equal(mss_to(beyond), 1440);
}

static void the_links_hop_limit_is_heeded(void **state) /* RFC 4861 6.3.4 */
{
	struct nd_msg m = said(router, 1800, 0);

	(void)state;
	hear(m, 0);
	assert_int_equal(ra.hops, 0);
	m.hops = 33;
	hear(m, 0);
	m.hops = 0; /* says nothing */
	hear(m, 0);
	assert_int_equal(ra.hops, 33);
}

static void hear_times(uint32_t reachable_ms, uint32_t retrans_ms)
{
	struct nd_msg m = said(router, 1800, 0);

	m.reachable_ms = reachable_ms;
	m.retrans_ms = retrans_ms;
	hear(m, 0);
}

static void the_links_times_are_heeded(void **state) /* RFC 4861 6.3.4 */
{
	tas_ns reachable;

	(void)state;
	hear_times(10000, 500);
	reachable = neigh.reachable6_ns;
	assert_true(reachable >= 5 * S && reachable <= 15 * S);
	assert_int_equal(neigh.retry6_ns, S / 2);
	hear_times(0, 0);
	assert_true(neigh.reachable6_ns == reachable);
	assert_int_equal(neigh.retry6_ns, S / 2);
	neigh.mac.addr_bytes[5] ^= 1; /* another host takes another part */
	hear_times(10000, 0);
	assert_true(neigh.reachable6_ns != reachable);
	assert_true(neigh.reachable6_ns >= 5 * S && neigh.reachable6_ns <= 15 * S);
}

static void times_that_would_harm_are_not_taken_as_they_are(void **state)
{
	(void)state;
	hear_times(1, 1);
	assert_true(neigh.reachable6_ns >= RA_REACHABLE_LEAST_MS / 2 * NS_PER_MS);
	assert_int_equal(neigh.retry6_ns, RA_RETRANS_LEAST_MS * NS_PER_MS);
	hear_times(UINT32_MAX, UINT32_MAX);
	assert_true(neigh.reachable6_ns <= 5400 * S);
	assert_true(neigh.retry6_ns == 60 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(routers_are_asked_for_three_times, setup),
		cmocka_unit_test_setup(routers_do_not_hear_of_an_address_that_may_be_anothers, setup),
		cmocka_unit_test_setup(an_answer_ends_the_asking, setup),
		cmocka_unit_test_setup(a_prefix_gives_an_address_once, setup),
		cmocka_unit_test_setup(a_source_is_the_address_known_beyond_the_router, setup),
		cmocka_unit_test_setup(a_source_is_of_the_router_that_is_gone_by, setup),
		cmocka_unit_test_setup(a_router_has_a_prefix_as_long_as_it_says, setup),
		cmocka_unit_test_setup(an_address_ends_with_its_lifetime, setup),
		cmocka_unit_test_setup(an_address_that_was_given_up_does_not_end_again, setup),
		cmocka_unit_test_setup(nobody_ends_it_at_once, setup),
		cmocka_unit_test_setup(an_address_is_deprecated_before_it_ends, setup),
		cmocka_unit_test_setup(an_address_may_be_deprecated_from_its_beginning, setup),
		cmocka_unit_test_setup(a_prefix_that_is_not_64_bits_or_not_for_it_gives_none, setup),
		cmocka_unit_test_setup(a_prefix_that_is_not_on_the_link_is_reached_by_the_router, setup),
		cmocka_unit_test_setup(a_prefix_may_be_on_the_link_without_an_address, setup),
		cmocka_unit_test_setup(being_on_the_link_and_having_an_address_end_apart, setup),
		cmocka_unit_test_setup(no_router_puts_everything_on_the_link, setup),
		cmocka_unit_test_setup(what_the_operator_says_is_on_the_link_stays, setup),
		cmocka_unit_test_setup(the_next_router_takes_over, setup),
		cmocka_unit_test_setup(router_that_is_silent_gives_way, setup),
		cmocka_unit_test_setup(what_went_by_another_router_follows, setup),
		cmocka_unit_test_setup(router_that_says_it_is_none_is_none, setup),
		cmocka_unit_test_setup(no_more_is_kept_than_there_is_room_for, setup),
		cmocka_unit_test_setup(a_fixed_gateway_stays, setup),
		cmocka_unit_test_setup(off_it_ignores_everything, setup),
		cmocka_unit_test_setup(the_links_mtu_is_heeded, setup),
		cmocka_unit_test_setup(the_links_hop_limit_is_heeded, setup),
		cmocka_unit_test_setup(the_links_times_are_heeded, setup),
		cmocka_unit_test_setup(times_that_would_harm_are_not_taken_as_they_are, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
