/* SPDX-License-Identifier: BSD-3-Clause */
/* test_urgent.c - urgent data between wire and record (RFC 9293 3.8.5); what a program sees of it is in
 * test_lib_urgent.c. */
#include "tests/unit/rig_tcp.h"

enum { MSS = RIG_MSS };

static struct abi_flow_urgent *urgent_of(const struct peer *p)
{
	uint32_t i = p->rec % ABI_REC_CHUNK;

	return &((struct abi_rec_chunk *)(void *)(rec_of(p) - i))->urgent[i];
}

/* What the application is told. */
static void told(const struct peer *p, uint64_t at, bool there, uint32_t pointers)
{
	const struct abi_flow_urgent *r = urgent_of(p);

	assert_int_equal(events_of(p) & ~(uint32_t)(ABI_EV_ACCEPT | ABI_EV_RX_FIN), ABI_EV_URGENT);
	assert_int_equal(r->at, at);
	assert_int_equal(r->byte, there ? ABI_URGENT_THERE | peer_byte(at) : 0);
	assert_int_equal(r->count, 2 * pointers);
}

static void writes_urgent(struct peer *p, uint32_t len)
{
	urgent_of(p)->tx_end = p->tx_end + len;
	p->bell_options |= ABI_BELL_URGENT;
	app_writes(p, len);
	p->bell_options &= ~(uint32_t)ABI_BELL_URGENT;
}

/* --- receive --- */

TEST(pointer_and_byte_are_told) /* MUST-30, MUST-32 */
{
	struct peer *p = established();
	uint64_t punted = counted(CNT_RX_PUNTED);
	uint32_t gen = rec_of(p)->ring_gen;

	heard(p);
	give(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urgent = 10);
	expect(p, .seq = 1, .ack = 11);
	told(p, 9, true, 1);
	assert_int_equal(heard(p), 1);
	assert_int_not_equal(rec_of(p)->ring_gen, gen);
	assert_int_equal(counted(CNT_RX_PUNTED), punted);
	assert_int_equal(counted(CNT_TCP_RX_URGENT), 1);
	app_reads(p, 10); /* it is in the ring, too */
	give(p, .seq = 11, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 21);
	told(p, 9, true, 1);
}

TEST(pointers_of_nothing_and_of_one_are_the_same) /* as Linux */
{
	struct peer *p = established();

	give(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 2, .urgent = 0);
	told(p, 0, true, 1);
	give(p, .flags = ACK | URG, .seq = 3, .ack = 1, .len = 2, .urgent = 1);
	told(p, 2, true, 2);
	overlook();
}

TEST(pointer_that_is_repeated_is_told_once) /* MUST-31: it says where urgent data end, however often */
{
	struct peer *p = established();

	give(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urgent = 30);
	told(p, 29, false, 1);
	give(p, .flags = ACK | URG, .seq = 11, .ack = 1, .len = 10, .urgent = 20);
	told(p, 29, false, 1);
	heard(p);
	give(p, .flags = ACK | URG, .seq = 21, .ack = 1, .urgent = 5); /* behind the last */
	told(p, 29, false, 1);
	assert_int_equal(heard(p), 0);
	give(p, .flags = ACK | URG, .seq = 21, .ack = 1, .len = 10, .urgent = 10);
	told(p, 29, true, 1);
	give(p, .flags = ACK | URG, .seq = 21, .ack = 1, .len = 10, .urgent = 10);
	told(p, 29, true, 1);
	overlook();
}

TEST(later_pointer_takes_the_place)
{
	struct peer *p = established();

	give(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urgent = 5);
	give(p, .flags = ACK | URG, .seq = 11, .ack = 1, .len = 10, .urgent = 100);
	told(p, 109, false, 2);
	give(p, .seq = 21, .ack = 1, .len = 100); /* the byte without URG: rx_end tells of it */
	told(p, 109, false, 2);
	overlook();
	app_reads(p, 120);
}

TEST(pointer_into_the_past_is_ignored)
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 10);
	give(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urgent = 10);
	give(p, .flags = ACK | URG, .seq = 6, .ack = 1, .len = 10, .urgent = 5);
	assert_int_equal(events_of(p) & ABI_EV_URGENT, 0);
	give(p, .flags = ACK | URG, .seq = 11, .ack = 1, .len = 10, .urgent = 6);
	told(p, 15, true, 1);
	overlook();
}

