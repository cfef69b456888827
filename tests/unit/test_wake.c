/* SPDX-License-Identifier: BSD-3-Clause */
/* test_wake.c - a ring is never lost, and never waits for whoever should hear it. */
#include "slowpath/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { CORES = 2 };

struct rig {
	struct wake w;
	struct fp_wake_ops ops;
	struct app_rim rim;
};

static struct rig *rig_new(void)
{
	static struct rig r;

	assert_int_equal(wake_init(&r.w, CORES), 0);
	wake_fp_ops(&r.w, &r.ops);
	wake_app_rim(&r.w, &r.rim);
	return &r;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void app_writes(int fd)
{
	const uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void a_context_hears_its_ring_and_drains_it_like_an_eventfd(void **state)
{
	struct rig *r = rig_new();
	uint64_t n = 0;
	int app, tasd = r->rim.context_open(r->rim.arg, &app);

	(void)state;
	assert_true(tasd >= 0);
	assert_false(readable(app));
	r->ops.context(r->ops.arg, tasd, false);
	assert_true(readable(app));
	assert_int_equal(read(app, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	assert_false(readable(app));
	r->rim.context_close(r->rim.arg, tasd);
	close(app);
	wake_fini(&r->w);
}

/* Taking O_NONBLOCK away from what they share and filling it would stop tasd at its next ring. */
static void an_application_cannot_make_a_ring_wait(void **state)
{
	struct rig *r = rig_new();
	int app, tasd = r->rim.context_open(r->rim.arg, &app);

	(void)state;
	assert_int_equal(fcntl(app, F_SETFL, 0), 0);
	alarm(10);
	for (int i = 0; i < 1000; i++)
		r->ops.context(r->ops.arg, tasd, false);
	alarm(0);
	assert_true(readable(app));
	r->rim.context_close(r->rim.arg, tasd);
	close(app);
	wake_fini(&r->w);
}

/* What lies there would be closed by tasd, and closing a descriptor may wait. */
static void an_application_cannot_send_to_tasd_by_it(void **state)
{
	struct rig *r = rig_new();
	int app, tasd = r->rim.context_open(r->rim.arg, &app);

	(void)state;
	assert_int_equal(send(app, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(shutdown(app, SHUT_RDWR), 0);
	r->ops.context(r->ops.arg, tasd, false);
	r->rim.context_close(r->rim.arg, tasd);
	close(app);
	wake_fini(&r->w);
}

/* It would run, for as long as it is, at each ring. */
static void an_application_cannot_attach_a_filter_to_it(void **state)
{
	struct rig *r = rig_new();
	struct sock_filter pass = { .code = BPF_RET | BPF_K, .k = UINT32_MAX };
	struct sock_fprog filter = { .len = 1, .filter = &pass };
	int app, tasd = r->rim.context_open(r->rim.arg, &app);

	(void)state;
	assert_int_equal(setsockopt(app, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)), -1);
	assert_int_equal(errno, EPERM);
	r->rim.context_close(r->rim.arg, tasd);
	close(app);
	wake_fini(&r->w);
}

/* Each of many places where the application waits for it costs whoever rings. */
static void a_ring_tells_how_long_it_took(void **state)
{
	struct rig *r = rig_new();
	int sets[200], app, tasd = r->rim.context_open(r->rim.arg, &app);
	struct epoll_event in = { .events = EPOLLIN };
	uint32_t alone = UINT32_MAX, many = UINT32_MAX;
	uint64_t n;

	(void)state;
	for (int i = 0; i < 50; i++) {
		alone = min_u32(alone, r->ops.context(r->ops.arg, tasd, true));
		assert_int_equal(read(app, &n, sizeof(n)), sizeof(n));
	}
	for (unsigned i = 0; i < ARRAY_LEN(sets); i++) {
		sets[i] = epoll_create1(0);
		assert_int_equal(epoll_ctl(sets[i], EPOLL_CTL_ADD, app, &in), 0);
	}
	for (int i = 0; i < 50; i++) {
		many = min_u32(many, r->ops.context(r->ops.arg, tasd, true));
		assert_int_equal(read(app, &n, sizeof(n)), sizeof(n));
	}
	assert_true(alone > 0 && many > 2 * alone);
	for (unsigned i = 0; i < ARRAY_LEN(sets); i++)
		close(sets[i]);
	r->rim.context_close(r->rim.arg, tasd);
	close(app);
	wake_fini(&r->w);
}

static void ringing_a_context_whose_application_closed_it_does_no_harm(void **state)
{
	struct rig *r = rig_new();
	int app, tasd = r->rim.context_open(r->rim.arg, &app);

	(void)state;
	close(app);
	r->ops.context(r->ops.arg, tasd, false);
	r->rim.context_close(r->rim.arg, tasd);
	wake_fini(&r->w);
}

static void a_core_hears_which_application_rang(void **state)
{
	struct rig *r = rig_new();
	int fd[3];
	struct wake_result result;

	(void)state;
	for (uint16_t app = 0; app < 3; app++)
		fd[app] = r->rim.core_open(r->rim.arg, 1, (uint16_t)(app + 100));
	app_writes(fd[2]);
	wake_core_wait(&r->w, 0, 0, &result);
	assert_int_equal(result.nr_apps, 0); /* the other core */
	wake_core_wait(&r->w, 1, TAS_NS_NEVER, &result);
	assert_int_equal(result.nr_apps, 1);
	assert_int_equal(result.app[0], 102);
	wake_core_wait(&r->w, 1, 0, &result);
	assert_int_equal(result.nr_apps, 0); /* heard once */
	app_writes(fd[2]);
	wake_core_wait(&r->w, 1, TAS_NS_NEVER, &result);
	assert_int_equal(result.nr_apps, 1); /* though nobody read it in between */
	for (int i = 0; i < 3; i++)
		r->rim.core_close(r->rim.arg, 1, fd[i]);
	wake_fini(&r->w);
}

static void a_core_forgets_an_application_that_left_with_its_descriptor(void **state)
{
	struct rig *r = rig_new();
	struct wake_result result;
	int fd = r->rim.core_open(r->rim.arg, 0, 7), app = dup(fd); /* as the application has it */

	(void)state;
	r->rim.core_close(r->rim.arg, 0, fd);
	app_writes(app);
	wake_core_wait(&r->w, 0, 0, &result);
	assert_int_equal(result.nr_apps, 0);
	close(app);
	wake_fini(&r->w);
}

static void a_core_is_woken_by_tasd_and_by_what_its_loop_added(void **state)
{
	struct rig *r = rig_new();
	struct wake_result result;
	int added[2];

	(void)state;
	r->ops.core(r->ops.arg, 0);
	wake_core_wait(&r->w, 0, TAS_NS_NEVER, &result);
	assert_int_equal(result.nr_apps + result.nr_user, 0);
	assert_int_equal(pipe(added), 0);
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = WAKE_DATA_USER };
	assert_int_equal(epoll_ctl(wake_core_epfd(&r->w, 0), EPOLL_CTL_ADD, added[0], &event), 0);
	assert_int_equal(write(added[1], "x", 1), 1);
	wake_core_wait(&r->w, 0, TAS_NS_NEVER, &result);
	assert_int_equal(result.nr_user, 1);
	close(added[0]);
	close(added[1]);
	wake_fini(&r->w);
}

static void a_sleep_ends_at_its_deadline(void **state)
{
	struct rig *r = rig_new();
	struct wake_result result;
	struct timespec t0, t1;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	wake_core_wait(&r->w, 0, 3 * NS_PER_MS, &result);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_true((t1.tv_sec - t0.tv_sec) * 1000000000l + t1.tv_nsec - t0.tv_nsec >= 3000000);
	wake_fini(&r->w);
}

static void more_ringers_than_fit_are_heard_in_several_waits(void **state)
{
	enum { APPS = WAKE_APPS_MAX * 3 };
	struct rig *r = rig_new();
	struct wake_result result;
	int fd[APPS];
	bool heard[APPS] = { false };

	(void)state;
	for (uint16_t app = 0; app < APPS; app++) {
		fd[app] = r->rim.core_open(r->rim.arg, 0, app);
		app_writes(fd[app]);
	}
	for (int i = 0; i < 4; i++) {
		wake_core_wait(&r->w, 0, 0, &result);
		for (unsigned k = 0; k < result.nr_apps; k++)
			heard[result.app[k]] = true;
	}
	for (int i = 0; i < APPS; i++) {
		assert_true(heard[i]);
		r->rim.core_close(r->rim.arg, 0, fd[i]);
	}
	wake_fini(&r->w);
}

static void the_slow_path_hears_rings_until_it_drains_them(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	r->ops.slow_path(r->ops.arg);
	r->ops.slow_path(r->ops.arg);
	assert_true(readable(r->w.slow_fd));
	wake_slow_drain(&r->w);
	assert_false(readable(r->w.slow_fd));
	wake_slow_drain(&r->w); /* nothing there: does not wait */
	wake_fini(&r->w);
}

static int fds_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void all_descriptors_come_back(void **state)
{
	int before = fds_open();
	struct rig *r;

	(void)state;
	for (int i = 0; i < 100; i++) {
		int app, tasd, fd;

		r = rig_new();
		tasd = r->rim.context_open(r->rim.arg, &app);
		fd = r->rim.core_open(r->rim.arg, 0, 1);
		r->rim.context_close(r->rim.arg, tasd);
		r->rim.core_close(r->rim.arg, 0, fd);
		close(app);
		wake_fini(&r->w);
	}
	assert_int_equal(fds_open(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_context_hears_its_ring_and_drains_it_like_an_eventfd),
		cmocka_unit_test(an_application_cannot_make_a_ring_wait),
		cmocka_unit_test(an_application_cannot_send_to_tasd_by_it),
		cmocka_unit_test(an_application_cannot_attach_a_filter_to_it),
		cmocka_unit_test(a_ring_tells_how_long_it_took),
		cmocka_unit_test(ringing_a_context_whose_application_closed_it_does_no_harm),
		cmocka_unit_test(a_core_hears_which_application_rang),
		cmocka_unit_test(a_core_forgets_an_application_that_left_with_its_descriptor),
		cmocka_unit_test(a_core_is_woken_by_tasd_and_by_what_its_loop_added),
		cmocka_unit_test(a_sleep_ends_at_its_deadline),
		cmocka_unit_test(more_ringers_than_fit_are_heard_in_several_waits),
		cmocka_unit_test(the_slow_path_hears_rings_until_it_drains_them),
		cmocka_unit_test(all_descriptors_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
