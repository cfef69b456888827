/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/listen.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "include/base/assert.h"
#include "slowpath/conn.h"
#include "slowpath/sp.h"
#include "slowpath/sp_cc.h"
#include "slowpath/unaccepted.h"

#define RETRY_NS (100 * NS_PER_MS)

static int listener_cmp(const struct listener *a, const struct listener *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

/* cppcheck-suppress unknownMacro ; libbsd's */
RB_GENERATE(listener_ids, listener, by_id, listener_cmp)

struct listeners *listeners_create(void)
{
	struct listeners *ls = calloc(1, sizeof(*ls));

	if (ls == NULL)
		return NULL;
	*ls = (struct listeners){ .next_id = 1 };
	TAILQ_INIT(&ls->turn);
	TAILQ_INIT(&ls->memory);
	return ls;
}

static void listener_free(struct listener *l)
{
	struct acceptor *a;

	while ((a = TAILQ_FIRST(&l->leaving)) != NULL) {
		TAILQ_REMOVE(&l->leaving, a, link);
		free(a);
	}
	while (l->nacceptors > 0)
		free(l->acceptor[--l->nacceptors]);
	free(l->acceptor);
	free(l);
}

void listeners_free(struct listeners *ls)
{
	struct listener *l;

	if (ls == NULL)
		return;
	while ((l = TAILQ_FIRST(&ls->turn)) != NULL) {
		TAILQ_REMOVE(&ls->turn, l, waiting);
		if (l->closed)
			listener_free(l);
	}
	while ((l = RB_ROOT(&ls->ids)) != NULL) {
		RB_REMOVE(listener_ids, &ls->ids, l);
		listener_free(l);
	}
	free(ls);
}

static struct listener *by_id(struct listeners *ls, uint64_t id)
{
	struct listener like = { .id = id };

	return RB_FIND(listener_ids, &ls->ids, &like);
}

const struct listener *listen_after(const struct listeners *ls, uint64_t id)
{
	struct listener like = { .id = id + 1 };

	return RB_NFIND(listener_ids, (struct listener_ids *)(uintptr_t)&ls->ids, &like);
}

/* The wildcard of IPv6 stands for both families, unless IPV6_V6ONLY was set; that of IPv4 for its own. */
static bool takes_v4(struct net_addr addr, uint16_t flags)
{
	return addr_is_v4(addr) || (addr_is_any(addr) && !(flags & CTL_LISTEN_V6ONLY));
}

static bool takes_v6(struct net_addr addr) { return !addr_is_v4(addr); }

static bool covers(const struct listener *l, const struct flow_key *key, bool any)
{
	if (addr_is_any(l->addr) != any)
		return false;
	if (!any)
		return addr_eq(l->addr, key->local);
	return addr_is_v4(key->local) ? takes_v4(l->addr, l->flags) : takes_v6(l->addr);
}

/* Among equals (REUSEPORT) the hash of the connection decides, so that a SYN and its repetitions meet the
 * same one. */
static struct listener *pick(struct listeners *ls, const struct flow_key *key, bool any)
{
	struct listener *l;
	uint32_t n = 0, at;

	LIST_FOREACH(l, &ls->of_port[be16toh(key->local_port)], same_port)
		n += covers(l, key, any);
	if (n == 0)
		return NULL;
	at = n > 1 ? flow_key_hash(key) % n : 0;
	LIST_FOREACH(l, &ls->of_port[be16toh(key->local_port)], same_port)
		if (covers(l, key, any) && at-- == 0)
			return l;
	return NULL;
}

struct listener *listen_find(struct listeners *ls, const struct flow_key *key)
{
	struct listener *l = pick(ls, key, false);

	return l != NULL ? l : pick(ls, key, true);
}

bool listen_has_port(const struct listeners *ls, uint16_t port) { return !LIST_EMPTY(&ls->of_port[port]); }

/* As in Linux: a queue of `backlog` and one more. */
bool listen_full(const struct listener *l) { return l->ready.count + l->nr_handed > l->backlog; }

void listen_overflowed(struct sp *sp, struct listener *l)
{
	l->overflows++;
	sp_count(sp, CNT_TCP_LISTEN_OVERFLOWS, 1);
}

/* --- queues of flows --- */

static void queue_push(struct sp *sp, struct conn_queue *q, uint32_t id)
{
	struct conn *n = &sp->conn[id];

	n->pending_next = FLOW_NONE;
	n->pending_prev = q->tail;
	if (q->count++ == 0)
		q->head = id;
	else
		sp->conn[q->tail].pending_next = id;
	q->tail = id;
}

static void queue_push_front(struct sp *sp, struct conn_queue *q, uint32_t id)
{
	struct conn *n = &sp->conn[id];

	n->pending_next = q->head;
	n->pending_prev = FLOW_NONE;
	if (q->count++ == 0)
		q->tail = id;
	else
		sp->conn[q->head].pending_prev = id;
	q->head = id;
}

static void queue_remove(struct sp *sp, struct conn_queue *q, uint32_t id)
{
	struct conn *n = &sp->conn[id];

	TAS_ASSERT(q->count > 0);
	if (q->head == id)
		q->head = n->pending_next;
	else
		sp->conn[n->pending_prev].pending_next = n->pending_next;
	if (q->tail == id)
		q->tail = n->pending_prev;
	else
		sp->conn[n->pending_next].pending_prev = n->pending_prev;
	q->count--;
}

static struct acceptor *acceptor_of(struct listener *l, uint16_t app)
{
	for (uint32_t i = 0; i < l->nacceptors; i++)
		if (l->acceptor[i]->app == app)
			return l->acceptor[i];
	return NULL;
}

void listen_embryo(struct sp *sp, struct listener *l, uint32_t flow)
{
	sp->conn[flow].listener = l;
	sp->conn[flow].where = CONN_EMBRYO;
	queue_push(sp, &l->embryos, flow);
	room_offer(sp, flow, ROOM_EMBRYO);
}

static void handed_remove(struct sp *sp, struct listener *l, uint32_t flow)
{
	struct conn *n = &sp->conn[flow];
	struct acceptor *a = n->acceptor;

	queue_remove(sp, &a->handed, flow);
	l->nr_handed--;
	if (a->leaves)
		sp->apps->slot[a->app].returning--;
	n->acceptor = NULL;
}

void listen_forget(struct sp *sp, uint32_t flow)
{
	struct conn *n = &sp->conn[flow];
	struct listener *l = n->listener;

	if (l == NULL)
		return;
	if (n->where == CONN_EMBRYO) {
		queue_remove(sp, &l->embryos, flow);
	} else if (n->where == CONN_READY) {
		queue_remove(sp, &l->ready, flow);
	} else if (n->where == CONN_HANDED) {
		handed_remove(sp, l, flow);
	}
	n->where = CONN_NOWHERE;
	n->listener = NULL;
}

void listen_accepted(struct sp *sp, uint32_t flow)
{
	if (sp->conn[flow].listener != NULL)
		sp->conn[flow].listener->accepted++;
	listen_forget(sp, flow);
}

/* The armed process with the fewest connections waiting, unless it just had no memory for one; in turn among
 * equals. */
static struct acceptor *next_acceptor(struct listener *l, tas_ns now)
{
	struct acceptor *best = NULL;

	for (uint32_t i = 0; i < l->nacceptors; i++) {
		struct acceptor *a = l->acceptor[(l->turn + i) % l->nacceptors];

		if (a->armed && a->full_until <= now &&
			(best == NULL || a->handed.count < best->handed.count))
			best = a;
	}
	l->turn++;
	return best;
}

static bool any_armed(const struct listener *l)
{
	for (uint32_t i = 0; i < l->nacceptors; i++)
		if (l->acceptor[i]->armed)
			return true;
	return false;
}

/* --- listeners that want something --- */

static void wants(struct sp *sp, struct listener *l, enum listener_wants what)
{
	struct listeners *ls = sp->listeners;

	if (l->wants == what)
		return;
	if (l->wants != LISTENER_NOTHING)
		TAILQ_REMOVE(l->wants == LISTENER_TURN ? &ls->turn : &ls->memory, l, waiting);
	l->wants = what;
	l->retry_at = sp->now + RETRY_NS;
	if (what != LISTENER_NOTHING)
		TAILQ_INSERT_TAIL(what == LISTENER_TURN ? &ls->turn : &ls->memory, l, waiting);
}

/* --- handing over --- */

static int attach_to(struct sp *sp, const struct acceptor *a, uint32_t flow)
{
	struct app_flow_spec spec = { .app = a->app,
		.ctx = a->ctx,
		.rx_size = sp->conn[flow].rx_size,
		.tx_size = sp->conn[flow].tx_size,
		.listener = a->cookie };

	if (!room_take(sp, flow, sp->apps->slot[a->app].who.uid))
		return -ENOMEM;
	return app_flow_attach(sp->apps, flow, &spec);
}

/* Gives the flow its place in the region of a process that accepts. False if there is none, or no memory for
 * it, or not yet: then it is among the ready ones as before, and *wants says until when. */
static bool hand_over(struct sp *sp, struct listener *l, uint32_t flow, enum listener_wants *wants)
{
	struct acceptor *a = next_acceptor(l, sp->now);
	struct conn *n = &sp->conn[flow];
	int error = 0;

	for (; a != NULL; a = next_acceptor(l, sp->now)) {
		error = attach_to(sp, a, flow);
		if (error == 0 || error == -EAGAIN)
			break;
		a->full_until = sp->now + RETRY_NS;
	}
	if (a == NULL || error != 0) {
		*wants = error == -EAGAIN ? LISTENER_TURN : any_armed(l) ? LISTENER_MEMORY : LISTENER_NOTHING;
		return false;
	}
	if (n->where == CONN_READY)
		queue_remove(sp, &l->ready, flow);
	queue_push(sp, &a->handed, flow);
	l->nr_handed++;
	n->acceptor = a;
	n->where = CONN_HANDED;
	return true;
}

bool listen_established(struct sp *sp, struct listener *l, uint32_t flow)
{
	enum listener_wants what = l->wants;

	TAS_ASSERT(sp->conn[flow].where == CONN_EMBRYO);
	queue_remove(sp, &l->embryos, flow);
	sp->conn[flow].where = CONN_NOWHERE;
	if (l->ready.count == 0 && TAILQ_EMPTY(&l->leaving) && hand_over(sp, l, flow, &what))
		return true;
	wants(sp, l, what);
	queue_push(sp, &l->ready, flow);
	sp->conn[flow].where = CONN_READY;
	return false;
}

/* What waited goes over in order, as far as there is memory. Returns how many. */
static unsigned drain_ready(struct sp *sp, struct listener *l, unsigned burst)
{
	enum listener_wants what = LISTENER_TURN;
	unsigned n = 0;

	for (; l->ready.count > 0 && n < burst; n++) {
		uint32_t id = l->ready.head;
		bool done;

		conn_lock(sp, id);
		done = hand_over(sp, l, id, &what);
		if (done)
			conn_handed(sp, id);
		conn_unlock(sp, id);
		if (!done)
			break;
	}
	wants(sp, l, LISTENER_NOTHING); /* and behind the others, if it wants another turn */
	wants(sp, l, l->ready.count > 0 ? what : LISTENER_NOTHING);
	return n;
}

/* --- what a process did not accept --- */

/* Did the process accept it in the last moment? */
static bool is_accepted(struct sp *sp, uint32_t id)
{
	if (!(sp->fp->flows[id].events & FLOW_EV_ACCEPTED))
		return false;
	listen_accepted(sp, id);
	app_flow_accepted(sp->apps, id);
	return true;
}

/* The process has forgotten it. */
static void give_up(struct sp *sp, uint32_t id)
{
	sp->conn[id].app_gone = true;
	conn_abort(sp, id, 0);
}

/* Takes it out of the region of the process that did not accept it. What that process did with it all the
 * same cannot be passed on. */
static void take_back_one(struct sp *sp, struct listener *l, uint32_t id)
{
	if (is_accepted(sp, id))
		return;
	if (sp->fp->flows[id].tx_avail > 0 || !unaccepted_strip(sp, id)) {
		give_up(sp, id);
		return;
	}
	handed_remove(sp, l, id);
	queue_push_front(sp, &l->ready, id);
	sp->conn[id].where = CONN_READY;
}

/* What was handed to processes that leave waits again, with the bytes that arrived meanwhile, before what
 * became ready later: the last comes first. Returns how many it was. */
static unsigned take_back(struct sp *sp, struct listener *l, unsigned burst)
{
	struct acceptor *a;
	unsigned n = 0;

	while (n < burst && (a = TAILQ_FIRST(&l->leaving)) != NULL) {
		uint32_t id = a->handed.tail;

		if (a->handed.count == 0) {
			TAILQ_REMOVE(&l->leaving, a, link);
			free(a);
			continue;
		}
		conn_lock(sp, id);
		take_back_one(sp, l, id);
		conn_unlock(sp, id);
		n++;
	}
	return n;
}

static void leaving_add(struct sp *sp, struct listener *l, struct acceptor *a)
{
	a->leaves = true;
	sp->apps->slot[a->app].returning += a->handed.count;
	TAILQ_INSERT_TAIL(&l->leaving, a, link);
}

/* --- the end of a listener --- */

static unsigned abort_some(struct sp *sp, struct conn_queue *q, unsigned burst)
{
	unsigned n = 0;

	for (; q->count > 0 && n < burst; n++) {
		uint32_t id = q->head;

		conn_lock(sp, id);
		if (!is_accepted(sp, id))
			give_up(sp, id);
		conn_unlock(sp, id);
	}
	return n;
}

/* Resets what waits, in the end frees it. Returns how many it was. */
static unsigned close_some(struct sp *sp, struct listener *l, unsigned burst)
{
	unsigned n = abort_some(sp, &l->ready, burst);
	struct acceptor *a;

	TAILQ_FOREACH(a, &l->leaving, link)
		n += abort_some(sp, &a->handed, burst - n);
	n += abort_some(sp, &l->embryos, burst - n);
	wants(sp, l, LISTENER_NOTHING); /* and behind the others, if there are more */
	if (l->ready.count + l->nr_handed + l->embryos.count > 0)
		wants(sp, l, LISTENER_TURN);
	else
		listener_free(l);
	return n;
}

/* --- a pass --- */

static unsigned turn_take(struct sp *sp, struct listener *l)
{
	unsigned n;

	if (l->closed)
		return close_some(sp, l, LISTEN_TURN);
	n = take_back(sp, l, LISTEN_TURN);
	if (TAILQ_EMPTY(&l->leaving))
		return n + drain_ready(sp, l, LISTEN_TURN);
	wants(sp, l, LISTENER_NOTHING);
	wants(sp, l, LISTENER_TURN);
	return n;
}

tas_ns listen_deadline(const struct sp *sp)
{
	const struct listeners *ls = sp->listeners;

	if (!TAILQ_EMPTY(&ls->turn))
		return sp->now;
	return TAILQ_EMPTY(&ls->memory) ? TAS_NS_NEVER : TAILQ_FIRST(&ls->memory)->retry_at;
}

unsigned listen_poll(struct sp *sp)
{
	struct listeners *ls = sp->listeners;
	struct listener *l, *last;
	unsigned n = 0;

	while ((l = TAILQ_FIRST(&ls->memory)) != NULL && l->retry_at <= sp->now)
		wants(sp, l, LISTENER_TURN);
	last = TAILQ_LAST(&ls->turn, listener_queue);
	for (bool more = last != NULL; more && n < LISTEN_BURST && sp->apps->cost.left > 0; n++) {
		l = TAILQ_FIRST(&ls->turn);
		more = l != last;
		n += turn_take(sp, l);
	}
	return n;
}

/* --- requests of applications --- */

static int add_acceptor(struct listener *l, uint16_t app, uint32_t cookie)
{
	struct acceptor **more, *a;

	if (l->nacceptors == LISTEN_ACCEPTORS_MAX)
		return ENOSPC;
	more = reallocarray(l->acceptor, l->nacceptors + 1, sizeof(*more));
	if (more == NULL)
		return ENOMEM;
	l->acceptor = more;
	a = malloc(sizeof(*a));
	if (a == NULL)
		return ENOMEM;
	*a = (struct acceptor){ .app = app, .cookie = cookie };
	l->acceptor[l->nacceptors++] = a;
	return 0;
}

/* May a listener of this user stand beside those there are? As in Linux, nobody shares a port with another
 * user, who would get a part of its connections. */
static int conflict(struct listeners *ls, const struct ctl_listen *m, uid_t uid)
{
	uint32_t sharers = 0;
	struct listener *l = NULL;

	LIST_FOREACH(l, &ls->of_port[m->port], same_port) {
		bool family = (takes_v4(l->addr, l->flags) && takes_v4(m->addr, m->flags)) ||
			(takes_v6(l->addr) && takes_v6(m->addr));
		bool address = addr_is_any(l->addr) || addr_is_any(m->addr) || addr_eq(l->addr, m->addr);

		if (!family || !address)
			continue;
		if (!(l->flags & m->flags & CTL_LISTEN_REUSEPORT) || l->uid != uid)
			return EADDRINUSE;
		if (++sharers == LISTEN_SHARERS_MAX)
			return ENOBUFS;
	}
	return 0;
}

/* The same listener, registered by another of the processes that inherited it, or the socket before it
 * listened. */
static struct listener *inherited_too(struct listeners *ls, const struct ctl_listen *m)
{
	struct listener *l = NULL;

	LIST_FOREACH(l, &ls->of_port[m->port], same_port) {
		if (m->secret != 0 && l->secret == m->secret && addr_eq(l->addr, m->addr) &&
			((l->flags ^ m->flags) & ~CTL_LISTEN_NODELAY) == 0)
			return l;
	}
	return NULL;
}

static int listen_again(struct sp *sp, struct listener *l, uint16_t app, struct ctl_listen *m)
{
	m->id = l->id;
	l->backlog = min_u32(m->backlog, sp->conf->tcp.backlog_max);
	return acceptor_of(l, app) != NULL ? EEXIST : add_acceptor(l, app, m->cookie);
}

/* Whoever listened on all ports of the range would keep everybody from connecting. */
static bool port_take(struct sp *sp, struct listener *l)
{
	if (l->port < sp->ports.low || l->port > sp->ports.high)
		return true;
	l->has_port = users_take(&sp->apps->users, l->uid, SHARE_PORTS, 1);
	return l->has_port;
}

static int listen_new(struct sp *sp, uint16_t app, struct ctl_listen *m)
{
	struct listeners *ls = sp->listeners;
	uid_t uid = sp->apps->slot[app].who.uid;
	struct listener *l;
	int error;

	if (m->port == 0)
		return EINVAL;
	if (!addr_is_any(m->addr) && !route_is_local(&sp->routes, m->addr))
		return EADDRNOTAVAIL;
	error = conflict(ls, m, uid);
	if (error != 0)
		return error;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ENOMEM;
	*l = (struct listener){
		.id = ls->next_id++,
		.secret = m->secret,
		.uid = uid,
		.addr = m->addr,
		.port = m->port,
		.flags = m->flags,
		.backlog = min_u32(m->backlog, sp->conf->tcp.backlog_max),
		.options = m->options,
	};
	TAILQ_INIT(&l->leaving);
	error = add_acceptor(l, app, m->cookie);
	if (error == 0 && !port_take(sp, l))
		error = ENOBUFS;
	if (error != 0) {
		listener_free(l);
		return error;
	}
	LIST_INSERT_HEAD(&ls->of_port[l->port], l, same_port);
	RB_INSERT(listener_ids, &ls->ids, l);
	ls->count++;
	m->id = l->id;
	return 0;
}

int listen_op_listen(void *arg, uint16_t app, struct ctl_listen *m)
{
	struct sp *sp = arg;
	struct listener *l;

	if (!sp_cc_known(m->options.congestion))
		return ENOENT;
	l = m->id == 0 ? inherited_too(sp->listeners, m) : NULL;
	if (l != NULL)
		return listen_again(sp, l, app, m);
	if (m->id == 0)
		return listen_new(sp, app, m);
	l = by_id(sp->listeners, m->id);
	if (l == NULL)
		return ENOENT;
	l->backlog = min_u32(m->backlog, sp->conf->tcp.backlog_max);
	l->options = m->options;
	return 0;
}

int listen_op_arm(void *arg, uint16_t app, const struct ctl_listen *m)
{
	struct sp *sp = arg;
	struct listener *l = by_id(sp->listeners, m->id);
	struct acceptor *a = l != NULL ? acceptor_of(l, app) : NULL;

	if (a == NULL)
		return ENOENT;
	if (m->context >= atomic_load(&sp->fp->apps[app].nctx))
		return EINVAL;
	a->ctx = (uint16_t)m->context;
	a->armed = true;
	wants(sp, l, LISTENER_TURN);
	return 0;
}

int listen_op_join(void *arg, uint16_t app, uint64_t id, uint32_t cookie)
{
	struct sp *sp = arg;
	struct listener *l = by_id(sp->listeners, id);

	if (l == NULL)
		return ENOENT;
	return acceptor_of(l, app) != NULL ? EEXIST : add_acceptor(l, app, cookie);
}

int listen_op_info(void *arg, uint64_t id, struct ctl_info *info)
{
	const struct listener *l = by_id(((struct sp *)arg)->listeners, id);

	if (l == NULL)
		return ENOENT;
	info->state = TCP_LISTEN;
	info->queued = l->ready.count + l->nr_handed;
	info->backlog = l->backlog;
	return 0;
}

void listen_op_leave(void *arg, uint16_t app, uint64_t id)
{
	struct sp *sp = arg;
	struct listener *l = by_id(sp->listeners, id);

	for (uint32_t i = 0; l != NULL && i < l->nacceptors; i++) {
		if (l->acceptor[i]->app != app)
			continue;
		leaving_add(sp, l, l->acceptor[i]);
		l->acceptor[i] = l->acceptor[--l->nacceptors];
		wants(sp, l, LISTENER_TURN);
		return;
	}
}

void listen_op_close(void *arg, uint64_t id)
{
	struct sp *sp = arg;
	struct listener *l = by_id(sp->listeners, id);

	if (l == NULL)
		return;
	LIST_REMOVE(l, same_port);
	RB_REMOVE(listener_ids, &sp->listeners->ids, l);
	sp->listeners->count--;
	if (l->has_port)
		users_give(&sp->apps->users, l->uid, SHARE_PORTS, 1);
	while (l->nacceptors > 0)
		leaving_add(sp, l, l->acceptor[--l->nacceptors]);
	l->closed = true;
	wants(sp, l, LISTENER_TURN);
}
