/* SPDX-License-Identifier: BSD-3-Clause */
/* test_neigh.c - a host 10.0.0.1/24 and its neighbours, as a trace of frames, packets and news. */
#include "slowpath/neigh.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"
#include "include/net/arp.h"

#define OURS 0x0a000001u
#define HOST 0x0a000002u
#define OTHER 0x0a000003u
#define FAR_AWAY 0xc0000201u
#define S NS_PER_SEC

enum { MAX = 8, SENT_MAX = 4096 };

static const struct rte_ether_addr our_mac = { { 2, 0, 0, 0, 0, 1 } }, mac_a = { { 2, 0, 0, 0, 0, 0xa } },
				   mac_b = { { 2, 0, 0, 0, 0, 0xb } },
				   everyone = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

static struct routes routes;
static struct neigh n;

/* What left the table since the last look. */
static struct {
	unsigned frames, packets, events, conflicts;
	struct arp_pkt arp[SENT_MAX];
	struct rte_ether_addr to[SENT_MAX];
	void *packet[SENT_MAX];
	struct rte_ether_addr packet_to[SENT_MAX];
	bool packet_dropped[SENT_MAX];
	enum neigh_event event[SENT_MAX];
	uint32_t event_id[SENT_MAX];
	struct rte_ether_addr event_mac[SENT_MAX];
} out;

static void on_send(void *arg, const uint8_t *frame, uint32_t len)
{
	assert_ptr_equal(arg, &out);
	assert_true(arp_parse(frame, len, &out.arp[out.frames]));
	out.to[out.frames++] = ((const struct rte_ether_hdr *)frame)->dst_addr;
}

static void on_output(void *arg, void *packet, const struct rte_ether_addr *mac)
{
	assert_ptr_equal(arg, &out);
	out.packet[out.packets] = packet;
	out.packet_dropped[out.packets] = mac == NULL;
	if (mac != NULL)
		out.packet_to[out.packets] = *mac;
	out.packets++;
}

static void on_event(void *arg, enum neigh_event event, uint32_t id, struct net_addr addr,
	const struct rte_ether_addr *mac)
{
	assert_ptr_equal(arg, &out);
	assert_true(addr_eq(n.entry[id].addr, addr));
	out.event[out.events] = event;
	out.event_id[out.events] = id;
	out.event_mac[out.events++] = *mac;
}

static void on_conflict(void *arg, struct net_addr addr, const struct rte_ether_addr *mac)
{
	assert_ptr_equal(arg, &out);
	assert_true(addr_eq(addr, addr_v4(htobe32(OURS))));
	assert_false(rte_is_same_ether_addr(mac, &our_mac));
	out.conflicts++;
}

static void look_away(void) { out.frames = out.packets = out.events = out.conflicts = 0; }

static int setup(void **state)
{
	struct neigh_ops ops = { on_send, on_output, on_event, on_conflict, NULL, &out };
	struct net_prefix p = prefix_v4(htobe32(OURS), 24);

	(void)state;
	routes_init(&routes);
	assert_int_equal(route_add_address(&routes, &p), 0);
	assert_int_equal(neigh_init(&n, MAX, &our_mac, &routes, &ops, 0), 0);
	look_away();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	neigh_fini(&n);
	return 0;
}

/* Time passes in steps of a millisecond, as in a loop. */
static void run(tas_ns from, tas_ns to)
{
	for (tas_ns now = from; now <= to; now += NS_PER_MS)
		neigh_poll(&n, now);
}

static enum neigh_result resolve(uint32_t ip, tas_ns now, uint32_t *id)
{
	struct rte_ether_addr mac;

	return neigh_resolve(&n, addr_v4(htobe32(ip)), now, id, &mac);
}

static enum neigh_state state_of(uint32_t id) { return (enum neigh_state)n.entry[id].state; }

