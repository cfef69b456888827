/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_listen.c - listeners: what tasd is asked, and connections in the order they came, each
 * accepted once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "libtas/lib_int.h"
#include "tests/unit/lib_rig.h"

static struct rig r;

static int set_up(void **state)
{
	(void)state;
	rig_begin(&r, 1, 3);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static void what_is_asked_for_is_what_tasd_gets(void **state)
{
	const struct ctl_options options = { .rx_size = 1 << 20, .congestion = "cubic" };
	const struct tas_listen_opt opt = { .addr = addr_v4(htobe32(0x0a000001)),
		.port = 6379,
		.backlog = -5,
		.flags = TAS_OPEN_NODELAY,
		.options = &options };
	const struct ctl_listen *asked = &r.last[CTL_LISTEN].listen;
	struct tas_sock *l;
	struct net_addr local;
	uint16_t port;

	(void)state;
	assert_int_equal(tas_listen(r.c, &opt, &l), 0);
	assert_true(addr_eq(asked->addr, opt.addr));
	assert_int_equal(asked->port, 6379);
	assert_int_equal(asked->backlog, UINT32_MAX); /* tasd caps it, as Linux does */
	assert_int_equal(asked->flags, CTL_LISTEN_NODELAY);
	assert_memory_equal(&asked->options, &options, sizeof(options));
	assert_true(asked->cookie != 0 && asked->cookie != ABI_LISTENER_NONE);
	tas_sock_addrs(l, &local, &port, NULL, NULL);
	assert_true(addr_eq(local, opt.addr) && port == 6379);
	assert_true(tas_sock_is_listener(l));
	assert_int_equal(tas_listen_backlog(l, 7), 0);
	assert_int_equal(asked->backlog, 7);
	assert_int_equal(asked->cookie, r.last[CTL_LISTEN].listen.cookie);
}

static void a_refusal_leaves_nothing(void **state)
{
	const struct tas_listen_opt opt = { .port = 80 };
	struct tas_sock *l;

	(void)state;
	r.refuse[CTL_LISTEN] = EADDRINUSE;
	assert_int_equal(tas_listen(r.c, &opt, &l), -EADDRINUSE);
	assert_null(r.t->listeners);
	assert_int_equal(r.t->nr_free, 1);
}

static void connections_are_accepted_in_order_and_once(void **state)
{
	struct tas_sock *l = rig_listener(&r), *s;
	uint16_t port;

	(void)state;
	assert_int_equal(tas_accept(r.c, l, &s), -EAGAIN);
	for (uint32_t i = 0; i < 5; i++)
		rig_incoming(&r, i, 1);
	for (uint32_t i = 0; i < 7; i++) {
		if (i == 2) {
			rig_incoming(&r, 5, 1); /* later ones come behind */
			rig_incoming(&r, 6, 1);
			tas_ctx_poll(r.c);
		}
		assert_int_equal(tas_accept(r.c, l, &s), 0);
		tas_sock_addrs(s, NULL, NULL, NULL, &port);
		assert_int_equal(port, 40000 + i);
	}
	assert_int_equal(tas_accept(r.c, l, &s), -EAGAIN);
	assert_int_equal(l->listener->queued, 0);
}

static void tasd_hears_of_each_that_was_accepted(void **state)
{
	struct tas_sock *l = rig_listener(&r), *s;
	struct abi_bell b;

	(void)state;
	rig_incoming(&r, 3, 4);
	assert_int_equal(tas_accept(r.c, l, &s), 0);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flow, 5003);
	assert_int_equal(b.gen, 4);
	assert_int_equal(b.flags, ABI_BELL_ACCEPTED);
}

