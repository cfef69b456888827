/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_in.c - blind attacks on open connections (RFC 5961), TIME-WAIT, and segments of no connection. */
#include <errno.h>
#include <string.h>

#include "tests/unit/rig_tcp.h"

enum { TIME_WAIT_MS = 60000 };

static bool open_still(const struct peer *p) { return flow_of(p)->state == TCP_ESTABLISHED; }

/* --- RST --- */

TEST(reset_at_the_exact_number_is_obeyed) /* RFC 5961 3.2 (2) */
{
	struct peer *p = established();

	give(p, .flags = RST, .seq = 1);
	assert_int_equal(rec_of(p)->error, ECONNRESET);
	assert_int_equal(counted(CNT_TCP_ESTAB_RESETS), 1);
	silence();
}

TEST(reset_within_the_window_is_asked_about) /* RFC 5961 3.2 (3) */
{
	struct peer *p = established();

	give(p, .flags = RST, .seq = 2);
	expect(p, .seq = 1, .ack = 1);
	wait_ms(500);
	give(p, .flags = RST | ACK, .seq = 60000, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	assert_true(open_still(p));
	assert_int_equal(counted(CNT_TCP_RX_CHALLENGE), 2);
	give(p, .flags = RST, .seq = 1); /* a real one answers with the exact number */
	assert_int_equal(rec_of(p)->error, ECONNRESET);
	silence();
}

TEST(reset_outside_the_window_is_dropped) /* RFC 5961 3.2 (1) */
{
	struct peer *p = established();
	uint64_t punted;

	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	give(p, .flags = RST, .seq = 10);
	give(p, .flags = RST, .seq = 300000);
	silence();
	assert_true(open_still(p));
	punted = counted(CNT_RX_PUNTED); /* they were; what follows is not */
	assert_true(punted > 0);
	give(p, .seq = 11, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 21);
	assert_int_equal(counted(CNT_RX_PUNTED), punted);
}

TEST(reset_with_an_old_timestamp_is_obeyed) /* RFC 7323 5.2: it need not carry any */
{
	static const uint8_t old[] = { 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0 };
	struct peer *p = established();

	give(p, .flags = RST, .seq = 1, .opts = old, .opts_len = sizeof(old));
	assert_int_equal(rec_of(p)->error, ECONNRESET);
}

TEST(reset_may_carry_data) /* RFC 9293 3.5.2, SHLD-2 */
{
	struct peer *p = established();

	give(p, .flags = RST, .seq = 1, .len = 20);
	assert_int_equal(rec_of(p)->error, ECONNRESET);
	assert_int_equal(app_unread(p), 0);
}

/* --- SYN --- */

TEST(syn_in_an_open_connection_is_asked_about) /* RFC 5961 4.2, wherever it stands */
{
	static const uint32_t seq[] = { 0, 1, 500, 300000, 0x80000000 };
	struct peer *p = established();

	for (unsigned i = 0; i < ARRAY_LEN(seq); i++) {
		give(p, .flags = SYN, .seq = seq[i]);
		expect(p, .seq = 1, .ack = 1);
		wait_ms(500);
		give(p, .flags = SYN | ACK, .seq = seq[i], .ack = 1);
		expect(p, .seq = 1, .ack = 1);
		wait_ms(500);
	}
	assert_true(open_still(p));
	silence();
}

TEST(peer_that_lost_its_memory_gets_through) /* RFC 9293 3.5.1, figure 9 */
{
	struct peer *p = established(), *q = peer_again(p, RIG_IRS + 1000000);

	give(q, .flags = SYN);
	expect(p, .seq = 1, .ack = 1);
	give(p, .flags = RST, .seq = 1);
	assert_int_equal(rec_of(p)->error, ECONNRESET);
	give(q, .flags = SYN);
	expect(q, .flags = SYN | ACK, .ack = 1);
}

/* How many answers p gets to what is doubtful without end, for a second; then all is as before it. */
static unsigned challenges_in_a_second(struct peer *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 4000; i++) {
		give(p, .flags = i % 2 == 0 ? SYN : RST, .seq = 100);
		n += overlook();
		wait_us(250);
		n += overlook();
	}
	wait_ms(2000);
	return n;
}

