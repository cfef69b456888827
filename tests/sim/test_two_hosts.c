/* SPDX-License-Identifier: BSD-3-Clause */
/* test_two_hosts.c - whole hosts exchange data in virtual time, over networks that lose, repeat, reorder and spoil.
 *
 *	two_hosts                    200 seeds, and one of them twice
 *	two_hosts --seeds A..B       those
 *	two_hosts --seed N [--trace] one; with every frame */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/sim_host.h"
#include "tests/sim/sim_run.h"

enum { SEEDS = 200, TWICE = 7, FAILURES_MAX = 10 };

static const char *program;

static void on_abort(int number)
{
	signal(number, SIG_DFL);
	sim_run_dying();
	raise(number);
}

struct sum {
	uint64_t seeds, failed, frames, payload, connections, lost, sent_again, timeouts, recoveries;
	double virtual_s;
};

static void add(struct sum *s, const struct sim_outcome *o)
{
	s->seeds++;
	s->failed += !o->ok;
	s->frames += o->frames;
	s->payload += o->payload;
	s->connections += o->connections;
	s->lost += o->lost_payload;
	s->sent_again += o->rtx_payload;
	s->timeouts += o->timeouts;
	s->recoveries += o->recoveries;
	s->virtual_s += (double)o->virtual_ns / 1e9;
}

static bool one(uint64_t seed, const struct sim_options *opt, struct sum *s, struct sim_outcome *o)
{
	sim_run(seed, opt, o);
	add(s, o);
	if (!o->ok) {
		sim_describe(seed, stderr);
		fprintf(stderr, "replay: %s --seed %" PRIu64 " --trace\n", program, seed);
	}
	return o->ok;
}

static int report(const struct sum *s)
{
	double ratio = s->lost > 0 ? (double)s->sent_again / (double)s->lost : 0;

	printf("%" PRIu64 " seeds, %" PRIu64 " connections, %.1f MB, %" PRIu64
	       " frames, %.0f virtual seconds: %" PRIu64 " failed\n",
		s->seeds, s->connections, (double)s->payload / 1e6, s->frames, s->virtual_s, s->failed);
	printf("%" PRIu64 " fast recoveries, %" PRIu64 " timeouts; at 1 %% loss %" PRIu64
	       " bytes lost, %" PRIu64 " sent again (%.2f)\n",
		s->recoveries, s->timeouts, s->lost, s->sent_again, ratio);
	if (ratio <= 1.5)
		return s->failed > 0;
	fprintf(stderr, "more than 1.5 times what was lost is sent again\n");
	return 1;
}

static int many(uint64_t from, uint64_t to, bool quiet)
{
	struct sim_options opt = { 0 };
	struct sum s = { 0 };
	struct sim_outcome o;

	for (uint64_t seed = from; seed <= to && s.failed < FAILURES_MAX; seed++) {
		one(seed, &opt, &s, &o);
		if (!quiet)
			printf("seed %" PRIu64 ": %s %016" PRIx64 " %" PRIu64 " frames, %" PRIu64
			       " again, %" PRIu64 " timeouts, %.3f s\n",
				seed, o.ok ? "ok" : o.what, o.hash, o.frames, o.again, o.timeouts,
				(double)o.virtual_ns / 1e9);
	}
	return report(&s);
}

static int same_twice(uint64_t seed)
{
	struct sim_options opt = { 0 };
	struct sim_outcome first, second;

	sim_run(seed, &opt, &first);
	sim_run(seed, &opt, &second);
	if (first.hash == second.hash)
		return 0;
	fprintf(stderr, "seed %" PRIu64 " gave %016" PRIx64 ", then %016" PRIx64 "\n", seed, first.hash,
		second.hash);
	return 1;
}

static int single(uint64_t seed, bool trace)
{
	struct sim_options opt = { .trace = trace ? stdout : NULL };
	struct sum s = { 0 };
	struct sim_outcome o;

	sim_describe(seed, stdout);
	one(seed, &opt, &s, &o);
	printf("hash %016" PRIx64 ", %" PRIu64 " steps\n", o.hash, o.steps);
	return report(&s);
}

static int usage(void)
{
	fprintf(stderr, "usage: %s [--seeds A..B [--quiet] | --seed N [--trace]]\n", program);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'r' }, { "trace", no_argument, NULL, 't' },
		{ "quiet", no_argument, NULL, 'q' }, { NULL, 0, NULL, 0 } };
	uint64_t from = 1, to = SEEDS, seed = 0;
	bool trace = false, is_range = false, is_single = false, quiet = false;
	int c;

	program = argv[0];
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			is_single = sscanf(optarg, "%" SCNu64, &seed) == 1;
		else if (c == 'r')
			is_range = sscanf(optarg, "%" SCNu64 "..%" SCNu64, &from, &to) == 2;
		else if (c == 't')
			trace = true;
		else if (c == 'q')
			quiet = true;
		else
			return usage();
	}
	if (host_eal_start() != 0)
		return 1;
	signal(SIGABRT, on_abort);
	signal(SIGSEGV, on_abort);
	if (is_single)
		return single(seed, trace);
	c = many(from, to, quiet || !is_range);
	return c != 0 || is_range ? c : same_twice(TWICE);
}
