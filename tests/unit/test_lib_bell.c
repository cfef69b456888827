/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_bell.c - messages to tasd: complete, in order, never waited for long, never lost
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
static struct tas_sock *l, *s;

static int set_up(void **state)
{
	(void)state;
	rig_begin(&r, 2, 4);
	l = rig_listener(&r);
	s = rig_accepted(&r, l, 3);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static void a_message_names_flow_generation_and_both_positions(void **state)
{
	struct abi_bell b;
	char buf[40];

	(void)state;
	rig_deliver(&r, 3, 40);
	assert_int_equal(tas_recv(r.c, s, buf, 25, 0), 25);
	assert_false(rig_bell(&r, 0, 0, &b)); /* not worth a message of its own */
	assert_int_equal(tas_send(r.c, s, "hello", 5, 0), 5);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flow, 5003);
	assert_int_equal(b.gen, 1);
	assert_int_equal(b.rx_read, 25); /* rides along */
	assert_int_equal(b.tx_end, 5);
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_OPTIONS);
	assert_false(rig_bell(&r, 0, 0, &b));
}

static void the_ring_of_the_flows_core_is_used(void **state)
{
	struct abi_bell b;

	(void)state;
	rig_rec(&r, 3)->core = 1;
	tas_send(r.c, s, "x", 1, 0);
	assert_true(rig_bell(&r, 0, 1, &b));
	rig_rec(&r, 3)->core = 77; /* a hint, nothing to rely on */
	tas_send(r.c, s, "x", 1, 0);
	assert_true(rig_bell(&r, 0, 0, &b));
}

static void the_summary_bit_is_set_after_it_was_taken(void **state)
{
	(void)state;
	r.header->core_line[0].bells = 0;
	tas_send(r.c, s, "x", 1, 0);
	assert_int_equal(r.header->core_line[0].bells, 1);
	tas_send(r.c, s, "x", 1, 0);
	assert_int_equal(atomic_exchange(&r.header->core_line[0].bells, 0), 1);
	tas_send(r.c, s, "x", 1, 0);
	assert_int_equal(r.header->core_line[0].bells, 1);
}

static void a_core_asleep_is_woken_once(void **state)
{
	(void)state;
	tas_send(r.c, s, "x", 1, 0);
	assert_int_equal(r.wakes, 0);
	r.header->core_line[0].asleep = 1;
	tas_send(r.c, s, "x", 1, 0);
	assert_int_equal(r.wakes, 1);
	tas_send(r.c, s, "x", 1, 0);
	assert_int_equal(r.wakes, 1);
	assert_int_equal(r.header->core_line[0].asleep, 0);
}

static void the_ring_wraps_in_order(void **state)
{
	struct abi_bell b;

	(void)state;
	for (unsigned i = 1; i <= 3 * ABI_BELL_SLOTS; i++) {
		assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
		assert_true(rig_bell(&r, 0, 0, &b));
		assert_int_equal(b.tx_end, i);
	}
}

static void fill(void)
{
	for (unsigned i = 0; i < ABI_BELL_SLOTS; i++)
		tas_send(r.c, s, "x", 1, 0);
}

/* What tasd finds: it would take it when it next looks at this core's line. */
static void kept_is(uint32_t flags, uint64_t tx_end)
{
	assert_int_equal(rig_rec(&r, 3)->kept, flags);
	assert_int_equal(rig_rec(&r, 3)->tx_end, tx_end);
	assert_int_equal(r.header->kept[0], 1);
	assert_int_equal(r.header->core_line[0].bells, 1);
	assert_int_not_equal(r.header->core_line[0].kept, r.header->core_line[0].kept_taken);
}

static void a_message_for_a_full_ring_is_kept_in_the_record(void **state)
{
	(void)state;
	fill();
	r.header->core_line[0].bells = 0;
	assert_int_equal(tas_send(r.c, s, "yz", 2, 0), 2); /* the bytes are accepted all the same */
	kept_is(ABI_BELL_POSITIONS | ABI_BELL_OPTIONS, ABI_BELL_SLOTS + 2);
	assert_int_equal(tas_shutdown(r.c, s, TAS_SHUT_WR), 0);
	kept_is(ABI_BELL_POSITIONS | ABI_BELL_OPTIONS | ABI_BELL_SHUT_WR, ABI_BELL_SLOTS + 2);
	assert_int_equal(r.header->core_line[0].kept, 2);
	assert_int_equal(rig_bells_drop(&r, 0, 0), ABI_BELL_SLOTS);
}

