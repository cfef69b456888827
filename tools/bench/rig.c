/* SPDX-License-Identifier: BSD-3-Clause */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring_elem.h>

#include "include/net/pkt.h"
#include "slowpath/log.h"
#include "tools/bench/bench.h"

enum { WIRE = 1024 };

uint8_t rig_pattern[2 * RIG_PATTERN];

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "tas-bench: %s\n", what);
	exit(1);
}

static void eal_once(void)
{
	static bool done;
	char prefix[64];
	char *argv[] = { "tas-bench", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"--log-level=error", "-m", "1024", "--lcores=0", prefix, NULL };

	if (done)
		return;
	log_open("stderr", TAS_LOG_WARNING, "bench");
	snprintf(prefix, sizeof(prefix), "--file-prefix=tas-bench-%d", (int)getpid());
	if (rte_eal_init((int)ARRAY_LEN(argv) - 1, argv) < 0)
		die("EAL does not start; its message is above");
	rmdir(rte_eal_get_runtime_dir());
	for (uint32_t i = 0; i < sizeof(rig_pattern); i++)
		rig_pattern[i] = (uint8_t)((i % RIG_PATTERN) * 2654435761u >> 13);
	done = true;
}

static void port_make(struct rig *r)
{
	struct port_want want = { .mtu = 1500, .rxq = 1, .txq = 1 };
	char err[256];
	int id;

	r->in = rte_ring_create("bench_in", WIRE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	r->out = rte_ring_create("bench_out", WIRE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	id = rte_eth_from_rings("bench", &r->in, 1, &r->out, 1, 0);
	if (id < 0 || port_fit((uint16_t)id, &want, err, sizeof(err)) != 0)
		die("no net_ring port");
	r->pool = port_pool_create("bench", (uint16_t)id, &want, 1, FP_PUNTS_MAX, err, sizeof(err));
	if (r->pool == NULL || port_open(&r->port, (uint16_t)id, &want, r->pool, err, sizeof(err)) != 0)
		die(err);
}

static void *region_take(struct app *a, uint64_t *at, uint64_t size)
{
	void *p = a->base + *at;

	*at += (size + 4095) & ~4095ull;
	if (*at > a->size)
		die("the region is too small");
	return p;
}

/* What the library looks at when it attaches. */
static void header_fill(struct rig *r, uint32_t slots, uint32_t chunks)
{
	struct app *a = r->app;

	*a->header = (struct abi_header){ .magic = ABI_MAGIC,
		.major = ABI_MAJOR,
		.minor = ABI_MINOR,
		.header_size = sizeof(struct abi_header),
		.rec_size = sizeof(struct abi_flow_rec),
		.bell_size = sizeof(struct abi_bell),
		.context_size = sizeof(struct abi_context),
		.cores = 1,
		.contexts_max = 1,
		.flows_max = r->flows,
		.notify_slots = slots,
		.region_size = a->size };
	for (uint32_t i = 0; i < chunks; i++)
		a->header->rec_chunk_off[i] = (uint64_t)((char *)a->rec_chunk[i] - a->base);
}

static void context_make(struct rig *r, uint64_t *at, uint32_t slots)
{
	struct app *a = r->app;
	struct app_queue *q = aligned_alloc(CACHE_LINE, 2 * sizeof(*q));
	struct abi_context *shm;

	memset(q, 0, 2 * sizeof(*q));
	a->ctx = calloc(1, sizeof(*a->ctx));
	a->ctx[0] = (struct app_context){ .app = a, .queue = q, .eventfd = -1 };
	a->ctx[0].shm = shm = region_take(a, at, sizeof(*shm));
	shm->cores = 1;
	for (unsigned c = 0; c < 2; c++) {
		q[c].ctx = &a->ctx[0];
		q[c].notify = region_take(a, at, sizeof(struct abi_notify_ring) + slots * sizeof(uint32_t));
		shm->notify_off[c] = (uint64_t)((char *)q[c].notify - a->base);
	}
	q[0].bell = region_take(a, at, sizeof(struct abi_bell_ring));
	shm->bell_off[0] = (uint64_t)((char *)q[0].bell - a->base);
}

static void payload_make(struct rig *r, uint64_t *at, uint32_t i)
{
	struct abi_flow_rec *rec = app_rec(r->app, i);

	r->fp.flows[i].rx_page = (uint32_t)(*at >> 12);
	rec->rx_off = *at;
	*at += r->ring_size;
	r->fp.flows[i].tx_page = (uint32_t)(*at >> 12);
	rec->tx_off = *at;
	*at += r->ring_size;
	rec->rx_size = rec->tx_size = r->ring_size;
}

/* One application with one context, as slowpath/app.c would lay it out. */
static void app_make(struct rig *r)
{
	struct app *a = r->app = &r->fp.apps[0];
	uint32_t slots = pow2_at_least(max_u32(r->flows, 64)),
		 chunks = (r->flows + ABI_REC_CHUNK - 1) / ABI_REC_CHUNK;
	uint64_t at = 0, rings = (uint64_t)r->flows * 2 * r->ring_size;

	a->size = rings + (64ull << 20) + chunks * sizeof(struct abi_rec_chunk);
	a->base = r->shared ? mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
			    : aligned_alloc(4096, a->size);
	if (a->base == NULL || a->base == MAP_FAILED)
		die("not enough memory for that many flows");
	memset(a->base, 0, a->size);
	a->header = region_take(a, &at, sizeof(*a->header));
	for (uint32_t i = 0; i < chunks; i++)
		a->rec_chunk[i] = region_take(a, &at, sizeof(struct abi_rec_chunk));
	header_fill(r, slots, chunks);
	a->notify_mask = slots - 1;
	context_make(r, &at, slots);
	atomic_store(&a->nctx, 1);
	atomic_store(&a->live, 1);
	for (uint32_t i = 0; i < r->flows; i++)
		payload_make(r, &at, i);
}

static void flow_make(struct rig *r, uint32_t i)
{
	struct flow *f = &r->fp.flows[i];
	struct flow_cold *k = &r->fp.cold[i];
	uint32_t rx_page = f->rx_page, tx_page = f->tx_page;
	struct rte_ether_addr peer_mac = { { 2, 0, 0, 0, 0, 1 } };
	struct flow_key back;

	if (flow_alloc(&r->fp) != i)
		die("flow slots come in another order than this program expects");
	f->rx_page = rx_page;
	f->tx_page = tx_page;
	f->rec = i;
	f->app = 0;
	f->rx_log2 = f->tx_log2 = (uint8_t)log2_of(r->ring_size);
	f->mss = 1448;
	f->flags = FLOW_TS | FLOW_SACK | FLOW_NODELAY | FLOW_PINGPONG;
	f->iss.v = i * 7919;
	f->irs.v = i * 104729;
	f->state = TCP_ESTABLISHED;
	f->snd_wnd = 1 << 20;
	f->cwnd = 1 << 20;
	f->rx_adv = r->ring_size - 1;
	k->rcv_mss = 1448;
	k->max_snd_wnd = f->snd_wnd;
	k->key = (struct flow_key){ .local = addr_v4(htobe32(0x0a000001)),
		.remote = addr_v4(htobe32(0x0a010000 + i / 50000)),
		.local_port = htobe16(80),
		.remote_port = htobe16((uint16_t)(10000 + i % 50000)) };
	hdr_tmpl_init(&k->hdr, &r->port.mac, &peer_mac, &k->key, 64, 0, true);
	back = flow_key_reverse(&k->key);
	hdr_tmpl_init(&r->peer[i].hdr, &peer_mac, &r->port.mac, &back, 64, 0, true);
	if (flow_insert(&r->fp, i) != 0)
		die("the flow table is full");
	app_rec(r->app, i)->flow = i;
	app_rec(r->app, i)->snd_mss = f->mss;
	atomic_store(&app_rec(r->app, i)->gen, f->gen);
}

static struct rig *create(uint32_t flows, uint32_t ring_size, bool shared)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct fp_conf conf = { .cores = 1,
		.flows_max = max_u32(flows, 64),
		.apps_max = 1,
		.delack_us = { 1000000, 1000000 },
		.rto = { .min_us = 200000, .max_us = 120000000, .initial_us = 1000000 },
		.numa_node = SOCKET_ID_ANY,
		.name = "bench" };
	char err[256];

	eal_once();
	*r = (struct rig){ .flows = flows, .ring_size = ring_size, .shared = shared, .now = NS_PER_SEC };
	r->peer = calloc(flows, sizeof(*r->peer));
	port_make(r);
	for (unsigned i = 0; i < sizeof(conf.secret); i++)
		conf.secret[i] = (uint8_t)(i * 57 + 11);
	if (fp_create(&r->fp, &conf, &r->port, r->pool, NULL, err, sizeof(err)) != 0)
		die(err);
	app_make(r);
	for (uint32_t i = 0; i < flows; i++)
		flow_make(r, i);
	fp_app_started(&r->fp, 0);
	rig_poll(r);
	r->cycles = 0;
	return r;
}

struct rig *rig_create(uint32_t flows, uint32_t ring_size) { return create(flows, ring_size, false); }
struct rig *rig_create_shared(uint32_t flows, uint32_t ring_size) { return create(flows, ring_size, true); }

void rig_free(struct rig *r)
{
	struct app *a = r->app;
	char *base = a->base;
	uint64_t size = a->size;
	struct app_context *ctx = a->ctx;

	fp_destroy(&r->fp);
	port_close(&r->port);
	rte_ring_free(r->in);
	rte_ring_free(r->out);
	rte_mempool_free(r->pool);
	free(ctx[0].queue);
	free(ctx);
	if (r->shared)
		munmap(base, size);
	else
		free(base);
	free(r->peer);
	free(r);
}

void rig_send(struct rig *r, uint32_t i, uint32_t len)
{
	struct peer *p = &r->peer[i];
	const struct flow *f = &r->fp.flows[i];
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);
	uint8_t *frame;
	uint32_t hdr_len = p->hdr.total_len, sum;
	struct hdr_fields fields = { .seq = seq_add(f->irs, 1 + (uint32_t)p->tx),
		.ack = seq_add(f->iss, 1 + (uint32_t)p->rx),
		.ts_val = 1,
		.wnd = 0xffff,
		.flags = RTE_TCP_ACK_FLAG | (len > 0 ? RTE_TCP_PSH_FLAG : 0) };

	if (m == NULL)
		die("no packet buffer: some were lost");
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	sum = cksum_copy(frame + hdr_len, &rig_pattern[p->tx % RIG_PATTERN], len, 0);
	hdr_write(&p->hdr, frame, &fields, len, sum, 0);
	m->data_len = (uint16_t)(hdr_len + len);
	m->pkt_len = hdr_len + len;
	p->tx += len;
	if (rte_ring_enqueue(r->in, m) != 0)
		die("the wire is full");
}