static void expect_request(unsigned i, const struct rte_ether_addr *to, uint32_t target)
{
	assert_true(i < out.frames);
	assert_int_equal(out.arp[i].op, RTE_ARP_OP_REQUEST);
	assert_true(rte_is_same_ether_addr(&out.to[i], to));
	assert_true(rte_is_same_ether_addr(&out.arp[i].sender_mac, &our_mac));
	assert_int_equal(be32toh(out.arp[i].sender_ip), OURS);
	assert_int_equal(be32toh(out.arp[i].target_ip), target);
}

static void reply_from(uint32_t ip, const struct rte_ether_addr *mac, tas_ns now)
{
	alignas(8) uint8_t frame[ARP_FRAME_LEN];

	arp_write_reply(frame, sizeof(frame), mac, htobe32(ip), &our_mac, htobe32(OURS));
	neigh_arp_in(&n, frame, sizeof(frame), now);
}

static void request_from(uint32_t ip, const struct rte_ether_addr *mac, uint32_t target, tas_ns now)
{
	alignas(8) uint8_t frame[ARP_FRAME_LEN];

	arp_write_request(frame, sizeof(frame), mac, htobe32(ip), NULL, htobe32(target));
	neigh_arp_in(&n, frame, sizeof(frame), now);
}

static void announcement_from(uint32_t ip, const struct rte_ether_addr *mac, tas_ns now)
{
	request_from(ip, mac, ip, now);
}

/* HOST is known at mac_a, confirmed at `now`. */
static uint32_t known(tas_ns now)
{
	uint32_t id;

	resolve(HOST, now, &id);
	reply_from(HOST, &mac_a, now);
	assert_int_equal(state_of(id), NEIGH_REACHABLE);
	look_away();
	return id;
}

/* --- looking for a neighbour --- */

static void an_unknown_neighbour_is_asked_for_and_its_reply_resolves_it(void **state)
{
	struct rte_ether_addr mac;
	uint32_t id, again;

	(void)state;
	assert_int_equal(resolve(HOST, 0, &id), NEIGH_WAIT);
	assert_int_equal(out.frames, 1);
	expect_request(0, &everyone, HOST);
	assert_int_equal(resolve(HOST, 0, &again), NEIGH_WAIT);
	assert_int_equal(again, id);
	assert_int_equal(out.frames, 1);
	reply_from(HOST, &mac_a, S / 10);
	assert_int_equal(out.events, 1);
	assert_int_equal(out.event[0], NEIGH_EV_RESOLVED);
	assert_int_equal(out.event_id[0], id);
	assert_true(rte_is_same_ether_addr(&out.event_mac[0], &mac_a));
	assert_int_equal(neigh_resolve(&n, addr_v4(htobe32(HOST)), S / 10, &id, &mac), NEIGH_KNOWN);
	assert_true(rte_is_same_ether_addr(&mac, &mac_a));
}

/* RFC 1122 2.3.2.1: not more than one request a second. */
static void three_requests_a_second_apart_then_failure(void **state)
{
	uint32_t id;

	(void)state;
	resolve(HOST, 0, &id);
	run(0, S - S / 4);
	assert_int_equal(out.frames, 1);
	run(S, S + S / 4);
	assert_int_equal(out.frames, 2);
	run(S + S / 2, 3 * S - S / 4);
	assert_int_equal(out.frames, 3);
	assert_int_equal(out.events, 0);
	run(3 * S, 3 * S + S / 4);
	assert_int_equal(out.frames, 3);
	assert_int_equal(out.events, 1);
	assert_int_equal(out.event[0], NEIGH_EV_FAILED);
	assert_int_equal(state_of(id), NEIGH_FAILED);
	assert_int_equal(resolve(HOST, 4 * S, &id), NEIGH_WAIT); /* and is looked for again */
	assert_int_equal(out.frames, 4);
}

static void a_reply_after_the_failure_still_counts(void **state)
{
	uint32_t id;

	(void)state;
	resolve(HOST, 0, &id);
	run(0, 4 * S);
	look_away();
	reply_from(HOST, &mac_a, 4 * S);
	assert_int_equal(out.events, 1);
	assert_int_equal(out.event[0], NEIGH_EV_RESOLVED);
	assert_int_equal(state_of(id), NEIGH_STALE);
}

