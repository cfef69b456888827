/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_open.c - active opens, from the request to the first byte; routes and snapshots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "libtas/lib_int.h"
#include "tests/unit/lib_rig.h"

static struct rig r;
static const struct ctl_options options = { .tx_size = 8192, .congestion = "cubic" };
static const struct tas_connect_opt opt = { .remote_port = 6379,
	.flags = TAS_OPEN_NODELAY,
	.options = &options };

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
	const struct ctl_connect *asked = &r.last[CTL_CONNECT].connect;
	struct tas_sock *s;
	uint16_t port;

	(void)state;
	assert_int_equal(tas_connect(r.c, &opt, &s), 0);
	assert_int_equal(asked->remote_port, 6379);
	assert_int_equal(asked->context, 0);
	assert_int_equal(asked->flags, CTL_LISTEN_NODELAY);
	assert_memory_equal(&asked->options, &options, sizeof(options));
	tas_sock_addrs(s, NULL, NULL, NULL, &port);
	assert_int_equal(port, 6379);
}

static void until_it_completes_nothing_moves(void **state)
{
	struct tas_sock *s;

	(void)state;
	tas_connect(r.c, &opt, &s);
	assert_int_equal(tas_ready(s), 0);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EAGAIN);
	assert_int_equal(tas_recv(r.c, s, &(char){ 0 }, 1, 0), -EAGAIN);
	assert_int_equal(tas_shutdown(r.c, s, TAS_SHUT_WR), -ENOTCONN);
	assert_false(tas_want_out(r.c, s));
	assert_int_equal(rig_bells_drop(&r, 0, 0), 0);
}

static void when_it_completes_it_can_be_written(void **state)
{
	struct tas_sock *s;
	struct abi_bell b;

	(void)state;
	tas_connect(r.c, &opt, &s);
	rig_event(&r, 100, ABI_EV_CONNECTED, 0);
	rig_notify(&r, 0, 1, 100); /* by the slow path */
	tas_ctx_poll(r.c);
	assert_int_equal(r.nr_events, 1);
	assert_int_equal(r.event[0].edges, TAS_EV_CONNECTED | TAS_EV_OUT);
	assert_int_equal(tas_ready(s), TAS_EV_OUT | TAS_EV_CONNECTED);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_OPTIONS | ABI_BELL_NODELAY);
}

/* Line 1 of the record is set before the first notification, not before the answer. */
static void rings_may_be_named_as_late_as_the_handshake_ends(void **state)
{
	struct abi_flow_rec *f;
	struct tas_sock *s;
	uint32_t size;

	(void)state;
	tas_connect(r.c, &opt, &s);
	f = rig_rec(&r, 100);
	size = f->rx_size;
	f->rx_size = f->tx_size = 0;
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EAGAIN);
	assert_int_equal(tas_recv(r.c, s, &(char){ 0 }, 1, 0), -EAGAIN);
	f->rx_size = f->tx_size = size;
	rig_event(&r, 100, ABI_EV_CONNECTED, 0);
	rig_deliver(&r, 100, 3);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
	assert_int_equal(tas_recv(r.c, s, (char[4]){ 0 }, 4, 0), 3);
}

static void a_refused_one_gives_its_error_once(void **state)
{
	struct tas_sock *s;

	(void)state;
	tas_connect(r.c, &opt, &s);
	rig_event(&r, 100, ABI_EV_RESET, ECONNREFUSED);
	rig_notify(&r, 0, 1, 100);
	tas_ctx_poll(r.c);
	assert_int_equal(tas_ready(s), TAS_EV_IN | TAS_EV_OUT | TAS_EV_ERR | TAS_EV_HUP | TAS_EV_RDHUP);
	assert_int_equal(tas_error(s), ECONNREFUSED);
	assert_int_equal(tas_error(s), 0);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EPIPE);
	tas_close(r.c, s, false);
}

static int answers_late(void *arg, struct ctl_msg *m, int *fds, unsigned max, unsigned *nfds)
{
	struct rig *rig = arg;
	int error = rig_request(arg, m, fds, max, nfds);

	if (m->type != CTL_CONNECT)
		return error;
	/* the connection completes, and a drain finds no socket for it yet */
	rig_event(rig, m->connect.rec, ABI_EV_CONNECTED, 0);
	rig_notify(rig, 0, 1, m->connect.rec);
	tas_ctx_poll(rig->c);
	return error;
}

static void what_happens_before_the_answer_is_seen_after_it(void **state)
{
	struct tas_sock *s;

	(void)state;
	tas_attach(r.t, NULL, 0);
	tas_ctx_poll(r.c);
	r.t->link.request = answers_late;
	assert_int_equal(tas_connect(r.c, &opt, &s), 0);
	assert_int_equal(tas_ctx_poll(r.c), 0);
	assert_int_equal(tas_ready(s), TAS_EV_OUT | TAS_EV_CONNECTED);
}

static void a_refusal_leaves_nothing(void **state)
{
	struct tas_sock *s = NULL;

	(void)state;
	r.refuse[CTL_CONNECT] = ENETUNREACH;
	assert_int_equal(tas_connect(r.c, &opt, &s), -ENETUNREACH);
	assert_null(s);
	assert_int_equal(r.t->nr_fresh, 0);
}

static void a_route_is_tasds_to_know(void **state)
{
	struct net_addr remote = { 0 };
	unsigned len = 0;

	(void)state;
	assert_int_equal(tas_route(r.t, &remote, &len, NULL), 0);
	assert_int_equal(len, 120);
	r.refuse[CTL_ROUTE] = ENETUNREACH;
	assert_int_equal(tas_route(r.t, &remote, &len, NULL), -ENETUNREACH);
	r.mute = r.down = true;
	assert_int_equal(tas_route(r.t, &remote, &len, NULL), -ENOTCONN);
	assert_int_equal(tas_route(r.t, &remote, &len, NULL), -ENOTCONN);
}

static void a_snapshot_is_asked_by_handle(void **state)
{
	struct ctl_info info;
	struct tas_sock *s;

	(void)state;
	tas_connect(r.c, &opt, &s);
	assert_int_equal(tas_info(s, &info), 0);
	assert_int_equal(r.last[CTL_INFO].info.flow, 5100);
	assert_int_equal(r.last[CTL_INFO].info.gen, 1);
	tas_close(r.c, s, false);
	assert_int_equal(tas_info(s, &info), -EBADF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_asked_for_is_what_tasd_gets),
		TEST(until_it_completes_nothing_moves),
		TEST(when_it_completes_it_can_be_written),
		TEST(rings_may_be_named_as_late_as_the_handshake_ends),
		TEST(a_refused_one_gives_its_error_once),
		TEST(what_happens_before_the_answer_is_seen_after_it),
		TEST(a_refusal_leaves_nothing),
		TEST(a_route_is_tasds_to_know),
		TEST(a_snapshot_is_asked_by_handle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