TEST(urgent_byte_overtakes_the_stream)
{
	struct peer *p = established();

	give(p, .flags = ACK | URG, .seq = 101, .ack = 1, .len = 10, .urgent = 10);
	expect(p, .seq = 1, .ack = 1, .sack = { { 101, 111 } });
	told(p, 109, true, 1);
	assert_int_equal(rec_of(p)->rx_end, 0);
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 111);
	app_reads(p, 110);
}

TEST(closed_window_takes_urgent_pointers) /* RFC 9293 3.4, MUST-66 */
{
	struct peer *p;

	rig.conf.memory.rx_buffer = 4096;
	p = established();
	for (uint32_t n = 0; n < 4096; n += 1024)
		give(p, .seq = 1 + n, .ack = 1, .len = 1024);
	overlook();
	give(p, .flags = ACK | URG, .seq = 4097, .ack = 1, .urgent = 20);
	told(p, 4115, false, 1);
	give(p, .flags = ACK | URG, .seq = 4097, .ack = 1, .len = 20, .urgent = 20);
	told(p, 4115, true, 1);
	assert_int_equal(app_unread(p), 4096);
	overlook();
	app_reads(p, 4096);
}

TEST(pointer_of_a_blind_guess_is_not_taken) /* RFC 5961 5 */
{
	struct peer *p = established();

	give(p, .flags = ACK | URG, .seq = 1, .ack = 5000000, .len = 10, .urgent = 10);
	give(p, .flags = ACK | URG, .seq = 1 + (1 << 20), .ack = 1, .len = 10, .urgent = 10);
	give(p, .flags = URG, .seq = 1, .len = 10, .urgent = 10);
	overlook();
	assert_int_equal(events_of(p) & ABI_EV_URGENT, 0);
	assert_int_equal(app_unread(p), 0);
}

TEST(pointer_behind_a_fin_is_ignored) /* RFC 9293 3.10.7.4, sixth */
{
	struct peer *p = established();

	give(p, .flags = FIN | ACK | URG, .seq = 1, .ack = 1, .len = 10, .urgent = 10);
	told(p, 9, true, 1);
	give(p, .flags = ACK | URG, .seq = 12, .ack = 1, .urgent = 10);
	told(p, 9, true, 1);
	overlook();
	assert_true(events_of(p) & ABI_EV_RX_FIN);
}

/* Linux leaves no trace of an urgent byte at which the reader stood when the next came. */
TEST(who_stands_at_the_mark_is_led_past_it)
{
	struct peer *p = established();

	for (uint32_t i = 0; i < 3; i++)
		give(p, .flags = ACK | URG, .seq = 1 + i, .ack = 1, .len = 1, .urgent = 1);
	told(p, 2, true, 3);
	assert_int_equal(urgent_of(p)->from, 0);
	assert_int_equal(urgent_of(p)->to, 2);
	give(p, .flags = ACK | URG, .seq = 4, .ack = 1, .len = 5, .urgent = 5);
	assert_int_equal(urgent_of(p)->to, 3);
	give(p, .flags = ACK | URG, .seq = 9, .ack = 1, .len = 5, .urgent = 5);
	assert_int_equal(urgent_of(p)->from, 0);
	assert_int_equal(urgent_of(p)->to, 3);
	urgent_of(p)->seen = urgent_of(p)->count;
	give(p, .flags = ACK | URG, .seq = 14, .ack = 1, .urgent = 3); /* its byte is not there */
	give(p, .flags = ACK | URG, .seq = 14, .ack = 1, .urgent = 5);
	assert_int_equal(urgent_of(p)->from, 15);
	assert_int_equal(urgent_of(p)->to, 15);
	overlook();
}

TEST(urgent_data_before_accept_are_told_after_it)
{
	struct peer *p = peer_new();

	assert_int_equal(app_listens_unarmed(0, RIG_PORT, 64), 0);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1);
	give(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urgent = 10);
	give(p, .flags = ACK | URG, .seq = 11, .ack = 1, .len = 1, .urgent = 1);
	assert_int_equal(app_arms(0, RIG_PORT), 0);
	assert_true(app_accepts(p, 0));
	told(p, 10, true, 2);
	assert_int_equal(urgent_of(p)->from, 9);
	assert_int_equal(urgent_of(p)->to, 10);
	overlook();
	app_reads(p, 11);
}

