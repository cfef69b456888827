/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_fork.c - sockets after fork.
 *
 * The parent gets a token and one end of a socketpair from tasd; the child keeps that end. As long as it is
 * open, tasd keeps what the parent had at the fork. The child inherits `struct tas_sock`s whose stamp is the
 * parent's: of these only the identity and the positions mean anything. The first use attaches the child with
 * the token and asks tasd for the socket (CTL_ADOPT). A child that was not attached when it forks in its turn
 * shares token and end with its own child. */
#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

/* --- around fork --- */

static void hold_open(struct tas *t)
{
	struct ctl_msg m = { 0 };
	unsigned nfds;
	int end;

	if (lib_request(t, &m, CTL_FORK, &end, 1, &nfds) == 0 && nfds == 1 &&
		lib_fd_take(t, &t->hold_other, end) == 0)
		t->hold_token = m.fork.token;
}

void tas_fork_prepare(struct tas *t)
{
	t->forking = lib_lock_enter(&t->os, &t->ctl_lock);
	if (!t->forking)
		return; /* a handler forks in the midst of a request: the child inherits nothing */
	t->parent_token = t->hold_token;
	if (lib_att_now(t) != NULL)
		hold_open(t);
	lib_lock_enter(&t->os, &t->pool_lock);
	lib_lock_enter(&t->os, &t->fd_lock);
}

void tas_fork_parent(struct tas *t)
{
	if (!t->forking)
		return;
	t->forking = false;
	t->hold_token = t->parent_token;
	lib_lock_leave(&t->os, &t->fd_lock);
	lib_lock_leave(&t->os, &t->pool_lock);
	lib_fd_drop(t, &t->hold_other);
	lib_lock_leave(&t->os, &t->ctl_lock);
}

/* Which descriptor keeps what we inherit: the one made for this fork; if the parent was not attached, the
 * one it came with. */
static int hold_of_child(struct tas *t)
{
	int fresh = atomic_load(&t->hold_other);

	if (t->forking && fresh >= 0)
		return fresh;
	if (t->forking && lib_att_now(t) == NULL)
		return atomic_load(&t->hold_fd);
	t->hold_token = 0;
	return -1;
}

void tas_fork_child(struct tas *t)
{
	static const struct lib_lock open; /* other threads may have been inside; they do not exist here */
	struct tas_ctx *c = tas_ctx_self(t);
	int hold = hold_of_child(t);

	t->ctl_lock = t->pool_lock = t->fd_lock = open;
	t->forking = false;
	lib_fd_after_fork(t, hold, &t->hold_fd);
	t->ctl_fd = t->watch_fd = t->timer_fd = t->hold_other = -1;
	t->hold_fd = hold;
	if (lib_att_now(t) != NULL)
		t->disowned = NULL;
	t->att = NULL; /* not mapped here */
	t->tried_error = 0;
	atomic_fetch_add(&t->stamp, 1);
	atomic_fetch_add(&t->epoch, 1);
	lib_ctx_after_fork(t, c);
}

/* --- sockets of the parent; all with ctl_lock held --- */

static int adopt_request(struct tas *t, struct tas_sock *s, uint32_t *rec)
{
	struct ctl_msg m = { .adopt = { .flow = s->flow, .gen = s->gen } };
	unsigned nfds;
	int error;

	if (s->listener != NULL)
		m.adopt = (struct ctl_adopt){ s->listener->listen.id, s->listener->cookie, 0, 0, 0 };
	error = lib_request(t, &m, CTL_ADOPT, NULL, 0, &nfds);
	*rec = m.adopt.rec;
	return error;
}

/* A listener is ours in any case: if the hold does not give it, it is registered anew, if need be later. */
static int adopt_listener(struct tas_ctx *c, struct tas_sock *s)
{
	struct lib_listener *b = s->listener;
	struct tas *t = c->t;
	static const struct lib_lock open;
	uint32_t rec;

	s->rx_lock = s->tx_lock = open;
	lib_listener_forget_queue(b);
	b->armed_for = NULL;
	b->armed_epoch = 0;
	b->registered = t->hold_token != 0 && b->registered && adopt_request(t, s, &rec) == 0;
	if (!b->registered)
		lib_listener_register(t, b);
	atomic_store_explicit(&s->stamp, c->stamp | STAMP_LISTENER, memory_order_release);
	lib_timer_adjust(t);
	return 0;
}