static void packets_wait_for_the_answer_and_go_in_order(void **state)
{
	int p[2];

	(void)state;
	neigh_output(&n, addr_v4(htobe32(HOST)), &p[0], 0);
	neigh_output(&n, addr_v4(htobe32(HOST)), &p[1], 0);
	assert_int_equal(out.packets, 0);
	reply_from(HOST, &mac_a, 1);
	assert_int_equal(out.packets, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_ptr_equal(out.packet[i], &p[i]);
		assert_false(out.packet_dropped[i]);
		assert_true(rte_is_same_ether_addr(&out.packet_to[i], &mac_a));
	}
	neigh_output(&n, addr_v4(htobe32(HOST)), &p[0], 2);
	assert_int_equal(out.packets, 3);
}

static void of_more_than_three_packets_the_oldest_is_dropped(void **state)
{
	int p[5];

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		neigh_output(&n, addr_v4(htobe32(HOST)), &p[i], 0);
	assert_int_equal(out.packets, 2);
	assert_ptr_equal(out.packet[0], &p[0]);
	assert_ptr_equal(out.packet[1], &p[1]);
	assert_true(out.packet_dropped[0] && out.packet_dropped[1]);
	look_away();
	run(0, 3 * S + S / 4); /* and the others when no answer comes */
	assert_int_equal(out.packets, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(out.packet_dropped[i] && out.packet[i] == &p[2 + i]);
}

/* --- ageing --- */

static void an_entry_nobody_holds_becomes_stale_in_silence(void **state)
{
	uint32_t id = known(0);

	(void)state;
	run(0, 30 * S - S / 4);
	assert_int_equal(state_of(id), NEIGH_REACHABLE);
	run(30 * S, 100 * S);
	assert_int_equal(state_of(id), NEIGH_STALE);
	assert_int_equal(out.frames, 0);
}

static void a_stale_entry_that_is_used_is_probed_after_a_while(void **state)
{
	uint32_t id = known(0);

	(void)state;
	run(0, 40 * S);
	assert_int_equal(resolve(HOST, 40 * S, &id), NEIGH_KNOWN);
	assert_int_equal(state_of(id), NEIGH_DELAY);
	run(40 * S, 45 * S - S / 4);
	assert_int_equal(out.frames, 0);
	run(45 * S, 45 * S + S / 4);
	assert_int_equal(state_of(id), NEIGH_PROBE);
	expect_request(0, &mac_a, HOST);
	reply_from(HOST, &mac_a, 46 * S);
	assert_int_equal(state_of(id), NEIGH_REACHABLE);
	assert_int_equal(out.events, 0);
}

/* RFC 1122 2.3.2.1 (4): what the layers above know counts. */
static void confirmation_from_above_saves_the_probe(void **state)
{
	uint32_t id = known(0);

	(void)state;
	run(0, 40 * S);
	resolve(HOST, 40 * S, &id);
	neigh_confirm(&n, id, 41 * S);
	run(41 * S, 60 * S);
	assert_int_equal(state_of(id), NEIGH_REACHABLE);
	assert_int_equal(out.frames, 0);
}

static void an_entry_that_is_held_is_probed_when_it_ages(void **state)
{
	uint32_t id = known(0);

	(void)state;
	neigh_hold(&n, id);
	run(0, 30 * S + S / 4);
	assert_int_equal(out.frames, 1);
	expect_request(0, &mac_a, HOST);
	reply_from(HOST, &mac_a, 30 * S + S / 2);
	run(30 * S + S / 2, 60 * S);
	assert_int_equal(out.frames, 1);
	assert_int_equal(state_of(id), NEIGH_REACHABLE);
	neigh_release(&n, id);
}

static void a_silent_neighbour_is_probed_asked_for_then_given_up_and_looked_for(void **state)
{
	struct rte_ether_addr mac;
	uint32_t id = known(0);

	(void)state;
	neigh_hold(&n, id);
	run(0, 35 * S + S / 2);
	assert_int_equal(out.frames, 6);
	for (unsigned i = 0; i < 6; i++)
		expect_request(i, i < 3 ? &mac_a : &everyone, HOST);
	assert_int_equal(neigh_resolve(&n, addr_v4(htobe32(HOST)), 35 * S, &id, &mac), NEIGH_KNOWN);
	run(36 * S, 36 * S + S / 4);
	assert_int_equal(out.events, 1);
	assert_int_equal(out.event[0], NEIGH_EV_FAILED);
	look_away();
	run(36 * S + S / 2, 41 * S + S / 2); /* flows that hold it want it back */
	expect_request(0, &everyone, HOST);
	reply_from(HOST, &mac_b, 41 * S + S / 2);
	assert_int_equal(out.events, 2);
	assert_int_equal(out.event[0], NEIGH_EV_CHANGED);
	assert_int_equal(out.event[1], NEIGH_EV_RESOLVED);
	assert_true(rte_is_same_ether_addr(&out.event_mac[0], &mac_b));
	neigh_release(&n, id);
}

static void a_failed_neighbour_that_nobody_holds_is_left_alone(void **state)
{
	uint32_t id;

	(void)state;
	resolve(HOST, 0, &id);
	run(0, 4 * S);
	look_away();
	run(4 * S, 100 * S);
	assert_int_equal(out.frames, 0);
}

/* --- what others say --- */

static void a_new_hardware_address_is_taken_and_told(void **state)
{
	struct rte_ether_addr mac;
	uint32_t id = known(0);

	(void)state;
	announcement_from(HOST, &mac_b, 2 * S);
	assert_int_equal(out.events, 1);
	assert_int_equal(out.event[0], NEIGH_EV_CHANGED);
	assert_true(rte_is_same_ether_addr(&out.event_mac[0], &mac_b));
	assert_int_equal(neigh_resolve(&n, addr_v4(htobe32(HOST)), 2 * S, &id, &mac), NEIGH_KNOWN);
	assert_true(rte_is_same_ether_addr(&mac, &mac_b));
}

static void an_address_that_moved_is_verified_if_it_is_held(void **state)
{
	uint32_t id = known(0);

	(void)state;
	neigh_hold(&n, id);
	announcement_from(HOST, &mac_b, 2 * S);
	assert_int_equal(state_of(id), NEIGH_DELAY);
	look_away();
	run(2 * S, 7 * S + S / 4);
	expect_request(0, &mac_b, HOST);
	neigh_release(&n, id);
}

static void of_several_answers_the_first_counts(void **state)
{
	uint32_t id = known(0);

	(void)state;
	reply_from(HOST, &mac_b, S / 2);
	announcement_from(HOST, &mac_b, S - 1);
	assert_int_equal(out.events, 0);
	assert_true(rte_is_same_ether_addr(&n.entry[id].mac, &mac_a));
	for (unsigned i = 0; i < 1000;
		i++) /* two that fight change headers once a second, not a thousand times */
		announcement_from(HOST, i % 2 ? &mac_a : &mac_b, 2 * S + i * (S / 100));
	assert_true(out.events <= 10);
}

static void an_announcement_of_the_same_address_changes_nothing(void **state)
{
	uint32_t id = known(0);

	(void)state;
	announcement_from(HOST, &mac_a, 2 * S);
	assert_int_equal(state_of(id), NEIGH_REACHABLE);
	assert_int_equal(out.events, 0);
}

/* RFC 826: only if we are the target is a new entry made; and only a request shows that it is of use. */
static void a_request_for_us_is_answered_and_its_sender_remembered(void **state)
{
	static const uint32_t ip[] = { HOST, OTHER };
	struct rte_ether_addr from[] = { mac_a, our_mac }, mac; /* as that of a TAP device's other end is */
	uint32_t id;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		request_from(ip[i], &from[i], OURS, 0);
		assert_int_equal(out.frames, i + 1);
		assert_int_equal(out.arp[i].op, RTE_ARP_OP_REPLY);
		assert_true(rte_is_same_ether_addr(&out.to[i], &from[i]));
		assert_true(rte_is_same_ether_addr(&out.arp[i].sender_mac, &our_mac));
		assert_int_equal(be32toh(out.arp[i].sender_ip), OURS);
		assert_int_equal(be32toh(out.arp[i].target_ip), ip[i]);
		assert_int_equal(neigh_resolve(&n, addr_v4(htobe32(ip[i])), 0, &id, &mac), NEIGH_KNOWN);
		assert_true(rte_is_same_ether_addr(&mac, &from[i]));
	}
}

