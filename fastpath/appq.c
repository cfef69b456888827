/* SPDX-License-Identifier: BSD-3-Clause */
/* appq.c - both directions between a core and applications: their bells, our notifications (see
 * include/abi/abi.h).
 *
 * Trust: a bell is copied once, then checked, then used. A bell that is wrong is counted and ignored: a bad
 * application is its own problem. A bell ring whose index no honest library writes is taken as empty. */
#include "fastpath/stages.h"
#include "fastpath/tcp_int.h"
#include "include/base/assert.h"

enum {
	KEPT_PASSES = 256, /* so long what is kept waits for the older messages in the rings */
	ANSWER_COST = 8,   /* of a turn, if a message asks to be told something */
};
#define CTX_ALL UINT32_MAX

enum app_fault { APP_OK, APP_BAD_HANDLE, APP_BAD_POSITION, APP_BAD_FLAGS, APP_BAD_RING };

static_assert(ABI_BELL_ALL <= UINT16_MAX, "a record has 16 bits for them");

static void fault_count(struct fp_core *c, struct app *a, enum app_fault fault)
{
	static const enum tas_counter counter[] = {
		[APP_BAD_HANDLE] = CNT_APP_FAULT_HANDLE,
		[APP_BAD_POSITION] = CNT_APP_FAULT_POSITION,
		[APP_BAD_FLAGS] = CNT_APP_FAULT_FLAGS,
		[APP_BAD_RING] = CNT_APP_FAULT_RING,
	};

	count(c, counter[fault], 1);
	atomic_fetch_add_explicit(&a->faults, 1, memory_order_relaxed);
}

/* --- tasd -> application --- */

static void push(struct fp_core *c, struct app *a, struct flow *f)
{
	struct app_queue *q = &a->ctx[f->ctx].queue[c->id];
	uint64_t consumed = atomic_load_explicit(&q->notify->consumed, memory_order_relaxed);

	if (unlikely(q->notify_produced - consumed > a->notify_mask)) {
		count(c, CNT_APP_NOTIFY_LOST, 1); /* cannot be unless the application wrote nonsense there */
		return;
	}
	q->notify->slot[q->notify_produced & a->notify_mask] = f->rec;
	/* pairs with the acquire of `produced` in the library: the slot and the record before it are seen */
	atomic_store_explicit(&q->notify->produced, ++q->notify_produced, memory_order_release);
	f->notify_pos = q->notify_produced;
	f->notify_ring = (uint8_t)c->id;
	count(c, CNT_APP_NOTIFIES, 1);
	if (q->wake_pending)
		return;
	q->wake_pending = true;
	if (c->wakes == NULL)
		c->wakes = q;
	else
		c->wakes_last->wake_next = q;
	c->wakes_last = q;
}

/* Does an entry of this flow wait unread in a ring of its context? */
static bool pending(const struct app *a, const struct flow *f)
{
	struct app_queue *q = &a->ctx[f->ctx].queue[f->notify_ring];

	return f->notify_pos != 0 &&
		(int64_t)(atomic_load_explicit(&q->notify->consumed, memory_order_relaxed) - f->notify_pos) <
		0;
}

static struct abi_flow_rec *positions_store(const struct app *a, const struct flow *f)
{
	struct abi_flow_rec *rec = app_rec(a, f->rec);

	atomic_store_explicit(&rec->rx_end, f->rx_nxt - (f->flags & FLOW_RX_FIN ? 1 : 0),
		memory_order_relaxed);
	atomic_store_explicit(&rec->tx_una, f->tx_una - (f->flags & FLOW_FIN_DONE ? 1 : 0),
		memory_order_relaxed);
	if (unlikely(f->flags & FLOW_TX_LIMITED))
		atomic_store_explicit(&rec->tx_nxt,
			(uint32_t)f->tx_una + min_u32(f->tx_inflight, f->tx_avail), memory_order_relaxed);
	return rec;
}

void app_store(struct fp_core *c, const struct flow *f)
{
	const struct app *a = &c->fp->apps[f->app];

	if (likely(!(f->flags & FLOW_ORPHAN) && atomic_load_explicit(&a->live, memory_order_acquire)))
		positions_store(a, f);
}

void app_core(struct fp_core *c, struct flow *f)
{
	const struct app *a = &c->fp->apps[f->app];

	f->core = (uint8_t)c->id;
	if (!(f->flags & FLOW_ORPHAN) && atomic_load_explicit(&a->live, memory_order_acquire))
		atomic_store_explicit(&app_rec(a, f->rec)->core, c->id, memory_order_relaxed);
}

