/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_notify.c - notifications: each reaches its socket, none a wrong one, none twice
 * (include/abi/abi.h). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/rand.h"
#include "libtas/lib_int.h"
#include "tests/unit/lib_rig.h"

static struct rig r;
static struct tas_sock *l;

static int set_up(void **state)
{
	(void)state;
	rig_begin(&r, 2, 4);
	l = rig_listener(&r);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static uint32_t edges_of(const struct tas_sock *s)
{
	uint32_t edges = 0;

	for (unsigned i = 0; i < r.nr_events; i++)
		if (r.event[i].s == s)
			edges |= r.event[i].edges;
	r.nr_events = 0;
	return edges;
}

static void bytes_are_an_edge_each_time_they_come(void **state)
{
	struct tas_sock *s = rig_accepted(&r, l, 3);

	(void)state;
	tas_sock_set_user(s, &r);
	edges_of(s);
	for (int i = 0; i < 3; i++) {
		rig_deliver(&r, 3, 10);
		assert_true(rig_notify(&r, 0, i % 3, 3)); /* from core 0, core 1, and the slow path */
		assert_int_equal(tas_ctx_poll(r.c), 1);
		assert_int_equal(r.nr_events, 1);
		assert_ptr_equal(r.event[0].user, &r);
		assert_int_equal(edges_of(s), TAS_EV_IN);
	}
	assert_int_equal(tas_ctx_poll(r.c), 0);
}

static void a_connection_of_a_listener_without_nagle_keeps_that_when_it_sends(void **state)
{
	struct tas_listen_opt opt = { .port = 81, .backlog = 16, .flags = TAS_OPEN_NODELAY };
	struct tas_sock *other = NULL, *s;
	struct abi_bell b;

	(void)state;
	assert_int_equal(tas_listen(r.c, &opt, &other), 0);
	assert_int_equal(tas_listen_arm(r.c, other), 0);
	s = rig_accepted(&r, other, 4);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags & (ABI_BELL_OPTIONS | ABI_BELL_NODELAY),
		ABI_BELL_OPTIONS | ABI_BELL_NODELAY);
}

static void a_notification_without_news_is_no_edge(void **state)
{
	struct tas_sock *s = rig_accepted(&r, l, 3);

	(void)state;
	edges_of(s);
	rig_notify(&r, 0, 0, 3);
	assert_int_equal(tas_ctx_poll(r.c), 1);
	assert_int_equal(r.nr_events, 0);
}

static void what_happens_while_one_is_pending_comes_with_it(void **state)
{
	struct tas_sock *s = rig_accepted(&r, l, 3);

	(void)state;
	edges_of(s);
	rig_deliver(&r, 3, 10);
	assert_true(rig_notify(&r, 0, 0, 3));
	rig_deliver(&r, 3, 5);
	rig_event(&r, 3, ABI_EV_RX_FIN, 0);
	assert_false(rig_notify(&r, 0, 0, 3)); /* coalesced */
	assert_int_equal(tas_ctx_poll(r.c), 1);
	assert_int_equal(edges_of(s), TAS_EV_IN | TAS_EV_RDHUP);
	assert_int_equal(tas_rx_bytes(s), 15);
	assert_int_equal(tas_ready(s) & (TAS_EV_IN | TAS_EV_RDHUP | TAS_EV_HUP), TAS_EV_IN | TAS_EV_RDHUP);
}

static void the_ring_wraps(void **state)
{
	struct tas_sock *s[40];

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		s[i] = rig_accepted(&r, l, i);
	for (unsigned round = 0; round < 3 * RIG_FLOWS / 40; round++) {
		r.nr_events = 0;
		for (uint32_t i = 0; i < 40; i++) {
			rig_deliver(&r, i, 1);
			assert_true(rig_notify(&r, 0, 1, i));
		}
		assert_int_equal(tas_ctx_poll(r.c), 40); /* more than a batch */
		assert_int_equal(r.nr_events, 40);
		for (uint32_t i = 0; i < 40; i++)
			assert_ptr_equal(r.event[i].s, s[i]);
	}
}

