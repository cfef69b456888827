/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_raw.c - a client of the rings, written from include/abi alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/abi/abi.h"
#include "include/abi/ctl.h"
#include "include/base/assert.h"
#include "tests/sim/sim_api.h"
#include "tests/sim/sim_host.h"

enum { RAW_LISTENERS_MAX = 8, RAW_ACCEPT_MAX = 1024 };

struct raw_sock {
	void *user;
	struct abi_flow_rec *rec;
	uint32_t index, flow, gen;
	uint32_t seen; /* events */
	unsigned ctx;
	uint64_t rx_read, rx_told, tx_end;
	bool shut, want_space, error_told, lazy;
	uint32_t owed; /* flags of a bell that found the ring full */
	struct raw_sock *owed_next;
	bool gone; /* closed, but its last bell is still owed */
};

struct raw_listener {
	bool used;
	uint32_t cookie;
	void *user;
	bool armed;
	uint32_t queue[RAW_ACCEPT_MAX], head, tail; /* records */
};

struct raw_ctx {
	struct abi_context *shm;
	uint32_t id;
	uint64_t produced[ABI_CORES_MAX], consumed[ABI_CORES_MAX + 1];
	struct raw_sock *owed;
};

struct raw {
	char *base;
	struct abi_header *header;
	uint32_t cores;
	struct raw_sock **by_rec;
	uint32_t *closed_gen; /* the flow of this generation was ours: its record may not know yet */
	struct raw_ctx ctx[PROC_CONTEXTS_MAX];
	struct raw_listener listener[RAW_LISTENERS_MAX];
};

static struct apps *apps_of(struct sim_proc *p)
{
	host_request(p->host);
	return &p->host->apps;
}

/* --- attach --- */

static int context_new(struct sim_proc *p, unsigned i)
{
	struct raw *r = p->impl;
	struct ctl_context c = { 0 };
	int end, error;

	p->fd[i] = p->host->next_fd;
	do
		error = app_context_add(apps_of(p), p->app, &c, &end);
	while (error == APP_LATER);
	if (error != 0)
		return -error;
	r->ctx[i].id = c.id;
	r->ctx[i].shm = (struct abi_context *)(void *)(r->base + c.off);
	return 0;
}

static int raw_attach(struct sim_proc *p)
{
	struct ctl_hello h = { .magic = ABI_MAGIC,
		.major = ABI_MAJOR,
		.minor = ABI_MINOR,
		.header_size = sizeof(struct abi_header),
		.rec_size = sizeof(struct abi_flow_rec),
		.bell_size = sizeof(struct abi_bell),
		.context_size = sizeof(struct abi_context),
		.program = "raw" };
	struct app_who who = { .pid = 1, .program = "raw" };
	struct raw *r = calloc(1, sizeof(*r));
	char why[256];
	int error;

	error = app_hello(apps_of(p), &h, &who, p->host->sp.now, &p->app, why, sizeof(why));
	if (error == 0)
		error = app_mapped(apps_of(p), p->app, why, sizeof(why));
	TAS_ASSERT(error == 0 && r != NULL);
	r->base = p->host->fp.apps[p->app].base;
	r->header = (struct abi_header *)(void *)r->base;
	r->cores = h.cores;
	r->by_rec = calloc(r->header->flows_max, sizeof(struct raw_sock *));
	r->closed_gen = calloc(r->header->flows_max, sizeof(uint32_t));
	p->impl = r;
	for (unsigned i = 0; i < p->contexts && error == 0; i++)
		error = context_new(p, i);
	return error;
}

static void raw_detach(struct sim_proc *p)
{
	struct raw *r = p->impl;

	for (unsigned c = 0; c < p->contexts; c++)
		for (struct raw_sock *s = r->ctx[c].owed, *next; s != NULL; s = next) {
			next = s->owed_next;
			if (s->gone)
				free(s);
		}
	for (uint32_t i = 0; i < r->header->flows_max; i++)
		free(r->by_rec[i]);
	app_detach(apps_of(p), p->app);
	free(r->by_rec);
	free(r->closed_gen);
	free(r);
	p->impl = NULL;
}

static struct abi_flow_rec *rec_at(struct raw *r, uint32_t i)
{
	return (struct abi_flow_rec *)(void *)(r->base + r->header->rec_chunk_off[i / ABI_REC_CHUNK]) +
		i % ABI_REC_CHUNK;
}

/* --- bells --- */

