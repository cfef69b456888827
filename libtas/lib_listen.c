/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_listen.c - listeners: registered with tasd as often as it comes back, armed for contexts, and their
 * accept queue. Drains push connections on `inbox` without a lock; who accepts turns it round under
 * rx_lock. */
#include <string.h>

#include "include/base/assert.h"
#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

static_assert((int)TAS_OPEN_REUSEPORT == CTL_LISTEN_REUSEPORT && (int)TAS_OPEN_V6ONLY == CTL_LISTEN_V6ONLY &&
		(int)TAS_OPEN_NODELAY == CTL_LISTEN_NODELAY,
	"passed on as they are");

/* --- made and given up; with ctl_lock held --- */

static struct lib_listener *block_take(struct tas *t)
{
	struct lib_listener *b = t->listeners_free;

	if (b == NULL)
		return lib_map(&t->os, sizeof(*b), true);
	t->listeners_free = b->next_free;
	memset((void *)b, 0, sizeof(*b));
	return b;
}

/* The index in the pool below, a counter above, so that a connection for a closed listener finds none. */
static uint32_t cookie_new(struct tas *t, const struct tas_sock *s)
{
	t->cookies = t->cookies % 4094 + 1;
	return t->cookies << 20 | s->index;
}

static void listen_fill(const struct tas_os *os, struct ctl_listen *l, const struct tas_listen_opt *opt)
{
	l->secret = opt->secret;
	if (l->secret == 0)
		lib_random(os, &l->secret, sizeof(l->secret));
	l->addr = opt->addr;
	l->port = opt->port;
	l->flags = opt->flags;
	l->backlog = opt->backlog < 0 ? UINT32_MAX : (uint32_t)opt->backlog;
	if (opt->options != NULL)
		l->options = *opt->options;
}

int lib_listener_register(struct tas *t, struct lib_listener *b)
{
	struct ctl_msg m = { .listen = b->listen };
	unsigned nfds;
	int error;

	m.listen.id = 0;
	error = lib_request(t, &m, CTL_LISTEN, NULL, 0, &nfds);
	if (error != 0)
		return error;
	b->listen.id = m.listen.id;
	b->registered = true;
	return 0;
}

static struct tas_sock *listener_new(struct tas_ctx *c, const struct tas_listen_opt *opt)
{
	struct tas_sock *s = lib_sock_alloc(c->t);

	if (s == NULL)
		return NULL;
	s->listener = block_take(c->t);
	if (s->listener == NULL) {
		lib_sock_free(s);
		return NULL;
	}
	listen_fill(&c->t->os, &s->listener->listen, opt);
	s->listener->cookie = s->listener->listen.cookie = cookie_new(c->t, s);
	s->local = opt->addr;
	s->local_port = opt->port;
	return s;
}

void lib_listener_free(struct tas_sock *s)
{
	struct lib_listener *b = s->listener;
	struct tas *t = s->t;

	b->cookie = 0;
	b->next_free = t->listeners_free;
	t->listeners_free = b;
	lib_sock_free(s);
}

static int listen_locked(struct tas_ctx *c, const struct tas_listen_opt *opt, struct tas_sock **out)
{
	struct tas *t = c->t;
	int error = lib_attach_locked(t, NULL, 0);
	struct tas_sock *s;

	if (error != 0 && !opt->when_ready)
		return error;
	s = listener_new(c, opt);
	if (s == NULL)
		return -ENOMEM;
	error = lib_listener_register(t, s->listener);
	if (error != 0 && !(error == -ENOTCONN && opt->when_ready)) {
		lib_listener_free(s);
		return error;
	}
	s->listener->next = t->listeners;
	t->listeners = s;
	/* release: pairs with the acquire in whoever finds it by its cookie */
	atomic_store_explicit(&s->stamp, c->stamp | STAMP_LISTENER, memory_order_release);
	lib_timer_adjust(t);
	*out = s;
	return 0;
}

int tas_listen(struct tas_ctx *c, const struct tas_listen_opt *opt, struct tas_sock **out)
{
	int error;

	if (!lib_lock_enter(&c->t->os, &c->t->ctl_lock))
		return -EBUSY;
	error = listen_locked(c, opt, out);
	lib_lock_leave(&c->t->os, &c->t->ctl_lock);
	return error;
}

/* Something of a listener changes; without tasd it is told when it comes back. */
static int listener_change(struct tas_ctx *c, struct tas_sock *l, const uint32_t *backlog,
	const struct ctl_options *options)
{
	struct tas *t = c->t;
	int error = lib_sock_ours(c, l, STAMP_LISTENER);

	if (error != 0)
		return error;
	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return -EBUSY;
	if (backlog != NULL)
		l->listener->listen.backlog = *backlog;
	if (options != NULL)
		l->listener->listen.options = *options;
	if (l->listener->registered)
		error = lib_listener_register(t, l->listener);
	lib_lock_leave(&t->os, &t->ctl_lock);
	return error == -ENOTCONN ? 0 : error;
}

