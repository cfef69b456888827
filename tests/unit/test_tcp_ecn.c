/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_ecn.c - explicit congestion notification: RFC 3168, and RFC 8257 for dctcp. */
#include <string.h>

#include "tests/unit/rig_tcp.h"

enum { MSS = RIG_MSS, ECT0 = IP_ECN_ECT0, ECT1 = IP_ECN_ECT1, CE = IP_ECN_CE };

static void ecn_on(void) { rig.conf.tcp.ecn = true; }
static void dctcp(void) { strcpy(rig.conf.tcp.congestion, "dctcp"); }

static struct peer *ecn(void)
{
	ecn_on();
	return established(.nodelay = true, .ecn = true);
}

static struct peer *ecn_dctcp(void)
{
	dctcp();
	return established(.nodelay = true, .ecn = true);
}

static bool negotiated(const struct peer *p) { return flow_of(p)->flags & FLOW_ECN; }

/* --- negotiation --- */

/* The answer to a SYN with these flags and this mark. */
static uint8_t answer_to(uint8_t flags, uint8_t mark)
{
	struct peer *p = peer_new();

	if (listen_find(rig.sp.listeners, &(struct flow_key){ .local_port = htobe16(RIG_PORT) }) == NULL)
		assert_int_equal(app_listens(0, RIG_PORT, 128), 0);
	give(p, .flags = SYN | flags, .ecn = mark);
	return next_segment(p)->flags;
}

TEST(syn_that_asks_is_agreed_to) /* RFC 3168 6.1.1 */
{
	ecn_on();
	assert_int_equal(answer_to(ECE | CWR, 0), SYN | ACK | ECE);
}

TEST(syn_that_does_not_ask_gets_none) /* one flag alone is no question */
{
	ecn_on();
	assert_int_equal(answer_to(0, 0), SYN | ACK);
	assert_int_equal(answer_to(ECE, 0), SYN | ACK);
	assert_int_equal(answer_to(CWR, 0), SYN | ACK);
}

TEST(ecn_that_is_off_is_not_agreed_to) { assert_int_equal(answer_to(ECE | CWR, 0), SYN | ACK); }

TEST(marked_syn_gets_none_but_for_dctcp) /* RFC 3168 6.1.1; as Linux */
{
	ecn_on();
	assert_int_equal(answer_to(ECE | CWR, ECT0), SYN | ACK);
	assert_int_equal(answer_to(ECE | CWR, CE), SYN | ACK);
}

TEST(dctcp_agrees_though_ecn_is_off) /* RFC 8257 3.5: and to a marked SYN */
{
	dctcp();
	assert_int_equal(answer_to(ECE | CWR, 0), SYN | ACK | ECE);
	assert_int_equal(answer_to(ECE | CWR, ECT0), SYN | ACK | ECE);
	assert_int_equal(answer_to(0, 0), SYN | ACK);
}

TEST(connect_asks_and_is_answered) /* RFC 3168 6.1.1 */
{
	ecn_on();
	assert_true(negotiated(connected(.ecn = true)));
}

/* The peer answers our SYN, which asks, with these flags. */
static struct peer *answered(uint8_t flags)
{
	struct peer *p = peer_new();

	ecn_on();
	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	expect(p, .flags = SYN | ECE | CWR);
	give(p, .flags = SYN | ACK | flags, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	return p;
}

TEST(peer_that_does_not_agree_is_served) /* RFC 3168 6.1.1 */
{
	struct peer *p = answered(0);

	assert_false(negotiated(p));
	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10);
}

TEST(peer_that_reflects_the_question_does_not_agree) /* RFC 3168 6.1.1: broken ones do */
{
	assert_false(negotiated(answered(ECE | CWR)));
	assert_false(negotiated(answered(CWR)));
}

