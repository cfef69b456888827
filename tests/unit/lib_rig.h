/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_rig.h - plays tasd for tests of the low-level library: a region in ordinary memory, the answers to
 * requests, and tasd's side of the rings as include/abi/abi.h has it. A rig dies and comes back with a
 * new region (`down`, `life`). */
#ifndef TAS_TESTS_LIB_RIG_H
#define TAS_TESTS_LIB_RIG_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/abi/abi.h"
#include "include/abi/ctl.h"
#include "include/tas/tas.h"

enum {
	RIG_CTX_MAX = 8,
	RIG_CORES_MAX = 4,
	RIG_FLOWS = 1024, /* one chunk */
	RIG_RING = 4096,  /* bytes of a payload ring */
	RIG_MSS = 1000,
	RIG_REGION = 32 << 20,
	RIG_EVENTS = 4096,
};

struct rig_ctx {
	struct abi_context *shm;
	struct abi_bell_ring *bell[RIG_CORES_MAX];
	uint64_t taken[RIG_CORES_MAX]; /* bells */
	struct abi_notify_ring *notify[RIG_CORES_MAX + 1];
	uint64_t pushed[RIG_CORES_MAX + 1];
	int eventfd;
};

struct rig {
	uint32_t cores, contexts_max;
	struct tas *t;
	struct tas_ctx *c;

	/* what the fake tasd is told to do, and saw */
	bool down, mute;     /* nobody listens; every request fails as if tasd died */
	uint16_t refuse[32]; /* status to answer, by type */
	unsigned asked[32];
	struct ctl_msg last[32]; /* the last request of each type */
	unsigned lives, wakes, closes;
	uint64_t forks;
	uint64_t adopt_rx, adopt_tx, adopt_taken; /* CTL_ADOPT of a flow that had moved away: the answer */
	int held;                                 /* our end of the socketpair of the last fork */
	uint32_t next_flow;

	bool shared; /* the region is a memfd, made anew for each life */
	int memfd;
	char *base;
	size_t used;
	struct abi_header *header;
	struct rig_ctx ctx[RIG_CTX_MAX];
	_Atomic uint32_t nctx;        /* another thread may look at those that are complete */
	uint64_t notified[RIG_FLOWS]; /* position plus one of a flow's last notification */
	uint32_t notified_ring[RIG_FLOWS];

	/* on_event */
	unsigned nr_events;
	struct {
		struct tas_sock *s;
		void *user;
		uint32_t edges;
	} event[RIG_EVENTS];
};

static struct rig *rig_of_events; /* on_event has no argument of its own */

static inline size_t rig_carve(struct rig *r, size_t size)
{
	size_t at = r->used;

	r->used += (size + 4095) / 4096 * 4096;
	return r->used <= RIG_REGION ? at : 0;
}

static inline struct abi_flow_rec *rig_rec(struct rig *r, uint32_t i)
{
	return (struct abi_flow_rec *)(void *)(r->base + r->header->rec_chunk_off[0]) + i;
}

static inline struct abi_flow_urgent *rig_urgent(struct rig *r, uint32_t i)
{
	return &((struct abi_rec_chunk *)(void *)rig_rec(r, 0))->urgent[i];
}

static inline void rig_region_make(struct rig *r)
{
	if (r->shared && (r->memfd = memfd_create("rig", MFD_CLOEXEC)) >= 0 &&
		ftruncate(r->memfd, RIG_REGION) != 0)
		abort();
	r->base = mmap(NULL, RIG_REGION, PROT_READ | PROT_WRITE,
		r->shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		r->shared ? r->memfd : -1, 0);
	r->used = 0;
	r->nctx = 0;
	memset(r->notified, 0, sizeof(r->notified));
	r->header = (void *)(r->base + rig_carve(r, sizeof(*r->header)));
	*r->header = (struct abi_header){ .magic = ABI_MAGIC,
		.major = ABI_MAJOR,
		.minor = ABI_MINOR,
		.header_size = sizeof(struct abi_header),
		.rec_size = sizeof(struct abi_flow_rec),
		.bell_size = sizeof(struct abi_bell),
		.context_size = sizeof(struct abi_context),
		.cores = r->cores,
		.contexts_max = r->contexts_max,
		.flows_max = RIG_FLOWS,
		.notify_slots = RIG_FLOWS,
		.region_size = RIG_REGION,
		.congestion = "cubic newreno dctcp " };
	r->header->rec_chunk_off[0] = rig_carve(r, sizeof(struct abi_rec_chunk));
}

