/* SPDX-License-Identifier: BSD-3-Clause */
/* app_share.c - connections that several processes have after fork.
 *
 * A flow's bytes are in one process's region, its home. Another holder's use moves them into that one's
 * (app_share_adopt): unread and unacknowledged bytes, and what arrived past a gap. The former home keeps its
 * record and its rings, so that a call which is inside of them harms nobody, and learns from ABI_EV_MOVED
 * that it must ask for the flow again.
 *
 * Who still has the flow? Each record stands for a process that has it open, or, once that process closed
 * it, for children of that process which may come for it (app_rec.waits). When the last record ends, the
 * connection is closed. When the home's process closes it and others have it, the flow moves to one of them,
 * which is told; it may be waiting. */
#include <errno.h>
#include <string.h>

#include "include/base/assert.h"
#include "slowpath/app_flow.h"

enum {
	COPY_LOCKED = 64 << 10, /* bytes that may be copied while cores wait for the flow */
	COPY_ROUNDS = 8,
};

static struct app_rec *rec_at(const struct apps *as, uint16_t app, uint32_t rec)
{
	return &as->slot[app].recs[rec];
}

static struct abi_flow_rec *shm_at(const struct apps *as, uint16_t app, uint32_t rec)
{
	return app_rec(&as->fp->apps[app], rec);
}

static uint64_t key_of(const struct app_rec *r) { return hold_flow_key(r->flow, r->gen); }

static bool is_home(const struct apps *as, uint16_t app, uint32_t rec)
{
	const struct flow *f = &as->fp->flows[rec_at(as, app, rec)->flow];

	return f->app == app && f->rec == rec;
}

/* --- the ring of a flow's records --- */

static bool is_alone(const struct apps *as, uint16_t app, uint32_t rec)
{
	const struct app_rec *r = rec_at(as, app, rec);

	return r->peer_app == app && r->peer_rec == rec;
}

static void ring_join(struct apps *as, uint16_t app, uint32_t rec, struct app_rec *beside)
{
	struct app_rec *r = rec_at(as, app, rec);

	r->peer_app = beside->peer_app;
	r->peer_rec = beside->peer_rec;
	beside->peer_app = app;
	beside->peer_rec = rec;
}

static void ring_leave(struct apps *as, uint16_t app, uint32_t rec)
{
	struct app_rec *r = rec_at(as, app, rec), *at = r;

	while (at->peer_app != app || at->peer_rec != rec)
		at = rec_at(as, at->peer_app, at->peer_rec);
	at->peer_app = r->peer_app;
	at->peer_rec = r->peer_rec;
	r->peer_app = app;
	r->peer_rec = rec;
}

struct place {
	uint16_t app;
	uint32_t rec;
};

static struct place home_of(const struct apps *as, uint32_t flow)
{
	return (struct place){ as->fp->flows[flow].app, as->fp->flows[flow].rec };
}

static struct place next_of(const struct apps *as, struct place p)
{
	const struct app_rec *r = rec_at(as, p.app, p.rec);

	return (struct place){ r->peer_app, r->peer_rec };
}

/* --- waiting for children --- */

static void wait_begin(struct app_slot *s, uint32_t rec, struct cover *c)
{
	struct app_rec *r = &s->recs[rec];

	r->waits = c;
	r->prev = COVER_NO_FLOWS;
	r->next = c->flows;
	if (c->flows != COVER_NO_FLOWS)
		s->recs[c->flows].prev = rec;
	c->flows = rec;
}

static void wait_end(struct app_slot *s, uint32_t rec)
{
	struct app_rec *r = &s->recs[rec];

	if (r->prev != COVER_NO_FLOWS)
		s->recs[r->prev].next = r->next;
	else
		r->waits->flows = r->next;
	if (r->next != COVER_NO_FLOWS)
		s->recs[r->next].prev = r->prev;
	r->waits = NULL;
}

void app_share_forget(struct apps *as, uint16_t app, uint32_t rec)
{
	if (rec_at(as, app, rec)->waits != NULL)
		wait_end(&as->slot[app], rec);
	ring_leave(as, app, rec);
}

/* What a process said in 16 bits about the number of its forks. */
static uint64_t forks_of(const struct apps *as, uint16_t app, uint16_t low)
{
	uint64_t now = as->holds.app[app].forks;
	uint64_t since = (uint16_t)((uint16_t)now - low);

	return since > now ? 0 : now - since;
}

