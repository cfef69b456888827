/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_dsack.c - what arrives twice is reported (RFC 2883, the receiver's half). */
#include "tests/unit/rig_tcp.h"

TEST(duplicate_below_the_acknowledgement_is_the_only_block) /* 4.1.1 */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101, .sack = { { 1, 101 } });
	give(p, .seq = 51, .ack = 1, .len = 20);
	expect(p, .seq = 1, .ack = 101, .sack = { { 51, 71 } });
	give(p, .seq = 101, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 201); /* reported once */
	assert_int_equal(counted(CNT_TCP_TX_DSACKS), 2);
	app_reads(p, 200);
	silence();
}

TEST(duplicate_that_was_not_acknowledged_yet_is_reported)
{
	struct peer *p = established();

	for (uint32_t i = 0; i < FLOW_QUICK_ACKS; i++)
		give(p, .seq = 1 + i * 10, .ack = 1, .len = 10);
	overlook();
	give(p, .seq = 161, .ack = 1, .len = 10);
	silence();
	give(p, .seq = 161, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 171, .sack = { { 161, 171 } });
	app_reads(p, 170);
	silence();
}

TEST(duplicate_below_comes_before_what_is_past_a_gap) /* 4.1.2 */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 100);
	give(p, .seq = 201, .ack = 1, .len = 100);
	overlook();
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101, .sack = { { 1, 101 }, { 201, 301 } });
	give(p, .seq = 301, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101, .sack = { { 201, 401 } });
}

TEST(duplicate_past_a_gap_stands_before_the_block_it_is_part_of) /* 4.1.3, 4.2.1 */
{
	struct peer *p = established();

	give(p, .seq = 101, .ack = 1, .len = 100);
	give(p, .seq = 201, .ack = 1, .len = 100);
	give(p, .seq = 401, .ack = 1, .len = 100);
	overlook();
	give(p, .seq = 201, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1, .sack = { { 201, 301 }, { 101, 301 }, { 401, 501 } });
	silence();
}

TEST(part_that_was_known_is_reported) /* 4.2.2, 4.2.3 */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 100);
	overlook();
	give(p, .seq = 51, .ack = 1, .len = 100); /* begins before what is expected */
	expect(p, .seq = 1, .ack = 151, .sack = { { 51, 101 } });
	give(p, .seq = 301, .ack = 1, .len = 100);
	overlook();
	give(p, .seq = 251, .ack = 1, .len = 100); /* ends within what is past a gap */
	expect(p, .seq = 1, .ack = 151, .sack = { { 301, 351 }, { 251, 401 } });
	give(p, .seq = 151, .ack = 1, .len = 200); /* fills the gap, and more */
	expect(p, .seq = 1, .ack = 401, .sack = { { 251, 351 } });
	app_reads(p, 400);
	silence();
}

TEST(option_space_goes_to_the_duplicate_first) /* 4: three blocks beside timestamps */
{
	struct peer *p = established();

	for (uint32_t seq = 101; seq < 1101; seq += 200)
		give(p, .seq = seq, .ack = 1, .len = 100);
	overlook();
	give(p, .seq = 501, .ack = 1, .len = 50);
	expect(p, .seq = 1, .ack = 1, .sack = { { 501, 551 }, { 501, 601 }, { 301, 401 } });
	silence();
}

TEST(data_takes_no_duplicate_along_that_an_acknowledgement_reports) /* an answer has no room for it */
{
	struct peer *p = established(.nodelay = true);

	give(p, .seq = 1, .ack = 1, .len = 100);
	overlook();
	rig.core_stands = true;
	give(p, .seq = 1, .ack = 1, .len = 100, .hold = true);
	app_writes(p, 10);
	rig.core_stands = false;
	rig_run();
	expect(p, .seq = 1, .ack = 101, .sack = { { 1, 101 } });
	expect(p, .seq = 1, .ack = 101, .len = 10);
	silence();
}

TEST(what_comes_again_after_the_fin_is_reported)
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 100, .flags = FIN | ACK);
	expect(p, .seq = 1, .ack = 102);
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 102, .sack = { { 1, 101 } });
	silence();
}

TEST(what_has_an_older_timestamp_is_reported) /* RFC 7323 5.3: dropped, but acknowledged */
{
	struct peer *p = established();

	wait_ms(10);
	give(p, .seq = 1, .ack = 1, .len = 100);
	overlook();
	give(p, .seq = 1, .ack = 1, .len = 100, .ts_val = p->ts_off + 1);
	expect(p, .seq = 1, .ack = 101, .sack = { { 1, 101 } });
	silence();
}

TEST(peer_without_sack_gets_no_report)
{
	struct peer *p = established(.no_sack = true);

	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	assert_int_equal(counted(CNT_TCP_TX_DSACKS), 0);
	silence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(duplicate_below_the_acknowledgement_is_the_only_block),
		RIG_TEST(duplicate_that_was_not_acknowledged_yet_is_reported),
		RIG_TEST(duplicate_below_comes_before_what_is_past_a_gap),
		RIG_TEST(duplicate_past_a_gap_stands_before_the_block_it_is_part_of),
		RIG_TEST(part_that_was_known_is_reported),
		RIG_TEST(option_space_goes_to_the_duplicate_first),
		RIG_TEST(data_takes_no_duplicate_along_that_an_acknowledgement_reports),
		RIG_TEST(what_comes_again_after_the_fin_is_reported),
		RIG_TEST(what_has_an_older_timestamp_is_reported),
		RIG_TEST(peer_without_sack_gets_no_report),
	};

	return RIG_MAIN(tests);
}