static bool bell_try(struct sim_proc *p, unsigned ctx, struct raw_sock *s, uint32_t flags)
{
	struct raw *r = p->impl;
	struct raw_ctx *c = &r->ctx[ctx];
	uint32_t core = s->rec->core;
	struct abi_bell_ring *ring = (struct abi_bell_ring *)(void *)(r->base + c->shm->bell_off[core]);
	struct abi_core_line *line = &r->header->core_line[core];

	if (c->produced[core] - ring->consumed >= ABI_BELL_SLOTS)
		return false;
	ring->slot[c->produced[core] % ABI_BELL_SLOTS] = (struct abi_bell){ .flow = s->flow,
		.gen = s->gen,
		.rx_read = s->rx_read,
		.tx_end = s->tx_end,
		.flags = flags | ABI_BELL_POSITIONS };
	ring->produced = ++c->produced[core];
	s->rx_told = s->rx_read;
	line->bells |= 1ull << c->id % 64;
	if (atomic_exchange(&line->asleep, 0) != 0)
		host_ring(p->host, core, p->app);
	return true;
}

static void bell(struct sim_proc *p, unsigned ctx, struct raw_sock *s, uint32_t flags)
{
	struct raw_ctx *c = &((struct raw *)p->impl)->ctx[ctx];
	bool listed = s->owed != 0;

	if (!listed && bell_try(p, ctx, s, flags))
		return;
	s->owed |= flags | ABI_BELL_POSITIONS;
	if (listed)
		return;
	s->ctx = ctx;
	s->owed_next = c->owed;
	c->owed = s;
}

/* Bells that found the ring full. */
static void owed_flush(struct sim_proc *p, unsigned ctx)
{
	struct raw_ctx *c = &((struct raw *)p->impl)->ctx[ctx];
	struct raw_sock *s = c->owed, *next;

	for (c->owed = NULL; s != NULL; s = next) {
		next = s->owed_next;
		if (!bell_try(p, ctx, s, s->owed)) {
			s->owed_next = c->owed;
			c->owed = s;
			continue;
		}
		s->owed = 0;
		if (s->gone)
			free(s);
	}
}

/* --- opening --- */

static struct raw_sock *sock_new(struct sim_proc *p, unsigned ctx, uint32_t index, void *user)
{
	struct raw *r = p->impl;
	struct raw_sock *s = calloc(1, sizeof(*s));

	TAS_ASSERT(s != NULL && r->by_rec[index] == NULL);
	s->user = user;
	s->index = index;
	s->rec = rec_at(r, index);
	s->flow = s->rec->flow;
	s->gen = s->rec->gen;
	s->ctx = ctx;
	s->lazy = rand_below(&p->rand, 2);
	r->by_rec[index] = s;
	return s;
}

static int raw_connect(struct sim_proc *p, unsigned ctx, const struct sim_open *o, void *user, void **sock,
	uint16_t *local_port)
{
	struct raw *r = p->impl;
	struct ctl_connect c = { .remote = o->addr,
		.remote_port = o->port,
		.local_port = o->local_port,
		.context = r->ctx[ctx].id,
		.options.rx_size = o->rx_size,
		.options.tx_size = o->tx_size,
		.flags = o->nodelay ? CTL_LISTEN_NODELAY : 0 };
	struct raw_sock *s;
	int error;

	snprintf(c.options.congestion, sizeof(c.options.congestion), "%s", o->congestion);
	do
		error = app_connect(apps_of(p), p->app, &c);
	while (error == APP_LATER);
	if (error != 0)
		return -error;
	s = sock_new(p, ctx, c.rec, user);
	TAS_ASSERT(s->flow == c.flow && s->gen == c.gen && s->rec->local_port == c.local_port);
	*sock = s;
	*local_port = c.local_port;
	return 0;
}

static int raw_listen(struct sim_proc *p, unsigned ctx, const struct sim_open *o, void *user, void **sock)
{
	struct raw *r = p->impl;
	struct ctl_listen m = { .addr = addr_any(),
		.port = o->port,
		.backlog = (uint32_t)o->backlog,
		.flags = o->nodelay ? CTL_LISTEN_NODELAY : 0,
		.options.rx_size = o->rx_size,
		.options.tx_size = o->tx_size,
		.context = r->ctx[ctx].id };
	unsigned i = 0;
	int error;

	while (i < RAW_LISTENERS_MAX && r->listener[i].used)
		i++;
	TAS_ASSERT(i < RAW_LISTENERS_MAX);
	m.cookie = i;
	snprintf(m.options.congestion, sizeof(m.options.congestion), "%s", o->congestion);
	error = app_listen(apps_of(p), p->app, &m);
	if (error == 0)
		error = app_arm(apps_of(p), p->app, &m);
	if (error != 0)
		return -error;
	r->listener[i] = (struct raw_listener){ .used = true, .cookie = i, .user = user, .armed = true };
	*sock = &r->listener[i];
	return 0;
}

