/* SPDX-License-Identifier: BSD-3-Clause */
/* rig_tcp.c - the host of the rig and its clock. */
#include "tests/unit/rig_tcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "fastpath/port.h"
#include "slowpath/log.h"
#include "tests/unit/eal_rig.h"
#include "tests/unit/net_frames.h"

enum { WIRE = 1024, FLOWS = 128, PASSES_MAX = 10000 };

struct rig rig;
static struct rig_frame sent_frames[RIG_FRAMES]; /* too large to be cleared for each test */

static int group_setup(unsigned memory_mb)
{
	log_open("stderr", TAS_LOG_ERROR, "rig"); /* what a test provokes is no news */
	return eal_rig_start_with(memory_mb);
}

int rig_group_setup(void **state TAS_UNUSED) { return group_setup(128); }
int rig_group_setup_large(void **state TAS_UNUSED) { return group_setup(384); }

int rig_group_teardown(void **state) { return eal_rig_stop(state); }

int rig_setup(void **state TAS_UNUSED)
{
	struct tas_conf *c = &rig.conf;

	memset(&rig, 0, sizeof(rig));
	rig.sent = sent_frames;
	conf_defaults(c);
	strcpy(c->tasd.instance, "rig");
	strcpy(c->tcp.congestion, "newreno");
	c->ip.addresses = 1;
	c->ip.address[0] = prefix_v4(htobe32(0x0a000001), 24);
	c->memory.flows_max = FLOWS;
	c->memory.apps_max = RIG_APPS;
	c->memory.app_flows_max = 64;
	c->memory.app_contexts_max = RIG_CONTEXTS;
	c->memory.app_memory_max = 32u << 20;
	c->memory.rx_buffer_max = c->memory.tx_buffer_max = 0; /* a window is as large as it was */
	rig.now = 1000 * NS_PER_SEC;
	rig.next_port = 40000;
	rig.next_hop = 2;
	return 0;
}

static void must(int rc, const char *err)
{
	if (rc == 0)
		return;
	print_error("rig: %s\n", err);
	abort();
}

