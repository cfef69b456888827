/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_sock.c - sockets: their pool, their state as poll(2) sees it, and their end.
 *
 * The pool's memory is never given back, and a closed socket rests until SOCK_REST others were closed, so
 * that a thread with a pointer to it finds it closed. */
#include <string.h>

#include "include/base/assert.h"
#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

/* --- the pool --- */

static bool chunk_add(struct tas *t, uint32_t i)
{
	struct tas_sock *chunk = lib_map(&t->os, SOCK_CHUNK * sizeof(*chunk), true), *none = NULL;

	if (chunk == NULL)
		return false;
	for (uint32_t j = 0; j < SOCK_CHUNK; j++) {
		chunk[j].t = t;
		chunk[j].index = i * SOCK_CHUNK + j;
	}
	if (!atomic_compare_exchange_strong(&t->sock_chunk[i], &none, chunk))
		lib_unmap(&t->os, chunk, SOCK_CHUNK * sizeof(*chunk));
	return true;
}

struct tas_sock *lib_sock_at(struct tas *t, uint32_t index)
{
	struct tas_sock *chunk = atomic_load_explicit(&t->sock_chunk[index / SOCK_CHUNK],
		memory_order_acquire);

	return chunk == NULL ? NULL : &chunk[index % SOCK_CHUNK];
}

/* One that was never used; needs no lock. */
static struct tas_sock *take_fresh(struct tas *t)
{
	uint32_t i = atomic_load_explicit(&t->nr_fresh, memory_order_relaxed);

	do {
		if (i == SOCK_CHUNK * SOCK_CHUNKS)
			return NULL;
		if (lib_sock_at(t, i) == NULL && !chunk_add(t, i / SOCK_CHUNK))
			return NULL;
	} while (!atomic_compare_exchange_weak(&t->nr_fresh, &i, i + 1));
	return lib_sock_at(t, i);
}

static void rest_push(struct tas *t, struct tas_sock *s)
{
	s->next = NULL;
	if (t->free_tail != NULL)
		t->free_tail->next = s;
	else
		t->free_head = s;
	t->free_tail = s;
	t->nr_free++;
}

static struct tas_sock *rest_pop(struct tas *t, uint32_t keep)
{
	struct tas_sock *s = t->free_head;

	if (t->nr_free <= keep)
		return NULL;
	t->free_head = s->next;
	if (t->free_head == NULL)
		t->free_tail = NULL;
	t->nr_free--;
	return s;
}

/* What handlers freed while their thread held the pool. */
static void rest_collect(struct tas *t)
{
	struct tas_sock *s, *next;

	if (likely(atomic_load_explicit(&t->freed_aside, memory_order_relaxed) == NULL))
		return;
	for (s = atomic_exchange_explicit(&t->freed_aside, NULL, memory_order_acquire); s != NULL; s = next) {
		next = s->next;
		rest_push(t, s);
	}
}

static struct tas_sock *rest_take(struct tas *t, uint32_t keep)
{
	struct tas_sock *s;

	if (!lib_lock_enter(&t->os, &t->pool_lock))
		return NULL;
	rest_collect(t);
	s = rest_pop(t, keep);
	lib_lock_leave(&t->os, &t->pool_lock);
	return s;
}

/* All that a former life may have left, but for the identity. */
static void sock_clear(struct tas_sock *s)
{
	struct tas *t = s->t;
	uint32_t index = s->index;

	memset((void *)s, 0, sizeof(*s));
	s->t = t;
	s->index = index;
}

struct tas_sock *lib_sock_alloc(struct tas *t)
{
	struct tas_sock *s = rest_take(t, SOCK_REST);

	if (s == NULL)
		s = take_fresh(t);
	if (s == NULL)
		s = rest_take(t, 0);
	if (s != NULL)
		sock_clear(s);
	return s;
}

