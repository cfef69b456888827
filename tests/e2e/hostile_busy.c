/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile_busy.c - nothing that is forbidden, without end: messages in every context at once, and one that
 * takes nothing of what it is sent. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "include/base/compiler.h"
#include "tests/e2e/hostile.h"
#include "tests/e2e/raw.h"

enum { FLOWS = 32 };

static struct raw r;
static struct raw_flow f[FLOWS];

static struct abi_bell_ring *bells(uint32_t context)
{
	return (void *)(r.base + r.context[context].shm->bell_off[0]);
}

/* All contexts that it may have; a flow in each of some. */
static void contexts_open(const char *peer, const char *port)
{
	raw_attach(&r);
	while (raw_context_add(&r) == 0)
		;
	for (uint32_t i = 0; i < FLOWS; i++) {
		errno = raw_connect(&r, peer, (uint16_t)atoi(port), &f[i]);
		if (errno != 0 || !raw_until(&r, &f[i], ABI_EV_CONNECTED))
			raw_die("no connection to begin with");
	}
}

/* As many valid messages as its ring holds, each of which wants an answer, for which it says to be asleep. */
static void ring_fill(uint32_t context)
{
	struct abi_bell_ring *ring = bells(context);
	struct raw_context *c = &r.context[context];
	uint64_t end = atomic_load(&ring->consumed) + ABI_BELL_SLOTS;

	for (; c->produced[0] < end; c->produced[0]++) {
		const struct raw_flow *of = &f[c->produced[0] % FLOWS];

		ring->slot[c->produced[0] % ABI_BELL_SLOTS] =
			(struct abi_bell){ .flow = of->flow, .gen = of->gen, .flags = ABI_BELL_REFRESH };
		atomic_store(&of->shm->context, (uint16_t)context);
	}
	atomic_store(&ring->produced, c->produced[0]);
	atomic_store(&c->shm->asleep, 1);
}

/* Every notification is taken at once, so that the next one is told, too. */
static void notified_all(uint32_t context)
{
	struct abi_notify_ring *n = (void *)(r.base + r.context[context].shm->notify_off[0]);

	atomic_store(&n->consumed, atomic_load(&n->produced));
}

int hostile_torrent(int argc TAS_UNUSED, char **argv)
{
	uint64_t end = raw_now_ms() + (uint64_t)(atof(argv[0]) * 1000);

	contexts_open(argv[1], argv[2]);
	printf("begins\n");
	fflush(stdout);
	while (raw_now_ms() < end) {
		for (uint32_t i = 0; i < r.nr_contexts; i++) {
			ring_fill(i);
			notified_all(i);
		}
		atomic_store(&r.header->core_line[0].bells, UINT64_MAX);
		raw_ring(&r, 0);
	}
	if (raw_hung_up(&r, 0)) {
		fprintf(stderr, "torrent: cut off for messages that are allowed\n");
		return 1;
	}
	return 0;
}

/* What the torrent is compared with: keeps tasd's core awake, too, by one question at a time. */
int hostile_chatter(int argc TAS_UNUSED, char **argv)
{
	uint64_t end = raw_now_ms() + (uint64_t)(atof(argv[0]) * 1000);

	contexts_open(argv[1], argv[2]);
	printf("begins\n");
	fflush(stdout);
	while (raw_now_ms() < end) {
		struct abi_bell b = { .flow = f[0].flow, .gen = f[0].gen, .flags = ABI_BELL_REFRESH };

		raw_bell(&r, 0, &b);
		while (atomic_load(&bells(0)->consumed) != r.context[0].produced[0] && raw_now_ms() < end)
			;
		notified_all(0);
	}
	return 0;
}

int hostile_hoard(int argc TAS_UNUSED, char **argv)
{
	uint16_t port = (uint16_t)atoi(argv[0]);
	unsigned wanted = (unsigned)atoi(argv[1]);
	struct raw_flow taken;

	raw_attach(&r);
	errno = raw_context_add(&r);
	if (errno == 0)
		errno = raw_listen(&r, port, 1);
	if (errno == 0)
		errno = raw_arm(&r, 1, 0);
	if (errno != 0)
		raw_die("listen");
	printf("listens\n");
	fflush(stdout);
	for (unsigned i = 0; i < wanted; i++)
		if (!raw_accept(&r, 0, 10000, &taken))
			raw_die("accept");
	printf("hoards\n");
	fflush(stdout);
	for (;;)
		pause();
}
