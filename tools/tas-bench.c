/* SPDX-License-Identifier: BSD-3-Clause */
/* tas-bench - what tasd's code costs, in TSC cycles, beside a floor measured in the same run.
 * It drives the code that is linked into tasd, in one thread, over in-memory ports and real rings. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "tools/bench/bench.h"

static const struct bench *const benches[] = { &bench_fastpath_rpc, &bench_bulk_rx, &bench_bulk_tx,
	&bench_lib_posix };

static void usage(FILE *to)
{
	fprintf(to,
		"usage: tas-bench list\n"
		"       tas-bench run [NAME...] [--json]\n"
		"Costs are TSC cycles for one operation; the floor is a bare burst in and\n"
		"out and a memcpy of the same bytes, in the same run (of lib_posix, which\n"
		"has no port, the memcpy).\n");
}

static int list(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(benches); i++)
		printf("%-14s %s\n", benches[i]->name, benches[i]->help);
	return 0;
}

/* Its number; ARRAY_LEN(benches) and a line on standard error if there is none. */
static unsigned find(const char *name)
{
	unsigned i = 0;

	while (i < ARRAY_LEN(benches) && strcmp(benches[i]->name, name) != 0)
		i++;
	if (i < ARRAY_LEN(benches))
		return i;
	fprintf(stderr, "tas-bench: there is no benchmark called %s; there are:", name);
	for (unsigned k = 0; k < ARRAY_LEN(benches); k++)
		fprintf(stderr, " %s", benches[k]->name);
	fprintf(stderr, "\n");
	return i;
}

static void print_text(const struct bench_result *r, unsigned n)
{
	printf("TSC %.2f GHz, one thread, net_ring port, software checksums\n",
		(double)rte_get_tsc_hz() / 1e9);
	printf("%-14s %8s %10s %10s %8s  %s\n", "benchmark", "flows", "cycles", "floor", "rounds", "per");
	for (unsigned i = 0; i < n; i++)
		printf("%-14s %8u %10.0f %10.0f %8lu  %s\n", r[i].name, r[i].flows, r[i].cycles,
			r[i].floor_cycles, (unsigned long)r[i].rounds, r[i].unit);
}

static void print_json(const struct bench_result *r, unsigned n)
{
	printf("[");
	for (unsigned i = 0; i < n; i++)
		printf("%s\n  {\"name\": \"%s\", \"flows\": %u, \"cycles\": %.1f, "
		       "\"floor_cycles\": %.1f, \"rounds\": %lu}",
			i > 0 ? "," : "", r[i].name, r[i].flows, r[i].cycles, r[i].floor_cycles,
			(unsigned long)r[i].rounds);
	printf("\n]\n");
}

/* Each that is named once, in the order of the list; all, if none is. */
static int run(char **names, int count, bool json)
{
	struct bench_result results[BENCH_RESULTS_MAX];
	bool chosen[ARRAY_LEN(benches)];
	unsigned n = 0;

	memset(chosen, count == 0, sizeof(chosen));
	for (int i = 0; i < count; i++) {
		unsigned k = find(names[i]);

		if (k == ARRAY_LEN(benches))
			return 2;
		chosen[k] = true;
	}
	for (unsigned i = 0; i < ARRAY_LEN(benches); i++)
		if (chosen[i] && !benches[i]->run(results, &n))
			return 1;
	(json ? print_json : print_text)(results, n);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	bool json = false;
	int o;

	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (o != 'j') {
			usage(o == 'h' ? stdout : stderr);
			return o == 'h' ? 0 : 2;
		}
		json = true;
	}
	if (optind + 1 == argc && strcmp(argv[optind], "list") == 0)
		return list();
	if (optind < argc && strcmp(argv[optind], "run") == 0)
		return run(argv + optind + 1, argc - optind - 1, json);
	usage(stderr);
	return 2;
}
