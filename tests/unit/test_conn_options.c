/* SPDX-License-Identifier: BSD-3-Clause */
/* test_conn_options.c - socket options have their effect on the wire: from the SYN on, and when they change. */
#include <errno.h>

#include "tests/unit/rig_tcp.h"

TEST(another_process_sets_no_options)
{
	struct peer *p = established();
	struct ctl_change m = { .flow = p->flow, .gen = p->gen + 1 };

	assert_int_equal(app_options(&rig.apps, rig.app[0].id, &m), ENOENT);
	m.gen--;
	assert_int_equal(app_options(&rig.apps, app_start(1)->id, &m), ENOENT);
	assert_int_equal(app_options(&rig.apps, rig.app[0].id, &m), 0);
	m.flow = UINT32_MAX;
	assert_int_equal(app_options(&rig.apps, rig.app[0].id, &m), ENOENT);
}

/* --- TCP_SYNCNT --- */

TEST(listener_says_how_often_a_syn_ack_is_sent_again) /* icsk_syn_retries of Linux */
{
	struct peer *p;

	rig.options.syn_count = 1;
	p = peer_new();
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(1100);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(60000);
	silence();
	assert_int_equal(flows_in_use(), 0);
}

TEST(listener_may_be_told_later)
{
	struct peer *p = peer_new();

	app_listens(0, RIG_PORT, 16);
	rig.options.syn_count = 2;
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	wait_ms(60000);
	assert_int_equal(overlook(), 3);
}

/* --- SO_RCVBUF --- */

TEST(connection_keeps_its_buffers_whoever_accepts_it)
{
	struct peer *p;

	rig.options.rx_size = 32768;
	p = peer_new();
	app_listens(0, RIG_PORT, 16);
	app_joins(1, 0, RIG_PORT);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1);
	for (uint32_t i = 0; i < 8; i++)
		give(p, .seq = AT(i), .ack = 1, .len = RIG_MSS);
	rig.options.rx_size = 4096;
	app_listens(0, RIG_PORT, 16);
	app_unlistens(0, RIG_PORT);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	assert_true(app_accepts(p, 1));
	app_reads(p, 8 * RIG_MSS);
	overlook();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(another_process_sets_no_options),
		RIG_TEST(listener_says_how_often_a_syn_ack_is_sent_again),
		RIG_TEST(listener_may_be_told_later),
		RIG_TEST(connection_keeps_its_buffers_whoever_accepts_it),
	};

	return RIG_MAIN(tests);
}
