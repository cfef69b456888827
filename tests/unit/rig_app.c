/* SPDX-License-Identifier: BSD-3-Clause */
/* rig_app.c - the applications of the rig: what libtas does with the rings, written from include/abi. */
#include <endian.h>
#include <string.h>

#include "tests/unit/rig_tcp.h"

/* --- attach --- */

static void context_add(struct rig_app *a, unsigned i)
{
	struct ctl_context c = { 0 };
	int end;

	assert_int_equal(app_context_add(&rig.apps, a->id, &c, &end), 0);
	a->ctx[i].id = c.id;
	a->ctx[i].shm = (struct abi_context *)(void *)(a->base + c.off);
}

static struct rig_app *start(unsigned index, uint64_t fork_token)
{
	struct rig_app *a = &rig.app[index];
	struct ctl_hello h = { .magic = ABI_MAGIC,
		.major = ABI_MAJOR,
		.minor = ABI_MINOR,
		.header_size = sizeof(struct abi_header),
		.rec_size = sizeof(struct abi_flow_rec),
		.bell_size = sizeof(struct abi_bell),
		.context_size = sizeof(struct abi_context),
		.fork_token = fork_token };
	struct app_who who = { .pid = 1, .uid = rig.uid[index], .program = "rig" };
	char why[256] = "";

	*a = (struct rig_app){ .attached = true };
	assert_int_equal(app_hello(&rig.apps, &h, &who, rig.now, &a->id, why, sizeof(why)), 0);
	assert_int_equal(app_mapped(&rig.apps, a->id, why, sizeof(why)), 0);
	a->base = rig.fp.apps[a->id].base;
	a->header = (struct abi_header *)(void *)a->base;
	for (unsigned i = 0; i < RIG_CONTEXTS; i++)
		context_add(a, i);
	rig_run();
	return a;
}

struct rig_app *app_start(unsigned index)
{
	rig_open();
	return rig.app[index].attached ? &rig.app[index] : start(index, 0);
}

void app_dies(unsigned index)
{
	app_detach(&rig.apps, rig.app[index].id);
	rig.app[index].attached = false;
	rig_run();
	wait_us(APP_GRACE_RETRY / NS_PER_US); /* its last words are heard when the core has looked away */
}

/* --- requests --- */

int app_listens_unarmed(unsigned index, uint16_t port, uint32_t backlog)
{
	struct rig_app *a = app_start(index);
	struct ctl_listen m = { .port = port, .backlog = backlog, .cookie = port, .options = rig.options };
	int rc = app_listen(&rig.apps, a->id, &m);

	rig_run();
	return rc;
}

int app_arms(unsigned index, uint16_t port)
{
	struct rig_app *a = app_start(index);
	struct ctl_listen m = { .cookie = port, .context = a->ctx[0].id };
	int rc = app_arm(&rig.apps, a->id, &m);

	rig_run();
	return rc;
}

int app_listens(unsigned index, uint16_t port, uint32_t backlog)
{
	int rc = app_listens_unarmed(index, port, backlog);

	return rc != 0 ? rc : app_arms(index, port);
}

int app_unlistens(unsigned index, uint16_t port)
{
	struct ctl_listen m = { .cookie = port };
	int rc = app_unlisten(&rig.apps, rig.app[index].id, &m);

	rig_run();
	return rc;
}

static void sock_take(struct peer *p, struct rig_app *a, uint32_t rec)
{
	const struct abi_flow_rec *r;

	p->app = a;
	p->rec = rec;
	r = rec_of(p);
	p->flow = r->flow;
	p->gen = r->gen;
	p->bell_options = p->how.nodelay ? ABI_BELL_NODELAY : 0;
}

int app_connects(struct peer *p)
{
	struct rig_app *a = app_start(0);
	struct ctl_connect c = { .remote = addr_v4(htobe32(0x0a000002)),
		.remote_port = p->port,
		.local_port = p->local_port,
		.context = a->ctx[p->ctx].id,
		.options = rig.options,
		.flags = p->how.nodelay ? CTL_LISTEN_NODELAY : 0 };
	int rc;

	if (p->how.congestion != NULL)
		strcpy(c.options.congestion, p->how.congestion);
	rc = app_connect(&rig.apps, a->id, &c);
	if (rc == 0) {
		p->local_port = c.local_port;
		sock_take(p, a, c.rec);
		assert_int_equal(p->flow, c.flow);
		assert_int_equal(p->gen, c.gen);
	}
	rig_run();
	return rc;
}

int app_sets_(struct peer *p, struct ctl_options options)
{
	struct ctl_change m = { .flow = p->flow, .gen = p->gen, .options = options };
	int rc;

	do {
		rc = app_options(&rig.apps, p->app->id, &m);
		rig_run();
	} while (rc == APP_LATER);
	return rc;
}

int app_grows(struct peer *p, uint32_t event)
{
	struct ctl_grow m = { .flow = p->flow, .gen = p->gen, .event = event };
	int rc;

	do {
		rc = app_grow(&rig.apps, p->app->id, &m);
		rig_run();
	} while (rc == APP_LATER);
	return rc;
}

/* --- notifications --- */

static void drain_ring(struct rig_app *a, struct rig_context *x, unsigned ring)
{
	struct abi_notify_ring *n = (struct abi_notify_ring *)(void *)(a->base + x->shm->notify_off[ring]);

	while (x->seen[ring] != n->produced) {
		uint32_t rec = n->slot[x->seen[ring] & (a->header->notify_slots - 1)];

		assert_in_range(rec, 0, a->header->flows_max - 1);
		a->heard[rec]++;
		n->consumed = ++x->seen[ring];
	}
}

