/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_sock.c - sockets: what poll would say, and that an end is an end for everybody. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "libtas/lib_int.h"
#include "tests/unit/lib_rig.h"

static struct rig r;
static struct tas_sock *l, *s;

static int set_up(void **state)
{
	(void)state;
	rig_begin(&r, 1, 3);
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

/* --- ready --- */

/* LAST_ACK, as Linux has it: the connection is there until its FIN is acknowledged. */
static void it_is_over_when_both_fins_are_acknowledged(void **state)
{
	(void)state;
	assert_false(tas_sock_over(s));
	assert_int_equal(tas_shutdown(r.c, s, TAS_SHUT_RD | TAS_SHUT_WR), 0);
	assert_true(tas_ready(s) & TAS_EV_HUP);
	assert_false(tas_sock_over(s));
	rig_event(&r, 3, ABI_EV_RX_FIN, 0);
	assert_false(tas_sock_over(s));
	rig_event(&r, 3, ABI_EV_TX_DONE, 0);
	assert_true(tas_sock_over(s));
}

static void a_reset_ends_it_at_once(void **state)
{
	(void)state;
	rig_event(&r, 3, ABI_EV_RESET, ECONNRESET);
	assert_true(tas_sock_over(s));
	assert_int_equal(tas_error(s), ECONNRESET); /* to ask takes nothing away */
}

static void an_idle_connection_can_be_written(void **state)
{
	(void)state;
	assert_int_equal(tas_ready(s), TAS_EV_OUT | TAS_EV_CONNECTED);
}

static void it_can_be_written_while_a_quarter_is_free(void **state)
{
	static char big[RIG_RING];

	(void)state;
	tas_send(r.c, s, big, RIG_RING - RIG_RING / 4, 0);
	assert_int_equal(tas_ready(s) & TAS_EV_OUT, TAS_EV_OUT);
	tas_send(r.c, s, big, 1, 0);
	assert_int_equal(tas_ready(s) & TAS_EV_OUT, 0);
	atomic_store(&rig_rec(&r, 3)->tx_una, 1);
	assert_int_equal(tas_ready(s) & TAS_EV_OUT, TAS_EV_OUT);
}

static void half_closed_each_way(void **state)
{
	(void)state;
	rig_event(&r, 3, ABI_EV_RX_FIN, 0);
	assert_int_equal(tas_ready(s), TAS_EV_IN | TAS_EV_RDHUP | TAS_EV_OUT | TAS_EV_CONNECTED);
	tas_shutdown(r.c, s, TAS_SHUT_WR);
	assert_int_equal(tas_ready(s), TAS_EV_IN | TAS_EV_RDHUP | TAS_EV_OUT | TAS_EV_HUP | TAS_EV_CONNECTED);
	rig_event(&r, 3, ABI_EV_TX_DONE, 0);
	assert_int_equal(tas_ready(s) & TAS_EV_TX_DONE, TAS_EV_TX_DONE);
}

static void shut_for_writing_is_no_hang_up(void **state)
{
	(void)state;
	tas_shutdown(r.c, s, TAS_SHUT_WR);
	assert_int_equal(tas_ready(s), TAS_EV_OUT | TAS_EV_CONNECTED);
	assert_int_equal(tas_shutdown(r.c, s, TAS_SHUT_RD), 0);
	assert_int_equal(tas_ready(s) & (TAS_EV_HUP | TAS_EV_RDHUP), TAS_EV_HUP | TAS_EV_RDHUP);
}

static void the_wish_for_space_is_told_to_tasd_once(void **state)
{
	static char big[RIG_RING];
	struct abi_bell b;

	(void)state;
	assert_true(tas_want_out(r.c, s));
	tas_send(r.c, s, big, RIG_RING, 0);
	rig_bells_drop(&r, 0, 0);
	assert_false(tas_want_out(r.c, s));
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags & ABI_BELL_WANT_SPACE, ABI_BELL_WANT_SPACE);
	assert_false(tas_want_out(r.c, s));
	assert_false(rig_bell(&r, 0, 0, &b));
}

/* --- the end --- */

