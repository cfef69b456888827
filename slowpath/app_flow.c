/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/app_flow.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "include/base/assert.h"

#define NO_REC UINT32_MAX /* ends a list of records */

enum { CHUNK_PAGES = ABI_REC_CHUNK * sizeof(struct abi_flow_rec) / REGION_PAGE };
static_assert(CHUNK_PAGES * REGION_PAGE == ABI_REC_CHUNK * sizeof(struct abi_flow_rec), "whole pages");

/* --- pages of the region --- */

uint32_t app_pages_alloc(struct app_slot *s, uint32_t pages)
{
	uint32_t page = buf_alloc(&s->pool, pages);

	if (page == BUF_NONE)
		return BUF_NONE;
	if (region_populate(&s->region, (uint64_t)page * REGION_PAGE, (uint64_t)pages * REGION_PAGE) == 0)
		return page;
	buf_free(&s->pool, page, pages);
	return BUF_NONE;
}

static uint32_t ring_pages(uint8_t log2) { return (1u << log2) / REGION_PAGE; }

static uint8_t ring_log2(uint32_t wanted, uint32_t standard)
{
	uint32_t size = min_u32(wanted != 0 ? wanted : standard, APP_BUFFER_MAX);

	return (uint8_t)log2_of(pow2_at_least(max_u32(size, APP_BUFFER_MIN)));
}

static int rings_alloc(struct apps *as, struct app_slot *s, struct flow *f, const struct app_flow_spec *spec)
{
	uint8_t rx_log2 = ring_log2(spec->rx_size, as->conf->memory.rx_buffer);
	uint8_t tx_log2 = ring_log2(spec->tx_size, as->conf->memory.tx_buffer);
	uint32_t rx = app_pages_alloc(s, ring_pages(rx_log2)), tx;

	if (rx == BUF_NONE)
		return -ENOMEM;
	tx = app_pages_alloc(s, ring_pages(tx_log2));
	if (tx == BUF_NONE) {
		buf_free(&s->pool, rx, ring_pages(rx_log2));
		return -ENOMEM;
	}
	f->rx_page = rx;
	f->tx_page = tx;
	f->rx_log2 = rx_log2;
	f->tx_log2 = tx_log2;
	s->nr_rings++;
	return 0;
}

/* --- records --- */

int app_recs_init(struct apps *as, uint16_t app)
{
	struct app_slot *s = &as->slot[app];

	s->recs = calloc(as->conf->memory.app_flows_max, sizeof(*s->recs));
	s->recs_free = NO_REC;
	return s->recs != NULL ? 0 : -ENOMEM;
}

void app_recs_fini(struct apps *as, uint16_t app)
{
	free(as->slot[app].recs);
	as->slot[app].recs = NULL;
}

/* The chunk of records to which `rec` belongs exists. */
static int chunk_need(struct apps *as, uint16_t app, uint32_t rec)
{
	struct app *a = &as->fp->apps[app];
	uint32_t chunk = rec / ABI_REC_CHUNK, page;

	if (a->rec_chunk[chunk] != NULL)
		return 0;
	page = app_pages_alloc(&as->slot[app], CHUNK_PAGES);
	if (page == BUF_NONE)
		return -ENOMEM;
	a->rec_chunk[chunk] = (struct abi_flow_rec *)(void *)app_page(a, page);
	/* pairs with the acquire in the library, which reads it when a record of the chunk is named */
	atomic_store_explicit(&a->header->rec_chunk_off[chunk], (uint64_t)page * REGION_PAGE,
		memory_order_release);
	return 0;
}

/* A record's index, or -ENOBUFS, -ENOMEM. */
static int64_t rec_alloc(struct apps *as, uint16_t app)
{
	struct app_slot *s = &as->slot[app];
	uint32_t rec = s->recs_free;

	if (rec != NO_REC) {
		s->recs_free = s->recs[rec].next;
	} else {
		if (s->recs_begun == as->conf->memory.app_flows_max)
			return -ENOBUFS;
		if (chunk_need(as, app, s->recs_begun) != 0)
			return -ENOMEM;
		rec = s->recs_begun++;
	}
	s->nr_recs++;
	return rec;
}

