/* SPDX-License-Identifier: BSD-3-Clause */
/* test_conn_keepalive.c - a peer that is gone is noticed: RFC 1122 4.2.3.6, RFC 793 3.8, RFC 5482. */
#include <errno.h>

#include "tests/unit/rig_tcp.h"

enum { S_MS = 1000 };

static struct peer *kept_alive(void)
{
	struct peer *p = established();

	app_sets(p, .keep_alive = 1, .keep_idle_s = 10, .keep_intvl_s = 2, .keep_count = 3);
	return p;
}

TEST(idle_peer_is_asked_and_an_answer_is_enough) /* RFC 1122 4.2.3.6: SEG.SEQ = SND.NXT-1 */
{
	struct peer *p = kept_alive();

	for (int i = 0; i < 3; i++) {
		wait_ms(9700);
		silence();
		wait_ms(400);
		expect(p, .seq = 0, .ack = 1);
		give(p, .seq = 1, .ack = 1);
	}
	assert_int_equal(flow_of(p)->state, TCP_ESTABLISHED);
}

TEST(peer_that_does_not_answer_is_gone)
{
	struct peer *p = kept_alive();

	wait_ms(10 * S_MS + 100);
	expect(p, .seq = 0, .ack = 1);
	wait_ms(2 * S_MS);
	expect(p, .seq = 0, .ack = 1);
	wait_ms(2 * S_MS);
	expect(p, .seq = 0, .ack = 1);
	wait_ms(1900);
	silence();
	assert_int_equal(flow_of(p)->state, TCP_ESTABLISHED);
	wait_ms(100);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 1);
	assert_true(rec_of(p)->events & ABI_EV_RESET);
	assert_int_equal(rec_of(p)->error, ETIMEDOUT);
}

TEST(peer_may_be_asked_every_second) /* TCP_KEEPIDLE, TCP_KEEPINTVL of 1 */
{
	struct peer *p = established();

	assert_int_equal(app_sets(p, .keep_alive = 1, .keep_idle_s = 1, .keep_intvl_s = 1, .keep_count = 3),
		0);
	for (unsigned i = 0; i < 3; i++) {
		assert_in_range(wait_sent(5000), S_MS * NS_PER_MS, (S_MS + 1) * NS_PER_MS);
		expect(p, .seq = 0, .ack = 1);
	}
}

TEST(data_put_it_off)
{
	struct peer *p = kept_alive();

	wait_ms(8 * S_MS);
	give(p, .seq = 1, .ack = 1, .len = 10);
	overlook();
	wait_ms(9 * S_MS);
	silence();
	wait_ms(1100);
	expect(p, .seq = 0, .ack = 11);
}

TEST(data_that_is_acknowledged_puts_it_off) /* be it a byte */
{
	struct peer *p = kept_alive();

	wait_ms(8 * S_MS);
	app_writes(p, 1);
	expect(p, .seq = 1, .ack = 1, .len = 1);
	give(p, .seq = 1, .ack = 2);
	wait_ms(9 * S_MS);
	silence();
	wait_ms(1100);
	expect(p, .seq = 1, .ack = 1);
}

TEST(what_is_outstanding_has_its_own_timer)
{
	struct peer *p = kept_alive();

	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10);
	wait_ms(9 * S_MS);
	overlook();
	give(p, .seq = 1, .ack = 11);
	overlook();
	wait_ms(5 * S_MS);
	silence();
}

TEST(without_the_option_nobody_asks)
{
	struct peer *p = kept_alive();

	app_sets(p, .keep_idle_s = 1, .keep_intvl_s = 1, .keep_count = 1);
	wait_ms(7300 * S_MS);
	silence();
	assert_int_equal(flow_of(p)->state, TCP_ESTABLISHED);
}

TEST(linux_waits_two_hours) /* more than the data path's clock can count */
{
	struct peer *p = established();

	app_sets(p, .keep_alive = 1, .keep_idle_s = 7200, .keep_intvl_s = 75, .keep_count = 9);
	wait_ms(7199 * S_MS);
	silence();
	wait_ms(1100);
	expect(p, .seq = 0, .ack = 1);
}

