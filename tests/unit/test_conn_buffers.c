/* SPDX-License-Identifier: BSD-3-Clause */
/* test_conn_buffers.c - options that say how much is kept, how soon it is acknowledged, and rings that
 * grow. */
#include <errno.h>

#include "tests/unit/rig_tcp.h"

/* --- TCP_NOTSENT_LOWAT, SO_SNDBUF --- */

/* The application wrote n segments, of which the window lets ten go, and found that it may not write more. */
static struct peer *stuffed(uint32_t n)
{
	struct peer *p = established();

	app_writes(p, n * RIG_MSS);
	assert_int_equal(overlook(), 10);
	heard(p);
	app_rings(p, ABI_BELL_WANT_SPACE, 0);
	assert_int_equal(heard(p), 0);
	return p;
}

TEST(application_hears_of_space_when_little_is_unsent) /* half of TCP_NOTSENT_LOWAT, as Linux */
{
	struct peer *p;

	rig.options.notsent_lowat = 8 * RIG_MSS;
	p = stuffed(20);
	acked_to(p, 3); /* and three more go */
	assert_true(flow_of(p)->tx_avail - flow_of(p)->tx_inflight >= 4 * RIG_MSS);
	assert_int_equal(heard(p), 0);
	acked_to(p, 8);
	assert_true(flow_of(p)->tx_avail - flow_of(p)->tx_inflight < 4 * RIG_MSS);
	assert_int_equal(heard(p), 1);
	assert_int_equal(rec_of(p)->tx_nxt, (uint32_t)flow_tx_nxt(flow_of(p)));
	overlook();
}

TEST(application_sees_what_is_sent_before_it_is_acknowledged) /* SIOCOUTQNSD, TCP_NOTSENT_LOWAT */
{
	struct peer *p;

	rig.options.notsent_lowat = 8 * RIG_MSS;
	p = established(.nodelay = true);
	app_writes(p, 5 * RIG_MSS);
	assert_int_equal(overlook(), 5);
	assert_int_equal(rec_of(p)->tx_nxt, 5 * RIG_MSS);
}

TEST(application_hears_of_space_that_a_limit_was_in_the_way_of)
{
	struct peer *p;

	rig.options.notsent_lowat = 1;
	p = stuffed(20);
	acked_to(p, 2);
	assert_int_equal(heard(p), 0);
	assert_int_equal(app_sets(p, .notsent_lowat = 1 << 20), 0);
	assert_true(heard(p) > 0);
	overlook();
}

TEST(less_of_the_transmit_ring_is_worth_a_quarter_of_that)
{
	struct peer *p;

	rig.options.tx_size = 65536;
	p = stuffed(45); /* 65160 bytes */
	assert_int_equal(app_sets(p, .tx_size = 16384), 0);
	heard(p);
	acked_to(p, 10);
	acked_to(p, 20);
	acked_to(p, 30);
	acked_to(p, 36); /* 13032 bytes are left: more than three quarters */
	assert_int_equal(heard(p), 0);
	acked_to(p, 37);
	assert_int_equal(heard(p), 1);
	overlook();
}

/* --- TCP_QUICKACK --- */

/* The peer's segments are no longer acknowledged at once. */
static struct peer *slow_to_acknowledge(uint32_t *seq)
{
	struct peer *p = established();

	for (*seq = 1; *seq < 20000; *seq += 1000) {
		give(p, .seq = *seq, .ack = 1, .len = 1000);
		wait_ms(50);
	}
	overlook();
	return p;
}

TEST(quickack_acknowledges_at_once_what_was_not)
{
	uint32_t seq;
	struct peer *p = slow_to_acknowledge(&seq);

	give(p, .seq = seq, .ack = 1, .len = 100);
	silence();
	app_rings(p, ABI_BELL_QUICK_ACKS, 0);
	expect(p, .seq = 1, .ack = seq + 100);
	give(p, .seq = seq + 100, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = seq + 200); /* and what comes next */
	app_rings(p, ABI_BELL_QUICK_ACKS, 0);
	silence(); /* nothing is owed */
}