static void what_is_not_for_us_makes_no_entry(void **state)
{
	(void)state;
	reply_from(HOST, &mac_a, 0); /* nobody asked */
	announcement_from(HOST, &mac_a, 0);
	request_from(HOST, &mac_a, OTHER, 0);
	request_from(FAR_AWAY, &mac_a, OTHER, 0);
	assert_int_equal(n.used, 0);
	assert_int_equal(out.frames, 0);
}

/* A router of another subnet on the same wire, or a forger. */
static void a_request_from_outside_our_subnets_is_answered_but_not_remembered(void **state)
{
	(void)state;
	request_from(FAR_AWAY, &mac_a, OURS, 0);
	assert_int_equal(out.frames, 1);
	assert_int_equal(n.used, 0);
}

/* RFC 5227 2.1.1: a probe has no sender address yet; the answer tells it that ours is taken. */
static void an_address_probe_for_ours_is_answered(void **state)
{
	(void)state;
	request_from(0, &mac_a, OURS, 0);
	assert_int_equal(out.frames, 1);
	assert_int_equal(n.used, 0);
	assert_int_equal(out.conflicts, 0);
}

static void a_request_from_one_we_look_for_resolves_it_too(void **state)
{
	uint32_t id;

	(void)state;
	resolve(HOST, 0, &id);
	request_from(HOST, &mac_a, OURS, 0);
	assert_true(out.events == 1 && out.event[0] == NEIGH_EV_RESOLVED);
	assert_int_equal(state_of(id), NEIGH_STALE); /* it was not an answer to us */
}