int tas_listen_backlog(struct tas_sock *l, int backlog)
{
	uint32_t n = backlog < 0 ? UINT32_MAX : (uint32_t)backlog;
	struct tas_ctx *c = tas_ctx_self(l->t);

	return c == NULL ? -ENOMEM : listener_change(c, l, &n, NULL);
}

int lib_listener_options(struct tas_ctx *c, struct tas_sock *l, const struct ctl_options *options)
{
	return listener_change(c, l, NULL, options);
}

/* --- armed --- */

/* tasd tells one context of each process: the one that was armed last. */
static bool is_armed(const struct lib_listener *b, const struct lib_rings *r)
{
	return atomic_load_explicit(&b->armed_epoch, memory_order_acquire) == r->att->epoch &&
		atomic_load_explicit(&b->armed_now, memory_order_relaxed) == (uint32_t)(r - r->att->rings);
}

static void note_armed(struct lib_listener *b, const struct lib_rings *r)
{
	uint32_t i = (uint32_t)(r - r->att->rings);

	if (b->armed_epoch != r->att->epoch)
		for (uint32_t k = 0; k < LISTENER_RINGS / 64; k++)
			atomic_store_explicit(&b->armed[k], 0, memory_order_relaxed);
	atomic_fetch_or_explicit(&b->armed[i / 64], 1ull << (i % 64), memory_order_relaxed);
	atomic_store_explicit(&b->armed_now, i, memory_order_relaxed);
	atomic_store_explicit(&b->armed_epoch, r->att->epoch, memory_order_release);
}

/* With ctl_lock held. */
static int arm_locked(struct tas_ctx *c, struct lib_listener *b)
{
	struct lib_rings *r = lib_ctx_rings_locked(c);
	struct ctl_msg m = { .listen = b->listen };
	unsigned nfds;
	int error;

	b->armed_for = c;
	b->armed_for_all = c->shares;
	if (r == NULL || !b->registered)
		return 0; /* as soon as tasd is there */
	if (is_armed(b, r))
		return 0;
	m.listen.context = r->id;
	error = lib_request(c->t, &m, CTL_ARM, NULL, 0, &nfds);
	if (error == 0)
		note_armed(b, r);
	return error == -ENOTCONN ? 0 : error;
}

/* Drains where connections of this listener were told before, in the rings of others that waited for it: they
 * may be busy elsewhere, or gone. */
static void drain_others(struct tas_ctx *c, const struct lib_rings *r, const struct lib_listener *b)
{
	if (atomic_load_explicit(&b->armed_epoch, memory_order_acquire) != r->att->epoch)
		return;
	for (uint32_t k = 0; k < LISTENER_RINGS / 64; k++) {
		uint64_t set = atomic_load_explicit(&b->armed[k], memory_order_relaxed);

		for (; set != 0; set &= set - 1) {
			struct lib_rings *other = &r->att->rings[k * 64 + (unsigned)__builtin_ctzll(set)];

			if (other != r)
				lib_drain(c, other);
		}
	}
}

uint32_t lib_listener_ready(struct tas_ctx *c, struct tas_sock *l)
{
	struct lib_listener *b = l->listener;

	if (atomic_load_explicit(&b->queued, memory_order_acquire) == 0 && c->rings != NULL &&
		lib_att_alive(c->rings->att))
		drain_others(c, c->rings, b);
	return atomic_load_explicit(&b->queued, memory_order_acquire) != 0 ? TAS_EV_IN : 0;
}

int tas_listen_arm(struct tas_ctx *c, struct tas_sock *l)
{
	struct tas *t = c->t;
	struct lib_rings *r = lib_ctx_rings(c);
	int error = lib_sock_ours(c, l, STAMP_LISTENER);

	if (error != 0 || (r != NULL && is_armed(l->listener, r)))
		return error;
	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return -EBUSY;
	error = arm_locked(c, l->listener);
	lib_lock_leave(&t->os, &t->ctl_lock);
	if (c->rings != NULL) /* what comes from here on is told to us: tasd has answered */
		drain_others(c, c->rings, l->listener);
	return error;
}

void lib_listen_renew(struct tas *t)
{
	for (struct tas_sock *l = t->listeners; l != NULL && lib_att_now(t) != NULL; l = l->listener->next) {
		struct lib_listener *b = l->listener;
		struct tas_ctx *c = b->armed_for;

		if (b->registered || tas_sock_inherited(l) || lib_listener_register(t, b) != 0 || c == NULL ||
			c->rings == NULL)
			continue;
		if (c->rings->att == lib_att_now(t))
			arm_locked(c, b);
	}
}

void lib_listen_rearm(struct tas_ctx *c)
{
	for (struct tas_sock *l = c->t->listeners; l != NULL && lib_att_now(c->t) != NULL;
		l = l->listener->next)
		if (l->listener->registered &&
			(c->shares ? l->listener->armed_for_all : l->listener->armed_for == c))
			arm_locked(c, l->listener);
}

/* --- accept --- */