static void a_core_asleep_is_woken_for_what_is_kept(void **state)
{
	(void)state;
	fill();
	r.header->core_line[0].asleep = 1;
	tas_send(r.c, s, "x", 1, 0);
	assert_int_equal(r.wakes, 1);
}

/* Of the options the later ones hold; what else was kept is said with them. */
static void what_was_kept_goes_out_with_the_next_message(void **state)
{
	struct abi_bell b;

	(void)state;
	fill();
	tas_send(r.c, s, "y", 1, TAS_MORE);
	tas_shutdown(r.c, s, TAS_SHUT_WR);
	rig_bells_drop(&r, 0, 0);
	tas_set_nodelay(r.c, s, true);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags,
		ABI_BELL_POSITIONS | ABI_BELL_OPTIONS | ABI_BELL_NODELAY | ABI_BELL_SHUT_WR);
	assert_int_equal(b.tx_end, ABI_BELL_SLOTS + 1);
	assert_int_equal(rig_rec(&r, 3)->kept, 0);
	assert_false(rig_bell(&r, 0, 0, &b));
}

static void the_options_kept_are_the_last_ones(void **state)
{
	(void)state;
	fill();
	tas_send(r.c, s, "y", 1, TAS_MORE);
	kept_is(ABI_BELL_POSITIONS | ABI_BELL_OPTIONS | ABI_BELL_MORE, ABI_BELL_SLOTS + 1);
	tas_send(r.c, s, "y", 1, 0);
	kept_is(ABI_BELL_POSITIONS | ABI_BELL_OPTIONS, ABI_BELL_SLOTS + 2);
}

/* Another thread may have said more in the meantime. */
static void a_position_that_is_kept_does_not_go_back(void **state)
{
	(void)state;
	fill();
	rig_rec(&r, 3)->tx_end = ABI_BELL_SLOTS + 100;
	tas_send(r.c, s, "y", 1, 0);
	kept_is(ABI_BELL_POSITIONS | ABI_BELL_OPTIONS, ABI_BELL_SLOTS + 100);
}

static void nothing_is_kept_for_a_flow_that_has_ended(void **state)
{
	(void)state;
	fill();
	rig_rec(&r, 3)->gen = 2;
	tas_close(r.c, s, false);
	assert_int_equal(rig_rec(&r, 3)->kept, 0);
}

static void a_thread_sleeps_on_a_message_that_was_kept(void **state)
{
	(void)state;
	fill();
	tas_send(r.c, s, "y", 1, 0);
	assert_true(tas_ctx_sleep_begin(r.c));
	tas_ctx_sleep_end(r.c);
}

static void a_close_that_is_kept_frees_the_socket_at_once(void **state)
{
	(void)state;
	fill();
	tas_close(r.c, s, true);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EBADF);
	assert_int_equal(r.t->nr_free, 1);
	kept_is(ABI_BELL_POSITIONS | ABI_BELL_CLOSE | ABI_BELL_ABORT, ABI_BELL_SLOTS);
	tas_ctx_poll(r.c);
	assert_int_equal(r.t->nr_free, 1);
}

/* A handler interrupts its own thread inside the ring. */
static void a_handler_inside_leaves_its_message_in_the_record(void **state)
{
	(void)state;
	lib_lock_enter(&r.t->os, &r.c->rings->bell_lock);
	assert_int_equal(tas_send(r.c, s, "abc", 3, 0), 3);
	lib_lock_leave(&r.t->os, &r.c->rings->bell_lock);
	assert_int_equal(rig_bells_drop(&r, 0, 0), 0);
	kept_is(ABI_BELL_POSITIONS | ABI_BELL_OPTIONS, 3);
}

static void options_are_those_of_the_moment_of_sending(void **state)
{
	struct abi_bell b;

	(void)state;
	tas_send(r.c, s, "x", 1, TAS_MORE);
	rig_bell(&r, 0, 0, &b);
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_OPTIONS | ABI_BELL_MORE);
	tas_set_nodelay(r.c, s, true);
	rig_bell(&r, 0, 0, &b);
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_OPTIONS | ABI_BELL_NODELAY);
	tas_set_cork(r.c, s, true);
	rig_bells_drop(&r, 0, 0);
	tas_send(r.c, s, "x", 1, 0);
	rig_bell(&r, 0, 0, &b);
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_OPTIONS | ABI_BELL_NODELAY | ABI_BELL_MORE);
	tas_set_cork(r.c, s, false);
	rig_bell(&r, 0, 0, &b);
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_OPTIONS | ABI_BELL_NODELAY);
}