void app_flow_accepted(struct apps *as, uint32_t flow)
{
	const struct flow *f = &as->fp->flows[flow];
	struct app_rec *r;

	if (f->app == APP_NONE || f->rec == APP_REC_NONE)
		return;
	r = rec_at(as, f->app, f->rec);
	if (r->born == APP_NOT_BORN)
		r->born = forks_of(as, f->app, as->fp->cold[flow].accept_forks);
}

/* --- positions --- */

/* As a bell says them; what cannot be is not believed. */
static void positions_take(struct apps *as, uint32_t flow, uint64_t rx_read, uint64_t tx_end)
{
	struct flow *f = &as->fp->flows[flow];
	uint64_t unread = f->rx_nxt - (f->flags & FLOW_RX_FIN ? 1 : 0) - rx_read;
	uint64_t more = tx_end - flow_tx_end(f);

	if (unread < f->rx_unread) {
		f->rx_unread = (uint32_t)unread;
		f->flags |= FLOW_ACK_WANTED; /* the window opened */
		core_kick(as->fp->slow, flow);
	}
	if (!(f->flags & (FLOW_TX_FIN | FLOW_FIN_DONE)) && more <= flow_tx_size(f) - f->tx_avail)
		f->tx_avail += (uint32_t)more;
	flow_urgent_take(as->fp->slow, flow);
}

static uint64_t rx_read_of(const struct flow *f)
{
	return f->rx_nxt - (f->flags & FLOW_RX_FIN ? 1 : 0) - f->rx_unread;
}

static uint64_t tx_end_of(const struct flow *f)
{
	return flow_tx_end(f) - (f->flags & FLOW_FIN_DONE ? 1 : 0);
}

/* From here on the home's process finds that the flow is elsewhere; what it wrote before is in the record. */
static void home_close(struct apps *as, uint32_t flow)
{
	struct place home = home_of(as, flow);
	struct abi_flow_rec *shm = shm_at(as, home.app, home.rec);

	atomic_fetch_or(&shm->events, ABI_EV_MOVED);
	atomic_fetch_add(&shm->ring_gen, 1);
	/* pairs with the library's fence between writing its position and reading the event: it sees the
	 * event, or we see its position */
	atomic_thread_fence(memory_order_seq_cst);
	positions_take(as, flow, atomic_load(&shm->rx_read), atomic_load(&shm->tx_end));
	rec_at(as, home.app, home.rec)->taken = tx_end_of(&as->fp->flows[flow]);
}

/* --- moving --- */

static void ring_copy(char *to, const char *from, uint32_t size, uint64_t pos, uint64_t end)
{
	while (pos < end) {
		uint32_t at = (uint32_t)pos & (size - 1);
		uint32_t n = (uint32_t)min_u64(end - pos, size - at);

		memcpy(to + at, from + at, n);
		pos += n;
	}
}

/* The parts of both streams that are in the rings. */
struct held_bytes {
	uint64_t rx_from, rx_to, tx_from, tx_to;
};

/* What is unread, what is unacknowledged or unsent. */
static struct held_bytes held_of(const struct flow *f)
{
	return (struct held_bytes){ rx_read_of(f), f->rx_nxt, f->tx_una, flow_tx_end(f) };
}

static uint64_t held_len(const struct held_bytes *b) { return b->rx_to - b->rx_from + b->tx_to - b->tx_from; }

/* Without what is there already. */
static struct held_bytes held_rest(struct held_bytes b, const struct app_copied *done)
{
	b.rx_from = min_u64(max_u64(b.rx_from, done->rx_to), b.rx_to);
	b.tx_from = min_u64(max_u64(b.tx_from, done->tx_to), b.tx_to);
	return b;
}

static void bytes_copy(struct apps *as, uint32_t flow, struct place to, const struct held_bytes *b)
{
	const struct flow *f = &as->fp->flows[flow];
	const struct app_rec *r = rec_at(as, to.app, to.rec);
	const struct app *from = &as->fp->apps[f->app], *into = &as->fp->apps[to.app];

	ring_copy(app_page(into, r->rx_page), app_page(from, f->rx_page), flow_rx_size(f), b->rx_from,
		b->rx_to);
	ring_copy(app_page(into, r->tx_page), app_page(from, f->tx_page), flow_tx_size(f), b->tx_from,
		b->tx_to);
	app_spend(as, to.app, held_len(b) / COST_BYTES);
}

/* A ring may hold megabytes, and cores wait for the flow's lock: most is copied without. What a stream holds
 * between two positions does not change as long as it holds it, and what it holds no more nobody reads: only
 * what came meanwhile is left, in the end a little. */