void lib_sock_free(struct tas_sock *s)
{
	struct tas *t = s->t;
	struct lib_att *a = s->att;

	s->att = NULL;
	atomic_store_explicit(&s->stamp, 0, memory_order_release);
	if (lib_lock_enter(&t->os, &t->pool_lock)) {
		rest_collect(t);
		rest_push(t, s);
		lib_lock_leave(&t->os, &t->pool_lock);
	} else {
		s->next = atomic_load_explicit(&t->freed_aside, memory_order_relaxed);
		while (!atomic_compare_exchange_weak(&t->freed_aside, &s->next, s))
			;
	}
	if (a != NULL)
		lib_att_put(a);
}

/* --- a flow --- */

void lib_flow_init(struct tas_sock *s, struct lib_att *a, uint32_t rec_index, uint32_t flow, uint32_t gen,
	struct lib_rings *notified)
{
	lib_att_get(a);
	s->att = a;
	s->rec_index = rec_index;
	s->rec = lib_rec(a, rec_index);
	s->flow = flow;
	s->gen = gen;
	s->rx_gen = s->tx_gen = ~s->rec->ring_gen; /* whatever the rings are, they are news */
	atomic_store_explicit(&s->urgent_at, URGENT_NOWHERE, memory_order_relaxed);
	atomic_store_explicit(&s->rings, notified, memory_order_relaxed);
}

bool lib_flow_link(struct tas_sock *s)
{
	struct lib_slot *slot = &s->att->slot[s->rec_index];
	struct tas_sock *none = NULL;

	atomic_store_explicit(&slot->gen, s->gen, memory_order_relaxed);
	/* pairs with the acquire in record_look */
	return atomic_compare_exchange_strong_explicit(&slot->sock, &none, s, memory_order_release,
		memory_order_relaxed);
}

void lib_flow_unlink(struct tas_sock *s)
{
	struct lib_slot *slot = &s->att->slot[s->rec_index];
	struct tas_sock *self = s;

	atomic_store_explicit(&slot->closed_gen, s->gen, memory_order_relaxed);
	/* release: who sees the slot empty sees what was closed */
	atomic_compare_exchange_strong_explicit(&slot->sock, &self, NULL, memory_order_acq_rel,
		memory_order_relaxed);
	lib_drains_pass(s->att);
}

int lib_sock_ours_slow(struct tas_ctx *c, struct tas_sock *s, uint32_t kind)
{
	uint32_t stamp = atomic_load_explicit(&s->stamp, memory_order_acquire);

	if (stamp == 0)
		return -EBADF;
	if ((stamp & STAMP_LISTENER) != kind)
		return kind == 0 ? -ENOTCONN : -EINVAL;
	return stamp == (c->stamp | kind) ? 0 : lib_adopt(c, s);
}

/* --- what it is --- */

bool tas_sock_is_listener(const struct tas_sock *s)
{
	return atomic_load_explicit(&s->stamp, memory_order_acquire) & STAMP_LISTENER;
}

bool tas_sock_inherited(const struct tas_sock *s)
{
	uint32_t stamp = atomic_load_explicit(&s->stamp, memory_order_acquire) & ~STAMP_LISTENER;

	return stamp != 0 && stamp != lib_stamp(s->t);
}

void tas_sock_set_user(struct tas_sock *s, void *user)
{
	atomic_store_explicit(&s->user, user, memory_order_release);
}

void *tas_sock_user(const struct tas_sock *s) { return atomic_load_explicit(&s->user, memory_order_acquire); }

void tas_sock_addrs(const struct tas_sock *s, struct net_addr *local, uint16_t *local_port,
	struct net_addr *remote, uint16_t *remote_port)
{
	if (local != NULL)
		*local = s->local;
	if (local_port != NULL)
		*local_port = s->local_port;
	if (remote != NULL)
		*remote = s->remote;
	if (remote_port != NULL)
		*remote_port = s->remote_port;
}

