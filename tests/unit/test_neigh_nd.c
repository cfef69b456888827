/* SPDX-License-Identifier: BSD-3-Clause */
/* test_neigh_nd.c - a host 2001:db8::1/64 and its neighbours of IPv6. What the table does whatever the family
 * is in test_neigh.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "include/net/pkt.h"
#include "slowpath/neigh_int.h"

#define S NS_PER_SEC

static const struct rte_ether_addr our_mac = { { 2, 0, 0, 0, 0, 1 } }, mac_a = { { 2, 0, 0, 0, 0, 0xa } },
				   mac_b = { { 2, 0, 0, 0, 0, 0xb } };
static struct routes routes;
static struct neigh n;
static struct net_addr ours, host, link_local;
static struct {
	unsigned frames, events, conflicts, duplicates;
	struct nd_msg last; /* frame */
	struct rte_ether_addr to;
	enum neigh_event event;
	struct rte_ether_addr event_mac;
} out;

static void on_send(void *arg, const uint8_t *frame, uint32_t len)
{
	struct flow_key key;
	struct seg seg;

	(void)arg;
	assert_int_equal(pkt_parse(frame, len, 0, &key, &seg), PKT_ICMP6);
	assert_true(nd_parse(frame, &seg, &out.last));
	memcpy(&out.to, frame, 6);
	out.frames++;
}

static void on_event(void *arg, enum neigh_event event, uint32_t id, struct net_addr addr,
	const struct rte_ether_addr *mac)
{
	(void)arg, (void)id;
	assert_true(addr_eq(addr, host));
	out.event = event;
	out.event_mac = *mac;
	out.events++;
}

static void on_conflict(void *arg, struct net_addr addr, const struct rte_ether_addr *mac)
{
	(void)arg;
	assert_true(addr_eq(addr, ours));
	assert_true(rte_is_same_ether_addr(mac, &mac_a));
	out.conflicts++;
}

/* As the slow path does. */
static void on_duplicate(void *arg, struct net_addr addr, const struct rte_ether_addr *mac)
{
	(void)arg;
	assert_true(addr_eq(addr, ours) && rte_is_same_ether_addr(mac, &mac_a));
	assert_true(route_remove_address(&routes, addr));
	out.duplicates++;
}

static int setup(void **state)
{
	struct neigh_ops ops = { .send = on_send,
		.event = on_event,
		.conflict = on_conflict,
		.duplicate = on_duplicate };
	struct net_prefix p = { .len = 64 };

	(void)state;
	assert_true(addr_parse("2001:db8::1", &ours));
	assert_true(addr_parse("2001:db8::2", &host));
	routes_init(&routes);
	p.addr = ours;
	assert_int_equal(route_add_address(&routes, &p), 0);
	p.addr = link_local = nd_eui64(addr_link_local_net(), &our_mac);
	assert_int_equal(route_add_address(&routes, &p), 0);
	assert_int_equal(neigh_init(&n, 8, &our_mac, &routes, &ops, 0), 0);
	memset(&out, 0, sizeof(out));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	neigh_fini(&n);
	return 0;
}

static enum neigh_result resolve(tas_ns now, uint32_t *id)
{
	struct rte_ether_addr mac;

	return neigh_resolve(&n, host, now, id, &mac);
}

/* True if it counts. */
static bool advertised(const struct rte_ether_addr *mac, bool solicited, bool override, tas_ns now)
{
	struct nd_msg m = { .type = ICMP6_ADVERTISEMENT,
		.src = host,
		.dst = ours,
		.target = host,
		.mac = *mac,
		.has_mac = true,
		.eth_src = *mac,
		.solicited = solicited,
		.override = override };

	return neigh_nd_in(&n, &m, now);
}

static void solicited_by(struct net_addr src, const struct rte_ether_addr *mac, bool says, tas_ns now)
{
	struct nd_msg m = { .type = ICMP6_SOLICITATION,
		.src = src,
		.dst = nd_solicited_node(ours),
		.target = ours,
		.mac = *mac,
		.has_mac = says,
		.eth_src = *mac };

	neigh_nd_in(&n, &m, now);
}

