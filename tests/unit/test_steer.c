/* SPDX-License-Identifier: BSD-3-Clause */
/* test_steer.c - plans of who owns which bucket; queues that change hands; a port's redirection table. */
#include "fastpath/steer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <rte_eth_ring.h>

#include <cmocka.h>

#include "fastpath/fastpath.h"
#include "include/base/rand.h"
#include "tests/unit/eal_rig.h"

/* --- plans --- */

static void assert_fair(const uint8_t *owner, unsigned buckets, unsigned cores)
{
	unsigned share[FP_CORES_MAX] = { 0 };

	for (unsigned b = 0; b < buckets; b++) {
		assert_true(owner[b] < cores);
		share[owner[b]]++;
	}
	for (unsigned i = 0; i < cores; i++)
		assert_in_range(share[i], buckets / cores, (buckets + cores - 1) / cores);
}

static void shares_differ_by_one_bucket_at_most(void **state TAS_UNUSED)
{
	struct tas_rand r;
	uint8_t owner[STEER_BUCKETS_MAX];

	rand_seed(&r, 1);
	for (unsigned round = 0; round < 2000; round++) {
		unsigned buckets = 1 + rand_below(&r, STEER_BUCKETS_MAX), cores = 1 + rand_below(&r, 16);

		for (unsigned b = 0; b < buckets; b++)
			owner[b] = (uint8_t)rand_below(&r, 1 + rand_below(&r, 20));
		steer_plan(owner, buckets, cores);
		assert_fair(owner, buckets, cores);
	}
}

static void one_more_core_takes_its_share_and_nothing_else_moves(void **state TAS_UNUSED)
{
	uint8_t owner[128], before[128];

	memset(owner, STEER_NOBODY, sizeof(owner));
	steer_plan(owner, 128, 3);
	memcpy(before, owner, sizeof(owner));
	assert_int_equal(steer_plan(owner, 128, 4), 32);
	for (unsigned b = 0; b < 128; b++)
		assert_true(owner[b] == before[b] || owner[b] == 3);
}

static void one_core_less_leaves_what_others_had(void **state TAS_UNUSED)
{
	uint8_t owner[128], before[128];

	memset(owner, STEER_NOBODY, sizeof(owner));
	steer_plan(owner, 128, 4);
	memcpy(before, owner, sizeof(owner));
	assert_int_equal(steer_plan(owner, 128, 3), 32);
	for (unsigned b = 0; b < 128; b++)
		assert_true(owner[b] == before[b] || before[b] == 3);
}

static void a_fair_plan_is_left_alone(void **state TAS_UNUSED)
{
	uint8_t owner[100];

	memset(owner, STEER_NOBODY, sizeof(owner));
	assert_int_equal(steer_plan(owner, 100, 7), 100);
	assert_int_equal(steer_plan(owner, 100, 7), 0);
}

/* --- queues --- */

enum { CORES = 3 };

struct rig {
	struct rte_ring *rx[CORES], *tx[CORES];
	struct port port;
	struct rte_mempool *pool;
	struct fastpath fp;
};

static void rig_open(struct rig *r, unsigned cores_min)
{
	struct port_want want = { .rxq = CORES, .txq = CORES };
	struct fp_conf conf = { .cores = CORES,
		.cores_min = cores_min,
		.flows_max = 64,
		.apps_max = 1,
		.numa_node = -1,
		.name = "steer" };
	char err[256], name[16];
	int id;

	*r = (struct rig){ 0 };
	for (unsigned q = 0; q < CORES; q++) {
		snprintf(name, sizeof(name), "rx%u", q);
		r->rx[q] = rte_ring_create(name, 64, SOCKET_ID_ANY, 0);
		snprintf(name, sizeof(name), "tx%u", q);
		r->tx[q] = rte_ring_create(name, 64, SOCKET_ID_ANY, 0);
	}
	id = rte_eth_from_rings("steer", r->rx, CORES, r->tx, CORES, 0);
	assert_true(id >= 0);
	assert_int_equal(port_fit((uint16_t)id, &want, err, sizeof(err)), 0);
	r->pool = port_pool_create("steer", (uint16_t)id, &want, CORES, FP_PUNTS_MAX, err, sizeof(err));
	assert_int_equal(port_open(&r->port, (uint16_t)id, &want, r->pool, err, sizeof(err)), 0);
	assert_int_equal(fp_create(&r->fp, &conf, &r->port, r->pool, NULL, err, sizeof(err)), 0);
}