/* --- answers --- */

static inline void rig_context(struct rig *r, struct ctl_context *answer, int *fds, unsigned *nfds)
{
	struct rig_ctx *x = &r->ctx[r->nctx];
	size_t slots = sizeof(struct abi_notify_ring) + RIG_FLOWS * sizeof(uint32_t);

	memset(x, 0, sizeof(*x));
	answer->id = r->nctx;
	answer->off = rig_carve(r, sizeof(struct abi_context));
	x->shm = (void *)(r->base + answer->off);
	x->shm->id = answer->id;
	x->shm->cores = r->cores;
	for (uint32_t i = 0; i <= r->cores; i++) {
		x->shm->notify_off[i] = rig_carve(r, slots);
		x->notify[i] = (void *)(r->base + x->shm->notify_off[i]);
	}
	for (uint32_t i = 0; i < r->cores; i++) {
		x->shm->bell_off[i] = rig_carve(r, sizeof(struct abi_bell_ring));
		x->bell[i] = (void *)(r->base + x->shm->bell_off[i]);
	}
	x->eventfd = eventfd(0, EFD_CLOEXEC);
	fds[0] = dup(x->eventfd);
	*nfds = 1;
	r->nctx++;
}

static inline uint32_t rig_flow(struct rig *r, uint32_t rec, uint32_t gen, uint32_t listener);

/* Returns the child's end. */
static inline int rig_hold(struct rig *r)
{
	int pair[2];

	if (r->held > 0)
		close(r->held);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		abort();
	r->held = pair[0];
	return pair[1];
}

/* The flow is here from now on, in the record made last, where the process says it is. */
static inline void rig_adopt(struct rig *r, struct ctl_adopt *a)
{
	struct abi_flow_rec *rec;

	if (a->listener_id != 0)
		return;
	a->rec = r->next_flow - 1;
	rec = rig_rec(r, a->rec);
	if (atomic_fetch_and(&rec->events, ~(uint32_t)ABI_EV_MOVED) & ABI_EV_MOVED) {
		a->rx_read = r->adopt_rx;
		a->tx_end = r->adopt_tx;
		a->taken = r->adopt_taken;
		rec->ring_gen++;
	}
}

static inline bool rig_congestion_is_good(const struct ctl_options *o)
{
	return o->congestion[0] == 0 || strcmp(o->congestion, "cubic") == 0 ||
		strcmp(o->congestion, "newreno") == 0 || strcmp(o->congestion, "dctcp") == 0;
}

static inline int rig_request(void *arg, struct ctl_msg *m, int *fds, unsigned max, unsigned *nfds)
{
	struct rig *r = arg;

	(void)max;
	*nfds = 0;
	if (r->mute)
		return -ECONNRESET;
	r->asked[m->type]++;
	r->last[m->type] = *m;
	m->status = r->refuse[m->type];
	if ((m->type == CTL_LISTEN && !rig_congestion_is_good(&m->listen.options)) ||
		(m->type == CTL_CONNECT && !rig_congestion_is_good(&m->connect.options)) ||
		(m->type == CTL_OPTIONS && !rig_congestion_is_good(&m->change.options)))
		m->status = ENOENT;
	if (m->status != 0)
		return 0;
	switch (m->type) {
	case CTL_HELLO: m->hello.region_size = RIG_REGION; break;
	case CTL_CONTEXT:
		if (r->nctx == r->contexts_max)
			m->status = ENOSPC;
		else
			rig_context(r, &m->context, fds, nfds);
		break;
	case CTL_LISTEN: m->listen.id = 7000 + m->listen.cookie % 1000; break;
	case CTL_CONNECT:
		m->connect.rec = r->next_flow++;
		m->connect.flow = rig_flow(r, m->connect.rec, 1, ABI_LISTENER_NONE);
		m->connect.gen = 1;
		break;
	case CTL_ROUTE: m->connect.prefix_len = 120; break;
	case CTL_FORK:
		m->fork.token = 99;
		m->fork.number = ++r->forks;
		fds[(*nfds)++] = rig_hold(r);
		break;
	case CTL_ADOPT: rig_adopt(r, &m->adopt); break;
	default: break;
	}
	return 0;
}