static void a_neighbour_is_asked_for_and_answers(void **state) /* RFC 4861 7.2.2 */
{
	uint32_t id;

	(void)state;
	assert_false(advertised(&mac_a, true, true, 0)); /* not known yet */
	assert_int_equal(resolve(0, &id), NEIGH_WAIT);
	assert_int_equal(out.last.type, ICMP6_SOLICITATION);
	assert_true(addr_eq(out.last.target, host) && addr_eq(out.last.src, ours));
	assert_true(addr_eq(out.last.dst, nd_solicited_node(host)));
	assert_true(advertised(&mac_a, true, true, 1));
	assert_int_equal(out.event, NEIGH_EV_RESOLVED);
	assert_true(rte_is_same_ether_addr(&out.event_mac, &mac_a));
	assert_int_equal(n.entry[id].state, NEIGH_REACHABLE);
}

static void one_on_the_link_alone_is_asked_by_our_link_local_address(void **state)
{
	struct net_addr peer = link_local;
	struct rte_ether_addr mac;
	uint32_t id;

	(void)state;
	peer.b[15] ^= 0x77;
	assert_int_equal(neigh_resolve(&n, peer, 0, &id, &mac), NEIGH_WAIT);
	assert_true(addr_eq(out.last.src, link_local));
}

static void one_that_was_silent_is_asked_again_by_itself(void **state) /* RFC 4861 7.3.3 */
{
	uint32_t id;

	(void)state;
	resolve(0, &id);
	advertised(&mac_a, true, true, 1);
	neigh_hold(&n, id);
	neigh_poll(&n, 31 * S);
	assert_int_equal(n.entry[id].state, NEIGH_PROBE);
	assert_true(rte_is_same_ether_addr(&out.to, &mac_a) && addr_eq(out.last.dst, host));
	advertised(&mac_a, true, false, 32 * S);
	assert_int_equal(n.entry[id].state, NEIGH_REACHABLE);
	neigh_release(&n, id);
}

static void an_answer_nobody_asked_for_confirms_nothing(void **state)
{
	uint32_t id;

	(void)state;
	advertised(&mac_a, true, true, 0);
	assert_int_equal(n.used, 0);
	resolve(0, &id);
	advertised(&mac_a, false, true, 1);
	assert_int_equal(n.entry[id].state, NEIGH_STALE);
}

static void a_new_address_counts_only_if_it_may(void **state) /* RFC 4861 7.2.5 */
{
	uint32_t id;

	(void)state;
	resolve(0, &id);
	advertised(&mac_a, true, true, 1);
	assert_false(advertised(&mac_b, false, false, 10 * S));
	assert_true(rte_is_same_ether_addr(&n.entry[id].mac, &mac_a));
	assert_int_equal(out.events, 1);
	assert_true(advertised(&mac_b, false, true, 10 * S));
	assert_int_equal(out.event, NEIGH_EV_CHANGED);
	assert_true(rte_is_same_ether_addr(&n.entry[id].mac, &mac_b));
}

static void who_seems_to_have_moved_is_asked_before_long(void **state) /* RFC 4861 7.2.5 */
{
	uint32_t id;

	(void)state;
	resolve(0, &id);
	advertised(&mac_a, true, true, 1);
	advertised(&mac_b, false, false, 2 * S);
	assert_int_equal(n.entry[id].state, NEIGH_STALE);
	advertised(&mac_b, false, false, 3 * S); /* only of one that was sure */
	assert_int_equal(n.entry[id].state, NEIGH_STALE);
	resolve(4 * S, &id);
	neigh_poll(&n, 10 * S);
	advertised(&mac_a, true, false, 10 * S);
	neigh_hold(&n, id);
	advertised(&mac_b, false, false, 11 * S);
	assert_int_equal(n.entry[id].state, NEIGH_DELAY);
	neigh_poll(&n, 17 * S);
	assert_int_equal(n.entry[id].state, NEIGH_PROBE);
	assert_true(rte_is_same_ether_addr(&out.to, &mac_a));
	neigh_release(&n, id);
}

