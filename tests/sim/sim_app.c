/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/base/assert.h"
#include "tests/sim/sim_host.h"

enum { BUF_MAX = 65536, STEPS_MAX = 16 };

static void fail(struct app_end *e, const char *what, uint64_t a, uint64_t b)
{
	e->w->failed = true;
	trace_note(e->w->trace, "FAILED: plan %u, %s: %s (%lu, %lu)", e->plan_no,
		e->side == 0 ? "client" : "server", what, a, b);
}

bool plan_may_fail(const struct plan *p)
{
	for (unsigned i = 0; i < 2; i++)
		if (p->side[i].end == END_EARLY || p->side[i].end == END_ABORT)
			return true;
	return false;
}

/* --- the pattern --- */

static uint64_t pattern_word(uint64_t stream, uint64_t word)
{
	uint64_t z = (stream << 40) + word * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	return z ^ (z >> 27);
}

static void pattern_fill(uint8_t *buf, uint64_t stream, uint64_t at, uint32_t n)
{
	while (n > 0) {
		uint64_t word = pattern_word(stream, at / 8);
		uint32_t skip = at % 8, len = min_u32(8 - skip, n);

		memcpy(buf, (uint8_t *)&word + skip, len);
		buf += len;
		at += len;
		n -= len;
	}
}

static uint64_t stream_of(const struct app_end *e, unsigned side) { return e->plan_no * 2 + side + 1; }

/* --- one side --- */

static const struct plan_side *mine(const struct app_end *e) { return &e->plan->side[e->side]; }
static const struct plan_side *theirs(const struct app_end *e) { return &e->plan->side[1 - e->side]; }
static struct sim_proc *proc_of(struct app_end *e) { return &e->w->proc[e->proc].p; }

static void end_close(struct app_end *e, bool abort_it)
{
	struct sim_proc *p = proc_of(e);

	trace_note(e->w->trace, "plan %u, %s: close%s after %lu read, %lu written", e->plan_no,
		e->side == 0 ? "client" : "server", abort_it ? " (abort)" : "", e->read, e->written);
	p->api->close(p, e->ctx, e->sock, abort_it);
	e->sock = NULL;
	e->state = ENDS_CLOSED;
	if (!e->failed && !plan_may_fail(e->plan) &&
		(e->read != theirs(e)->bytes || e->written != mine(e)->bytes))
		fail(e, "closed too early", e->read, e->written);
}

static void end_error(struct app_end *e, int error)
{
	trace_note(e->w->trace, "plan %u, %s: error %d after %lu read, %lu written", e->plan_no,
		e->side == 0 ? "client" : "server", error, e->read, e->written);
	e->failed = true;
	e->error = error;
	if (!plan_may_fail(e->plan))
		fail(e, strerror(error), e->read, e->written);
	end_close(e, false);
}

static bool read_some(struct app_end *e)
{
	static uint8_t buf[BUF_MAX], want[BUF_MAX];
	const struct plan_side *m = mine(e);
	struct sim_proc *p = proc_of(e);
	uint32_t most = 1 + rand_below(&p->rand, min_u32(m->read_chunk, BUF_MAX));
	ssize_t n = p->api->recv(p, e->ctx, e->sock, buf, most);

	if (n == -EAGAIN)
		return false;
	e->since = e->w->now;
	if (n < 0) {
		end_error(e, (int)-n);
		return true;
	}
	if (n == 0) {
		e->eof = true;
		if (e->read != theirs(e)->bytes && !plan_may_fail(e->plan))
			fail(e, "the stream ended early", e->read, theirs(e)->bytes);
		return true;
	}
	pattern_fill(want, stream_of(e, 1 - e->side), e->read, (uint32_t)n);
	if (memcmp(buf, want, (size_t)n) != 0 || e->read + (uint64_t)n > theirs(e)->bytes)
		fail(e, "wrong bytes", e->read, (uint64_t)n);
	e->read += (uint64_t)n;
	e->w->payload += (uint64_t)n;
	if (m->read_pause != 0)
		e->pause_to = e->w->now + rand_u64(&p->rand) % m->read_pause;
	return true;
}

static uint64_t may_write(const struct app_end *e)
{
	const struct plan_side *m = mine(e);

	if (m->block == 0)
		return m->bytes - e->written;
	return min_u64(m->bytes, m->block * (e->read / m->per + m->ahead)) - e->written;
}