TEST(syn_without_an_answer_comes_again_without_the_question) /* RFC 3168 6.1.1.1 */
{
	struct peer *p = peer_new();

	ecn_on();
	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	expect(p, .flags = SYN | ECE | CWR);
	wait_ms(1010);
	expect(p, .flags = SYN);
	give(p, .flags = SYN | ACK, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	assert_false(negotiated(p));
}

TEST(dctcp_marks_all_it_sends) /* RFC 8257 3.5, as Linux */
{
	struct peer *p;

	dctcp();
	p = connected(.ecn = true); /* which looks at the SYN and the acknowledgement */
	app_writes(p, MSS);
	expect(p, .ecn = ECT0, .seq = 1, .ack = 1, .len = MSS);
	wait_ms(210);
	expect(p, .ecn = ECT0, .seq = 1, .ack = 1, .len = MSS);
	give(p, .ecn = ECT0, .seq = 1, .ack = 1 + MSS, .len = 10);
	expect(p, .ecn = ECT0, .seq = 1 + MSS, .ack = 11);
}

/* --- the sender --- */

TEST(new_data_alone_is_marked) /* RFC 3168 6.1.4, 6.1.5: no pure acknowledgement, nothing sent again */
{
	struct peer *p = ecn();

	app_writes(p, MSS);
	expect(p, .ecn = ECT0, .seq = 1, .ack = 1, .len = MSS);
	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1 + MSS, .ack = 11);
	wait_ms(210);
	expect(p, .seq = 1, .ack = 11, .len = MSS);
	give(p, .seq = 11, .ack = 1 + MSS);
	app_shuts(p);
	expect(p, .flags = FIN | ACK, .seq = 1 + MSS, .ack = 11);
}

TEST(window_probe_is_not_marked) /* RFC 3168 6.1.6 */
{
	struct peer *p = ecn();

	p->wnd = 0;
	give(p, .seq = 1, .ack = 1);
	app_writes(p, 10);
	wait_sent(1000);
	expect(p, .seq = 0, .ack = 1);
}

TEST(flow_without_ecn_is_never_marked)
{
	struct peer *p = established(.nodelay = true);

	app_writes(p, MSS);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	give(p, .ecn = CE, .seq = 1, .ack = 1 + MSS, .len = 10);
	expect(p, .seq = 1 + MSS, .ack = 11);
	assert_int_equal(counted(CNT_TCP_RX_CE), 0);
}

/* Ten segments, of whose acknowledgements those from `from` to `to` carry ECE. */
static void round_with_ece(struct peer *p, uint32_t first, uint32_t from, uint32_t to)
{
	app_writes(p, 10 * MSS);
	for (uint32_t i = 0; i < 10; i++) {
		if (rig.sent_head == rig.sent_tail)
			wait_sent(10); /* dctcp paces */
		assert_int_equal(next_segment(p)->seq, AT(first + i));
	}
	for (uint32_t i = 0; i < 10; i++)
		give(p, .flags = i >= from && i < to ? ACK | ECE : ACK, .seq = 1, .ack = AT(first + i + 1));
	wait_ms(2);
}

TEST(echo_halves_the_window_once_for_each_window_of_data) /* RFC 3168 6.1.2 */
{
	struct peer *p = ecn();

	round_with_ece(p, 0, 3, 10);
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS);
	assert_int_equal(cold_of(p)->ssthresh, 5 * MSS);
	assert_int_equal(counted(CNT_TCP_RX_ECE), 7);
	assert_int_equal(cold_of(p)->marked, 7 * MSS);
	assert_int_equal(counted(CNT_TCP_TX_RTX), 0);
}

TEST(reduction_is_said_once_on_new_data) /* RFC 3168 6.1.2: CWR */
{
	struct peer *p = ecn();

	round_with_ece(p, 0, 0, 10);
	app_writes(p, 2 * MSS);
	expect(p, .flags = ACK | CWR, .ecn = ECT0, .seq = AT(10), .ack = 1, .len = MSS);
	expect(p, .ecn = ECT0, .seq = AT(11), .ack = 1, .len = MSS);
	give(p, .seq = 1, .ack = AT(12));
	app_writes(p, MSS);
	expect(p, .ecn = ECT0, .seq = AT(12), .ack = 1, .len = MSS);
}