TEST(challenges_of_a_connection_are_limited) /* RFC 5961 7 */
{
	struct peer *p = established();

	assert_int_equal(challenges_in_a_second(p), 2);
	give(p, .seq = 1, .ack = 1, .len = 10); /* which holds up nothing else */
	expect(p, .seq = 1, .ack = 11);
}

TEST(challenges_of_one_tell_nothing_about_another) /* CVE-2016-5696: an exact limit over all was counted */
{
	struct peer *spy = established(), *victim = established();
	unsigned alone = challenges_in_a_second(spy), beside;

	give(victim, .flags = RST, .seq = 2); /* a guess that was near: answered, to the victim */
	expect(victim, .seq = 1, .ack = 1);
	beside = challenges_in_a_second(spy);
	assert_int_equal(alone, beside);
}

TEST(challenges_of_all_connections_are_limited) /* RFC 5961 7 */
{
	struct peer *p[5];
	unsigned sent = 0;

	for (unsigned i = 0; i < ARRAY_LEN(p); i++)
		p[i] = established();
	rig.sp.challenges.second = rig.now / NS_PER_SEC;
	rig.sp.challenges.left = 3; /* of this second */
	for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
		give(p[i], .flags = SYN, .seq = 100);
		sent += overlook();
	}
	assert_int_equal(sent, 3);
	wait_ms(1000);
	for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
		give(p[i], .flags = SYN, .seq = 100);
		sent += overlook();
	}
	assert_int_equal(sent, 8);
}

TEST(timestamp_of_a_blind_guess_is_not_taken) /* RFC 5961 5: or PAWS would shut the peer out */
{
	struct peer *p = established();
	uint32_t ts = (uint32_t)(rig.now / NS_PER_MS) + p->ts_off;

	give(p, .seq = 1, .ack = 5000000, .len = 10, .ts_val = ts + 1000000000);
	expect(p, .seq = 1, .ack = 1);
	give(p, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(expect(p, .seq = 1, .ack = 11)->ts_ecr, ts);
	app_reads(p, 10);
}

TEST(old_data_after_close_are_only_acknowledged) /* what comes again is no reason for a reset */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	app_reads(p, 10);
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 11);
	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 2, .ack = 11, .sack = { { 1, 11 } });
	give(p, .seq = 11, .ack = 2);
	give(p, .seq = 6, .ack = 2, .len = 5);
	expect(p, .seq = 2, .ack = 11, .sack = { { 6, 11 } });
	assert_int_equal(flow_of(p)->state, TCP_FIN_WAIT_2);
	silence();
}

/* --- TIME-WAIT --- */

/* Closed here first, and both FINs are acknowledged. */
static struct peer *time_wait(struct peer *p)
{
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .seq = 2, .ack = 2);
	assert_int_equal(flow_of(p)->state, TCP_TIME_WAIT);
	return p;
}

TEST(time_wait_holds_no_memory_of_the_application)
{
	time_wait(established());
	assert_int_equal(rig.apps.slot[0].nr_recs, 0);
	assert_int_equal(rig.apps.slot[0].nr_rings, 0);
	assert_int_equal(flows_in_use(), 1);
	wait_ms(TIME_WAIT_MS + 100);
	assert_int_equal(flows_in_use(), 0);
}

TEST(fin_again_in_time_wait_is_acknowledged_and_restarts_it) /* RFC 9293 3.10.7.4, eighth */
{
	struct peer *p = time_wait(established());

	wait_ms(TIME_WAIT_MS - 1000);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .seq = 2, .ack = 2);
	wait_ms(TIME_WAIT_MS - 1000);
	assert_int_equal(flows_in_use(), 1);
	wait_ms(2000);
	assert_int_equal(flows_in_use(), 0);
	silence();
}

TEST(fin_again_is_acknowledged_whatever_the_limits_of_challenges) /* many may close at once */
{
	struct peer *p = time_wait(established());

	rig.sp.challenges.second = rig.now / NS_PER_SEC;
	rig.sp.challenges.left = 0;
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .seq = 2, .ack = 2);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2); /* closer than any peer's timer: not at once again */
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	silence();
	wait_ms(200);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .seq = 2, .ack = 2);
	assert_int_equal(counted(CNT_TCP_RX_CHALLENGE), 0);
	silence();
}

