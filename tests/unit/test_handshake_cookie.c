/* SPDX-License-Identifier: BSD-3-Clause */
/* test_handshake_cookie.c - RFC 4987 3.6: SYNs that are answered and forgotten. */
#include <errno.h>

#include "tests/unit/rig_tcp.h"

enum { BACKLOG = 4 }; /* of handshakes that are not complete */

static struct listener *listener(void)
{
	return listen_find(rig.sp.listeners, &(struct flow_key){ .local_port = htobe16(RIG_PORT) });
}

/* As many SYNs as a listener remembers, of which nothing more is heard. */
static void flooded(uint32_t backlog)
{
	if (rig.conf.tcp.backlog_max != BACKLOG) {
		rig.conf.tcp.backlog_max = BACKLOG;
		assert_int_equal(app_listens(0, RIG_PORT, backlog), 0);
	}
	for (unsigned i = 0; i < BACKLOG; i++) {
		struct peer *p = peer_new();

		give(p, .flags = SYN);
		expect(p, .flags = SYN | ACK, .ack = 1);
	}
	assert_int_equal(listener()->embryos.count, BACKLOG);
	assert_int_equal(counted(CNT_TCP_COOKIES_SENT), 0);
}

static struct peer *cookie_for(struct rig_how how)
{
	struct peer *p = peer_new_(how);
	uint32_t flows = flows_in_use();

	give(p, .flags = how.ecn ? SYN | ECE | CWR : SYN);
	expect(p, .flags = how.ecn ? SYN | ACK | ECE : SYN | ACK, .ack = 1);
	assert_int_equal(flows_in_use(), flows); /* nothing is kept of it */
	return p;
}

/* --- when --- */

TEST(light_load_knows_no_cookies)
{
	rig.conf.tcp.backlog_max = BACKLOG;
	for (unsigned i = 0; i < 3 * BACKLOG; i++)
		established();
	assert_int_equal(counted(CNT_TCP_COOKIES_SENT) + counted(CNT_TCP_COOKIES_OPENED), 0);
}

TEST(overflow_of_the_backlog_is_answered_by_cookies)
{
	struct peer *p;

	flooded(16);
	p = cookie_for((struct rig_how){ 0 });
	assert_int_equal(counted(CNT_TCP_COOKIES_SENT), 1);
	assert_int_equal(counted(CNT_TCP_EMBRYOS_ENDED), 0); /* and those that began before stay */
	give(p, .seq = 1, .ack = 1);
	silence();
	assert_true(app_accepts(p, 0));
	assert_int_equal(counted(CNT_TCP_COOKIES_OPENED), 1);
	assert_int_equal(counted(CNT_TCP_PASSIVE_OPENS), 1);
	app_writes(p, 100);
	expect(p, .seq = 1, .ack = 1, .len = 100);
	give(p, .seq = 1, .ack = 101, .len = 50);
	app_reads(p, 50);
	overlook();
	wait_ms(70000); /* those that never answer end */
	overlook();
	assert_int_equal(flows_in_use(), 1);
	established(); /* and all is as before */
	assert_int_equal(counted(CNT_TCP_COOKIES_SENT), 1);
}

TEST(cookies_when_flows_run_out)
{
	struct peer *p;

	rig.conf.memory.flows_max = 32;
	assert_int_equal(app_listens(0, RIG_PORT, 16), 0);
	for (unsigned i = 0; i < 29; i++) {
		p = peer_new();
		give(p, .flags = SYN);
		expect(p, .flags = SYN | ACK, .ack = 1);
	}
	assert_int_equal(counted(CNT_TCP_COOKIES_SENT), 0);
	p = cookie_for((struct rig_how){ 0 });
	assert_int_equal(counted(CNT_TCP_COOKIES_SENT), 1);
	assert_int_equal(counted(CNT_TCP_EMBRYOS_ENDED), 0);
	give(p, .seq = 1, .ack = 1); /* it has shown where it is: one that has not makes way */
	assert_true(app_accepts(p, 0));
	assert_int_equal(counted(CNT_TCP_EMBRYOS_ENDED), 1);
}

TEST(cookies_may_be_forbidden)
{
	rig.conf.tcp.syn_cookies = CONF_OFF;
	flooded(16);
	give(peer_new(), .flags = SYN);
	assert_int_equal(overlook(), 1);
	assert_int_equal(counted(CNT_TCP_COOKIES_SENT), 0);
	assert_int_equal(counted(CNT_TCP_EMBRYOS_ENDED), 1);
}

