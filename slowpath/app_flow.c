/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/app_flow.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "include/base/assert.h"

#define NO_REC COVER_NO_FLOWS /* ends a list of records */

enum { CHUNK_PAGES = sizeof(struct abi_rec_chunk) / REGION_PAGE };
static_assert(CHUNK_PAGES * REGION_PAGE == sizeof(struct abi_rec_chunk), "whole pages");

/* --- pages of the region --- */

int app_pages_populate(struct apps *as, uint16_t app, uint32_t page, uint32_t pages, uint32_t *most)
{
	struct app_slot *s = &as->slot[app];
	uint64_t off = (uint64_t)page * REGION_PAGE, len = (uint64_t)pages * REGION_PAGE;
	uint32_t n = (uint32_t)min_u64(region_missing(&s->region, off, len), *most), left = n;
	int error;

	if (n > 0 && !users_take(&as->users, s->who.uid, SHARE_MEMORY, n))
		return -ENOMEM;
	error = region_populate(&s->region, off, len, &left);
	users_give(&as->users, s->who.uid, SHARE_MEMORY, left);
	s->pages += n - left;
	*most -= n - left;
	return error;
}

/* Large runs are populated pass by pass: what is given back here is given again to who asks next, and then a
 * part of it, in the end all, is there. */
int app_pages_alloc(struct apps *as, uint16_t app, uint32_t pages, uint32_t *page)
{
	struct app_slot *s = &as->slot[app];
	uint32_t may = min_u32(cost_left(&as->cost, s->who.uid), COST_PIECE), left = may;
	int error;

	*page = buf_alloc(&s->pool, pages);
	if (*page == BUF_NONE)
		return -ENOMEM;
	error = app_pages_populate(as, app, *page, pages, &left);
	app_spend(as, app, may - left);
	if (error != 0)
		buf_free(&s->pool, *page, pages);
	return error;
}

static uint32_t ring_pages(uint8_t log2) { return (1u << log2) / REGION_PAGE; }

static uint8_t ring_log2(uint32_t wanted, uint32_t standard)
{
	uint32_t size = min_u32(wanted != 0 ? wanted : standard, APP_BUFFER_MAX);

	return (uint8_t)log2_of(pow2_at_least(max_u32(size, APP_BUFFER_MIN)));
}

/* For the record, which is going to be the flow's home or is to be one later. */
static int rings_alloc(struct apps *as, uint16_t app, struct app_rec *r, uint8_t rx_log2, uint8_t tx_log2)
{
	int error = app_pages_alloc(as, app, ring_pages(rx_log2), &r->rx_page);

	if (error != 0)
		return error;
	error = app_pages_alloc(as, app, ring_pages(tx_log2), &r->tx_page);
	if (error != 0) {
		buf_free(&as->slot[app].pool, r->rx_page, ring_pages(rx_log2));
		return error;
	}
	r->rx_log2 = rx_log2;
	r->tx_log2 = tx_log2;
	r->has_rings = true;
	as->slot[app].nr_rings++;
	return 0;
}

static void rings_free(struct app_slot *s, struct app_rec *r)
{
	if (!r->has_rings)
		return;
	buf_free(&s->pool, r->rx_page, ring_pages(r->rx_log2));
	buf_free(&s->pool, r->tx_page, ring_pages(r->tx_log2));
	r->has_rings = false;
	s->nr_rings--;
}

int app_rings_prepare(struct apps *as, uint16_t app, uint32_t rx_size, uint32_t tx_size)
{
	struct app_rec r = { 0 };
	int error = rings_alloc(as, app, &r, ring_log2(rx_size, as->conf->memory.rx_buffer),
		ring_log2(tx_size, as->conf->memory.tx_buffer));

	rings_free(&as->slot[app], &r);
	return error;
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
	int error;

	if (app_rec_chunk(a, chunk) != NULL)
		return 0;
	error = app_pages_alloc(as, app, CHUNK_PAGES, &page);
	if (error != 0)
		return error;
	a->rec_chunk[chunk] = (struct abi_flow_rec *)(void *)app_page(a, page);
	/* pairs with the acquire in the library, which reads it when a record of the chunk is named */
	atomic_store_explicit(&a->header->rec_chunk_off[chunk], (uint64_t)page * REGION_PAGE,
		memory_order_release);
	return 0;
}