static void rec_free(struct app_slot *s, uint32_t rec)
{
	s->recs[rec] = (struct app_rec){ .flow = FLOW_NONE, .next = s->recs_free };
	s->recs_free = rec;
	s->nr_recs--;
}

/* What the application reads when it is told of the flow for the first time. */
static void rec_fill(struct apps *as, uint32_t flow, uint32_t listener)
{
	const struct flow *f = &as->fp->flows[flow];
	const struct flow_key *key = &as->fp->cold[flow].key;
	struct abi_flow_rec *r = app_rec(&as->fp->apps[f->app], f->rec);

	atomic_store_explicit(&r->rx_end, f->rx_nxt, memory_order_relaxed);
	atomic_store_explicit(&r->tx_una, f->tx_una, memory_order_relaxed);
	atomic_store_explicit(&r->events, 0, memory_order_relaxed);
	atomic_store_explicit(&r->error, 0, memory_order_relaxed);
	atomic_store_explicit(&r->core, f->core, memory_order_relaxed);
	atomic_store_explicit(&r->ring_gen, 0, memory_order_relaxed);
	atomic_store_explicit(&r->snd_mss, f->mss, memory_order_relaxed);
	r->flow = flow;
	r->local = key->local;
	r->remote = key->remote;
	r->local_port = be16toh(key->local_port);
	r->remote_port = be16toh(key->remote_port);
	r->listener = listener;
	r->rx_off = (uint64_t)f->rx_page * REGION_PAGE;
	r->tx_off = (uint64_t)f->tx_page * REGION_PAGE;
	r->rx_size = flow_rx_size(f);
	r->tx_size = flow_tx_size(f);
	/* pairs with the acquire in the library: whoever sees the generation sees the rest */
	atomic_store_explicit(&r->gen, f->gen, memory_order_release);
}

static int attach(struct apps *as, uint32_t flow, const struct app_flow_spec *spec)
{
	struct app_slot *s = &as->slot[spec->app];
	struct flow *f = &as->fp->flows[flow];
	int64_t rec = rec_alloc(as, spec->app);
	int error;

	if (rec < 0)
		return (int)rec;
	error = rings_alloc(as, s, f, spec);
	if (error != 0) {
		rec_free(s, (uint32_t)rec);
		return error;
	}
	f->app = spec->app;
	f->ctx = spec->ctx;
	f->rec = (uint32_t)rec;
	f->notify_pos = 0;
	s->recs[rec] = (struct app_rec){ .flow = flow, .born = as->holds.app[spec->app].forks };
	rec_fill(as, flow, spec->listener);
	return 0;
}

int app_flow_attach(struct apps *as, uint32_t flow, const struct app_flow_spec *spec)
{
	int error;

	if (!app_is_live(as, spec->app) || spec->ctx >= atomic_load(&as->fp->apps[spec->app].nctx))
		return -ESRCH;
	error = attach(as, flow, spec);
	if (error != 0)
		as->fp->slow->counter[CNT_TCP_NO_MEMORY]++;
	return error;
}

/* --- flows that wait for a hold --- */

static void wait_begin(struct app_slot *s, uint32_t rec, struct hold *h, enum app_close how)
{
	struct app_rec *r = &s->recs[rec];

	r->waits = h;
	r->how = (uint8_t)how;
	r->prev = NO_REC;
	r->next = h->flows;
	if (h->flows != NO_REC)
		s->recs[h->flows].prev = rec;
	h->flows = rec;
}

static void wait_end(struct app_slot *s, uint32_t rec)
{
	struct app_rec *r = &s->recs[rec];

	if (r->prev != NO_REC)
		s->recs[r->prev].next = r->next;
	else
		r->waits->flows = r->next;
	if (r->next != NO_REC)
		s->recs[r->next].prev = r->prev;
	r->waits = NULL;
}