static void rig_close(struct rig *r)
{
	fp_destroy(&r->fp);
	port_close(&r->port);
	for (unsigned q = 0; q < CORES; q++) {
		rte_ring_free(r->rx[q]);
		rte_ring_free(r->tx[q]);
	}
	rte_mempool_free(r->pool);
}

static void arrive(struct rig *r, unsigned queue, unsigned frames)
{
	for (unsigned i = 0; i < frames; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

		memset(rte_pktmbuf_append(m, 60), 0, 60);
		assert_int_equal(rte_ring_enqueue(r->rx[queue], m), 0);
	}
}

static uint64_t received(const struct rig *r, unsigned core)
{
	return r->fp.core[core]->counter[CNT_RX_PACKETS];
}

/* Every core polls once; the slow path then. */
static void pass(struct rig *r)
{
	for (unsigned i = 0; i < CORES; i++)
		core_poll(r->fp.core[i], 1);
	rte_rcu_qsbr_quiescent(r->fp.qsbr, CORES);
	steer_poll(&r->fp);
}

static void cores_that_serve_poll_the_queues_of_those_that_do_not(void **state TAS_UNUSED)
{
	struct rig r;

	rig_open(&r, 1);
	for (unsigned q = 0; q < CORES; q++)
		arrive(&r, q, 5);
	for (unsigned i = 0; i < CORES; i++)
		pass(&r);
	assert_int_equal(received(&r, 0), 5 * CORES);
	assert_int_equal(received(&r, 1) + received(&r, 2), 0);
	assert_true(core_serves(r.fp.core[0]));
	assert_false(core_serves(r.fp.core[1]));
	rig_close(&r);
}

static void a_pass_takes_one_batch_from_all_queues_together_and_each_has_its_turn(void **state TAS_UNUSED)
{
	struct rig r;

	rig_open(&r, 1);
	for (unsigned q = 0; q < CORES; q++)
		arrive(&r, q, 2 * FP_BATCH - 1);
	pass(&r);
	assert_int_equal(received(&r, 0), FP_BATCH);
	for (unsigned i = 1; i < CORES; i++)
		pass(&r);
	for (unsigned q = 0; q < CORES; q++)
		assert_int_equal(rte_ring_count(r.rx[q]), FP_BATCH - 1);
	rig_close(&r);
}

static void a_queue_between_two_owners_is_polled_by_none(void **state TAS_UNUSED)
{
	struct rig r;

	rig_open(&r, 1);
	pass(&r);
	assert_int_equal(steer_to(&r.fp, 3), 0);
	arrive(&r, 1, 1);
	arrive(&r, 2, 1);
	/* core 1 is in the midst of a pass that began before, say, and core 0 has not looked yet */
	core_poll(r.fp.core[2], 1);
	assert_false(steer_poll(&r.fp));
	core_poll(r.fp.core[0], 1);
	core_poll(r.fp.core[2], 1);
	rte_rcu_qsbr_quiescent(r.fp.qsbr, CORES);
	assert_false(steer_poll(&r.fp));
	assert_int_equal(rte_ring_count(r.rx[1]) + rte_ring_count(r.rx[2]), 2);
	assert_int_equal(steer_to(&r.fp, 2), -EBUSY);
	core_poll(r.fp.core[1], 1);
	assert_true(steer_poll(&r.fp));
	pass(&r);
	assert_int_equal(received(&r, 1), 1);
	assert_int_equal(received(&r, 2), 1);
	rig_close(&r);
}

static unsigned woken;

static void on_wake(void *arg TAS_UNUSED, unsigned core) { woken |= 1u << core; }

