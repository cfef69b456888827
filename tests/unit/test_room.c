/* SPDX-License-Identifier: BSD-3-Clause */
/* test_room.c - who makes way when the flows are nearly all in use: of 32, 4 are the reserve. */
#include <errno.h>

#include "tests/unit/rig_tcp.h"

enum { FLOWS = 32, RESERVE = FLOWS / 8 };

static void few_flows(void)
{
	rig.conf.memory.flows_max = FLOWS;
	rig.conf.tcp.syn_cookies = CONF_OFF;
}

/* Closed here first. */
static struct peer *time_wait(struct peer *p)
{
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .seq = 2, .ack = 2);
	assert_int_equal(flow_of(p)->state, TCP_TIME_WAIT);
	return p;
}

/* Connections whose SYNs we answered and of which nothing more was heard. */
static void flood(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct peer *p = peer_new();

		give(p, .flags = SYN);
		expect(p, .flags = SYN | ACK, .ack = 1);
		rig.npeers--; /* nobody asks for it again */
	}
}

TEST(time_wait_makes_way_for_a_syn)
{
	few_flows();
	for (unsigned i = 0; i < 2 * FLOWS - 8; i++)
		time_wait(established());
	assert_int_equal(counted(CNT_TCP_NO_MEMORY), 0);
	assert_in_range(counted(CNT_TCP_TIME_WAIT_ENDED), FLOWS - 8, FLOWS);
}

TEST(time_wait_makes_way_for_a_connect)
{
	few_flows();
	for (unsigned i = 0; i < 2 * FLOWS - 8; i++)
		time_wait(connected());
	assert_int_equal(counted(CNT_TCP_NO_MEMORY), 0);
}

/* Closed here; the peer takes its time. */
static struct peer *orphan(struct peer *p)
{
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .seq = 1, .ack = 2);
	assert_int_equal(flow_of(p)->state, TCP_FIN_WAIT_2);
	return p;
}

TEST(what_the_peer_does_not_close_makes_way)
{
	few_flows();
	for (unsigned i = 0; i < 2 * FLOWS - 8; i++)
		orphan(established());
	assert_int_equal(counted(CNT_TCP_NO_MEMORY), 0);
	assert_in_range(counted(CNT_TCP_ORPHANS_ENDED), FLOWS - 8, FLOWS);
}

TEST(what_the_peer_does_not_close_makes_way_after_time_wait_and_before_embryos)
{
	struct peer *p;

	few_flows();
	orphan(established());
	p = time_wait(established());
	flood(FLOWS - RESERVE - 1);
	assert_int_equal(counted(CNT_TCP_TIME_WAIT_ENDED) + counted(CNT_TCP_ORPHANS_ENDED), 0);
	flood(1);
	assert_int_equal(counted(CNT_TCP_TIME_WAIT_ENDED), 1);
	assert_int_equal(flow_of(p)->state, TCP_FREE);
	flood(1);
	assert_int_equal(counted(CNT_TCP_ORPHANS_ENDED), 1);
	flood(1);
	assert_int_equal(counted(CNT_TCP_EMBRYOS_ENDED), 1);
}

/* --- users --- */

enum { SHARE = FLOWS * 3 / 4 };

static uint64_t flows_of(uid_t uid) { return users_has(&rig.apps.users, uid, SHARE_FLOWS); }

TEST(one_user_does_not_open_all_connections)
{
	struct peer *p;

	few_flows();
	rig.uid[0] = 1000;
	for (unsigned i = 0; i < SHARE; i++) { /* none is answered */
		p = peer_new();
		p->local_port = 0;
		assert_int_equal(app_connects(p), 0);
		overlook();
	}
	p = peer_new();
	p->local_port = 0;
	assert_int_equal(app_connects(p), ENOBUFS);
	assert_int_equal(counted(CNT_TCP_NO_MEMORY), 1);
	assert_int_equal(app_listens(1, 81, 8), 0); /* others go on */
	p = peer_new();
	p->local_port = 81;
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 1));
	app_dies(0);
	overlook();
	assert_int_equal(flows_of(1000), 0);
	assert_int_equal(flows_of(0), 1);
}

