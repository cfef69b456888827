/* SPDX-License-Identifier: BSD-3-Clause */
/* test_port.c - what is negotiated with a device: net_ring offers chains and nothing else, net_null offers
 * RSS with a table of 128 buckets and no hash. */
#include "fastpath/port.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <rte_eth_ring.h>

#include <cmocka.h>

#include "fastpath/port_probe.h"
#include "tests/unit/eal_rig.h"

enum { RETA = 128 };

static const struct port_want any = {
	.rxq = 2,
	.txq = 2,
	.checksum_offload = PORT_AUTO,
	.tso = PORT_AUTO,
	.rss = PORT_AUTO,
};

/* A device, its pool and the outcome of port_open(). */
struct rig {
	struct port_want want;
	struct port port;
	struct rte_mempool *pool;
	int rc;
	char err[256];
};

static struct rig rig_open(const char *device, struct port_want want)
{
	struct rig r = { .want = want };
	uint16_t id;

	assert_int_equal(port_probe(device, &want, &id, r.err, sizeof(r.err)), 0);
	r.rc = port_fit(id, &r.want, r.err, sizeof(r.err));
	if (r.rc == 0) {
		r.pool = port_pool_create("test", id, &r.want, 1, 64, r.err, sizeof(r.err));
		assert_non_null(r.pool);
		r.rc = port_open(&r.port, id, &r.want, r.pool, r.err, sizeof(r.err));
	}
	r.port.id = id; /* also after a failure, for rig_close() */
	return r;
}

static void rig_close(struct rig *r)
{
	port_close(&r->port);
	rte_mempool_free(r->pool);
}

