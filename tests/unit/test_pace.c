/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pace.c - the wheel of flows that wait until they may send, and how exact their pace is. */
#include "fastpath/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "include/base/rand.h"
#include "slowpath/cc.h"

enum { FLOWS = 64 };

struct rig {
	struct pace_wheel wheel;
	struct flow_cold *cold;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->cold = aligned_alloc(CACHE_LINE, FLOWS * sizeof(*r->cold));
	pace_init(&r->wheel);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	free(r->cold);
	free(r);
	return 0;
}

static void nothing_waits_in_an_empty_wheel(void **state)
{
	struct rig *r = *state;

	assert_int_equal(pace_pop(&r->wheel, r->cold, NS_PER_SEC), FLOW_NONE);
	assert_true(pace_next(&r->wheel) == TAS_NS_NEVER);
}

static void a_flow_comes_out_not_early_and_at_most_a_slot_late(void **state)
{
	struct rig *r = *state;
	struct tas_rand rand;
	tas_ns now = 5 * NS_PER_SEC;

	rand_seed(&rand, 1);
	for (unsigned round = 0; round < 2000; round++) {
		tas_ns due = now + rand_below(&rand, 8000000);

		assert_int_equal(pace_pop(&r->wheel, r->cold, now), FLOW_NONE);
		pace_insert(&r->wheel, r->cold, 7, due);
		assert_int_equal(pace_pop(&r->wheel, r->cold, due > now ? due - 1 : now), FLOW_NONE);
		assert_true(pace_next(&r->wheel) <= due + PACE_SLOT_NS);
		now = due + PACE_SLOT_NS;
		assert_int_equal(pace_pop(&r->wheel, r->cold, now), 7);
		assert_int_equal(pace_pop(&r->wheel, r->cold, now), FLOW_NONE);
	}
}

static void what_lies_beyond_the_wheel_comes_out_early(void **state)
{
	struct rig *r = *state;
	tas_ns now = NS_PER_SEC, horizon = (tas_ns)PACE_SLOTS * PACE_SLOT_NS;

	assert_int_equal(pace_pop(&r->wheel, r->cold, now), FLOW_NONE);
	pace_insert(&r->wheel, r->cold, 3, now + 100 * horizon);
	assert_int_equal(pace_pop(&r->wheel, r->cold, now + horizon), 3);
}

static void every_flow_comes_out_once_however_long_the_pause(void **state)
{
	struct rig *r = *state;
	bool seen[FLOWS] = { 0 };
	uint32_t id;

	pace_pop(&r->wheel, r->cold, NS_PER_SEC);
	for (uint32_t i = 0; i < FLOWS; i++)
		pace_insert(&r->wheel, r->cold, i, NS_PER_SEC + i * 100000ull);
	while ((id = pace_pop(&r->wheel, r->cold, 100 * NS_PER_SEC)) != FLOW_NONE) {
		assert_false(seen[id]);
		seen[id] = true;
	}
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_true(seen[i]);
	assert_int_equal(r->wheel.waiting, 0);
}

/* --- how exact the pace is --- */

enum { SEGMENT = 1448, QUOTA = 16, SENDS_MAX = 1 << 20, LATE_ONE_IN = 400, RTT_US = 20000 };

/* A core with flows that always have data, in virtual time; of flow 0 when it sent each segment. */
struct sender {
	struct rig *r;
	struct tas_rand rand;
	tas_ns now;
	uint32_t pace_q16[FLOWS];
	unsigned flows;
	uint32_t pass_ns; /* passes take up to twice that */
	tas_ns late_ns;   /* and one in LATE_ONE_IN up to so much longer */
	tas_ns *sent;
	uint32_t nsent;
};

/* A turn, as tcp_tx() has it: true if the quota ended it. */
static bool sends(struct sender *s, uint32_t id)
{
	struct flow_cold *k = &s->r->cold[id];

	for (unsigned n = 0; n < QUOTA; n++) {
		if (k->pace_next_ns > s->now) {
			pace_turn(&s->r->wheel, s->now);
			pace_insert(&s->r->wheel, s->r->cold, id,
				pace_due(k->pace_next_ns, s->pace_q16[id] * (uint64_t)SEGMENT >> 16));
			return false;
		}
		if (id == 0 && s->nsent < SENDS_MAX)
			s->sent[s->nsent++] = s->now;
		pace_goes(k, s->now, ((uint64_t)SEGMENT * s->pace_q16[id]) >> 16);
	}
	return true;
}