static void copy_ahead(struct apps *as, uint32_t flow, struct place to)
{
	struct app_copied *done = &as->copied;
	struct flow *f = &as->fp->flows[flow];

	*done = (struct app_copied){ .flow = flow, .app = to.app, .rec = to.rec };
	for (unsigned round = 0; round < COPY_ROUNDS; round++) {
		struct held_bytes b;

		flow_lock_slow(f);
		b = held_rest(held_of(f), done);
		rte_spinlock_unlock(&f->lock);
		if (held_len(&b) <= COPY_LOCKED)
			return;
		bytes_copy(as, flow, to, &b);
		done->rx_to = b.rx_to;
		done->tx_to = b.tx_to;
	}
}

void app_share_heard(struct apps *as) { as->copied.flow = FLOW_NONE; }

/* With the lock: what is left, and what came past a gap unless that is much: then the peer sends it again. */
static void copy_rest(struct apps *as, uint32_t flow, struct place to)
{
	struct flow *f = &as->fp->flows[flow];
	struct flow_ranges *past = &as->fp->cold[flow].reass;
	struct app_copied none = { 0 }, *done = &as->copied;
	struct held_bytes b = held_of(f);

	if (done->flow != flow || done->app != to.app || done->rec != to.rec)
		done = &none;
	b = held_rest(b, done);
	if (past->n > 0 && ranges_top(past) - b.rx_to <= COPY_LOCKED) {
		b.rx_to = ranges_top(past);
	} else {
		past->n = 0;
		f->flags &= ~(uint32_t)FLOW_OOO;
	}
	bytes_copy(as, flow, to, &b);
	as->copied.locked = held_len(&b);
	app_share_heard(as);
}

/* Everything that an application may know of the flow, anew. */
static void record_renew(struct apps *as, uint32_t flow, uint32_t ring_gen, uint32_t events)
{
	struct place home = home_of(as, flow);
	struct abi_flow_rec *shm = shm_at(as, home.app, home.rec);
	uint32_t *known = &as->fp->cold[flow].rec_events;

	events |= *known & ~(uint32_t)(ABI_EV_ACCEPT | ABI_EV_MOVED);
	*known = events | (*known & ABI_EV_ACCEPT ? ABI_EV_CONNECTED : 0u);
	app_rec_fill(as, flow, ABI_LISTENER_NONE);
	atomic_store(&shm->error, as->fp->cold[flow].rec_error);
	atomic_store(&shm->events, *known);
	atomic_store(&shm->ring_gen, ring_gen);
}

/* With the lock. The former home is away; it ends if nobody stands behind it. */
static void move(struct apps *as, uint32_t flow, struct place to, uint16_t ctx, uint32_t events)
{
	struct place old = home_of(as, flow);
	struct app_rec *was = rec_at(as, old.app, old.rec);
	uint32_t gen = atomic_load(&shm_at(as, to.app, to.rec)->ring_gen);
	struct flow *f = &as->fp->flows[flow];

	was->ctx = f->ctx;
	home_close(as, flow);
	copy_rest(as, flow, to);
	f->flags = (f->flags | FLOW_SHARED) & ~(uint32_t)FLOW_WANT_SPACE;
	app_flow_settle_in(as, flow, to.app, to.rec, ctx);
	record_renew(as, flow, gen + 1, events);
	if (was->left) {
		app_rec_end(as, old.app, old.rec, true);
		app_flow_gone(as, old.app);
	}
	if (f->tx_avail > f->tx_inflight && ((TCP_STATES_FAST >> f->state) & 1))
		tcp_tx(as->fp->slow, flow);
}

/* Who else has the flow open; its home if nobody. */
static struct place heir_of(const struct apps *as, uint32_t flow)
{
	struct place home = home_of(as, flow), at = next_of(as, home);

	while ((at.app != home.app || at.rec != home.rec) &&
		(rec_at(as, at.app, at.rec)->waits != NULL || !app_is_live(as, at.app)))
		at = next_of(as, at);
	return at;
}

/* Which context the process wants to be notified; if it named none that there is, the last that was. */
static uint16_t context_named(const struct apps *as, struct place p)
{
	uint16_t ctx = atomic_load(&shm_at(as, p.app, p.rec)->context);

	return ctx < atomic_load(&as->fp->apps[p.app].nctx) ? ctx : rec_at(as, p.app, p.rec)->ctx;
}

