/* SPDX-License-Identifier: BSD-3-Clause */
/* test_conn_neigh.c - news of a neighbour reaches the connections that go through it, and no others. */
#include "slowpath/conn_neigh.h"

#include <string.h>

#include "slowpath/conn.h"
#include "tests/unit/rig_tcp.h"

static const struct rte_ether_addr moved = { { 2, 0, 0, 0, 0, 7 } };

/* The entry of a second neighbour, 10.0.0.3, which nobody holds yet. */
static uint32_t other_neighbour(void)
{
	struct rte_ether_addr mac;
	uint32_t neigh;

	neigh_resolve(&rig.sp.neigh, addr_v4(htobe32(0x0a000003)), rig.now, &neigh, &mac);
	return neigh;
}

static void goes_through(struct peer *p, uint32_t neigh)
{
	conn_lock(&rig.sp, p->flow);
	conn_neigh_leave(&rig.sp, p->flow);
	assert_true(conn_neigh_join(&rig.sp, p->flow, neigh, 0));
	conn_unlock(&rig.sp, p->flow);
}

static bool sends_to(struct peer *p, const struct rte_ether_addr *mac)
{
	return memcmp(cold_of(p)->hdr.bytes, mac, sizeof(*mac)) == 0;
}

/* How many are on its list; each must say so itself, and the links must agree both ways. */
static unsigned listed(uint32_t neigh)
{
	uint32_t before = FLOW_NONE;
	unsigned n = 0;

	for (uint32_t id = rig.sp.neigh_conns[neigh]; id != FLOW_NONE; id = rig.sp.conn[id].neigh_next, n++) {
		assert_int_equal(rig.sp.conn[id].neigh, neigh);
		assert_int_equal(rig.sp.conn[id].neigh_prev, before);
		before = id;
	}
	assert_int_equal(rig.sp.neigh.entry[neigh].holds, n);
	return n;
}

TEST(news_of_a_neighbour_reach_its_connections_and_no_others)
{
	struct peer *p[6];
	uint32_t first, second;

	for (unsigned i = 0; i < 6; i++)
		p[i] = i % 2 == 0 ? established() : connected();
	first = conn_of(p[0])->neigh;
	second = other_neighbour();
	assert_int_equal(listed(first), 6);
	goes_through(p[1], second);
	goes_through(p[4], second);
	assert_int_equal(listed(first), 4);
	assert_int_equal(listed(second), 2);
	conn_neigh_event(&rig.sp, second, &moved);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(sends_to(p[i], &moved), i == 1 || i == 4);
}

TEST(connection_that_ends_goes_through_no_neighbour) /* the first, the last and one between */
{
	struct peer *p[5];
	uint32_t neigh;

	for (unsigned i = 0; i < 5; i++)
		p[i] = established();
	neigh = conn_of(p[0])->neigh;
	for (unsigned i = 0; i < 5; i += 2) {
		app_aborts(p[i]);
		expect(p[i], .flags = RST | ACK, .seq = 1, .ack = 1);
		assert_int_equal(listed(neigh), 4 - i / 2);
	}
	conn_neigh_event(&rig.sp, neigh, &moved);
	assert_true(sends_to(p[1], &moved) && sends_to(p[3], &moved));
	app_aborts(p[1]);
	app_aborts(p[3]);
	assert_int_equal(rig.sp.neigh_conns[neigh], FLOW_NONE);
	assert_int_equal(listed(neigh), 0);
	overlook();
}

TEST(all_attempts_through_a_silent_neighbour_fail) /* each ends while the list is walked */
{
	struct peer *p[4];

	rig_open();
	rig.arp_silent = true;
	for (unsigned i = 0; i < 4; i++) {
		p[i] = peer_new();
		p[i]->local_port = 0;
		assert_int_equal(app_connects(p[i]), 0);
	}
	wait_ms(3500);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(events_of(p[i]), ABI_EV_RESET);
	assert_int_equal(counted(CNT_TCP_ATTEMPT_FAILS), 4);
	silence();
}

TEST(connection_that_opens_shows_that_its_neighbour_is_there) /* RFC 4861 7.3.1: it need not be asked */
{
	unsigned asked;

	connected();
	asked = rig.arp_requests;
	wait_ms(25000);
	connected();
	wait_ms(15000); /* it would have been asked after 30 s */
	assert_int_equal(rig.arp_requests, asked);
}

TEST(third_retransmission_in_vain_asks_for_the_neighbour) /* RFC 9293 3.8.3, MUST-20 (b), SHLD-10 */
{
	struct peer *p = connected();
	unsigned asked;

	wait_ms(6000);
	asked = rig.arp_requests;
	app_writes(p, 10);
	wait_ms(200 + 400 + 800 - 100);
	assert_int_equal(rig.arp_requests, asked);
	wait_ms(400);
	assert_int_equal(rig.arp_requests, asked + 1);
	app_writes(p, 10);
	wait_ms(20000); /* each timeout after is no news */
	assert_int_equal(rig.arp_requests, asked + 1);
	overlook();
}

TEST(attempt_in_vain_asks_for_the_neighbour)
{
	struct peer *p = peer_new();
	unsigned asked;

	connected();
	wait_ms(10000);
	asked = rig.arp_requests;
	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	wait_ms(1000 + 2000 + 4000 - 500);
	assert_int_equal(rig.arp_requests, asked);
	wait_ms(10000);
	assert_int_equal(rig.arp_requests, asked + 1);
	overlook();
}

TEST(neighbour_that_was_just_heard_from_is_not_asked)
{
	struct peer *p = connected();
	unsigned asked;

	wait_ms(2000);
	asked = rig.arp_requests;
	app_writes(p, 10);
	wait_ms(2000);
	assert_int_equal(rig.arp_requests, asked);
	overlook();
}

TEST(peer_that_keeps_its_window_closed_is_no_reason_to_ask)
{
	struct peer *p = connected();
	unsigned asked;

	wait_ms(6000);
	asked = rig.arp_requests;
	p->wnd = 0;
	give(p, .seq = 1, .ack = 1);
	app_writes(p, 10);
	wait_ms(10000);
	assert_int_equal(rig.arp_requests, asked);
	overlook();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(news_of_a_neighbour_reach_its_connections_and_no_others),
		RIG_TEST(connection_that_ends_goes_through_no_neighbour),
		RIG_TEST(all_attempts_through_a_silent_neighbour_fail),
		RIG_TEST(connection_that_opens_shows_that_its_neighbour_is_there),
		RIG_TEST(third_retransmission_in_vain_asks_for_the_neighbour),
		RIG_TEST(attempt_in_vain_asks_for_the_neighbour),
		RIG_TEST(neighbour_that_was_just_heard_from_is_not_asked),
		RIG_TEST(peer_that_keeps_its_window_closed_is_no_reason_to_ask),
	};

	return RIG_MAIN(tests);
}