/* The application wants to be notified there. */
static TAS_NOINLINE void context_change(struct fp_core *c, struct app *a, struct flow *f, uint16_t context)
{
	if (context >= atomic_load_explicit(&a->nctx, memory_order_acquire)) {
		fault_count(c, a, APP_BAD_FLAGS);
		return;
	}
	f->ctx = context;
	f->notify_pos = 0;
}

void app_notify(struct fp_core *c, struct flow *f, uint32_t new_events, uint32_t error)
{
	struct app *a;
	struct abi_flow_rec *rec;
	uint32_t id = (uint32_t)(f - c->fp->flows);
	uint16_t context;

	if (f->app == APP_NONE || (f->flags & FLOW_ORPHAN))
		return;
	a = &c->fp->apps[f->app];
	if (unlikely(!atomic_load_explicit(&a->live, memory_order_acquire)))
		return;
	rec = positions_store(a, f);
	if (unlikely(new_events != 0)) {
		c->fp->cold[id].rec_events |= new_events;
		if (error != 0) {
			c->fp->cold[id].rec_error = error;
			atomic_store_explicit(&rec->error, error, memory_order_relaxed);
		}
		/* pairs with the acquire in the library: whoever sees the event sees the positions and the
		 * error before it */
		atomic_store_explicit(&rec->events, c->fp->cold[id].rec_events, memory_order_release);
	}
	/* fence A of abi.h; pairs with fence B and with that of whoever changes the context: either we see
	 * the entry consumed, the other context, or the library sees the record just stored */
	atomic_thread_fence(memory_order_seq_cst);
	context = atomic_load_explicit(&rec->context, memory_order_relaxed);
	if (unlikely(context != f->ctx))
		context_change(c, a, f, context);
	if (!pending(a, f))
		push(c, a, f);
}

/* --- application -> tasd --- */

static enum app_fault bell_check(const struct flow *f, const struct abi_bell *b)
{
	uint64_t rx_end = f->rx_nxt - (f->flags & FLOW_RX_FIN ? 1 : 0);

	if (b->flags & ~(uint32_t)ABI_BELL_ALL)
		return APP_BAD_FLAGS;
	if (!(b->flags & ABI_BELL_POSITIONS))
		return APP_OK;
	if ((int64_t)(rx_end - b->rx_read) < 0) /* past the end; any that is older is an older message */
		return APP_BAD_POSITION;
	if (!(f->flags & (FLOW_FIN_DONE | FLOW_TX_FIN)) && b->tx_end - f->tx_una > flow_tx_size(f) &&
		(int64_t)(f->tx_una - b->tx_end) < 0)
		return APP_BAD_POSITION;
	return APP_OK;
}

/* RFC 9293 3.8.6.2.2: tell the peer when the window opened by two segments or a quarter of the buffer. */
static bool window_worth_telling(const struct flow *f, const struct flow_cold *k)
{
	uint32_t more = rcv_window(f, k) - f->rx_adv, size = flow_rx_size(f);

	if (unlikely(f->flags & FLOW_RX_LIMITED))
		size = min_u32(k->rx_limit, k->rx_clamp);
	return more >= size / 4 || (f->rx_adv < size / 4 && more >= min_u32(2u * k->rcv_mss, size / 4));
}

/* The peer can send a window each round trip: an application that reads half of that or more may be limited
 * by the window, and not the other way round (dynamic right-sizing). As in Linux, whose measure here counts
 * in milliseconds, the least is one; before there is a measure, the round trip may be long. */
static TAS_NOINLINE void reads_on(struct tcp t, uint64_t rx_read)
{
	enum { LEAST_US = 1000, UNKNOWN_US = 100000 };
	uint32_t rtt_us = t.f->srtt_us != 0 ? max_u32(t.f->srtt_us >> 3, LEAST_US) : UNKNOWN_US;
	bool fast = t.k->rx_tune_at != 0 && t.c->now_us - t.k->rx_tune_us <= rtt_us;

	t.k->rx_tune_us = t.c->now_us;
	t.k->rx_tune_at = fast ? FLOW_TUNE_NEVER : rx_read + flow_rx_size(t.f) / 2;
	if (fast)
		flow_event(t.c, t.id, FLOW_EV_READS_FAST);
}