static void another_context_is_named_in_the_record(void **state)
{
	struct tas_ctx *other = tas_ctx_new(r.t);

	(void)state;
	tas_ctx_poll(other);
	tas_sock_notify(other, s);
	assert_int_equal(rig_rec(&r, 3)->context, 1);
	tas_sock_notify(r.c, s);
	assert_int_equal(rig_rec(&r, 3)->context, 0);
	assert_int_equal(rig_bells_drop(&r, 0, 0) + rig_bells_drop(&r, 1, 0), 0);
	tas_ctx_free(other);
}

/* What was told to another's rings may never be read there. */
static void whoever_wants_notifications_sees_what_was_told_elsewhere(void **state)
{
	struct tas_ctx *other = tas_ctx_new(r.t);

	(void)state;
	rig_deliver(&r, 3, 10);
	rig_notify(&r, 0, 0, 3);
	r.nr_events = 0;
	tas_sock_notify(other, s);
	assert_int_equal(r.nr_events, 1);
	assert_ptr_equal(r.event[0].s, s);
	assert_int_equal(r.event[0].edges, TAS_EV_IN);
	tas_sock_notify(other, s);
	assert_int_equal(r.nr_events, 1);
	tas_ctx_free(other);
}

/* --- a core on another thread --- */

enum { MESSAGES = 300000, PATIENCE = 100000000 };

static _Atomic uint64_t taken; /* tx_end as the core knows it */
static _Atomic bool stop;

/* Looks at the summary bit alone. */
static void *core_runs(void *arg)
{
	struct abi_bell b;

	(void)arg;
	for (uint32_t idle = 0; !stop; rig_spin(idle++)) {
		if (atomic_load_explicit(&r.header->core_line[0].bells, memory_order_relaxed) == 0)
			continue;
		atomic_exchange(&r.header->core_line[0].bells, 0);
		while (rig_bell(&r, 0, 0, &b)) {
			atomic_store_explicit(&rig_rec(&r, 3)->tx_una, b.tx_end, memory_order_relaxed);
			atomic_store(&taken, b.tx_end);
		}
	}
	return NULL;
}

/* The fence between message and bit: a bit that is still set is seen after the message. */
static void no_message_lies_in_a_ring_without_its_bit(void **state)
{
	struct tas_rand rand;
	pthread_t thread;
	uint32_t patience = 0;

	(void)state;
	rand_seed(&rand, 4);
	taken = stop = 0;
	pthread_create(&thread, NULL, core_runs, NULL);
	for (int i = 0; i < MESSAGES && patience < PATIENCE; i++) {
		tas_send(r.c, s, "x", 1, 0);
		for (uint32_t pause = rand_below(&rand, 100); pause > 0; pause--)
			__asm__ volatile("");
		if (rand_below(&rand, 4) == 0)
			for (patience = 0; taken != s->tx_end && patience < PATIENCE; rig_spin(patience++))
				;
	}
	stop = true;
	pthread_join(thread, NULL);
	assert_true(patience < PATIENCE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_message_names_flow_generation_and_both_positions),
		TEST(the_ring_of_the_flows_core_is_used),
		TEST(the_summary_bit_is_set_after_it_was_taken),
		TEST(a_core_asleep_is_woken_once),
		TEST(the_ring_wraps_in_order),
		TEST(a_message_for_a_full_ring_is_kept_in_the_record),
		TEST(a_core_asleep_is_woken_for_what_is_kept),
		TEST(what_was_kept_goes_out_with_the_next_message),
		TEST(the_options_kept_are_the_last_ones),
		TEST(a_position_that_is_kept_does_not_go_back),
		TEST(nothing_is_kept_for_a_flow_that_has_ended),
		TEST(a_thread_sleeps_on_a_message_that_was_kept),
		TEST(a_close_that_is_kept_frees_the_socket_at_once),
		TEST(a_handler_inside_leaves_its_message_in_the_record),
		TEST(options_are_those_of_the_moment_of_sending),
		TEST(another_context_is_named_in_the_record),
		TEST(whoever_wants_notifications_sees_what_was_told_elsewhere),
		TEST(no_message_lies_in_a_ring_without_its_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
