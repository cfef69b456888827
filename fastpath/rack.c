/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/rack.h"

#include <string.h>

#include "fastpath/tcp_int.h"

/* --- the log of what was sent --- */

void sent_halve(struct sent_log *l)
{
	unsigned n = l->n / 2u;

	for (unsigned i = 0; i < n; i++) {
		struct sent_mark *to = &l->mark[(l->head + i) % SENT_MARKS];
		uint32_t since = l->mark[(l->head + 2 * i) % SENT_MARKS].since;

		*to = l->mark[(l->head + 2 * i + 1) % SENT_MARKS];
		to->since = since;
	}
	if (l->n % 2 != 0) {
		l->mark[(l->head + n) % SENT_MARKS] = l->mark[(l->head + l->n - 1u) % SENT_MARKS];
		n++;
	}
	l->n = (uint8_t)n;
}

static uint64_t mark_end(const struct flow *f, const struct sent_mark *m)
{
	return f->tx_una + (uint64_t)(int64_t)(int32_t)(m->end - (uint32_t)f->tx_una);
}

static const struct sent_mark *mark_at(const struct sent_log *l, unsigned i)
{
	return &l->mark[(l->head + i) % SENT_MARKS];
}

/* When the byte before offset `to` was first sent, and not later: else a piece that was sent again between
 * that and the time of the mark would be taken for lost. False if that is not known any more. */
static bool sent_when(const struct flow *f, const struct sent_log *l, uint64_t to, uint32_t *us)
{
	for (unsigned i = 0; i < l->n; i++)
		if (mark_end(f, mark_at(l, i)) >= to) {
			const struct sent_mark *m = mark_at(l, i);

			*us = mark_end(f, m) == to ? m->us : m->since;
			return true;
		}
	return false;
}

bool sent_exactly(const struct flow *f, const struct sent_log *l, uint64_t to, uint32_t *us)
{
	for (unsigned i = 0; i < l->n; i++)
		if (mark_end(f, mark_at(l, i)) == to) {
			*us = mark_at(l, i)->us;
			return true;
		}
	return false;
}

/* --- what was sent again --- */

static struct resent_piece *pieces(struct resent *r) { return r->more != NULL ? r->more : r->p; }
static const struct resent_piece *piece_at(const struct resent *r, uint32_t i)
{
	return r->more != NULL ? &r->more[i] : &r->p[i];
}
static uint32_t pieces_max(const struct resent *r) { return r->more != NULL ? HOLES_RESENT_MAX : RESENT_MAX; }

uint64_t resent_bytes(const struct resent *r, uint64_t from, uint64_t to)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		uint64_t a = max_u64(piece_at(r, i)->from, from), b = min_u64(piece_at(r, i)->to, to);

		sum += a < b ? b - a : 0;
	}
	return sum;
}

static void resent_remove(struct resent *r, uint32_t at)
{
	struct resent_piece *p = pieces(r);

	memmove(&p[at], &p[at + 1], (--r->n - at) * sizeof(p[0]));
}

/* Makes room by joining two pieces that touch, as if both had been sent when the later was. */
static bool resent_join(struct resent *r)
{
	struct resent_piece *p = pieces(r);

	for (uint32_t i = 0; i + 1 < r->n; i++) {
		if (p[i].to != p[i + 1].from)
			continue;
		p[i].to = p[i + 1].to;
		if ((int32_t)(p[i + 1].us - p[i].us) > 0)
			p[i].us = p[i + 1].us;
		resent_remove(r, i + 1);
		return true;
	}
	return false;
}

bool resent_room(struct resent *r) { return r->n < pieces_max(r) || resent_join(r); }

void resent_add(struct resent *r, struct flow_range piece, uint32_t now_us)
{
	struct resent_piece *p = pieces(r);
	uint32_t at = 0;

	while (at < r->n && p[at].from < piece.from)
		at++;
	if (at > 0 && p[at - 1].to == piece.from && p[at - 1].us == now_us) {
		p[at - 1].to = piece.to;
		return;
	}
	if (!resent_room(r))
		return; /* recovery_next() does not let it come to that */
	while (at > 0 && (at > r->n || p[at - 1].from > piece.from)) /* joining may have moved things */
		at--;
	memmove(&p[at + 1], &p[at], (r->n++ - at) * sizeof(p[0]));
	p[at] = (struct resent_piece){ piece.from, piece.to, now_us };
}

bool resent_covers(const struct resent *r, uint64_t off, uint64_t *to)
{
	for (uint32_t i = 0; i < r->n && piece_at(r, i)->from <= off; i++)
		if (off < piece_at(r, i)->to) {
			*to = piece_at(r, i)->to;
			return true;
		}
	return false;
}

uint64_t resent_next(const struct resent *r, uint64_t off)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (piece_at(r, i)->from > off)
			return piece_at(r, i)->from;
	return UINT64_MAX;
}

/* [from, to) of piece `at` is delivered: what is left of it. Returns the index of the next piece. */
static uint32_t resent_cut(struct resent *r, uint32_t at, uint64_t from, uint64_t to)
{
	struct resent_piece *p = &pieces(r)[at], rest = *p;

	if (p->from < from && to < p->to) {
		p->to = from;
		rest.from = to;
		if (r->n < pieces_max(r)) { /* else the rest is taken for lost once more */
			memmove(p + 2, p + 1, (r->n++ - at - 1) * sizeof(*p));
			p[1] = rest;
		}
		return at + 2;
	}
	if (p->from < from)
		p->to = from;
	else if (to < p->to)
		p->from = to;
	else {
		resent_remove(r, at);
		return at;
	}
	return at + 1;
}

/* --- RACK --- */