static void pass(struct sender *s, bool ready[FLOWS])
{
	uint32_t id;

	while ((id = pace_pop(&s->r->wheel, s->r->cold, s->now)) != FLOW_NONE) {
		pace_comes(&s->r->cold[id], s->now, RTT_US);
		ready[id] = true;
	}
	for (id = 0; id < s->flows; id++)
		ready[id] = ready[id] && sends(s, id);
	s->now += 1000 + rand_below(&s->rand, 2 * s->pass_ns);
	if (s->late_ns > 0 && rand_below(&s->rand, LATE_ONE_IN) == 0)
		s->now += rand_below(&s->rand, (uint32_t)s->late_ns);
}

/* Every span of max(10 ms, 20 segments) has what the rate sends in that time, to 5 %. */
static void check_spans(const struct sender *s, uint64_t rate, tas_ns until)
{
	tas_ns span = max_u64(10 * NS_PER_MS, 20ull * SEGMENT * NS_PER_SEC / rate);
	double expected = (double)rate * (double)span / 1e9;
	uint32_t end = 0;

	for (uint32_t i = 0; i < s->nsent && s->sent[i] + span < until; i++) {
		double bytes;

		while (end < s->nsent && s->sent[end] <= s->sent[i] + span)
			end++;
		bytes = (double)(end - i - 1) *
			SEGMENT; /* the one with which it begins belongs to the span before */
		assert_true(bytes > 0.95 * expected - 1 && bytes < 1.05 * expected + 1);
	}
}

static void run(struct sender *s, uint64_t rate, tas_ns until)
{
	bool ready[FLOWS];

	s->now = NS_PER_SEC;
	rand_seed(&s->rand, rate + s->pass_ns);
	pace_init(&s->r->wheel);
	s->sent = calloc(SENDS_MAX, sizeof(*s->sent));
	for (unsigned i = 0; i < s->flows; i++) {
		ready[i] = true;
		s->r->cold[i] = (struct flow_cold){ .pace_next_ns = s->now };
		s->pace_q16[i] = cc_pace_q16(i == 0 ? rate : 100000 + rand_below(&s->rand, 20000000));
	}
	while (s->now < until)
		pass(s, ready);
	assert_true(s->nsent < SENDS_MAX);
}

static void run_at(struct rig *r, uint64_t rate, unsigned flows, uint32_t pass_ns)
{
	struct sender s = { .r = r, .flows = flows, .pass_ns = pass_ns };
	tas_ns until = NS_PER_SEC + max_u64(200 * NS_PER_MS, 100ull * SEGMENT * NS_PER_SEC / rate);

	run(&s, rate, until);
	check_spans(&s, rate, until);
	free(s.sent);
}

static void the_pace_is_exact_to_five_percent_from_a_megabit_to_ten_gigabit(void **state)
{
	static const uint64_t mbit[] = { 1, 3, 10, 30, 100, 300, 1000, 3000, 10000 };

	for (unsigned i = 0; i < ARRAY_LEN(mbit); i++)
		for (uint32_t pass_ns = 200; pass_ns <= 50000; pass_ns *= 6) {
			/* with longer passes the turn of a flow, and not its pace, is the limit */
			if (pass_ns * mbit[i] > QUOTA * SEGMENT * 8000 / 2)
				break;
			run_at(*state, mbit[i] * CC_BYTES_S_PER_MBIT, 1, pass_ns);
			run_at(*state, mbit[i] * CC_BYTES_S_PER_MBIT, FLOWS, pass_ns);
		}
}

/* Bytes in the busiest span of so long. */
static double most_in(const struct sender *s, tas_ns span)
{
	uint32_t end = 0, most = 0;

	for (uint32_t i = 0; i < s->nsent; i++) {
		while (end < s->nsent && s->sent[end] < s->sent[i] + span)
			end++;
		most = max_u32(most, end - i);
	}
	return (double)most * SEGMENT;
}

