/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_hashes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SIM_HASHES is the file's path: meson.build. */
enum { NAME_MAX_LEN = 31, LINES_MAX = 256 };

struct line {
	char name[NAME_MAX_LEN + 1];
	uint64_t seed, hash;
};

static bool failed(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", SIM_HASHES, what, strerror(errno));
	return false;
}

/* How many lines there are; -1 if it cannot be read. */
static int lines_read(struct line *line)
{
	FILE *f = fopen(SIM_HASHES, "r");
	int n = 0;

	if (f == NULL)
		return -1;
	while (n < LINES_MAX &&
		fscanf(f, "%31s %" SCNu64 " %" SCNx64, line[n].name, &line[n].seed, &line[n].hash) == 3)
		n++;
	fclose(f);
	return n;
}

bool hashes_read(struct sim_hashes *h, const char *name)
{
	struct line line[LINES_MAX];
	int n;

	*h = (struct sim_hashes){ .name = name };
	if (name == NULL)
		return true;
	n = lines_read(line);
	if (n < 0)
		return failed("cannot be read");
	for (int i = 0; i < n; i++)
		if (strcmp(line[i].name, name) == 0 && line[i].seed - 1 < HASHES_SEEDS)
			h->hash[line[i].seed - 1] = line[i].hash;
	return true;
}

bool hashes_same(const struct sim_hashes *h, uint64_t seed, uint64_t hash)
{
	if (h->name == NULL || seed - 1 >= HASHES_SEEDS || h->hash[seed - 1] == hash)
		return true;
	fprintf(stderr,
		"seed %" PRIu64 " of %s gave %016" PRIx64 ", not %016" PRIx64
		" as tests/sim/hashes.txt has it.\n"
		"If what goes over the wire was meant to change: ninja -C build hashes. If not, or if\n"
		"another build comes to what the file has: compare traces (--seed %" PRIu64 " --trace).\n",
		seed, h->name, hash, h->hash[seed - 1], seed);
	return false;
}

bool hashes_write(const struct sim_hashes *h)
{
	struct line line[LINES_MAX];
	int n = lines_read(line);
	FILE *f = fopen(SIM_HASHES, "w");

	if (f == NULL)
		return failed("cannot be written");
	for (int i = 0; i < n; i++)
		if (strcmp(line[i].name, h->name) != 0)
			fprintf(f, "%s %" PRIu64 " %016" PRIx64 "\n", line[i].name, line[i].seed,
				line[i].hash);
	for (unsigned i = 0; i < HASHES_SEEDS; i++)
		fprintf(f, "%s %u %016" PRIx64 "\n", h->name, i + 1, h->hash[i]);
	return fclose(f) == 0 || failed("cannot be written");
}
