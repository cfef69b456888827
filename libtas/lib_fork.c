/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_fork.c - sockets after fork.
 *
 * The parent gets a token and one end of a socketpair from tasd; the child keeps that end. As long as it is
 * open, tasd keeps what the parent had at the fork. The child inherits `struct tas_sock`s whose stamp is the
 * parent's: of these only the identity and the positions mean anything. The first use attaches the child with
 * the token and asks tasd for the socket (CTL_ADOPT). A child that was not attached attaches before it forks
 * in its turn, so that what it keeps and what its own child keeps are told apart.
 *
 * From the fork on several processes have a connection. Its bytes are in the region of the one that used it
 * last; the others find ABI_EV_MOVED in their record and ask for it again. What we read and wrote since tasd
 * heard of us stands in the record, for tasd to read when another process asks. */
#include <sys/socket.h>

#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

/* --- around fork --- */

static int hold_open(struct tas *t)
{
	struct ctl_msg m = { 0 };
	unsigned nfds;
	int end, error = lib_request(t, &m, CTL_FORK, &end, 1, &nfds);

	if (error == 0)
		error = nfds == 1 ? lib_fd_take(t, &t->hold_other, end) : -EPROTO;
	if (error != 0)
		return error;
	t->hold_token = m.fork.token;
	atomic_store(&t->forks, (uint32_t)m.fork.number);
	atomic_store(&lib_att_now(t)->header->forks, (uint32_t)m.fork.number);
	return 0;
}

int tas_fork_prepare(struct tas *t)
{
	int error = 0;

	t->forking = lib_lock_enter(&t->os, &t->ctl_lock);
	if (!t->forking)
		return -EBUSY; /* a handler forks in the midst of a request */
	if (lib_att_now(t) == NULL && t->hold_token != 0)
		lib_attach_locked(t, NULL, 0);
	t->parent_token = t->hold_token;
	if (lib_att_now(t) != NULL) {
		lib_bells_pass(lib_att_now(t)); /* tasd has heard what was written and accepted */
		error = hold_open(t);
	}
	lib_lock_enter(&t->os, &t->pool_lock);
	lib_lock_enter(&t->os, &t->fd_lock);
	return error;
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
	t->forks = 0;
	atomic_fetch_add(&t->stamp, 1);
	atomic_fetch_add(&t->epoch, 1);
	lib_ctx_after_fork(t, c);
}

/* --- sockets of the parent; all with ctl_lock held --- */

static struct ctl_adopt adopt_of(const struct tas_sock *s, uint32_t context)
{
	struct ctl_adopt a = { .flow = s->flow, .gen = s->gen, .context = context };

	if (s->listener != NULL)
		return (struct ctl_adopt){ .listener_id = s->listener->listen.id,
			.cookie = s->listener->cookie };
	a.rx_read = atomic_load_explicit(&s->rx_read, memory_order_relaxed);
	a.tx_end = atomic_load_explicit(&s->tx_end, memory_order_relaxed);
	if (atomic_load_explicit(&s->state, memory_order_relaxed) & STATE_TX_SHUT)
		a.flags = CTL_ADOPT_TX_SHUT;
	return a;
}

/* The answer in *a. */
static int adopt_request(struct tas *t, enum ctl_type type, struct ctl_adopt *a)
{
	struct ctl_msg m = { .adopt = *a };
	unsigned nfds;
	int error = lib_request(t, &m, type, NULL, 0, &nfds);

	*a = m.adopt;
	return error;
}

/* A listener is ours in any case: if the hold does not give it, it is registered anew, if need be later. */
static int adopt_listener(struct tas_ctx *c, struct tas_sock *s)
{
	struct lib_listener *b = s->listener;
	struct tas *t = c->t;
	static const struct lib_lock open;
	struct ctl_adopt a = adopt_of(s, 0);

	s->rx_lock = s->tx_lock = open;
	lib_listener_forget_queue(b);
	b->armed_for = NULL;
	b->armed_for_all = false;
	b->armed_epoch = 0;
	b->registered = t->hold_token != 0 && b->registered && adopt_request(t, CTL_ADOPT, &a) == 0;
	if (!b->registered)
		lib_listener_register(t, b);
	atomic_store_explicit(&s->stamp, c->stamp | STAMP_LISTENER, memory_order_release);
	lib_timer_adjust(t);
	return 0;
}