/* The home's process closed the flow. Another that has it open gets it, and is told: it asks for the flow
 * before it goes on, for its positions are of another time. */
static void pass_on(struct apps *as, uint32_t flow)
{
	struct place heir = heir_of(as, flow);

	if (is_home(as, heir.app, heir.rec))
		return;
	move(as, flow, heir, context_named(as, heir), ABI_EV_MOVED);
	app_notify(as->fp->slow, &as->fp->flows[flow], ABI_EV_MOVED, 0);
}

/* --- leaving --- */

/* Neither the record's process nor a child of it has the flow. True if somebody else has; the record may be
 * free then. */
static bool claim_ends(struct apps *as, uint16_t app, uint32_t rec)
{
	uint32_t flow = rec_at(as, app, rec)->flow;
	struct place home;

	if (is_alone(as, app, rec))
		return false;
	if (is_home(as, app, rec)) {
		rec_at(as, app, rec)->left = true;
		pass_on(as, flow);
		return true;
	}
	app_rec_end(as, app, rec, true);
	app_flow_gone(as, app);
	home = home_of(as, flow);
	return !rec_at(as, home.app, home.rec)->left || !is_alone(as, home.app, home.rec);
}

/* A child that may come for it, after its process gave it up. */
static struct cover *kept_by(const struct apps *as, uint16_t app, uint32_t rec, uint64_t upto)
{
	const struct app_rec *r = rec_at(as, app, rec);

	return hold_covers(&as->holds, app, r->born, min_u64(upto, as->holds.app[app].forks), key_of(r));
}

/* It will move when its process gives it up: no lock is held yet. */
static void foresee(struct apps *as, uint16_t app, uint32_t rec, uint64_t upto)
{
	const struct app_rec *r = rec_at(as, app, rec);
	struct place heir;

	if (r->waits != NULL || r->left || !is_home(as, app, rec) || is_alone(as, app, rec))
		return;
	heir = heir_of(as, r->flow);
	if (!is_home(as, heir.app, heir.rec) && kept_by(as, app, rec, upto) == NULL)
		copy_ahead(as, r->flow, heir);
}

void app_share_foresee_close(struct apps *as, uint32_t flow)
{
	const struct flow *f = &as->fp->flows[flow];

	if ((f->flags & FLOW_SHARED) && f->app != APP_NONE && f->rec != APP_REC_NONE)
		foresee(as, f->app, f->rec, forks_of(as, f->app, as->fp->cold[flow].close_forks));
}

static bool give_up(struct apps *as, uint16_t app, uint32_t rec, enum app_close how, uint64_t upto)
{
	struct app_rec *r = rec_at(as, app, rec);
	struct cover *c;

	if (r->waits != NULL || r->left)
		return true;
	r->how = (uint8_t)how;
	r->upto = min_u64(upto, as->holds.app[app].forks);
	c = kept_by(as, app, rec, r->upto);
	if (c == NULL)
		return claim_ends(as, app, rec);
	wait_begin(&as->slot[app], rec, c);
	return true;
}

bool app_flow_close_held(struct apps *as, uint32_t flow, enum app_close how)
{
	const struct flow *f = &as->fp->flows[flow];

	if (f->app == APP_NONE || f->rec == APP_REC_NONE)
		return false;
	return give_up(as, f->app, f->rec, how, forks_of(as, f->app, as->fp->cold[flow].close_forks));
}

void app_share_leave(struct apps *as, uint16_t app, uint32_t rec, enum app_close how, uint64_t upto)
{
	uint32_t flow = rec_at(as, app, rec)->flow;
	struct flow *f = &as->fp->flows[flow];
	bool held;

	foresee(as, app, rec, upto);
	flow_lock_slow(f);
	held = give_up(as, app, rec, how, upto);
	rte_spinlock_unlock(&f->lock);
	app_share_heard(as);
	if (!held)
		as->ops.close_flow(as->ops.arg, flow, how);
}

/* The cover for which it waited keeps it no more: another may. */
static void wait_again(struct apps *as, uint16_t app, uint32_t rec)
{
	wait_end(&as->slot[app], rec);
	app_share_leave(as, app, rec, rec_at(as, app, rec)->how, rec_at(as, app, rec)->upto);
}

