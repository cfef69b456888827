/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile_bell.c - messages that are well-formed but for one field, indices that run ahead or back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"
#include "tests/e2e/hostile.h"
#include "tests/e2e/raw.h"

enum {
	MESSAGES = 4000,
	MESSAGES_FEW = 1280, /* about as many come until who is wrong with each is cut off */
	CUT_OFF_MS = 50,     /* and about as long as that takes */
	EVENTS_OPEN = ABI_EV_CONNECTED,
};

struct offender {
	struct raw r;
	struct raw_flow f;
	const char *peer;
	uint16_t port;
};

static struct offender o;

static bool open_flow(void)
{
	errno = raw_connect(&o.r, o.peer, o.port, &o.f);
	return errno == 0 && raw_until(&o.r, &o.f, EVENTS_OPEN);
}

static void begin(const char *peer, const char *port)
{
	o.peer = peer;
	o.port = (uint16_t)atoi(port);
	raw_attach(&o.r);
	errno = raw_context_add(&o.r);
	if (errno != 0 || !open_flow() || !raw_echo(&o.r, &o.f))
		raw_die("no connection to begin with");
}

/* Comes and goes as often as who punches holes, and no more. */
int hostile_visit(int argc TAS_UNUSED, char **argv)
{
	raw_attach(&o.r);
	raw_close(&o.r);
	begin(argv[0], argv[1]);
	return 0;
}

/* --- one field wrong --- */

static uint64_t rx_end(void) { return atomic_load(&o.f.shm->rx_end); }
static uint64_t tx_una(void) { return atomic_load(&o.f.shm->tx_una); }

static void flow_beyond(struct abi_bell *b, uint32_t i) { b->flow = UINT32_MAX - i; }
static void flow_unused(struct abi_bell *b, uint32_t i) { b->flow += 100 + i % 100; }
static void gen_later(struct abi_bell *b, uint32_t i) { b->gen += 1 + i; }
static void gen_zero(struct abi_bell *b, uint32_t i TAS_UNUSED) { b->gen = 0; }
static void read_ahead(struct abi_bell *b, uint32_t i) { b->rx_read = rx_end() + 1 + i; }
static void read_far_ahead(struct abi_bell *b, uint32_t i)
{
	b->rx_read = rx_end() + ((uint64_t)i << 40) + 1;
}
static void read_back(struct abi_bell *b, uint32_t i) { b->rx_read = rx_end() - o.f.shm->rx_size - 1 - i; }
static void read_before_birth(struct abi_bell *b, uint32_t i) { b->rx_read = UINT64_MAX - i; }
static void sent_ahead(struct abi_bell *b, uint32_t i) { b->tx_end = tx_una() + o.f.shm->tx_size + 1 + i; }
static void sent_far_ahead(struct abi_bell *b, uint32_t i) { b->tx_end = tx_una() + INT64_MAX - i; }
static void sent_back(struct abi_bell *b, uint32_t i) { b->tx_end = tx_una() - i % 20; }
static void sent_before_birth(struct abi_bell *b, uint32_t i) { b->tx_end = UINT64_MAX - i; }
static void flag_unknown(struct abi_bell *b, uint32_t i) { b->flags |= (ABI_BELL_ALL + 1u) << i % 19; }

static void context_unknown(struct abi_bell *b, uint32_t i)
{
	b->flags |= ABI_BELL_REFRESH;
	atomic_store(&o.f.shm->context, (uint16_t)(1 + i * i % (UINT16_MAX - 1)));
}

static void told_for_ever(struct abi_bell *b, uint32_t i TAS_UNUSED)
{
	b->flags |= ABI_BELL_REFRESH | ABI_BELL_WANT_SPACE;
}

/* --- indices --- */

static struct abi_bell_ring *bells(void) { return (void *)(o.r.base + o.r.context[0].shm->bell_off[0]); }

static void produced_set(uint64_t to)
{
	atomic_store(&bells()->produced, to);
	raw_ring(&o.r, 0);
}

static void produced_ahead(struct abi_bell *b TAS_UNUSED, uint32_t i)
{
	produced_set(atomic_load(&bells()->produced) + ABI_BELL_SLOTS + 1 + i);
}

static void produced_back(struct abi_bell *b TAS_UNUSED, uint32_t i)
{
	produced_set(atomic_load(&bells()->produced) - 1 - i);
}