/* Where the streams are now, and that what was told is to be told again. */
static void positions_set(struct tas_sock *s, const struct ctl_adopt *a)
{
	atomic_store(&s->rx_read, a->rx_read);
	atomic_store(&s->rx_told, a->rx_read);
	atomic_store(&s->tx_end, a->tx_end);
	s->tx_una = atomic_load(&s->rec->tx_una);
	s->rx_gen = s->tx_gen = ~atomic_load(&s->rec->ring_gen);
	atomic_store(&s->seen_rx, a->rx_read);
	atomic_store(&s->want_out, 0);
	s->seen_events = s->looked_events = 0;
	atomic_store(&s->urgent_at, URGENT_NOWHERE);
	if (a->flags & CTL_ADOPT_TX_SHUT)
		atomic_fetch_or(&s->state, STATE_TX_SHUT);
	atomic_store(&s->rec->rx_read, a->rx_read);
	atomic_store(&s->rec->tx_end, a->tx_end);
}

/* Everything about its former place is forgotten. */
static void flow_move(struct tas_ctx *c, struct tas_sock *s, struct lib_rings *r, const struct ctl_adopt *a,
	const struct abi_flow_rec *rec)
{
	static const struct lib_lock open;

	s->rx_lock = s->tx_lock = open;
	s->rx_mask = s->tx_mask = 0;
	s->closing = s->queued_in = 0;
	s->state &= STATE_CONNECTED | STATE_TX_SHUT | STATE_RX_SHUT;
	s->forks = FORKS_SHARED;
	lib_flow_init(s, r->att, a->rec, rec->flow, atomic_load(&rec->gen), r);
	positions_set(s, a);
	atomic_store_explicit(&s->stamp, c->stamp, memory_order_release);
	lib_flow_link(s);
}

/* Want of memory may pass. */
static int adopt_failed(struct tas_sock *s, int error)
{
	if (error != -ENOMEM && error != -ENOBUFS)
		s->adopt_error = (uint32_t)-error;
	return error;
}

static int adopt_flow(struct tas_ctx *c, struct tas_sock *s)
{
	struct abi_flow_rec *record = NULL;
	struct lib_rings *r;
	struct ctl_adopt a;
	int error;

	if (s->adopt_error != 0)
		return -(int)s->adopt_error;
	r = c->t->hold_token != 0 ? lib_ctx_rings_locked(c) : NULL;
	if (r == NULL)
		return adopt_failed(s, -ECONNRESET);
	a = adopt_of(s, r->id);
	error = adopt_request(c->t, CTL_ADOPT, &a);
	if (error == 0 && (record = lib_rec(r->att, a.rec)) == NULL)
		error = -EPROTO;
	if (error != 0)
		return adopt_failed(s, error);
	flow_move(c, s, r, &a, record);
	return 0;
}

static int adopt_locked(struct tas_ctx *c, struct tas_sock *s)
{
	uint32_t stamp;

	lib_attach_locked(c->t, NULL, 0);
	stamp = atomic_load_explicit(&s->stamp, memory_order_acquire);
	if (stamp == 0)
		return -EBADF;
	if ((stamp & ~STAMP_LISTENER) == c->stamp)
		return 0;
	return stamp & STAMP_LISTENER ? adopt_listener(c, s) : adopt_flow(c, s);
}

int lib_adopt(struct tas_ctx *c, struct tas_sock *s)
{
	struct tas *t = c->t;
	int error;

	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return -EBUSY;
	error = adopt_locked(c, s);
	lib_lock_leave(&t->os, &t->ctl_lock);
	return error;
}

bool lib_adopt_try(struct tas_sock *s)
{
	struct tas *t = s->t;
	struct tas_ctx *c = tas_ctx_self(t);
	bool done;

	if (c == NULL || !lib_lock_try(&t->os, &t->ctl_lock))
		return false;
	done = adopt_locked(c, s) == 0;
	lib_lock_leave(&t->os, &t->ctl_lock);
	return done;
}

/* --- sockets of ours that others have, too --- */

bool lib_publish(struct tas_sock *s)
{
	atomic_store_explicit(&s->rec->rx_read, atomic_load_explicit(&s->rx_read, memory_order_relaxed),
		memory_order_relaxed);
	atomic_store_explicit(&s->rec->tx_end, atomic_load_explicit(&s->tx_end, memory_order_relaxed),
		memory_order_relaxed);
	/* pairs with tasd's fence between the event and its look at the positions: it sees them, or we see
	 * the event */
	atomic_thread_fence(memory_order_seq_cst);
	return lib_moved(s);
}

