/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_watch.c - a blocked thread notices that tasd died or came back, and is not woken by anything
 * else. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "libtas/lib_int.h"
#include "libtas/lib_os.h"
#include "tests/unit/lib_server.h"

static struct server v;
static struct tas *t;
static struct tas_ctx *c;

static int set_up(void **state)
{
	struct tas_setup conf = { .socket_path = v.path };

	(void)state;
	server_start(&v);
	if (tas_create(&t, &conf) != 0)
		return -1;
	c = tas_ctx_self(t);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tas_destroy(t);
	server_stop(&v);
	return 0;
}

static bool fires(int timeout_ms)
{
	struct pollfd p = { .fd = tas_ctl_fd(t), .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static struct tas_sock *listener(void)
{
	struct tas_listen_opt opt = { .port = 80, .backlog = 5 };
	struct tas_sock *l = NULL;

	assert_int_equal(tas_listen(c, &opt, &l), 0);
	assert_int_equal(tas_listen_arm(c, l), 0);
	return l;
}

static struct tas_sock *accepted(struct tas_sock *l)
{
	struct tas_sock *s = NULL;

	rig_incoming(&v.rig, 3, 1);
	assert_int_equal(tas_accept(c, l, &s), 0);
	return s;
}

static void never_attached_there_is_nothing_to_watch(void **state)
{
	(void)state;
	assert_int_equal(tas_ctl_fd(t), -1);
}

static void *asks(void *arg)
{
	_Atomic bool *stop = arg;

	while (!*stop)
		tas_route(t, &(struct net_addr){ 0 }, NULL, NULL);
	return NULL;
}

static void answers_to_requests_wake_nobody(void **state)
{
	_Atomic bool stop = false;
	pthread_t thread;

	(void)state;
	tas_attach(t, NULL, 0);
	pthread_create(&thread, NULL, asks, (void *)&stop);
	assert_false(fires(50));
	stop = true;
	pthread_join(thread, NULL);
}

static void death_ends_a_blocked_wait(void **state)
{
	struct tas_sock *s = accepted(listener());

	(void)state;
	assert_true(tas_ctx_sleep_begin(c));
	assert_false(fires(0));
	server_kill(&v);
	assert_true(fires(5000));
	tas_ctx_sleep_end(c);
	tas_ctl_event(t);
	assert_false(tas_attached(t));
	assert_int_equal(tas_error(s), ECONNRESET);
	assert_false(fires(0)); /* until the timer */
	server_return(&v);
}

static void a_listener_that_sleeps_is_there_again_when_tasd_is(void **state)
{
	struct tas_sock *l = listener(), *s;

	(void)state;
	server_kill(&v);
	assert_true(fires(5000));
	tas_ctl_event(t);
	assert_true(fires(3 * TAS_RETRY_MS)); /* still dead */
	tas_ctl_event(t);
	assert_false(tas_attached(t));
	server_return(&v);
	while (!tas_attached(t)) {
		assert_true(fires(3 * TAS_RETRY_MS));
		tas_ctl_event(t);
	}
	assert_int_equal(tas_epoch(t), 2);
	assert_false(fires(2 * TAS_RETRY_MS)); /* the timer is gone, and tasd lives */
	assert_int_equal(t->timer_fd, -1);
	tas_ctx_poll(c);
	s = accepted(l);
	assert_int_equal(tas_send(c, s, "x", 1, 0), 1);
}

static int make_way(int fd) { return tas_fd_replace(t, fd, STDIN_FILENO, O_CLOEXEC) == fd ? close(fd) : -1; }

/* The numbers of both change; the one that is watched stays good. */
static void what_moved_is_still_watched(void **state)
{
	int fd;

	(void)state;
	listener();
	fd = tas_ctl_fd(t);
	assert_int_equal(make_way(t->ctl_fd), 0);
	assert_int_equal(make_way(fd), 0);
	assert_int_not_equal(tas_ctl_fd(t), fd);
	assert_int_equal(tas_route(t, &(struct net_addr){ 0 }, NULL, NULL), 0);
	server_kill(&v);
	assert_true(fires(5000));
	tas_ctl_event(t);
	assert_int_equal(make_way(t->timer_fd), 0);
	assert_true(fires(3 * TAS_RETRY_MS));
	server_return(&v);
}

/* --- threads asleep --- */

static void *sleeps_until_attached_again(void *arg)
{
	struct tas_ctx *mine = tas_ctx_self(t);

	tas_ctx_poll(mine);
	for (bool ready = true; tas_epoch(t) < 2; ready = tas_ctx_sleep_begin(mine)) {
		struct pollfd p[TAS_CTX_FDS];
		int fds[TAS_CTX_FDS];
		unsigned n = tas_ctx_fds(mine, fds);

		if (!ready || mine->depth == 0)
			continue;
		*(_Atomic int *)arg = 1;
		for (unsigned i = 0; i < n; i++)
			p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		assert_int_equal(poll(p, n, 20000), 1); /* though it does not watch tasd itself */
		tas_ctx_sleep_end(mine);
		if (tas_epoch(t) >= 2)
			break;
	}
	return NULL;
}

static void every_sleeper_is_woken_when_tasd_comes_back(void **state)
{
	_Atomic int asleep = 0;
	pthread_t thread;

	(void)state;
	listener();
	pthread_create(&thread, NULL, sleeps_until_attached_again, (void *)&asleep);
	while (asleep == 0)
		sched_yield();
	server_kill(&v);
	server_return(&v);
	while (!tas_attached(t) || tas_epoch(t) < 2) {
		fires(100);
		tas_ctl_event(t);
	}
	pthread_join(thread, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(never_attached_there_is_nothing_to_watch),
		TEST(answers_to_requests_wake_nobody),
		TEST(death_ends_a_blocked_wait),
		TEST(a_listener_that_sleeps_is_there_again_when_tasd_is),
		TEST(what_moved_is_still_watched),
		TEST(every_sleeper_is_woken_when_tasd_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