/* Everything about its former place is forgotten; the positions are those that the parent had at the fork. */
static void flow_move(struct tas_ctx *c, struct tas_sock *s, struct lib_rings *r, uint32_t rec_index,
	const struct abi_flow_rec *rec)
{
	static const struct lib_lock open;

	s->rx_lock = s->tx_lock = open;
	s->rx_told = s->rx_read;
	s->tx_una = 0;
	s->rx_mask = s->tx_mask = 0;
	s->closing = s->deferred = s->queued_in = s->want_out = 0;
	s->seen_events = s->looked_events = 0;
	s->seen_rx = s->rx_read;
	s->state &= STATE_CONNECTED | STATE_TX_SHUT | STATE_RX_SHUT;
	lib_flow_init(s, r->att, rec_index, rec->flow, atomic_load(&rec->gen), r);
	s->tx_una = atomic_load(&rec->tx_una);
	atomic_store_explicit(&s->stamp, c->stamp, memory_order_release);
	lib_flow_link(s);
}

static int adopt_flow(struct tas_ctx *c, struct tas_sock *s)
{
	struct abi_flow_rec *record = NULL;
	struct lib_rings *r;
	uint32_t rec;
	int error;

	if (s->adopt_error != 0)
		return -(int)s->adopt_error;
	r = c->t->hold_token != 0 ? lib_ctx_rings_locked(c) : NULL;
	error = r == NULL ? -ECONNRESET : adopt_request(c->t, s, &rec);
	if (error == 0 && (record = lib_rec(r->att, rec)) == NULL)
		error = -EPROTO;
	if (error == 0)
		flow_move(c, s, r, rec, record);
	else
		s->adopt_error = (uint32_t)-error;
	return error;
}

int lib_adopt(struct tas_ctx *c, struct tas_sock *s)
{
	struct tas *t = c->t;
	uint32_t stamp;
	int error = 0;

	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return -EBUSY;
	lib_attach_locked(t, NULL, 0);
	stamp = atomic_load_explicit(&s->stamp, memory_order_acquire);
	if (stamp == 0)
		error = -EBADF;
	else if ((stamp & ~STAMP_LISTENER) != c->stamp)
		error = stamp & STAMP_LISTENER ? adopt_listener(c, s) : adopt_flow(c, s);
	lib_lock_leave(&t->os, &t->ctl_lock);
	return error;
}

/* An inherited socket that is closed unused is taken over and then closed: tasd keeps it for us no longer. */

static void disown_listener(struct tas_ctx *c, struct tas_sock *s)
{
	struct tas *t = c->t;
	struct ctl_msg m = { .listen = s->listener->listen };
	unsigned nfds;
	uint32_t rec;

	if (t->hold_token != 0 && s->listener->registered && adopt_request(t, s, &rec) == 0)
		lib_request(t, &m, CTL_UNLISTEN, NULL, 0, &nfds);
	lib_listener_forget_queue(s->listener);
	s->att = NULL;
	lib_listener_free(s);
}

static void disown_flow(struct tas_ctx *c, struct tas_sock *s)
{
	struct tas *t = c->t;

	if (!t->flows_stay && adopt_flow(c, s) == 0) {
		atomic_store(&s->stamp, 0);
		lib_flow_close(c, s, false);
		return;
	}
	/* then the connection ends with the last who has it, or with us */
	t->flows_stay |= s->adopt_error == EOPNOTSUPP;
	s->att = NULL;
	lib_sock_free(s);
}

static void disown_locked(struct tas_ctx *c, struct tas_sock *s)
{
	struct tas *t = c->t;

	if (t->hold_token != 0 && lib_att_now(t) == NULL) {
		s->next = t->disowned; /* told if we ever attach; if not, the end of our hold says it all */
		t->disowned = s;
	} else if (s->listener != NULL) {
		disown_listener(c, s);
	} else {
		disown_flow(c, s);
	}
}

void lib_fork_disown(struct tas_ctx *c, struct tas_sock *s)
{
	struct tas *t = c->t;
	uint32_t stamp = atomic_load_explicit(&s->stamp, memory_order_acquire);

	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return;
	if (stamp != 0 && atomic_compare_exchange_strong(&s->stamp, &stamp, 0)) {
		if (s->listener != NULL)
			lib_listener_unlist(t, s);
		disown_locked(c, s);
	}
	lib_lock_leave(&t->os, &t->ctl_lock);
}

void lib_fork_attached(struct tas *t)
{
	struct tas_ctx *c = tas_ctx_self(t);
	struct tas_sock *s = t->disowned, *next;

	t->disowned = NULL;
	for (; s != NULL && c != NULL; s = next) {
		next = s->next;
		disown_locked(c, s);
	}
}