static void who_asks_for_us_is_answered_and_remembered(void **state)
{
	uint32_t id;
	struct rte_ether_addr mac;

	(void)state;
	solicited_by(host, &mac_a, true, 0);
	assert_int_equal(out.last.type, ICMP6_ADVERTISEMENT);
	assert_true(out.last.solicited && out.last.override && addr_eq(out.last.target, ours));
	assert_true(rte_is_same_ether_addr(&out.to, &mac_a) && addr_eq(out.last.dst, host));
	assert_int_equal(neigh_resolve(&n, host, 1, &id, &mac), NEIGH_KNOWN);
	assert_true(rte_is_same_ether_addr(&mac, &mac_a));
}

static void who_asks_without_a_hardware_address_is_answered_too(void **state)
{
	(void)state;
	solicited_by(host, &mac_b, false, 0);
	assert_true(rte_is_same_ether_addr(&out.to, &mac_b));
	solicited_by(host, &our_mac, false, 0); /* the kernel's end of a TAP device */
	assert_true(rte_is_same_ether_addr(&out.to, &our_mac));
	assert_int_equal(n.used, 0);
}

static void who_asks_for_others_is_not(void **state)
{
	struct nd_msg m = { .type = ICMP6_SOLICITATION,
		.src = host,
		.target = host,
		.mac = mac_a,
		.has_mac = true };

	(void)state;
	neigh_nd_in(&n, &m, 0);
	assert_int_equal(out.frames, 0);
	assert_int_equal(n.used, 0);
}

static void answers_are_limited(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		solicited_by(host, &mac_b, false, 0);
	assert_int_equal(out.frames, 100);
}

static void another_with_our_address_is_reported(void **state) /* RFC 4862 5.4.3 */
{
	struct nd_msg m = { .type = ICMP6_ADVERTISEMENT, .src = ours, .target = ours, .eth_src = mac_a };

	(void)state;
	solicited_by(addr_any(), &mac_a, false, 0); /* it means to take it */
	assert_int_equal(out.conflicts, 1);
	assert_int_equal(out.last.type, ICMP6_ADVERTISEMENT); /* and hears that it is ours */
	assert_true(addr_is_multicast(out.last.dst));
	neigh_nd_in(&n, &m, 20 * S);
	assert_int_equal(out.conflicts, 2);
	assert_int_equal(n.used, 0);
}

static void polled(tas_ns from, tas_ns until)
{
	for (tas_ns now = from; now <= until; now += S / 10)
		neigh_poll(&n, now);
}

static void at_the_start_we_ask_and_tell(void **state) /* RFC 4862 5.4, RFC 4861 7.2.6 */
{
	(void)state;
	neigh_announce(&n, 0);
	assert_int_equal(out.frames, 2); /* for each address a question */
	assert_int_equal(out.last.type, ICMP6_SOLICITATION);
	assert_true(addr_is_any(out.last.src));
	assert_false(neigh_is_sure(&n, ours) || neigh_is_sure(&n, link_local));
	polled(0, S - S / 10);
	assert_int_equal(out.frames, 2);
	polled(S, S + S / 2); /* nobody has them */
	assert_true(neigh_is_sure(&n, ours) && neigh_is_sure(&n, link_local) && !neigh_is_sure(&n, host));
	assert_int_equal(out.frames, 2 + 2);
	assert_int_equal(out.last.type, ICMP6_ADVERTISEMENT);
	assert_true(addr_eq(out.last.dst, addr_all_nodes()) && out.last.override && !out.last.solicited);
	polled(S + S / 2, 10 * S);
	assert_int_equal(out.frames, 4 + 2);
}

