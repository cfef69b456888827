/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>

#include "fastpath/pace.h"
#include "include/base/assert.h"
#include "include/net/pkt.h"
#include "slowpath/log.h"

enum { FIRST_FD = 1 << 20, RING_BURST = 64 };

#define JAM_MAX_NS (10 * NS_PER_MS)

int host_eal_start(void)
{
	char prefix[64],
		*argv[] = { "sim", "-l", "0", "-m", "512", "--no-huge", "--no-shconf", "--no-pci",
			"--no-telemetry", "--log-level=*:critical", prefix, NULL };

	log_open("stderr", TAS_LOG_ERROR, "sim");
	snprintf(prefix, sizeof(prefix), "--file-prefix=tas-sim-%d", (int)getpid());
	if (rte_eal_init((int)ARRAY_LEN(argv) - 1, argv) < 0)
		return -1;
	rmdir(rte_eal_get_runtime_dir());
	return 0;
}

static bool ipv6; /* of the run that goes on: one at a time */

void hosts_speak(bool v6) { ipv6 = v6; }

/* 10.0.0.1 and on, or fd00::10.0.0.1 and on. */
struct net_addr host_addr(unsigned index)
{
	uint32_t number = htobe32(0x0a000001 + index);

	return ipv6 ? (struct net_addr){ .w = { htobe32(0xfd000000), 0, 0, number } } : addr_v4(number);
}

struct rte_ether_addr host_mac(unsigned index)
{
	return (struct rte_ether_addr){ { 0x02, 0, 0, 0, 0, (uint8_t)(index + 1) } };
}

/* --- what would be system calls --- */

static void wake(struct host_thread *t) { t->woken = true; }

static uint32_t on_wake_context(void *arg, int fd, bool exactly TAS_UNUSED)
{
	struct host *h = arg;

	h->context_woken(h->arg, fd);
	return 0;
}

static void on_wake_slow_path(void *arg) { wake(&((struct host *)arg)->slow); }
static void on_wake_core(void *arg, unsigned core) { wake(&((struct host *)arg)->core[core]); }

static int on_context_open(void *arg, int *app_end)
{
	*app_end = -1;
	return ((struct host *)arg)->next_fd++;
}

static void on_context_close(void *arg, int fd) { (void)arg, (void)fd; }

static int on_core_open(void *arg, unsigned core, uint16_t app)
{
	(void)arg;
	return (int)(FIRST_FD + 4096 + core * 256 + app);
}

static void on_core_close(void *arg, unsigned core, int fd) { (void)arg, (void)core, (void)fd; }

void host_ring(struct host *h, unsigned core, uint16_t app)
{
	h->rang[core] |= 1u << app;
	wake(&h->core[core]);
}

void host_request(struct host *h)
{
	wake(&h->slow);
	cost_begin(&h->apps.cost);
}

/* --- open and close --- */

static void must(int rc, const char *what, const char *err)
{
	if (rc == 0)
		return;
	fprintf(stderr, "sim: %s: %s (%s)\n", what, err, strerror(-rc));
	abort();
}