static bool flow_here(const struct tas_sock *s)
{
	return atomic_load_explicit(&s->stamp, memory_order_acquire) == lib_stamp(s->t);
}

uint32_t tas_sock_rx_size(const struct tas_sock *s) { return flow_here(s) ? s->rec->rx_size : 0; }
uint32_t tas_sock_tx_size(const struct tas_sock *s) { return flow_here(s) ? s->rec->tx_size : 0; }

/* --- as poll sees it --- */

static uint32_t ready_elsewhere(struct tas_sock *s)
{
	uint32_t stamp = atomic_load_explicit(&s->stamp, memory_order_acquire);

	if (stamp == (lib_stamp(s->t) | STAMP_LISTENER))
		return lib_listener_ready(tas_ctx_self(s->t), s);
	if (stamp != 0 && s->adopt_error == 0) /* inherited: to ask for a connection's state is a use of it */
		return s->listener == NULL && lib_adopt_try(s) ? tas_ready(s) : 0;
	return TAS_EV_IN | TAS_EV_OUT | TAS_EV_ERR | TAS_EV_HUP;
}

/* RFC 9293 3.10 knows no poll: this is what Linux's tcp_poll answers. */
static uint32_t ready_by_state(const struct tas_sock *s, uint32_t state)
{
	bool rx_fin = atomic_load_explicit(&s->rec->events, memory_order_acquire) & ABI_EV_RX_FIN;
	bool rx_end = rx_fin || (state & (STATE_RX_SHUT | STATE_RESET));
	bool tx_end = state & (STATE_TX_SHUT | STATE_RESET);
	uint32_t ready = 0;

	if (rx_end)
		ready |= TAS_EV_IN | TAS_EV_RDHUP;
	if (tx_end)
		ready |= TAS_EV_OUT;
	if (rx_end && tx_end)
		ready |= TAS_EV_HUP;
	if (state >> STATE_ERROR_SHIFT)
		ready |= TAS_EV_ERR;
	if (state & STATE_CONNECTED)
		ready |= TAS_EV_CONNECTED;
	return ready;
}

uint32_t tas_ready(struct tas_sock *s)
{
	uint32_t ready, state, events;
	bool has_bytes;

	if (unlikely(!flow_here(s)))
		return ready_elsewhere(s);
	if (lib_moved(s) && !lib_pull_try(s))
		return 0;
	lib_sock_look(s);
	state = atomic_load_explicit(&s->state, memory_order_relaxed);
	ready = ready_by_state(s, state);
	if (!(state & STATE_CONNECTED))
		return ready;
	if (lib_sock_has_space(s))
		ready |= TAS_EV_OUT;
	/* before `events`: see ABI_EV_URGENT */
	has_bytes = atomic_load_explicit(&s->rec->rx_end, memory_order_acquire) !=
		atomic_load_explicit(&s->rx_read, memory_order_relaxed);
	events = atomic_load_explicit(&s->rec->events, memory_order_relaxed);
	if (events & ABI_EV_TX_DONE)
		ready |= TAS_EV_TX_DONE;
	if (unlikely(events & ABI_EV_URGENT))
		return lib_urgent_ready(s, ready);
	return has_bytes ? ready | TAS_EV_IN : ready;
}

bool tas_sock_over(struct tas_sock *s)
{
	const uint32_t fins = ABI_EV_RX_FIN | ABI_EV_TX_DONE;

	if (!flow_here(s))
		return s->adopt_error != 0;
	lib_sock_look(s);
	return (atomic_load_explicit(&s->state, memory_order_relaxed) & STATE_RESET) != 0 ||
		(atomic_load_explicit(&s->rec->events, memory_order_acquire) & fins) == fins;
}