static inline int rig_link_open(void *arg)
{
	struct rig *r = arg;

	if (r->down)
		return -ECONNREFUSED;
	r->mute = false;
	r->lives++;
	rig_region_make(r);
	return 0;
}

static inline void *rig_link_map(void *arg, int memfd, uint64_t size)
{
	struct rig *r = arg;

	(void)memfd;
	(void)size;
	return r->base;
}

static inline void rig_link_unmap(void *arg, void *base, uint64_t size)
{
	(void)arg;
	munmap(base, size);
}

static inline bool rig_link_alive(void *arg) { return !((struct rig *)arg)->mute; }
static inline void rig_link_close(void *arg) { ((struct rig *)arg)->closes++; }

static inline void rig_link_wake(void *arg, int fd)
{
	(void)fd;
	((struct rig *)arg)->wakes++;
}

/* In a loop that waits for another thread: lets it run now and then if they share a processor. */
static inline void rig_spin(uint32_t n)
{
	if (n % 4096 == 4095)
		usleep(1);
}

/* --- flows --- */

/* A record as tasd installs it; returns the flow's handle. */
static inline uint32_t rig_flow(struct rig *r, uint32_t rec, uint32_t gen, uint32_t listener)
{
	struct abi_flow_rec *f = rig_rec(r, rec);
	uint64_t rx = f->rx_off, tx = f->tx_off;

	memset((void *)f, 0, sizeof(*f));
	memset((void *)rig_urgent(r, rec), 0, sizeof(struct abi_flow_urgent));
	f->rx_off = rx != 0 ? rx : rig_carve(r, RIG_RING);
	f->tx_off = tx != 0 ? tx : rig_carve(r, RIG_RING);
	f->rx_size = f->tx_size = RIG_RING;
	f->flow = rec + 5000;
	f->snd_mss = RIG_MSS;
	f->listener = listener;
	f->local_port = 80;
	f->remote_port = (uint16_t)(40000 + rec);
	atomic_store_explicit(&f->gen, gen, memory_order_release);
	return f->flow;
}

/* tasd's app_notify: the record is stored already. True if an entry was pushed. */
static inline bool rig_notify(struct rig *r, uint32_t ctx, uint32_t ring, uint32_t rec)
{
	struct rig_ctx *x = &r->ctx[ctx];
	struct abi_notify_ring *q = x->notify[ring];
	uint64_t *mark = &r->notified[rec];

	atomic_thread_fence(memory_order_seq_cst); /* fence A */
	if (*mark != 0 && (int64_t)(atomic_load(&x->notify[r->notified_ring[rec]]->consumed) - *mark) < 0)
		return false;
	q->slot[x->pushed[ring] % RIG_FLOWS] = rec;
	atomic_store_explicit(&q->produced, ++x->pushed[ring], memory_order_release);
	*mark = x->pushed[ring];
	r->notified_ring[rec] = ring;
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&x->shm->asleep, memory_order_relaxed) &&
		atomic_exchange(&x->shm->asleep, 0)) {
		uint64_t one = 1;

		if (write(x->eventfd, &one, sizeof(one)) != sizeof(one))
			abort();
	}
	return true;
}

/* Bytes of the peer's arrive: byte p of the stream is (uint8_t)(p * 7). */
static inline void rig_deliver(struct rig *r, uint32_t rec, size_t n)
{
	struct abi_flow_rec *f = rig_rec(r, rec);
	uint64_t end = f->rx_end;
	uint8_t *ring = (uint8_t *)r->base + f->rx_off;

	for (size_t i = 0; i < n; i++)
		ring[(end + i) % RIG_RING] = (uint8_t)((end + i) * 7);
	atomic_store_explicit(&f->rx_end, end + n, memory_order_release);
}