static void bell_rx(struct tcp t, uint64_t rx_read)
{
	uint64_t rx_end = t.f->rx_nxt - (t.f->flags & FLOW_RX_FIN ? 1 : 0);
	uint64_t unread = rx_end - rx_read;

	if (unread >= t.f->rx_unread)
		return; /* an older message, however far off */
	t.f->rx_unread = (uint32_t)unread;
	if (unlikely(rx_read >= t.k->rx_tune_at))
		reads_on(t, rx_read);
	if (!(t.f->flags & FLOW_RX_FIN) && ((TCP_STATES_FAST >> t.f->state) & 1) &&
		window_worth_telling(t.f, t.k))
		tcp_ack_soon(t);
}

/* The next request's acknowledgement may wait for the next answer: not long, if the peer sent more only when
 * it had got the last one, as Nagle's algorithm does with a request in two pieces. */
static inline void answered(struct tcp t)
{
	uint32_t is = FLOW_PINGPONG | FLOW_PATIENT;

	if (unlikely(t.f->flags & FLOW_ACK_LATE)) {
		t.f->flags &= ~(uint32_t)FLOW_ACK_LATE;
		if ((int32_t)(t.k->rx_last_us - t.k->ack_late_us) > 0)
			is = FLOW_PINGPONG;
	}
	t.f->flags |= is;
}

/* An end that is not within a ring's length of una is an older message, however far off: bell_check(). */
static void bell_tx(struct tcp t, uint64_t tx_end)
{
	struct flow *f = t.f;
	uint64_t avail = tx_end - f->tx_una;

	if (avail <= f->tx_avail || avail > flow_tx_size(f) || (f->flags & (FLOW_TX_FIN | FLOW_FIN_DONE)))
		return;
	f->tx_avail = (uint32_t)avail;
	if (t.c->now_us - t.k->rx_last_us < t.c->fp->conf.delack_us[DELAYED_FOR_ANSWER])
		answered(t);
}

/* TCP_QUICKACK, which holds until the next exchange shows something else, as in Linux. */
static TAS_NOINLINE void bell_acks(struct tcp t, uint32_t flags)
{
	if (flags & ABI_BELL_QUICK_ACKS) {
		t.f->flags &= ~(uint32_t)(FLOW_PINGPONG | FLOW_PATIENT | FLOW_ACK_LATE);
		t.k->quick_acks = FLOW_QUICK_ACKS;
		if (t.f->rx_unacked > 0 && ((TCP_STATES_FAST >> t.f->state) & 1))
			tcp_ack_soon(t);
	}
	if (flags & ABI_BELL_LATE_ACKS)
		t.f->flags |= FLOW_PINGPONG | FLOW_PATIENT;
}

/* With less than two windows in the ring, what is acknowledged may be gone before the application has written
 * more. */
static TAS_NOINLINE void ring_is_full(struct tcp t)
{
	enum { APART_US = 10000 };
	uint64_t window = min_u64(t.f->cwnd, t.k->max_snd_wnd);

	if (2 * window <= flow_tx_size(t.f) || t.c->now_us - t.k->tx_tune_us < APART_US)
		return;
	t.k->tx_tune_us = t.c->now_us;
	flow_event(t.c, t.id, FLOW_EV_RING_FULL);
}

static void bell_options(struct tcp t, const struct abi_bell *b)
{
	enum {
		RARE_OPTIONS = ABI_BELL_WANT_SPACE | ABI_BELL_QUICK_ACKS | ABI_BELL_LATE_ACKS |
			ABI_BELL_URGENT
	};
	struct flow *f = t.f;

	if (b->flags & ABI_BELL_OPTIONS) {
		f->flags &= ~(uint32_t)(FLOW_MORE | FLOW_NODELAY);
		f->flags |= (b->flags & ABI_BELL_MORE ? FLOW_MORE : 0u) |
			(b->flags & ABI_BELL_NODELAY ? FLOW_NODELAY : 0u);
	}
	if (likely(!(b->flags & RARE_OPTIONS)))
		return;
	if (b->flags & ABI_BELL_WANT_SPACE) {
		f->flags |= FLOW_WANT_SPACE;
		ring_is_full(t);
	}
	if (b->flags & (ABI_BELL_QUICK_ACKS | ABI_BELL_LATE_ACKS))
		bell_acks(t, b->flags);
	if (b->flags & ABI_BELL_URGENT)
		urgent_out(t);
}