static void a_close_is_told_with_the_positions(void **state)
{
	struct abi_bell b;

	(void)state;
	rig_deliver(&r, 3, 10);
	tas_recv(r.c, s, (char[10]){ 0 }, 4, 0);
	tas_close(r.c, s, false);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_CLOSE);
	assert_int_equal(b.rx_read, 4); /* 6 are unread: tasd answers with RST, as Linux does */
	tas_close(r.c, s, false);
	assert_false(rig_bell(&r, 0, 0, &b));
}

static void every_call_on_a_closed_socket_is_refused(void **state)
{
	struct tas_span span[2];
	struct tas_sock *none;

	(void)state;
	tas_close(r.c, s, true);
	assert_int_equal(tas_recv(r.c, s, &(char){ 0 }, 1, 0), -EBADF);
	assert_int_equal(tas_recv(r.c, s, NULL, 0, 0), -EBADF);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EBADF);
	assert_int_equal(tas_rx_begin(r.c, s, 0, span), -EBADF);
	assert_int_equal(tas_tx_begin(r.c, s, span), -EBADF);
	assert_int_equal(tas_shutdown(r.c, s, TAS_SHUT_WR), -EBADF);
	assert_int_equal(tas_accept(r.c, s, &none), -EBADF);
	assert_int_equal(tas_rx_bytes(s) + tas_tx_bytes(s), 0);
	assert_int_equal(tas_sock_rx_size(s) + tas_sock_tx_size(s), 0);
	assert_int_equal(tas_ready(s), TAS_EV_IN | TAS_EV_OUT | TAS_EV_ERR | TAS_EV_HUP);
	tas_set_nodelay(r.c, s, true);
	tas_sock_notify(r.c, s);
	assert_true(tas_want_out(r.c, s));
}

static void a_closed_socket_rests_before_it_is_used_again(void **state)
{
	struct tas_sock *first = s;

	(void)state;
	tas_close(r.c, s, false);
	for (uint32_t i = 0; i < SOCK_REST; i++) {
		rig_incoming(&r, 4, i + 1);
		assert_int_equal(tas_accept(r.c, l, &s), 0);
		assert_ptr_not_equal(s, first);
		tas_close(r.c, s, false);
		rig_bells_drop(&r, 0, 0);
	}
	rig_incoming(&r, 5, 1);
	assert_int_equal(tas_accept(r.c, l, &s), 0);
	assert_ptr_equal(s, first);
	assert_int_equal(tas_sock_user(s) == NULL, 1);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
}

/* A handler closes the socket that its own thread is reading: the read goes on, its end ends the socket. */
static void a_close_by_a_handler_inside_happens_when_the_call_ends(void **state)
{
	struct tas_span span[2];
	struct abi_bell b;

	(void)state;
	rig_deliver(&r, 3, 10);
	assert_int_equal(tas_rx_begin(r.c, s, 0, span), 10);
	tas_close(r.c, s, true);
	assert_false(rig_bell(&r, 0, 0, &b));
	assert_int_equal(r.t->nr_free, 0);
	tas_rx_end(r.c, s, 10);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_CLOSE | ABI_BELL_ABORT);
	assert_int_equal(b.rx_read, 10);
	assert_int_equal(r.t->nr_free, 1);
}

static void freed_by_a_handler_inside_the_pool(void **state)
{
	(void)state;
	lib_lock_enter(&r.t->os, &r.t->pool_lock);
	tas_close(r.c, s, false);
	assert_ptr_equal(r.t->freed_aside, s);
	lib_lock_leave(&r.t->os, &r.t->pool_lock);
	s = rig_accepted(&r, l, 7);
	assert_null(r.t->freed_aside);
	assert_int_equal(r.t->nr_free, 1);
}

/* --- threads --- */

static _Atomic int step;

static void takes_its_time(struct tas_sock *of, void *user, uint32_t edges)
{
	(void)of;
	(void)user;
	(void)edges;
	step = 1;
	usleep(30000);
	step = 2;
}

static void *drains(void *arg)
{
	tas_ctx_poll(arg);
	return NULL;
}

