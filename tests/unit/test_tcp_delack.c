/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_delack.c - acknowledgements that wait for an answer, and for how long (docs/decisions/0008). */
#include "tests/unit/rig_tcp.h"

enum { DELACK_MS = 4, ANSWER_MS = 40 };

/* A request of 64 bytes, the n-th, and nothing yet. */
static void asks(struct peer *p, uint32_t n)
{
	give(p, .seq = 1 + n * 64, .ack = 1 + p->tx_end, .len = 64);
	app_reads(p, 64);
}

/* Its answer, which carries the acknowledgement or comes after it. */
static void is_answered(struct peer *p, uint32_t n)
{
	app_writes(p, 64);
	expect(p, .seq = 1 + p->tx_end - 64, .ack = 1 + (n + 1) * 64, .len = 64);
}

/* The acknowledgement of request n goes alone, so long after it. */
static void goes_alone(struct peer *p, uint32_t n, uint32_t ms)
{
	assert_in_range(wait_sent(1000), ms * NS_PER_MS, ms * NS_PER_MS + 100000);
	expect(p, .seq = 1 + p->tx_end, .ack = 1 + (n + 1) * 64);
}

/* The first request of a connection is acknowledged at once, and answered at once. */
static struct peer *answering(void)
{
	struct peer *p = established(.nodelay = true);

	asks(p, 0);
	expect(p, .seq = 1, .ack = 65);
	is_answered(p, 0);
	silence();
	cold_of(p)->quick_acks = 0; /* as later in its life */
	return p;
}

TEST(answer_carries_the_acknowledgement_for_up_to_forty_milliseconds)
{
	struct peer *p = answering();

	for (uint32_t n = 1; n < ANSWER_MS; n++) {
		asks(p, n);
		wait_ms(n);
		is_answered(p, n);
		wait_ms(1);
	}
	silence();
}

TEST(server_that_takes_its_time_from_the_start_acknowledges_once)
{
	struct peer *p = established(.nodelay = true);

	asks(p, 0);
	expect(p, .seq = 1, .ack = 65);
	wait_ms(20);
	is_answered(p, 0);
	for (uint32_t n = 1; n < 20; n++) {
		asks(p, n);
		wait_ms(20);
		is_answered(p, n);
	}
	silence();
}

TEST(acknowledgement_waits_no_longer_for_an_answer_that_took_too_long)
{
	struct peer *p = answering();

	asks(p, 1);
	goes_alone(p, 1, ANSWER_MS);
	wait_ms(10);
	is_answered(p, 1);
	asks(p, 2); /* nobody knows whether it answers again */
	goes_alone(p, 2, DELACK_MS);
	wait_ms(1);
	is_answered(p, 2);
	asks(p, 3); /* it does */
	wait_ms(30);
	is_answered(p, 3);
	silence();
}

/* Nagle's algorithm holds back the second piece of a request until the first is acknowledged. */
TEST(peer_that_waits_for_the_acknowledgement_waits_for_it_once)
{
	struct peer *p = answering();

	for (uint32_t n = 1; n < 19; n += 2) {
		asks(p, n);
		goes_alone(p, n, n == 1 ? ANSWER_MS : DELACK_MS);
		wait_us(100);
		asks(p, n + 1);
		wait_us(100);
		is_answered(p, n + 1);
	}
	silence();
}

TEST(acknowledgement_waits_for_none_that_may_wait_longer)
{
	struct peer *slow = answering(), *quick = established();

	cold_of(quick)->quick_acks = 0;
	asks(slow, 1);
	wait_ms(1);
	give(quick, .seq = 1, .ack = 1, .len = 10);
	assert_in_range(wait_sent(100), DELACK_MS * NS_PER_MS, DELACK_MS * NS_PER_MS + 100000);
	expect(quick, .seq = 1, .ack = 11);
	goes_alone(slow, 1, ANSWER_MS - DELACK_MS - 1);
	silence();
	asks(slow, 2); /* it is no longer among those that may wait so long */
	goes_alone(slow, 2, DELACK_MS);
}

TEST(no_acknowledgement_waits_if_none_is_to_wait) /* delack_ms = 0 */
{
	struct peer *p;

	rig.conf.tcp.delack_ms = 0;
	p = answering();
	for (uint32_t n = 1; n < 5; n++) {
		asks(p, n);
		expect(p, .seq = 1 + n * 64, .ack = 1 + (n + 1) * 64);
		is_answered(p, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(answer_carries_the_acknowledgement_for_up_to_forty_milliseconds),
		RIG_TEST(server_that_takes_its_time_from_the_start_acknowledges_once),
		RIG_TEST(acknowledgement_waits_no_longer_for_an_answer_that_took_too_long),
		RIG_TEST(peer_that_waits_for_the_acknowledgement_waits_for_it_once),
		RIG_TEST(acknowledgement_waits_for_none_that_may_wait_longer),
		RIG_TEST(no_acknowledgement_waits_if_none_is_to_wait),
	};

	return RIG_MAIN(tests);
}