TEST(full_accept_queue_is_no_matter_of_cookies) /* as in Linux: the SYN is dropped */
{
	rig.conf.tcp.syn_cookies = CONF_ON;
	assert_int_equal(app_listens(0, RIG_PORT, 0), 0);
	give(cookie_for((struct rig_how){ 0 }), .seq = 1, .ack = 1);
	give(peer_new(), .flags = SYN);
	silence();
	assert_int_equal(counted(CNT_TCP_LISTEN_OVERFLOWS), 1);
}

/* RFC 1122 4.2.2.13: its numbers must lie beyond the former ones, which those of a cookie may not. */
TEST(place_of_a_connection_in_time_wait_is_taken_without_a_cookie)
{
	struct peer *p, *again;

	rig.conf.tcp.syn_cookies = CONF_ON;
	p = established();
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .seq = 2, .ack = 2);
	wait_ms(100);
	again = peer_again(p, RIG_IRS + 100000);
	give(again, .flags = SYN);
	expect(again, .flags = SYN | ACK, .ack = 1);
	assert_int_equal(counted(CNT_TCP_COOKIES_SENT), 1);
	assert_int_equal(listener()->embryos.count, 1);
}

/* --- what --- */

TEST(options_come_back_in_the_timestamp)
{
	struct peer *p;
	const struct rig_seg *s;

	rig.conf.tcp.syn_cookies = CONF_ON;
	rig.conf.tcp.ecn = true;
	assert_int_equal(app_listens(0, RIG_PORT, 16), 0);
	p = peer_new(.ecn = true);
	give(p, .flags = SYN | ECE | CWR);
	s = expect(p, .flags = SYN | ACK | ECE, .ack = 1);
	assert_true(s->has_ts && s->has_wscale && s->has_sack_perm && s->df);
	assert_int_equal(s->mss, 1460);
	assert_int_equal(s->ttl, 64);
	assert_int_equal(s->wnd, 65535);
	wait_ms(30);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	assert_int_equal(flow_of(p)->snd_wscale, 7);
	assert_int_equal(flow_of(p)->rcv_wscale, s->wscale);
	assert_int_equal(flow_of(p)->mss, RIG_MSS);
	assert_int_equal(flow_of(p)->flags & (FLOW_TS | FLOW_SACK | FLOW_ECN),
		FLOW_TS | FLOW_SACK | FLOW_ECN);
	assert_int_equal(flow_of(p)->snd_wnd, 1 << 20);
	/* the round trip, too, but for the bits that say the options: nothing else is known of it */
	assert_in_range(flow_of(p)->srtt_us >> 3, 30000, 30000 + 64000);
	give(p, .seq = 101, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1, .sack = { { 101, 201 } });
}

TEST(cookie_is_of_the_prefixes_algorithm) /* RFC 8257 3.5 */
{
	struct conf_congestion_route *r = &rig.conf.tcp.congestion_to[rig.conf.tcp.congestion_routes++];
	struct peer *p;

	assert_true(prefix_parse("10.0.0.2", &r->to));
	strcpy(r->name, "dctcp");
	rig.conf.tcp.syn_cookies = CONF_ON;
	assert_int_equal(app_listens(0, RIG_PORT, 16), 0);
	p = peer_new(.ecn = true);
	give(p, .flags = SYN | ECE | CWR);
	expect(p, .flags = SYN | ACK | ECE, .ack = 1, .ecn = IP_ECN_ECT0);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	assert_int_equal(flow_of(p)->cc, CC_DCTCP);
	assert_int_equal(flow_of(p)->flags & (FLOW_ECN | FLOW_DCTCP), FLOW_ECN | FLOW_DCTCP);
}

TEST(without_timestamps_only_the_mss_comes_back)
{
	struct peer *p;
	const struct rig_seg *s;

	rig.conf.tcp.syn_cookies = CONF_ON;
	assert_int_equal(app_listens(0, RIG_PORT, 16), 0);
	p = peer_new(.no_ts = true, .no_wscale = true, .no_sack = true, .mss = 1380);
	give(p, .flags = SYN, .opts = (const uint8_t *)"\x02\x04\x05\x64\x01\x01\x04\x02\x01\x03\x03\x07",
		.opts_len = 12);
	s = expect(p, .flags = SYN | ACK, .ack = 1);
	assert_false(s->has_ts || s->has_wscale || s->has_sack_perm);
	wait_ms(30);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	assert_int_equal(flow_of(p)->srtt_us, 0); /* when our SYN-ACK went nobody knows */
	assert_int_equal(flow_of(p)->mss, 1360);
	assert_int_equal(flow_of(p)->snd_wscale | flow_of(p)->rcv_wscale, 0);
	assert_int_equal(flow_of(p)->flags & (FLOW_TS | FLOW_SACK | FLOW_ECN), 0);
}