static void drain(struct rig_app *a)
{
	for (unsigned i = 0; i < RIG_CONTEXTS; i++)
		for (unsigned ring = 0; ring < 2; ring++)
			drain_ring(a, &a->ctx[i], ring);
}

struct abi_flow_rec *rec_of(const struct peer *p)
{
	uint64_t chunk = p->app->header->rec_chunk_off[p->rec / ABI_REC_CHUNK];

	return (struct abi_flow_rec *)(void *)(p->app->base + chunk) + p->rec % ABI_REC_CHUNK;
}

unsigned heard(struct peer *p)
{
	unsigned n;

	drain(p->app);
	n = p->app->heard[p->rec];
	p->app->heard[p->rec] = 0;
	return n;
}

static bool is_taken(const struct rig_app *a, uint32_t rec, uint32_t gen)
{
	for (unsigned i = 0; i < rig.npeers; i++)
		if (rig.peer[i].app == a && rig.peer[i].rec == rec && rig.peer[i].gen == gen)
			return true;
	return false;
}

bool app_accepts(struct peer *p, unsigned index)
{
	struct rig_app *a = app_start(index);

	drain(a);
	for (uint32_t rec = 0; rec < ARRAY_LEN(a->heard); rec++) {
		struct peer try = { .app = a, .rec = rec };
		const struct abi_flow_rec *r = a->heard[rec] > 0 ? rec_of(&try) : NULL;

		if (r == NULL || r->gen == 0 || !(r->events & ABI_EV_ACCEPT) || r->remote_port != p->port ||
			r->local_port != p->local_port || is_taken(a, rec, r->gen))
			continue;
		assert_int_equal(r->listener, p->local_port);
		a->heard[rec] = 0;
		sock_take(p, a, rec);
		app_rings(p, ABI_BELL_ACCEPTED, 0);
		return true;
	}
	return false;
}

/* --- bells --- */

void bell(struct rig_app *a, unsigned ctx, struct abi_bell b)
{
	struct rig_context *x = &a->ctx[ctx];
	struct abi_bell_ring *ring = (struct abi_bell_ring *)(void *)(a->base + x->shm->bell_off[0]);
	struct abi_core_line *line = &a->header->core_line[0];

	assert_true(x->bells - ring->consumed < ABI_BELL_SLOTS);
	ring->slot[x->bells % ABI_BELL_SLOTS] = b;
	ring->produced = ++x->bells;
	line->bells |= 1ull << x->id % 64;
	if (atomic_exchange(&line->asleep, 0) != 0)
		core_app_rang(rig.fp.core[0], a->id);
}

static void ring(struct peer *p, uint32_t flags, uint16_t forks)
{
	bell(p->app, p->ctx,
		(struct abi_bell){ .flow = p->flow,
			.gen = p->gen,
			.rx_read = p->rx_read,
			.tx_end = p->tx_end,
			.flags = flags | ABI_BELL_POSITIONS,
			.forks = forks });
}

void app_rings(struct peer *p, uint32_t flags, uint16_t forks)
{
	ring(p, flags, forks);
	rig_run();
}

static void write_bytes(struct peer *p, uint32_t len)
{
	const struct abi_flow_rec *r = rec_of(p);
	char *ring = p->app->base + r->tx_off;
	uint64_t from = p->tx_end, mask = r->tx_size - 1;

	assert_true(from + len - r->tx_una <= r->tx_size);
	for (uint32_t i = 0; i < len; i++)
		ring[(from + i) & mask] = (char)host_byte(from + i);
	p->tx_end += len;
}

void app_writes(struct peer *p, uint32_t len)
{
	write_bytes(p, len);
	p->bell_options &= ~(uint32_t)ABI_BELL_MORE;
	app_rings(p, ABI_BELL_OPTIONS | p->bell_options, 0);
}

void app_writes_more(struct peer *p, uint32_t len)
{
	write_bytes(p, len);
	p->bell_options |= ABI_BELL_MORE;
	app_rings(p, ABI_BELL_OPTIONS | p->bell_options, 0);
}

uint32_t app_unread(const struct peer *p) { return (uint32_t)(rec_of(p)->rx_end - p->rx_read); }

void app_reads(struct peer *p, uint32_t len)
{
	const struct abi_flow_rec *r = rec_of(p);

	assert_true(app_unread(p) >= len);
	for (uint32_t i = 0; i < len; i++, p->rx_read++)
		assert_int_equal((uint8_t)p->app->base[r->rx_off + (p->rx_read & (r->rx_size - 1))],
			peer_byte(p->rx_read));
	app_rings(p, 0, 0);
}

void app_shuts(struct peer *p) { app_rings(p, ABI_BELL_SHUT_WR, 0); }
void app_closes(struct peer *p) { app_rings(p, ABI_BELL_CLOSE, 0); }
void app_aborts(struct peer *p) { app_rings(p, ABI_BELL_CLOSE | ABI_BELL_ABORT, 0); }

struct hold *app_forks(unsigned index, unsigned of)
{
	uint64_t token = 4711 + index;
	struct hold *hold = app_fork(&rig.apps, app_start(of)->id, token);

	start(index, token);
	return hold;
}

void app_joins(unsigned index, unsigned of, uint16_t port)
{
	struct hold *hold = app_forks(index, of);
	struct ctl_adopt m = { .cookie = port };

	assert_true(hold_find(&rig.apps.holds, rig.app[of].id, port, &m.listener_id));
	assert_int_equal(app_adopt(&rig.apps, rig.app[index].id, &m), 0);
	app_fork_end(&rig.apps, hold);
	rig_run();
}