/* Nobody in this process has it: a child may. */
static bool wait_if_covered(struct apps *as, uint16_t app, uint32_t rec, enum app_close how)
{
	struct hold *h = hold_covers(&as->holds, app, as->slot[app].recs[rec].born);

	if (h != NULL)
		wait_begin(&as->slot[app], rec, h, how);
	return h != NULL;
}

bool app_flow_close_held(struct apps *as, uint32_t flow, enum app_close how)
{
	const struct flow *f = &as->fp->flows[flow];

	if (f->app == APP_NONE || f->rec == APP_REC_NONE)
		return false;
	return as->slot[f->app].recs[f->rec].waits != NULL || wait_if_covered(as, f->app, f->rec, how);
}

/* The first flow of an ended hold: to another hold, or closed. */
static void release_one(struct apps *as, struct hold *h)
{
	struct app_slot *s = &as->slot[h->parent];
	uint32_t rec = h->flows;
	enum app_close how = s->recs[rec].how;

	wait_end(s, rec);
	if (!wait_if_covered(as, h->parent, rec, how))
		as->ops.close_flow(as->ops.arg, s->recs[rec].flow, how);
}

unsigned app_holds_release(struct apps *as, unsigned burst)
{
	struct hold *h;
	unsigned n = 0;

	while (n < burst && (h = LIST_FIRST(&as->holds.ended)) != NULL) {
		if (h->flows != NO_REC) {
			release_one(as, h);
			n++;
		}
		if (h->flows == NO_REC)
			hold_free(&as->holds, h);
	}
	return n;
}

unsigned app_flows_settle(struct apps *as, uint16_t app, unsigned burst)
{
	struct app_slot *s = &as->slot[app];
	unsigned n = 0;

	for (; n < burst && s->close_next < s->recs_begun; n++) {
		uint32_t flow = s->recs[s->close_next++].flow;

		if (flow != FLOW_NONE)
			as->ops.settle_flow(as->ops.arg, flow);
	}
	return n;
}

unsigned app_flows_close(struct apps *as, uint16_t app, unsigned burst)
{
	struct app_slot *s = &as->slot[app];
	unsigned n = 0;

	for (; n < burst && s->close_next < s->recs_begun; n++) {
		uint32_t rec = s->close_next++, flow = s->recs[rec].flow;

		if (flow != FLOW_NONE && s->recs[rec].waits == NULL &&
			!wait_if_covered(as, app, rec, APP_DIED))
			as->ops.close_flow(as->ops.arg, flow, APP_DIED);
	}
	return n;
}

/* --- the end --- */

static void detach(struct apps *as, struct flow *f)
{
	struct app_slot *s = &as->slot[f->app];

	if (s->recs[f->rec].waits != NULL)
		wait_end(s, f->rec);
	atomic_store_explicit(&app_rec(&as->fp->apps[f->app], f->rec)->gen, 0, memory_order_release);
	rec_free(s, f->rec);
	f->rec = APP_REC_NONE;
}

/* The rings stay, and with them the application's region. */
void app_flow_detach(struct apps *as, uint32_t flow)
{
	struct flow *f = &as->fp->flows[flow];

	if (f->app != APP_NONE && f->rec != APP_REC_NONE)
		detach(as, f);
}

void app_flow_free_buffers(struct apps *as, uint32_t flow)
{
	struct flow *f = &as->fp->flows[flow];
	uint16_t app = f->app;
	struct app_slot *s;

	if (app == APP_NONE)
		return;
	s = &as->slot[app];
	if (f->rec != APP_REC_NONE)
		detach(as, f);
	buf_free(&s->pool, f->rx_page, ring_pages(f->rx_log2));
	buf_free(&s->pool, f->tx_page, ring_pages(f->tx_log2));
	s->nr_rings--;
	f->app = APP_NONE;
	app_flow_gone(as, app);
}

uint32_t app_flow_of_rec(const struct apps *as, uint16_t app, uint32_t rec)
{
	const struct app_slot *s = &as->slot[app];

	return rec < s->recs_begun ? s->recs[rec].flow : FLOW_NONE;
}
