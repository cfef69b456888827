/* SPDX-License-Identifier: BSD-3-Clause */
/* test_handshake.c - how connections begin. */
#include <errno.h>

#include "tests/unit/rig_tcp.h"

enum { MSS = 1448 };

/* Application 0 connects; its SYN is out. */
#define syn_sent(...) syn_sent_((struct rig_how){ __VA_ARGS__ })
static struct peer *syn_sent_(struct rig_how how)
{
	struct peer *p = peer_new_(how);

	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	expect(p, .flags = SYN);
	return p;
}

/* A SYN is given to RIG_PORT, and answered. */
#define syn_rcvd(...) syn_rcvd_((struct rig_how){ __VA_ARGS__ })
static struct peer *syn_rcvd_(struct rig_how how)
{
	struct peer *p = peer_new_(how);

	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	return p;
}

static void assert_failed(const struct peer *p, uint32_t error)
{
	assert_int_equal(events_of(p), ABI_EV_RESET);
	assert_int_equal(rec_of(p)->error, error);
}

/* --- active open --- */

TEST(syn_offers_all_that_tasd_knows) /* RFC 9293 3.7.1, RFC 7323, RFC 2018 */
{
	struct peer *p = peer_new();
	const struct rig_seg *s;

	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	s = expect(p, .flags = SYN);
	assert_int_equal(s->mss, 1460);
	assert_true(s->has_ts && s->has_sack_perm && s->has_wscale);
	assert_int_equal(s->ts_ecr, 0);
	assert_int_equal(s->wscale, 2); /* 128 KiB */
	assert_int_equal(s->wnd, 65535);
	assert_in_range(p->local_port, 32768, 60999);
}

TEST(syn_offers_only_what_is_configured)
{
	struct peer *p = peer_new();
	const struct rig_seg *s;

	rig.conf.tcp.timestamps = rig.conf.tcp.sack = rig.conf.tcp.window_scaling = false;
	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	s = expect(p, .flags = SYN);
	assert_false(s->has_ts || s->has_sack_perm || s->has_wscale);
	give(p, .flags = SYN | ACK, .ack = 1);
	assert_false(expect(p, .seq = 1, .ack = 1)->has_ts);
	assert_int_equal(flow_of(p)->mss, 1460);
}

TEST(connection_is_told_when_it_is_open) /* RFC 9293 3.5, figure 6 */
{
	struct peer *p = syn_sent();

	assert_int_equal(heard(p), 0);
	give(p, .flags = SYN | ACK, .ack = 1);
	assert_int_equal(expect(p, .seq = 1, .ack = 1)->has_ts, true);
	assert_int_equal(heard(p), 1);
	assert_int_equal(events_of(p), ABI_EV_CONNECTED);
	assert_int_equal(counted(CNT_TCP_ACTIVE_OPENS), 1);
	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10);
	silence();
}

TEST(syn_is_repeated_with_backoff_until_it_fails) /* RFC 6298 2.1, 5.5; RFC 9293 3.8.3, MUST-23 */
{
	struct peer *p = syn_sent();
	tas_ns begin = rig.now;

	for (uint32_t s = 1; s < 128; s *= 2) {
		assert_in_range(wait_sent(130000), s * NS_PER_SEC, s * NS_PER_SEC + 70000);
		expect(p, .flags = SYN);
	}
	wait_ms(119999);
	assert_int_equal(events_of(p), 0);
	wait_ms(2);
	assert_failed(p, ETIMEDOUT);
	assert_true(rig.now - begin >= 3 * 60 * NS_PER_SEC);
	assert_int_equal(heard(p), 1);
	assert_int_equal(counted(CNT_TCP_ATTEMPT_FAILS), 1);
	app_closes(p);
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
	silence();
}

TEST(reset_refuses_a_connection) /* RFC 9293 3.10.7.3, second */
{
	struct peer *p = syn_sent();

	give(p, .flags = RST | ACK, .ack = 1);
	assert_failed(p, ECONNREFUSED);
	app_closes(p);
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
	silence();
}

