/* SPDX-License-Identifier: BSD-3-Clause */
/* test_conn_info.c - what ICMP says about a connection, and what a connection says about itself. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/net_frames.h"
#include "tests/unit/rig_tcp.h"

enum {
	FAR = 1000000,
	MSS = 1448,
	NET = 0,
	HOST = 1,
	PORT = 3,
	TOO_BIG = 4,
	UNREACHABLE = 3,
	TIME_EXCEEDED = 11
};

/* An ICMP error of a router about the segment of ours that begins at `seq` (relative). */
static void give_icmp(const struct peer *p, uint8_t type, uint8_t code, uint16_t mtu, uint32_t seq)
{
	uint8_t f[14 + 20 + 8 + 20 + 8] = { 0 }, *in = f + 42;

	memcpy(f, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x00", 14);
	memcpy(f + 14, "\x45\0\0\0\0\0\x40\0\x40\x01\0\0\x0a\0\0\x09\x0a\0\0\x01", 20);
	put16(f + 16, sizeof(f) - 14);
	f[34] = type;
	f[35] = code;
	put16(f + 40, mtu);
	memcpy(in, "\x45\0\0\x64\0\0\x40\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02", 20);
	put16(in + 20, p->local_port);
	put16(in + 22, p->port);
	put32(in + 24, p->iss + seq);
	frame_reseal(f, sizeof(f));
	give_frame(f, sizeof(f));
	rig_run();
}

static struct peer *syn_sent(void)
{
	struct peer *p = peer_new();

	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	expect(p, .flags = SYN);
	return p;
}

TEST(hard_error_about_our_syn_ends_the_attempt) /* RFC 1122 4.2.3.9 */
{
	struct peer *p = syn_sent();

	give_icmp(p, UNREACHABLE, PORT, 0, 0);
	assert_int_equal(events_of(p), ABI_EV_RESET);
	assert_int_equal(counted(CNT_TCP_ATTEMPT_FAILS), 1);
	assert_int_equal(rec_of(p)->error, ECONNREFUSED);
}

TEST(error_about_another_number_than_our_syn_is_not_believed) /* RFC 5927 4.1 */
{
	struct peer *p = syn_sent();

	give_icmp(p, UNREACHABLE, PORT, 0, 1);
	give_icmp(p, UNREACHABLE, PORT, 0, 0u - 1);
	assert_int_equal(events_of(p), 0);
	give(p, .flags = SYN | ACK, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
}

TEST(errors_never_end_an_open_connection) /* RFC 5461 4.1 */
{
	struct peer *p = established(.nodelay = true);

	app_writes(p, 3 * MSS);
	overlook();
	give_icmp(p, UNREACHABLE, PORT, 0, 1);
	give_icmp(p, UNREACHABLE, HOST, 0, 1);
	give_icmp(p, UNREACHABLE, NET, 0, 1);
	give_icmp(p, TIME_EXCEEDED, 0, 0, 1);
	assert_int_equal(events_of(p) & ABI_EV_RESET, 0);
	give(p, .seq = 1, .ack = 1 + 3 * MSS);
	assert_int_equal(rec_of(p)->tx_una, 3 * MSS);
}

/* IP_RECVERR of Linux: sk_err, and the connection goes on. */
TEST(error_about_data_is_told_to_who_wants_to_know)
{
	struct peer *p = sending(established(.nodelay = true), 1);

	give_icmp(p, UNREACHABLE, HOST, 0, 1);
	assert_int_equal(events_of(p) & ABI_EV_ERROR, 0);
	assert_int_equal(app_sets(p, .flags = CTL_OPTION_RECVERR), 0);
	heard(p);
	give_icmp(p, UNREACHABLE, HOST, 0, 1);
	assert_int_equal(events_of(p) & (ABI_EV_ERROR | ABI_EV_RESET), ABI_EV_ERROR);
	assert_int_equal(rec_of(p)->error & 0xffff, EHOSTUNREACH);
	assert_int_equal(heard(p), 1);
	give_icmp(p, UNREACHABLE, PORT, 0, 1); /* each time anew */
	assert_int_equal(rec_of(p)->error & 0xffff, ECONNREFUSED);
	assert_int_equal(heard(p), 1);
	acked_to(p, 1);
	assert_int_equal(rec_of(p)->tx_una, MSS);
	give(p, .flags = RST | ACK, .seq = 1, .ack = AT(1));
	assert_int_equal(rec_of(p)->error, ECONNRESET);
}

TEST(error_about_data_explains_the_silence_after_it) /* RFC 5461 4.1: the soft error of Linux */
{
	struct peer *p;

	rig.conf.tcp.retries = 2;
	p = sending(established(.nodelay = true), 1);
	give_icmp(p, UNREACHABLE, HOST, 0, 1);
	wait_ms(5000);
	assert_int_equal(events_of(p) & ABI_EV_RESET, ABI_EV_RESET);
	assert_int_equal(rec_of(p)->error, EHOSTUNREACH);
	overlook();
}

TEST(error_is_forgotten_when_the_peer_is_heard_again) /* as in Linux */
{
	struct peer *p;

	rig.conf.tcp.retries = 2;
	p = sending(established(.nodelay = true), 2);
	give_icmp(p, UNREACHABLE, HOST, 0, 1);
	give(p, .seq = 1, .ack = AT(1));
	wait_ms(5000);
	assert_int_equal(rec_of(p)->error, ETIMEDOUT);
	overlook();
}

/* Where piece i begins, once the path takes no more than 1400 bytes. */
#define PIECE 1348
#define PIECE_AT(i) (1 + (uint32_t)(i)*PIECE)

static void expect_pieces(struct peer *p, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++)
		expect(p, .seq = PIECE_AT(i), .ack = 1, .len = PIECE);
}

/* RFC 1191 6.4: at once, and without a smaller window, for it is no congestion. */
TEST(too_big_segments_are_sent_again_in_smaller_ones)
{
	struct peer *p = sending(established(.nodelay = true), 10);
	uint32_t cwnd = flow_of(p)->cwnd;

	give_icmp(p, UNREACHABLE, TOO_BIG, 1400, 1);
	assert_int_equal(flow_of(p)->mss, PIECE);
	expect_pieces(p, 0, 10);
	expect(p, .seq = PIECE_AT(10), .ack = 1, .len = 10 * MSS - 10 * PIECE);
	give_icmp(p, UNREACHABLE, TOO_BIG, 1400, 1 + MSS); /* about the others of the flight */
	give_icmp(p, UNREACHABLE, TOO_BIG, 1400, 1 + 2 * MSS);
	silence();
	assert_int_equal(flow_of(p)->cwnd, cwnd);
	give(p, .seq = 1, .ack = PIECE_AT(5)); /* what is acknowledged in part is not sent a third time */
	silence();
	give(p, .seq = 1, .ack = 1 + 10 * MSS);
	assert_int_equal(rec_of(p)->tx_una, 10 * MSS);
	assert_true(flow_of(p)->cwnd >= cwnd);
	assert_int_equal(counted(CNT_TCP_TIMEOUTS) + counted(CNT_TCP_FAST_RECOVERIES), 0);
	app_writes(p, PIECE);
	expect(p, .seq = 1 + 10 * MSS, .ack = 1, .len = PIECE);
}

TEST(too_big_segments_are_sent_again_to_a_peer_without_sack)
{
	struct peer *p = sending(established(.nodelay = true, .no_sack = true), 4);

	give_icmp(p, UNREACHABLE, TOO_BIG, 1400, 1);
	expect_pieces(p, 0, 4);
	expect(p, .seq = PIECE_AT(4), .ack = 1, .len = 4 * MSS - 4 * PIECE);
	for (uint32_t i = 1; i < 4; i++)
		give(p, .seq = 1, .ack = PIECE_AT(i));
	silence();
	give(p, .seq = 1, .ack = 1 + 4 * MSS);
	assert_int_equal(rec_of(p)->tx_una, 4 * MSS);
}

TEST(what_fitted_in_spite_of_too_big_ones_is_not_sent_again) /* SACKed, or too little to have been too big */
{
	struct peer *q = established(.nodelay = true), *p = sending(established(.nodelay = true), 3);

	app_writes(p, 100);
	expect(p, .seq = AT(3), .ack = 1, .len = 100);
	acked_to(p, 0, { AT(3), AT(3) + 100 });
	give_icmp(p, UNREACHABLE, TOO_BIG, 1400, 1);
	expect_pieces(p, 0, 3);
	expect(p, .seq = PIECE_AT(3), .ack = 1, .len = 3 * MSS - 3 * PIECE);
	silence();
	app_writes(q, 1000);
	expect(q, .seq = 1, .ack = 1, .len = 1000);
	give_icmp(q, UNREACHABLE, TOO_BIG, 1400, 1);
	assert_int_equal(flow_of(q)->mss, PIECE);
	silence();
}

TEST(too_big_segments_that_were_lost_before_are_sent_again_in_smaller_ones) /* after a timeout */
{
	struct peer *p = sending(established(.nodelay = true, .no_sack = true), 3);

	wait_sent(1000);
	expect_segment(p, 0);
	give_icmp(p, UNREACHABLE, TOO_BIG, 1400, 1);
	expect(p, .seq = 1, .ack = 1, .len = PIECE);
	silence(); /* the window of a timeout */
	give(p, .seq = 1, .ack = PIECE_AT(1));
	overlook();
	give(p, .seq = 1, .ack = 1 + 3 * MSS);
	assert_int_equal(rec_of(p)->tx_una, 3 * MSS);
}

TEST(too_big_segments_that_were_sent_again_before_go_once_more_in_smaller_ones)
{
	struct peer *p = sending(established(.nodelay = true), 10);
	const struct rig_seg *s;

	acked_to(p, 0, { AT(1), AT(5) });
	expect_segment(p, 0);
	silence();
	give_icmp(p, UNREACHABLE, TOO_BIG, 1400, 1);
	s = next_segment(p);
	assert_non_null(s);
	assert_int_equal(s->seq, 1);
	assert_int_equal(s->len, PIECE);
	overlook();
}

/* RFC 5682 sends new data to learn from; but what is too big is lost for sure. */
TEST(too_big_segments_are_sent_again_though_a_timeout_is_examined)
{
	struct peer *p = sending(established(.nodelay = true, .no_sack = true), 10);
	const struct rig_seg *s;

	app_writes(p, 10 * MSS);
	wait_sent(1000);
	expect_segment(p, 0);
	acked_to(p, 1);
	expect_segment(p, 10);
	expect_segment(p, 11);
	silence();
	give_icmp(p, UNREACHABLE, TOO_BIG, 1400, AT(1));
	s = next_segment(p);
	assert_non_null(s);
	assert_int_equal(s->seq, AT(1));
	assert_int_equal(s->len, PIECE);
	overlook();
}

TEST(too_big_is_not_heeded_by_who_does_not_want_it) /* IP_PMTUDISC_DONT, _INTERFACE, _OMIT of Linux */
{
	struct peer *p = established(.nodelay = true);

	assert_int_equal(app_sets(p, .flags = CTL_OPTION_ANY_PATH), 0);
	app_writes(p, MSS);
	overlook();
	give_icmp(p, UNREACHABLE, TOO_BIG, 1400, 1);
	assert_int_equal(flow_of(p)->mss, MSS);
}

TEST(too_big_is_believed_only_about_what_is_in_flight) /* RFC 5927 4.1 */
{
	struct peer *p = established(.nodelay = true);

	give_icmp(p, UNREACHABLE, TOO_BIG, 600, 1);
	app_writes(p, MSS);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	give_icmp(p, UNREACHABLE, TOO_BIG, 600, 0);
	give_icmp(p, UNREACHABLE, TOO_BIG, 600, 1 + MSS);
	assert_int_equal(flow_of(p)->mss, MSS);
}

TEST(too_small_a_path_is_not_believed) /* 552 as min_pmtu of Linux */
{
	struct peer *p = established(.nodelay = true);

	app_writes(p, MSS);
	overlook();
	give_icmp(p, UNREACHABLE, TOO_BIG, 68, 1);
	assert_int_equal(flow_of(p)->mss, 500);
	give_icmp(p, UNREACHABLE, TOO_BIG, 1400, 1); /* and never grows by one */
	assert_int_equal(flow_of(p)->mss, 500);
}

TEST(connection_tells_about_itself) /* TCP_INFO */
{
	struct peer *p = established(.nodelay = true, .rtt_ms = 20);
	struct ctl_info i = { 0 };

	app_writes(p, 12 * MSS);
	overlook();
	give(p, .seq = 1, .ack = 1 + MSS, .len = 100);
	i.flow = p->flow;
	i.gen = p->gen;
	assert_int_equal(app_info(&rig.apps, p->app->id, &i), 0);
	assert_int_equal(i.state, TCP_ESTABLISHED);
	assert_int_equal(i.options, 1 | 2 | 4);
	assert_int_equal(i.snd_mss, MSS);
	assert_int_equal(i.bytes_acked, MSS);
	assert_int_equal(i.bytes_received, 100);
	assert_int_equal(i.unread_bytes, 100);
	assert_int_equal(i.unacked_bytes + i.unsent_bytes, 11 * MSS);
	assert_int_equal(i.snd_wscale, 7);
	assert_string_equal(i.congestion, "newreno");
	i.gen++;
	assert_int_equal(app_info(&rig.apps, p->app->id, &i), ENOENT);
}

static void info_of(const struct peer *p, struct ctl_info *i)
{
	memset(i, 0, sizeof(*i));
	i->flow = p->flow;
	i->gen = p->gen;
	assert_int_equal(app_info(&rig.apps, p->app->id, i), 0);
	i->gen = 0;
}

/* Traffic of every kind that is counted: both ways, lost, marked, out of order, timed out. */
static void wear_out(struct peer *p)
{
	app_writes(p, 20 * MSS);
	overlook();
	give(p, .seq = 1, .ack = 1, .sack = { { AT(1), AT(6) } });
	wait_ms(1000);
	give(p, .flags = ACK | ECE, .seq = 1, .ack = AT(7));
	give(p, .seq = 1001, .ack = AT(7), .len = 1000);
	give(p, .seq = 1, .ack = AT(7), .len = 1000);
	app_reads(p, 2000);
	give(p, .seq = FAR, .ack = AT(7));
	wait_ms(1000);
	overlook();
	assert_true(cold_of(p)->timeouts > 0 && cold_of(p)->recoveries > 0 && cold_of(p)->rtx_segs > 0);
}

TEST(statistics_of_a_reused_slot_begin_at_zero)
{
	struct rig_how how = { .nodelay = true, .ecn = true };
	struct ctl_info fresh, again;
	struct peer *p, *q;

	rig.conf.tcp.ecn = true;
	p = established_(how);
	info_of(p, &fresh);
	assert_int_equal(fresh.bytes_acked + fresh.bytes_received + fresh.bytes_sent + fresh.retransmits +
			fresh.bytes_retransmitted + fresh.unread_bytes,
		0);
	wear_out(p);
	app_aborts(p);
	overlook();
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
	q = established_(how);
	assert_int_equal(q->flow, p->flow);
	info_of(q, &again);
	assert_memory_equal(&again, &fresh, sizeof(fresh)); /* as if nobody had been there before */
	assert_int_equal(cold_of(q)->delivered + cold_of(q)->marked + cold_of(q)->lost +
			cold_of(q)->recoveries + cold_of(q)->timeouts + cold_of(q)->answered_ns,
		0);
}

/* A core spins for as long as the lock is held: whoever asks for ever must not be able to hold it. */
TEST(telling_takes_no_lock)
{
	struct peer *p = established(.nodelay = true);
	struct ctl_info i = { .flow = p->flow, .gen = p->gen };
	int rc;

	alarm(20); /* a wait would be for ever */
	rte_spinlock_lock(&flow_of(p)->lock);
	rc = app_info(&rig.apps, p->app->id, &i);
	rte_spinlock_unlock(&flow_of(p)->lock);
	alarm(0);
	assert_int_equal(rc, 0);
	assert_int_equal(i.state, TCP_ESTABLISHED);
}

static struct ctl_info told_of(const struct peer *p)
{
	struct ctl_info i = { .flow = p->flow, .gen = p->gen };

	assert_int_equal(app_info(&rig.apps, p->app->id, &i), 0);
	return i;
}

TEST(connection_tells_what_was_agreed_on_and_measured)
{
	struct peer *p = established(.nodelay = true, .rtt_ms = 20);
	struct ctl_info i = told_of(p);

	assert_int_equal(i.rtt_us, 20000);
	assert_int_equal(i.rttvar_us, 10000);
	assert_int_equal(i.rto_us, 220000);
	assert_int_equal(i.min_rtt_us, 0); /* of data */
	assert_int_equal(i.cwnd_bytes, 10 * MSS);
	assert_int_equal(i.ssthresh_bytes, CC_SSTHRESH_NONE);
	assert_int_equal(i.pacing_rate_bytes_s, 0);
	assert_int_equal(i.snd_wnd, 1 << 20);
	assert_int_equal(i.rcv_wnd, 65535);
	assert_int_equal(i.rcv_wscale, 2);
	assert_int_equal(i.rcv_mss, 536); /* nothing came yet */
	assert_int_equal(i.adv_mss, 1460);
	assert_int_equal(i.pmtu, 1500);
	assert_int_equal(i.window_limit, 1 << 17);
	assert_int_equal(i.ack_delay_us, 4000);
	assert_int_equal(i.rx_size, 1 << 17);
	assert_int_equal(i.tx_size, 1 << 17);
	assert_int_equal(i.late_acks, 0);
	app_writes(p, 12 * MSS);
	overlook();
	i = told_of(p);
	assert_int_equal(i.unacked_bytes, 10 * MSS);
	assert_int_equal(i.unsent_bytes, 2 * MSS);
	assert_int_equal(i.bytes_sent, 10 * MSS);
	assert_int_equal(i.segs_out, 10);
	assert_int_equal(i.segs_in, 0);
	wait_ms(30);
	acked_to(p, 10);
	flow_of(p)->pace_q16 = 1 << 16; /* a nanosecond a byte */
	flow_of(p)->flags |= FLOW_PINGPONG;
	i = told_of(p);
	assert_int_equal(i.segs_in, 1);
	assert_int_equal(i.min_rtt_us, 30000);
	assert_int_equal(i.pacing_rate_bytes_s, 1000000000);
	assert_int_equal(i.late_acks, 1);
	overlook();
}

TEST(connection_tells_what_became_of_its_segments) /* the words of Linux's tcp_info */
{
	struct peer *p = sending(established(.nodelay = true), 8);
	struct ctl_info i;
	unsigned resent;

	acked_to(p, 1);
	acked_to(p, 1, { AT(4), AT(5) });
	i = told_of(p);
	assert_int_equal(i.recovery, 1); /* disorder */
	assert_int_equal(i.sacked_bytes, MSS);
	assert_int_equal(i.lost_bytes, 0);
	acked_to(p, 1, { AT(4), AT(7) });
	resent = overlook();
	assert_in_range(resent, 1, 3);
	i = told_of(p);
	assert_int_equal(i.recovery, 3);
	assert_int_equal(i.sacked_bytes, 3 * MSS);
	assert_int_equal(i.lost_bytes, 3 * MSS);
	assert_int_equal(i.resent_bytes, resent * MSS);
	assert_int_equal(i.bytes_retransmitted, resent * MSS);
	assert_int_equal(i.retransmits, resent);
	assert_int_equal(i.delivered_bytes, 4 * MSS);
	wait_ms(1000);
	i = told_of(p);
	assert_int_equal(i.recovery, 4);
	assert_in_range(i.timeouts, 2, 3);
	assert_int_equal(i.probes, 0);
	overlook();
}

TEST(connection_tells_how_long_ago_something_happened)
{
	struct peer *p = sending(established(.nodelay = true), 1);
	struct ctl_info i;

	wait_ms(50);
	acked_to(p, 1);
	wait_ms(30);
	i = told_of(p);
	assert_int_equal(i.data_sent_ms, 80);
	assert_int_equal(i.data_received_ms, 0);
	assert_int_equal(i.heard_ms, 30);
	give(p, .seq = 1, .ack = AT(1), .len = 10);
	wait_ms(20);
	i = told_of(p);
	assert_int_equal(i.data_received_ms, 20);
	assert_int_equal(i.heard_ms, 20);
	overlook();
	p = established(.nodelay = true); /* a byte is data, too */
	app_writes(p, 1);
	expect(p, .seq = 1, .ack = 1, .len = 1);
	give(p, .seq = 1, .ack = 1, .len = 1);
	wait_ms(20);
	i = told_of(p);
	assert_int_equal(i.data_sent_ms, 20);
	assert_int_equal(i.data_received_ms, 20);
	overlook();
}

TEST(connection_tells_sizes_that_its_path_and_options_allow)
{
	struct peer *p;
	struct ctl_info i;

	rig.options = (struct ctl_options){ .max_seg = 1200, .window_clamp = 5000 };
	p = established(.nodelay = true);
	i = told_of(p);
	assert_int_equal(i.adv_mss, 1200);
	assert_int_equal(i.pmtu, 1500);
	assert_int_equal(i.window_limit, 5000);
	app_writes(p, 1188);
	overlook();
	give_icmp(p, UNREACHABLE, TOO_BIG, 1000, 1);
	assert_int_equal(told_of(p).pmtu, 1000);
	overlook();
}

TEST(listener_tells_who_waits_to_be_accepted)
{
	struct ctl_info i = { .flow = CTL_INFO_LISTENER, .gen = RIG_PORT };
	struct rig_app *a = app_start(0);

	assert_int_equal(app_listens(0, RIG_PORT, 7), 0);
	for (unsigned n = 0; n < 3; n++) {
		struct peer *p = peer_new();

		give(p, .flags = SYN);
		expect(p, .flags = SYN | ACK, .ack = 1);
		if (n < 2)
			give(p, .seq = 1, .ack = 1);
	}
	assert_int_equal(app_info(&rig.apps, a->id, &i), 0);
	assert_int_equal(i.state, TCP_LISTEN);
	assert_int_equal(i.queued, 2);
	assert_int_equal(i.backlog, 7);
	i = (struct ctl_info){ .flow = CTL_INFO_LISTENER, .gen = RIG_PORT + 1 };
	assert_int_equal(app_info(&rig.apps, a->id, &i), ENOENT);
	i.gen = RIG_PORT;
	assert_int_equal(app_info(&rig.apps, app_start(1)->id, &i), ENOENT); /* another's */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(hard_error_about_our_syn_ends_the_attempt),
		RIG_TEST(error_about_another_number_than_our_syn_is_not_believed),
		RIG_TEST(errors_never_end_an_open_connection),
		RIG_TEST(error_about_data_is_told_to_who_wants_to_know),
		RIG_TEST(error_about_data_explains_the_silence_after_it),
		RIG_TEST(error_is_forgotten_when_the_peer_is_heard_again),
		RIG_TEST(too_big_segments_are_sent_again_in_smaller_ones),
		RIG_TEST(too_big_segments_are_sent_again_to_a_peer_without_sack),
		RIG_TEST(what_fitted_in_spite_of_too_big_ones_is_not_sent_again),
		RIG_TEST(too_big_segments_that_were_lost_before_are_sent_again_in_smaller_ones),
		RIG_TEST(too_big_segments_that_were_sent_again_before_go_once_more_in_smaller_ones),
		RIG_TEST(too_big_segments_are_sent_again_though_a_timeout_is_examined),
		RIG_TEST(too_big_is_not_heeded_by_who_does_not_want_it),
		RIG_TEST(too_big_is_believed_only_about_what_is_in_flight),
		RIG_TEST(too_small_a_path_is_not_believed),
		RIG_TEST(connection_tells_about_itself),
		RIG_TEST(statistics_of_a_reused_slot_begin_at_zero),
		RIG_TEST(telling_takes_no_lock),
		RIG_TEST(connection_tells_what_was_agreed_on_and_measured),
		RIG_TEST(connection_tells_what_became_of_its_segments),
		RIG_TEST(connection_tells_how_long_ago_something_happened),
		RIG_TEST(connection_tells_sizes_that_its_path_and_options_allow),
		RIG_TEST(listener_tells_who_waits_to_be_accepted),
	};

	return RIG_MAIN(tests);
}