TEST(user_timeout_ends_what_is_in_vain) /* TCP_USER_TIMEOUT of Linux: neither earlier nor later */
{
	struct peer *p = established();

	app_sets(p, .user_timeout_ms = 5000);
	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10);
	wait_ms(4900);
	overlook();
	assert_int_equal(flow_of(p)->state, TCP_ESTABLISHED);
	wait_ms(200);
	assert_true(rec_of(p)->events & ABI_EV_RESET);
	assert_int_equal(rec_of(p)->error, ETIMEDOUT);
}

TEST(user_timeout_begins_anew_with_progress)
{
	struct peer *p = established();

	app_sets(p, .user_timeout_ms = 5000);
	app_writes(p, 20);
	overlook();
	wait_ms(4000);
	overlook();
	give(p, .seq = 1, .ack = 11);
	overlook();
	wait_ms(4500);
	overlook();
	assert_int_equal(flow_of(p)->state, TCP_ESTABLISHED);
	wait_ms(700);
	assert_true(rec_of(p)->events & ABI_EV_RESET);
}

TEST(user_timeout_may_be_longer_than_usual)
{
	struct peer *p = established();

	rig.conf.tcp.retries = 3;
	app_sets(p, .user_timeout_ms = 60000);
	app_writes(p, 10);
	wait_ms(59 * S_MS);
	overlook();
	assert_int_equal(flow_of(p)->state, TCP_ESTABLISHED);
	wait_ms(1100);
	assert_true(rec_of(p)->events & ABI_EV_RESET);
}

TEST(user_timeout_ends_what_a_closed_window_holds_back) /* RFC 6429 4; though the peer answers, as in Linux */
{
	struct peer *p = established();

	app_sets(p, .user_timeout_ms = 5000);
	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10);
	p->wnd = 0;
	give(p, .seq = 1, .ack = 11);
	wait_ms(60000); /* idle: nothing is in vain yet */
	app_writes(p, 10);
	for (tas_ns until = rig.now + 4900 * NS_PER_MS; rig.now < until;) {
		wait_sent((until - rig.now) / NS_PER_MS + 1);
		if (overlook() > 0)
			give(p, .seq = 1, .ack = 11);
	}
	assert_int_equal(flow_of(p)->state, TCP_ESTABLISHED);
	assert_true(counted(CNT_TCP_ZERO_WINDOW_PROBES) >= 3);
	wait_ms(300);
	assert_true(rec_of(p)->events & ABI_EV_RESET);
	assert_int_equal(rec_of(p)->error, ETIMEDOUT);
}

static void asked_from_the_start(void)
{
	rig.options = (struct ctl_options){ .keep_alive = 1,
		.keep_idle_s = 10,
		.keep_intvl_s = 2,
		.keep_count = 3 };
}

TEST(peer_of_an_accepted_connection_is_asked_as_the_listener_says)
{
	struct peer *p;

	asked_from_the_start();
	p = established();
	wait_ms(9700);
	silence();
	wait_ms(400);
	expect(p, .seq = 0, .ack = 1);
}

TEST(peer_that_takes_long_to_answer_the_syn_is_asked_after_that)
{
	struct peer *p = peer_new();

	asked_from_the_start();
	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	expect(p, .flags = SYN);
	wait_ms(1900);
	overlook();
	give(p, .flags = SYN | ACK, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	wait_ms(9700);
	silence();
	wait_ms(400);
	expect(p, .seq = 0, .ack = 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(idle_peer_is_asked_and_an_answer_is_enough),
		RIG_TEST(peer_that_does_not_answer_is_gone),
		RIG_TEST(peer_may_be_asked_every_second),
		RIG_TEST(data_put_it_off),
		RIG_TEST(data_that_is_acknowledged_puts_it_off),
		RIG_TEST(what_is_outstanding_has_its_own_timer),
		RIG_TEST(without_the_option_nobody_asks),
		RIG_TEST(linux_waits_two_hours),
		RIG_TEST(user_timeout_ends_what_is_in_vain),
		RIG_TEST(user_timeout_begins_anew_with_progress),
		RIG_TEST(user_timeout_may_be_longer_than_usual),
		RIG_TEST(user_timeout_ends_what_a_closed_window_holds_back),
		RIG_TEST(peer_of_an_accepted_connection_is_asked_as_the_listener_says),
		RIG_TEST(peer_that_takes_long_to_answer_the_syn_is_asked_after_that),
	};

	return RIG_MAIN(tests);
}