static bool write_some(struct app_end *e)
{
	static uint8_t buf[BUF_MAX];
	const struct plan_side *m = mine(e);
	struct sim_proc *p = proc_of(e);
	uint32_t most = 1 + rand_below(&p->rand, min_u32(m->chunk, BUF_MAX));
	uint32_t len = (uint32_t)min_u64(may_write(e), most);
	ssize_t n;

	if (len == 0 || e->shut)
		return false;
	pattern_fill(buf, stream_of(e, e->side), e->written, len);
	n = p->api->send(p, e->ctx, e->sock, buf, len, m->more && e->written + len < m->bytes);
	if (n == -EAGAIN)
		return false;
	e->since = e->w->now;
	if (n < 0) {
		end_error(e, (int)-n);
		return true;
	}
	e->written += (uint64_t)n;
	if (m->write_pause != 0)
		e->pause_to = e->w->now + rand_u64(&p->rand) % m->write_pause;
	return true;
}

/* What the plan wants done about the end. True if it did something. */
static bool end_some(struct app_end *e)
{
	const struct plan_side *m = mine(e);
	struct sim_proc *p = proc_of(e);
	bool wrote = e->written == m->bytes, read = e->read == theirs(e)->bytes;

	if (m->end == END_ABORT && e->read + e->written >= m->abort_at) {
		end_close(e, true);
	} else if ((m->end == END_EARLY && wrote) || (m->end == END_CLOSE && wrote && read) ||
		(wrote && e->eof)) {
		end_close(e, false);
	} else if (m->end == END_SHUT && wrote && !e->shut) {
		e->shut = p->api->shut(p, e->ctx, e->sock);
		trace_note(e->w->trace, "plan %u, %s: shut after %lu%s", e->plan_no,
			e->side == 0 ? "client" : "server", e->written, e->shut ? "" : " (not now)");
		return e->shut;
	} else if (plan_may_fail(e->plan) && e->w->now - e->since > e->w->patience) {
		trace_note(e->w->trace, "plan %u: gave up", e->plan_no);
		end_close(e, false);
	} else {
		return false;
	}
	return true;
}

static bool pauses(const struct app_end *e) { return e->pause_to > e->w->now; }

/* As far as it gets, or until it pauses. */
static unsigned end_step(struct app_end *e)
{
	unsigned did = 0;
	bool more = true;

	e->hot = false;
	for (; did < STEPS_MAX && more && !pauses(e) && e->state == ENDS_OPEN; did += more) {
		more = end_some(e);
		if (e->state == ENDS_OPEN && !e->eof)
			more |= read_some(e);
		if (e->state == ENDS_OPEN && !pauses(e))
			more |= write_some(e);
	}
	e->due = more ? max_u64(e->pause_to, e->w->now) : TAS_NS_NEVER;
	if (plan_may_fail(e->plan))
		e->due = min_u64(e->due, max_u64(e->since + e->w->patience, e->w->now) + 1);
	return did;
}

static void end_begin(struct app_end *e, void *sock, unsigned ctx)
{
	struct sim_proc *p = proc_of(e);

	e->sock = sock;
	e->ctx = ctx;
	e->state = ENDS_OPEN;
	e->hot = true;
	e->due = TAS_NS_NEVER;
	e->since = e->w->now;
	p->api->set_user(sock, &e->hot);
}

/* --- opening --- */

static void plan_start(struct app_world *w, unsigned no)
{
	struct plan *plan = &w->plan[no];
	struct app_end *e = &w->end[no][0];
	struct sim_proc *p = &w->proc[plan->client].p;
	struct sim_open o = { .addr = host_addr(w->proc[plan->server].p.host->index),
		.port = w->proc[plan->server].port,
		.local_port = plan->local_port,
		.rx_size = plan->side[0].rx_size,
		.tx_size = plan->side[0].tx_size,
		.nodelay = plan->side[0].nodelay,
		.congestion = "" };
	unsigned ctx = rand_below(&p->rand, p->contexts);
	void *sock;
	int rc = p->api->connect(p, ctx, &o, &e->hot, &sock, &plan->local_port);

	if (rc != 0) {
		e->state = ENDS_CLOSED;
		fail(e, strerror(-rc), 0, 0);
		return;
	}
	trace_note(w->trace, "plan %u: connect from port %u", no, plan->local_port);
	end_begin(e, sock, ctx);
}

/* The plan of a connection that arrived: the latest from that address and port. */
static struct app_end *plan_of(struct app_world *w, unsigned proc, struct net_addr remote, uint16_t port)
{
	struct app_end *found = NULL;