unsigned app_holds_release(struct apps *as, unsigned burst)
{
	struct hold *h;
	uint64_t from = as->cost.spent;
	unsigned left = burst;

	while (left > 0 && as->cost.spent - from < COST_PASS && (h = LIST_FIRST(&as->holds.ended)) != NULL) {
		struct cover *c = hold_release(&as->holds, h, &left);

		if (c == NULL || left == 0)
			continue;
		wait_again(as, c->parent, c->flows);
		left--;
	}
	return burst - left;
}

/* --- who may have it --- */

/* The process's own record. */
static bool own_record(const struct apps *as, uint16_t app, uint32_t flow, struct place *own)
{
	struct place home = home_of(as, flow), at = home;

	do {
		*own = at;
		if (at.app == app)
			return rec_at(as, at.app, at.rec)->waits == NULL && !rec_at(as, at.app, at.rec)->left;
		at = next_of(as, at);
	} while (at.app != home.app || at.rec != home.rec);
	return false;
}

/* A cover of the hold it came with, and the record that this is about. */
static struct cover *inherited(const struct apps *as, const struct hold *h, uint32_t flow, struct place *from)
{
	struct place home = home_of(as, flow), at = home;

	if (h == NULL)
		return NULL;
	do {
		const struct app_rec *r = rec_at(as, at.app, at.rec);
		struct cover *c = hold_cover_of(h, at.app, r->attached, key_of(r));

		*from = at;
		if (c != NULL)
			return c;
		at = next_of(as, at);
	} while (at.app != home.app || at.rec != home.rec);
	return NULL;
}

/* The cover's child has the flow itself, or has it no more. */
static void inherited_ends(struct apps *as, struct cover *c, struct place from)
{
	if (rec_at(as, from.app, from.rec)->waits == c)
		wait_again(as, from.app, from.rec);
}

/* What cores saw of it is dealt with first. If the word that its parent accepted it is not among that, it is
 * taken as said: a child would not have it otherwise. */
static void settle(struct apps *as, uint32_t flow)
{
	struct flow *f = &as->fp->flows[flow];
	struct app_rec *home;

	as->ops.settle_flow(as->ops.arg, flow);
	if (f->app == APP_NONE || f->rec == APP_REC_NONE)
		return;
	home = rec_at(as, f->app, f->rec);
	if (home->born != APP_NOT_BORN)
		return;
	flow_lock_slow(f);
	home->born = home->attached;
	f->events |= FLOW_EV_ACCEPTED;
	rte_spinlock_unlock(&f->lock);
	as->ops.settle_flow(as->ops.arg, flow);
}

static bool has_home(const struct apps *as, uint32_t flow)
{
	const struct flow *f = &as->fp->flows[flow];

	return f->app != APP_NONE && f->rec != APP_REC_NONE && !(f->flags & FLOW_ORPHAN);
}

static void shut(struct apps *as, uint32_t flow, const struct ctl_adopt *a)
{
	struct flow *f = &as->fp->flows[flow];

	if (!(a->flags & CTL_ADOPT_TX_SHUT) || (f->flags & (FLOW_TX_FIN | FLOW_FIN_DONE)))
		return;
	f->flags |= FLOW_TX_FIN;
	flow_event(as->fp->slow, flow, FLOW_EV_SHUT_WR);
}

/* A place for it here, beside the record by which it was inherited. */
static int place_make(struct apps *as, uint16_t app, uint32_t flow, uint16_t ctx, struct place *own)
{
	const struct flow *f = &as->fp->flows[flow];
	struct cover *c = inherited(as, as->holds.app[app].from, flow, own);
	int64_t rec;
	int error;

	if (c == NULL)
		return ECONNRESET;
	rec = app_rec_make(as, flow, app, f->rx_log2, f->tx_log2);
	if (rec < 0)
		return (int)-rec;
	error = cover_give_up(&as->holds, c, hold_flow_key(flow, f->gen));
	if (error != 0) {
		app_rec_end(as, app, (uint32_t)rec, true);
		return -error;
	}
	rec_at(as, app, (uint32_t)rec)->ctx = ctx;
	ring_join(as, app, (uint32_t)rec, rec_at(as, own->app, own->rec));
	inherited_ends(as, c, *own);
	*own = (struct place){ app, (uint32_t)rec };
	return 0;
}

static void answer(struct apps *as, struct ctl_adopt *a, struct place own)
{
	const struct flow *f = &as->fp->flows[a->flow];

	a->rec = own.rec;
	a->rx_read = rx_read_of(f);
	a->tx_end = tx_end_of(f);
	a->taken = rec_at(as, own.app, own.rec)->taken;
	a->flags = f->flags & (FLOW_TX_FIN | FLOW_FIN_DONE) ? CTL_ADOPT_TX_SHUT : 0;
}

