/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_main.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim_hashes.h"
#include "tests/sim/sim_host.h"
#include "tests/sim/sim_run.h"

enum { TWICE = 7, FAILURES_MAX = 10 };

struct args {
	const struct sim_program *program;
	const char *name;
	uint64_t from, to;
	bool trace, quiet, ranged, single, renew;
	struct sim_hashes hashes; /* of the usual run */
};

struct sum {
	uint64_t seeds, failed, frames, payload, connections, lost, sent_again, timeouts, recoveries, deeds,
		faults, again, undone, dsacks;
	double virtual_s;
};

static void on_abort(int number)
{
	signal(number, SIG_DFL);
	sim_run_dying();
	raise(number);
}

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
	s->deeds += o->deeds;
	s->faults += o->faults;
	s->again += o->again;
	s->undone += o->undone;
	s->dsacks += o->dsacks;
	s->virtual_s += (double)o->virtual_ns / 1e9;
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
	printf("%" PRIu64 " segments sent again; %" PRIu64 " reported to have come twice, %" PRIu64
	       " recoveries and timeouts taken back\n",
		s->again, s->dsacks, s->undone);
	if (s->deeds > 0)
		printf("%" PRIu64 " misdeeds, %" PRIu64 " found and counted\n", s->deeds, s->faults);
	if (ratio <= 1.5)
		return s->failed > 0;
	fprintf(stderr, "more than 1.5 times what was lost is sent again\n");
	return 1;
}

static void one(const struct args *a, uint64_t seed, struct sum *s, struct sim_outcome *o)
{
	struct sim_options opt = { .trace = a->trace ? stdout : NULL,
		.hostile = a->program->hostile,
		.other = a->program->other };

	sim_run(seed, &opt, o);
	if (o->ok && !hashes_same(&a->hashes, seed, o->hash))
		o->ok = false;
	add(s, o);
	if (o->ok)
		return;
	sim_describe(seed, &opt, stderr);
	fprintf(stderr, "replay: %s --seed %" PRIu64 " --trace\n", a->name, seed);
}

static int seeds(const struct args *a)
{
	struct sum s = { 0 };
	struct sim_outcome o;

	for (uint64_t seed = a->from; seed <= a->to && s.failed < FAILURES_MAX; seed++) {
		one(a, seed, &s, &o);
		if (!a->quiet)
			printf("seed %" PRIu64 ": %s %016" PRIx64 " %" PRIu64 " frames, %" PRIu64
			       " again, %" PRIu64 " timeouts, %.3f s, %" PRIu64 " steps\n",
				seed, o.ok ? "ok" : o.what, o.hash, o.frames, o.again, o.timeouts,
				(double)o.virtual_ns / 1e9, o.steps);
	}
	return report(&s);
}

static int same_twice(const struct args *a)
{
	struct sim_outcome first, second;
	struct sum s = { 0 };

	one(a, TWICE, &s, &first);
	one(a, TWICE, &s, &second);
	if (first.hash == second.hash)
		return 0;
	fprintf(stderr, "seed %d gave %016" PRIx64 ", then %016" PRIx64 "\n", TWICE, first.hash, second.hash);
	return 1;
}

static int renew(const struct args *a)
{
	struct sim_hashes h = { .name = a->program->hashes };
	struct sim_outcome o;
	struct sum s = { 0 };

	for (unsigned i = 0; i < HASHES_SEEDS; i++) {
		one(a, i + 1, &s, &o);
		h.hash[i] = o.hash;
	}
	return s.failed == 0 && hashes_write(&h) ? 0 : 1;
}

static bool parse(int argc, char **argv, struct args *a)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'r' }, { "trace", no_argument, NULL, 't' },
		{ "quiet", no_argument, NULL, 'q' }, { "hashes", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's' && sscanf(optarg, "%" SCNu64, &a->from) == 1)
			a->single = true;
		else if (c == 'r' && sscanf(optarg, "%" SCNu64 "..%" SCNu64, &a->from, &a->to) == 2)
			a->ranged = true;
		else if (c == 't')
			a->trace = true;
		else if (c == 'q')
			a->quiet = true;
		else if (c == 'h' && a->program->hashes != NULL)
			a->renew = true;
		else
			return false;
	}
	if (a->single)
		a->to = a->from;
	return optind == argc;
}

static uint64_t seeds_of(const struct sim_program *p)
{
	const char *more = getenv("CHECK_LONG");

	return more != NULL && more[0] != '\0' ? p->long_seeds : p->seeds;
}

int sim_main(int argc, char **argv, const struct sim_program *p)
{
	struct args a = { .program = p, .name = argv[0], .from = 1, .to = seeds_of(p) };
	int rc;

	if (!parse(argc, argv, &a)) {
		fprintf(stderr, "usage: %s [--seeds A..B [--quiet] | --seed N [--trace]%s]\n", argv[0],
			p->hashes != NULL ? " | --hashes" : "");
		return 2;
	}
	if (host_eal_start() != 0)
		return 1;
	signal(SIGABRT, on_abort);
	signal(SIGSEGV, on_abort);
	if (a.renew)
		return renew(&a);
	if (a.single)
		sim_describe(a.from, &(struct sim_options){ .other = p->other }, stdout);
	else if (!a.ranged)
		a.quiet = true;
	if (!a.single && !a.ranged && !hashes_read(&a.hashes, p->hashes))
		return 1;
	rc = seeds(&a);
	return rc != 0 || a.single || a.ranged ? rc : same_twice(&a);
}