static void told_by_its_owner(tas_ns now)
{
	struct nd_msg m = { .type = ICMP6_ADVERTISEMENT, .src = ours, .target = ours, .eth_src = mac_a };

	neigh_nd_in(&n, &m, now);
}

static void address_that_another_had_before_is_given_up(void **state) /* RFC 4862 5.4.4, 5.4.5 */
{
	(void)state;
	neigh_announce(&n, 0);
	told_by_its_owner(S / 2);
	assert_int_equal(out.duplicates, 1);
	assert_int_equal(out.conflicts, 0);
	assert_false(route_is_local(&routes, ours));
	assert_true(route_is_local(&routes, link_local));
	out.frames = 0;
	polled(S / 2, 10 * S);
	assert_int_equal(out.frames, 2); /* the other one is told, twice */
	assert_true(addr_eq(out.last.target, link_local));
	told_by_its_owner(11 * S);
	solicited_by(host, &mac_b, true, 11 * S);
	assert_int_equal(out.frames, 2);
	assert_int_equal(out.duplicates + out.conflicts, 1);
}

static void address_that_another_asks_for_at_the_same_time_is_given_up(void **state) /* RFC 4862 5.4.3 */
{
	(void)state;
	neigh_announce(&n, 0);
	solicited_by(addr_any(), &our_mac, false, S / 2); /* our own question comes back */
	assert_int_equal(out.duplicates, 0);
	solicited_by(addr_any(), &mac_a, false, S / 2);
	assert_int_equal(out.duplicates, 1);
	assert_false(route_is_local(&routes, ours));
}

static void address_that_nobody_had_within_a_second_is_kept(void **state)
{
	(void)state;
	neigh_announce(&n, 0);
	solicited_by(host, &mac_b, true, S / 2); /* it is used meanwhile (RFC 4429 3.3) */
	assert_true(out.last.solicited && !out.last.override);
	polled(0, S + S / 10);
	told_by_its_owner(S + S / 10);
	assert_int_equal(out.duplicates, 0);
	assert_int_equal(out.conflicts, 1);
	solicited_by(host, &mac_b, true, 2 * S);
	assert_true(out.last.solicited && out.last.override);
	out.frames = 0;
	neigh_announce(&n, 20 * S); /* for another one: what is ours already is not asked for again */
	assert_int_equal(out.frames, 0);
	told_by_its_owner(20 * S + S / 2);
	assert_int_equal(out.duplicates, 0);
	assert_true(route_is_local(&routes, ours));
}

static void address_that_comes_back_is_asked_for_again(void **state) /* RFC 4862 5.4 */
{
	(void)state;
	neigh_announce(&n, 0);
	polled(0, 10 * S);
	neigh_address_gone(&n, ours);
	assert_false(neigh_is_tentative(&n, ours));
	neigh_announce(&n, 20 * S);
	assert_true(neigh_is_tentative(&n, ours));
	assert_false(neigh_is_tentative(&n, link_local)); /* ours all the while */
	told_by_its_owner(20 * S + S / 2);
	assert_int_equal(out.duplicates, 1);
}

static void address_that_may_be_anothers_asks_for_nobody(void **state) /* RFC 4429 3.2 */
{
	uint32_t id;

	(void)state;
	neigh_announce(&n, 0);
	out.frames = 0;
	assert_int_equal(resolve(S / 4, &id), NEIGH_WAIT);
	polled(S / 4, S - S / 10);
	assert_int_equal(out.frames, 0);
	polled(S, S + S / 5); /* as soon as nobody has it: after both have been told of */
	assert_int_equal(out.frames, 2 + 1);
	assert_int_equal(out.last.type, ICMP6_SOLICITATION);
	assert_true(addr_eq(out.last.target, host) && addr_eq(out.last.src, ours));
	assert_int_equal(n.entry[id].tries, 1); /* the time until then was not the neighbour's */
}