/* RFC 5227 2.4 (c). */
static void another_host_with_our_address_is_told_and_reported_once_in_a_while(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		announcement_from(OURS, &mac_b, i * (S / 20));
	assert_int_equal(out.conflicts, 1);
	assert_int_equal(out.frames, 1);
	expect_request(0, &everyone, OURS);
	announcement_from(OURS, &mac_b, 11 * S);
	assert_int_equal(out.conflicts, 2);
	assert_int_equal(n.used, 0);
}

static void our_own_frames_coming_back_are_no_conflict(void **state)
{
	(void)state;
	announcement_from(OURS, &our_mac, 0);
	request_from(0, &our_mac, OURS, 0);
	assert_true(out.conflicts == 0 && out.frames == 0);
}

/* RFC 5227 2.3. */
static void our_addresses_are_announced_twice_two_seconds_apart(void **state)
{
	(void)state;
	neigh_announce(&n, 0);
	assert_int_equal(out.frames, 1);
	expect_request(0, &everyone, OURS);
	run(0, 2 * S - S / 4);
	assert_int_equal(out.frames, 1);
	run(2 * S, 20 * S);
	assert_int_equal(out.frames, 2);
}

/* --- limits --- */

static void answers_are_limited(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		request_from(HOST, &mac_a, OURS, 0);
	assert_int_equal(out.frames, 100);
	request_from(HOST, &mac_a, OURS, S);
	assert_int_equal(out.frames, 101);
}

static void requests_are_limited_and_made_up_for(void **state)
{
	struct neigh_ops ops = n.ops;
	uint32_t id;

	(void)state;
	neigh_fini(&n);
	assert_int_equal(neigh_init(&n, 240, &our_mac, &routes, &ops, 0), 0);
	for (uint32_t i = 0; i < 240; i++)
		resolve(HOST + i, 0, &id);
	assert_int_equal(out.frames, 100);
	run(0, 20 * S);
	assert_int_equal(out.frames, 3 * 240); /* none failed before it was asked three times */
	assert_int_equal(out.events, 240);
}