TEST(another_fin_in_time_wait_does_not_restart_it) /* RFC 9293 3.10.7.4: the retransmission of the one does */
{
	struct peer *p = time_wait(established());

	wait_ms(TIME_WAIT_MS - 1000);
	give(p, .flags = FIN | ACK, .seq = 70, .ack = 2);
	give(p, .flags = FIN | ACK, .seq = 0u - 70, .ack = 2);
	wait_ms(1100);
	assert_int_equal(flows_in_use(), 0);
	overlook();
}

TEST(pure_acknowledgement_in_time_wait_is_not_answered) /* or two in TIME-WAIT would never end */
{
	struct peer *p = time_wait(established());

	give(p, .seq = 2, .ack = 2);
	silence();
}

TEST(old_data_in_time_wait_are_acknowledged) /* RFC 9293 3.10.7.4, first */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	app_reads(p, 10);
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 11);
	give(p, .flags = FIN | ACK, .seq = 11, .ack = 2);
	expect(p, .seq = 2, .ack = 12);
	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 2, .ack = 12);
	silence();
}

/* A new SYN of the same four-tuple, from irs. */
static bool taken_by(const struct peer *p, uint32_t irs, uint32_t ts_val)
{
	struct peer *q = peer_again(p, irs);
	const struct rig_seg *s;
	bool taken;

	q->ts = !p->how.no_ts;
	give(q, .flags = SYN, .ts_val = ts_val);
	s = next_segment(q);
	taken = s != NULL && s->flags == (SYN | ACK);
	if (!taken)
		overlook();
	return taken;
}

TEST(syn_with_a_later_number_takes_the_place) /* RFC 1122 4.2.2.13 (1) */
{
	struct peer *p = time_wait(established(.no_ts = true)), *q = time_wait(established(.no_ts = true));

	assert_false(taken_by(p, RIG_IRS + 1, 0)); /* its FIN was at 1 */
	assert_true(taken_by(p, RIG_IRS + 3, 0));
	assert_false(taken_by(q, RIG_IRS - 1000, 0));
}

TEST(syn_with_a_later_timestamp_takes_the_place) /* RFC 6191 2 */
{
	struct peer *p = time_wait(established());
	uint32_t last = (uint32_t)(rig.now / NS_PER_MS) + p->ts_off;

	wait_ms(5);
	assert_false(taken_by(p, RIG_IRS - 1000, last - 1));
	assert_false(taken_by(p, RIG_IRS + 1000, last - 1)); /* however its number is: PAWS, as Linux */
	assert_false(taken_by(p, RIG_IRS - 1000, last));
	assert_true(taken_by(p, RIG_IRS - 1000, last + 1));
}

TEST(syn_with_the_same_timestamp_needs_a_later_number) /* RFC 6191 2 */
{
	struct peer *p = time_wait(established());
	uint32_t last = (uint32_t)(rig.now / NS_PER_MS) + p->ts_off;

	assert_false(taken_by(p, RIG_IRS - 1000, last));
	assert_true(taken_by(p, RIG_IRS + 1000, last));
}

TEST(syn_that_nobody_listens_to_ends_no_time_wait) /* RFC 1122 4.2.2.13, RFC 1337; as Linux */
{
	struct peer *p = time_wait(established()), *q = peer_again(p, RIG_IRS + 1000);

	assert_int_equal(app_unlistens(0, RIG_PORT), 0);
	wait_ms(5);
	give(q, .flags = SYN);
	expect(p, .seq = 2, .ack = 2);
	assert_int_equal(flow_of(p)->state, TCP_TIME_WAIT);
	silence();
}

/* RFC 9293 3.4.3, RFC 6528 3. The stream was faster than the clock of the numbers, which alone would begin
 * within it. How far beyond: as tcp_timewait_state_process() of Linux. */
TEST(new_numbers_lie_beyond_those_of_time_wait)
{
	struct peer *p = sending(established(.no_ts = true, .mss = RIG_MSS), 10), *q;

	give(p, .seq = 1, .ack = AT(10));
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = AT(10), .ack = 1);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = AT(10) + 1);
	expect(p, .seq = AT(10) + 1, .ack = 2);
	q = peer_again(p, RIG_IRS + 100);
	give(q, .flags = SYN);
	expect(q, .flags = SYN | ACK, .ack = 1);
	assert_int_equal(q->iss - (p->iss + AT(10) + 1), 65535 + 2);
}

