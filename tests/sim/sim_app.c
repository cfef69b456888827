/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_app.h"

#include <errno.h>
#include <string.h>

#include "include/base/assert.h"
#include "tests/sim/sim_host.h"
#include "tests/sim/sim_peer.h"

enum { NOBODY_HOST = 200, NOBODY_PORT = 9 };

#define TRY_AGAIN_NS (20 * NS_PER_MS)

/* --- opening --- */

static bool closed(const struct app_world *w, unsigned plan)
{
	const struct app_end *e = w->end[plan];

	return e[0].state == ENDS_CLOSED &&
		(e[1].state == ENDS_CLOSED || w->plan[plan].may_fail ||
			(e[0].failed && e[1].state == ENDS_NOT_BEGUN));
}

static bool opens(const struct app_world *w, const struct app_end *e)
{
	const struct plan *p = e->plan;

	return e->state == ENDS_NOT_BEGUN && (e->side == 0 || p->kind == PLAN_TWINS) && e->due <= w->w.now &&
		(p->kind != PLAN_AGAIN || closed(w, p->after));
}

static unsigned host_of(const struct app_world *w, unsigned proc)
{
	return proc == PROC_PEER ? w->peer_host : w->proc[proc].p.host->index;
}

static struct sim_open target(const struct app_world *w, const struct app_end *e)
{
	const struct plan *plan = e->plan;
	unsigned peer = e->side == 0 ? plan->server : plan->client;
	struct sim_open o = { .addr = host_addr(host_of(w, peer)),
		.port = peer == PROC_PEER ? (uint16_t)(PEER_PORT + e->plan_no) : w->proc[peer].port,
		.rx_size = plan->side[e->side].rx_size,
		.tx_size = plan->side[e->side].tx_size,
		.nodelay = plan->side[e->side].nodelay,
		.congestion = plan->congestion != NULL ? plan->congestion : "" };

	if (plan->kind == PLAN_TWINS) {
		o.local_port = (uint16_t)(TWIN_PORT + 2 * e->plan_no + e->side);
		o.port = o.local_port ^ 1;
	} else if (plan->kind == PLAN_AGAIN) {
		o.local_port = w->plan[plan->after].local_port;
	} else if (plan->kind == PLAN_REFUSED) {
		o.port = NOBODY_PORT;
	} else if (plan->kind == PLAN_UNREACHABLE) {
		o.addr = host_addr(NOBODY_HOST);
	}
	return o;
}

static void open_end(struct app_world *w, struct app_end *e)
{
	struct sim_open o = target(w, e);
	unsigned ctx = rand_below(&e->proc->rand, e->proc->contexts);
	uint16_t port = o.local_port;
	void *sock;
	int rc = e->proc->api->connect(e->proc, ctx, &o, &e->hot, &sock, &port);

	if (rc == -EADDRNOTAVAIL && e->plan->kind == PLAN_AGAIN) { /* in TIME_WAIT here */
		e->due = w->w.now + TRY_AGAIN_NS;
		return;
	}
	if (e->side == 0)
		w->plan[e->plan_no].local_port = port;
	if (rc != 0) {
		e->state = ENDS_CLOSED;
		end_fail(e, strerror(-rc), 0, 0);
		return;
	}
	trace_note(w->w.trace, "plan %u: connect from port %u", e->plan_no, port);
	end_begin(e, sock, ctx);
}

/* The side to which a connection belongs: the latest from that address and port. */
static struct app_end *acceptor_of(struct app_world *w, unsigned proc, struct net_addr remote, uint16_t port)
{
	struct app_end *found = NULL;

	for (unsigned i = 0; i < w->nplans; i++) {
		struct app_end *e = &w->end[i][1];

		if (w->plan[i].server == proc && w->plan[i].local_port == port &&
			w->end[i][0].state != ENDS_NOT_BEGUN &&
			addr_eq(remote, host_addr(host_of(w, w->plan[i].client))) &&
			(found == NULL || e->state == ENDS_NOT_BEGUN)) /* a port may have served before */
			found = e;
	}
	return found;
}