static uint32_t flow_of(const struct rig *r, const struct flow_key *key)
{
	struct flow_key mine = flow_key_reverse(key);

	return flow_lookup((struct fastpath *)(uintptr_t)&r->fp, &mine);
}

uint32_t rig_receive(struct rig *r, uint32_t *len)
{
	struct rte_mbuf *m;
	struct flow_key key;
	struct seg seg;
	uint32_t i;

	if (rte_ring_dequeue(r->out, (void **)&m) != 0)
		return FLOW_NONE;
	if (pkt_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, 0, &key, &seg) != PKT_TCP)
		die("a frame came out that is no right TCP segment");
	i = flow_of(r, &key);
	if (i == FLOW_NONE)
		die("a segment came out for no connection");
	if (seq_dist(seq_add(r->fp.flows[i].iss, 1 + (uint32_t)r->peer[i].rx), seg.seq) != 0)
		die("a segment came out that is not the next one");
	if (memcmp(rte_pktmbuf_mtod_offset(m, uint8_t *, seg.payload_off),
		    &rig_pattern[r->peer[i].rx % RIG_PATTERN], seg.payload_len) != 0)
		die("the payload of a segment that came out is wrong");
	r->peer[i].rx += seg.payload_len;
	*len = seg.payload_len;
	rte_pktmbuf_free(m);
	return i;
}