bool tas_want_out(struct tas_ctx *c, struct tas_sock *s)
{
	if (lib_sock_ours(c, s, 0) != 0 || (tas_ready(s) & TAS_EV_OUT))
		return true;
	if (!(atomic_load_explicit(&s->state, memory_order_relaxed) & STATE_CONNECTED))
		return false; /* that edge comes by itself */
	/* before the message: its answer may be drained by another thread at once */
	if (atomic_exchange(&s->want_out, 1) == 0)
		lib_bell(c, s, ABI_BELL_POSITIONS | ABI_BELL_WANT_SPACE);
	return false;
}

int tas_error(struct tas_sock *s)
{
	uint32_t state;

	if (unlikely(!flow_here(s)))
		return (int)s->adopt_error;
	if (lib_moved(s))
		lib_pull_try(s);
	lib_sock_look(s);
	state = atomic_load_explicit(&s->state, memory_order_relaxed);
	while (state >> STATE_ERROR_SHIFT != 0 &&
		!atomic_compare_exchange_weak(&s->state, &state, state & ((1u << STATE_ERROR_SHIFT) - 1)))
		;
	return (int)(state >> STATE_ERROR_SHIFT);
}

void tas_error_back(struct tas_sock *s, int error)
{
	uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);

	if (!flow_here(s) || error == 0 || (int)atomic_exchange(&s->told_error, 0) != error)
		return;
	while (state >> STATE_ERROR_SHIFT == 0 &&
		!atomic_compare_exchange_weak(&s->state, &state,
			state | (uint32_t)error << STATE_ERROR_SHIFT))
		;
}

void tas_sock_notify(struct tas_ctx *c, struct tas_sock *s)
{
	struct lib_rings *r;

	if (lib_sock_ours(c, s, 0) != 0 || (lib_moved(s) && lib_pull(c, s) != 0))
		return;
	r = lib_ctx_rings(c);
	if (r != NULL && r->att == s->att && lib_sock_context(s, r))
		lib_sock_update(c, s);
}

bool tas_sock_notify_now(struct tas_ctx *c, struct tas_sock *s)
{
	uint32_t stamp = atomic_load_explicit(&s->stamp, memory_order_acquire);

	if (stamp == 0)
		return true; /* closed: there is nothing to do */
	if (stamp != c->stamp || lib_moved(s) || c->rings == NULL || !lib_att_alive(c->rings->att))
		return false;
	tas_sock_notify(c, s);
	return true;
}

/* --- ends --- */

/* Whoever is sending has said where the stream ends before we say that it ends. */
static int stream_end(struct tas_ctx *c, struct tas_sock *s)
{
	if (!lib_lock_enter(&c->t->os, &s->tx_lock))
		return -EDEADLK;
	atomic_fetch_or(&s->state, STATE_TX_SHUT);
	lib_bell(c, s, ABI_BELL_POSITIONS | ABI_BELL_OPTIONS | ABI_BELL_SHUT_WR);
	lib_sock_leave(c, s, &s->tx_lock);
	return 0;
}

/* With other processes it holds for all as soon as we return: not before tasd knows, and it may not have been
 * told if one of them took the flow meanwhile. */
static int shut_wr(struct tas_ctx *c, struct tas_sock *s)
{
	int error = stream_end(c, s);

	while (error == 0 && lib_shared(c->t, s)) {
		lib_bells_pass(s->att);
		if (!lib_moved(s) || lib_pull(c, s) != 0)
			break;
		error = stream_end(c, s);
	}
	return error;
}

int tas_shutdown(struct tas_ctx *c, struct tas_sock *s, unsigned how)
{
	int error = lib_sock_ours(c, s, 0);

	if (error == 0 && lib_moved(s))
		error = lib_pull(c, s);
	if (error != 0)
		return error;
	lib_sock_look(s);
	if ((atomic_load_explicit(&s->state, memory_order_relaxed) & (STATE_CONNECTED | STATE_RESET)) !=
		STATE_CONNECTED)
		return -ENOTCONN;
	if (how & TAS_SHUT_RD)
		atomic_fetch_or(&s->state, STATE_RX_SHUT);
	if (!(how & TAS_SHUT_WR) || (atomic_load(&s->state) & STATE_TX_SHUT))
		return 0;
	return shut_wr(c, s);
}