static void a_late_notification_of_a_closed_flow_is_ignored(void **state)
{
	struct tas_sock *s = rig_accepted(&r, l, 3), *again;

	(void)state;
	edges_of(s);
	rig_deliver(&r, 3, 10);
	rig_notify(&r, 0, 0, 3);
	tas_close(r.c, s, false);
	/* tasd has not seen the close: the record still says that the flow was accepted by this listener */
	assert_int_equal(tas_ctx_poll(r.c), 1);
	assert_int_equal(r.nr_events, 0);
	assert_int_equal(tas_accept(r.c, l, &again), -EAGAIN);
}

static void a_record_that_is_used_again_is_another_flow(void **state)
{
	struct tas_sock *s = rig_accepted(&r, l, 3), *again;

	(void)state;
	tas_close(r.c, s, false);
	rig_incoming(&r, 3, 2);
	assert_int_equal(tas_accept(r.c, l, &again), 0);
	assert_ptr_not_equal(again, s);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EBADF);
	assert_int_equal(tas_send(r.c, again, "x", 1, 0), 1);
}

static void another_generation_does_not_touch_the_socket(void **state)
{
	struct tas_sock *s = rig_accepted(&r, l, 3);

	(void)state;
	edges_of(s);
	rig_deliver(&r, 3, 10);
	rig_event(&r, 3, ABI_EV_RESET, ECONNRESET);
	atomic_store(&rig_rec(&r, 3)->gen, 9);
	rig_notify(&r, 0, 0, 3);
	tas_ctx_poll(r.c);
	assert_int_equal(r.nr_events, 0);
}

static void records_that_are_none_are_ignored(void **state)
{
	(void)state;
	rig_notify(&r, 0, 0, 7); /* a free record */
	r.ctx[0].notify[0]->slot[r.ctx[0].pushed[0] % RIG_FLOWS] = 0x7fffffff;
	atomic_store(&r.ctx[0].notify[0]->produced, ++r.ctx[0].pushed[0]);
	assert_int_equal(tas_ctx_poll(r.c), 2);
	assert_int_equal(r.nr_events, 0);
}

static void the_end_of_a_connection_is_every_edge_and_told_once(void **state)
{
	struct tas_sock *s = rig_accepted(&r, l, 3);

	(void)state;
	edges_of(s);
	rig_event(&r, 3, ABI_EV_RESET, ECONNRESET);
	rig_notify(&r, 0, 0, 3);
	tas_ctx_poll(r.c);
	assert_int_equal(edges_of(s), TAS_EV_IN | TAS_EV_OUT | TAS_EV_ERR | TAS_EV_HUP | TAS_EV_RDHUP);
	rig_notify(&r, 0, 0, 3);
	tas_ctx_poll(r.c);
	assert_int_equal(edges_of(s), 0);
	assert_int_equal(tas_error(s), ECONNRESET);
	assert_int_equal(tas_error(s), 0);
	assert_int_equal(tas_ready(s), TAS_EV_IN | TAS_EV_OUT | TAS_EV_HUP | TAS_EV_RDHUP | TAS_EV_CONNECTED);
}

/* tasd forgets the wish when it notifies. If more was sent meanwhile, the wish stands. */
static void a_wish_for_space_survives_a_notification_without_space(void **state)
{
	static char big[RIG_RING];
	struct tas_sock *s = rig_accepted(&r, l, 3);
	struct abi_bell b;

	(void)state;
	tas_send(r.c, s, big, sizeof(big), 0);
	assert_false(tas_want_out(r.c, s));
	rig_bells_drop(&r, 0, 0);
	edges_of(s);
	rig_deliver(&r, 3, 1);
	rig_notify(&r, 0, 0, 3);
	tas_ctx_poll(r.c);
	assert_int_equal(edges_of(s), TAS_EV_IN);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_WANT_SPACE);
	atomic_store(&rig_rec(&r, 3)->tx_una, RIG_RING / 4);
	rig_notify(&r, 0, 0, 3);
	tas_ctx_poll(r.c);
	assert_int_equal(edges_of(s), TAS_EV_OUT);
	assert_true(tas_want_out(r.c, s));
}

