/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/unaccepted.h"

#include <stdlib.h>
#include <string.h>

#include "fastpath/fastpath.h"
#include "include/base/assert.h"
#include "slowpath/conn.h"
#include "slowpath/sp.h"

enum {
	RING_MIN = 1024, /* a usual request */
	LISTENER_SHARE = 4,
};

/* --- rings --- */

struct ring {
	char *bytes;
	uint32_t size; /* a power of two */
};

static struct ring ring_of(const struct conn *n)
{
	return (struct ring){ n->kept, n->kept != NULL ? 1u << n->kept_log2 : 0 };
}

static struct ring ring_in_region(const struct sp *sp, const struct flow *f)
{
	return (struct ring){ app_page(&sp->fp->apps[f->app], f->rx_page), flow_rx_size(f) };
}

static void span_copy(struct ring to, struct ring from, uint64_t pos, uint64_t end)
{
	while (pos < end) {
		uint32_t t = (uint32_t)pos & (to.size - 1), f = (uint32_t)pos & (from.size - 1);
		uint32_t n = (uint32_t)min_u64(end - pos, min_u32(to.size - t, from.size - f));

		memcpy(to.bytes + t, from.bytes + f, n);
		pos += n;
	}
}

/* The first byte that nobody has read, and the end of what arrived past gaps. */
static uint64_t first_of(const struct flow *f)
{
	return f->rx_nxt - (f->flags & FLOW_RX_FIN ? 1 : 0) - f->rx_unread;
}

static uint64_t end_of(const struct sp *sp, uint32_t id)
{
	const struct flow *f = &sp->fp->flows[id];
	const struct flow_ranges *past = &sp->fp->cold[id].reass;

	return past->n > 0 ? ranges_top(past) : first_of(f) + f->rx_unread;
}

/* What arrived, and nothing of what lies in the gaps, which may be another's. */
static void ring_copy(const struct sp *sp, uint32_t id, struct ring to, struct ring from)
{
	const struct flow *f = &sp->fp->flows[id];
	const struct flow_ranges *past = &sp->fp->cold[id].reass;
	uint64_t first = first_of(f);

	TAS_ASSERT(end_of(sp, id) - first <= min_u32(to.size, from.size));
	span_copy(to, from, first, first + f->rx_unread);
	for (uint32_t i = 0; i < past->n; i++)
		span_copy(to, from, ranges_all(past)[i].from, ranges_all(past)[i].to);
}

/* --- memory --- */

static void account(struct sp *sp, const struct conn *n, uint64_t more, uint64_t less)
{
	sp->unaccepted_bytes += more - less;
	n->listener->unaccepted_bytes += more - less;
}

static bool within_limits(const struct sp *sp, const struct conn *n, uint32_t more, bool acknowledged)
{
	uint64_t max = sp->conf->memory.unaccepted_max;

	return sp->unaccepted_bytes + more <= max &&
		(acknowledged || n->listener->unaccepted_bytes + more <= max / LISTENER_SHARE);
}

/* The connection's ring holds so many bytes, from the first on. */
static bool ring_need(struct sp *sp, uint32_t id, uint64_t bytes, bool acknowledged)
{
	struct conn *n = &sp->conn[id];
	struct ring old = ring_of(n), new = { .size = pow2_at_least(max_u32((uint32_t)bytes, RING_MIN)) };

	if (new.size <= old.size)
		return true;
	if (!within_limits(sp, n, new.size - old.size, acknowledged))
		return false;
	new.bytes = malloc(new.size);
	if (new.bytes == NULL)
		return false;
	if (old.bytes != NULL)
		ring_copy(sp, id, new, old);
	account(sp, n, new.size, old.size);
	free(old.bytes);
	n->kept = new.bytes;
	n->kept_log2 = (uint8_t)log2_of(new.size);
	return true;
}

void unaccepted_drop(struct sp *sp, uint32_t id)
{
	struct conn *n = &sp->conn[id];

	if (n->kept == NULL)
		return;
	account(sp, n, 0, ring_of(n).size);
	free(n->kept);
	n->kept = NULL;
	n->kept_log2 = 0;
}

/* --- in and out --- */

/* For as long as the fast path's code looks at the segment, the connection's home is an application of ours,
 * which nobody is told of. */
static void at_home_in(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg)
{
	struct flow *f = &sp->fp->flows[id];
	uint16_t own = (uint16_t)sp->fp->conf.apps_max;

	sp->fp->apps[own].base = sp->conn[id].kept;
	f->app = own;
	f->rx_page = 0;
	f->rx_log2 = sp->conn[id].kept_log2;
	tcp_rx(sp->fp->slow, id, seg, frame);
	f->app = APP_NONE;
}

void unaccepted_in(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg)
{
	const struct flow *f = &sp->fp->flows[id];
	int64_t end = (int64_t)seq_dist(flow_rx_seq(f, f->rx_nxt), seg->seq) + seg->payload_len;

	end = end < f->rx_adv ? end : f->rx_adv; /* what is beyond the window is not kept */
	if (seg->payload_len > 0 && !ring_need(sp, id, f->rx_unread + (uint64_t)(end > 0 ? end : 0), false)) {
		sp_count(sp, CNT_TCP_UNACCEPTED_DROPPED, 1);
		return;
	}
	at_home_in(sp, id, frame, seg);
}

bool unaccepted_strip(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn *n = &sp->conn[id];
	uint64_t bytes = end_of(sp, id) - first_of(f);

	if (bytes > 0 && !ring_need(sp, id, bytes, true)) {
		sp_count(sp, CNT_TCP_UNACCEPTED_RESETS, 1);
		return false;
	}
	if (bytes > 0)
		ring_copy(sp, id, ring_of(n), ring_in_region(sp, f));
	app_flow_free_buffers(sp->apps, id);
	f->rx_log2 = n->kept_log2;
	n->app_gone = true;
	return true;
}

void unaccepted_give(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];

	if (sp->conn[id].kept == NULL)
		return;
	ring_copy(sp, id, ring_in_region(sp, f), ring_of(&sp->conn[id]));
	unaccepted_drop(sp, id);
	/* what was offered may be used up, and the peer wait */
	if (!(f->flags & FLOW_RX_FIN) && f->rx_adv < flow_rx_size(f) / 4)
		tcp_ack_now(sp->fp->slow, id);
}
