/* SPDX-License-Identifier: BSD-3-Clause */
/* A core's thread over a port whose descriptor is an eventfd of ours: what lets it sleep, what wakes it.
 * Nothing else in the process would wake it, so that whatever is not rung for waits for ever. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fastpath/port_probe.h"
#include "slowpath/core_loop.h"
#include "tests/unit/eal_rig.h"

enum { PATIENCE_MS = 10000 }; /* for what will happen; nothing waits this long when all is well */

struct rig {
	struct port port;
	struct rte_mempool *pool;
	struct wake wake;
	struct fastpath fp;
	struct core_loop loop;
	struct abi_header *header; /* of application 0 */
	pthread_t thread;
	int frames; /* the port's descriptor */
};

static void nap(unsigned ms) { usleep(ms * 1000); }

static void rig_port(struct rig *r)
{
	struct port_want want = { .rxq = 1, .txq = 1 };
	char err[256];
	uint16_t id;

	assert_int_equal(port_probe("net_ring0", &want, &id, err, sizeof(err)), 0);
	assert_int_equal(port_fit(id, &want, err, sizeof(err)), 0);
	r->pool = port_pool_create("rig", id, &want, 1, FP_PUNTS_MAX, err, sizeof(err));
	assert_int_equal(port_open(&r->port, id, &want, r->pool, err, sizeof(err)), 0);
	r->frames = eventfd(0, EFD_NONBLOCK);
	r->port.wake = PORT_WAKE_POLL;
	r->port.rx_fd[0] = r->frames;
}

static void *run(void *rig)
{
	core_loop_run(&((struct rig *)rig)->loop);
	return NULL;
}

static struct rig *rig_start(uint32_t idle_us)
{
	static struct rig rig;
	struct rig *r = &rig;
	struct fp_conf conf = { .cores = 1,
		.flows_max = 64,
		.apps_max = 4,
		.idle_us = idle_us,
		.numa_node = -1,
		.name = "rig" };
	struct fp_wake_ops ops;
	char err[256];

	*r = (struct rig){ 0 };
	rig_port(r);
	assert_int_equal(wake_init(&r->wake, 1), 0);
	wake_fp_ops(&r->wake, &ops);
	assert_int_equal(fp_create(&r->fp, &conf, &r->port, r->pool, &ops, err, sizeof(err)), 0);
	r->header = aligned_alloc(CACHE_LINE, sizeof(*r->header));
	memset(r->header, 0, sizeof(*r->header));
	core_loop_init(&r->loop, r->fp.core[0], &r->wake);
	assert_int_equal(pthread_create(&r->thread, NULL, run, r), 0);
	return r;
}

static void rig_stop(struct rig *r)
{
	core_loop_stop(&r->loop);
	pthread_join(r->thread, NULL);
	core_loop_fini(&r->loop);
	fp_destroy(&r->fp);
	wake_fini(&r->wake);
	port_close(&r->port);
	rte_mempool_free(r->pool);
	free(r->header);
	close(r->frames);
}

/* Counters are written by the core's thread; a load each time, for the compiler. */
static uint64_t counter(const struct rig *r, enum tas_counter c)
{
	return *(const volatile uint64_t *)&r->fp.core[0]->counter[c];
}

static bool comes_to(const struct rig *r, enum tas_counter c, uint64_t least)
{
	for (unsigned ms = 0; ms < PATIENCE_MS && counter(r, c) < least; ms++)
		nap(1);
	return counter(r, c) >= least;
}

static void assert_sleeps(const struct rig *r)
{
	for (unsigned ms = 0; ms < PATIENCE_MS && atomic_load(&r->fp.core[0]->asleep) == 0; ms++)
		nap(1);
	assert_int_equal(atomic_load(&r->fp.core[0]->asleep), 1);
	nap(5); /* from the flag to the system call */
}

static void send_one(struct rig *r)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

	memset(rte_pktmbuf_append(m, 60), 0, 60);
	fp_send(&r->fp, m);
	core_flush(r->fp.slow);
}

static void a_core_without_work_sleeps_and_makes_no_pass(void **state TAS_UNUSED)
{
	struct rig *r = rig_start(1000);
	uint64_t passes;

	assert_sleeps(r);
	passes = counter(r, CNT_CORE_PASSES);
	nap(50);
	assert_int_equal(counter(r, CNT_CORE_PASSES), passes);
	rig_stop(r);
}

static void an_idle_time_of_0_means_never(void **state TAS_UNUSED)
{
	struct rig *r = rig_start(0);
	uint64_t passes;

	nap(30);
	passes = counter(r, CNT_CORE_PASSES);
	assert_true(comes_to(r, CNT_CORE_PASSES, passes + 100));
	assert_int_equal(counter(r, CNT_CORE_SLEEPS), 0);
	rig_stop(r);
}