/* What we consumed, in the rings that tasd writes. */
static void consumed_nonsense(struct abi_bell *b, uint32_t i)
{
	for (uint32_t core = 0; core <= o.r.cores; core++) {
		struct abi_notify_ring *n = (void *)(o.r.base + o.r.context[0].shm->notify_off[core]);

		atomic_store(&n->consumed, atomic_load(&n->produced) + (i % 2 ? 1 + i : -(uint64_t)i * 5000));
	}
	told_for_ever(b, i);
}

/* What tasd has consumed is tasd's to know. */
static void their_index(struct abi_bell *b, uint32_t i)
{
	atomic_store(&bells()->consumed, i * 0x123456789ull);
	told_for_ever(b, i);
}

static void contexts_unknown(struct abi_bell *b TAS_UNUSED, uint32_t i TAS_UNUSED)
{
	atomic_store(&o.r.header->core_line[0].bells, UINT64_MAX);
	for (unsigned core = 1; core < ABI_CORES_MAX; core++)
		atomic_store(&o.r.header->core_line[core].bells, UINT64_MAX);
}

/* Every offset and number of the header and of the context that somebody might believe. */
static void layout_nonsense(struct abi_bell *b TAS_UNUSED, uint32_t i)
{
	struct abi_context *c = o.r.context[0].shm;

	memset((char *)o.r.header, (int)i, offsetof(struct abi_header, rec_chunk_off));
	for (unsigned k = 1; k < ABI_REC_CHUNKS_MAX; k++)
		atomic_store(&o.r.header->rec_chunk_off[k], (uint64_t)i << 30);
	c->id = c->cores = i;
	memset(&c->bell_off[1], (int)i, sizeof(c->bell_off) - sizeof(c->bell_off[0]));
	memset(o.f.shm, (int)i, sizeof(*o.f.shm));
}

static const struct kind {
	const char *name;
	void (*spoil)(struct abi_bell *b, uint32_t i);
	bool counted; /* so often that it is cut off; the others cannot be told from bad luck, or hurt nobody
		       */
	bool silent;  /* no message goes with it */
	bool lasting; /* no honest use of the region is possible afterwards */
} kinds[] = {
	{ "flow-beyond", flow_beyond, true, false, false },
	{ "flow-unused", flow_unused, false, false, false },
	{ "gen-later", gen_later, false, false, false },
	{ "gen-zero", gen_zero, false, false, false },
	{ "read-ahead", read_ahead, true, false, false },
	{ "read-far-ahead", read_far_ahead, true, false, false },
	{ "read-back", read_back, false, false, false },
	{ "read-before-birth", read_before_birth, false, false, false },
	{ "sent-ahead", sent_ahead, true, false, false },
	{ "sent-far-ahead", sent_far_ahead, true, false, false },
	{ "sent-back", sent_back, false, false, false },
	{ "sent-before-birth", sent_before_birth, false, false, false },
	{ "flag-unknown", flag_unknown, true, false, false },
	{ "context-unknown", context_unknown, true, false, false },
	{ "told-for-ever", told_for_ever, false, false, false },
	{ "produced-ahead", produced_ahead, true, true, false },
	{ "produced-back", produced_back, true, true, false },
	{ "consumed-nonsense", consumed_nonsense, false, false, false },
	{ "their-index", their_index, false, false, true },
	{ "contexts-unknown", contexts_unknown, false, true, false },
	{ "layout-nonsense", layout_nonsense, false, false, true },
};

static struct abi_bell valid(void)
{
	return (struct abi_bell){ .flow = o.f.flow,
		.gen = o.f.gen,
		.rx_read = o.f.rx_read,
		.tx_end = o.f.tx_end,
		.flags = ABI_BELL_POSITIONS };
}

/* Waits until tasd has looked: an index of its own that ours does not spoil is the only sign. It
 * pauses: else it would take a CPU from the others for as long as it takes tasd to get one.
 */
static void taken(void)
{
	struct abi_core_line *line = &o.r.header->core_line[0];

	for (uint64_t end = raw_now_ms() + 20; atomic_load(&line->bells) != 0 && raw_now_ms() < end;)
		raw_pause_us(50);
}