TEST(one_users_listeners_do_not_get_all_connections)
{
	struct peer *embryo, *p;

	few_flows();
	rig.uid[0] = 1000;
	assert_int_equal(app_listens(0, RIG_PORT, FLOWS), 0);
	embryo = peer_new();
	give(embryo, .flags = SYN);
	expect(embryo, .flags = SYN | ACK, .ack = 1);
	for (unsigned i = 0; i < SHARE; i++)
		p = established();
	assert_int_equal(flows_of(1000), SHARE);
	give(embryo, .seq = 1, .ack = 1); /* it comes to nothing, and asks again */
	silence();
	give(peer_new(), .flags = SYN);
	silence();
	assert_int_equal(counted(CNT_TCP_NO_MEMORY), 2);
	app_aborts(p);
	overlook();
	wait_ms(1010);
	expect(embryo, .flags = SYN | ACK, .ack = 1);
	give(embryo, .seq = 1, .ack = 1);
	assert_true(app_accepts(embryo, 0));
}

TEST(connections_that_make_way_are_nobodys)
{
	few_flows();
	rig.uid[0] = 1000;
	for (unsigned i = 0; i < 2 * FLOWS - 8; i++) {
		struct peer *p = established();

		assert_int_equal(flows_of(1000), 1);
		if (i % 2)
			time_wait(p);
		else
			orphan(p);
		assert_int_equal(flows_of(1000), 0);
	}
	assert_int_equal(counted(CNT_TCP_NO_MEMORY), 0);
}

TEST(connection_is_its_process_s_users) /* nginx: the master, which listens, is root */
{
	struct peer *p;

	rig.uid[1] = 1000;
	assert_int_equal(app_listens_unarmed(0, RIG_PORT, 8), 0);
	app_joins(1, 0, RIG_PORT);
	p = peer_new();
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1);
	assert_int_equal(flows_of(0), 1);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	assert_true(app_accepts(p, 1));
	assert_int_equal(flows_of(0), 0);
	assert_int_equal(flows_of(1000), 1);
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	assert_int_equal(flows_of(1000), 1); /* what is to be sent may take long */
	give(p, .flags = RST, .seq = 1);
	assert_int_equal(flows_of(1000), 0);
}

TEST(oldest_time_wait_goes_first)
{
	struct peer *p[FLOWS - RESERVE + 3];

	few_flows();
	for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
		p[i] = time_wait(established());
		if (i == 1) { /* its FIN comes again: the wait begins anew */
			wait_ms(10);
			give(p[0], .flags = FIN | ACK, .seq = 1, .ack = 2);
			expect(p[0], .seq = 2, .ack = 2);
		}
	}
	assert_int_equal(counted(CNT_TCP_TIME_WAIT_ENDED), 2);
	give(p[1], .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p[1], .flags = RST, .seq = 2);
	give(p[0], .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p[0], .flags = RST, .seq = 2);
	give(p[2], .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p[2], .seq = 2, .ack = 2);
}

TEST(established_connections_never_make_way)
{
	struct peer *p[FLOWS], *late;

	few_flows();
	for (unsigned i = 0; i < FLOWS; i++)
		p[i] = established();
	late = peer_new();
	give(late, .flags = SYN);
	silence();
	assert_int_equal(counted(CNT_TCP_NO_MEMORY), 1);
	for (unsigned i = 0; i < FLOWS; i++)
		assert_int_equal(flow_of(p[i])->state, TCP_ESTABLISHED);
}

TEST(flood_of_syns_locks_nobody_out) /* neither what is open, nor connect(), nor other listeners */
{
	struct peer *open, *out, *other;

	few_flows();
	open = established();
	flood(10 * FLOWS);
	give(open, .seq = 1, .ack = 1, .len = 10);
	expect(open, .seq = 1, .ack = 11);
	app_reads(open, 10);
	flood(FLOWS);
	out = connected();
	assert_int_equal(app_listens(1, 81, 8), 0);
	flood(FLOWS);
	other = peer_new();
	other->local_port = 81;
	give(other, .flags = SYN);
	expect(other, .flags = SYN | ACK, .ack = 1);
	flood(FLOWS / 2);
	give(other, .seq = 1, .ack = 1);
	assert_true(app_accepts(other, 1));
	assert_int_equal(flow_of(out)->state, TCP_ESTABLISHED);
	assert_int_equal(counted(CNT_TCP_NO_MEMORY), 0);
}