static int raw_accept(struct sim_proc *p, unsigned ctx, void *listener, void **sock, struct net_addr *remote,
	uint16_t *remote_port)
{
	struct raw_listener *l = listener;
	struct raw *r = p->impl;
	struct raw_sock *s;

	if (l->head == l->tail)
		return -EAGAIN;
	s = r->by_rec[l->queue[l->head++ % RAW_ACCEPT_MAX]];
	TAS_ASSERT(s != NULL);
	s->ctx = ctx;
	s->rec->context = (uint16_t)r->ctx[ctx].id;
	bell(p, ctx, s, ABI_BELL_ACCEPTED | ABI_BELL_REFRESH); /* what came before is told here, too */
	*remote = s->rec->remote;
	*remote_port = s->rec->remote_port;
	*sock = s;
	return 0;
}

static void raw_set_user(void *sock, void *user) { ((struct raw_sock *)sock)->user = user; }

/* --- data --- */

/* The error of a connection that is gone: once as such. */
static ssize_t gone(struct raw_sock *s, ssize_t afterwards)
{
	if (s->error_told)
		return afterwards;
	s->error_told = true;
	return -(ssize_t)s->rec->error;
}

static void ring_copy(char *ring, uint32_t size, uint64_t at, char *buf, uint32_t n, bool in)
{
	uint32_t off = (uint32_t)at & (size - 1), first = min_u32(n, size - off);

	memcpy(in ? ring + off : buf, in ? buf : ring + off, first);
	memcpy(in ? ring : buf + first, in ? buf + first : ring, n - first);
}

static ssize_t raw_recv(struct sim_proc *p, unsigned ctx, void *sock, void *buf, size_t len)
{
	struct raw_sock *s = sock;
	uint32_t events = atomic_load(&s->rec->events);
	uint64_t have = s->rec->rx_end - s->rx_read;
	uint32_t n = (uint32_t)min_u64(have, len);

	if (have == 0 && (events & ABI_EV_RX_FIN))
		return 0;
	if (have == 0 && (events & ABI_EV_RESET))
		return gone(s, 0);
	if (have == 0)
		return -EAGAIN;
	TAS_ASSERT(have <= s->rec->rx_size);
	ring_copy(((struct raw *)p->impl)->base + s->rec->rx_off, s->rec->rx_size, s->rx_read, buf, n, false);
	s->rx_read += n;
	if (!s->lazy || s->rx_read - s->rx_told >= s->rec->rx_size / 4)
		bell(p, ctx, s, 0);
	return n;
}

static ssize_t raw_send(struct sim_proc *p, unsigned ctx, void *sock, const void *buf, size_t len, bool more)
{
	struct raw_sock *s = sock;
	uint32_t events = atomic_load(&s->rec->events), size = s->rec->tx_size, n;
	uint64_t used = s->tx_end - s->rec->tx_una;

	if (events & ABI_EV_RESET)
		return gone(s, -EPIPE);
	if (s->shut)
		return -EPIPE;
	if (!(events & (ABI_EV_CONNECTED | ABI_EV_ACCEPT)))
		return -EAGAIN;
	TAS_ASSERT(used <= size);
	n = (uint32_t)min_u64(size - used, len);
	ring_copy(((struct raw *)p->impl)->base + s->rec->tx_off, size, s->tx_end, (char *)(uintptr_t)buf, n,
		true);
	s->tx_end += n;
	bell(p, ctx, s,
		(n < len ? ABI_BELL_WANT_SPACE : 0u) | ABI_BELL_OPTIONS | (more ? ABI_BELL_MORE : 0u));
	return n > 0 ? (ssize_t)n : -EAGAIN;
}

/* --- the end --- */

static bool raw_shut(struct sim_proc *p, unsigned ctx, void *sock)
{
	struct raw_sock *s = sock;

	s->shut = true;
	bell(p, ctx, s, ABI_BELL_SHUT_WR);
	return true;
}

