/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_region.c - an application that writes whatever it likes wherever it may: into its region's header,
 * contexts, rings, records and payload, while it has connections in every state. */
#include <string.h>

#include "tests/fuzz/app_steps.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"
#include "tests/fuzz/wire.h"

enum { CORES = 1, RECORDS = 64 };

/* Where things are: asked before the application can have overwritten the answer. */
static struct {
	char *base;
	uint64_t size, context[RIG_CONTEXTS], bells[RIG_CONTEXTS], notes[RIG_CONTEXTS][CORES + 1], records;
	uint32_t context_id[RIG_CONTEXTS];
	uint64_t produced[RIG_CONTEXTS];
} its;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	host_start();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	return input_mutate(data, size, max_size, seed);
}

static void look_around(void)
{
	const struct rig_app *a = app_start(AT_HAND);

	memset(&its, 0, sizeof(its));
	its.base = a->base;
	its.size = a->header->region_size;
	its.records = a->header->rec_chunk_off[0];
	for (unsigned i = 0; i < RIG_CONTEXTS; i++) {
		const struct abi_context *c = a->ctx[i].shm;

		its.context[i] = (uint64_t)((const char *)c - a->base);
		its.context_id[i] = a->ctx[i].id;
		its.bells[i] = c->bell_off[0];
		its.produced[i] = a->ctx[i].bells;
		for (unsigned ring = 0; ring <= CORES; ring++)
			its.notes[i][ring] = c->notify_off[ring];
	}
}

/* Connections: some accepted, some that wait, one that the application opens. */
static void connect_all(uint8_t open)
{
	struct step s = { .b = { 6 } };

	app_listens(AT_HAND, AT_HAND_PORT, 8);
	for (unsigned i = 0; i < WIRE_CONNS - 1; i++) {
		wire_open(&wire.conn[i]);
		if (open & 1 << i)
			app_accepts(wire.conn[i].p, AT_HAND);
	}
	if (open & 0x80) {
		app_step(&wire.conn[WIRE_CONNS - 1], &s);
		wire_syn(&wire.conn[WIRE_CONNS - 1], &(struct step){ .b = { 0, 15 } });
		rig_run();
	}
}

/* --- what it does --- */

static void ring(unsigned core_or_all)
{
	struct abi_header *h = (struct abi_header *)(void *)its.base;

	if (core_or_all & 1)
		h->core_line[0].bells |= UINT64_MAX;
	core_app_rang(rig.fp.core[0], rig.app[AT_HAND].id);
}

/* Mostly one thing at a time. */
static uint32_t flags_of(uint8_t what, uint16_t any)
{
	if (what >= 0xe0)
		return any;
	return ABI_BELL_POSITIONS | (what & 16 ? 1u << (what & 15) : 0);
}

/* A connection as the application knows it, or as it makes it up. */
static struct abi_bell bell_of(const struct wire_conn *c, struct step *s)
{
	const struct abi_flow_rec *r = (const struct abi_flow_rec *)(const void *)(its.base + its.records) +
		c->p->rec % RECORDS;
	uint8_t odd = step_u8(s), what = step_u8(s);
	struct abi_bell b = { .flow = c->p->flow, .gen = c->p->gen, .flags = flags_of(what, step_u16(s)) };

	if ((odd & 3) == 3)
		b.flow = (uint32_t)step_wide(s);
	b.rx_read = odd & 4 ? r->rx_end : c->p->rx_read;
	b.tx_end = odd & 8 ? r->tx_una + r->tx_size : c->p->tx_end;
	b.rx_read += step_delta(s, odd >> 4);
	b.tx_end += step_delta(s, odd >> 6);
	if ((odd & 3) == 1)
		b.tx_end += step_wide(s);
	if ((odd & 3) == 2)
		b.rx_read -= step_wide(s);
	b.forks = step_u8(s);
	return b;
}

static void bells(const struct wire_conn *c, struct step *s)
{
	uint8_t ctx = step_u8(s) % RIG_CONTEXTS;
	struct abi_bell_ring *r = (struct abi_bell_ring *)(void *)(its.base + its.bells[ctx]);
	struct abi_bell b = bell_of(c, s);

	r->slot[its.produced[ctx] % ABI_BELL_SLOTS] = b;
	if (b.tx_end - c->p->tx_end <= HOST_BUFFER)
		c->p->tx_end = b.tx_end;
	if (b.rx_read - c->p->rx_read <= HOST_BUFFER)
		c->p->rx_read = b.rx_read;
	r->produced = ++its.produced[ctx];
	ring(1);
}