TEST(what_is_off_is_not_offered_by_a_cookie)
{
	struct peer *p;
	const struct rig_seg *s;

	rig.conf.tcp.syn_cookies = CONF_ON;
	rig.conf.tcp.sack = rig.conf.tcp.window_scaling = false;
	assert_int_equal(app_listens(0, RIG_PORT, 16), 0);
	p = peer_new();
	give(p, .flags = SYN);
	s = expect(p, .flags = SYN | ACK, .ack = 1);
	assert_false(s->has_wscale || s->has_sack_perm);
	assert_true(s->has_ts);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	assert_int_equal(flow_of(p)->snd_wscale | flow_of(p)->rcv_wscale, 0);
}

TEST(options_of_the_listener_hold)
{
	struct peer *p;
	const struct rig_seg *s;

	rig.conf.tcp.syn_cookies = CONF_ON;
	rig.options.max_seg = 1000;
	rig.options.rx_size = 16384;
	rig.options.ttl = 9;
	rig.options.defer_accept_s = 5;
	assert_int_equal(app_listens(0, RIG_PORT, 16), 0);
	p = peer_new();
	give(p, .flags = SYN);
	s = expect(p, .flags = SYN | ACK, .ack = 1);
	assert_int_equal(s->mss, 1000);
	assert_int_equal(s->wnd, 16383);
	assert_int_equal(s->ttl, 9);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0)); /* not deferred: as in Linux there is nothing to defer */
	assert_int_equal(flow_of(p)->mss, 1000 - 12);
}

TEST(data_that_comes_with_the_cookie_is_kept)
{
	struct peer *p;

	flooded(16);
	p = cookie_for((struct rig_how){ 0 });
	give(p, .seq = 1, .ack = 1, .len = 100); /* the acknowledgement before was lost */
	assert_true(app_accepts(p, 0));
	app_reads(p, 100);
	expect(p, .seq = 1, .ack = 101);
	p = cookie_for((struct rig_how){ 0 });
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 100);
	assert_true(app_accepts(p, 0));
	assert_true(events_of(p) & ABI_EV_RX_FIN);
	app_reads(p, 100);
	expect(p, .seq = 1, .ack = 102);
}

TEST(data_with_a_cookie_waits_for_who_accepts)
{
	struct peer *p;

	rig.conf.tcp.syn_cookies = CONF_ON;
	assert_int_equal(app_listens_unarmed(0, RIG_PORT, 16), 0);
	p = cookie_for((struct rig_how){ 0 });
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	assert_int_equal(app_arms(0, RIG_PORT), 0);
	assert_true(app_accepts(p, 0));
	app_reads(p, 100);
}

TEST(acknowledgement_that_comes_twice_opens_one_connection)
{
	struct peer *p;

	rig.conf.tcp.syn_cookies = CONF_ON;
	p = established();
	give(p, .seq = 1, .ack = 1);
	silence();
	give(p, .flags = SYN); /* the SYN-ACK was late */
	expect(p, .seq = 1, .ack = 1);
	assert_int_equal(flows_in_use(), 1);
	assert_int_equal(counted(CNT_TCP_COOKIES_OPENED), 1);
}

/* --- what is refused --- */

TEST(cookie_that_is_none_is_reset_and_counted)
{
	struct peer *p;

	flooded(16);
	p = cookie_for((struct rig_how){ 0 });
	give(p, .seq = 1, .ack = 2);
	expect(p, .flags = RST, .seq = 2);
	give(p, .seq = 2, .ack = 1);
	expect(p, .flags = RST, .seq = 1);
	assert_int_equal(counted(CNT_TCP_COOKIES_FAILED), 2);
	assert_int_equal(counted(CNT_TCP_COOKIES_OPENED), 0);
	give(p, .seq = 1, .ack = 1, .no_ts = true); /* RFC 7323 3.2: it was to have one */
	expect(p, .flags = RST, .seq = 1);
	assert_int_equal(listener()->embryos.count, BACKLOG);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
}

TEST(cookie_of_another_window_is_none) /* RFC 7323 2.3: the scale is that of the SYN-ACK */
{
	struct peer *p, *other;
	struct listener *l;

	rig.conf.tcp.syn_cookies = CONF_ON;
	assert_int_equal(app_listens(0, RIG_PORT, 16), 0);
	p = cookie_for((struct rig_how){ 0 });
	l = listener();
	l->options.rx_size = 16384;
	other = cookie_for((struct rig_how){ 0 });
	give(p, .seq = 1, .ack = 1);
	expect(p, .flags = RST, .seq = 1);
	give(other, .seq = 1, .ack = 1);
	assert_true(app_accepts(other, 0));
}