void rig_offer(struct rig *r, uint32_t cookie)
{
	for (uint32_t i = 0; i < r->flows; i++) {
		struct flow *f = &r->fp.flows[i];

		app_rec(r->app, i)->listener = cookie;
		rte_spinlock_lock(&f->lock);
		app_notify(r->fp.core[0], f, ABI_EV_ACCEPT, 0);
		rte_spinlock_unlock(&f->lock);
	}
}

uint32_t rig_notified(struct rig *r)
{
	struct abi_notify_ring *n = r->app->ctx[0].queue[0].notify;
	uint64_t consumed = atomic_load(&n->consumed);
	uint32_t rec;

	if (consumed == atomic_load(&n->produced))
		return FLOW_NONE;
	rec = n->slot[consumed & r->app->notify_mask];
	atomic_store(&n->consumed, consumed + 1);
	return rec;
}

uint32_t rig_app_read(struct rig *r, uint32_t i)
{
	struct peer *p = &r->peer[i];
	uint64_t end = atomic_load(&app_rec(r->app, i)->rx_end);
	const char *ring = app_page(r->app, r->fp.flows[i].rx_page);
	uint32_t all = (uint32_t)(end - p->app_read);

	for (uint32_t done = 0, n; done < all; done += n) {
		uint32_t at = (uint32_t)p->app_read & (r->ring_size - 1);

		n = min_u32(min_u32(all - done, r->ring_size - at), RIG_PATTERN);
		if (memcmp(ring + at, &rig_pattern[p->app_read % RIG_PATTERN], n) != 0)
			die("the application received wrong bytes");
		p->app_read += n;
	}
	return all;
}