TEST(reset_in_time_wait_ends_nothing_by_chance) /* RFC 1337: only the exact number */
{
	struct peer *p = time_wait(established());

	give(p, .flags = RST, .seq = 1);
	give(p, .flags = RST, .seq = 3);
	assert_int_equal(flow_of(p)->state, TCP_TIME_WAIT);
}

/* --- no connection --- */

TEST(segments_of_no_connection_are_reset) /* RFC 9293 3.10.7.1 */
{
	struct peer *p = peer_new();

	p->iss = 1000;
	p->iss_known = true;
	give(p, .flags = SYN);
	expect(p, .flags = RST | ACK, .seq = 0u - 1000, .ack = 1);
	give(p, .flags = SYN, .len = 10);
	expect(p, .flags = RST | ACK, .seq = 0u - 1000, .ack = 11);
	give(p, .seq = 7, .ack = 99, .len = 10);
	expect(p, .flags = RST, .seq = 99);
	give(p, .flags = SYN | ACK, .seq = 7, .ack = 5);
	expect(p, .flags = RST, .seq = 5);
	give(p, .flags = FIN, .seq = 7, .len = 10);
	expect(p, .flags = RST | ACK, .seq = 0u - 1000, .ack = 18);
	assert_int_equal(flows_in_use(), 0);
	silence();
}

TEST(reset_is_never_answered_by_a_reset) /* RFC 9293 3.10.7.1 */
{
	struct peer *p = peer_new();

	give(p, .flags = RST, .seq = 7);
	give(p, .flags = RST | ACK, .seq = 7, .ack = 9);
	give(p, .flags = SYN | RST, .seq = 7);
	silence();
}

/* --- what comes from no host --- */

/* A SYN for the listener and a segment of no connection, spoiled alike: neither is answered, or leaves
 * anything. */
static void martian(unsigned at, const void *bytes, unsigned n)
{
	static const struct rig_seg sent[] = { { .flags = SYN }, { .flags = ACK, .seq = 7, .ack = 9 } };
	uint64_t before = counted(CNT_RX_MARTIAN);
	struct peer *p = peer_new();
	uint8_t frame[RIG_FRAME_MAX];

	for (unsigned i = 0; i < ARRAY_LEN(sent); i++) {
		uint32_t len = peer_frame(p, sent[i], frame);

		memcpy(frame + at, bytes, n);
		frame_reseal(frame, len);
		give_frame(frame, len);
		rig_run();
	}
	assert_int_equal(counted(CNT_RX_MARTIAN), before + ARRAY_LEN(sent));
	assert_int_equal(flows_in_use(), 0);
	silence();
}

TEST(source_that_no_other_host_can_have_is_not_answered) /* RFC 9293 3.9.2.3, RFC 1122 4.2.3.10 */
{
	static const uint8_t source[][4] = { { 224, 0, 0, 1 }, { 239, 1, 2, 3 }, { 255, 255, 255, 255 },
		{ 127, 0, 0, 1 }, { 0, 0, 0, 0 }, { 0, 0, 0, 7 }, { 10, 0, 0, 255 },
		{ 10, 0, 0, 1 } /* ourselves: LAND */ };

	assert_int_equal(app_listens(0, RIG_PORT, 8), 0);
	for (unsigned i = 0; i < ARRAY_LEN(source); i++)
		martian(14 + 12, source[i], 4);
}

TEST(frame_to_or_from_many_is_not_answered) /* RFC 1122 3.3.6, 4.2.3.10 */
{
	assert_int_equal(app_listens(0, RIG_PORT, 8), 0);
	martian(0, "\xff\xff\xff\xff\xff\xff", 6);
	martian(0, "\x01\x00\x5e\0\0\x01", 6);
	martian(6, "\xff\xff\xff\xff\xff\xff", 6);
	martian(6, "\x01\x00\x5e\0\0\x01", 6);
}