	for (unsigned i = 0; i < w->nplans; i++) {
		struct app_end *e = &w->end[i][1];

		if (w->plan[i].server == proc && w->plan[i].local_port == port &&
			w->end[i][0].state != ENDS_NOT_BEGUN &&
			addr_eq(remote, host_addr(w->proc[w->plan[i].client].p.host->index)))
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
		e = plan_of(w, proc, remote, port);
		if (e == NULL || e->state != ENDS_NOT_BEGUN) {
			w->failed = true;
			trace_note(w->trace, "FAILED: a connection from port %u that nobody opened", port);
			a->p.api->close(&a->p, ctx, sock, true);
			continue;
		}
		trace_note(w->trace, "plan %u: accepted", e->plan_no);
		end_begin(e, sock, ctx);
	}
}

static void on_event(void *user) { *(bool *)user = true; }

/* --- processes --- */

static void proc_begin(struct app_world *w, unsigned i)
{
	struct app_proc *a = &w->proc[i];
	struct sim_open o = { .port = (uint16_t)(APP_PORT + i), .backlog = PLANS_MAX, .congestion = "" };

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

void app_world_begin(struct app_world *w)
{
	for (unsigned i = 0; i < w->nprocs; i++)
		proc_begin(w, i);
	for (unsigned i = 0; i < w->nplans; i++)
		for (unsigned side = 0; side < 2; side++) {
			struct plan *plan = &w->plan[i];

			w->end[i][side] = (struct app_end){ .w = w,
				.plan = plan,
				.side = (uint8_t)side,
				.plan_no = i,
				.proc = side == 0 ? plan->client : plan->server };
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

void app_world_end(struct app_world *w)
{
	for (unsigned i = 0; i < w->nprocs; i++)
		if (w->proc[i].p.impl != NULL)
			w->proc[i].p.api->detach(&w->proc[i].p);
}

void app_world_woken(struct app_world *w, struct host *h, int fd)
{
	for (unsigned i = 0; i < w->nprocs; i++)
		for (unsigned c = 0; c < w->proc[i].p.contexts; c++)
			if (w->proc[i].p.host == h && w->proc[i].p.fd[c] == fd)
				w->proc[i].woken = true;
}

/* A connection that was aborted early may never have reached the other side. */
bool app_world_done(const struct app_world *w)
{
	for (unsigned i = 0; i < w->nplans; i++) {
		const struct app_end *e = w->end[i];

		if (e[0].state != ENDS_CLOSED || e[1].state == ENDS_OPEN ||
			(e[1].state == ENDS_NOT_BEGUN && !plan_may_fail(&w->plan[i])))
			return false;
	}
	return true;
}

static unsigned ends_step(struct app_world *w, unsigned proc)
{
	unsigned did = 0;

	for (unsigned i = 0; i < w->nplans; i++) {
		struct app_end *e = &w->end[i][0];

		if (e->proc == proc && e->state == ENDS_NOT_BEGUN && w->plan[i].start <= w->now) {
			plan_start(w, i);
			did++;
		}
		for (unsigned side = 0; side < 2; side++) {
			e = &w->end[i][side];
			if (e->proc == proc && e->state == ENDS_OPEN &&
				(e->due <= w->now || (e->hot && !pauses(e))))
				did += end_step(e);
		}
	}
	return did;
}

static tas_ns proc_timer(const struct app_world *w, unsigned proc)
{
	tas_ns next = TAS_NS_NEVER;

	for (unsigned i = 0; i < w->nplans; i++)
		for (unsigned side = 0; side < 2; side++) {
			const struct app_end *e = &w->end[i][side];

			if (e->proc != proc)
				continue;
			if (e->state == ENDS_NOT_BEGUN && side == 0)
				next = min_u64(next, w->plan[i].start);
			else if (e->state == ENDS_OPEN)
				next = min_u64(next, e->hot ? e->pause_to : e->due);
		}
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

static unsigned proc_poll(struct app_world *w, unsigned i)
{
	struct app_proc *a = &w->proc[i];
	unsigned did = 0;

	if (a->p.impl == NULL || w->now < a->stalled_to)
		return 0;
	if (a->asleep && !a->woken && proc_timer(w, i) > w->now)
		return 0;
	if (rand_chance_ppm(&a->p.rand, w->stall_ppm)) {
		a->stalled_to = w->now + rand_u64(&a->p.rand) % (w->stall_max + 1);
		return 0;
	}
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

unsigned app_world_poll(struct app_world *w, tas_ns now)
{
	unsigned did = 0;

	w->now = now;
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