static void port_take(void)
{
	struct port_want want = { .mtu = rig.conf.port.mtu, .rxq = 1, .txq = 1 };
	uint16_t room = (uint16_t)max_u32(2048, want.mtu + 14u);
	char err[256] = "no port";
	int id;

	rig.in = rte_ring_create("rig_in", WIRE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	rig.out = rte_ring_create("rig_out", WIRE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	rig.pool = rte_pktmbuf_pool_create("rig", RIG_MBUFS, 32, 0, RTE_PKTMBUF_HEADROOM + room,
		SOCKET_ID_ANY);
	id = rte_eth_from_rings("rig", &rig.in, 1, &rig.out, 1, 0);
	must(id < 0 || rig.pool == NULL, err);
	must(port_fit((uint16_t)id, &want, err, sizeof(err)), err);
	must(port_open(&rig.port, (uint16_t)id, &want, rig.pool, err, sizeof(err)), err);
	rig.port.mac = (struct rte_ether_addr){ { 2, 0, 0, 0, 0, 1 } };
}

static uint16_t on_burst(uint16_t port TAS_UNUSED, uint16_t queue TAS_UNUSED, struct rte_mbuf **m TAS_UNUSED,
	uint16_t n, void *arg TAS_UNUSED)
{
	rig.bursts++;
	return n;
}

void rig_open(void)
{
	struct app_ops ops = sp_app_ops(&rig.sp);
	struct app_rim rim = { 0 };
	struct fp_conf fc = { .cores = 1,
		.flows_max = rig.conf.memory.flows_max,
		.apps_max = rig.conf.memory.apps_max,
		.delack_us = { rig.conf.tcp.delack_ms * 1000, conf_delack_answer_us(&rig.conf.tcp) },
		.rto = conf_rto(&rig.conf.tcp),
		.restart_segments = rig.conf.tcp.initial_cwnd,
		.numa_node = SOCKET_ID_ANY,
		.name = "rig" };
	struct sp_conf sc = { .fp = &rig.fp, .conf = &rig.conf, .apps = &rig.apps, .now = rig.now };
	char err[256] = "";

	if (rig.open)
		return;
	rig.open = true;
	port_take();
	rig.burst_hook = rte_eth_add_tx_callback(rig.port.id, 0, on_burst, NULL);
	must(rig.burst_hook == NULL, "no hook");
	for (unsigned i = 0; i < sizeof(fc.secret); i++)
		fc.secret[i] = (uint8_t)(i * 57 + 11);
	must(fp_create(&rig.fp, &fc, &rig.port, rig.pool, NULL, err, sizeof(err)), err);
	must(apps_init(&rig.apps, &rig.fp, &rig.conf, &ops, &rim), "applications");
	for (unsigned i = 0; i < sizeof(sc.secrets); i++)
		sc.secrets[i] = (uint8_t)(i * 73 + 19);
	must(sp_create(&rig.sp, &sc, err, sizeof(err)), err);
	rig_run();
}

static void ring_end(struct rte_ring *r)
{
	void *m;

	while (rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

int rig_teardown(void **state TAS_UNUSED)
{
	uint32_t home;

	if (!rig.open)
		return 0;
	sp_destroy(&rig.sp);
	apps_fini(&rig.apps);
	fp_destroy(&rig.fp);
	rte_eth_remove_tx_callback(rig.port.id, 0, rig.burst_hook);
	rte_free((void *)(uintptr_t)rig.burst_hook);
	port_close(&rig.port);
	ring_end(rig.in);
	ring_end(rig.out);
	home = rte_mempool_avail_count(rig.pool);
	rte_mempool_free(rig.pool);
	rig.open = false;
	if (home == RIG_MBUFS)
		return 0;
	print_error("%u packet buffers are missing\n", RIG_MBUFS - home);
	return -1;
}

/* --- frames that come out --- */

/* The neighbour 10.0.0.2 answers who asks for it. */
static void arp_in(const uint8_t *b)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 2 }, ip[4] = { 10, 0, 0, 2 };
	uint8_t reply[60] = { 0 };

	if (b[21] != 1 || memcmp(b + 38, ip, 4) != 0)
		return;
	rig.arp_requests++;
	if (rig.arp_silent)
		return;
	memcpy(reply, b + 6, 6);
	memcpy(reply + 6, mac, 6);
	memcpy(reply + 12, b + 12, 8);
	reply[21] = 2;
	memcpy(reply + 22, mac, 6);
	memcpy(reply + 28, ip, 4);
	memcpy(reply + 32, b + 22, 10);
	give_frame(reply, sizeof(reply));
}

static struct rig_frame *frame_keep(const uint8_t *b, uint32_t len)
{
	struct rig_frame *f = &rig.sent[rig.sent_tail % RIG_FRAMES];

	assert_true(rig.sent_tail - rig.sent_head < RIG_FRAMES);
	rig.sent_tail++;
	f->at = rig.now;
	f->len = len;
	memcpy(f->b, b, len);
	return f;
}

static void frames_tap(void)
{
	for (; rig.tap != NULL && rig.sent_head != rig.sent_tail; rig.sent_head++)
		rig.tap(rig.sent[rig.sent_head % RIG_FRAMES].b, rig.sent[rig.sent_head % RIG_FRAMES].len);
}

static uint32_t l3_len_of(const uint8_t *b) { return b[12] == 0x08 ? 20 : 40; }

/* What the port starts a checksum from: the pseudo-header's sum, for segments to cut without the length. */
static void check_pseudo_sum(const struct rte_mbuf *m, const uint8_t *b)
{
	uint8_t pseudo[40] = { [35] = 6 };
	uint32_t l3 = l3_len_of(b);
	const uint8_t *tcp = b + 14 + l3;

	memcpy(pseudo, l3 == 20 ? b + 26 : b + 22, l3 == 20 ? 8 : 32);
	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG))
		put32(pseudo + 36, m->pkt_len - 14 - l3);
	assert_int_equal(get16(tcp + 16), naive_sum(pseudo, sizeof(pseudo)));
	assert_int_equal(m->l2_len, 14);
	assert_int_equal(m->l3_len, l3);
	assert_int_equal(m->l4_len, (tcp[12] >> 4) * 4);
}