static void a_frame_of_the_slow_path_wakes_it(void **state TAS_UNUSED)
{
	struct rig *r = rig_start(1000);

	for (unsigned i = 1; i <= 20; i++) {
		assert_sleeps(r);
		send_one(r);
		assert_true(comes_to(r, CNT_TX_PACKETS, i));
	}
	rig_stop(r);
}

static void the_port_wakes_it(void **state TAS_UNUSED)
{
	struct rig *r = rig_start(1000);
	uint64_t sleeps, one = 1;

	assert_sleeps(r);
	sleeps = counter(r, CNT_CORE_SLEEPS);
	assert_int_equal(write(r->frames, &one, sizeof(one)), sizeof(one));
	assert_true(comes_to(r, CNT_CORE_SLEEPS, sleeps + 1));
	rig_stop(r);
}

/* As an application does whose bells the core does not look at. */
static void application_0_rings(struct rig *r, int bell)
{
	struct abi_core_line *line = &r->header->core_line[0];
	uint64_t one = 1;

	r->fp.apps[0].header = r->header;
	atomic_store(&line->asleep, 1);
	atomic_store(&r->fp.apps[0].live, 1);
	atomic_store(&line->bells, 1);
	assert_int_equal(write(bell, &one, sizeof(one)), sizeof(one));
}

/* The core took the bell: it exchanges the line for 0. */
static bool is_heard(const struct rig *r)
{
	for (unsigned ms = 0; ms < PATIENCE_MS && atomic_load(&r->header->core_line[0].bells) != 0; ms++)
		nap(1);
	return atomic_load(&r->header->core_line[0].bells) == 0;
}

static void an_application_wakes_it(void **state TAS_UNUSED)
{
	struct rig *r = rig_start(100 * 1000);
	struct app_rim rim;
	int bell;

	wake_app_rim(&r->wake, &rim);
	bell = rim.core_open(rim.arg, 0, 0);
	assert_sleeps(r);
	application_0_rings(r, bell);
	assert_true(is_heard(r));
	rim.core_close(rim.arg, 0, bell);
	rig_stop(r);
}

/* Nothing would end a sleep here: the core looks at the descriptor though it never blocks. */
static void a_quiet_application_is_heard_by_a_core_that_is_awake(void **state TAS_UNUSED)
{
	struct rig *r = rig_start(0);
	struct app_rim rim;
	int bell;

	wake_app_rim(&r->wake, &rim);
	bell = rim.core_open(rim.arg, 0, 0);
	application_0_rings(r, bell);
	assert_true(is_heard(r));
	rim.core_close(rim.arg, 0, bell);
	rig_stop(r);
}

static void a_sleeping_core_does_not_hold_up_a_grace_period(void **state TAS_UNUSED)
{
	struct rig *r = rig_start(1000);
	uint64_t token;

	assert_sleeps(r);
	token = rte_rcu_qsbr_start(r->fp.qsbr);
	rte_rcu_qsbr_quiescent(r->fp.qsbr, r->fp.slow->id);
	assert_int_equal(rte_rcu_qsbr_check(r->fp.qsbr, token, false), 1);
	rig_stop(r);
}

static void only_passes_with_work_are_busy_time(void **state TAS_UNUSED)
{
	struct rig *r = rig_start(10 * 1000);
	uint64_t busy;

	assert_sleeps(r);
	assert_int_equal(counter(r, CNT_CORE_BUSY_NS), 0);
	send_one(r);
	assert_true(comes_to(r, CNT_TX_PACKETS, 1));
	assert_sleeps(r);
	busy = counter(r, CNT_CORE_BUSY_NS);
	assert_in_range(busy, 1, 5 * NS_PER_MS); /* of 10 ms awake */
	rig_stop(r);
}

static void it_stops_asleep_or_awake(void **state TAS_UNUSED)
{
	struct rig *r;

	for (unsigned i = 0; i < 20; i++) {
		r = rig_start(i % 2 == 0 ? 0 : 10);
		nap(i % 5);
		rig_stop(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_core_without_work_sleeps_and_makes_no_pass),
		cmocka_unit_test(an_idle_time_of_0_means_never),
		cmocka_unit_test(a_frame_of_the_slow_path_wakes_it),
		cmocka_unit_test(the_port_wakes_it),
		cmocka_unit_test(an_application_wakes_it),
		cmocka_unit_test(a_quiet_application_is_heard_by_a_core_that_is_awake),
		cmocka_unit_test(a_sleeping_core_does_not_hold_up_a_grace_period),
		cmocka_unit_test(only_passes_with_work_are_busy_time),
		cmocka_unit_test(it_stops_asleep_or_awake),
	};

	alarm(120); /* what is not woken would wait for ever */
	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