/* A number anywhere in one of the places that tasd reads. */
static void scribbles(const struct wire_conn *c, struct step *s)
{
	uint8_t where = step_u8(s), ctx = where >> 4 & 1, width = step_u8(s);
	uint16_t at = step_u16(s);
	uint64_t value = width & 8 ? step_wide(s) : step_u64(s), off;
	const uint64_t places[] = {
		0,
		offsetof(struct abi_header, rec_chunk_off),
		offsetof(struct abi_header, core_line),
		offsetof(struct abi_header, kept),
		its.context[ctx],
		its.bells[ctx],
		its.bells[ctx] + offsetof(struct abi_bell_ring, slot),
		its.notes[ctx][0],
		its.notes[ctx][1],
		its.records + c->p->rec % RECORDS * sizeof(struct abi_flow_rec),
		its.records,
		its.size - 65536,
	};

	off = places[(where & 15) % ARRAY_LEN(places)] + (width & 16 ? at : at % 64u * 4);
	if (off > its.size - 8)
		return;
	if (width & 32)
		value += *(const uint32_t *)(const void *)(its.base + (off & ~3ull));
	memcpy(its.base + off, &value, 1u << (width & 3));
	ring(where >> 5);
}

/* Bells that found no room stand in records. */
static void keeps(const struct wire_conn *c, struct step *s)
{
	struct abi_header *h = (struct abi_header *)(void *)its.base;
	struct abi_flow_rec *r = (struct abi_flow_rec *)(void *)(its.base + its.records);
	struct abi_bell b = bell_of(c, s);
	uint32_t rec = c->p->rec % RECORDS;

	r[rec].rx_read = b.rx_read;
	r[rec].tx_end = b.tx_end;
	r[rec].kept = (uint16_t)b.flags;
	h->kept[rec / ABI_KEPT_GROUP / 64] |= 1ull << rec / ABI_KEPT_GROUP;
	h->core_line[0].kept++;
	ring(1);
}

static void floods(struct step *s)
{
	uint8_t ctx = step_u8(s) % RIG_CONTEXTS;
	struct abi_bell_ring *r = (struct abi_bell_ring *)(void *)(its.base + its.bells[ctx]);

	for (unsigned i = 0; i < ABI_BELL_SLOTS; i++)
		r->slot[i].flags = ABI_BELL_ALL & (i * 7u + step_u8(s));
	r->produced = its.produced[ctx] += step_u16(s);
	ring(1);
}

static void bytes(struct step *s, struct input *in)
{
	uint64_t off = ((uint64_t)step_u8(s) << 12 | step_u16(s)) % (its.size - 256);

	input_bytes(in, (uint8_t *)its.base + off, step_u8(s));
	ring(step_u8(s));
}

static void asks(const struct wire_conn *c, struct step *s)
{
	uint16_t app = rig.app[AT_HAND].id;
	struct ctl_change change = { .flow = c->p->flow, .gen = c->p->gen };
	struct ctl_info info = { .flow = c->p->flow, .gen = c->p->gen };
	struct ctl_adopt adopt = { .flow = c->p->flow, .gen = c->p->gen };
	struct ctl_grow grow = { .flow = c->p->flow, .gen = c->p->gen };
	uint8_t which = step_u8(s);

	if (which >= 0xe0) {
		grow.event = which & 1 ? ABI_EV_GROW_RX : ABI_EV_GROW_TX;
		app_grow(&rig.apps, app, &grow);
		return;
	}
	switch (which & 3) {
	case 0:
		change.options = options_step(s);
		app_options(&rig.apps, app, &change);
		break;
	case 1: app_info(&rig.apps, app, &info); break;
	case 2:
		adopt.rx_read = c->p->rx_read + step_u8(s);
		adopt.tx_end = c->p->tx_end + step_u8(s);
		app_adopt(&rig.apps, app, &adopt);
		break;
	default: app_leave(&rig.apps, app, &adopt); break;
	}
}

static void take_step(struct step *s, struct input *in)
{
	uint8_t what = step_u8(s);
	struct wire_conn *c = &wire.conn[what >> 5];

	switch (what & 15) {
	case 0:
	case 1:
	case 2: bells(c, s); break;
	case 3:
	case 4:
	case 5: scribbles(c, s); break;
	case 6: keeps(c, s); break;
	case 7: floods(s); break;
	case 8: bytes(s, in); break;
	case 9: asks(c, s); break;
	case 10: wire_segment(c, s); break;
	case 11: wire_good(c, s); break;
	case 12: wire_syn(c, s); break;
	case 13: host_wait((1ull << step_u8(s) % 34) + step_u16(s)); break;
	default:
		wire_good(c, s);
		wire_good(c, s);
		break;
	}
	if (!(what & 16))
		rig_run();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .b = data, .len = size };
	struct step s;

	input_step(&in, &s);
	host_begin(step_u8(&s));
	wire.hostile = true;
	connect_all(step_u8(&s));
	look_around();
	for (unsigned n = 0;
		n < STEPS_MAX && input_step(&in, &s) && app_is_live(&rig.apps, rig.app[AT_HAND].id); n++)
		take_step(&s, &in);
	host_end();
	return 0;
}