static void a_ring_that_another_thread_drains_is_left_to_it(void **state)
{
	struct tas_sock *s = rig_accepted(&r, l, 3);

	(void)state;
	edges_of(s);
	rig_deliver(&r, 3, 1);
	rig_notify(&r, 0, 0, 3);
	lib_lock_enter(&r.t->os, &r.c->rings->drain_lock);
	assert_int_equal(tas_ctx_poll(r.c), 0);
	lib_lock_leave(&r.t->os, &r.c->rings->drain_lock);
	assert_int_equal(tas_ctx_poll(r.c), 1);
	assert_int_equal(edges_of(s), TAS_EV_IN);
}

/* --- tasd on another thread --- */

enum { FLOWS = 64, BURSTS = 50000, PATIENCE = 100000000 };

static _Atomic uint64_t told[FLOWS];
static _Atomic unsigned lost;

static void note(struct tas_sock *s, void *user, uint32_t edges)
{
	(void)edges;
	atomic_store((_Atomic uint64_t *)user, atomic_load(&s->rec->rx_end));
}

/* A notification without news, and news while it is just being consumed: then the record is in the
 * reader's cache as it was, and `consumed` on its way. The library must tell the news, for nothing more
 * comes. */
static void *tasd_runs(void *arg)
{
	struct tas_rand rand;
	uint64_t end;

	(void)arg;
	rand_seed(&rand, 3);
	for (int i = 0; i < BURSTS && lost == 0; i++) {
		uint32_t rec = rand_below(&rand, FLOWS), ring = rand_below(&rand, 3);

		rig_notify(&r, 0, ring, rec);
		for (uint32_t pause = rand_below(&rand, 400); pause > 0; pause--)
			__asm__ volatile("");
		end = rig_rec(&r, rec)->rx_end + 1;
		atomic_store_explicit(&rig_rec(&r, rec)->rx_end, end, memory_order_relaxed);
		rig_notify(&r, 0, ring, rec);
		for (uint32_t patience = 0; told[rec] != end && lost == 0; rig_spin(patience++))
			lost += patience == PATIENCE;
	}
	return NULL;
}

/* Fences A and B: whatever tasd stored last, the library tells of it. */
static void the_last_position_of_every_flow_is_told(void **state)
{
	pthread_t thread;

	(void)state;
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct tas_sock *s = rig_accepted(&r, l, i);

		tas_sock_set_user(s, (void *)&told[i]);
	}
	r.t->on_event = note;
	pthread_create(&thread, NULL, tasd_runs, NULL);
	while (pthread_tryjoin_np(thread, NULL) != 0)
		for (int i = 0; i < 1000; i++)
			tas_ctx_poll(r.c);
	assert_int_equal(lost, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_are_an_edge_each_time_they_come),
		TEST(a_connection_of_a_listener_without_nagle_keeps_that_when_it_sends),
		TEST(a_notification_without_news_is_no_edge),
		TEST(what_happens_while_one_is_pending_comes_with_it),
		TEST(the_ring_wraps),
		TEST(a_late_notification_of_a_closed_flow_is_ignored),
		TEST(a_record_that_is_used_again_is_another_flow),
		TEST(another_generation_does_not_touch_the_socket),
		TEST(records_that_are_none_are_ignored),
		TEST(the_end_of_a_connection_is_every_edge_and_told_once),
		TEST(a_wish_for_space_survives_a_notification_without_space),
		TEST(a_ring_that_another_thread_drains_is_left_to_it),
		TEST(the_last_position_of_every_flow_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