TEST(without_quickack_acknowledgements_wait_for_an_answer)
{
	struct peer *p;

	rig.conf.memory.rx_buffer = 65536; /* all of it is offered at once */
	p = established();
	app_rings(p, ABI_BELL_LATE_ACKS, 0);
	give(p, .seq = 1, .ack = 1, .len = 100);
	silence();
	app_reads(p, 100);
	app_writes(p, 50);
	expect(p, .seq = 1, .ack = 101, .len = 50);
	silence();
}

TEST(listener_without_quickack_has_connections_without)
{
	struct peer *p;

	rig.options.flags = CTL_OPTION_LATE_ACKS;
	p = established();
	give(p, .seq = 1, .ack = 1, .len = 100);
	silence();
	wait_ms(50);
	expect(p, .seq = 1, .ack = 101);
}

static struct peer *opening(void)
{
	struct peer *p = peer_new();

	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	expect(p, .flags = SYN);
	give(p, .flags = SYN | ACK, .ack = 1);
	assert_int_equal(events_of(p), ABI_EV_CONNECTED);
	return p;
}

TEST(handshake_may_end_with_the_first_data) /* as in Linux: an acknowledgement is saved */
{
	struct peer *p;

	rig.options.flags = CTL_OPTION_LATE_ACKS;
	p = opening();
	silence();
	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10);
	wait_ms(50);
	silence();
	rig.options = (struct ctl_options){ .defer_accept_s = 1 };
	p = opening();
	silence();
	wait_ms(50);
	expect(p, .seq = 1, .ack = 1);
}

/* --- larger rings --- */

TEST(receive_ring_grows_with_what_is_in_it)
{
	struct peer *p;
	uint32_t page, seq;

	rig.options.rx_size = 16384;
	p = established();
	page = flow_of(p)->rx_page;
	for (seq = 1; seq < 10000; seq += 1000) {
		give(p, .seq = seq, .ack = 1, .len = 1000);
		app_reads(p, 1000);
	}
	for (; seq < 21000; seq += 1000) /* over the ring's end */
		give(p, .seq = seq, .ack = 1, .len = 1000);
	give(p, .seq = seq + 1000, .ack = 1, .len = 1000); /* past a gap */
	overlook();
	assert_int_equal(app_sets(p, .rx_size = 65536), 0);
	assert_int_equal(rec_of(p)->rx_size, 65536);
	assert_int_not_equal(flow_of(p)->rx_page, page);
	assert_int_equal(rec_of(p)->ring_gen, 1);
	assert_in_range(next_segment(p)->wnd, 16384, 65536);
	give(p, .seq = seq, .ack = 1, .len = 1000);
	overlook();
	app_reads(p, 13000);
	assert_in_range(window_after(p, seq + 2000), 64000, 65535);
}

TEST(transmit_ring_grows_with_what_is_in_it)
{
	struct peer *p;

	rig.options.tx_size = 16384;
	p = established(.nodelay = true, .no_sack = true);
	app_writes(p, 7 * RIG_MSS);
	overlook();
	acked_to(p, 7);
	app_writes(p, 11 * RIG_MSS); /* over the ring's end */
	overlook();
	assert_int_equal(app_sets(p, .tx_size = 65536), 0);
	assert_int_equal(rec_of(p)->tx_size, 65536);
	app_writes(p, 20 * RIG_MSS);
	overlook();
	wait_ms(250); /* what is sent again comes from the new ring */
	expect_segment(p, 7);
	acked_to(p, 17);
	for (const struct rig_seg *s; (s = next_segment(p)) != NULL;) /* and every byte is checked */
		give(p, .seq = 1, .ack = s->seq + s->len);
	assert_int_equal(rec_of(p)->tx_una, 38 * RIG_MSS);
}