static void over_net_ring_chains_are_the_device_s_and_all_else_is_software_s(void **state TAS_UNUSED)
{
	struct rig r = rig_open("net_ring0", any);
	const struct port *p = &r.port;

	assert_int_equal(r.rc, 0);
	assert_true(p->multi_seg && p->tx_segs_max > 1);
	assert_false(p->tx_ip_cksum || p->tx_tcp_cksum || p->rx_cksum || p->tso || p->rss || p->rss_hash);
	assert_int_equal(p->reta_size, 0);
	assert_int_equal(p->wake, PORT_WAKE_NAP);
	assert_int_equal(p->tx_offloads, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	assert_int_equal(p->rx_offloads, 0);
	assert_int_equal(p->nb_rxq, 2);
	assert_int_equal(p->nb_txq, 2);
	assert_int_equal(p->mtu, 1500);
	assert_int_equal(p->if_index, 0);
	rig_close(&r);
}

static void over_net_null_rss_is_found_and_buckets_go_round_the_queues(void **state TAS_UNUSED)
{
	struct rig r = rig_open("net_null0", any);

	assert_int_equal(r.rc, 0);
	assert_true(r.port.rss);
	assert_false(r.port.rss_hash);  /* no RTE_ETH_RX_OFFLOAD_RSS_HASH */
	assert_false(r.port.multi_seg); /* one mbuf a frame, then */
	assert_int_equal(r.port.tx_segs_max, 1);
	assert_int_equal(r.port.reta_size, RETA);
	for (uint16_t b = 0; b < RETA; b++) {
		uint16_t queue = 99;

		assert_int_equal(port_reta_get(&r.port, b, &queue), 0);
		assert_int_equal(queue, b % 2);
	}
	rig_close(&r);
}

static void one_bucket_moves_and_its_neighbours_stay(void **state TAS_UNUSED)
{
	struct rig r = rig_open("net_null0", any);

	for (unsigned i = 0; i < 3; i++) {
		const uint16_t bucket[] = { 0, 64, 127 }, b = bucket[i];
		uint16_t queue, other = b == 0 ? 1 : b - 1;

		assert_int_equal(port_reta_set(&r.port, b, (b + 1) % 2), 0);
		assert_int_equal(port_reta_get(&r.port, b, &queue), 0);
		assert_int_equal(queue, (b + 1) % 2);
		assert_int_equal(port_reta_get(&r.port, other, &queue), 0);
		assert_int_equal(queue, other % 2);
	}
	rig_close(&r);
}

static void all_buckets_move_in_one_call(void **state TAS_UNUSED)
{
	struct rig r = rig_open("net_null0", any);
	uint16_t want[RETA], queue;

	for (unsigned b = 0; b < RETA; b++)
		want[b] = b < 100 ? 1 : 0;
	assert_int_equal(port_reta_set_all(&r.port, want), 0);
	for (uint16_t b = 0; b < RETA; b++) {
		assert_int_equal(port_reta_get(&r.port, b, &queue), 0);
		assert_int_equal(queue, want[b]);
	}
	rig_close(&r);
}

static void buckets_and_queues_that_are_not_there_are_refused(void **state TAS_UNUSED)
{
	struct rig r = rig_open("net_null0", any);
	uint16_t want[RETA] = { [RETA - 1] = 2 }, queue;

	assert_int_equal(port_reta_set(&r.port, RETA, 0), -EINVAL);
	assert_int_equal(port_reta_set(&r.port, 0, 2), -EINVAL);
	assert_int_equal(port_reta_set_all(&r.port, want), -EINVAL);
	assert_int_equal(port_reta_get(&r.port, RETA, &queue), -EINVAL);
	rig_close(&r);
}

static void without_rss_there_are_no_buckets(void **state TAS_UNUSED)
{
	struct port_want want = any;
	struct rig r;
	uint16_t queue[RETA] = { 0 };

	want.rss = PORT_OFF;
	r = rig_open("net_null0", want);
	assert_int_equal(r.rc, 0);
	assert_false(r.port.rss);
	assert_int_equal(r.port.reta_size, 0);
	assert_int_equal(port_reta_set(&r.port, 0, 0), -ENOTSUP);
	assert_int_equal(port_reta_set_all(&r.port, queue), -ENOTSUP);
	assert_int_equal(port_reta_get(&r.port, 0, queue), -ENOTSUP);
	rig_close(&r);
}

/* The sentence must name the key, the device and what to write instead. */
static void expect_refused(struct port_want want, const char *device, const char *key, const char *missing)
{
	struct rig r = rig_open(device, want);
	char remedy[64];

	snprintf(remedy, sizeof(remedy), "set %s = auto in [port]", key);
	assert_int_equal(r.rc, -ENOTSUP);
	assert_non_null(strstr(r.err, key));
	assert_non_null(strstr(r.err, device));
	assert_non_null(strstr(r.err, missing));
	assert_non_null(strstr(r.err, remedy));
	rig_close(&r);
}

static void what_is_on_but_not_there_is_an_error_that_names_it_and_the_remedy(void **state TAS_UNUSED)
{
	struct port_want want = any;

	want.checksum_offload = PORT_ON;
	expect_refused(want, "net_ring0", "checksum_offload", "checksum verification on receive");
	want = any;
	want.tso = PORT_ON;
	expect_refused(want, "net_ring0", "tso", "TCP segmentation");
	want = any;
	want.rss = PORT_ON;
	expect_refused(want, "net_ring0", "rss", "redirection table");
}

static void rss_on_is_satisfied_where_the_device_has_it(void **state TAS_UNUSED)
{
	struct port_want want = any;
	struct rig r;

	want.rss = PORT_ON;
	r = rig_open("net_null0", want);
	assert_int_equal(r.rc, 0);
	assert_true(r.port.rss);
	rig_close(&r);
}

static void tso_without_checksums_contradicts_itself(void **state TAS_UNUSED)
{
	struct port_want want = any;
	struct rig r;

	want.checksum_offload = PORT_OFF;
	want.tso = PORT_ON;
	r = rig_open("net_ring0", want);
	assert_int_equal(r.rc, -EINVAL);
	assert_non_null(strstr(r.err, "tso = on needs checksum_offload = auto or on"));
	rig_close(&r);
}

static void after_a_refusal_the_device_can_be_opened_in_another_way(void **state TAS_UNUSED)
{
	struct port_want want = any;
	struct rig r;

	want.rss = PORT_ON;
	r = rig_open("net_ring0", want);
	assert_int_equal(r.rc, -ENOTSUP);
	assert_int_equal(port_open(&r.port, r.port.id, &any, r.pool, r.err, sizeof(r.err)), 0);
	rig_close(&r);
}

static void more_queues_than_the_device_has_become_those_it_has(void **state TAS_UNUSED)
{
	struct port_want want = any;
	struct rig r;

	want.rxq = want.txq = 100;
	want.rx_desc = want.tx_desc = 64;
	r = rig_open("net_ring0", want);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.want.rxq, RTE_PMD_RING_MAX_RX_RINGS);
	assert_int_equal(r.want.txq, RTE_PMD_RING_MAX_TX_RINGS);
	assert_int_equal(r.port.nb_rxq, RTE_PMD_RING_MAX_RX_RINGS);
	rig_close(&r);
}