/* Ten segments are out. */
static struct peer *ten_out(void)
{
	struct peer *p = ecn();

	app_writes(p, 10 * MSS);
	for (uint32_t i = 0; i < 10; i++)
		expect(p, .ecn = ECT0, .seq = AT(i), .ack = 1, .len = MSS);
	return p;
}

/* All below is acknowledged, with ECE; more would be sent if the window let it. */
static void give_echo(struct peer *p, uint32_t segments)
{
	flow_of(p)->flags |= FLOW_CWND_LIMITED;
	give(p, .flags = ACK | ECE, .seq = 1, .ack = AT(segments));
	wait_ms(2);
}

/* What was sent before the reduction comes with ECE, too, and asks for no other; the first mark after it
 * does. Nothing of this grows the window. */
TEST(echo_of_a_second_window_halves_it_again) /* RFC 3168 6.1.2 */
{
	struct peer *p = ten_out();

	give_echo(p, 1);
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS);
	for (uint32_t i = 2; i <= 10; i++) {
		give_echo(p, i);
		assert_int_equal(flow_of(p)->cwnd, 5 * MSS);
	}
	app_writes(p, 5 * MSS);
	expect(p, .flags = ACK | CWR, .ecn = ECT0, .seq = AT(10), .ack = 1, .len = MSS);
	for (uint32_t i = 11; i < 15; i++)
		expect(p, .ecn = ECT0, .seq = AT(i), .ack = 1, .len = MSS);
	give_echo(p, 11);
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS / 2);
	for (uint32_t i = 12; i <= 15; i++) {
		give_echo(p, i);
		assert_int_equal(flow_of(p)->cwnd, 5 * MSS / 2);
	}
}

TEST(echo_completes_no_window) /* RFC 3168 6.1.2: nor in the fast path */
{
	struct peer *p = ten_out();
	struct flow *f = flow_of(p);

	give(p, .seq = 1, .ack = AT(1));
	f->flags |= FLOW_CC_ACTIVE;
	f->cwnd = 10 * MSS;
	cold_of(p)->step_at = cold_of(p)->delivered + MSS;
	give(p, .flags = ACK | ECE, .seq = 1, .ack = AT(3));
	assert_int_equal(f->cwnd, 10 * MSS);
	give(p, .seq = 1, .ack = AT(4));
	assert_int_equal(f->cwnd, 11 * MSS);
}

TEST(reduction_at_the_least_window_is_said_too) /* else the peer would echo for ever */
{
	struct peer *p = ecn();

	flow_of(p)->cwnd = 2 * MSS;
	app_writes(p, MSS);
	expect(p, .ecn = ECT0, .seq = 1, .ack = 1, .len = MSS);
	give(p, .flags = ACK | ECE, .seq = 1, .ack = AT(1));
	wait_ms(2);
	assert_int_equal(flow_of(p)->cwnd, 2 * MSS);
	app_writes(p, MSS);
	expect(p, .flags = ACK | CWR, .ecn = ECT0, .seq = AT(1), .ack = 1, .len = MSS);
}

/* Of ten segments the one at `at` is lost, those behind it came. */
static void lose(struct peer *p, uint32_t at)
{
	give(p, .seq = 1, .ack = AT(at), .sack = { { AT(at + 1), AT(at + 4) } });
	assert_true(flow_of(p)->flags & FLOW_RECOVERY);
	wait_ms(2);
}