TEST(reset_that_does_not_acknowledge_the_syn_is_ignored) /* RFC 9293 3.10.7.3 */
{
	struct peer *p = syn_sent();

	give(p, .flags = RST);
	give(p, .flags = RST | ACK, .ack = 0);
	give(p, .flags = RST | ACK, .ack = 2);
	silence();
	give(p, .flags = SYN | ACK, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
}

TEST(wrong_acknowledgement_of_a_syn_is_reset) /* RFC 9293 3.10.7.3, first: a half-open peer */
{
	struct peer *p = syn_sent();

	give(p, .seq = 300, .ack = 100);
	expect(p, .flags = RST, .seq = 100);
	give(p, .flags = SYN | ACK, .ack = 0);
	expect(p, .flags = RST, .seq = 0);
	give(p, .flags = SYN | ACK, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	silence();
}

TEST(repeated_syn_ack_is_acknowledged_again) /* RFC 5961 4: the acknowledgement was lost */
{
	struct peer *p = syn_sent();

	give(p, .flags = SYN | ACK, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	give(p, .flags = SYN | ACK, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	silence();
}

TEST(simultaneous_open_meets) /* RFC 9293 3.5, figure 7 */
{
	struct peer *p = syn_sent();

	give(p, .flags = SYN);
	assert_true(expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1)->has_sack_perm);
	assert_int_equal(events_of(p), 0);
	give(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	overlook(); /* an acknowledgement may go, and need not */
	assert_int_equal(events_of(p), ABI_EV_CONNECTED);
	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	app_reads(p, 10);
}

TEST(simultaneous_open_repeats_its_syn_ack)
{
	struct peer *p = syn_sent();

	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	assert_in_range(wait_sent(3000), 900 * NS_PER_MS, 1001 * NS_PER_MS);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1);
	assert_int_equal(events_of(p), ABI_EV_CONNECTED);
	silence();
}

TEST(reset_of_a_simultaneous_open_refuses_a_connection) /* RFC 9293 3.10.7.4, MUST-11 */
{
	struct peer *p = syn_sent();

	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .flags = RST, .seq = 1);
	assert_int_equal(rec_of(p)->error, ECONNREFUSED);
	silence();
}

TEST(close_while_connecting_leaves_nothing) /* RFC 9293 3.10.4 */
{
	struct peer *p = syn_sent();

	app_closes(p);
	wait_ms(10000);
	silence();
	assert_int_equal(flows_in_use(), 0);
	give(p, .flags = SYN | ACK, .ack = 1);
	expect(p, .flags = RST, .seq = 1);
}

TEST(data_written_while_connecting_go_with_the_connection)
{
	struct peer *p = syn_sent();

	app_writes(p, 100);
	silence();
	give(p, .flags = SYN | ACK, .ack = 1);
	while (rig.sent_head != rig.sent_tail)
		next_segment(p);
	assert_int_equal(flow_of(p)->tx_inflight, 100);
}

TEST(four_tuples_are_used_once) /* and ephemeral ports do not collide */
{
	struct peer *a = syn_sent(), *b = peer_new(), *c;

	b->port = a->port;
	b->local_port = a->local_port;
	assert_int_equal(app_connects(b), EADDRNOTAVAIL);
	for (unsigned i = 0; i < 50; i++) {
		c = syn_sent(.port = a->port);
		assert_int_not_equal(c->local_port, a->local_port);
	}
}

TEST(port_that_comes_free_is_found_at_once)
{
	struct peer *p[4], *late;

	rig.conf.tcp.port_range = (struct conf_ports){ 50000, 50003 };
	for (unsigned i = 0; i < 4; i++)
		p[i] = connected(.port = 7);
	late = peer_new(.port = 7);
	late->local_port = 0;
	assert_int_equal(app_connects(late), EADDRNOTAVAIL);
	app_aborts(p[2]);
	overlook();
	assert_int_equal(app_connects(late), 0);
	assert_int_equal(late->local_port, p[2]->local_port);
	overlook();
}

TEST(nobody_connects_from_a_port_on_which_somebody_listens)
{
	struct peer *p;

	rig.conf.tcp.port_range = (struct conf_ports){ 50000, 50003 };
	assert_int_equal(app_listens(1, 50001, 8), 0);
	assert_int_equal(app_listens(1, 50002, 8), 0);
	for (unsigned i = 0; i < 2; i++) {
		p = connected(.port = 7);
		assert_true(p->local_port == 50000 || p->local_port == 50003);
	}
	p = peer_new(.port = 7);
	p->local_port = 0;
	assert_int_equal(app_connects(p), EADDRNOTAVAIL);
	assert_int_equal(app_unlistens(1, 50002), 0);
	wait_us(PORTS_FULL_NS / NS_PER_US);
	assert_int_equal(app_connects(p), 0);
	overlook();
}

TEST(nobody_listens_on_all_ports_to_connect_from)
{
	struct peer *p;

	rig.uid[1] = 1000;
	rig.conf.tcp.port_range = (struct conf_ports){ 50000, 50003 };
	for (uint16_t port = 50000; port < 50003; port++)
		assert_int_equal(app_listens(1, port, 8), 0);
	assert_int_equal(app_listens(1, 50003, 8), ENOBUFS);
	assert_int_equal(app_listens(1, 49999, 8), 0);
	p = connected(.port = 7);
	assert_int_equal(p->local_port, 50003);
	assert_int_equal(app_unlistens(1, 50000), 0);
	assert_int_equal(app_listens(1, 50000, 8), 0);
}

TEST(port_of_another_user_is_not_to_be_connected_from)
{
	struct peer *p = peer_new();

	rig.uid[1] = 1000;
	assert_int_equal(app_listens(1, RIG_PORT, 64), 0);
	p->local_port = RIG_PORT;
	assert_int_equal(app_connects(p), EADDRINUSE);
	assert_int_equal(app_unlistens(1, RIG_PORT), 0);
	assert_int_equal(app_listens(2, RIG_PORT, 64), 0);
	assert_int_equal(app_connects(p), 0);
	overlook();
}

/* --- the way to the peer --- */

static int connects_to_host(unsigned index, uint32_t host)
{
	struct ctl_connect c = { .remote = addr_v4(htobe32(0x0a000000 | host)), .remote_port = 7 };
	int error = app_connect(&rig.apps, app_start(index)->id, &c);

	rig_run();
	return error;
}

TEST(one_user_does_not_hold_all_neighbours)
{
	rig.uid[0] = 1000;
	rig.uid[1] = 1001;
	rig.arp_silent = true;
	app_start(0);
	users_limit(&rig.apps.users, SHARE_NEIGHBOURS, 4);
	for (uint32_t host = 10; host < 13; host++)
		assert_int_equal(connects_to_host(0, host), 0);
	assert_int_equal(connects_to_host(0, 13), ENOBUFS);
	assert_int_equal(connects_to_host(0, 12), 0); /* held already */
	assert_int_equal(connects_to_host(1, 13), 0);
	wait_ms(4000); /* none of them answers */
	overlook();
	assert_int_equal(users_has(&rig.apps.users, 1000, SHARE_NEIGHBOURS), 0);
	assert_int_equal(connects_to_host(0, 13), 0);
	overlook();
}

TEST(syn_waits_for_the_neighbour) /* RFC 826; RFC 1122 2.3.2.2 */
{
	struct peer *p = peer_new();

	rig.arp_silent = true;
	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	wait_ms(500);
	silence();
	rig.arp_silent = false;
	wait_sent(1000);
	expect(p, .flags = SYN);
	assert_in_range(wait_sent(3000), 900 * NS_PER_MS, 1001 * NS_PER_MS);
	expect(p, .flags = SYN);
	give(p, .flags = SYN | ACK, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
}

TEST(neighbour_that_does_not_answer_is_no_route) /* EHOSTUNREACH after three seconds, as in Linux */
{
	struct peer *p = peer_new();

	rig.arp_silent = true;
	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	wait_ms(2900);
	assert_int_equal(events_of(p), 0);
	wait_ms(200);
	assert_failed(p, EHOSTUNREACH);
	assert_int_equal(rig.arp_requests, 3);
	app_closes(p);
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
	silence();
}

/* The peer says by a gratuitous ARP what its hardware address is now, but for the last byte as before. */
static void arp_says(uint8_t last)
{
	static const uint8_t arp[42] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 0, /* to all, from it */
		8, 6, 0, 1, 8, 0, 6, 4, 0, 1,                                            /* a request */
		2, 0, 0, 0, 0, 0, 10, 0, 0, 2,                                           /* sender */
		0, 0, 0, 0, 0, 0, 10, 0, 0, 2 };
	uint8_t frame[60] = { 0 };

	memcpy(frame, arp, sizeof(arp));
	frame[11] = frame[27] = last;
	give_frame(frame, sizeof(frame));
	rig_run();
}

/* Ten bytes go out, to this hardware address. */
static void writes_to(struct peer *p, uint8_t last, uint32_t seq)
{
	app_writes(p, 10);
	rig.next_hop = last;
	expect(p, .seq = seq, .ack = 1, .len = 10);
}

TEST(accepted_connection_follows_its_neighbour) /* RFC 826 */
{
	struct peer *p = established();

	writes_to(p, 2, 1);
	wait_ms(10);
	give(p, .seq = 1, .ack = 11);
	wait_ms(2000);
	arp_says(7);
	writes_to(p, 7, 11);
}

TEST(accepted_connection_answers_where_the_syn_came_from_while_the_neighbour_is_unknown)
{
	struct peer *p;

	rig_open();
	rig.arp_silent = true;
	p = established();
	wait_ms(5000); /* the search is in vain, and begins again */
	assert_true(rig.arp_requests >= 3);
	writes_to(p, 2, 1);
	give(p, .seq = 1, .ack = 11);
	arp_says(7);
	writes_to(p, 7, 11);
}

TEST(accepted_connection_goes_where_the_neighbour_is_known_to_be) /* not where a SYN seems to come from */
{
	struct peer *p = connected();
	const struct neigh_entry *e = &rig.sp.neigh.entry[conn_of(p)->neigh];

	wait_ms(2000);
	arp_says(7);
	p = established();
	assert_int_equal(e->holds, 2);
	writes_to(p, 7, 1);
	give(p, .flags = RST | ACK, .seq = 1, .ack = 11);
	app_closes(p);
	assert_int_equal(e->holds, 1);
}

TEST(connections_are_accepted_while_the_neighbour_table_is_full)
{
	struct peer *p;

	rig_open();
	for (uint32_t i = 0; i < rig.sp.neigh.max; i++) {
		struct rte_ether_addr mac;
		uint32_t id;

		neigh_resolve(&rig.sp.neigh, addr_v4(htobe32(0x0a000100 + i)), rig.now, &id, &mac);
		neigh_hold(&rig.sp.neigh, id);
	}
	p = established();
	assert_int_equal(conn_of(p)->neigh, NEIGH_NONE);
	writes_to(p, 2, 1);
}

/* --- passive open --- */

TEST(syn_ack_answers_with_what_the_syn_offered)
{
	struct peer *p = peer_new(), *q = peer_new(.no_ts = true, .no_sack = true, .no_wscale = true);
	const struct rig_seg *s;

	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	s = expect(p, .flags = SYN | ACK, .ack = 1);
	assert_true(s->has_ts && s->has_sack_perm && s->has_wscale);
	assert_int_equal(s->ts_ecr, (uint32_t)(rig.now / NS_PER_MS) + p->ts_off);
	assert_int_equal(s->mss, 1460);
	give(q, .flags = SYN);
	s = expect(q, .flags = SYN | ACK, .ack = 1);
	assert_false(s->has_ts || s->has_sack_perm || s->has_wscale);
	assert_int_equal(s->mss, 1460);
}

TEST(syn_ack_is_repeated_with_backoff_until_it_fails) /* RFC 6298 5.5; five times as in Linux */
{
	struct peer *p = syn_rcvd();

	for (uint32_t s = 1; s < 32; s *= 2) {
		assert_in_range(wait_sent(130000), s * NS_PER_SEC, s * NS_PER_SEC + 70000);
		expect(p, .flags = SYN | ACK, .ack = 1);
	}
	wait_ms(32001);
	silence();
	assert_int_equal(flows_in_use(), 0);
	assert_int_equal(counted(CNT_TCP_ATTEMPT_FAILS), 1);
}

TEST(syn_ack_is_not_repeated_if_it_shall_not_be) /* synack_retries = 0 */
{
	rig.conf.tcp.synack_retries = 0;
	syn_rcvd();
	wait_ms(1100);
	silence();
	assert_int_equal(flows_in_use(), 0);
}

TEST(duplicate_syn_is_answered_again) /* RFC 9293 3.10.7.4, fourth, in SYN-RECEIVED */
{
	struct peer *p = syn_rcvd();

	wait_ms(500);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .seq = 0, .ack = 1);
	silence();
	assert_int_equal(flows_in_use(), 1);
}

TEST(wrong_acknowledgement_in_syn_rcvd_is_reset) /* RFC 9293 3.10.7.4, fifth */
{
	struct peer *p = syn_rcvd();

	give(p, .seq = 1, .ack = 2);
	expect(p, .flags = RST, .seq = 2);
	give(p, .seq = 1, .ack = 0);
	expect(p, .flags = RST, .seq = 0);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	silence();
}

TEST(reset_in_syn_rcvd_ends_it) /* RFC 9293 3.10.7.4, second */
{
	struct peer *p = syn_rcvd();

	give(p, .flags = RST, .seq = 2);
	expect(p, .seq = 1, .ack = 1); /* in the window, but not exact: RFC 5961 3 */
	assert_int_equal(flows_in_use(), 1);
	give(p, .flags = RST, .seq = 1);
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
	silence();
}

TEST(data_with_the_last_acknowledgement_are_taken)
{
	struct peer *p = syn_rcvd();

	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	assert_true(app_accepts(p, 0));
	app_reads(p, 100);
}

TEST(fin_with_the_last_acknowledgement_is_taken)
{
	struct peer *p = syn_rcvd();

	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 12);
	assert_true(app_accepts(p, 0));
	app_reads(p, 10);
	assert_int_equal(events_of(p), ABI_EV_ACCEPT | ABI_EV_RX_FIN);
}

