/* SPDX-License-Identifier: BSD-3-Clause */
/* linkem_test.c - linkem --self-test: the model against what was asked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "include/base/compiler.h"
#include "tests/e2e/linkem_model.h"

enum { TEST_FRAMES = 200000, TEST_LEN = 1514, TEST_GAP_NS = 10000, SIGMAS = 5 };

struct outcome {
	uint64_t out, twice, overtaken, lost, bursts;
	double delay_us_sum, delay_us_min, delay_us_max;
	tas_ns last;
};

static struct outcome test_run(char *text, struct model *m, uint64_t seed)
{
	struct outcome o = { .delay_us_min = 1e18 };
	tas_ns latest = 0;
	bool lost_before = false;
	char copy[256];
	struct spec s;

	snprintf(copy, sizeof(copy), "%s", text);
	spec_parse(&s, copy);
	model_init(m, &s, seed);
	for (uint64_t i = 0; i < TEST_FRAMES; i++) {
		tas_ns now = NS_PER_SEC + i * TEST_GAP_NS, due[2];
		unsigned times = model_take(m, TEST_LEN, now, due);
		double us;

		o.bursts += times == 0 && !lost_before;
		lost_before = times == 0;
		o.lost += times == 0;
		if (times == 0)
			continue;
		us = (double)(due[0] - now) / 1e3;
		o.out++;
		o.twice += times == 2;
		o.overtaken += due[0] < latest;
		o.delay_us_sum += us;
		o.delay_us_min = us < o.delay_us_min ? us : o.delay_us_min;
		o.delay_us_max = us > o.delay_us_max ? us : o.delay_us_max;
		latest = max_u64(latest, due[0]);
	}
	o.last = latest;
	return o;
}

static unsigned failures;

static void expect(const char *what, double got, double wanted, double tolerance)
{
	double off = got > wanted ? got - wanted : wanted - got;

	if (off <= tolerance)
		return;
	failures++;
	printf("%s: %.3f, not %.3f within %.3f\n", what, got, wanted, tolerance);
}

/* What n independent draws may differ by. */
static double deviation(double n, double p) { return SIGMAS * sqrt(n * p * (1 - p)) + 1; }

static void test_losses(void)
{
	struct model m;
	struct outcome o = test_run("loss=3,delay=10ms", &m, 1), again;

	expect("lost at 3 %", (double)o.lost, TEST_FRAMES * 0.03, deviation(TEST_FRAMES, 0.03));
	expect("lost by the count", (double)m.n.lost_random, (double)o.lost, 0);
	again = test_run("loss=3,delay=10ms", &m, 1);
	expect("lost by the same seed", (double)again.bursts, (double)o.bursts, 0);
	o = test_run("loss=0.1", &m, 2);
	expect("lost at 0.1 %", (double)o.lost, TEST_FRAMES * 0.001, deviation(TEST_FRAMES, 0.001));
	o = test_run("burst=2,burstlen=8", &m, 3);
	/* each of about 500 bursts has a length with a standard deviation of 7.5 */
	expect("lost in bursts", (double)m.n.lost_burst, TEST_FRAMES * 0.02, SIGMAS * 8 * sqrt(2 * 500));
	expect("bursts", (double)o.bursts, 500, SIGMAS * sqrt(500));
	o = test_run("dup=1", &m, 4);
	expect("twice at 1 %", (double)o.twice, TEST_FRAMES * 0.01, deviation(TEST_FRAMES, 0.01));
	expect("lost without loss", (double)o.lost, 0, 0);
	test_run("mtu=1499", &m, 5);
	expect("too large", (double)m.n.lost_mtu, TEST_FRAMES, 0);
	test_run("mtu=1500", &m, 5);
	expect("not too large", (double)m.n.lost_mtu, 0, 0);
}

static void test_times(void)
{
	struct model m;
	struct outcome o = test_run("delay=25ms", &m, 1);

	expect("delay, least", o.delay_us_min, 25000, 0);
	expect("delay, most", o.delay_us_max, 25000, 0);
	/* each may push those behind it, at most by what jitter is */
	o = test_run("delay=10ms,jitter=5us", &m, 2);
	expect("jitter, mean", o.delay_us_sum / (double)o.out, 10002.5, 0.05);
	expect("overtaken by jitter", (double)o.overtaken, 0, 0);
	o = test_run("delay=1ms,reorder=1,late=25us", &m, 3);
	expect("late", (double)m.n.late, TEST_FRAMES * 0.01, deviation(TEST_FRAMES, 0.01));
	/* by two each, 10 us apart, but for those that are late themselves */
	expect("overtook", (double)o.overtaken, 2.0 * (double)m.n.late, 0.04 * (double)m.n.late);
}

/* 1514 + 24 bytes each 10 us are 1230 Mb/s. */
static void test_rates(void)
{
	struct model m;
	struct outcome o = test_run("rate=100M,queue=150K,delay=1ms", &m, 1);
	double seconds = (double)(o.last - NS_PER_SEC) / 1e9;

	expect("Mb/s at 100", (double)o.out * (TEST_LEN + WIRE_EXTRA) * 8 / 1e6 / seconds, 100, 0.1);
	expect("lost by the queue", (double)m.n.lost_queue, (double)(TEST_FRAMES - o.out), 0);
	expect("queue, most", (double)m.n.queue_max, 150e3, 2 * TEST_LEN);
	expect("delay, most", o.delay_us_max, 1000 + 150e3 * 8 / 100, 300);
	o = test_run("rate=2G,queue=150K", &m, 1);
	expect("lost below the rate", (double)o.lost, 0, 0);
}

static void test_heap(void)
{
	struct heap h = { 0 };
	struct tas_rand r;
	uint64_t wrong = 0, n = 5000;
	struct frame last = { 0 };

	rand_seed(&r, 1);
	for (uint64_t i = 0; i < n; i++)
		heap_push(&h, (const uint8_t *)&i, sizeof(i), rand_below(&r, 1000));
	for (uint64_t i = 0; i < n; i++) {
		struct frame f = heap_pop(&h);

		wrong += i > 0 && frame_before(&f, &last);
		free(f.data);
		last = f;
	}
	expect("out of the order of time", (double)wrong, 0, 0);
	expect("left in the heap", (double)h.n, 0, 0);
	free(h.f);
}

int self_test(void)
{
	test_losses();
	test_times();
	test_rates();
	test_heap();
	printf("self-test: %u failed\n", failures);
	return failures > 0;
}