/* What hardware does with a packet that it is to cut. */
static void frame_cut(const struct rte_mbuf *m)
{
	static uint8_t all[1 << 17];
	const uint8_t *b = rte_pktmbuf_read(m, 0, m->pkt_len, all);
	uint32_t seg = m->tso_segsz, l3, hdr, len_at, len_less, n;

	assert_true(b != NULL && seg > 0 && m->nb_segs <= rig.port.tx_segs_max);
	l3 = l3_len_of(b);
	hdr = 14 + l3 + m->l4_len;
	len_at = l3 == 20 ? 16 : 18; /* the length of the IP header, and what it leaves out */
	len_less = l3 == 20 ? 14 : 54;
	assert_true(m->pkt_len > hdr + seg);
	check_pseudo_sum(m, b);
	assert_int_equal(get16(b + len_at), m->pkt_len - len_less);
	for (uint32_t off = 0; off < m->pkt_len - hdr; off += n) {
		uint8_t frame[RIG_FRAME_MAX], *tcp = frame + 14 + l3;

		n = min_u32(seg, m->pkt_len - hdr - off);
		assert_true(hdr + n <= rig.port.tso_frame);
		memcpy(frame, b, hdr);
		memcpy(frame + hdr, b + hdr + off, n);
		put16(frame + len_at, hdr + n - len_less);
		put32(tcp + 4, get32(tcp + 4) + off);
		if (off + n < m->pkt_len - hdr)
			tcp[13] &= (uint8_t) ~(FIN | PSH);
		frame_reseal(frame, hdr + n);
		frame_keep(frame, hdr + n);
		frames_tap();
	}
}

static void frame_out(const struct rte_mbuf *m)
{
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);
	struct rig_frame *f;

	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
		frame_cut(m);
		return;
	}
	assert_int_equal(m->nb_segs, 1);
	assert_int_equal(m->data_len, m->pkt_len);
	assert_in_range(m->data_len, 14 + 20, 14 + rig.conf.port.mtu);
	if (b[12] == 0x08 && b[13] == 0x06) {
		arp_in(b);
		return;
	}
	f = frame_keep(b, m->data_len);
	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM))
		return;
	check_pseudo_sum(m, b);
	frame_reseal(f->b, f->len);
}

void rig_port_cuts(void)
{
	rig_open();
	rig.port.tx_ip_cksum = rig.port.tx_tcp_cksum = rig.port.multi_seg = rig.port.tso = true;
	rig.port.tso_max = 65535;
	rig.port.tso_frame = 1514;
	rig.port.tx_segs_max = 64;
}

static unsigned wire_poll(void)
{
	struct rte_mbuf *m[32];
	unsigned n = rte_ring_dequeue_burst(rig.out, (void **)m, 32, NULL);

	for (unsigned i = 0; i < n; i++) {
		frame_out(m[i]);
		frames_tap();
	}
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

/* --- passes --- */

static void flows_check(void)
{
	for (uint32_t id = 0; id < rig.fp.conf.flows_max; id++) {
		const struct flow *f = &rig.fp.flows[id];

		if (((TCP_STATES_FAST >> f->state) & 1) && f->app != APP_NONE)
			flow_check(f);
	}
}

void rig_run(void)
{
	unsigned work = 1;

	rig_open();
	for (unsigned passes = 0; work > 0; passes++) {
		assert_true(passes < PASSES_MAX); /* it never comes to rest */
		rig.bursts = 0;
		work = rig.core_stands ? 0 : core_poll(rig.fp.core[0], rig.now);
		assert_in_range(rig.bursts, 0, 1);
		work += rig.slow_stands ? 0 : sp_poll(&rig.sp, rig.now);
		flows_check();
		work += wire_poll();
	}
}

static tas_ns next_due(tas_ns until, tas_ns least)
{
	tas_ns next = min_u64(core_deadline(rig.fp.core[0]), sp_deadline(&rig.sp));

	return min_u64(max_u64(next, rig.now + least), until);
}

/* Deadlines may be early and find nothing to do: then the clock goes on in larger steps. */
static tas_ns clock_run(tas_ns span, bool until_sent)
{
	tas_ns begin = rig.now, until = begin + span, least = NS_PER_US;
	unsigned sent = rig.sent_tail;

	rig_open();
	while (rig.now < until && !(until_sent && rig.sent_tail != sent)) {
		tas_ns before = rig.now;

		rig.now = next_due(until, least);
		least = rig.now == before + least ? min_u64(2 * least, 64 * NS_PER_US) : NS_PER_US;
		rig_run();
	}
	return rig.now - begin;
}

void wait_us(uint64_t us) { clock_run(us * NS_PER_US, false); }
tas_ns wait_sent(uint64_t ms) { return clock_run(ms * NS_PER_MS, true); }

uint64_t counted(enum tas_counter counter) { return fp_counter(&rig.fp, counter); }

uint32_t flows_in_use(void) { return rig.fp.conf.flows_max - rig.fp.nr_free; }
