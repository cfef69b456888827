/* SPDX-License-Identifier: BSD-3-Clause */
/* test_app_end.c - what an application had goes when its process ends: in order, step by step, all of it. */
#include "slowpath/app.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/app_rig.h"

static void the_death_of_an_application_closes_all_it_had(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	struct ctl_listen l = { .cookie = 5 }, l2 = { .cookie = 6 };
	uint32_t flow[50];

	(void)state;
	assert_int_equal(app_listen(&r->apps, app, &l), 0);
	assert_int_equal(app_listen(&r->apps, app, &l2), 0);
	for (unsigned i = 0; i < ARRAY_LEN(flow); i++)
		flow[i] = rig_attached_flow(r, app);
	rig_dies(r, app);
	assert_int_equal(r->fp.apps[app].live, 0);
	assert_int_equal(r->left[l.id], 1);
	assert_int_equal(r->closed[l.id], 1);
	assert_int_equal(r->closed[l2.id], 1);
	assert_true(apps_deadline(&r->apps, r->now) <= r->now + APP_GRACE_RETRY);
	for (unsigned i = 0; i < ARRAY_LEN(flow); i++) {
		assert_int_equal(r->flow_closes[flow[i]], 1);
		assert_int_equal(r->how[flow[i]], APP_DIED);
	}
	rig_pass(r);
	assert_int_equal(r->apps.slot[app].state, APP_FREE);
	assert_null(r->fp.apps[app].base);
	rig_dies(r, app); /* again: nothing */
	assert_int_equal(r->apps.nr_free, RIG_APPS);
	assert_int_equal(apps_deadline(&r->apps, r->now), TAS_NS_NEVER);
	rig_end(r);
}

static unsigned nr_closed(const struct app_rig *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < RIG_IDS; i++)
		n += r->closed[i];
	return n;
}

static void the_listeners_of_the_dead_go_a_few_in_each_pass(void **state)
{
	enum { LISTENERS = 3 * APP_LISTENERS_BURST + 1 };
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	uint32_t flow = rig_attached_flow(r, app);

	(void)state;
	for (uint32_t i = 0; i < LISTENERS; i++) {
		struct ctl_listen l = { .cookie = i };

		assert_int_equal(app_listen(&r->apps, app, &l), 0);
	}
	rig_dies(r, app);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(nr_closed(r), i * APP_LISTENERS_BURST);
		assert_int_equal(r->flow_closes[flow], 0); /* listeners first */
		assert_int_equal(apps_deadline(&r->apps, r->now), r->now);
		rig_pass(r);
	}
	assert_int_equal(nr_closed(r), LISTENERS);
	assert_int_equal(r->flow_closes[flow], 1);
	rig_end(r);
}

static void its_memory_stays_while_unsent_data_is_on_its_way(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	uint32_t flow = rig_attached_flow(r, app);

	(void)state;
	r->keep_closed_flows = true;
	rig_dies(r, app);
	for (int i = 0; i < 10; i++)
		rig_pass(r);
	assert_int_equal(r->flow_closes[flow], 1);
	assert_int_equal(r->apps.slot[app].state, APP_DRAINING);
	*(volatile char *)app_page(&r->fp.apps[app], r->fp.flows[flow].tx_page) = 1;
	assert_int_equal(apps_deadline(&r->apps, r->now), TAS_NS_NEVER); /* costs nothing meanwhile */
	rig_flow_done(r, flow);
	rig_pass(r);
	assert_int_equal(r->apps.slot[app].state, APP_FREE);
	rig_end(r);
}

static void its_memory_stays_until_every_core_has_looked_away(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);

	(void)state;
	rig_dies(r, app);
	for (int i = 0; i < 10; i++) {
		rte_rcu_qsbr_quiescent(r->fp.qsbr, 0);
		fp_reclaim(&r->fp);
		apps_poll(&r->apps, r->now);
		assert_int_equal(r->apps.slot[app].state, APP_GRACE);
		*(volatile char *)r->fp.apps[app].base = 1;
	}
	assert_in_range(apps_deadline(&r->apps, r->now), r->now + 1, r->now + NS_PER_SEC);
	rte_rcu_qsbr_quiescent(r->fp.qsbr, 1);
	apps_poll(&r->apps, r->now);
	assert_int_equal(r->apps.slot[app].state, APP_FREE);
	rig_end(r);
}

static void one_that_never_mapped_goes_at_once(void **state)
{
	struct app_rig *r = rig_new();

	(void)state;
	rig_dies(r, rig_greet(r, 0));
	assert_int_equal(r->apps.nr_free, RIG_APPS);
	rig_end(r);
}

static void many_die_together_and_each_goes(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app[RIG_APPS];

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (unsigned i = 0; i < RIG_APPS; i++) {
			app[i] = rig_app(r);
			for (unsigned k = 0; k < i; k++)
				rig_attached_flow(r, app[i]);
		}
		for (unsigned i = 0; i < RIG_APPS; i++)
			rig_dies(r, app[i]);
		for (int i = 0; i < 3; i++)
			rig_pass(r);
		assert_int_equal(r->apps.nr_free, RIG_APPS);
		assert_int_equal(r->apps.nr_dying, 0);
	}
	assert_int_equal(r->fp.nr_free, RIG_FLOWS);
	rig_end(r);
}

