/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile_scribble.c - random bytes over everything that is shared with tasd, as fast as they come. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"
#include "tests/e2e/hostile.h"
#include "tests/e2e/raw.h"

enum {
	HOT = 1 << 20,   /* header, records, rings: where a wrong byte hurts most */
	HOT_ROUNDS = 32, /* for each over everything */
	CONTEXTS = 4,
	CONNECTIONS = 8,
	AREA = 1 << 25,  /* of the harmless one */
	LATE_MS = 60000, /* until which it is cut off once on a machine as busy as can be */
};

static struct tas_rand any;

static void scribble(char *base, uint64_t size)
{
	for (volatile uint64_t *at = (void *)base, *end = (void *)(base + size); at < end; at++)
		*at = rand_u64(&any);
}

/* The header, rings and records come first in a region. Each time tasd is rung, so that it looks. */
static void scribble_all(char *base, uint64_t size, int bell)
{
	const uint64_t one = 1;

	for (unsigned i = 0; i < HOT_ROUNDS; i++) {
		scribble(base, min_u64(size, HOT));
		if (write(bell, &one, sizeof(one)) < 0 && errno != EAGAIN)
			raw_die("eventfd");
	}
	scribble(base, size);
}

/* With connections that live: a client of the test holds some, and comes again when they are reset. */
static void attach(struct raw *r, uint16_t port)
{
	struct raw_flow f;

	raw_attach(r);
	for (unsigned i = 0; i < CONTEXTS; i++)
		raw_context_add(r);
	errno = raw_listen(r, port, 1);
	if (errno == 0)
		errno = raw_arm(r, 1, 0);
	if (errno != 0)
		raw_die("listen");
	for (unsigned i = 0; i < CONNECTIONS && raw_accept(r, 0, 20, &f); i++)
		raw_write(r, &f, "good morning\n", 13);
}

int hostile_scribble(int argc TAS_UNUSED, char **argv)
{
	uint64_t end = raw_now_ms() + (uint64_t)(atof(argv[0]) * 1000);
	uint16_t port = (uint16_t)atoi(argv[1]);
	unsigned cut = 0;
	struct raw r;

	rand_seed(&any, 2);
	attach(&r, port);
	while (raw_now_ms() < end || (cut == 0 && raw_now_ms() < end + LATE_MS)) {
		scribble_all(r.base, r.size, r.core_fd[0]);
		if (!raw_hung_up(&r, 0))
			continue;
		cut++;
		raw_close(&r);
		attach(&r, port);
	}
	printf("cut off %u times\n", cut);
	return cut > 0 ? 0 : 1;
}

int hostile_harmless(int argc TAS_UNUSED, char **argv)
{
	uint64_t end = raw_now_ms() + (uint64_t)(atof(argv[0]) * 1000);
	char *base = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	int bell = eventfd(0, EFD_NONBLOCK);

	rand_seed(&any, 2);
	if (base == MAP_FAILED || bell < 0)
		raw_die("mmap");
	while (raw_now_ms() < end)
		scribble_all(base, AREA, bell);
	return 0;
}