void tas_push(struct tas_ctx *c, struct tas_sock *s)
{
	if (lib_sock_ours(c, s, 0) == 0 && (!lib_moved(s) || lib_pull(c, s) == 0))
		lib_bell(c, s, ABI_BELL_POSITIONS | ABI_BELL_OPTIONS);
}

static void option_set(struct tas_ctx *c, struct tas_sock *s, uint32_t bit, bool on)
{
	if (lib_sock_ours(c, s, 0) != 0 || (lib_moved(s) && lib_pull(c, s) != 0))
		return;
	if (on)
		atomic_fetch_or(&s->options, bit);
	else
		atomic_fetch_and(&s->options, ~bit);
	lib_bell(c, s, ABI_BELL_POSITIONS | ABI_BELL_OPTIONS);
}

void tas_set_nodelay(struct tas_ctx *c, struct tas_sock *s, bool on)
{
	option_set(c, s, ABI_BELL_NODELAY, on);
}
void tas_set_cork(struct tas_ctx *c, struct tas_sock *s, bool on) { option_set(c, s, ABI_BELL_MORE, on); }

void tas_preset(struct tas_sock *s, bool nodelay, bool cork)
{
	atomic_store_explicit(&s->options, (nodelay ? ABI_BELL_NODELAY : 0u) | (cork ? ABI_BELL_MORE : 0u),
		memory_order_relaxed);
}

void lib_flow_close(struct tas_ctx *c, struct tas_sock *s, bool abort)
{
	lib_flow_unlink(s);
	if (!lib_shared(c->t, s) || !lib_leave_shared(c, s, abort))
		lib_bell(c, s, ABI_BELL_POSITIONS | ABI_BELL_CLOSE | (abort ? ABI_BELL_ABORT : 0));
	lib_sock_free(s);
}

void lib_sock_closed_inside(struct tas_ctx *c, struct tas_sock *s)
{
	uint32_t how = atomic_load_explicit(&s->closing, memory_order_relaxed);

	if (lib_lock_is_mine(&s->rx_lock) || lib_lock_is_mine(&s->tx_lock) ||
		atomic_exchange(&s->closing, 0) == 0)
		return; /* still inside further up */
	if (s->listener != NULL)
		lib_listener_close(c, s);
	else
		lib_flow_close(c, s, how == CLOSING_ABORT);
}

/* Takes it from everybody: who enters a lock from now on finds it closed. */
static bool claim(struct tas_sock *s, uint32_t stamp)
{
	return stamp != 0 && atomic_compare_exchange_strong(&s->stamp, &stamp, 0);
}

void tas_close(struct tas_ctx *c, struct tas_sock *s, bool abort)
{
	uint32_t stamp = atomic_load_explicit(&s->stamp, memory_order_acquire);
	const struct tas_os *os = &c->t->os;

	if (stamp != 0 && (stamp & ~STAMP_LISTENER) != c->stamp) {
		lib_fork_disown(c, s);
		return;
	}
	if (!claim(s, stamp))
		return;
	if (lib_lock_is_mine(&s->rx_lock) || lib_lock_is_mine(&s->tx_lock)) {
		atomic_store(&s->closing, abort ? CLOSING_ABORT : CLOSING_PLAIN);
		return; /* the call that we interrupted ends it */
	}
	lib_lock_enter(os, &s->rx_lock);
	lib_lock_enter(os, &s->tx_lock);
	lib_lock_leave(os, &s->tx_lock);
	lib_lock_leave(os, &s->rx_lock);
	if (stamp & STAMP_LISTENER)
		lib_listener_close(c, s);
	else
		lib_flow_close(c, s, abort);
}