/* RFC 3168 6.1.2: "only once in response to a series of dropped and/or CE packets from a single window" */
TEST(loss_in_a_window_that_was_reduced_for_marks_asks_for_no_more)
{
	struct peer *p = ten_out();

	give_echo(p, 1);
	lose(p, 1);
	assert_int_equal(cold_of(p)->ssthresh, 5 * MSS);
	expect(p, .seq = AT(1), .ack = 1, .len = MSS);
	give(p, .seq = 1, .ack = AT(10));
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS);
	app_writes(p, 5 * MSS);
	expect(p, .flags = ACK | CWR, .ecn = ECT0, .seq = AT(10), .ack = 1, .len = MSS);
	for (uint32_t i = 11; i < 15; i++)
		expect(p, .ecn = ECT0, .seq = AT(i), .ack = 1, .len = MSS);
	lose(p, 10); /* of another one */
	assert_int_equal(cold_of(p)->ssthresh, 5 * MSS / 2);
	assert_int_equal(cold_of(p)->recoveries, 2);
	assert_int_equal(cold_of(p)->answered, 1);
}

TEST(timeout_in_a_window_that_was_reduced_for_marks_leaves_the_threshold) /* RFC 3168 6.1.2 */
{
	struct peer *p = ten_out();

	give_echo(p, 1);
	for (unsigned i = 0; cold_of(p)->timeouts == 0 && i < 1000; i++)
		wait_ms(1);
	overlook();
	assert_int_equal(cold_of(p)->ssthresh, 5 * MSS);
	assert_int_equal(flow_of(p)->cwnd, MSS);
}

TEST(marks_in_a_window_that_was_reduced_for_a_loss_ask_for_no_more) /* RFC 3168 6.1.2 */
{
	struct peer *p = ten_out();

	lose(p, 0);
	assert_int_equal(cold_of(p)->ssthresh, 5 * MSS);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	give_echo(p, 6);
	give_echo(p, 10);
	assert_false(flow_of(p)->flags & FLOW_RECOVERY);
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS);
	app_writes(p, MSS);
	expect(p, .flags = ACK | CWR, .ecn = ECT0, .seq = AT(10), .ack = 1, .len = MSS);
	give_echo(p, 11);
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS / 2);
}

/* D-SACK: the loss was none, but the marks were. */
TEST(reduction_for_marks_is_said_though_a_recovery_was_in_vain)
{
	struct peer *p = ten_out();

	give_echo(p, 1);
	lose(p, 1);
	expect(p, .seq = AT(1), .ack = 1, .len = MSS);
	give(p, .seq = 1, .ack = AT(10), .sack = { { AT(1), AT(2) } });
	assert_int_equal(counted(CNT_TCP_UNDONE_RECOVERIES), 1);
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS);
	app_writes(p, MSS);
	expect(p, .flags = ACK | CWR, .ecn = ECT0, .seq = AT(10), .ack = 1, .len = MSS);
}

TEST(reduction_for_a_loss_is_said_on_new_data) /* RFC 3168 6.1.2 */
{
	struct peer *p = ecn();

	app_writes(p, 2 * MSS);
	wait_ms(100);
	overlook(); /* a tail loss probe, too */
	wait_ms(115);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	give(p, .seq = 1, .ack = AT(2));
	app_writes(p, MSS);
	expect(p, .flags = ACK | CWR, .ecn = ECT0, .seq = AT(2), .ack = 1, .len = MSS);
}

/* --- the receiver --- */