static bool is_there(uint32_t ip)
{
	for (uint32_t i = 0; i < MAX; i++)
		if (n.entry[i].state != NEIGH_FREE && addr_eq(n.entry[i].addr, addr_v4(htobe32(ip))))
			return true;
	return false;
}

static void a_full_table_gives_up_the_stale_one_not_used_for_longest(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < MAX + 3; i++)
		request_from(HOST + i, &mac_a, OURS, i);
	assert_int_equal(n.used, MAX);
	for (uint32_t i = 0; i < MAX + 3; i++)
		assert_int_equal(is_there(HOST + i), i >= 3);
}

static void what_is_looked_for_or_was_so_lately_is_kept(void **state)
{
	uint32_t id;

	(void)state;
	for (uint32_t i = 0; i < MAX; i++)
		resolve(HOST + i, 0, &id);
	request_from(HOST + MAX, &mac_a, OURS, S); /* hosts that ask for us have to wait */
	assert_false(is_there(HOST + MAX));
	run(0, 4 * S);
	assert_int_equal(resolve(HOST, 4 * S, &id), NEIGH_WAIT); /* used again */
	run(4 * S, 8 * S);
	assert_int_equal(resolve(HOST + MAX, 8 * S, &id), NEIGH_WAIT);
	assert_true(is_there(HOST) && !is_there(HOST + 1));
}

/* Else who looks for many hosts, and does not wait for their answers, would keep others from looking. */
static void what_no_flow_holds_makes_way_for_one_that_is_looked_for(void **state)
{
	uint32_t id, held;
	int packet;

	(void)state;
	for (uint32_t i = 0; i < MAX; i++)
		resolve(HOST + i, i, i == 0 ? &held : &id);
	neigh_hold(&n, held);
	neigh_output(&n, addr_v4(htobe32(HOST + 1)), &packet, 1);
	assert_int_equal(resolve(HOST + MAX, MAX, &id), NEIGH_WAIT);
	assert_true(neigh_is_held(&n, addr_v4(htobe32(HOST))) && !is_there(HOST + 1));
	assert_true(out.packets == 1 && out.packet_dropped[0]); /* it waited for the one that made way */
	assert_false(neigh_is_held(&n, addr_v4(htobe32(HOST + 2))));
}

static void a_table_full_of_neighbours_in_use_refuses_the_newcomer(void **state)
{
	uint32_t id, holder[MAX];
	int packet;

	(void)state;
	for (uint32_t i = 0; i < MAX; i++) {
		request_from(HOST + i, &mac_a, OURS, 0);
		resolve(HOST + i, 0, &holder[i]);
		neigh_hold(&n, holder[i]);
	}
	run(0, 60 * S); /* all probed in vain, failed */
	assert_int_equal(resolve(HOST + MAX, 60 * S, &id), NEIGH_FULL);
	neigh_output(&n, addr_v4(htobe32(HOST + MAX)), &packet, 60 * S);
	assert_true(out.packets == 1 && out.packet_dropped[0]);
	request_from(HOST + MAX, &mac_b, OURS, 60 * S);
	assert_int_equal(n.used, MAX);
	neigh_release(&n, holder[3]);
	run(60 * S, 70 * S);
	assert_int_equal(resolve(HOST + MAX, 70 * S, &id), NEIGH_WAIT);
	assert_int_equal(id, holder[3]);
}

static void what_arrives_is_believed_only_as_far_as_it_parses(void **state)
{
	alignas(8) uint8_t frame[ARP_FRAME_LEN];
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	for (unsigned i = 0; i < 200000; i++) {
		unsigned flips = 1 + rand_below(&r, 3);

		arp_write_request(frame, sizeof(frame), &mac_a, htobe32(HOST + i % 40), NULL, htobe32(OURS));
		while (flips-- > 0)
			frame[rand_below(&r, sizeof(frame))] ^= (uint8_t)(1 << rand_below(&r, 8));
		neigh_arp_in(&n, frame, rand_below(&r, sizeof(frame) + 1), i * (S / 1000));
		neigh_poll(&n, i * (S / 1000));
		assert_true(n.used <= MAX);
		look_away();
	}
}