static void the_new_owner_of_a_queue_is_woken(void **state TAS_UNUSED)
{
	struct rig r;

	rig_open(&r, 1);
	r.fp.wake.core = on_wake;
	for (unsigned i = 1; i < CORES; i++) { /* asleep, as far as anybody can see */
		core_sleep_begin(r.fp.core[i]);
		rte_rcu_qsbr_thread_offline(r.fp.qsbr, i);
	}
	woken = 0;
	assert_int_equal(steer_to(&r.fp, 2), 0);
	core_poll(r.fp.core[0], 1);
	rte_rcu_qsbr_quiescent(r.fp.qsbr, CORES);
	assert_true(steer_poll(&r.fp));
	core_flush(r.fp.slow);
	assert_int_equal(woken, 1u << 1);
	assert_true(core_steer_is_old(r.fp.core[1]));
	rig_close(&r);
}

static void no_packet_is_lost_while_cores_come_and_go(void **state TAS_UNUSED)
{
	struct tas_rand rand;
	struct rig r;
	uint64_t sent = 0, got = 0;

	rand_seed(&rand, 7);
	rig_open(&r, 2);
	for (unsigned round = 0; round < 2000; round++) {
		unsigned q = rand_below(&rand, CORES);

		if (rte_ring_free_count(r.rx[q]) > 8) {
			arrive(&r, q, 3);
			sent += 3;
		}
		if (rand_below(&rand, 5) == 0)
			steer_to(&r.fp, 1 + rand_below(&rand, CORES));
		pass(&r);
	}
	for (unsigned i = 0; i < 20; i++)
		pass(&r);
	for (unsigned i = 0; i < CORES; i++)
		got += received(&r, i);
	assert_int_equal(got, sent);
	rig_close(&r);
}

/* --- a table: net_null has one --- */

static void a_redirection_table_follows(void **state TAS_UNUSED)
{
	struct port_want want = { .rxq = CORES, .txq = CORES, .rss = PORT_AUTO };
	struct fp_conf conf = { .cores = CORES,
		.cores_min = 1,
		.flows_max = 64,
		.apps_max = 1,
		.numa_node = -1,
		.name = "table" };
	struct rte_mempool *pool;
	struct fastpath fp;
	struct port port;
	uint16_t id, queue;
	char err[256];

	assert_int_equal(port_probe("net_null0", &want, &id, err, sizeof(err)), 0);
	assert_int_equal(port_fit(id, &want, err, sizeof(err)), 0);
	pool = port_pool_create("table", id, &want, CORES, FP_PUNTS_MAX, err, sizeof(err));
	assert_int_equal(port_open(&port, id, &want, pool, err, sizeof(err)), 0);
	assert_true(port.rss && port.reta_size > 0);
	assert_int_equal(fp_create(&fp, &conf, &port, pool, NULL, err, sizeof(err)), 0);
	for (unsigned cores = 1; cores <= CORES; cores++) {
		unsigned share[CORES] = { 0 };

		assert_int_equal(steer_to(&fp, cores), 0);
		for (uint16_t b = 0; b < port.reta_size; b++) {
			assert_int_equal(port_reta_get(&port, b, &queue), 0);
			share[queue]++;
		}
		for (unsigned i = 0; i < CORES; i++)
			assert_true(i < cores ? share[i] >= port.reta_size / cores : share[i] == 0);
	}
	for (unsigned i = 0; i < CORES; i++) { /* late packets in the queues of others are not forgotten */
		steer_look(fp.core[i]);
		assert_int_equal(fp.core[i]->nqueues, 1);
		assert_int_equal(fp.core[i]->queues[0], i);
	}
	fp_destroy(&fp);
	port_close(&port);
	rte_mempool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_differ_by_one_bucket_at_most),
		cmocka_unit_test(one_more_core_takes_its_share_and_nothing_else_moves),
		cmocka_unit_test(one_core_less_leaves_what_others_had),
		cmocka_unit_test(a_fair_plan_is_left_alone),
		cmocka_unit_test(cores_that_serve_poll_the_queues_of_those_that_do_not),
		cmocka_unit_test(a_pass_takes_one_batch_from_all_queues_together_and_each_has_its_turn),
		cmocka_unit_test(a_queue_between_two_owners_is_polled_by_none),
		cmocka_unit_test(the_new_owner_of_a_queue_is_woken),
		cmocka_unit_test(no_packet_is_lost_while_cores_come_and_go),
		cmocka_unit_test(a_redirection_table_follows),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