static void bell_end(struct tcp t, const struct abi_bell *b)
{
	struct flow *f = t.f;

	if (b->flags & ABI_BELL_CLOSE) { /* whether a child still has it, and so whether a FIN follows, the
					    slow path knows */
		t.k->close_forks = b->forks;
		flow_event(t.c, t.id, FLOW_EV_CLOSE | (b->flags & ABI_BELL_ABORT ? FLOW_EV_ABORT : 0));
	} else if ((b->flags & ABI_BELL_SHUT_WR) && !(f->flags & (FLOW_TX_FIN | FLOW_FIN_DONE))) {
		f->flags |= FLOW_TX_FIN;
		flow_event(t.c, t.id, FLOW_EV_SHUT_WR);
	}
	if (b->flags & ABI_BELL_ACCEPTED) {
		t.k->accept_forks = b->forks;
		flow_event(t.c, t.id, FLOW_EV_ACCEPTED);
	}
}

static bool wants_space_now(struct tcp t) { return (t.f->flags & FLOW_WANT_SPACE) && tcp_tx_space(t.f, t.k); }

/* What it cost. */
static int bell_apply(struct tcp t, const struct abi_bell *b)
{
	int cost = 1;

	bell_options(t, b);
	if (b->flags & ABI_BELL_POSITIONS) {
		bell_rx(t, b->rx_read);
		bell_tx(t, b->tx_end);
	}
	bell_end(t, b);
	if (wants_space_now(t) || (b->flags & ABI_BELL_REFRESH)) {
		t.f->flags &= ~(uint32_t)FLOW_WANT_SPACE;
		app_notify(t.c, t.f, 0, 0);
		cost = ANSWER_COST;
	}
	if (t.f->tx_avail + (t.f->flags & FLOW_TX_FIN ? 1u : 0) > t.f->tx_inflight)
		list_push_ready(t.c, t.id);
	return cost;
}

/* Also without the lock: then it is asked once more with it, unless nothing but a count depends on it. */
static bool is_its_own(const struct app *a, const struct flow *f, const struct abi_bell *b)
{
	/* pairs with the order in which a flow moves to another process: who sees the new one sees
	 * FLOW_SHARED, too */
	return __atomic_load_n(&f->app, __ATOMIC_ACQUIRE) == a->id &&
		__atomic_load_n(&f->gen, __ATOMIC_RELAXED) == b->gen;
}

/* The flow ended, its application closed it through another context, or another process took it over, while
 * the message was on its way. */
static bool is_late(const struct app *a, const struct flow *f, const struct abi_bell *b)
{
	return f->gen != b->gen || f->app == APP_NONE || (f->app == a->id && (f->flags & FLOW_ORPHAN)) ||
		(f->app != a->id && (f->flags & FLOW_SHARED));
}

static enum app_fault bell_own(struct fp_core *c, const struct app *a, struct flow *f,
	const struct abi_bell *b, int *cost)
{
	enum app_fault fault = APP_BAD_HANDLE;

	rte_spinlock_lock(&f->lock);
	if (likely(is_its_own(a, f, b) && f->state != TCP_FREE && !(f->flags & FLOW_ORPHAN))) {
		fault = bell_check(f, b);
		if (likely(fault == APP_OK))
			*cost = bell_apply(tcp_of(c, b->flow), b);
	} else if (is_late(a, f, b)) {
		fault = APP_OK;
	}
	rte_spinlock_unlock(&f->lock);
	return fault;
}

/* The lock of a stranger's flow is not taken: whoever guesses its number keeps nobody waiting. */
static int bell_take(struct fp_core *c, struct app *a, const struct abi_bell *b)
{
	enum app_fault fault = APP_BAD_HANDLE;
	struct flow *f;
	int cost = 1;

	if (unlikely(b->flow >= c->fp->conf.flows_max)) {
		fault_count(c, a, fault);
		return cost;
	}
	f = &c->fp->flows[b->flow];
	if (likely(is_its_own(a, f, b)))
		fault = bell_own(c, a, f, b, &cost);
	else if (is_late(a, f, b))
		fault = APP_OK;
	if (unlikely(fault != APP_OK))
		fault_count(c, a, fault);
	return cost;
}

