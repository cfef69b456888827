/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_villain.h"

#include <string.h>

#include "include/abi/abi.h"
#include "include/abi/ctl.h"
#include "include/base/assert.h"
#include "tests/sim/sim_host.h"

enum { DEEDS_MAX = 20000 }; /* then it rests: some runs are long */

#define DEED_EVERY_NS (50 * NS_PER_US)
#define REST_NS (20 * NS_PER_MS)

static uint32_t below(struct villain *v, uint32_t n) { return rand_below(&v->rand, n); }
static char *base(const struct villain *v) { return v->host->fp.apps[v->app].base; }
static struct abi_header *header(const struct villain *v) { return (struct abi_header *)(void *)base(v); }

/* A number that is near what others stand for, or far from everything. */
static uint64_t odd_number(struct villain *v, uint64_t honest)
{
	switch (below(v, 8)) {
	case 0: return rand_u64(&v->rand);
	case 1: return honest + rand_u64(&v->rand) % 300000;
	case 2: return honest - rand_u64(&v->rand) % 300000;
	case 3: return 0;
	case 4: return UINT64_MAX;
	case 5: return honest + (1ull << below(v, 64));
	default: return honest;
	}
}

/* --- a life --- */

static void attach(struct villain *v, tas_ns now)
{
	struct ctl_hello h = { .magic = ABI_MAGIC,
		.major = ABI_MAJOR,
		.minor = ABI_MINOR,
		.header_size = sizeof(struct abi_header),
		.rec_size = sizeof(struct abi_flow_rec),
		.bell_size = sizeof(struct abi_bell),
		.context_size = sizeof(struct abi_context) };
	struct app_who who = { .pid = 666, .program = "villain" };
	struct apps *as = &v->host->apps;
	char why[256];

	if (app_hello(as, &h, &who, now, &v->app, why, sizeof(why)) != 0)
		return;
	TAS_ASSERT(app_mapped(as, v->app, why, sizeof(why)) == 0);
	v->attached = true;
	v->contexts = v->flows = 0;
	v->lives++;
}

static void detach(struct villain *v, tas_ns now)
{
	if (app_is_live(&v->host->apps, v->app))
		app_detach(&v->host->apps, v->app);
	v->attached = false;
	v->back_at = now + rand_u64(&v->rand) % REST_NS;
}

/* --- requests --- */

static void ask_context(struct villain *v)
{
	struct ctl_context c = { 0 };
	int end;

	if (v->contexts < VILLAIN_CONTEXTS && app_context_add(&v->host->apps, v->app, &c, &end) == 0)
		v->ctx_off[v->contexts++] = c.off;
}

static void ask_listen(struct villain *v)
{
	struct ctl_listen l = { .port = VILLAIN_PORT,
		.backlog = below(v, 10),
		.cookie = below(v, 4),
		.context = below(v, 4) };
	struct apps *as = &v->host->apps;

	if (below(v, 8) == 0)
		l.port = (uint16_t)(VILLAIN_PORT + below(v, VILLAIN_PORTS));
	if (below(v, 8) == 0)
		memset(l.options.congestion, 'x', sizeof(l.options.congestion));
	if (below(v, 8) == 0)
		l.options.rx_size = (uint32_t)rand_u64(&v->rand);
	app_listen(as, v->app, &l);
	app_arm(as, v->app, &l);
	if (below(v, 16) == 0)
		app_unlisten(as, v->app, &l);
}

static void ask_connect(struct villain *v)
{
	struct ctl_connect c = { .remote = host_addr(v->peer),
		.remote_port = (uint16_t)(VILLAIN_PORT + below(v, VILLAIN_PORTS)),
		.context = below(v, 3) };

	if (v->flows == VILLAIN_FLOWS)
		return;
	if (below(v, 8) == 0)
		c.options.tx_size = (uint32_t)rand_u64(&v->rand);
	if (below(v, 8) == 0)
		c.local_port = (uint16_t)below(v, 1000);
	if (app_connect(&v->host->apps, v->app, &c) != 0)
		return;
	v->flow[v->flows++] = (struct villain_flow){ .rec = c.rec, .flow = c.flow, .gen = c.gen };
}

static void ask_nonsense(struct villain *v)
{
	struct ctl_info info = { .flow = (uint32_t)odd_number(v, below(v, 600)), .gen = below(v, 100) };
	struct ctl_adopt adopt = { .listener_id = below(v, 8),
		.cookie = below(v, 8),
		.flow = below(v, 600),
		.gen = below(v, 100) };

	app_info(&v->host->apps, v->app, &info);
	app_adopt(&v->host->apps, v->app, &adopt);
}

/* --- the region --- */