void rig_app_bell(struct rig *r, uint32_t i, uint32_t len)
{
	struct peer *p = &r->peer[i];
	char *ring = app_page(r->app, r->fp.flows[i].tx_page);
	struct abi_bell_ring *bells = r->app->ctx[0].queue[0].bell;
	uint64_t at = atomic_load(&bells->produced);

	for (uint32_t done = 0, n; done < len; done += n) {
		uint32_t off = (uint32_t)p->app_written & (r->ring_size - 1);

		n = min_u32(min_u32(len - done, r->ring_size - off), RIG_PATTERN);
		memcpy(ring + off, &rig_pattern[p->app_written % RIG_PATTERN], n);
		p->app_written += n;
	}
	bells->slot[at & (ABI_BELL_SLOTS - 1)] = (struct abi_bell){ .flow = i,
		.gen = r->fp.flows[i].gen,
		.rx_read = p->app_read,
		.tx_end = p->app_written,
		.flags = ABI_BELL_POSITIONS };
	atomic_store(&bells->produced, at + 1);
	atomic_fetch_or(&r->app->header->core_line[0].bells, 1);
}

void rig_slow_path(struct rig *r)
{
	uint32_t id;

	while (rte_ring_dequeue_elem(r->fp.core[0]->events, &id, sizeof(id)) == 0)
		r->fp.flows[id].events = 0;
	if (!rte_ring_empty(r->fp.punts))
		die("a packet was punted");
}

static void floor_refill(struct rig *r, struct rte_mbuf **m, uint32_t len)
{
	for (unsigned i = 0; i < FP_BATCH; i++) {
		m[i] = rte_pktmbuf_alloc(r->pool);
		m[i]->data_len = (uint16_t)len;
		m[i]->pkt_len = len;
	}
	rte_ring_enqueue_bulk(r->in, (void **)m, FP_BATCH, NULL);
}

double rig_floor_copy(uint32_t copied)
{
	enum { ROUNDS = 200000 };
	static uint8_t from[16384], to[16384];
	uint64_t begin = rte_rdtsc();

	for (unsigned i = 0; i < ROUNDS; i++) {
		memcpy(to, from, copied);
		__asm__ volatile("" : : "r"(to) : "memory");
	}
	return (double)(rte_rdtsc() - begin) / ROUNDS;
}

double rig_floor(struct rig *r, uint32_t frame_in, uint32_t frame_out, uint32_t copied)
{
	enum { ROUNDS = 2000 };
	static uint8_t from[16384], to[16384];
	struct rte_mbuf *m[FP_BATCH];
	uint64_t cycles = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t begin;
		unsigned n;

		floor_refill(r, m, frame_in);
		begin = rte_rdtsc();
		n = rte_eth_rx_burst(r->port.id, 0, m, FP_BATCH);
		for (unsigned i = 0; i < n; i++) {
			memcpy(to, from, copied);
			__asm__ volatile("" : : "r"(to) : "memory");
			m[i]->data_len = (uint16_t)frame_out;
			m[i]->pkt_len = frame_out;
		}
		rte_eth_tx_burst(r->port.id, 0, m, (uint16_t)n);
		cycles += rte_rdtsc() - begin;
		n = rte_ring_dequeue_burst(r->out, (void **)m, FP_BATCH, NULL);
		rte_pktmbuf_free_bulk(m, n);
	}
	return (double)cycles / ROUNDS / FP_BATCH;
}