TEST(own_port_and_address_open_nothing) /* LAND: a simultaneous open with ourselves */
{
	uint8_t frame[RIG_FRAME_MAX];
	struct peer *p = peer_new(.port = RIG_PORT);
	uint32_t len = peer_frame(p, (struct rig_seg){ .flags = SYN }, frame);

	assert_int_equal(app_listens(0, RIG_PORT, 8), 0);
	memcpy(frame + 14 + 12, "\x0a\0\0\x01", 4);
	frame_reseal(frame, len);
	give_frame(frame, len);
	wait_ms(5000);
	assert_int_equal(flows_in_use(), 0);
	silence();
}

TEST(listener_answers_neither_to_no_flags_nor_to_a_fin) /* RFC 9293 3.10.7.2, fourth; as Linux */
{
	struct peer *p = peer_new();

	assert_int_equal(app_listens(0, RIG_PORT, 8), 0);
	give(p, .flags = PSH, .seq = 7, .len = 10);
	give(p, .flags = FIN, .seq = 7, .len = 10);
	give(p, .flags = SYN | FIN, .seq = 7);
	silence();
	give(p, .flags = FIN | ACK, .seq = 7, .ack = 99);
	assert_int_equal(next_segment(p)->flags, RST);
}

TEST(resets_are_limited)
{
	struct peer *p = peer_new();
	unsigned sent = 0;

	for (unsigned i = 0; i < 1500; i++) {
		give(p, .seq = 7, .ack = 99);
		sent += overlook();
	}
	assert_int_equal(sent, SP_RSTS_PER_S / 10);
}

TEST(port_of_a_connection_that_opens_may_be_listened_on) /* RFC 9293 3.9.1.1, MUST-42 */
{
	struct peer *p = peer_new(), *q;

	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	expect(p, .flags = SYN);
	assert_int_equal(app_listens(0, p->local_port, 8), 0);
	q = peer_new();
	q->local_port = p->local_port;
	give(q, .flags = SYN);
	expect(q, .flags = SYN | ACK, .ack = 1);
	give(p, .flags = SYN | ACK, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	assert_int_equal(events_of(p), ABI_EV_CONNECTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(reset_at_the_exact_number_is_obeyed),
		RIG_TEST(reset_within_the_window_is_asked_about),
		RIG_TEST(reset_outside_the_window_is_dropped),
		RIG_TEST(reset_with_an_old_timestamp_is_obeyed),
		RIG_TEST(reset_may_carry_data),
		RIG_TEST(syn_in_an_open_connection_is_asked_about),
		RIG_TEST(peer_that_lost_its_memory_gets_through),
		RIG_TEST(challenges_of_a_connection_are_limited),
		RIG_TEST(challenges_of_one_tell_nothing_about_another),
		RIG_TEST(challenges_of_all_connections_are_limited),
		RIG_TEST(timestamp_of_a_blind_guess_is_not_taken),
		RIG_TEST(old_data_after_close_are_only_acknowledged),
		RIG_TEST(time_wait_holds_no_memory_of_the_application),
		RIG_TEST(fin_again_in_time_wait_is_acknowledged_and_restarts_it),
		RIG_TEST(fin_again_is_acknowledged_whatever_the_limits_of_challenges),
		RIG_TEST(another_fin_in_time_wait_does_not_restart_it),
		RIG_TEST(pure_acknowledgement_in_time_wait_is_not_answered),
		RIG_TEST(old_data_in_time_wait_are_acknowledged),
		RIG_TEST(syn_with_a_later_number_takes_the_place),
		RIG_TEST(syn_with_a_later_timestamp_takes_the_place),
		RIG_TEST(syn_with_the_same_timestamp_needs_a_later_number),
		RIG_TEST(syn_that_nobody_listens_to_ends_no_time_wait),
		RIG_TEST(new_numbers_lie_beyond_those_of_time_wait),
		RIG_TEST(reset_in_time_wait_ends_nothing_by_chance),
		RIG_TEST(segments_of_no_connection_are_reset),
		RIG_TEST(reset_is_never_answered_by_a_reset),
		RIG_TEST(source_that_no_other_host_can_have_is_not_answered),
		RIG_TEST(frame_to_or_from_many_is_not_answered),
		RIG_TEST(own_port_and_address_open_nothing),
		RIG_TEST(listener_answers_neither_to_no_flags_nor_to_a_fin),
		RIG_TEST(resets_are_limited),
		RIG_TEST(port_of_a_connection_that_opens_may_be_listened_on),
	};

	return RIG_MAIN(tests);
}
