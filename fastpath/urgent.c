/* SPDX-License-Identifier: BSD-3-Clause */
/* urgent.c - urgent data (RFC 9293 3.8.5, RFC 6093): one byte, the last before the one that the pointer
 * names, as Linux and all others take it. Which of them a program may still see depends on where it stands in
 * the stream, which the library alone knows: tasd tells it of the pointer, and of the byte as soon as that
 * arrived in whatever segment. */
#include "fastpath/tcp_int.h"
#include "include/net/bytes.h"

enum { POINTER_AT = 18 }; /* in the TCP header */

/* --- receive --- */

void flow_urgent_give(const struct flow_urgent *u, struct abi_flow_urgent *shm)
{
	atomic_store_explicit(&shm->count, u->count | 1, memory_order_relaxed);
	/* pairs with the library's acquire fence: who reads one of these sees the odd count, or the next */
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&shm->at, u->at, memory_order_relaxed);
	atomic_store_explicit(&shm->from, u->from, memory_order_relaxed);
	atomic_store_explicit(&shm->to, u->to, memory_order_relaxed);
	atomic_store_explicit(&shm->byte, u->byte, memory_order_relaxed);
	/* pairs with the library's acquire: who sees it even sees all of them */
	atomic_store_explicit(&shm->count, u->count, memory_order_release);
}

static void seen_keep(struct flow_urgent *u, const struct abi_flow_urgent *shm)
{
	u->seen = atomic_load_explicit(&shm->seen, memory_order_relaxed);
	u->taken = atomic_load_explicit(&shm->taken, memory_order_relaxed);
}

static bool is_told(struct tcp t)
{
	return t.f->app != APP_NONE && !(t.f->flags & FLOW_ORPHAN) &&
		atomic_load_explicit(&t.c->fp->apps[t.f->app].live, memory_order_acquire);
}

/* Of a flow that is at home somewhere: what a process said counts also when it has just ended. */
static struct abi_flow_urgent *shm_of(struct tcp t) { return app_urgent(&t.c->fp->apps[t.f->app], t.f->rec); }

/* What the application says that it has seen is believed: it concerns nobody but itself. */
static void pointer_set(struct tcp t, uint64_t at)
{
	struct flow_urgent *u = &t.k->urgent;

	if (is_told(t))
		seen_keep(u, shm_of(t));
	if (u->count == u->seen)
		u->from = u->to = at;
	else if (u->to == u->at && (int64_t)(t.f->rx_nxt - u->at) > 0)
		u->to++;
	u->at = at;
	u->byte = 0;
	u->count += 2;
	t.k->rec_events |= ABI_EV_URGENT;
}

/* The byte is taken out of the segment, be it next or not, and whether or not there is room for it, as Linux
 * does: it may overtake the stream. */
static bool byte_take(struct tcp t, const struct seg *seg, const uint8_t *frame, uint64_t from)
{
	struct flow_urgent *u = &t.k->urgent;
	uint64_t off = u->at - from;

	if (u->count == 0 || u->byte != 0 || off >= seg->payload_len)
		return false;
	u->byte = ABI_URGENT_THERE | frame[seg->payload_off + off];
	return true;
}

static void tell(struct tcp t)
{
	struct abi_flow_rec *rec = app_rec(&t.c->fp->apps[t.f->app], t.f->rec);

	flow_urgent_give(&t.k->urgent, shm_of(t));
	atomic_store_explicit(&rec->events, t.k->rec_events, memory_order_release);
	/* pairs with the acquire in the library: who sees the number sees the event and the pointer; and who
	 * sees an rx_end stored after it sees the number */
	atomic_fetch_add_explicit(&rec->ring_gen, 1, memory_order_release);
	atomic_thread_fence(memory_order_release);
	app_notify(t.c, t.f, 0, 0);
}

/* A pointer below what was received, or not beyond the last one, is old news. */
void urgent_in(struct tcp t, const struct seg *seg, const uint8_t *frame, int32_t head)
{
	uint32_t pointer = load_be16(frame + seg->l4_off + POINTER_AT);
	uint64_t from = t.f->rx_nxt + (uint64_t)(int64_t)head, at = from + (pointer > 0 ? pointer - 1 : 0);
	const struct flow_urgent *u = &t.k->urgent;
	bool fresh = (int64_t)(at - t.f->rx_nxt) >= 0 && (u->count == 0 || (int64_t)(at - u->at) > 0);

	if (t.f->flags & FLOW_RX_FIN) /* RFC 9293 3.10.7.4, sixth: it cannot be */
		return;
	if (fresh) {
		pointer_set(t, at);
		count(t.c, CNT_TCP_RX_URGENT, 1);
	}
	if ((byte_take(t, seg, frame, from) || fresh) && is_told(t))
		tell(t);
}

/* --- send --- */

/* One copy of what the application wrote. It lies within the ring, so that it is passed some time; beyond
 * what was written it harms nobody else. */
void urgent_out(struct tcp t)
{
	uint64_t end = atomic_load_explicit(&shm_of(t)->tx_end, memory_order_relaxed);
	uint64_t ahead = end - t.f->tx_una;

	if ((t.f->flags & (FLOW_TX_FIN | FLOW_FIN_DONE)) || ahead == 0 || ahead > flow_tx_size(t.f))
		return;
	t.k->urgent.tx_end = end;
	t.f->flags |= FLOW_URGENT;
}

void flow_urgent_take(struct fp_core *c, uint32_t id)
{
	struct tcp t = tcp_of(c, id);

	urgent_out(t);
	seen_keep(&t.k->urgent, shm_of(t));
}

void urgent_acked(struct tcp t)
{
	if ((int64_t)(t.k->urgent.tx_end - t.f->tx_una) > 0)
		return;
	t.f->flags &= ~FLOW_URGENT;
	hdr_tmpl_set_urgent(&t.k->hdr, 0);
}

/* Farther away than 16 bits can say it is said as far as they can, but not by what is sent again far below
 * the rest (as tcp_transmit_skb() of Linux). */
uint16_t urgent_pointer(struct tcp t, uint64_t off)
{
	uint64_t ahead = t.k->urgent.tx_end - off;

	if (!(t.f->flags & FLOW_URGENT) || (int64_t)ahead <= 0)
		return 0;
	if (ahead <= UINT16_MAX)
		return (uint16_t)ahead;
	return (int64_t)(off + UINT16_MAX - flow_tx_nxt(t.f)) > 0 ? UINT16_MAX : 0;
}