static void offend(const struct kind *k, uint32_t messages, bool harmless)
{
	uint64_t produced = o.r.context[0].produced[0];

	for (uint32_t i = 0; i < messages && !raw_hung_up(&o.r, 0); i++) {
		struct abi_bell b = valid();

		if (!harmless)
			k->spoil(&b, i);
		if (!k->silent && !k->lasting) {
			raw_bell(&o.r, 0, &b);
			continue;
		}
		if (k->lasting) { /* our own way of ringing is spoilt, too */
			bells()->slot[produced % ABI_BELL_SLOTS] = b;
			atomic_store(&bells()->produced, ++produced);
		}
		raw_ring(&o.r, 0);
		taken();
	}
}

static const struct kind *kind_named(const char *name)
{
	for (const struct kind *k = kinds; k < kinds + ARRAY_LEN(kinds); k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

static bool works_still(const char *name)
{
	if (!raw_hung_up(&o.r, 200) && raw_echo(&o.r, &o.f))
		return true;
	fprintf(stderr, "%s: an own flow does not work any more\n", name);
	return false;
}

int hostile_bell(int argc TAS_UNUSED, char **argv)
{
	const struct kind *k = kind_named(argv[0]);

	if (k == NULL)
		return 2;
	begin(argv[1], argv[2]);
	offend(k, MESSAGES, false);
	if (k->counted && !raw_hung_up(&o.r, 5000)) {
		fprintf(stderr, "%s: not cut off\n", k->name);
		return 1;
	}
	return !k->counted && !k->lasting && !works_still(k->name);
}

/* As busy as who is wrong in that way: as many messages, as often, with nothing wrong in them. */
int hostile_twin(int argc TAS_UNUSED, char **argv)
{
	const struct kind *k = kind_named(argv[0]);

	if (k == NULL)
		return 2;
	begin(argv[1], argv[2]);
	offend(k, k->counted ? MESSAGES_FEW : MESSAGES, true);
	if (k->counted && raw_hung_up(&o.r, CUT_OFF_MS)) {
		fprintf(stderr, "%s: its twin was cut off\n", k->name);
		return 1;
	}
	return !k->counted && !k->lasting && !works_still(k->name);
}

/* --- flags of every kind in every state --- */

enum { FLOWS = 300 };

int hostile_flags(int argc TAS_UNUSED, char **argv)
{
	struct tas_rand any;

	rand_seed(&any, 1);
	begin(argv[0], argv[1]);
	for (unsigned i = 0; i < FLOWS && !raw_hung_up(&o.r, 0); i++) {
		errno = raw_connect(&o.r, i % 4 == 0 ? "10.77.0.77" : o.peer, o.port, &o.f);
		if (errno != 0)
			raw_die("connect");
		if (i % 4 > 1)
			raw_until(&o.r, &o.f, EVENTS_OPEN);
		for (unsigned k = 0; k < 20; k++) {
			struct abi_bell b = valid();

			b.flags = (uint32_t)rand_u64(&any) & ABI_BELL_ALL;
			b.tx_end = b.flags & ABI_BELL_POSITIONS ? rand_below(&any, 2000) : 0;
			raw_bell(&o.r, 0, &b);
		}
	}
	if (raw_hung_up(&o.r, 200) || !open_flow() || !raw_echo(&o.r, &o.f)) {
		fprintf(stderr, "flags: an own flow does not work any more\n");
		return 1;
	}
	return 0;
}

/* --- handles of others --- */

/* Tries to end, stop or take over whatever flow has that number and generation. */
int hostile_pry(int argc TAS_UNUSED, char **argv)
{
	uint32_t flows = (uint32_t)atoi(argv[0]), gens = (uint32_t)atoi(argv[1]);

	raw_attach(&o.r);
	errno = raw_context_add(&o.r);
	if (errno != 0)
		raw_die("context");
	for (uint32_t flow = 0; flow < flows; flow++)
		for (uint32_t gen = 1; gen <= gens; gen++) {
			struct abi_bell b = { .flow = flow,
				.gen = gen,
				.tx_end = 100,
				.rx_read = 100,
				.flags = ABI_BELL_CLOSE | ABI_BELL_ABORT | ABI_BELL_POSITIONS |
					ABI_BELL_SHUT_WR };
			struct ctl_msg m = { .info = { .flow = flow, .gen = gen } };

			if (!raw_bell(&o.r, 0, &b))
				return 0; /* cut off: it hit often enough */
			if (gen % 16 == 0 && raw_request(&o.r, &m, CTL_INFO) != ENOENT) {
				fprintf(stderr, "pry: flow %u is shown to a stranger\n", flow);
				return 1;
			}
		}
	return 0;
}
