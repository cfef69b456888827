/* SPDX-License-Identifier: BSD-3-Clause */
/* test_flow_ids.c - a host with more connections than 16 bits count: every list, ring, timer and message has
 * the whole number of a flow. */
#include <string.h>

#include "tests/unit/rig_tcp.h"

enum { MSS = RIG_MSS, BURNT = 65600, FLOWS = 70000, TIME_WAIT_MS = 60000 };

/* The flows whose numbers are those of p and q, cut short: nothing may happen to them. */
static struct flow short_one[2];
static struct flow_cold short_cold[2];

static void many_flows(void)
{
	rig.conf.memory.flows_max = FLOWS;
	rig_open();
	for (uint32_t i = 0; i < BURNT; i++)
		assert_int_equal(flow_alloc(&rig.fp), i);
	memcpy(short_one, rig.fp.flows + BURNT % 65536, sizeof(short_one));
	memcpy(short_cold, rig.fp.cold + BURNT % 65536, sizeof(short_cold));
}

static void short_ones_are_untouched(void)
{
	assert_memory_equal(short_one, rig.fp.flows + BURNT % 65536, sizeof(short_one));
	assert_memory_equal(short_cold, rig.fp.cold + BURNT % 65536, sizeof(short_cold));
}

/* Both directions, by each list of a core and each timer. */
static void exchange(struct peer *p)
{
	give(p, .seq = 1, .ack = 1, .len = 100); /* owed at once */
	expect(p, .seq = 1, .ack = 101);
	cold_of(p)->quick_acks = 0;
	give(p, .seq = 101, .ack = 1, .len = 100); /* delayed */
	wait_ms(10);
	expect(p, .seq = 1, .ack = 201);
	app_reads(p, 200);
	overlook();
	flow_of(p)->pace_q16 = 1000u << 16; /* paced */
	app_writes(p, 3 * MSS);
	wait_ms(4); /* a tail loss probe would come after five */
	for (uint32_t i = 0; i < 3; i++)
		expect(p, .seq = 1 + i * MSS, .ack = 201, .len = MSS);
	give(p, .seq = 201, .ack = 1 + 3 * MSS);
	app_writes_more(p, 100); /* held back */
	silence();
	wait_ms(300);
	expect(p, .seq = 1 + 3 * MSS, .ack = 201, .len = 100);
	wait_ms(300); /* retransmitted */
	expect(p, .seq = 1 + 3 * MSS, .ack = 201, .len = 100);
	give(p, .seq = 201, .ack = 101 + 3 * MSS);
	give(p, .flags = SYN, .seq = 100); /* by the slow path */
	expect(p, .seq = 101 + 3 * MSS, .ack = 201);
}

static void closes(struct peer *p)
{
	uint32_t end = 101 + 3 * MSS;

	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = end, .ack = 201);
	give(p, .seq = 201, .ack = end + 1);
	assert_int_equal(flow_of(p)->state, TCP_FIN_WAIT_2);
	give(p, .flags = FIN | ACK, .seq = 201, .ack = end + 1);
	expect(p, .seq = end + 1, .ack = 202);
	assert_int_equal(flow_of(p)->state, TCP_TIME_WAIT);
	wait_ms(TIME_WAIT_MS + 100);
	assert_int_equal(flow_of(p)->state, TCP_FREE);
}

TEST(connection_beyond_sixteen_bits_is_as_any_other) /* passively opened, and then from here */
{
	struct peer *p, *q;

	many_flows();
	p = established(.nodelay = true);
	assert_int_equal(p->flow, BURNT);
	exchange(p);
	q = connected(.nodelay = true);
	assert_int_equal(q->flow, BURNT + 1);
	exchange(q);
	closes(p);
	closes(q);
	assert_int_equal(flows_in_use(), BURNT);
	short_ones_are_untouched();
	silence();
}

TEST(reset_beyond_sixteen_bits_is_told)
{
	struct peer *p;

	many_flows();
	p = established();
	give(p, .flags = RST, .seq = 1);
	assert_int_equal(events_of(p) & ABI_EV_RESET, ABI_EV_RESET);
	app_closes(p);
	wait_ms(100);
	assert_int_equal(flows_in_use(), BURNT);
	short_ones_are_untouched();
	silence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(connection_beyond_sixteen_bits_is_as_any_other),
		RIG_TEST(reset_beyond_sixteen_bits_is_told),
	};

	return cmocka_run_group_tests(tests, rig_group_setup_large, rig_group_teardown);
}