TEST(completed_handshake_is_an_embryo_no_more)
{
	struct peer *p;

	few_flows();
	p = established();
	flood(3 * FLOWS);
	assert_int_equal(flow_of(p)->state, TCP_ESTABLISHED);
	assert_int_equal(rig.sp.room[ROOM_EMBRYO].count + 1 + RESERVE - 1, FLOWS);
	wait_ms(70000); /* they are given up */
	overlook();
	assert_int_equal(rig.sp.room[ROOM_EMBRYO].count, 0);
	assert_int_equal(flows_in_use(), 1);
}

/* A connect() to where a connection in TIME_WAIT went. */
static int connects_again(const struct peer *old, struct peer **again)
{
	*again = peer_new(.port = old->port, .no_ts = old->how.no_ts);
	(*again)->local_port = old->local_port;
	return app_connects(*again);
}

TEST(connect_takes_the_place_of_time_wait_after_a_second) /* RFC 6191; tcp_tw_reuse of Linux */
{
	struct peer *p = time_wait(connected()), *again;

	wait_ms(900);
	assert_int_equal(connects_again(p, &again), EADDRNOTAVAIL);
	wait_ms(200);
	assert_int_equal(connects_again(p, &again), 0);
	expect(again, .flags = SYN);
	assert_in_range(again->iss - p->iss, 65537 + 2, 10000000);
}

TEST(connect_does_not_take_it_without_timestamps)
{
	struct peer *p = time_wait(connected(.no_ts = true)), *again;

	wait_ms(30000);
	assert_int_equal(connects_again(p, &again), EADDRNOTAVAIL);
}

TEST(connect_finds_a_port_though_time_wait_has_them_all)
{
	struct peer *p;

	rig.conf.tcp.port_range = (struct conf_ports){ 50000, 50003 };
	for (unsigned i = 0; i < 4; i++)
		time_wait(connected(.port = 7));
	p = peer_new(.port = 7);
	p->local_port = 0;
	assert_int_equal(app_connects(p), EADDRNOTAVAIL);
	wait_ms(1001);
	assert_int_equal(app_connects(p), 0);
	expect(p, .flags = SYN);
}

TEST(numbers_lie_beyond_those_of_time_wait_however_fast_that_was) /* RFC 1122 4.2.2.13 (1) */
{
	struct peer *p = time_wait(established()), *q;

	flow_of(p)->tx_una += 100000000; /* as if it had sent that */
	p->iss += 100000000;
	wait_ms(5);
	q = peer_again(p, RIG_IRS + 100);
	give(q, .flags = SYN);
	expect(q, .flags = SYN | ACK, .ack = 1);
	assert_int_equal(q->iss - p->iss, 65537 + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(time_wait_makes_way_for_a_syn),
		RIG_TEST(time_wait_makes_way_for_a_connect),
		RIG_TEST(oldest_time_wait_goes_first),
		RIG_TEST(what_the_peer_does_not_close_makes_way),
		RIG_TEST(what_the_peer_does_not_close_makes_way_after_time_wait_and_before_embryos),
		RIG_TEST(one_user_does_not_open_all_connections),
		RIG_TEST(one_users_listeners_do_not_get_all_connections),
		RIG_TEST(connections_that_make_way_are_nobodys),
		RIG_TEST(connection_is_its_process_s_users),
		RIG_TEST(established_connections_never_make_way),
		RIG_TEST(flood_of_syns_locks_nobody_out),
		RIG_TEST(completed_handshake_is_an_embryo_no_more),
		RIG_TEST(connect_takes_the_place_of_time_wait_after_a_second),
		RIG_TEST(connect_does_not_take_it_without_timestamps),
		RIG_TEST(connect_finds_a_port_though_time_wait_has_them_all),
		RIG_TEST(numbers_lie_beyond_those_of_time_wait_however_fast_that_was),
	};

	return RIG_MAIN(tests);
}