static bool later(uint32_t us, uint64_t end, const struct rack *r)
{
	return !r->is_set || (int32_t)(us - r->us) > 0 || (us == r->us && end > r->end);
}

static void candidate(struct tcp t, uint32_t us, uint64_t end)
{
	struct rack *r = &t.k->rack;

	if (!later(us, end, r))
		return;
	r->is_set = true;
	r->us = us;
	r->end = end;
	r->rtt_us = t.c->now_us - us;
}

/* Was it the first sending, and not this one, that was delivered? (6.2 step 2) */
static bool came_too_soon(struct tcp t, const struct seg *seg, uint32_t resent_us)
{
	uint32_t age_us = t.c->now_us - resent_us, sent_ms;

	if (age_us < t.k->min_rtt_lately_us && t.k->min_rtt_lately_us != UINT32_MAX)
		return true;
	if (!(t.f->flags & FLOW_TS) || !seg->has_ts)
		return false;
	sent_ms = (uint32_t)(t.c->now / NS_PER_MS) + t.f->ts_off - age_us / 1000 - 1;
	return (int32_t)(seg->ts_ecr - sent_ms) < 0;
}

void rack_delivered(struct tcp t, const struct seg *seg, uint64_t from, uint64_t to)
{
	struct resent *r = &t.k->resent;
	bool again = false, top_again = false;
	uint32_t us;

	for (uint32_t i = 0; i < r->n;) {
		struct resent_piece p = *piece_at(r, i);

		if (p.to <= from || p.from >= to) {
			i++;
			continue;
		}
		again = true;
		top_again |= p.to >= to;
		if (!came_too_soon(t, seg, p.us))
			candidate(t, p.us, min_u64(p.to, to));
		i = resent_cut(r, i, from, to);
	}
	if (!top_again && sent_when(t.f, &t.k->sent, to, &us))
		candidate(t, us, to);
	if (!again && to <= ranges_top(&t.k->sacked))
		t.k->rack.reordered = true; /* (6.2 step 3) */
	if (!again && t.k->undo.frto == FRTO_NEW)
		spurious_on_first_sending(t, from, to);
}

/* (6.2 step 4): a quarter more for each round trip with such reports, however many. */
void rack_duplicate(struct tcp t)
{
	struct rack *r = &t.k->rack;

	if (t.f->tx_una < r->dsack_round)
		return;
	r->dsack_round = flow_tx_nxt(t.f);
	r->reo_wnd_mult += r->reo_wnd_mult < UINT8_MAX;
	r->reo_wnd_persist = RACK_PERSIST;
	r->reordered = true;
}

void rack_recovered(struct rack *r)
{
	if (r->reo_wnd_persist > 0 && --r->reo_wnd_persist == 0)
		r->reo_wnd_mult = 0;
}

/* (6.2 step 4) */
static uint32_t reordering_window_us(struct tcp t)
{
	const struct flow_cold *k = t.k;
	uint32_t srtt_us = t.f->srtt_us >> 3;
	uint32_t least_us = k->min_rtt_lately_us != UINT32_MAX ? k->min_rtt_lately_us : srtt_us;
	uint64_t sacked = ranges_bytes(&k->sacked, t.f->tx_una, flow_tx_nxt(t.f));

	if (!k->rack.reordered &&
		((t.f->flags & (FLOW_RECOVERY | FLOW_LOSS)) || sacked > 2u * t.f->mss || t.f->dup_acks >= 3))
		return 0;
	return min_u32((k->rack.reo_wnd_mult + 1u) * (least_us / 4), srtt_us);
}

/* Is it lost, which was sent at `us`, before what was delivered? If not yet, when it will be is noted. */
static bool overdue(struct tcp t, uint32_t us, uint32_t limit_us)
{
	struct rack *r = &t.k->rack;
	uint32_t due_us = us + limit_us;

	if (us32_reached(t.c->now_us, due_us))
		return true;
	if (!r->is_waiting || (int32_t)(due_us - r->due_us) < 0) {
		r->is_waiting = true;
		r->due_us = due_us;
	}
	return false;
}

/* Up to where what was sent once is lost: a prefix. */
static uint64_t lost_edge(struct tcp t, uint32_t limit_us)
{
	const struct rack *r = &t.k->rack;
	uint64_t edge = t.f->tx_una;

	for (unsigned i = 0; i < t.k->sent.n; i++) {
		const struct sent_mark *m = mark_at(&t.k->sent, i);
		uint64_t end = mark_end(t.f, m);

		if ((int32_t)(m->us - r->us) > 0 || (m->us == r->us && edge >= r->end) ||
			!overdue(t, m->us, limit_us))
			break;
		edge = m->us == r->us ? min_u64(end, r->end) : end;
	}
	return edge;
}

void rack_detect(struct tcp t)
{
	struct flow_cold *k = t.k;
	struct rack *r = &k->rack;
	bool waited = r->is_waiting;
	uint32_t limit_us, due_us = r->due_us;

	r->is_waiting = false;
	if (!r->is_set)
		return;
	limit_us = r->rtt_us + reordering_window_us(t);
	k->lost_to = max_u64(k->lost_to, lost_edge(t, limit_us));
	for (uint32_t i = k->resent.n; i-- > 0;) {
		const struct resent_piece *p = piece_at(&k->resent, i);

		if ((int32_t)(p->us - r->us) < 0 && overdue(t, p->us, limit_us))
			resent_remove(&k->resent, i); /* and so to be sent once more */
	}
	if (r->is_waiting && (!waited || (int32_t)(r->due_us - due_us) < 0))
		flow_event(t.c, t.id, FLOW_EV_TIMER);
}