/* With the lock. */
static void bring_home(struct apps *as, const struct ctl_adopt *a, struct place own)
{
	struct abi_flow_rec *shm = shm_at(as, own.app, own.rec);
	struct flow *f = &as->fp->flows[a->flow];

	if (!is_home(as, own.app, own.rec)) {
		move(as, a->flow, own, (uint16_t)a->context, 0);
		return;
	}
	f->ctx = (uint16_t)a->context; /* it was passed on to us */
	f->notify_pos = 0;
	atomic_store(&shm->context, f->ctx);
	as->fp->cold[a->flow].rec_events &= ~(uint32_t)ABI_EV_MOVED;
	atomic_fetch_and(&shm->events, ~(uint32_t)ABI_EV_MOVED);
	atomic_fetch_add(&shm->ring_gen, 1);
}

/* What its parent had read when it forked is read, though tasd was not told. What was written, it was told
 * before the fork: a child is not believed about bytes in another's ring. */
static void inherited_read(struct apps *as, const struct ctl_adopt *a)
{
	struct flow *f = &as->fp->flows[a->flow];

	flow_lock_slow(f);
	positions_take(as, a->flow, a->rx_read, flow_tx_end(f));
	rte_spinlock_unlock(&f->lock);
}

static bool may_have(const struct apps *as, uint16_t app, uint32_t flow, struct place *own, bool *had)
{
	*had = has_home(as, flow) && own_record(as, app, flow, own);
	return *had || (has_home(as, flow) && inherited(as, as->holds.app[app].from, flow, own) != NULL);
}

int app_share_adopt(struct apps *as, uint16_t app, struct ctl_adopt *a)
{
	struct flow *f = &as->fp->flows[a->flow];
	struct place own;
	int error = 0;
	bool had;

	if (!may_have(as, app, a->flow, &own, &had))
		return ECONNRESET;
	settle(as, a->flow);
	if (!may_have(as, app, a->flow, &own, &had))
		return ECONNRESET;
	if (!had) {
		inherited_read(as, a);
		error = place_make(as, app, a->flow, (uint16_t)a->context, &own);
	}
	if (error != 0)
		return error;
	if (!is_home(as, own.app, own.rec))
		copy_ahead(as, a->flow, own);
	flow_lock_slow(f);
	bring_home(as, a, own);
	answer(as, a, own);
	rte_spinlock_unlock(&f->lock);
	app_share_heard(as);
	return 0;
}

static int own_close(struct apps *as, const struct ctl_adopt *a, struct place own)
{
	struct flow *f = &as->fp->flows[a->flow];

	flow_lock_slow(f);
	if (is_home(as, own.app, own.rec)) { /* then these are its last words */
		positions_take(as, a->flow, a->rx_read, a->tx_end);
		shut(as, a->flow, a);
		if (f->tx_avail > f->tx_inflight)
			tcp_tx(as->fp->slow, a->flow);
	}
	rte_spinlock_unlock(&f->lock);
	app_share_leave(as, own.app, own.rec, a->flags & CTL_ADOPT_ABORT ? APP_ABORTED : APP_CLOSED,
		UINT64_MAX);
	return 0;
}

int app_share_let_go(struct apps *as, const struct hold *h, uint32_t flow)
{
	struct cover *c;
	struct place from;
	int error;

	settle(as, flow);
	c = has_home(as, flow) ? inherited(as, h, flow, &from) : NULL;
	if (c == NULL)
		return ENOENT;
	error = cover_give_up(&as->holds, c, hold_flow_key(flow, as->fp->flows[flow].gen));
	if (error != 0)
		return -error;
	inherited_ends(as, c, from);
	return 0;
}

int app_share_close(struct apps *as, uint16_t app, struct ctl_adopt *a)
{
	struct place own;
	bool had;

	if (!may_have(as, app, a->flow, &own, &had))
		return ENOENT;
	settle(as, a->flow);
	if (!may_have(as, app, a->flow, &own, &had))
		return ENOENT;
	return had ? own_close(as, a, own) : app_share_let_go(as, as->holds.app[app].from, a->flow);
}

bool app_share_others(struct apps *as, uint32_t flow)
{
	struct place home;

	settle(as, flow);
	home = home_of(as, flow);
	return has_home(as, flow) &&
		(!is_alone(as, home.app, home.rec) || kept_by(as, home.app, home.rec, UINT64_MAX) != NULL);
}