TEST(data_complete_a_handshake_whose_acknowledgement_was_lost)
{
	struct peer *p = syn_rcvd();

	wait_ms(100);
	give(p, .seq = 1, .ack = 1, .len = 100, .hold = true);
	give(p, .seq = 101, .ack = 1, .len = 100, .hold = true);
	give(p, .seq = 201, .ack = 1, .len = 100);
	assert_true(app_accepts(p, 0));
	assert_int_equal(app_unread(p), 300);
	app_reads(p, 300);
}

TEST(segments_outside_the_window_do_not_complete_a_handshake) /* RFC 9293 3.10.7.4, first */
{
	struct peer *p = syn_rcvd();

	give(p, .seq = 70000, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	assert_false(app_accepts(p, 0));
	silence();
}

TEST(syn_with_fin_or_reset_opens_nothing)
{
	struct peer *p = peer_new();

	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN | FIN);
	give(p, .flags = SYN | RST);
	silence();
	assert_int_equal(flows_in_use(), 0);
}

TEST(data_with_a_syn_come_again) /* RFC 9293 3.10.7.2: they may be left for later */
{
	struct peer *p = peer_new(), *q;

	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN, .len = 10);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	assert_true(app_accepts(p, 0));
	app_reads(p, 10);

	q = syn_sent();
	give(q, .flags = SYN | ACK, .ack = 1, .len = 10);
	expect(q, .seq = 1, .ack = 1);
	assert_int_equal(app_unread(q), 0);
	give(q, .seq = 1, .ack = 1, .len = 10);
	app_reads(q, 10);
}