/* With rx_lock held: the inbox, oldest first, behind what is queued. */
static void queue_collect(struct lib_listener *b)
{
	/* pairs with the release of the drain that pushed */
	struct tas_sock *s = atomic_exchange_explicit(&b->inbox, NULL, memory_order_acquire), *turned = NULL,
			*next;
	struct tas_sock *last = s;

	for (; s != NULL; s = next) {
		next = s->next;
		s->next = turned;
		turned = s;
	}
	if (turned == NULL)
		return;
	if (b->tail != NULL)
		b->tail->next = turned;
	else
		b->head = turned;
	b->tail = last;
}

static struct tas_sock *queue_pop(struct lib_listener *b)
{
	struct tas_sock *s;

	if (b->head == NULL)
		queue_collect(b);
	s = b->head;
	if (s == NULL)
		return NULL;
	b->head = s->next;
	if (b->head == NULL)
		b->tail = NULL;
	s->next = NULL;
	atomic_fetch_sub_explicit(&b->queued, 1, memory_order_relaxed);
	return s;
}

static int pop(struct tas_ctx *c, struct tas_sock *l, struct tas_sock **out)
{
	int error = lib_sock_enter(c, l, &l->rx_lock, STAMP_LISTENER);

	if (error != 0)
		return error == -EDEADLK ? -EAGAIN : error;
	*out = queue_pop(l->listener);
	lib_sock_leave(c, l, &l->rx_lock);
	return *out != NULL ? 0 : -EAGAIN;
}

/* A connection that nobody accepted, out of its queue; it is tasd's to give to another holder, or to
 * reset. */
static void drop(struct tas_sock *s)
{
	atomic_store_explicit(&s->stamp, 0, memory_order_release);
	lib_flow_unlink(s);
	lib_sock_free(s);
}

/* The next one that did not die with a former tasd. */
static int pop_alive(struct tas_ctx *c, struct tas_sock *l, struct tas_sock **out)
{
	int error;

	while ((error = pop(c, l, out)) == 0 && !lib_att_alive((*out)->att))
		drop(*out);
	return error;
}

int tas_accept(struct tas_ctx *c, struct tas_sock *l, struct tas_sock **out)
{
	int error = lib_sock_ours(c, l, STAMP_LISTENER);
	struct lib_rings *r;

	if (error != 0)
		return error;
	if (atomic_load_explicit(&l->listener->queued, memory_order_acquire) == 0) {
		if (atomic_load_explicit(&l->listener->armed_epoch, memory_order_acquire) != tas_epoch(c->t))
			tas_listen_arm(c, l);
		r = lib_ctx_rings(c);
		if (r != NULL) {
			lib_drain(c, r);
			drain_others(c, r, l->listener);
		}
		tas_check(c->t);
	}
	error = pop_alive(c, l, out);
	if (error != 0)
		return error;
	(*out)->forks = atomic_load_explicit(&c->t->forks, memory_order_relaxed);
	atomic_store_explicit(&(*out)->queued_in, 0, memory_order_release);
	r = lib_ctx_rings(c);
	if (r != NULL && r->att == (*out)->att)
		lib_sock_context(*out, r); /* whoever is to be told looks at it first */
	lib_bell(c, *out, ABI_BELL_ACCEPTED);
	return 0;
}

/* --- the end --- */

void lib_listener_forget_queue(struct lib_listener *b)
{
	struct tas_sock *s;

	while ((s = queue_pop(b)) != NULL) {
		s->att = NULL; /* not in this process */
		lib_sock_free(s);
	}
}

void lib_listener_unlist(struct tas *t, struct tas_sock *l)
{
	struct tas_sock **at = &t->listeners;

	while (*at != NULL && *at != l)
		at = &(*at)->listener->next;
	if (*at == l)
		*at = l->listener->next;
}

static void close_locked(struct tas_ctx *c, struct tas_sock *l)
{
	struct ctl_msg m = { .listen = l->listener->listen };
	unsigned nfds;

	lib_listener_unlist(c->t, l);
	if (l->listener->registered)
		lib_request(c->t, &m, CTL_UNLISTEN, NULL, 0, &nfds);
	lib_timer_adjust(c->t);
}

void lib_listener_close(struct tas_ctx *c, struct tas_sock *l)
{
	struct tas *t = c->t;
	struct lib_att *a;
	struct tas_sock *s;

	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return; /* a handler in the midst of a request: tasd keeps it until the process ends */
	a = lib_att_now(t);
	if (a != NULL)
		lib_att_get(a);
	lib_lock_leave(&t->os, &t->ctl_lock);
	if (a != NULL) { /* tasd knows what was accepted before it hears that the listener goes */
		lib_bells_pass(a);
		lib_att_put(a);
	}
	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return; /* a handler in the midst of a request: tasd keeps it until the process ends */
	close_locked(c, l);
	a = lib_att_now(t);
	if (a != NULL)
		lib_att_get(a);
	lib_lock_leave(&t->os, &t->ctl_lock);
	if (a != NULL) {
		lib_drains_pass(a); /* no drain pushes to it any more */
		lib_att_put(a);
	}
	while ((s = queue_pop(l->listener)) != NULL)
		drop(s);
	lib_lock_enter(&t->os, &t->ctl_lock);
	lib_listener_free(l);
	lib_lock_leave(&t->os, &t->ctl_lock);
}
