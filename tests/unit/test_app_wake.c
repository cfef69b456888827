/* SPDX-License-Identifier: BSD-3-Clause */
/* test_app_wake.c - what it costs to wake an application, which is up to the application, costs only itself.
 */
#include "tests/unit/rig_tcp.h"

enum { USUAL_NS = 3000, USUAL_NS_VIRTUAL = 31000, DEAR_NS = 1000 * 1000, LATE_MS = 33 };

static struct {
	uint32_t wall_ns, cpu_ns; /* what the next ring takes */
	unsigned rings, exactly;
} rim;

static uint32_t on_ring(void *arg TAS_UNUSED, int fd TAS_UNUSED, bool exactly)
{
	rim.rings++;
	rim.exactly += exactly;
	return exactly ? rim.cpu_ns : rim.wall_ns;
}

static void costs(uint32_t wall_ns, uint32_t cpu_ns)
{
	rig.fp.wake.context = on_ring;
	rim.wall_ns = wall_ns;
	rim.cpu_ns = cpu_ns;
	rim.rings = rim.exactly = 0;
}

/* It sleeps, and is told something; how many rings that made. */
static unsigned rings_of(struct peer *p)
{
	unsigned before = rim.rings;

	heard(p);
	p->app->ctx[p->ctx].shm->asleep = 1;
	app_rings(p, ABI_BELL_REFRESH, 0);
	return rim.rings - before;
}

/* Until it has to wait. */
static struct peer *dear(void)
{
	struct peer *p = established();

	costs(DEAR_NS, DEAR_NS);
	for (unsigned i = 0; rings_of(p) == 1; i++)
		assert_true(i < 10);
	return p;
}

static uint64_t faults_of(const struct peer *p) { return rig.fp.apps[p->app->id].faults; }

TEST(usual_application_is_woken_at_once_and_hardly_measured)
{
	struct peer *p = established();

	costs(USUAL_NS, USUAL_NS);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(rings_of(p), 1);
	assert_int_equal(rim.exactly, 0);
	assert_int_equal(faults_of(p), 0);
}

TEST(time_that_others_had_of_the_cpu_is_not_its_fault)
{
	struct peer *p = established();

	costs(DEAR_NS, USUAL_NS);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(rings_of(p), 1);
	assert_int_equal(rim.exactly, 50); /* each other: a cheap one ends the suspicion */
	assert_int_equal(faults_of(p), 0);
}

TEST(what_is_usual_on_the_machine_is_not_dear)
{
	struct peer *p = established();

	costs(2 * USUAL_NS_VIRTUAL, 2 * USUAL_NS_VIRTUAL);
	rig.fp.wake.usual_ns = USUAL_NS_VIRTUAL;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(rings_of(p), 1);
	assert_int_equal(faults_of(p), 0);
	costs(10 * USUAL_NS_VIRTUAL, 10 * USUAL_NS_VIRTUAL);
	for (unsigned i = 0; rings_of(p) == 1; i++)
		assert_true(i < 20);
}

TEST(nothing_makes_a_millisecond_usual)
{
	struct peer *p = established();

	costs(DEAR_NS + 100000, DEAR_NS + 100000);
	rig.fp.wake.usual_ns = UINT32_MAX;
	for (unsigned i = 0; rings_of(p) == 1; i++)
		assert_true(i < 50);
}

TEST(application_that_is_dear_to_wake_waits_for_it)
{
	struct peer *p = dear();
	struct abi_context *x = p->app->ctx[0].shm;

	assert_int_equal(x->asleep, 1);
	for (unsigned times = 0; times < 3; times++) {
		unsigned before = rim.rings;
		tas_ns due = core_deadline(rig.fp.core[0]);

		assert_in_range(due - rig.now, 1, LATE_MS * NS_PER_MS);
		wait_ms(LATE_MS);
		assert_int_equal(rim.rings, before + 1); /* not lost, and once for all that it was told */
		assert_int_equal(x->asleep, 0);
		assert_int_equal(rings_of(p), 0);
	}
	assert_true(counted(CNT_APP_FAULT_WAKE) >= 3);
	assert_int_equal(faults_of(p), counted(CNT_APP_FAULT_WAKE) * DEAR_NS / 50000);
}

TEST(others_are_woken_at_once_all_the_same)
{
	struct peer *p = dear(), *q;

	assert_int_equal(app_listens(1, 81, 8), 0);
	q = peer_new();
	q->local_port = 81;
	give(q, .flags = SYN);
	expect(q, .flags = SYN | ACK, .ack = 1);
	give(q, .seq = 1, .ack = 1);
	assert_true(app_accepts(q, 1));
	rim.wall_ns = USUAL_NS;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(rings_of(q), 1);
	assert_int_equal(rings_of(p), 0);
	assert_int_equal(faults_of(q), 0);
}

TEST(contexts_of_a_dear_application_are_woken_one_after_the_other)
{
	struct peer *p = dear();
	unsigned before = rim.rings;

	for (unsigned ctx = 0; ctx < RIG_CONTEXTS; ctx++) {
		p->app->ctx[ctx].shm->asleep = 1;
		rec_of(p)->context = (uint16_t)p->app->ctx[ctx].id;
		app_rings(p, ABI_BELL_REFRESH, 0);
	}
	assert_int_equal(rim.rings, before);
	for (unsigned ctx = 1; ctx <= RIG_CONTEXTS; ctx++) {
		wait_ms(LATE_MS);
		assert_int_equal(rim.rings, before + ctx);
	}
	for (unsigned ctx = 0; ctx < RIG_CONTEXTS; ctx++)
		assert_int_equal(p->app->ctx[ctx].shm->asleep, 0);
}

TEST(application_that_became_cheap_is_woken_at_once_again)
{
	struct peer *p = dear();

	rim.wall_ns = rim.cpu_ns = USUAL_NS;
	for (unsigned i = 0; i < 30; i++) {
		rings_of(p);
		wait_ms(LATE_MS);
	}
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(rings_of(p), 1);
	assert_true(app_is_live(&rig.apps, p->app->id));
}

TEST(application_that_stays_dear_is_cut_off)
{
	struct peer *p = dear();
	unsigned rings = 0;

	for (; app_is_live(&rig.apps, p->app->id); rings++) {
		assert_true(rings < 100);
		rings_of(p);
		wait_ms(LATE_MS);
	}
	assert_in_range(rings, APP_FAULTS_MAX / (DEAR_NS / 50000) - 5, 60);
	overlook();
}

TEST(application_that_leaves_while_it_waits_is_forgotten)
{
	struct peer *p = dear();
	unsigned before = rim.rings;

	app_detach(&rig.apps, p->app->id);
	wait_ms(2 * LATE_MS);
	overlook();
	assert_int_equal(rim.rings, before);
	assert_int_equal(core_wakes_due(rig.fp.core[0]), TAS_NS_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(usual_application_is_woken_at_once_and_hardly_measured),
		RIG_TEST(time_that_others_had_of_the_cpu_is_not_its_fault),
		RIG_TEST(what_is_usual_on_the_machine_is_not_dear),
		RIG_TEST(nothing_makes_a_millisecond_usual),
		RIG_TEST(application_that_is_dear_to_wake_waits_for_it),
		RIG_TEST(others_are_woken_at_once_all_the_same),
		RIG_TEST(contexts_of_a_dear_application_are_woken_one_after_the_other),
		RIG_TEST(application_that_became_cheap_is_woken_at_once_again),
		RIG_TEST(application_that_stays_dear_is_cut_off),
		RIG_TEST(application_that_leaves_while_it_waits_is_forgotten),
	};

	return RIG_MAIN(tests);
}