/* As many as the rest of the turn allows. */
static unsigned context_poll(struct fp_core *c, struct app *a, struct app_queue *q, int *turn)
{
	/* pairs with the release in the library: the messages before it are written */
	uint64_t produced = atomic_load_explicit(&q->bell->produced, memory_order_acquire);
	uint64_t waiting = produced - q->bell_consumed;
	unsigned n;

	if (unlikely(waiting > ABI_BELL_SLOTS)) {
		fault_count(c, a, APP_BAD_RING);
		q->bell_consumed =
			produced; /* what stood there is lost to the application, and to nobody else */
		atomic_store_explicit(&q->bell->consumed, produced, memory_order_release);
		return 0;
	}
	for (n = 0; *turn > 0 && n < waiting; n++) {
		struct abi_bell b;

		memcpy(&b, (const void *)&q->bell->slot[q->bell_consumed & (ABI_BELL_SLOTS - 1)], sizeof(b));
		__asm__ volatile(""
				 :
				 : "m"(b)
				 : "memory"); /* one copy, then only the copy: nothing is read again */
		q->bell_consumed++;
		*turn -= bell_take(c, a, &b);
	}
	/* pairs with the acquire in the library: the slots are free to be written again */
	atomic_store_explicit(&q->bell->consumed, q->bell_consumed, memory_order_release);
	count(c, CNT_APP_BELLS, n);
	return n;
}

/* As much as a ring holds: whoever still writes to it keeps nobody. */
static unsigned context_finish(struct fp_core *c, struct app *a, struct app_queue *q)
{
	unsigned n = 0, took;

	do {
		int turn = APP_TURN;

		took = context_poll(c, a, q, &turn);
		n += took;
	} while (took > 0 && n < ABI_BELL_SLOTS);
	return n;
}

/* --- what records keep (abi_flow_rec.kept) --- */

/* As a bell says it that comes just now. What it cost. */
static int kept_take(struct fp_core *c, struct app *a, struct abi_flow_rec *rec)
{
	struct abi_bell b = { 0 };

	if (atomic_load_explicit(&rec->kept, memory_order_relaxed) == 0)
		return 0;
	/* acquire: pairs with the library's release; the positions are those of the flags, or newer */
	b.flags = atomic_exchange_explicit(&rec->kept, 0, memory_order_acquire);
	b.flow = *(const volatile uint32_t *)&rec->flow;
	b.gen = atomic_load_explicit(&rec->gen, memory_order_relaxed);
	b.rx_read = atomic_load_explicit(&rec->rx_read, memory_order_relaxed);
	b.tx_end = atomic_load_explicit(&rec->tx_end, memory_order_relaxed);
	b.forks = (uint16_t)atomic_load_explicit(&a->header->forks, memory_order_relaxed);
	count(c, CNT_APP_BELLS, 1);
	return bell_take(c, a, &b);
}

static uint32_t kept_groups(const struct app *a)
{
	return min_u32((a->notify_mask + ABI_KEPT_GROUP) / ABI_KEPT_GROUP, ABI_KEPT_WORDS * 64);
}

/* The records behind one bit, whatever there is: what it cost. */
static int kept_group(struct fp_core *c, struct app *a, uint32_t group)
{
	_Atomic uint64_t *word = &a->header->kept[group / 64];
	uint32_t first = group * ABI_KEPT_GROUP;
	struct abi_flow_rec *chunk = app_rec_chunk(a, first / ABI_REC_CHUNK);
	int cost = ANSWER_COST; /* to look is work, too */

	/* before the look: a bell that is kept from here on sets it again */
	if (!(atomic_fetch_and(word, ~(1ull << group % 64)) & 1ull << group % 64) || chunk == NULL)
		return cost;
	for (uint32_t i = 0; i < ABI_KEPT_GROUP; i++)
		cost += kept_take(c, a, &chunk[first % ABI_REC_CHUNK + i]);
	return cost;
}

/* True if all was taken that was there when it began. */
static bool kept_poll(struct fp_core *c, struct app *a, unsigned *n, int *turn)
{
	uint32_t words = (kept_groups(a) + 63) / 64;

	for (uint32_t w = 0; w < words; w++) {
		uint64_t bits = atomic_load_explicit(&a->header->kept[w], memory_order_acquire);

		for (; bits != 0 && *turn > 0; bits &= bits - 1, ++*n)
			*turn -= kept_group(c, a, w * 64 + (unsigned)__builtin_ctzll(bits));
		if (bits != 0)
			return false;
	}
	return true;
}

/* With no bell left to look at (`again` is 0), or when that was waited for long enough: what the rings hold
 * is older. What is compared here is the application's own affair. */
