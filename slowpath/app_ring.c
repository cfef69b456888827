/* SPDX-License-Identifier: BSD-3-Clause */
/* app_ring.c - a payload ring of a flow is replaced by a larger one.
 *
 * The application asks for it and stays out of its rings until it is answered: nobody else writes there. What
 * it wrote and tasd was not told of yet lies in the old ring, too, and so do bytes past a gap; so all of the
 * old ring is copied. Of a flow that several processes have each record has rings of one size: it keeps them.
 * */
#include <errno.h>
#include <string.h>

#include "include/base/assert.h"
#include "slowpath/app_flow.h"

struct ring {
	char *bytes;
	uint32_t size;
};

/* The bytes at stream offset p are at p & (size - 1). */
static void ring_copy(struct ring to, struct ring from, uint64_t pos, uint64_t end)
{
	while (pos < end) {
		uint32_t t = (uint32_t)pos & (to.size - 1), f = (uint32_t)pos & (from.size - 1);
		uint32_t n = (uint32_t)min_u64(end - pos, min_u32(to.size - t, from.size - f));

		memcpy(to.bytes + t, from.bytes + f, n);
		pos += n;
	}
}

/* Where the flow has it. */
struct spot {
	uint32_t *page;
	uint8_t *log2;
};

static struct spot spot_of(struct flow *f, enum app_ring which)
{
	return which == APP_RING_RX ? (struct spot){ &f->rx_page, &f->rx_log2 }
				    : (struct spot){ &f->tx_page, &f->tx_log2 };
}

static struct ring ring_at(const struct apps *as, uint16_t app, uint32_t page, uint8_t log2)
{
	return (struct ring){ app_page(&as->fp->apps[app], page), 1u << log2 };
}

static bool may_grow(const struct apps *as, const struct flow *f)
{
	const struct app_rec *r;

	if (f->app == APP_NONE || f->rec == APP_REC_NONE || (f->flags & FLOW_ORPHAN))
		return false;
	r = &as->slot[f->app].recs[f->rec];
	return r->has_rings && r->peer_app == f->app && r->peer_rec == f->rec;
}

bool app_ring_may_grow(const struct apps *as, uint32_t flow, uint32_t size)
{
	const struct flow *f = &as->fp->flows[flow];
	const struct app_slot *s = &as->slot[f->app];
	uint32_t pages = size / REGION_PAGE;

	if (!may_grow(as, f))
		return false;
	return s->pool.free_pages >= s->pool.pages / 4 + pages &&
		users_may_take(&as->users, s->who.uid, SHARE_MEMORY, pages + as->users.max[SHARE_MEMORY] / 4);
}

/* The library compares the number each time that it uses a ring: it costs nothing to look for this, too. */
void app_ring_offer(struct apps *as, uint32_t flow, uint32_t event)
{
	const struct flow *f = &as->fp->flows[flow];
	struct abi_flow_rec *shm = app_rec(&as->fp->apps[f->app], f->rec);

	as->fp->cold[flow].rec_events |= event;
	atomic_store_explicit(&shm->events, as->fp->cold[flow].rec_events, memory_order_relaxed);
	/* pairs with the acquire in the library: whoever sees the number sees the event */
	atomic_fetch_add_explicit(&shm->ring_gen, 1, memory_order_release);
}

void app_ring_withdraw(struct apps *as, uint32_t flow, uint32_t event)
{
	const struct flow *f = &as->fp->flows[flow];

	as->fp->cold[flow].rec_events &= ~event;
	if (f->app != APP_NONE && f->rec != APP_REC_NONE)
		atomic_store_explicit(&app_rec(&as->fp->apps[f->app], f->rec)->events,
			as->fp->cold[flow].rec_events, memory_order_relaxed);
}

/* Where what is in the ring begins, and the end of what was received in order, past which cores write. */
struct span {
	uint64_t from, settled;
};

static struct span span_of(struct flow *f, enum app_ring which)
{
	struct span s = { .from = f->tx_una };

	if (which == APP_RING_RX) {
		s.settled = f->rx_nxt - (f->flags & FLOW_RX_FIN ? 1 : 0);
		s.from = s.settled - f->rx_unread;
	}
	return s;
}

/* Most is copied without the lock, and under it what arrived meanwhile. */
static struct span copy(struct apps *as, uint32_t flow, enum app_ring which, struct ring to)
{
	struct flow *f = &as->fp->flows[flow];
	struct spot at = spot_of(f, which);
	struct ring from = ring_at(as, f->app, *at.page, *at.log2);
	struct span s;

	flow_lock_slow(f);
	s = span_of(f, which);
	rte_spinlock_unlock(&f->lock);
	ring_copy(to, from, s.from, s.from + from.size);
	app_spend(as, f->app, from.size / COST_BYTES);
	return s;
}

static void copy_rest(struct apps *as, uint32_t flow, struct ring to, struct ring from, const struct span *s)
{
	const struct flow_ranges *past = &as->fp->cold[flow].reass;
	uint64_t end = span_of(&as->fp->flows[flow], APP_RING_RX).settled;

	ring_copy(to, from, s->settled, past->n > 0 ? ranges_top(past) : end);
}

static void record_change(struct apps *as, uint32_t flow)
{
	const struct flow *f = &as->fp->flows[flow];
	struct app_rec *r = &as->slot[f->app].recs[f->rec];
	struct abi_flow_rec *shm = app_rec(&as->fp->apps[f->app], f->rec);

	r->rx_page = f->rx_page;
	r->tx_page = f->tx_page;
	r->rx_log2 = f->rx_log2;
	r->tx_log2 = f->tx_log2;
	shm->rx_off = (uint64_t)f->rx_page * REGION_PAGE;
	shm->tx_off = (uint64_t)f->tx_page * REGION_PAGE;
	shm->rx_size = flow_rx_size(f);
	shm->tx_size = flow_tx_size(f);
	/* pairs with the acquire in the library: whoever sees the number sees where the rings are */
	atomic_fetch_add_explicit(&shm->ring_gen, 1, memory_order_release);
}

int app_ring_grow(struct apps *as, uint32_t flow, enum app_ring which, uint32_t size)
{
	struct flow *f = &as->fp->flows[flow];
	struct spot at = spot_of(f, which);
	uint32_t page, old_page = *at.page, old_size = 1u << *at.log2;
	uint8_t log2 = (uint8_t)log2_of(size);
	struct span s;
	int error;

	TAS_ASSERT(size <= APP_BUFFER_MAX && is_pow2(size) && size > old_size);
	if (!may_grow(as, f))
		return -EBUSY;
	error = app_pages_alloc(as, f->app, size / REGION_PAGE, &page);
	if (error != 0)
		return error;
	s = copy(as, flow, which, ring_at(as, f->app, page, log2));
	flow_lock_slow(f);
	if (which == APP_RING_RX)
		copy_rest(as, flow, ring_at(as, f->app, page, log2),
			ring_at(as, f->app, old_page, (uint8_t)log2_of(old_size)), &s);
	*at.page = page;
	*at.log2 = log2;
	record_change(as, flow);
	rte_spinlock_unlock(&f->lock);
	buf_free(&as->slot[f->app].pool, old_page, old_size / REGION_PAGE);
	return 0;
}