/* A record's index, or -ENOBUFS, -ENOMEM, -EAGAIN. */
static int64_t rec_alloc(struct apps *as, uint16_t app)
{
	struct app_slot *s = &as->slot[app];
	uint32_t rec = s->recs_free;

	if (rec != NO_REC) {
		s->recs_free = s->recs[rec].next;
	} else {
		int error;

		if (s->recs_begun == as->conf->memory.app_flows_max)
			return -ENOBUFS;
		error = chunk_need(as, app, s->recs_begun);
		if (error != 0)
			return error;
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

static void urgent_fill(const struct flow_urgent *u, struct abi_flow_urgent *shm)
{
	atomic_store_explicit(&shm->seen, u->seen, memory_order_relaxed);
	atomic_store_explicit(&shm->taken, u->taken, memory_order_relaxed);
	atomic_store_explicit(&shm->tx_end, u->tx_end, memory_order_relaxed);
	flow_urgent_give(u, shm);
}

/* What the application reads when it is told of the flow for the first time. */
void app_rec_fill(struct apps *as, uint32_t flow, uint32_t listener)
{
	const struct flow *f = &as->fp->flows[flow];
	const struct flow_key *key = &as->fp->cold[flow].key;
	struct abi_flow_rec *r = app_rec(&as->fp->apps[f->app], f->rec);

	atomic_store_explicit(&r->rx_end, f->rx_nxt - (f->flags & FLOW_RX_FIN ? 1 : 0), memory_order_relaxed);
	atomic_store_explicit(&r->tx_una, f->tx_una - (f->flags & FLOW_FIN_DONE ? 1 : 0),
		memory_order_relaxed);
	atomic_store_explicit(&r->tx_nxt, (uint32_t)f->tx_una + min_u32(f->tx_inflight, f->tx_avail),
		memory_order_relaxed);
	atomic_store_explicit(&r->rx_read, 0, memory_order_relaxed);
	atomic_store_explicit(&r->tx_end, 0, memory_order_relaxed);
	atomic_store_explicit(&r->events, 0, memory_order_relaxed);
	atomic_store_explicit(&r->error, 0, memory_order_relaxed);
	atomic_store_explicit(&r->core, f->core, memory_order_relaxed);
	atomic_store_explicit(&r->context, f->ctx, memory_order_relaxed);
	atomic_store_explicit(&r->kept, 0, memory_order_relaxed);
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
	urgent_fill(&as->fp->cold[flow].urgent, app_urgent(&as->fp->apps[f->app], f->rec));
	/* pairs with the acquire in the library: whoever sees the generation sees the rest */
	atomic_store_explicit(&r->gen, f->gen, memory_order_release);
}

int64_t app_rec_make(struct apps *as, uint32_t flow, uint16_t app, uint8_t rx_log2, uint8_t tx_log2)
{
	struct app_slot *s = &as->slot[app];
	int64_t rec = rec_alloc(as, app);
	uint64_t forks = as->holds.app[app].forks;
	struct app_rec *r;
	int error;

	if (rec < 0)
		return rec;
	r = &s->recs[rec];
	*r = (struct app_rec){ .flow = flow,
		.gen = as->fp->flows[flow].gen,
		.peer_app = app,
		.peer_rec = (uint32_t)rec,
		.attached = forks,
		.born = forks };
	error = rings_alloc(as, app, r, rx_log2, tx_log2);
	if (error != 0)
		rec_free(s, (uint32_t)rec);
	return error != 0 ? error : rec;
}

void app_flow_settle_in(struct apps *as, uint32_t flow, uint16_t app, uint32_t rec, uint16_t ctx)
{
	const struct app_rec *r = &as->slot[app].recs[rec];
	struct flow *f = &as->fp->flows[flow];

	f->app = app;
	f->ctx = ctx;
	f->rec = rec;
	f->rx_page = r->rx_page;
	f->tx_page = r->tx_page;
	f->rx_log2 = r->rx_log2;
	f->tx_log2 = r->tx_log2;
	f->notify_pos = 0;
}

static int attach(struct apps *as, uint32_t flow, const struct app_flow_spec *spec)
{
	int64_t rec = app_rec_make(as, flow, spec->app, ring_log2(spec->rx_size, as->conf->memory.rx_buffer),
		ring_log2(spec->tx_size, as->conf->memory.tx_buffer));

	if (rec < 0)
		return (int)rec;
	if (spec->listener != ABI_LISTENER_NONE)
		as->slot[spec->app].recs[rec].born = APP_NOT_BORN;
	app_flow_settle_in(as, flow, spec->app, (uint32_t)rec, spec->ctx);
	app_rec_fill(as, flow, spec->listener);
	return 0;
}

int app_flow_attach(struct apps *as, uint32_t flow, const struct app_flow_spec *spec)
{
	int error;

	if (!app_is_live(as, spec->app) || spec->ctx >= atomic_load(&as->fp->apps[spec->app].nctx))
		return -ESRCH;
	error = attach(as, flow, spec);
	if (error != 0 && error != -EAGAIN)
		as->fp->slow->counter[CNT_TCP_NO_MEMORY]++;
	return error;
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
	uint64_t from = as->cost.spent;
	unsigned n = 0;

	for (; n < burst && s->close_next < s->recs_begun && as->cost.spent - from < COST_PASS; n++) {
		uint32_t rec = s->close_next++;

		if (s->recs[rec].flow != FLOW_NONE)
			app_share_leave(as, app, rec, APP_DIED, UINT64_MAX);
	}
	return n;
}

/* --- the end --- */

void app_rec_end(struct apps *as, uint16_t app, uint32_t rec, bool rings)
{
	struct app_slot *s = &as->slot[app];
	struct app_rec *r = &s->recs[rec];

	app_share_forget(as, app, rec);
	atomic_store_explicit(&app_rec(&as->fp->apps[app], rec)->gen, 0, memory_order_release);
	if (rings)
		rings_free(s, r);
	rec_free(s, rec);
}

static void detach(struct apps *as, struct flow *f)
{
	app_rec_end(as, f->app, f->rec, false);
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