static void the_listener_is_told_and_a_flow_in_its_queue_is_not(void **state)
{
	struct tas_sock *l = rig_listener(&r), *s;

	(void)state;
	tas_sock_set_user(l, &r);
	rig_incoming(&r, 3, 1);
	rig_deliver(&r, 3, 5);
	tas_ctx_poll(r.c);
	rig_deliver(&r, 3, 5);
	rig_notify(&r, 0, 0, 3);
	tas_ctx_poll(r.c);
	assert_int_equal(r.nr_events, 1);
	assert_true(r.event[0].s == l && r.event[0].user == &r && r.event[0].edges == TAS_EV_IN);
	assert_int_equal(tas_ready(l), TAS_EV_IN);
	assert_int_equal(tas_accept(r.c, l, &s), 0);
	assert_int_equal(tas_ready(l), 0);
	assert_int_equal(tas_ready(s), TAS_EV_IN | TAS_EV_OUT | TAS_EV_CONNECTED);
	rig_deliver(&r, 3, 5);
	rig_notify(&r, 0, 0, 3);
	tas_ctx_poll(r.c);
	assert_int_equal(r.nr_events, 2);
	assert_ptr_equal(r.event[1].s, s);
}

static void tasd_is_asked_to_tell_whoever_armed_last(void **state)
{
	struct tas_sock *l = rig_listener(&r);
	struct tas_ctx *other = tas_ctx_new(r.t);

	(void)state;
	assert_int_equal(r.asked[CTL_ARM], 1);
	assert_int_equal(r.last[CTL_ARM].listen.context, 0);
	tas_listen_arm(r.c, l);
	assert_int_equal(r.asked[CTL_ARM], 1);
	tas_listen_arm(other, l);
	assert_int_equal(r.asked[CTL_ARM], 2);
	assert_int_equal(r.last[CTL_ARM].listen.context, 1);
	tas_listen_arm(other, l);
	assert_int_equal(r.asked[CTL_ARM], 2);
	tas_listen_arm(r.c, l);
	assert_int_equal(r.asked[CTL_ARM], 3);
	assert_int_equal(r.last[CTL_ARM].listen.context, 0);
	tas_ctx_free(other);
}

/* A connection told to a thread that is busy, or gone, is found by whoever accepts. */
static void who_accepts_looks_where_others_are_told(void **state)
{
	struct tas_sock *l = rig_listener(&r), *s;
	struct tas_ctx *other = tas_ctx_new(r.t);
	struct abi_bell b;

	(void)state;
	tas_ctx_poll(other);
	rig_incoming(&r, 3, 1); /* told to context 0 */
	assert_int_equal(tas_accept(other, l, &s), 0);
	assert_true(rig_bell(&r, 1, 0, &b));
	assert_int_equal(b.flags, ABI_BELL_ACCEPTED);
	assert_int_equal(rig_rec(&r, 3)->context, 1);
	tas_ctx_free(other);
}

/* The same for whoever asks, and whoever waits, in poll or epoll. */
static void who_asks_looks_where_others_are_told(void **state)
{
	struct tas_sock *l = rig_listener(&r);
	struct tas_ctx *other = tas_ctx_new(r.t);

	(void)state;
	assert_int_equal(tas_listen_arm(r.c, l), 0);
	assert_int_equal(tas_listen_arm(other, l), 0);
	rig_flow(&r, 3, 1, r.last[CTL_LISTEN].listen.cookie);
	rig_event(&r, 3, ABI_EV_ACCEPT, 0);
	rig_notify(&r, 1, 0, 3); /* to a thread that does not come for it */
	tas_ctx_poll(r.c);
	assert_int_equal(tas_ready(l), TAS_EV_IN);
	tas_ctx_free(other);
}

static void who_waits_looks_where_others_were_told(void **state)
{
	struct tas_sock *l = rig_listener(&r);
	struct tas_ctx *other = tas_ctx_new(r.t);

	(void)state;
	assert_int_equal(tas_listen_arm(r.c, l), 0);
	rig_incoming(&r, 3, 1); /* told to context 0 */
	r.nr_events = 0;
	assert_int_equal(tas_listen_arm(other, l), 0);
	assert_int_equal(r.nr_events, 1);
	assert_ptr_equal(r.event[0].s, l);
	assert_int_equal(r.event[0].edges, TAS_EV_IN);
	tas_ctx_free(other);
}