/* A piece of what is shared: header, contexts with their rings, records. */
static char *piece(struct villain *v, uint32_t *size)
{
	uint32_t what = below(v, 3);

	if (what == 1 && v->contexts > 0) {
		*size = sizeof(struct abi_context) + 4 * sizeof(struct abi_bell_ring);
		return base(v) + v->ctx_off[below(v, v->contexts)];
	}
	if (what == 2 && v->host->fp.apps[v->app].rec_chunk[0] != NULL) {
		*size = 64 * sizeof(struct abi_flow_rec);
		return (char *)v->host->fp.apps[v->app].rec_chunk[0];
	}
	*size = sizeof(struct abi_header);
	return base(v);
}

static void scribble(struct villain *v)
{
	uint32_t size, len = 1 + below(v, 64);
	char *at = piece(v, &size);

	at += below(v, size - len);
	for (uint32_t i = 0; i < len; i++)
		at[i] = (char)rand_u64(&v->rand);
}

static struct abi_bell_ring *bell_ring(struct villain *v, uint32_t *core, uint32_t *ctx)
{
	const struct app_context *x;

	*core = below(v, v->host->fp.conf.cores);
	*ctx = below(v, v->contexts);
	x = &v->host->fp.apps[v->app]
		     .ctx[*ctx]; /* the offsets in the region may be its own scribbles by now */
	return x->queue[*core].bell;
}

static void ring_core(struct villain *v, uint32_t core, uint32_t ctx)
{
	atomic_fetch_or(&header(v)->core_line[core].bells, 1ull << ctx);
	host_ring(v->host, core, v->app);
}

static struct abi_bell some_bell(struct villain *v)
{
	struct villain_flow none = { .flow = below(v, 600), .gen = below(v, 500) };
	struct villain_flow *f = v->flows > 0 && below(v, 4) != 0 ? &v->flow[below(v, v->flows)] : &none;
	struct abi_bell b = { .flow = f->flow,
		.gen = f->gen,
		.flags = ABI_BELL_POSITIONS | (below(v, 3) == 0 ? 1u << below(v, 12) : 0),
		.forks = (uint16_t)below(v, 4) };

	f->tx_end += below(v, 3000);
	b.tx_end = odd_number(v, f->tx_end);
	b.rx_read = odd_number(v, f->rx_read);
	if (below(v, 16) == 0)
		b.flags = (uint32_t)rand_u64(&v->rand);
	if (below(v, 16) == 0)
		b.forks = (uint16_t)rand_u64(&v->rand);
	return b;
}

static void ring_bells(struct villain *v)
{
	uint32_t core, ctx, n = 1 + below(v, 8);
	struct abi_bell_ring *r = bell_ring(v, &core, &ctx);

	for (uint32_t i = 0; i < n; i++)
		r->slot[(r->produced + i) % ABI_BELL_SLOTS] = some_bell(v);
	r->produced = below(v, 16) == 0 ? odd_number(v, r->produced) : r->produced + n;
	ring_core(v, core, ctx);
}

/* What an honest library would have done long ago. */
static void drain(struct villain *v)
{
	const struct app *a = &v->host->fp.apps[v->app];
	uint32_t ctx = below(v, v->contexts);

	for (unsigned i = 0; i <= v->host->fp.conf.cores; i++) {
		struct abi_notify_ring *n = a->ctx[ctx].queue[i].notify;

		n->consumed = odd_number(v, n->produced);
	}
}

static void forget_a_flow(struct villain *v)
{
	uint32_t which;

	if (v->flows == 0)
		return;
	which = below(v, v->flows);
	v->flow[which] = v->flow[--v->flows];
}

/* --- turns --- */

static void deed(struct villain *v, tas_ns now)
{
	uint32_t what = below(v, 100);

	v->deeds++;
	if (what < 3 || v->contexts == 0)
		ask_context(v);
	else if (what < 6)
		ask_listen(v);
	else if (what < 8)
		ask_connect(v);
	else if (what < 20)
		ask_nonsense(v);
	else if (what < 50)
		ring_bells(v);
	else if (what < 80)
		scribble(v);
	else if (what < 95)
		drain(v);
	else if (what < 99)
		forget_a_flow(v);
	else if (below(v, 10) == 0)
		detach(v, now);
}

void villain_begin(struct villain *v, struct host *h, unsigned peer, uint64_t seed)
{
	*v = (struct villain){ .host = h, .peer = peer };
	rand_seed(&v->rand, seed);
}

void villain_end(struct villain *v)
{
	if (v->attached)
		detach(v, 0);
	v->next = TAS_NS_NEVER;
}

void villain_turn(struct villain *v, tas_ns now)
{
	if (now < v->next)
		return;
	if (v->deeds >= DEEDS_MAX) {
		villain_end(v);
		return;
	}
	v->next = now + rand_u64(&v->rand) % (2 * DEED_EVERY_NS);
	if (v->attached && !app_is_live(&v->host->apps, v->app))
		detach(v, now); /* it was cut off */
	if (!v->attached && now >= v->back_at)
		attach(v, now);
	if (v->attached) {
		deed(v, now);
		host_request(v->host);
	}
}