TEST(ring_stays_as_it_is_without_memory)
{
	struct peer *p;

	rig.options.tx_size = 16384;
	p = established();
	assert_int_equal(app_sets(p, .tx_size = 1u << 24, .rx_size = 1u << 24), 0);
	assert_int_equal(rec_of(p)->rx_size, 1u << 24); /* of 32 MB */
	assert_int_equal(rec_of(p)->tx_size, 16384);
	app_writes(p, 10000);
	overlook();
}

TEST(memory_of_rings_that_grew_comes_back)
{
	uint32_t free_pages = 0;

	for (unsigned i = 0; i < 5; i++) {
		struct peer *p = established();

		assert_int_equal(app_sets(p, .tx_size = 1u << 20, .rx_size = 1u << 20), 0);
		app_aborts(p);
		overlook();
		if (i > 0)
			assert_int_equal(rig.apps.slot[rig.app[0].id].pool.free_pages, free_pages);
		free_pages = rig.apps.slot[rig.app[0].id].pool.free_pages;
	}
	buf_check(&rig.apps.slot[rig.app[0].id].pool);
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

TEST(receive_buffer_of_an_open_connection_becomes_smaller)
{
	struct peer *p = established();
	uint32_t seq = 1;

	for (; seq < 61000; seq += 1000) {
		give(p, .seq = seq, .ack = 1, .len = 1000);
		overlook();
		app_reads(p, 1000);
		overlook();
	}
	assert_int_equal(app_sets(p, .rx_size = 16384), 0);
	while (window_after(p, seq) >= 1000) /* what was offered */
		seq += 1000;
	seq += 1000;
	assert_true(app_unread(p) > 100000);
	app_reads(p, app_unread(p) - 16384);
	silence();
	app_reads(p, 2000);
	silence();
	app_reads(p, 100); /* two segments more than was offered */
	assert_in_range(expect(p, .seq = 1, .ack = seq)->wnd, 2097, 2100);
	app_reads(p, app_unread(p));
	assert_in_range(expect(p, .seq = 1, .ack = seq)->wnd, 16380, 16384);
	silence();
	assert_int_equal(app_sets(p, .rx_size = 0), 0);
	assert_in_range(expect(p, .seq = 1, .ack = seq)->wnd, 131068, 131072);
}

/* As that of a small ring: it would never else. */
TEST(window_of_a_buffer_that_became_small_opens_by_a_quarter)
{
	struct peer *p = established();
	uint32_t seq = 1;

	assert_int_equal(app_sets(p, .rx_size = 4096), 0);
	for (; window_after(p, seq) >= 1000; seq += 1000)
		;
	seq += 1000;
	overlook();
	app_reads(p, app_unread(p) - 4096);
	app_reads(p, 1000);
	silence();
	app_reads(p, 600);
	assert_in_range(expect(p, .seq = 1, .ack = seq)->wnd, 1597, 1600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(application_hears_of_space_when_little_is_unsent),
		RIG_TEST(application_sees_what_is_sent_before_it_is_acknowledged),
		RIG_TEST(application_hears_of_space_that_a_limit_was_in_the_way_of),
		RIG_TEST(less_of_the_transmit_ring_is_worth_a_quarter_of_that),
		RIG_TEST(quickack_acknowledges_at_once_what_was_not),
		RIG_TEST(without_quickack_acknowledgements_wait_for_an_answer),
		RIG_TEST(listener_without_quickack_has_connections_without),
		RIG_TEST(handshake_may_end_with_the_first_data),
		RIG_TEST(receive_ring_grows_with_what_is_in_it),
		RIG_TEST(transmit_ring_grows_with_what_is_in_it),
		RIG_TEST(ring_stays_as_it_is_without_memory),
		RIG_TEST(memory_of_rings_that_grew_comes_back),
		RIG_TEST(connection_keeps_its_buffers_whoever_accepts_it),
		RIG_TEST(receive_buffer_of_an_open_connection_becomes_smaller),
		RIG_TEST(window_of_a_buffer_that_became_small_opens_by_a_quarter),
	};

	return RIG_MAIN(tests);
}
