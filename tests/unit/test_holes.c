/* SPDX-License-Identifier: BSD-3-Clause */
/* test_holes.c - flows with more gaps than fit into their own state, both ways. */
#include "fastpath/holes.h"

#include "tests/unit/rig_tcp.h"

enum { MSS = RIG_MSS, LEN = 100 };

static unsigned blocks_free(void)
{
	unsigned n = 0;

	for (const struct flow_holes *h = rig.fp.holes_free; h != NULL; h = h->next)
		n++;
	return n;
}

/* Every other 100 bytes arrive, from the second on. */
static struct peer *arrives_in_pieces(unsigned pieces)
{
	struct peer *p = established();

	for (uint32_t i = 0; i < pieces; i++)
		give(p, .seq = 1 + LEN + 2 * i * LEN, .ack = 1, .len = LEN);
	assert_int_equal(overlook(), pieces);
	return p;
}

TEST(what_arrives_between_many_gaps_is_kept)
{
	enum { PIECES = 100 };
	struct peer *p = arrives_in_pieces(PIECES);
	unsigned before = blocks_free();

	assert_int_equal(counted(CNT_TCP_RX_OOO), PIECES);
	assert_int_equal(counted(CNT_TCP_RX_DUP), 0);
	for (uint32_t i = 0; i < PIECES; i++) {
		assert_non_null(cold_of(p)->holes);
		give(p, .seq = 1 + 2 * i * LEN, .ack = 1, .len = LEN);
		assert_int_equal(app_unread(p), 2 * (i + 1) * LEN);
	}
	overlook();
	app_reads(p, 2 * PIECES * LEN);
	assert_null(cold_of(p)->holes); /* the block is for others now */
	assert_int_equal(blocks_free(), before + 1);
}

TEST(flow_of_few_gaps_takes_no_block)
{
	struct peer *p = arrives_in_pieces(REASS_MAX);

	assert_null(cold_of(p)->holes);
	assert_int_equal(cold_of(p)->reass.n, REASS_MAX);
}

TEST(block_has_an_end)
{
	struct peer *p = arrives_in_pieces(HOLES_MAX + 20);

	assert_int_equal(cold_of(p)->reass.n, HOLES_MAX);
	assert_int_equal(counted(CNT_TCP_RX_DUP), 20); /* they come again */
}

TEST(without_a_block_the_first_gaps_are_kept)
{
	struct flow_holes *all;
	struct peer *p;

	rig_open();
	all = rig.fp.holes_free;
	rig.fp.holes_free = NULL;
	p = arrives_in_pieces(REASS_MAX + 5);
	rig.fp.holes_free = all;
	assert_int_equal(cold_of(p)->reass.n, REASS_MAX);
	assert_int_equal(counted(CNT_TCP_RX_DUP), 5);
	give(p, .seq = 1 + LEN + 2 * REASS_MAX * LEN, .ack = 1, .len = LEN); /* and then there is one */
	assert_int_equal(cold_of(p)->reass.n, REASS_MAX + 1);
	overlook();
}

/* Of a large window every other segment is lost: each is sent again once, and nothing else is. */
TEST(many_losses_of_a_window_are_known_one_by_one)
{
	enum { LOST = 40 };
	struct peer *p;
	unsigned before;

	rig.conf.memory.tx_buffer = 1 << 18;
	p = sending(established(.nodelay = true), 1);
	acked_to(p, 1);
	before = blocks_free();
	flow_of(p)->cwnd = cold_of(p)->ssthresh = 200 * MSS;
	app_writes(p, 2 * LOST * MSS);
	assert_int_equal(overlook(), 2 * LOST);
	for (uint32_t i = 0; i < LOST; i++) {
		wait_us(20);
		acked_to(p, 1, { AT(2 + 2 * i), AT(3 + 2 * i) });
		assert_int_equal(cold_of(p)->sacked.n, i + 1);
	}
	assert_non_null(cold_of(p)->holes);
	flow_of(p)->cwnd = 200 * MSS;
	cold_of(p)->beta_q8 = 0; /* so that all may go */
	recovery_on_due(rig.sp.fp->slow, p->flow);
	rig_run();
	overlook();
	assert_in_range(cold_of(p)->resent.n, RESENT_MAX + 1, LOST);
	acked_to(p, 1 + 2 * LOST);
	assert_int_equal(cold_of(p)->rtx_segs, LOST);
	assert_int_equal(counted(CNT_TCP_TIMEOUTS), 0);
	assert_null(cold_of(p)->holes);
	assert_int_equal(blocks_free(), before);
	app_writes(p, MSS); /* and all is as before */
	expect_segment(p, 1 + 2 * LOST);
}

TEST(losses_that_one_pass_tells_of_are_known_one_by_one)
{
	struct peer *p;

	rig.conf.memory.tx_buffer = 1 << 18;
	p = sending(established(.nodelay = true), 1);
	acked_to(p, 1);
	flow_of(p)->cwnd = cold_of(p)->ssthresh = 200 * MSS;
	app_writes(p, 80 * MSS);
	assert_int_equal(overlook(), 80);
	for (uint32_t i = 1; i < 80; i += 4)
		give(p, .seq = 1, .ack = AT(1), .hold = true,
			.sack = { { AT(i + 1), AT(i + 2) }, { AT(i + 3), AT(i + 4) } });
	rig_run();
	assert_int_equal(cold_of(p)->sacked.n, 40);
	overlook();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(what_arrives_between_many_gaps_is_kept),
		RIG_TEST(flow_of_few_gaps_takes_no_block),
		RIG_TEST(block_has_an_end),
		RIG_TEST(without_a_block_the_first_gaps_are_kept),
		RIG_TEST(many_losses_of_a_window_are_known_one_by_one),
		RIG_TEST(losses_that_one_pass_tells_of_are_known_one_by_one),
	};

	return RIG_MAIN(tests);
}