TEST(mark_is_echoed_until_the_peer_has_reduced) /* RFC 3168 6.1.3 */
{
	struct peer *p = ecn();

	give(p, .ecn = ECT0, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	give(p, .ecn = CE, .seq = 11, .ack = 1, .len = 10);
	expect(p, .flags = ACK | ECE, .seq = 1, .ack = 21);
	give(p, .ecn = ECT0, .seq = 21, .ack = 1, .len = 10);
	expect(p, .flags = ACK | ECE, .seq = 1, .ack = 31);
	app_writes(p, 10);
	expect(p, .flags = ACK | ECE, .ecn = ECT0, .seq = 1, .ack = 31, .len = 10);
	give(p, .flags = ACK | CWR, .ecn = ECT0, .seq = 31, .ack = 11, .len = 10);
	expect(p, .seq = 11, .ack = 41);
	assert_int_equal(counted(CNT_TCP_RX_CE), 1);
}

TEST(mark_beside_the_word_of_a_reduction_is_a_new_one) /* RFC 3168 6.1.3 */
{
	struct peer *p = ecn();

	give(p, .ecn = CE, .seq = 1, .ack = 1, .len = 10);
	expect(p, .flags = ACK | ECE, .seq = 1, .ack = 11);
	give(p, .flags = ACK | CWR, .ecn = CE, .seq = 11, .ack = 1, .len = 10);
	expect(p, .flags = ACK | ECE, .seq = 1, .ack = 21);
}

TEST(mark_of_what_we_have_already_is_not_echoed) /* RFC 3168 6.1.5: nor of what lies outside the window */
{
	struct peer *p = ecn();

	give(p, .ecn = ECT0, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	give(p, .ecn = CE, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11, .sack = { { 1, 11 } });
	give(p, .ecn = CE, .seq = 1 << 20, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
}

TEST(mark_past_a_gap_is_echoed)
{
	struct peer *p = ecn();

	give(p, .ecn = CE, .seq = 11, .ack = 1, .len = 10);
	expect(p, .flags = ACK | ECE, .seq = 1, .ack = 1, .sack = { { 11, 21 } });
}

/* Segments that need not be acknowledged at once: the quick ones are over. */
static uint32_t past_quick_acks(struct peer *p, uint8_t mark)
{
	uint32_t seq = 1;

	for (unsigned i = 0; i < 16; i++, seq += 10) {
		give(p, .ecn = mark, .seq = seq, .ack = 1, .len = 10);
		expect(p, .ecn = ECT0, .seq = 1, .ack = seq + 10);
	}
	return seq;
}

TEST(dctcp_echoes_what_is_marked_and_no_more) /* RFC 8257 3.2 */
{
	struct peer *p = ecn_dctcp();
	uint32_t at = past_quick_acks(p, ECT0);

	give(p, .ecn = ECT0, .seq = at, .ack = 1, .len = 10);
	silence();
	give(p, .ecn = CE, .seq = at + 10, .ack = 1, .len = 10);
	expect(p, .ecn = ECT0, .seq = 1, .ack = at + 10); /* what came before it was not marked */
	expect(p, .flags = ACK | ECE, .ecn = ECT0, .seq = 1, .ack = at + 20);
	give(p, .ecn = CE, .seq = at + 20, .ack = 1, .len = 10);
	silence(); /* the state stands: delayed as ever */
	give(p, .ecn = ECT0, .seq = at + 30, .ack = 1, .len = 10);
	expect(p, .flags = ACK | ECE, .ecn = ECT0, .seq = 1, .ack = at + 30);
	expect(p, .ecn = ECT0, .seq = 1, .ack = at + 40);
	wait_ms(10);
	silence();
}

TEST(dctcp_echo_needs_no_word_of_a_reduction) /* RFC 8257 3.2: CWR means nothing to the receiver */
{
	struct peer *p = ecn_dctcp();
	uint32_t at = past_quick_acks(p, ECT0);

	give(p, .flags = ACK | CWR, .ecn = CE, .seq = at, .ack = 1, .len = 10);
	expect(p, .flags = ACK | ECE, .ecn = ECT0, .seq = 1, .ack = at + 10);
	give(p, .flags = ACK | CWR, .ecn = CE, .seq = at + 10, .ack = 1, .len = 10);
	wait_ms(10);
	expect(p, .flags = ACK | ECE, .ecn = ECT0, .seq = 1, .ack = at + 20);
}

TEST(dctcp_reduces_by_how_much_was_marked) /* RFC 8257 3.3 */
{
	struct peer *p = ecn_dctcp();
	uint32_t cwnd;

	round_with_ece(p, 0, 10, 10);
	cwnd = flow_of(p)->cwnd;
	round_with_ece(p, 10, 9, 10);
	assert_in_range(flow_of(p)->cwnd, cwnd / 2, cwnd - 1); /* alpha begins at 1 and falls */
	assert_true(flow_of(p)->flags & FLOW_CWR);
}

/* RFC 8257 3.5: a loss counts as ever, whatever alpha took of the window before. */
TEST(dctcp_halves_for_a_loss_what_there_was_before_marks)
{
	struct peer *p = ecn_dctcp();
	uint32_t before, marked;

	round_with_ece(p, 0, 10, 10);
	round_with_ece(p, 10, 10, 10);
	conn_of(p)->cc.state.dctcp.alpha = 0.2;
	before = flow_of(p)->cwnd;
	app_writes(p, 10 * MSS);
	for (uint32_t i = 20; i < 30; i++) {
		if (rig.sent_head == rig.sent_tail)
			wait_sent(10);
		assert_int_equal(next_segment(p)->seq, AT(i));
	}
	give(p, .flags = ACK | ECE, .seq = 1, .ack = AT(21));
	wait_ms(2);
	marked = flow_of(p)->cwnd;
	assert_in_range(marked, before / 2 + 1, before - 1);
	app_writes(p, 10 * MSS); /* the window is the limit */
	lose(p, 21);
	assert_in_range(cold_of(p)->ssthresh, before / 2 - 1, before / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(syn_that_asks_is_agreed_to),
		RIG_TEST(syn_that_does_not_ask_gets_none),
		RIG_TEST(ecn_that_is_off_is_not_agreed_to),
		RIG_TEST(marked_syn_gets_none_but_for_dctcp),
		RIG_TEST(dctcp_agrees_though_ecn_is_off),
		RIG_TEST(connect_asks_and_is_answered),
		RIG_TEST(peer_that_does_not_agree_is_served),
		RIG_TEST(peer_that_reflects_the_question_does_not_agree),
		RIG_TEST(syn_without_an_answer_comes_again_without_the_question),
		RIG_TEST(dctcp_marks_all_it_sends),
		RIG_TEST(new_data_alone_is_marked),
		RIG_TEST(window_probe_is_not_marked),
		RIG_TEST(flow_without_ecn_is_never_marked),
		RIG_TEST(echo_halves_the_window_once_for_each_window_of_data),
		RIG_TEST(echo_of_a_second_window_halves_it_again),
		RIG_TEST(echo_completes_no_window),
		RIG_TEST(reduction_is_said_once_on_new_data),
		RIG_TEST(reduction_at_the_least_window_is_said_too),
		RIG_TEST(loss_in_a_window_that_was_reduced_for_marks_asks_for_no_more),
		RIG_TEST(timeout_in_a_window_that_was_reduced_for_marks_leaves_the_threshold),
		RIG_TEST(marks_in_a_window_that_was_reduced_for_a_loss_ask_for_no_more),
		RIG_TEST(reduction_for_marks_is_said_though_a_recovery_was_in_vain),
		RIG_TEST(reduction_for_a_loss_is_said_on_new_data),
		RIG_TEST(mark_is_echoed_until_the_peer_has_reduced),
		RIG_TEST(mark_beside_the_word_of_a_reduction_is_a_new_one),
		RIG_TEST(mark_of_what_we_have_already_is_not_echoed),
		RIG_TEST(mark_past_a_gap_is_echoed),
		RIG_TEST(dctcp_echoes_what_is_marked_and_no_more),
		RIG_TEST(dctcp_echo_needs_no_word_of_a_reduction),
		RIG_TEST(dctcp_reduces_by_how_much_was_marked),
		RIG_TEST(dctcp_halves_for_a_loss_what_there_was_before_marks),
	};

	return RIG_MAIN(tests);
}