/* An urgent pointer to the n-th byte from here, which has not come. */
static inline void rig_pointer(struct rig *r, uint32_t rec, size_t n)
{
	struct abi_flow_rec *f = rig_rec(r, rec);
	struct abi_flow_urgent *u = rig_urgent(r, rec);
	uint64_t at = f->rx_end + n - 1;

	if (u->seen == u->count)
		u->from = u->to = at;
	else if (u->to == u->at && f->rx_end > u->at)
		u->to++;
	u->at = at;
	u->byte = 0;
	u->count += 2;
	atomic_fetch_or(&f->events, ABI_EV_URGENT);
	f->ring_gen++;
}

static inline void rig_event(struct rig *r, uint32_t rec, uint32_t events, uint32_t error)
{
	struct abi_flow_rec *f = rig_rec(r, rec);

	atomic_store(&f->error, error);
	atomic_fetch_or(&f->events, events);
}

/* The next message that the application sent; false if there is none. */
static inline bool rig_bell(struct rig *r, uint32_t ctx, uint32_t core, struct abi_bell *b)
{
	struct rig_ctx *x = &r->ctx[ctx];
	struct abi_bell_ring *q = x->bell[core];

	*b = (struct abi_bell){ 0 };
	if (x->taken[core] == atomic_load_explicit(&q->produced, memory_order_acquire))
		return false;
	*b = q->slot[x->taken[core] % ABI_BELL_SLOTS];
	atomic_store_explicit(&q->consumed, ++x->taken[core], memory_order_release);
	return true;
}

static inline unsigned rig_bells_drop(struct rig *r, uint32_t ctx, uint32_t core)
{
	struct abi_bell b;
	unsigned n = 0;

	while (rig_bell(r, ctx, core, &b))
		n++;
	return n;
}

/* --- the library beside it --- */

static inline void rig_on_event(struct tas_sock *s, void *user, uint32_t edges)
{
	struct rig *r = rig_of_events;

	if (r->nr_events < RIG_EVENTS) {
		r->event[r->nr_events].s = s;
		r->event[r->nr_events].user = user;
		r->event[r->nr_events++].edges = edges;
	}
}

static inline void rig_begin(struct rig *r, uint32_t cores, uint32_t contexts_max)
{
	static const struct tas_link link = { rig_link_open, rig_request, rig_link_map, rig_link_unmap,
		rig_link_alive, rig_link_wake, rig_link_close };
	struct tas_setup conf = { .link = &link, .link_arg = r, .on_event = rig_on_event };

	memset((void *)r, 0, sizeof(*r));
	r->cores = cores;
	r->contexts_max = contexts_max;
	r->next_flow = 100;
	rig_of_events = r;
	if (tas_create(&r->t, &conf) != 0)
		abort();
	r->c = tas_ctx_self(r->t);
}

static inline void rig_end(struct rig *r)
{
	tas_destroy(r->t);
	for (uint32_t i = 0; i < r->nctx; i++)
		close(r->ctx[i].eventfd);
	if (r->held > 0)
		close(r->held);
}

/* Attached, with a context and a listener on port 80. */
static inline struct tas_sock *rig_listener(struct rig *r)
{
	struct tas_listen_opt opt = { .port = 80, .backlog = 16 };
	struct tas_sock *l = NULL;

	if (tas_listen(r->c, &opt, &l) != 0 || tas_listen_arm(r->c, l) != 0)
		abort();
	return l;
}

/* A connection for that listener arrives at record `rec` and is told to context 0 on core 0. */
static inline void rig_incoming(struct rig *r, uint32_t rec, uint32_t gen)
{
	rig_flow(r, rec, gen, r->last[CTL_LISTEN].listen.cookie);
	rig_event(r, rec, ABI_EV_ACCEPT, 0);
	rig_notify(r, 0, 0, rec);
}

/* An established, accepted flow at record `rec`, and no bell that was not taken. */
static inline struct tas_sock *rig_accepted(struct rig *r, struct tas_sock *l, uint32_t rec)
{
	struct tas_sock *s = NULL;

	rig_incoming(r, rec, 1);
	if (tas_accept(r->c, l, &s) != 0)
		abort();
	for (uint32_t i = 0; i < r->cores; i++)
		rig_bells_drop(r, 0, i);
	return s;
}

#endif