/* IPv6 has no neighbour discovery here: it must end in a clear failure. */
static void an_ipv6_neighbour_is_not_found(void **state)
{
	struct rte_ether_addr mac;
	struct net_addr addr;
	uint32_t id;

	(void)state;
	assert_true(addr_parse("2001:db8::2", &addr));
	assert_int_equal(neigh_resolve(&n, addr, 0, &id, &mac), NEIGH_WAIT);
	run(0, 4 * S);
	assert_int_equal(out.frames, 0);
	assert_int_equal(out.events, 1);
	assert_int_equal(out.event[0], NEIGH_EV_FAILED);
}

static void what_waits_is_dropped_at_the_end(void **state)
{
	struct neigh_ops ops = n.ops;
	int packet;

	(void)state;
	neigh_output(&n, addr_v4(htobe32(HOST)), &packet, 0);
	neigh_fini(&n);
	assert_true(out.packets == 1 && out.packet_dropped[0]);
	assert_int_equal(neigh_init(&n, MAX, &our_mac, &routes, &ops, 0), 0);
}

#define NEIGH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NEIGH_TEST(an_unknown_neighbour_is_asked_for_and_its_reply_resolves_it),
		NEIGH_TEST(three_requests_a_second_apart_then_failure),
		NEIGH_TEST(a_reply_after_the_failure_still_counts),
		NEIGH_TEST(packets_wait_for_the_answer_and_go_in_order),
		NEIGH_TEST(of_more_than_three_packets_the_oldest_is_dropped),
		NEIGH_TEST(an_entry_nobody_holds_becomes_stale_in_silence),
		NEIGH_TEST(a_stale_entry_that_is_used_is_probed_after_a_while),
		NEIGH_TEST(confirmation_from_above_saves_the_probe),
		NEIGH_TEST(an_entry_that_is_held_is_probed_when_it_ages),
		NEIGH_TEST(a_silent_neighbour_is_probed_asked_for_then_given_up_and_looked_for),
		NEIGH_TEST(a_failed_neighbour_that_nobody_holds_is_left_alone),
		NEIGH_TEST(a_new_hardware_address_is_taken_and_told),
		NEIGH_TEST(an_address_that_moved_is_verified_if_it_is_held),
		NEIGH_TEST(of_several_answers_the_first_counts),
		NEIGH_TEST(an_announcement_of_the_same_address_changes_nothing),
		NEIGH_TEST(a_request_for_us_is_answered_and_its_sender_remembered),
		NEIGH_TEST(what_is_not_for_us_makes_no_entry),
		NEIGH_TEST(a_request_from_outside_our_subnets_is_answered_but_not_remembered),
		NEIGH_TEST(an_address_probe_for_ours_is_answered),
		NEIGH_TEST(a_request_from_one_we_look_for_resolves_it_too),
		NEIGH_TEST(another_host_with_our_address_is_told_and_reported_once_in_a_while),
		NEIGH_TEST(our_own_frames_coming_back_are_no_conflict),
		NEIGH_TEST(our_addresses_are_announced_twice_two_seconds_apart),
		NEIGH_TEST(answers_are_limited),
		NEIGH_TEST(requests_are_limited_and_made_up_for),
		NEIGH_TEST(a_full_table_gives_up_the_stale_one_not_used_for_longest),
		NEIGH_TEST(what_is_looked_for_or_was_so_lately_is_kept),
		NEIGH_TEST(what_no_flow_holds_makes_way_for_one_that_is_looked_for),
		NEIGH_TEST(a_table_full_of_neighbours_in_use_refuses_the_newcomer),
		NEIGH_TEST(what_arrives_is_believed_only_as_far_as_it_parses),
		NEIGH_TEST(an_ipv6_neighbour_is_not_found),
		NEIGH_TEST(what_waits_is_dropped_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