TEST(cookie_is_too_old_after_two_minutes)
{
	struct peer *p, *late;

	rig.conf.tcp.syn_cookies = CONF_ON;
	assert_int_equal(app_listens(0, RIG_PORT, 16), 0);
	p = cookie_for((struct rig_how){ 0 });
	late = cookie_for((struct rig_how){ 0 });
	wait_ms(59000);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	cookie_for((struct rig_how){ 0 }); /* so that they are searched for still */
	wait_ms(61000);
	give(late, .seq = 1, .ack = 1);
	expect(late, .flags = RST, .seq = 1);
	assert_int_equal(counted(CNT_TCP_COOKIES_FAILED), 1);
}

TEST(without_an_overflow_no_cookie_is_searched_for)
{
	struct peer *p;

	rig.conf.tcp.backlog_max = BACKLOG;
	assert_int_equal(app_listens(0, RIG_PORT, 16), 0);
	p = peer_new();
	give(p, .seq = 1, .ack = 1);
	expect(p, .flags = RST, .seq = 1);
	assert_int_equal(counted(CNT_TCP_COOKIES_FAILED), 0);
	rig.conf.tcp.syn_cookies = CONF_ON;
	established();
	wait_ms(130000); /* and a while after */
	overlook();
	p = peer_new();
	give(p, .seq = 1, .ack = 1);
	expect(p, .flags = RST, .seq = 1);
	assert_int_equal(counted(CNT_TCP_COOKIES_FAILED), 0);
}

TEST(queue_that_filled_meanwhile_leaves_the_cookie_good)
{
	struct peer *first, *late;

	rig.conf.tcp.syn_cookies = CONF_ON;
	assert_int_equal(app_listens(0, RIG_PORT, 0), 0);
	late = cookie_for((struct rig_how){ 0 });
	first = cookie_for((struct rig_how){ 0 });
	give(first, .seq = 1, .ack = 1);
	give(late, .seq = 1, .ack = 1, .len = 10);
	silence();
	assert_int_equal(counted(CNT_TCP_LISTEN_OVERFLOWS), 1);
	assert_int_equal(flows_in_use(), 1);
	assert_true(app_accepts(first, 0));
	give(late, .seq = 1, .ack = 1, .len = 10);
	assert_true(app_accepts(late, 0));
	app_reads(late, 10);
}

TEST(user_who_has_enough_gets_no_more_by_cookies)
{
	rig.conf.tcp.syn_cookies = CONF_ON;
	rig.conf.memory.flows_max = 32;
	rig.uid[0] = 1000;
	for (unsigned i = 0; i < 24; i++)
		established();
	give(peer_new(), .flags = SYN);
	silence();
	assert_int_equal(counted(CNT_TCP_NO_MEMORY), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(light_load_knows_no_cookies),
		RIG_TEST(overflow_of_the_backlog_is_answered_by_cookies),
		RIG_TEST(cookies_when_flows_run_out),
		RIG_TEST(cookies_may_be_forbidden),
		RIG_TEST(full_accept_queue_is_no_matter_of_cookies),
		RIG_TEST(place_of_a_connection_in_time_wait_is_taken_without_a_cookie),
		RIG_TEST(options_come_back_in_the_timestamp),
		RIG_TEST(cookie_is_of_the_prefixes_algorithm),
		RIG_TEST(without_timestamps_only_the_mss_comes_back),
		RIG_TEST(what_is_off_is_not_offered_by_a_cookie),
		RIG_TEST(options_of_the_listener_hold),
		RIG_TEST(data_that_comes_with_the_cookie_is_kept),
		RIG_TEST(data_with_a_cookie_waits_for_who_accepts),
		RIG_TEST(acknowledgement_that_comes_twice_opens_one_connection),
		RIG_TEST(cookie_that_is_none_is_reset_and_counted),
		RIG_TEST(cookie_of_another_window_is_none),
		RIG_TEST(cookie_is_too_old_after_two_minutes),
		RIG_TEST(without_an_overflow_no_cookie_is_searched_for),
		RIG_TEST(queue_that_filled_meanwhile_leaves_the_cookie_good),
		RIG_TEST(user_who_has_enough_gets_no_more_by_cookies),
	};

	return RIG_MAIN(tests);
}