static unsigned accept_all(struct app_world *w, unsigned proc)
{
	struct app_proc *a = &w->proc[proc];
	struct net_addr remote;
	uint16_t port;
	unsigned n = 0;
	void *sock;

	a->listener_hot = false;
	for (;; n++) {
		unsigned ctx = rand_below(&a->p.rand, a->p.contexts);
		struct app_end *e;

		if (a->p.api->accept(&a->p, ctx, a->listener, &sock, &remote, &port) != 0)
			return n;
		e = acceptor_of(w, proc, remote, port);
		if (e == NULL || e->state != ENDS_NOT_BEGUN) {
			w->w.failed = true;
			trace_note(w->w.trace, "FAILED: a connection from port %u that nobody opened", port);
			a->p.api->close(&a->p, ctx, sock, true);
			continue;
		}
		trace_note(w->w.trace, "plan %u: accepted", e->plan_no);
		end_begin(e, sock, ctx);
	}
}

static void on_event(void *user) { *(bool *)user = true; }

/* --- begin and end --- */

static void proc_begin(struct app_world *w, unsigned i)
{
	struct app_proc *a = &w->proc[i];
	struct sim_open o = { .port = (uint16_t)(APP_PORT + i), .backlog = a->backlog, .congestion = "" };

	a->p.on_event = on_event;
	a->port = o.port;
	for (unsigned n = 0; n < w->nplans; n++)
		if (w->plan[n].server == i) {
			o.rx_size = w->plan[n].side[1].rx_size;
			o.tx_size = w->plan[n].side[1].tx_size;
			o.nodelay = w->plan[n].side[1].nodelay;
		}
	TAS_ASSERT(a->p.api->attach(&a->p) == 0);
	TAS_ASSERT(a->p.api->listen(&a->p, 0, &o, &a->listener_hot, &a->listener) == 0);
}

static struct sim_proc *proc_of(struct app_world *w, unsigned proc)
{
	return proc == PROC_PEER ? NULL : &w->proc[proc].p;
}

void app_world_begin(struct app_world *w)
{
	for (unsigned i = 0; i < w->nprocs; i++)
		proc_begin(w, i);
	for (unsigned i = 0; i < w->nplans; i++)
		for (unsigned side = 0; side < 2; side++) {
			const struct plan *plan = &w->plan[i];
			unsigned proc = side == 0 ? plan->client : plan->server;
			struct app_end *e = &w->end[i][side];

			*e = (struct app_end){ .w = &w->w,
				.plan = plan,
				.side = (uint8_t)side,
				.plan_no = i,
				.due = plan->start,
				.proc = proc_of(w, proc) };
			if (proc != PROC_PEER)
				w->proc[proc].end[w->proc[proc].nends++] = e;
		}
}

void app_world_unlisten(struct app_world *w)
{
	for (unsigned i = 0; i < w->nprocs; i++) {
		struct sim_proc *p = &w->proc[i].p;

		if (w->proc[i].listener != NULL)
			p->api->close(p, 0, w->proc[i].listener, false);
		w->proc[i].listener = NULL;
	}
}

static void detach(struct app_proc *a)
{
	if (a->p.impl == NULL)
		return;
	a->p.api->detach(&a->p);
	a->listener = NULL;
}

void app_world_end(struct app_world *w)
{
	for (unsigned i = 0; i < w->nprocs; i++)
		detach(&w->proc[i]);
}

/* Killed: what it had open is closed by nobody. */
static void die(struct app_world *w, unsigned proc)
{
	struct app_proc *a = &w->proc[proc];

	trace_note(w->w.trace, "process %u dies", proc);
	for (unsigned i = 0; i < a->nends; i++)
		a->end[i]->state = ENDS_CLOSED;
	detach(a);
}

/* What was aborted early may never have reached the other side. */
bool app_world_done(const struct app_world *w)
{
	for (unsigned i = 0; i < w->nplans; i++)
		if (!closed(w, i) || w->end[i][1].state == ENDS_OPEN)
			return false;
	return true;
}