static TAS_NOINLINE unsigned kept_turn(struct fp_core *c, struct app *a, struct abi_core_line *line,
	uint32_t kept, uint64_t *again, int *turn)
{
	unsigned n = 0;

	if (*again != 0 && ++c->app[a->id].kept_passes < KEPT_PASSES)
		return 0;
	c->app[a->id].kept_passes = 0;
	if (*turn <= 0)
		*turn = 1; /* one group at least */
	if (kept_poll(c, a, &n, turn))
		atomic_store_explicit(&line->kept_taken, kept, memory_order_release);
	else
		*again |= 1; /* to come again */
	return n;
}

/* Ring after ring, then group after group, each once: whoever still writes there keeps nobody. */
unsigned app_last_bells(struct fp_core *slow, uint16_t app, uint32_t *at, unsigned burst)
{
	struct app *a = &slow->fp->apps[app];
	uint32_t cores = slow->fp->conf.cores;
	uint32_t rings = atomic_load_explicit(&a->nctx, memory_order_acquire) * cores;
	uint32_t end = rings + kept_groups(a);
	unsigned n = 0;

	for (; *at < rings && n < burst; ++*at)
		n += context_finish(slow, a, &a->ctx[*at / cores].queue[*at % cores]);
	for (; *at >= rings && *at < end && n < burst; ++*at) {
		uint32_t group = *at - rings;

		if (atomic_load_explicit(&a->header->kept[group / 64], memory_order_acquire) >> group % 64 &
			1)
			n += (unsigned)kept_group(slow, a, group);
	}
	if (*at >= end)
		*at = UINT32_MAX;
	return n;
}

static uint64_t rotate_right(uint64_t bits, unsigned n) { return bits >> n | bits << (-n & 63); }

/* The contexts of one bit from `x` on: they share the 64 bits of the line by their id modulo 64. Returns the
 * one with which the next turn begins if this one is over, else CTX_ALL. */
static uint32_t bit_poll(struct fp_core *c, struct app *a, uint32_t x, int *turn, unsigned *n)
{
	uint32_t nctx = atomic_load_explicit(&a->nctx, memory_order_acquire);

	for (; x < nctx; x += 64) {
		unsigned took = context_poll(c, a, &a->ctx[x].queue[c->id], turn);

		*n += took;
		*turn -= took == 0; /* to look costs, too */
		if (*turn <= 0)
			return x + 64 < nctx ? x + 64 : (x + 1) & 63;
	}
	return CTX_ALL;
}

/* Whoever rings without end, in all contexts at once, slows itself and nobody else: each pass has one turn
 * for it, and begins with the context after the one with which the last ended. */
static unsigned contexts_poll(struct fp_core *c, struct app *a, uint64_t bells, uint64_t *again, int *turn)
{
	uint32_t first = c->app[a->id].next, next = CTX_ALL;
	uint64_t left = rotate_right(bells, first & 63);
	unsigned n = 0;

	if (unlikely(first >= 64)) /* those of its bit that come before it */
		*again = bells & 1ull << (first & 63);
	for (; left != 0 && next == CTX_ALL; left &= left - 1) {
		uint32_t bit = ((unsigned)__builtin_ctzll(left) + first) & 63;

		next = bit_poll(c, a, bit == (first & 63) ? first : bit, turn, &n);
		if (next != CTX_ALL)
			*again |= 1ull << bit;
	}
	*again |= rotate_right(left, -first & 63);
	c->app[a->id].next = next != CTX_ALL ? (uint16_t)next : 0;
	return n;
}

unsigned app_poll(struct fp_core *c, struct app *a, int *turn)
{
	struct abi_core_line *line = &a->header->core_line[c->id];
	uint64_t bells = atomic_load_explicit(&line->bells, memory_order_relaxed), again = 0;
	uint32_t kept;
	unsigned n;

	if (bells == 0)
		return 0;
	bells = atomic_exchange(&line->bells, 0);
	/* pairs with the library's release: what was kept before is there, and older messages in the rings */
	kept = atomic_load_explicit(&line->kept, memory_order_acquire);
	n = contexts_poll(c, a, bells, &again, turn);
	if (unlikely(kept != atomic_load_explicit(&line->kept_taken, memory_order_relaxed)))
		n += kept_turn(c, a, line, kept, &again, turn);
	if (again != 0)
		atomic_fetch_or(&line->bells, again);
	return n;
}