static void a_closed_listener_gives_up_what_nobody_accepted(void **state)
{
	struct tas_sock *l = rig_listener(&r), *s;
	uint32_t cookie = l->listener->cookie;

	(void)state;
	rig_incoming(&r, 3, 1);
	rig_incoming(&r, 4, 1);
	tas_ctx_poll(r.c);
	tas_close(r.c, l, false);
	assert_int_equal(r.last[CTL_UNLISTEN].listen.cookie, cookie);
	assert_int_equal(r.t->nr_free, 3);
	assert_int_equal(r.t->att->refs, 2);
	assert_int_equal(rig_bells_drop(&r, 0, 0), 0); /* they are tasd's to decide about */
	assert_int_equal(tas_accept(r.c, l, &s), -EBADF);
	rig_incoming(&r, 6, 1); /* on its way when the listener closed */
	assert_int_equal(tas_ctx_poll(r.c), 1);
	assert_int_equal(r.t->nr_free, 3);
}

static void a_new_listener_does_not_get_connections_of_an_old_one(void **state)
{
	struct tas_sock *l = rig_listener(&r), *s;
	uint32_t old = l->listener->cookie;

	(void)state;
	tas_close(r.c, l, false);
	for (int i = 0; i < SOCK_REST + 1; i++) {
		l = rig_listener(&r);
		assert_int_not_equal(l->listener->cookie, old);
		rig_flow(&r, 3, 1, old);
		rig_event(&r, 3, ABI_EV_ACCEPT, 0);
		rig_notify(&r, 0, 0, 3);
		assert_int_equal(tas_accept(r.c, l, &s), -EAGAIN);
		tas_close(r.c, l, false);
	}
}

static void calls_that_are_for_flows_say_so(void **state)
{
	struct tas_sock *l = rig_listener(&r), *s = rig_accepted(&r, l, 3);
	struct tas_sock *none;

	(void)state;
	assert_int_equal(tas_recv(r.c, l, &(char){ 0 }, 1, 0), -ENOTCONN);
	assert_int_equal(tas_send(r.c, l, "x", 1, 0), -ENOTCONN);
	assert_int_equal(tas_shutdown(r.c, l, TAS_SHUT_WR), -ENOTCONN);
	assert_int_equal(tas_accept(r.c, s, &none), -EINVAL);
	assert_int_equal(tas_listen_arm(r.c, s), -EINVAL);
	assert_int_equal(tas_listen_backlog(s, 1), -EINVAL);
}

/* --- threads --- */

enum { THREADS = 3, CONNECTIONS = 600 };

static struct tas_sock *shared;
static _Atomic uint32_t accepted[CONNECTIONS];
static _Atomic uint32_t sum;

static void *accepts(void *arg)
{
	struct tas_ctx *c = tas_ctx_self(r.t);
	struct tas_sock *s;
	uint16_t port;

	(void)arg;
	while (sum < CONNECTIONS) {
		if (tas_accept(c, shared, &s) != 0)
			continue;
		tas_sock_addrs(s, NULL, NULL, NULL, &port);
		accepted[port - 40000]++;
		sum++;
	}
	return NULL;
}

static void threads_share_a_queue_and_none_gets_the_same(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	shared = rig_listener(&r);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, accepts, NULL);
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		rig_incoming(&r, i, 1);
		for (uint32_t k = 0; k < r.nctx && i % 64 == 63; k++)
			while (rig_bells_drop(&r, k, 0) > 0)
				;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < CONNECTIONS; i++)
		assert_int_equal(accepted[i], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_asked_for_is_what_tasd_gets),
		TEST(a_refusal_leaves_nothing),
		TEST(connections_are_accepted_in_order_and_once),
		TEST(tasd_hears_of_each_that_was_accepted),
		TEST(the_listener_is_told_and_a_flow_in_its_queue_is_not),
		TEST(tasd_is_asked_to_tell_whoever_armed_last),
		TEST(who_accepts_looks_where_others_are_told),
		TEST(who_asks_looks_where_others_are_told),
		TEST(who_waits_looks_where_others_were_told),
		TEST(a_closed_listener_gives_up_what_nobody_accepted),
		TEST(a_new_listener_does_not_get_connections_of_an_old_one),
		TEST(calls_that_are_for_flows_say_so),
		TEST(threads_share_a_queue_and_none_gets_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