void app_world_woken(struct app_world *w, struct host *h, int fd)
{
	for (unsigned i = 0; i < w->nprocs; i++)
		for (unsigned c = 0; c < w->proc[i].p.contexts; c++)
			if (w->proc[i].p.host == h && w->proc[i].p.fd[c] == fd)
				w->proc[i].woken = true;
}

/* --- turns --- */

static unsigned ends_step(struct app_world *w, unsigned proc)
{
	struct app_proc *a = &w->proc[proc];
	unsigned did = 0, left = 0;

	for (unsigned i = 0; i < a->nends; i++) {
		struct app_end *e = a->end[i];

		if (opens(w, e)) {
			open_end(w, e);
			did++;
		}
		if (end_wants_step(e))
			did += end_step(e);
		if (e->state != ENDS_CLOSED)
			a->end[left++] = e;
	}
	a->nends = left;
	return did;
}

static tas_ns timer_of(const struct app_world *w, const struct app_end *e)
{
	bool waits = e->plan->kind == PLAN_AGAIN && !closed(w, e->plan->after);

	if (e->state != ENDS_NOT_BEGUN)
		return end_deadline(e);
	return (e->side == 1 && e->plan->kind != PLAN_TWINS) || waits ? TAS_NS_NEVER : e->due;
}

static tas_ns proc_timer(const struct app_world *w, unsigned proc)
{
	tas_ns next = w->proc[proc].dies;

	for (unsigned i = 0; i < w->proc[proc].nends; i++)
		next = min_u64(next, timer_of(w, w->proc[proc].end[i]));
	return next;
}

static bool proc_sleeps(struct app_proc *a)
{
	for (unsigned c = 0; c < a->p.contexts; c++)
		if (!a->p.api->sleep(&a->p, c)) {
			while (c-- > 0)
				a->p.api->wake(&a->p, c);
			return false;
		}
	return true;
}

static unsigned turn(struct app_world *w, unsigned i)
{
	struct app_proc *a = &w->proc[i];
	unsigned did = 0;

	for (unsigned c = 0; c < a->p.contexts; c++) {
		if (a->asleep)
			a->p.api->wake(&a->p, c);
		did += a->p.api->poll(&a->p, c);
	}
	a->asleep = a->woken = false;
	if (a->listener_hot && a->listener != NULL)
		did += accept_all(w, i);
	did += ends_step(w, i);
	if (did == 0 && a->sleeps)
		a->asleep = proc_sleeps(a);
	return did;
}

static unsigned proc_poll(struct app_world *w, unsigned i)
{
	struct app_proc *a = &w->proc[i];

	if (a->p.impl == NULL || w->w.now < a->stalled_to)
		return 0;
	if (a->asleep && !a->woken && proc_timer(w, i) > w->w.now)
		return 0;
	if (a->dies <= w->w.now) {
		die(w, i);
		return 1;
	}
	if (rand_chance_ppm(&a->p.rand, w->stall_ppm)) {
		a->stalled_to = w->w.now + rand_u64(&a->p.rand) % (w->stall_max + 1);
		return 0;
	}
	return turn(w, i);
}

unsigned app_world_poll(struct app_world *w, tas_ns now)
{
	unsigned did = 0;

	w->w.now = now;
	for (unsigned i = 0; i < w->nprocs; i++)
		did += proc_poll(w, i);
	return did;
}

tas_ns app_world_deadline(const struct app_world *w, tas_ns now)
{
	tas_ns next = TAS_NS_NEVER;

	for (unsigned i = 0; i < w->nprocs; i++) {
		const struct app_proc *a = &w->proc[i];
		tas_ns own = a->woken || (a->sleeps && !a->asleep) ? now : proc_timer(w, i);

		if (a->p.impl != NULL)
			next = min_u64(next, max_u64(own, a->stalled_to));
	}
	return next;
}