static void listener_close(struct sim_proc *p, struct raw_listener *l)
{
	struct raw *r = p->impl;
	struct ctl_listen m = { .cookie = l->cookie };

	TAS_ASSERT(app_unlisten(apps_of(p), p->app, &m) == 0);
	for (; l->head != l->tail; l->head++) {
		uint32_t i = l->queue[l->head % RAW_ACCEPT_MAX];

		r->closed_gen[i] = r->by_rec[i]->gen;
		bell(p, r->by_rec[i]->ctx, r->by_rec[i], ABI_BELL_CLOSE);
		r->by_rec[i]->gone = true;
		if (r->by_rec[i]->owed == 0)
			free(r->by_rec[i]);
		r->by_rec[i] = NULL;
	}
	*l = (struct raw_listener){ 0 };
}

static void raw_close(struct sim_proc *p, unsigned ctx, void *sock, bool abort_it)
{
	struct raw *r = p->impl;
	struct raw_sock *s = sock;

	if ((char *)sock >= (char *)r->listener && (char *)sock < (char *)&r->listener[RAW_LISTENERS_MAX]) {
		listener_close(p, sock);
		return;
	}
	bell(p, ctx, s, ABI_BELL_CLOSE | (abort_it ? ABI_BELL_ABORT : 0u));
	r->by_rec[s->index] = NULL;
	r->closed_gen[s->index] = s->gen;
	s->gone = true;
	if (s->owed == 0)
		free(s);
}

/* --- notifications --- */

static void look(struct sim_proc *p, unsigned ctx, uint32_t index)
{
	struct raw *r = p->impl;
	struct raw_sock *s = r->by_rec[index];
	struct abi_flow_rec *rec = rec_at(r, index);
	struct raw_listener *l;

	if (s != NULL) {
		if (s->gen == rec->gen && s->user != NULL)
			p->on_event(s->user);
		return;
	}
	if (rec->gen == 0 || rec->gen == r->closed_gen[index] || !(rec->events & ABI_EV_ACCEPT))
		return;
	l = &r->listener[rec->listener % RAW_LISTENERS_MAX];
	sock_new(p, ctx, index, NULL);
	if (!l->used) { /* handed over while we gave the listener up */
		raw_close(p, ctx, r->by_rec[index], false);
		return;
	}
	TAS_ASSERT(l->tail - l->head < RAW_ACCEPT_MAX);
	l->queue[l->tail++ % RAW_ACCEPT_MAX] = index;
	p->on_event(l->user);
}

static unsigned raw_poll(struct sim_proc *p, unsigned ctx)
{
	struct raw *r = p->impl;
	struct raw_ctx *c = &r->ctx[ctx];
	unsigned n = 0;

	owed_flush(p, ctx);
	for (uint32_t i = 0; i <= r->cores; i++) {
		struct abi_notify_ring *ring = (struct abi_notify_ring *)(void *)(r->base +
			c->shm->notify_off[i]);

		for (; c->consumed[i] != ring->produced; n++) {
			uint32_t index = ring->slot[c->consumed[i] & (r->header->notify_slots - 1)];

			ring->consumed = ++c->consumed[i];
			look(p, ctx, index);
		}
	}
	return n;
}

static bool raw_sleep(struct sim_proc *p, unsigned ctx)
{
	struct raw *r = p->impl;
	struct raw_ctx *c = &r->ctx[ctx];

	if (c->owed != NULL)
		return false;
	c->shm->asleep = 1;
	for (uint32_t i = 0; i <= r->cores; i++) {
		struct abi_notify_ring *ring = (struct abi_notify_ring *)(void *)(r->base +
			c->shm->notify_off[i]);

		if (ring->produced != c->consumed[i]) {
			c->shm->asleep = 0;
			return false;
		}
	}
	return true;
}

static void raw_wake(struct sim_proc *p, unsigned ctx) { ((struct raw *)p->impl)->ctx[ctx].shm->asleep = 0; }

const struct sim_api sim_raw = {
	.name = "raw",
	.attach = raw_attach,
	.detach = raw_detach,
	.listen = raw_listen,
	.accept = raw_accept,
	.connect = raw_connect,
	.set_user = raw_set_user,
	.send = raw_send,
	.recv = raw_recv,
	.shut = raw_shut,
	.close = raw_close,
	.poll = raw_poll,
	.sleep = raw_sleep,
	.wake = raw_wake,
};