static void what_late_passes_cost_is_made_up_for_at_twice_the_pace_at_most(void **state)
{
	static const uint64_t mbit[] = { 10, 50, 200, 1000 };
	const tas_ns span = 10 * NS_PER_MS;

	for (unsigned i = 0; i < ARRAY_LEN(mbit); i++) {
		struct sender s = { .r = *state, .flows = 1, .pass_ns = 20000, .late_ns = 2 * NS_PER_MS };
		uint64_t rate = mbit[i] * CC_BYTES_S_PER_MBIT;
		double second = (double)rate, in_span = (double)rate * (double)span / 1e9;

		run(&s, rate, 2 * NS_PER_SEC);
		assert_true((double)s.nsent * SEGMENT > 0.99 * second);
		assert_true((double)s.nsent * SEGMENT < 1.01 * second);
		/* more than the pace, but what was owed and the credit */
		assert_true(most_in(&s, span) > in_span);
		assert_true(most_in(&s, span) < in_span *
					(1 +
						(double)(RTT_US * NS_PER_US / PACE_OWED_RTT +
							PACE_CREDIT_NS) /
							(double)span) +
				2 * SEGMENT);
		free(s.sent);
	}
}

static void what_is_owed_has_a_limit_and_an_end(void **state)
{
	const tas_ns now = NS_PER_SEC, late = 100 * NS_PER_MS;
	struct flow_cold k = { .pace_next_ns = now - PACE_CREDIT_NS + 1 };

	(void)state;
	pace_comes(&k, now, RTT_US);
	assert_int_equal(k.pace_owed_ns, 0);
	k.pace_next_ns = now - PACE_CREDIT_NS;
	pace_comes(&k, now, RTT_US);
	assert_int_equal(k.pace_owed_ns, 1);
	assert_true(k.pace_next_ns == now - PACE_CREDIT_NS + 1);
	k.pace_next_ns = now - late;
	pace_comes(&k, now, RTT_US);
	assert_int_equal(k.pace_owed_ns, RTT_US * NS_PER_US / PACE_OWED_RTT);
	k.pace_next_ns = now - late;
	pace_comes(&k, now, 1000000);
	assert_int_equal(k.pace_owed_ns, PACE_OWED_MAX_NS);
	/* it is paid off by segments that take half of their time, and the rest of it by one */
	pace_goes(&k, now, 1000000);
	assert_int_equal(k.pace_owed_ns, PACE_OWED_MAX_NS - 500000);
	assert_true(k.pace_next_ns == now - PACE_CREDIT_NS + 1 + 500000);
	k.pace_owed_ns = 100;
	pace_goes(&k, now, 1000000);
	assert_int_equal(k.pace_owed_ns, 0);
	assert_true(k.pace_next_ns == now - PACE_CREDIT_NS + 1 + 500000 + 999900);
	/* who had nothing to send meanwhile is owed nothing */
	k = (struct flow_cold){ .pace_next_ns = now - PACE_CREDIT_NS, .pace_owed_ns = 5000 };
	pace_goes(&k, now, 1000);
	assert_int_equal(k.pace_owed_ns, 0);
	assert_true(k.pace_next_ns == now + 1000);
}

static void who_had_nothing_to_send_gets_no_credit(void **state)
{
	tas_ns now = NS_PER_SEC;

	(void)state;
	assert_true(pace_after(now - PACE_CREDIT_NS, now, 1000) == now + 1000);
	assert_true(pace_after(now - PACE_CREDIT_NS + 1, now, 1000) == now - PACE_CREDIT_NS + 1001);
	assert_true(pace_after(now, now, 1000) == now + 1000);
	assert_true(pace_after(0, now, 1000) == now + 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_waits_in_an_empty_wheel, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flow_comes_out_not_early_and_at_most_a_slot_late, setup,
			teardown),
		cmocka_unit_test_setup_teardown(what_lies_beyond_the_wheel_comes_out_early, setup, teardown),
		cmocka_unit_test_setup_teardown(every_flow_comes_out_once_however_long_the_pause, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			the_pace_is_exact_to_five_percent_from_a_megabit_to_ten_gigabit, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_late_passes_cost_is_made_up_for_at_twice_the_pace_at_most, setup, teardown),
		cmocka_unit_test(what_is_owed_has_a_limit_and_an_end),
		cmocka_unit_test(who_had_nothing_to_send_gets_no_credit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