static void port_take(struct host *h)
{
	unsigned cores = h->conf.fastpath.cores_max;
	struct port_want want = { .mtu = (uint16_t)h->conf.port.mtu,
		.rxq = (uint16_t)cores,
		.txq = (uint16_t)cores,
		.checksum_offload = PORT_AUTO,
		.tso = PORT_AUTO,
		.rss = PORT_AUTO };
	char err[256] = "", name[32];
	int id;

	for (unsigned i = 0; i < cores; i++) {
		snprintf(name, sizeof(name), "%s-rx%u", h->name, i);
		h->rx[i] = rte_ring_create(name, h->conf.port.rx_descriptors, 0,
			RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(name, sizeof(name), "%s-tx%u", h->name, i);
		h->tx[i] = rte_ring_create(name, h->conf.port.tx_descriptors, 0,
			RING_F_SP_ENQ | RING_F_SC_DEQ);
		TAS_ASSERT(h->rx[i] != NULL && h->tx[i] != NULL);
	}
	id = rte_eth_from_rings(h->name, h->rx, cores, h->tx, cores, 0);
	TAS_ASSERT(id >= 0);
	h->ethdev = (uint16_t)id;
	snprintf(name, sizeof(name), "%s-pool", h->name);
	h->pool = rte_pktmbuf_pool_create(name, HOST_MBUFS, 64, 0,
		(uint16_t)(RTE_PKTMBUF_HEADROOM + max_u32(h->conf.port.mtu + 64, 2048)), 0);
	TAS_ASSERT(h->pool != NULL);
	must(port_open(&h->port, h->ethdev, &want, h->pool, err, sizeof(err)), "port", err);
	h->port.mac = host_mac(h->index);
}

static void stack_take(struct host *h, tas_ns now)
{
	struct fp_wake_ops wake_ops = { .context = on_wake_context,
		.slow_path = on_wake_slow_path,
		.core = on_wake_core,
		.arg = h };
	struct app_rim rim = { h, on_context_open, on_context_close, on_core_open, on_core_close };
	struct app_ops ops = sp_app_ops(&h->sp);
	struct fp_conf fc = { .cores = h->conf.fastpath.cores_max,
		.cores_min = h->conf.fastpath.cores_min,
		.flows_max = h->conf.memory.flows_max,
		.apps_max = h->conf.memory.apps_max,
		.delack_us = { h->conf.tcp.delack_ms * 1000, conf_delack_answer_us(&h->conf.tcp) },
		.idle_us = h->conf.fastpath.idle_ms * 1000,
		.rto = conf_rto(&h->conf.tcp),
		.restart_segments = h->conf.tcp.initial_cwnd,
		.numa_node = 0,
		.name = h->name };
	struct sp_conf sc = { .fp = &h->fp, .conf = &h->conf, .apps = &h->apps, .now = now };
	char err[256] = "";

	for (unsigned i = 0; i < sizeof(fc.secret); i++)
		fc.secret[i] = (uint8_t)rand_u64(&h->rand);
	must(fp_create(&h->fp, &fc, &h->port, h->pool, &wake_ops, err, sizeof(err)), "fast path", err);
	must(apps_init(&h->apps, &h->fp, &h->conf, &ops, &rim), "applications", "");
	for (unsigned i = 0; i < sizeof(sc.secrets); i++)
		sc.secrets[i] = (uint8_t)rand_u64(&h->rand);
	must(sp_create(&h->sp, &sc, err, sizeof(err)), "slow path", err);
}

void host_open(struct host *h, unsigned index, const struct tas_conf *conf, struct net *net, uint64_t seed,
	tas_ns now)
{
	memset(h, 0, sizeof(*h));
	h->index = index;
	h->letter = (char)('A' + index);
	snprintf(h->name, sizeof(h->name), "sim%c", h->letter);
	h->net = net;
	h->next_fd = FIRST_FD;
	h->conf = *conf;
	h->conf.ip.addresses = !ipv6;
	h->conf.ip.addresses6 = ipv6;
	h->conf.ip.address[0] = (struct net_prefix){ host_addr(index),
		(uint8_t)(24 + ADDR_V4_PREFIX_OFFSET) };
	h->conf.ip.address6[0] = (struct net_prefix){ host_addr(index), 64 };
	rand_seed(&h->rand, seed);
	net->end[index].mac = host_mac(index);
	port_take(h);
	stack_take(h, now);
	for (unsigned i = 0; i < h->conf.fastpath.cores_max; i++)
		h->core[i].last_work = now;
}

static void hoard_end(struct host *h)
{
	rte_pktmbuf_free_bulk(h->hoard, h->hoarded);
	h->hoarded = 0;
}

static void ring_end(struct rte_ring *r)
{
	void *m;

	while (r != NULL && rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

uint64_t host_faults(const struct host *h)
{
	return fp_counter(&h->fp, CNT_APP_FAULT_HANDLE) + fp_counter(&h->fp, CNT_APP_FAULT_POSITION) +
		fp_counter(&h->fp, CNT_APP_FAULT_FLAGS) + fp_counter(&h->fp, CNT_APP_FAULT_RING);
}

static uint32_t blocks_in(const struct flow_holes *b)
{
	uint32_t n = 0;

	for (; b != NULL; b = b->next)
		n++;
	return n;
}

uint32_t host_holes_free(const struct host *h)
{
	return blocks_in(h->fp.holes_free) + blocks_in(h->holes_hoard);
}

uint32_t host_mbufs_out(const struct host *h)
{
	return HOST_MBUFS - rte_mempool_avail_count(h->pool) - h->hoarded;
}

bool host_close(struct host *h)
{
	bool all_home;

	sp_destroy(&h->sp);
	apps_fini(&h->apps);
	fp_destroy(&h->fp);
	port_close(&h->port);
	hoard_end(h);
	for (unsigned i = 0; i < h->conf.fastpath.cores_max; i++) {
		ring_end(h->rx[i]);
		ring_end(h->tx[i]);
	}
	all_home = host_mbufs_out(h) == 0;
	rte_mempool_free(h->pool);
	return all_home;
}

/* --- frames --- */

/* The core that a NIC would choose: by the connection, the same for both directions. */
static unsigned queue_of(struct host *h, const uint8_t *bytes, uint32_t len)
{
	unsigned cores = h->conf.fastpath.cores_max;
	struct flow_key key;
	struct seg seg;

	if (cores == 1)
		return 0;
	if (rand_chance_ppm(&h->rand, h->resteer_ppm))
		return rand_below(&h->rand, cores);
	if (pkt_parse(bytes, len, PKT_VERIFIED_IP | PKT_VERIFIED_L4, &key, &seg) != PKT_TCP)
		return 0;
	return (key.local_port ^ key.remote_port ^ (key.local_port ^ key.remote_port) >> 8) % cores;
}

/* A receive interrupt, for whoever sleeps on the queue. */
static void wake_receiver(struct host *h, unsigned queue)
{
	for (unsigned i = 0; i < h->conf.fastpath.cores_max; i++)
		if (memchr(h->fp.core[i]->queues, (int)queue, h->fp.core[i]->nqueues) != NULL)
			wake(&h->core[i]);
}

bool host_deliver(struct host *h, const uint8_t *bytes, uint32_t len)
{
	unsigned q = queue_of(h, bytes, len);
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->pool);

	wake_receiver(h, q);
	if (m == NULL || rte_pktmbuf_tailroom(m) < len) {
		rte_pktmbuf_free(m);
		h->stats.rx_full++;
		return false;
	}
	memcpy(rte_pktmbuf_mtod(m, void *), bytes, len);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	if (rte_ring_enqueue(h->rx[q], m) == 0)
		return true;
	rte_pktmbuf_free(m);
	h->stats.rx_full++;
	return false;
}

static void put_on_the_wire(struct host *h, struct rte_mbuf **m, unsigned n, tas_ns now)
{
	for (unsigned i = 0; i < n; i++) {
		TAS_ASSERT(m[i]->nb_segs == 1 && m[i]->data_len == m[i]->pkt_len);
		net_send(h->net, h->index, rte_pktmbuf_mtod(m[i], uint8_t *), m[i]->data_len, now);
	}
	rte_pktmbuf_free_bulk(m, n);
}

/* The device takes nothing for a while. */
static bool jammed(struct host *h, tas_ns now)
{
	if (now >= h->jammed_to && rand_chance_ppm(&h->rand, h->jam_ppm)) {
		h->jammed_to = now + rand_u64(&h->rand) % JAM_MAX_NS;
		h->stats.jams++;
	}
	return now < h->jammed_to;
}

static unsigned transmit(struct host *h, tas_ns now)
{
	struct rte_mbuf *m[RING_BURST];
	unsigned sent = 0, n;

	if (jammed(h, now))
		return 0;
	for (unsigned q = 0; q < h->conf.fastpath.cores_max; q++)
		while ((n = rte_ring_dequeue_burst(h->tx[q], (void **)m, RING_BURST, NULL)) > 0) {
			put_on_the_wire(h, m, n, now);
			sent += n;
		}
	return sent;
}

/* Frames that wait for the device, not for a thread. */
static bool waits_for_port(const struct host *h)
{
	for (unsigned q = 0; q < h->conf.fastpath.cores_max; q++)
		if (!rte_ring_empty(h->tx[q]))
			return true;
	return false;
}

/* --- passes --- */

static bool stalls(struct host *h, struct host_thread *t, tas_ns now)
{
	if (now < t->stalled_to)
		return true;
	if (!rand_chance_ppm(&h->rand, h->stall_ppm))
		return false;
	t->stalled_to = now + rand_u64(&h->rand) % (h->stall_max + 1);
	h->stats.stalls++;
	return true;
}

/* As look_for_rings() of core_loop.c. */
static void take_rings(struct host *h, unsigned core)
{
	for (; h->rang[core] != 0; h->rang[core] &= h->rang[core] - 1)
		core_app_rang(h->fp.core[core], (uint16_t)__builtin_ctz(h->rang[core]));
}

static bool core_due(const struct host *h, unsigned core, tas_ns now)
{
	return h->core[core].woken || core_deadline(h->fp.core[core]) <= now;
}

/* As go_to_sleep() of core_loop.c. */
static unsigned core_falls_asleep(struct host *h, unsigned core, tas_ns now)
{
	struct fp_core *c = h->fp.core[core];
	unsigned work;

	core_sleep_begin(c);
	work = core_poll(c, now);
	if (work == 0 && !core_has_work(c) && core_deadline(c) > now && !core_steer_is_old(c)) {
		h->core[core].asleep = true;
		h->stats.sleeps++;
		rte_rcu_qsbr_thread_offline(h->fp.qsbr, c->id);
		return 0;
	}
	core_sleep_end(c);
	take_rings(h, core);
	return work;
}

static void core_wakes(struct host *h, unsigned core)
{
	h->core[core].asleep = false;
	rte_rcu_qsbr_thread_online(h->fp.qsbr, core);
	core_sleep_end(h->fp.core[core]);
}

/* Virtual passes take no time: how busy a core was, and so how many serve, the seed decides. */
static void worked(struct host *h, unsigned core, tas_ns since)
{
	if (h->busy_percent > 0)
		h->fp.core[core]->counter[CNT_CORE_BUSY_NS] += min_u64(since, 100 * NS_PER_MS) *
			rand_below(&h->rand, 2 * h->busy_percent) / 100;
}

static unsigned core_pass(struct host *h, unsigned core, tas_ns now)
{
	struct host_thread *t = &h->core[core];
	tas_ns idle = h->conf.fastpath.idle_ms * NS_PER_MS;
	unsigned work;

	if ((t->asleep && !core_due(h, core, now)) || stalls(h, t, now))
		return 0;
	if (t->asleep)
		core_wakes(h, core);
	t->woken = false;
	take_rings(h, core);
	work = core_poll(h->fp.core[core], now);
	h->stats.passes++;
	if (work > 0)
		worked(h, core, now - t->last_work);
	if (work > 0)
		t->last_work = now;
	else if (idle != 0 && now - t->last_work >= idle)
		work = core_falls_asleep(h, core, now);
	return work;
}

/* As wait_for_work() of tasd.c: it sleeps whenever a pass found nothing to do. */
static unsigned slow_pass(struct host *h, tas_ns now)
{
	struct host_thread *t = &h->slow;
	unsigned work;

	if ((t->asleep && !t->woken && sp_deadline(&h->sp) > now) || stalls(h, t, now))
		return 0;
	h->fp.slow_asleep = 0;
	t->asleep = t->woken = false;
	work = sp_poll(&h->sp, now);
	h->stats.passes++;
	if (work > 0)
		return work;
	h->fp.slow_asleep = 1;
	t->asleep = !sp_has_work(&h->sp);
	return 0;
}

/* Somebody else has the packet buffers for a while. */
static void starve(struct host *h, tas_ns now)
{
	if (h->hoarded > 0 && now >= h->starved_to)
		hoard_end(h);
	if (h->hoarded > 0 || !rand_chance_ppm(&h->rand, h->starve_ppm))
		return;
	h->starved_to = now + rand_u64(&h->rand) % (20 * NS_PER_MS);
	h->stats.starved++;
	while (h->hoarded < HOST_MBUFS && (h->hoard[h->hoarded] = rte_pktmbuf_alloc(h->pool)) != NULL)
		h->hoarded++;
}

/* And the blocks for flows with many holes. */
static void bereave(struct host *h, tas_ns now)
{
	struct flow_holes *b;

	while (h->holes_hoard != NULL && now >= h->bereft_to) {
		b = h->holes_hoard;
		h->holes_hoard = b->next;
		b->next = h->fp.holes_free;
		h->fp.holes_free = b;
	}
	if (h->holes_hoard != NULL || !rand_chance_ppm(&h->rand, h->bereave_ppm))
		return;
	h->bereft_to = now + rand_u64(&h->rand) % (200 * NS_PER_MS);
	h->stats.bereft++;
	h->holes_hoard = h->fp.holes_free;
	h->fp.holes_free = NULL;
}

unsigned host_poll(struct host *h, tas_ns now)
{
	unsigned cores = h->conf.fastpath.cores_max, first = rand_below(&h->rand, cores + 1), work = 0;

	starve(h, now);
	bereave(h, now);
	for (unsigned i = 0; i <= cores; i++) {
		unsigned thread = (first + i) % (cores + 1);

		work += thread == cores ? slow_pass(h, now) : core_pass(h, thread, now);
	}
	return work + transmit(h, now);
}

static tas_ns thread_deadline(const struct host_thread *t, tas_ns own, tas_ns now)
{
	if (t->woken || !t->asleep)
		own = min_u64(own, now);
	return max_u64(own, t->stalled_to);
}

tas_ns host_deadline(const struct host *h, tas_ns now)
{
	tas_ns next = thread_deadline(&h->slow, sp_deadline(&h->sp), now);

	if (waits_for_port(h))
		next = min_u64(next, h->jammed_to);
	for (unsigned i = 0; i < h->conf.fastpath.cores_max; i++) {
		const struct host_thread *t = &h->core[i];
		tas_ns own = core_deadline(h->fp.core[i]);

		/* one that is awake and finds nothing is polled for nothing: until it would fall asleep it is
		 * enough to look when something is due */
		if (!t->asleep && !t->woken && h->conf.fastpath.idle_ms != 0)
			own = min_u64(own, t->last_work + h->conf.fastpath.idle_ms * NS_PER_MS);
		next = min_u64(next, max_u64(t->woken ? now : own, t->stalled_to));
	}
	return next;
}
