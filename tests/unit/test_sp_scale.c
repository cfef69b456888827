/* SPDX-License-Identifier: BSD-3-Clause */
/* test_sp_scale.c - loads in virtual time, and which cores serve. */
#include "slowpath/sp_scale.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "slowpath/sp.h"
#include "tests/unit/eal_rig.h"

enum { CORES = 3 };
#define PASS (10 * NS_PER_MS)

struct rig {
	struct fastpath fp;
	struct tas_conf conf;
	struct sp sp;
	bool cores_stall; /* they do not pass, so no change is ever complete */
};

static void rig_open(struct rig *r, unsigned cores_min)
{
	struct fp_conf conf = { .cores = CORES,
		.cores_min = cores_min,
		.flows_max = 64,
		.apps_max = 1,
		.numa_node = -1,
		.name = "scale" };
	char err[256];

	*r = (struct rig){ 0 };
	assert_int_equal(fp_create(&r->fp, &conf, NULL, NULL, NULL, err, sizeof(err)), 0);
	r->sp = (struct sp){ .fp = &r->fp, .conf = &r->conf, .now = NS_PER_SEC };
	sp_scale_init(&r->sp);
}

static void rig_close(struct rig *r) { fp_destroy(&r->fp); }

static uint32_t serving(const struct rig *r) { return atomic_load(&r->fp.steer.cores); }

static uint64_t changes(const struct rig *r)
{
	return fp_counter(&r->fp, CNT_CORES_ADDED) + fp_counter(&r->fp, CNT_CORES_REMOVED);
}

/* One pass of every thread, in which the cores that serve share `percent` of one core's work. */
static void pass(struct rig *r, uint32_t percent)
{
	uint32_t n = serving(r);

	r->sp.now += PASS;
	for (uint32_t i = 0; i < n; i++)
		r->fp.core[i]->counter[CNT_CORE_BUSY_NS] += PASS * min_u32(percent / n, 100) / 100;
	for (uint32_t i = 0; i < CORES && !r->cores_stall; i++) {
		if (core_steer_is_old(r->fp.core[i]))
			steer_look(r->fp.core[i]);
		rte_rcu_qsbr_quiescent(r->fp.qsbr, i);
	}
	rte_rcu_qsbr_quiescent(r->fp.qsbr, CORES);
	sp_scale_poll(&r->sp);
}

static void run(struct rig *r, uint32_t percent, unsigned seconds)
{
	for (tas_ns end = r->sp.now + seconds * NS_PER_SEC; r->sp.now < end;)
		pass(r, percent);
}

static void one_step_of_the_load_is_one_change(void **state TAS_UNUSED)
{
	struct rig r;

	rig_open(&r, 1);
	run(&r, 50, 10);
	assert_int_equal(serving(&r), 1);
	assert_int_equal(changes(&r), 0);
	run(&r, 150, 60);
	assert_int_equal(serving(&r), 2);
	assert_int_equal(changes(&r), 1);
	run(&r, 50, 60);
	assert_int_equal(serving(&r), 1);
	assert_int_equal(changes(&r), 2);
	rig_close(&r);
}

static void cores_serve_within_their_limits(void **state TAS_UNUSED)
{
	struct rig r;

	rig_open(&r, 2);
	run(&r, 0, 10);
	assert_int_equal(serving(&r), 2);
	run(&r, 1000, 10);
	assert_int_equal(serving(&r), CORES);
	run(&r, 0, 10);
	assert_int_equal(serving(&r), 2);
	rig_close(&r);
}

static void a_core_that_serves_polls_a_queue_and_one_that_does_not_polls_none(void **state TAS_UNUSED)
{
	struct rig r;

	rig_open(&r, 1);
	run(&r, 1000, 2);
	pass(&r, 1000);
	for (unsigned i = 0; i < CORES; i++)
		assert_int_equal(r.fp.core[i]->nqueues, 1);
	run(&r, 0, 10);
	pass(&r, 0);
	assert_int_equal(r.fp.core[0]->nqueues, CORES);
	assert_int_equal(r.fp.core[1]->nqueues, 0);
	rig_close(&r);
}

static void nothing_is_decided_before_the_last_change_is_complete(void **state TAS_UNUSED)
{
	struct rig r;

	rig_open(&r, 1);
	r.cores_stall = true;
	run(&r, 1000, 10);
	assert_int_equal(serving(&r), 2);
	assert_true(sp_scale_deadline(&r.sp) <= r.sp.now + NS_PER_MS);
	r.cores_stall = false;
	run(&r, 1000, 10);
	assert_int_equal(serving(&r), CORES);
	rig_close(&r);
}

static void with_nothing_to_decide_the_slow_path_need_not_run(void **state TAS_UNUSED)
{
	struct rig r;

	rig_open(&r, CORES);
	run(&r, 0, 10);
	assert_int_equal(serving(&r), CORES);
	assert_true(sp_scale_deadline(&r.sp) == TAS_NS_NEVER);
	rig_close(&r);
	rig_open(&r, 1);
	assert_true(sp_scale_deadline(&r.sp) == r.sp.now + SP_SCALE_INTERVAL);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_step_of_the_load_is_one_change),
		cmocka_unit_test(cores_serve_within_their_limits),
		cmocka_unit_test(a_core_that_serves_polls_a_queue_and_one_that_does_not_polls_none),
		cmocka_unit_test(nothing_is_decided_before_the_last_change_is_complete),
		cmocka_unit_test(with_nothing_to_decide_the_slow_path_need_not_run),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