static void after_close_nobody_is_told_any_more(void **state)
{
	pthread_t thread;

	(void)state;
	step = 0;
	r.t->on_event = takes_its_time;
	rig_deliver(&r, 3, 1);
	rig_notify(&r, 0, 0, 3);
	pthread_create(&thread, NULL, drains, r.c);
	while (step == 0)
		sched_yield();
	tas_close(r.c, s, false);
	assert_int_equal(step, 2);
	pthread_join(thread, NULL);
}

static void *fills_slowly(void *arg)
{
	struct tas_ctx *c = tas_ctx_self(r.t);
	struct tas_span span[2];

	(void)arg;
	tas_tx_begin(c, s, span);
	step = 1;
	usleep(30000);
	memset(span[0].data, 'z', 10);
	tas_tx_end(c, s, 10, 0);
	step = 2;
	return NULL;
}

static void close_waits_for_who_is_inside(void **state)
{
	struct abi_bell b;
	pthread_t thread;

	(void)state;
	step = 0;
	pthread_create(&thread, NULL, fills_slowly, NULL);
	while (step == 0)
		sched_yield();
	tas_close(r.c, s, false);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.tx_end, 10);
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_CLOSE);
	pthread_join(thread, NULL);
	assert_int_equal(step, 2);
}

static _Atomic bool stop;
static _Atomic(struct tas_sock *) current;
static _Atomic uint32_t turns[2];

static void *reads_and_writes(void *arg)
{
	struct tas_ctx *c = tas_ctx_self(r.t);
	_Atomic uint32_t *turn = arg;
	char buf[64];

	for (; !stop; (*turn)++) {
		struct tas_sock *of = atomic_load(&current);
		ssize_t n = tas_recv(c, of, buf, sizeof(buf), 0);

		if (n > 0)
			tas_send(c, of, buf, (size_t)n, 0);
		tas_ctx_poll(c);
	}
	return NULL;
}

static void take_bells(void)
{
	for (uint32_t i = 0; i < r.nctx; i++)
		rig_bells_drop(&r, i, 0);
}

/* Every other thread has done with the pointers that it took before: only so long does a closed socket
 * rest. */
static void others_turn(void)
{
	for (int i = 0; i < 2; i++)
		for (uint32_t at = turns[i]; turns[i] - at < 2;)
			sched_yield();
}

/* Whoever is inside gets out unharmed; whoever comes later is refused. */
static void a_socket_is_closed_under_other_threads(void **state)
{
	pthread_t thread[2];

	(void)state;
	r.t->on_event = NULL;
	atomic_store(&current, s);
	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, reads_and_writes, &turns[i]);
	for (uint32_t i = 0; i < 3000; i++) {
		rig_deliver(&r, 3 + i % 500, 100);
		rig_notify(&r, 0, 0, 3 + i % 500);
		tas_close(r.c, s, i % 2);
		take_bells();
		rig_incoming(&r, 3 + (i + 1) % 500, i + 2);
		while (tas_accept(r.c, l, &s) != 0)
			;
		atomic_store(&current, s);
		if (i % 8 == 0)
			usleep(50);
		if (i % (SOCK_REST / 2) == 0)
			others_turn();
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	tas_close(r.c, s, false);
	assert_int_equal(r.t->att->refs, 2); /* the instance and our context */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_idle_connection_can_be_written),
		TEST(it_can_be_written_while_a_quarter_is_free),
		TEST(half_closed_each_way),
		TEST(it_is_over_when_both_fins_are_acknowledged),
		TEST(a_reset_ends_it_at_once),
		TEST(shut_for_writing_is_no_hang_up),
		TEST(the_wish_for_space_is_told_to_tasd_once),
		TEST(a_close_is_told_with_the_positions),
		TEST(every_call_on_a_closed_socket_is_refused),
		TEST(a_closed_socket_rests_before_it_is_used_again),
		TEST(a_close_by_a_handler_inside_happens_when_the_call_ends),
		TEST(freed_by_a_handler_inside_the_pool),
		TEST(after_close_nobody_is_told_any_more),
		TEST(close_waits_for_who_is_inside),
		TEST(a_socket_is_closed_under_other_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