static void fitting_twice_changes_nothing(void **state TAS_UNUSED)
{
	struct rig r = rig_open("net_null0", any);
	struct port_want again = r.want;

	assert_int_equal(r.want.mtu, 1500);
	assert_int_equal(r.want.rx_desc, PORT_DESCRIPTORS);
	assert_int_equal(port_fit(r.port.id, &again, r.err, sizeof(r.err)), 0);
	assert_memory_equal(&again, &r.want, sizeof(again));
	rig_close(&r);
}

static void a_jumbo_frame_fits_into_one_buffer(void **state TAS_UNUSED)
{
	struct port_want want = any;
	struct rig r;

	want.mtu = 9000;
	r = rig_open("net_ring0", want);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.port.mtu, 9000);
	assert_true(rte_pktmbuf_data_room_size(r.pool) >= RTE_PKTMBUF_HEADROOM + 14 + 9000);
	rig_close(&r);
}

static void an_mtu_beyond_the_device_is_an_error_that_says_what_is_allowed(void **state TAS_UNUSED)
{
	struct port_want want = any;
	struct rig r;

	want.mtu = 9001;
	r = rig_open("net_ring0", want);
	assert_int_equal(r.rc, -EINVAL);
	assert_non_null(strstr(r.err, "mtu = 9001 is more than device net_ring0 carries: at most 9000"));
	rig_close(&r);
}

static void a_port_that_is_not_there_is_an_error(void **state TAS_UNUSED)
{
	struct port p;
	struct port_want want = any;
	char err[128];

	assert_int_not_equal(port_fit(77, &want, err, sizeof(err)), 0);
	assert_non_null(strstr(err, "no port 77"));
	assert_int_not_equal(port_open(&p, 77, &want, NULL, err, sizeof(err)), 0);
	assert_null(port_pool_create("none", 77, &want, 1, 0, err, sizeof(err)));
}

/* Rings of every queue, one and a half caches and the hands of every core and the slow path, and the punts;
 * to a power of two less one. */
static void the_pool_holds_rings_caches_and_punts_at_once(void **state TAS_UNUSED)
{
	struct port_want want = { .rxq = 1, .txq = 1, .rx_desc = 1024, .tx_desc = 1024 };

	/* 2048 + 2 * (384 + 512) = 3840 */
	assert_int_equal(port_pool_size(&want, 1, 0), 4095);
	assert_int_equal(port_pool_size(&want, 1, 255), 4095);
	assert_int_equal(port_pool_size(&want, 1, 256), 8191);
	want.rxq = want.txq = 4;
	/* 8192 + 5 * 896 + 1024 = 13696 */
	assert_int_equal(port_pool_size(&want, 4, 1024), 16383);
	want.rx_desc = 4096;
	/* 16384 + 4096 + 4480 + 1024 = 25984 */
	assert_int_equal(port_pool_size(&want, 4, 1024), 32767);
}

static void no_memory_for_the_pool_is_an_error_that_names_the_setting(void **state TAS_UNUSED)
{
	struct rig r = rig_open("net_ring0", any);
	struct port_want want = r.want;

	want.rx_desc = want.tx_desc = 32768;
	want.rxq = want.txq = 16;
	assert_null(port_pool_create("huge", r.port.id, &want, 1, 0, r.err, sizeof(r.err)));
	assert_non_null(strstr(r.err, "dpdk_memory in [memory]"));
	rig_close(&r);
}