/* --- send --- */

TEST(segments_point_behind_the_urgent_byte) /* MUST-30, MUST-62 */
{
	struct peer *p = established();

	writes_urgent(p, 10);
	expect(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urgent = 10);
	wait_sent(2000); /* a probe of the tail, or the timer */
	expect(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urgent = 10);
	app_writes(p, 5); /* behind it */
	expect(p, .seq = 11, .ack = 1, .len = 5);
	give(p, .seq = 1, .ack = 16);
	app_writes(p, 5);
	expect(p, .seq = 16, .ack = 1, .len = 5);
	silence();
}

TEST(pointer_is_on_all_segments_before_it)
{
	struct peer *p = established();

	writes_urgent(p, 2 * MSS + 100);
	expect(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = MSS, .urgent = 2 * MSS + 100);
	expect(p, .flags = ACK | URG, .seq = 1 + MSS, .ack = 1, .len = MSS, .urgent = MSS + 100);
	expect(p, .flags = ACK | URG, .seq = 1 + 2 * MSS, .ack = 1, .len = 100, .urgent = 100);
	give(p, .seq = 1, .ack = 1 + MSS, .sack = { { 1 + 2 * MSS, 101 + 2 * MSS } });
	wait_sent(1000); /* the one between is sent again */
	expect(p, .flags = ACK | URG, .seq = 1 + MSS, .ack = 1, .len = MSS, .urgent = MSS + 100);
	silence();
}

TEST(later_urgent_byte_moves_the_pointer) /* MUST-31 */
{
	struct peer *p = established();

	writes_urgent(p, 10);
	expect(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urgent = 10);
	writes_urgent(p, 10);
	expect(p, .flags = ACK | URG, .seq = 11, .ack = 1, .len = 10, .urgent = 10);
	give(p, .seq = 1, .ack = 6);
	wait_sent(2000);
	assert_int_equal(next_segment(p)->flags & URG, URG);
}

TEST(pointer_is_as_far_as_16_bits_reach) /* as Linux */
{
	struct peer *p = established();

	flow_of(p)->cwnd = 1 << 20;
	flow_of(p)->last_tx_us = ns_to_us32(rig.now);
	writes_urgent(p, 100000);
	for (uint32_t seq = 1; seq < 100001; seq += MSS) {
		uint32_t ahead = 100001 - seq;

		expect(p, .flags = ACK | URG, .seq = seq, .ack = 1, .len = min_u32(MSS, ahead),
			.urgent = (uint16_t)min_u32(ahead, 0xffff));
	}
	silence();
	wait_sent(2000); /* what is sent again so far below the end says nothing of it */
	overlook();
	wait_sent(2000);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
}

TEST(acknowledgements_below_the_pointer_have_it)
{
	struct peer *p = established();

	p->wnd = 0;
	give(p, .seq = 1, .ack = 1);
	writes_urgent(p, 10);
	silence();
	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .flags = ACK | URG, .seq = 1, .ack = 11, .urgent = 10);
	give(p, .seq = 100, .ack = 1, .len = 10); /* with SACK, too */
	expect(p, .flags = ACK | URG, .seq = 1, .ack = 11, .urgent = 10, .sack = { { 100, 110 } });
}

TEST(closed_window_is_told_of_urgent_data) /* as Linux: beside its probe one that a peer looks at */
{
	struct peer *p = established();

	p->wnd = 0;
	give(p, .seq = 1, .ack = 1);
	writes_urgent(p, 10);
	silence();
	wait_sent(2000);
	expect(p, .flags = ACK | URG, .seq = 1, .ack = 1, .urgent = 10);
	expect(p, .flags = ACK | URG, .seq = 0, .ack = 1, .urgent = 11);
	silence();
}

TEST(urgent_data_wait_for_no_more) /* neither for Nagle nor for MSG_MORE and TCP_CORK, as in Linux */
{
	struct peer *p = established();

	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10);
	app_writes(p, 10);
	silence();
	writes_urgent(p, 10);
	expect(p, .flags = ACK | URG, .seq = 11, .ack = 1, .len = 20, .urgent = 20);
	give(p, .seq = 1, .ack = 31);
	app_writes_more(p, 10);
	silence();
	urgent_of(p)->tx_end = p->tx_end + 10;
	p->bell_options |= ABI_BELL_URGENT;
	app_writes_more(p, 10);
	p->bell_options &= ~(uint32_t)ABI_BELL_URGENT;
	expect(p, .flags = ACK | URG, .seq = 31, .ack = 1, .len = 20, .urgent = 20);
	give(p, .seq = 1, .ack = 51);
	app_writes(p, 10);
	expect(p, .seq = 51, .ack = 1, .len = 10);
	app_writes(p, 10); /* Nagle is back */
	silence();
}