static void meanwhile_another_address_asks(void **state) /* RFC 4861 7.2.2 */
{
	struct net_addr late;
	struct net_prefix p = { .len = 64 };
	struct rte_ether_addr mac;
	uint32_t id;

	(void)state;
	neigh_announce(&n, 0);
	polled(0, 10 * S);
	assert_true(addr_parse("2001:db8:5::1", &p.addr));
	assert_int_equal(route_add_address(&routes, &p), 0);
	neigh_announce(&n, 20 * S);
	late = p.addr;
	late.b[15] = 9;
	assert_int_equal(neigh_resolve(&n, late, 20 * S, &id, &mac), NEIGH_WAIT);
	assert_true(addr_eq(out.last.target, late));
	assert_true(addr_eq(out.last.src, ours) || addr_eq(out.last.src, link_local));
}

static void address_that_comes_later_is_asked_for_alone(void **state)
{
	struct net_prefix p = { .len = 64 };

	(void)state;
	neigh_announce(&n, 0);
	polled(0, 10 * S);
	assert_true(route_remove_address(&routes, link_local));
	assert_true(addr_parse("2001:db8:5::1", &p.addr));
	assert_int_equal(route_add_address(&routes, &p), 0);
	out.frames = 0;
	neigh_announce(&n, 20 * S);
	assert_int_equal(out.frames, 1);
	assert_true(addr_eq(out.last.target, p.addr) && out.last.type == ICMP6_SOLICITATION);
	polled(20 * S, 30 * S);
	p.addr = link_local; /* and one that comes again, too */
	assert_int_equal(route_add_address(&routes, &p), 0);
	out.frames = 0;
	neigh_announce(&n, 40 * S);
	assert_int_equal(out.frames, 1);
	assert_true(addr_eq(out.last.target, link_local));
}

static void times_of_a_router_count(void **state) /* RFC 4861 6.3.4, 7.2.2, 7.3.3 */
{
	uint32_t id;

	(void)state;
	neigh_times(&n, 5 * S, S / 10);
	resolve(0, &id);
	assert_int_equal(out.frames, 1);
	neigh_poll(&n, S / 10 + S / 20);
	assert_int_equal(out.frames, 2);
	advertised(&mac_a, true, true, S);
	neigh_hold(&n, id);
	neigh_poll(&n, 5 * S);
	assert_int_equal(n.entry[id].state, NEIGH_REACHABLE);
	neigh_poll(&n, 6 * S + S / 10);
	assert_int_equal(n.entry[id].state, NEIGH_PROBE);
	neigh_release(&n, id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_neighbour_is_asked_for_and_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(one_on_the_link_alone_is_asked_by_our_link_local_address,
			setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_was_silent_is_asked_again_by_itself, setup,
			teardown),
		cmocka_unit_test_setup_teardown(an_answer_nobody_asked_for_confirms_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_address_counts_only_if_it_may, setup, teardown),
		cmocka_unit_test_setup_teardown(who_seems_to_have_moved_is_asked_before_long, setup,
			teardown),
		cmocka_unit_test_setup_teardown(who_asks_for_us_is_answered_and_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(who_asks_without_a_hardware_address_is_answered_too, setup,
			teardown),
		cmocka_unit_test_setup_teardown(who_asks_for_others_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_are_limited, setup, teardown),
		cmocka_unit_test_setup_teardown(another_with_our_address_is_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(at_the_start_we_ask_and_tell, setup, teardown),
		cmocka_unit_test_setup_teardown(address_that_another_had_before_is_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(address_that_another_asks_for_at_the_same_time_is_given_up,
			setup, teardown),
		cmocka_unit_test_setup_teardown(address_that_nobody_had_within_a_second_is_kept, setup,
			teardown),
		cmocka_unit_test_setup_teardown(address_that_comes_back_is_asked_for_again, setup, teardown),
		cmocka_unit_test_setup_teardown(address_that_may_be_anothers_asks_for_nobody, setup,
			teardown),
		cmocka_unit_test_setup_teardown(meanwhile_another_address_asks, setup, teardown),
		cmocka_unit_test_setup_teardown(address_that_comes_later_is_asked_for_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(times_of_a_router_count, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