/* With ctl_lock and both directions' locks held. */
static int pull_locked(struct tas_ctx *c, struct tas_sock *s)
{
	struct lib_rings *r = lib_ctx_rings_locked(c);
	struct ctl_adopt a;
	int error;

	if (!lib_moved(s))
		return 0;
	if (r == NULL || r->att != s->att)
		r = atomic_load(&s->rings);
	a = adopt_of(s, r->id);
	error = adopt_request(c->t, CTL_ADOPT, &a);
	if (error == -ECONNRESET) /* it ended elsewhere */
		lib_sock_reset(s, ECONNRESET);
	if (error != 0)
		return error == -ENOTCONN ? -ECONNRESET : error;
	atomic_store(&s->rings, r);
	positions_set(s, &a);
	s->taken = a.taken;
	return 0;
}

int lib_pull(struct tas_ctx *c, struct tas_sock *s)
{
	const struct tas_os *os = &c->t->os;
	int error = lib_sock_enter(c, s, &s->rx_lock, 0);

	if (error != 0)
		return error;
	error = lib_sock_enter(c, s, &s->tx_lock, 0);
	if (error == 0) {
		error = -EBUSY;
		if (lib_lock_enter(os, &c->t->ctl_lock)) {
			error = pull_locked(c, s);
			lib_lock_leave(os, &c->t->ctl_lock);
		}
		lib_sock_leave(c, s, &s->tx_lock);
	}
	lib_sock_leave(c, s, &s->rx_lock);
	return error;
}

bool lib_pull_try(struct tas_sock *s)
{
	struct tas_ctx *c = tas_ctx_self(s->t);
	const struct tas_os *os = &s->t->os;
	bool done = false;

	if (c == NULL || !lib_lock_try(os, &s->rx_lock))
		return false;
	if (lib_lock_try(os, &s->tx_lock)) {
		if (lib_lock_try(os, &s->t->ctl_lock)) {
			done = pull_locked(c, s) == 0;
			lib_lock_leave(os, &s->t->ctl_lock);
		}
		lib_sock_leave(c, s, &s->tx_lock);
	}
	lib_sock_leave(c, s, &s->rx_lock);
	return done;
}

bool lib_leave_shared(struct tas_ctx *c, struct tas_sock *s, bool abort)
{
	struct tas *t = c->t;
	struct ctl_adopt a = adopt_of(s, 0);
	int error = -ENOTCONN;

	a.flags |= abort ? CTL_ADOPT_ABORT : 0;
	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return false;
	if (lib_att_alive(s->att))
		error = adopt_request(t, CTL_LEAVE, &a);
	lib_lock_leave(&t->os, &t->ctl_lock);
	return error == 0 || error == -ENOENT || error == -ENOTCONN;
}

/* An inherited socket that is closed unused: tasd keeps it for us no longer. A listener is taken over and
 * then closed. */

static void disown_listener(struct tas_ctx *c, struct tas_sock *s)
{
	struct tas *t = c->t;
	struct ctl_msg m = { .listen = s->listener->listen };
	struct ctl_adopt a = adopt_of(s, 0);
	unsigned nfds;

	if (t->hold_token != 0 && s->listener->registered && adopt_request(t, CTL_ADOPT, &a) == 0)
		lib_request(t, &m, CTL_UNLISTEN, NULL, 0, &nfds);
	lib_listener_forget_queue(s->listener);
	s->att = NULL;
	lib_listener_free(s);
}

static void disown_flow(struct tas *t, struct tas_sock *s)
{
	struct ctl_adopt a = adopt_of(s, 0);

	if (t->hold_token != 0 && s->adopt_error == 0)
		adopt_request(t, CTL_LEAVE, &a);
	s->att = NULL;
	lib_sock_free(s);
}

/* Without an attachment the child's end of the hold is the way. False if it takes nothing now. */
static bool let_go(struct tas *t, const struct tas_sock *s)
{
	struct ctl_msg m = { .type = CTL_LEAVE, .adopt = adopt_of(s, 0) };
	int fd = atomic_load(&t->hold_fd);

	if (s->listener != NULL && !s->listener->registered)
		return true;
	return LIB_SYS(&t->os, SYS_sendto, fd, (long)&m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0) ==
		(long)sizeof(m);
}

static void forget(struct tas_sock *s)
{
	s->att = NULL;
	if (s->listener != NULL) {
		lib_listener_forget_queue(s->listener);
		lib_listener_free(s);
	} else {
		lib_sock_free(s);
	}
}

static void disown_locked(struct tas_ctx *c, struct tas_sock *s)
{
	struct tas *t = c->t;

	if (t->hold_token != 0 && lib_att_now(t) == NULL && let_go(t, s)) {
		forget(s);
	} else if (t->hold_token != 0 && lib_att_now(t) == NULL) {
		s->next = t->disowned; /* told if we ever attach; if not, the end of our hold says it all */
		t->disowned = s;
	} else if (s->listener != NULL) {
		disown_listener(c, s);
	} else {
		disown_flow(t, s);
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