TEST(full_flow_table_drops_a_syn)
{
	struct peer *p;

	rig.conf.memory.flows_max = 64;
	rig.conf.tcp.syn_cookies = CONF_OFF;
	for (unsigned i = 0; i < 63; i++)
		syn_rcvd();
	while (flows_in_use() < 64)
		flow_alloc(&rig.fp);
	p = peer_new();
	give(p, .flags = SYN);
	silence();
	assert_int_equal(counted(CNT_TCP_NO_MEMORY), 1);
}

/* --- initial sequence numbers --- */

TEST(sequence_numbers_begin_where_nobody_guesses) /* RFC 6528 3 */
{
	struct peer *p = syn_rcvd();
	uint32_t last = p->iss, near = 0;

	for (unsigned i = 0; i < 40; i++) {
		p = syn_rcvd();
		near += (p->iss - last) + 100000 < 200000;
		last = p->iss;
	}
	assert_int_equal(near, 0);
}

TEST(sequence_numbers_of_one_four_tuple_go_forward) /* RFC 6528 3: M counts up every 4 us */
{
	struct peer *p = syn_rcvd(), *q;

	give(p, .flags = RST, .seq = 1);
	wait_ms(1000);
	q = peer_again(p, RIG_IRS + 5000);
	give(q, .flags = SYN);
	expect(q, .flags = SYN | ACK, .ack = 1);
	assert_int_equal(q->iss - p->iss, 250000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(syn_offers_all_that_tasd_knows),
		RIG_TEST(syn_offers_only_what_is_configured),
		RIG_TEST(connection_is_told_when_it_is_open),
		RIG_TEST(syn_is_repeated_with_backoff_until_it_fails),
		RIG_TEST(reset_refuses_a_connection),
		RIG_TEST(reset_that_does_not_acknowledge_the_syn_is_ignored),
		RIG_TEST(wrong_acknowledgement_of_a_syn_is_reset),
		RIG_TEST(repeated_syn_ack_is_acknowledged_again),
		RIG_TEST(simultaneous_open_meets),
		RIG_TEST(simultaneous_open_repeats_its_syn_ack),
		RIG_TEST(reset_of_a_simultaneous_open_refuses_a_connection),
		RIG_TEST(close_while_connecting_leaves_nothing),
		RIG_TEST(data_written_while_connecting_go_with_the_connection),
		RIG_TEST(four_tuples_are_used_once),
		RIG_TEST(port_that_comes_free_is_found_at_once),
		RIG_TEST(nobody_connects_from_a_port_on_which_somebody_listens),
		RIG_TEST(nobody_listens_on_all_ports_to_connect_from),
		RIG_TEST(port_of_another_user_is_not_to_be_connected_from),
		RIG_TEST(one_user_does_not_hold_all_neighbours),
		RIG_TEST(syn_waits_for_the_neighbour),
		RIG_TEST(neighbour_that_does_not_answer_is_no_route),
		RIG_TEST(accepted_connection_follows_its_neighbour),
		RIG_TEST(accepted_connection_answers_where_the_syn_came_from_while_the_neighbour_is_unknown),
		RIG_TEST(accepted_connection_goes_where_the_neighbour_is_known_to_be),
		RIG_TEST(connections_are_accepted_while_the_neighbour_table_is_full),
		RIG_TEST(syn_ack_answers_with_what_the_syn_offered),
		RIG_TEST(syn_ack_is_repeated_with_backoff_until_it_fails),
		RIG_TEST(syn_ack_is_not_repeated_if_it_shall_not_be),
		RIG_TEST(duplicate_syn_is_answered_again),
		RIG_TEST(wrong_acknowledgement_in_syn_rcvd_is_reset),
		RIG_TEST(reset_in_syn_rcvd_ends_it),
		RIG_TEST(data_with_the_last_acknowledgement_are_taken),
		RIG_TEST(fin_with_the_last_acknowledgement_is_taken),
		RIG_TEST(data_complete_a_handshake_whose_acknowledgement_was_lost),
		RIG_TEST(segments_outside_the_window_do_not_complete_a_handshake),
		RIG_TEST(syn_with_fin_or_reset_opens_nothing),
		RIG_TEST(data_with_a_syn_come_again),
		RIG_TEST(full_flow_table_drops_a_syn),
		RIG_TEST(sequence_numbers_begin_where_nobody_guesses),
		RIG_TEST(sequence_numbers_of_one_four_tuple_go_forward),
	};

	return RIG_MAIN(tests);
}