static void thousands_come_and_go_and_leave_nothing(void **state)
{
	struct app_rig *r = rig_new();
	uint64_t before = 0;
	uint32_t flow;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		uint16_t app = rig_app(r);

		for (int k = 0; k < 5; k++)
			assert_int_equal(rig_try_flow(r, app, &flow), 0);
		rig_dies(r, app);
		rig_pass(r);
		rig_pass(r);
		rig_pass(r);
		if (i == 500)
			before = rig_rss_kib();
	}
	assert_int_equal(r->apps.nr_free, RIG_APPS);
	assert_in_range(rig_rss_kib(), 0, before + 256);
	rig_end(r);
}

/* --- memory --- */

/* What keeps the undertaker busy until the test has seen what it wants. */
struct grave {
	struct undertaker_job job;
	_Atomic bool begun, done;
};

static void dig(struct undertaker_job *job)
{
	struct grave *g = (struct grave *)job;

	atomic_store(&g->begun, true);
	while (!atomic_load(&g->done))
		usleep(100);
}

/* An attached process that has had its region's descriptor. */
static uint16_t shared_app(struct app_rig *r)
{
	uint16_t app = rig_app(r);

	r->apps.slot[app].region.shared = true;
	return app;
}

static void passes(struct app_rig *r, unsigned n)
{
	while (n-- > 0)
		rig_pass(r);
}

static void until_all_left(struct app_rig *r)
{
	for (; r->apps.nr_leaving > 0; usleep(100))
		rig_pass(r);
}

static void its_place_is_taken_until_its_memory_went_back(void **state)
{
	static struct grave g = { .job.work = dig };
	struct app_rig *r = rig_new();
	uint32_t free_slots = r->apps.nr_free;
	uint16_t app;

	(void)state;
	r->apps.undertaker = undertaker_new(1, 1);
	assert_non_null(r->apps.undertaker);
	undertaker_add(r->apps.undertaker, &g.job);
	for (; !atomic_load(&g.begun); usleep(100))
		;
	app = shared_app(r);
	rig_dies(r, app);
	passes(r, 5);
	assert_int_equal(r->apps.slot[app].state, APP_LEAVING);
	assert_int_equal(r->apps.nr_free, free_slots - 1);
	assert_int_equal(users_has(&r->apps.users, 0, SHARE_APPS), 1);
	assert_null(r->fp.apps[app].base);
	assert_in_range(apps_deadline(&r->apps, r->now), r->now + 1, r->now + NS_PER_SEC); /* no spinning */
	app = rig_greet(r, 0); /* also one that never mapped it here: it may have there */
	r->apps.slot[app].region.shared = true;
	rig_dies(r, app);
	assert_int_equal(r->apps.slot[app].state, APP_LEAVING);
	rig_dies(r, rig_app(r)); /* nobody has had this one */
	passes(r, 5);
	assert_int_equal(r->apps.nr_free, free_slots - 2);
	atomic_store(&g.done, true);
	for (; undertaker_waiting(r->apps.undertaker) > 0; usleep(100))
		;
	assert_ptr_equal(undertaker_done(r->apps.undertaker), &g.job);
	until_all_left(r);
	assert_int_equal(r->apps.nr_free, free_slots);
	assert_true(RB_EMPTY(&r->apps.users.tree));
	rig_end(r);
}

static void its_memory_goes_back_though_the_instance_ends(void **state)
{
	struct app_rig *r = rig_new();

	(void)state;
	r->apps.undertaker = undertaker_new(1, 1);
	for (unsigned i = 0; i < 3; i++)
		rig_dies(r, shared_app(r));
	shared_app(r);
	passes(r, 3);
	rig_end(r);
}

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* As an application does that touches what it was not given, and goes. */
static void touches_all(const struct app_rig *r, uint16_t app)
{
	const struct app *a = &r->fp.apps[app];
	int fd = dup(r->apps.slot[app].region.fd);
	char *theirs = mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_true(theirs != MAP_FAILED);
	memset(theirs, 1, a->size);
	munmap(theirs, a->size);
	close(fd);
}

/* Giving back must cost the slow path far less than taking; the best of some rounds counts, so that nobody's
 * load matters. */
static void much_memory_goes_back_without_a_wait(void **state)
{
	enum { MANY = 128 << 20, ROUNDS = 10 };
	int64_t take = INT64_MAX, give = INT64_MAX;
	struct app_rig *r;

	(void)state;
	rig_memory_max = MANY;
	r = rig_new();
	r->apps.undertaker = undertaker_new(1, 1);
	for (int round = 0; round < ROUNDS; round++) {
		uint16_t app = rig_greet(r, 0);
		int64_t t0 = cpu_ns(), t1, t2;

		touches_all(r, app);
		r->apps.slot[app].region.shared = true;
		t1 = cpu_ns();
		rig_dies(r, app);
		t2 = cpu_ns();
		take = t1 - t0 < take ? t1 - t0 : take;
		give = t2 - t1 < give ? t2 - t1 : give;
		until_all_left(r);
	}
	assert_true(give < take / 4);
	rig_end(r);
	rig_memory_max = 8 << 20;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_death_of_an_application_closes_all_it_had),
		cmocka_unit_test(the_listeners_of_the_dead_go_a_few_in_each_pass),
		cmocka_unit_test(its_memory_stays_while_unsent_data_is_on_its_way),
		cmocka_unit_test(its_memory_stays_until_every_core_has_looked_away),
		cmocka_unit_test(one_that_never_mapped_goes_at_once),
		cmocka_unit_test(many_die_together_and_each_goes),
		cmocka_unit_test(thousands_come_and_go_and_leave_nothing),
		cmocka_unit_test(its_place_is_taken_until_its_memory_went_back),
		cmocka_unit_test(its_memory_goes_back_though_the_instance_ends),
		cmocka_unit_test(much_memory_goes_back_without_a_wait),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