static void closing_frees_the_name_and_every_packet_buffer(void **state TAS_UNUSED)
{
	struct rig r;
	struct rte_mbuf *m;
	uint16_t id;

	for (unsigned i = 0; i < 3; i++) {
		r = rig_open("net_ring0", any);
		assert_int_equal(r.rc, 0);
		m = rte_pktmbuf_alloc(r.pool);
		assert_int_equal(rte_eth_tx_burst(r.port.id, 0, &m, 1), 1);
		assert_int_equal(rte_eth_rx_burst(r.port.id, 0, &m, 1), 1); /* net_ring0 is wired to itself */
		rte_pktmbuf_free(m);
		assert_int_equal(rte_mempool_in_use_count(r.pool), 0);
		rig_close(&r);
		assert_int_not_equal(rte_eth_dev_get_port_by_name("net_ring0", &id), 0);
	}
}

/* Over net_ring an mbuf arrives with whatever flags and hash its sender left in it. */
static void flags_on_a_packet_count_only_if_the_port_sets_them(void **state TAS_UNUSED)
{
	struct rte_mbuf m = { .ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD |
			RTE_MBUF_F_RX_RSS_HASH };
	struct port p = { 0 };
	uint32_t hash;

	assert_false(
		port_ip_cksum_good(&p, &m) || port_l4_cksum_good(&p, &m) || port_rss_hash(&p, &m, &hash));
	p.rx_cksum = p.rss_hash = true;
	m.hash.rss = 4711;
	assert_true(port_ip_cksum_good(&p, &m) && port_l4_cksum_good(&p, &m) && port_rss_hash(&p, &m, &hash));
	assert_int_equal(hash, 4711);
	m.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_NONE | RTE_MBUF_F_RX_L4_CKSUM_BAD;
	assert_false(
		port_ip_cksum_good(&p, &m) || port_l4_cksum_good(&p, &m) || port_rss_hash(&p, &m, &hash));
}

static void one_line_says_what_is_hardware_and_what_is_software(void **state TAS_UNUSED)
{
	struct log_rig log;
	struct rig r;

	log_rig_begin(&log);
	r = rig_open("net_ring0", any);
	log_rig_end(&log);
	assert_int_equal(log_rig_count(&log, "\n"), 1);
	assert_non_null(strstr(log.text, "hardware: multi-seg;"));
	assert_non_null(strstr(log.text,
		"software: tx-ip-cksum tx-tcp-cksum rx-cksum tso rss rss-hash; woken by naps"));
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(over_net_ring_chains_are_the_device_s_and_all_else_is_software_s),
		cmocka_unit_test(over_net_null_rss_is_found_and_buckets_go_round_the_queues),
		cmocka_unit_test(one_bucket_moves_and_its_neighbours_stay),
		cmocka_unit_test(all_buckets_move_in_one_call),
		cmocka_unit_test(buckets_and_queues_that_are_not_there_are_refused),
		cmocka_unit_test(without_rss_there_are_no_buckets),
		cmocka_unit_test(what_is_on_but_not_there_is_an_error_that_names_it_and_the_remedy),
		cmocka_unit_test(rss_on_is_satisfied_where_the_device_has_it),
		cmocka_unit_test(tso_without_checksums_contradicts_itself),
		cmocka_unit_test(after_a_refusal_the_device_can_be_opened_in_another_way),
		cmocka_unit_test(more_queues_than_the_device_has_become_those_it_has),
		cmocka_unit_test(fitting_twice_changes_nothing),
		cmocka_unit_test(a_jumbo_frame_fits_into_one_buffer),
		cmocka_unit_test(an_mtu_beyond_the_device_is_an_error_that_says_what_is_allowed),
		cmocka_unit_test(a_port_that_is_not_there_is_an_error),
		cmocka_unit_test(the_pool_holds_rings_caches_and_punts_at_once),
		cmocka_unit_test(no_memory_for_the_pool_is_an_error_that_names_the_setting),
		cmocka_unit_test(closing_frees_the_name_and_every_packet_buffer),
		cmocka_unit_test(flags_on_a_packet_count_only_if_the_port_sets_them),
		cmocka_unit_test(one_line_says_what_is_hardware_and_what_is_software),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