TEST(port_cuts_no_urgent_data) /* it would repeat one pointer on each segment */
{
	struct peer *p;

	rig_port_cuts();
	p = established();
	writes_urgent(p, 3 * MSS);
	for (uint32_t i = 0; i < 3; i++)
		expect(p, .flags = ACK | URG, .seq = AT(i), .ack = 1, .len = MSS,
			.urgent = (uint16_t)((3 - i) * MSS));
	silence();
	assert_int_equal(counted(CNT_TCP_TX_TSO), 0);
	give(p, .seq = 1, .ack = AT(3));
	app_writes(p, 3 * MSS);
	for (uint32_t i = 3; i < 6; i++)
		expect_segment(p, i);
	assert_int_equal(counted(CNT_TCP_TX_TSO), 1);
}

TEST(pointer_that_cannot_be_is_ignored) /* whatever an application writes there */
{
	struct peer *p = established();
	static const uint64_t nonsense[] = { 0, 10, UINT64_MAX, 1ull << 63, (128 << 10) + 100 };

	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10);
	give(p, .seq = 1, .ack = 11);
	for (uint32_t i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
		urgent_of(p)->tx_end = nonsense[i];
		app_rings(p, ABI_BELL_URGENT, 0);
		app_writes(p, 10);
		expect(p, .seq = 11 + 10 * i, .ack = 1, .len = 10);
		give(p, .seq = 1, .ack = 21 + 10 * i);
	}
	assert_int_equal(flow_of(p)->flags & FLOW_URGENT, 0);
	assert_int_equal(counted(CNT_APP_FAULT_FLAGS), 0);
}

TEST(urgent_bell_that_was_kept_is_urgent) /* abi_flow_rec.kept */
{
	struct peer *p = established();
	struct abi_flow_rec *r = rec_of(p);
	struct abi_core_line *line = &p->app->header->core_line[0];

	for (uint32_t i = 0; i < 10; i++, p->tx_end++)
		p->app->base[r->tx_off + p->tx_end] = (char)host_byte(p->tx_end);
	urgent_of(p)->tx_end = r->tx_end = p->tx_end;
	r->kept = ABI_BELL_POSITIONS | ABI_BELL_URGENT;
	p->app->header->kept[p->rec / ABI_KEPT_GROUP / 64] |= 1ull << p->rec / ABI_KEPT_GROUP % 64;
	line->kept++;
	app_rings(p, 0, 0);
	expect(p, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urgent = 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(pointer_and_byte_are_told),
		RIG_TEST(pointers_of_nothing_and_of_one_are_the_same),
		RIG_TEST(pointer_that_is_repeated_is_told_once),
		RIG_TEST(later_pointer_takes_the_place),
		RIG_TEST(pointer_into_the_past_is_ignored),
		RIG_TEST(urgent_byte_overtakes_the_stream),
		RIG_TEST(closed_window_takes_urgent_pointers),
		RIG_TEST(pointer_of_a_blind_guess_is_not_taken),
		RIG_TEST(pointer_behind_a_fin_is_ignored),
		RIG_TEST(who_stands_at_the_mark_is_led_past_it),
		RIG_TEST(urgent_data_before_accept_are_told_after_it),
		RIG_TEST(segments_point_behind_the_urgent_byte),
		RIG_TEST(pointer_is_on_all_segments_before_it),
		RIG_TEST(later_urgent_byte_moves_the_pointer),
		RIG_TEST(pointer_is_as_far_as_16_bits_reach),
		RIG_TEST(acknowledgements_below_the_pointer_have_it),
		RIG_TEST(closed_window_is_told_of_urgent_data),
		RIG_TEST(urgent_data_wait_for_no_more),
		RIG_TEST(port_cuts_no_urgent_data),
		RIG_TEST(pointer_that_cannot_be_is_ignored),
		RIG_TEST(urgent_bell_that_was_kept_is_urgent),
	};

	return RIG_MAIN(tests);
}
