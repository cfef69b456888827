/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_fd.c - the library's descriptors are out of the program's way. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>

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

static int hidden(void) { return dup(STDIN_FILENO); }

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static void a_hidden_one_has_a_high_number_and_close_on_exec(void **state)
{
	int low = hidden();
	_Atomic int fd = low;
	struct rlimit limit;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(tas_fd_hide(r.t, &fd), 0);
	assert_false(is_open(low));
	assert_true(fd >= (int)min_u64(limit.rlim_cur, 32768) / 2);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(tas_fd_is_internal(r.t, fd));
	assert_false(tas_fd_is_internal(r.t, low));
	assert_false(tas_fd_is_internal(r.t, fd + 1));
	low = fd;
	tas_fd_close(r.t, &fd);
	assert_int_equal(fd, -1);
	assert_false(is_open(low) || tas_fd_is_internal(r.t, low));
}

static int is_null(int fd)
{
	struct stat st, null;

	return fstat(fd, &st) == 0 && stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev;
}

static void it_makes_way(void **state)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), event = eventfd(0, EFD_CLOEXEC), old;
	_Atomic int fd = event;

	(void)state;
	tas_fd_hide(r.t, &fd);
	old = fd;
	assert_int_equal(tas_fd_replace(r.t, old, null, O_CLOEXEC), old);
	assert_int_not_equal(fd, old);
	assert_true(!is_null(fd) && tas_fd_is_internal(r.t, fd));
	assert_true(is_null(old) && !tas_fd_is_internal(r.t, old));
	assert_int_equal(fcntl(old, F_GETFD), FD_CLOEXEC);
	assert_int_equal(tas_fd_replace(r.t, old, null, 0), -EBADF);
	assert_int_equal(tas_fd_replace(r.t, 0, null, 0), -EBADF);
	close(old);
	tas_fd_close(r.t, &fd);
	close(null);
}

static void nothing_moves_for_what_is_no_descriptor(void **state)
{
	_Atomic int fd = hidden();
	int old;

	(void)state;
	tas_fd_hide(r.t, &fd);
	old = fd;
	assert_int_equal(tas_fd_replace(r.t, old, 999, 0), -EBADF);
	assert_int_equal(fd, old);
	assert_true(is_open(fd) && tas_fd_is_internal(r.t, fd));
	tas_fd_close(r.t, &fd);
}

static void they_are_told_in_order(void **state)
{
	int before = tas_fd_next(r.t, 3), next = -1;
	_Atomic int fd[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		fd[i] = hidden();
		tas_fd_hide(r.t, &fd[i]);
	}
	assert_int_equal(tas_fd_next(r.t, fd[0]), fd[0]);
	assert_int_equal(tas_fd_next(r.t, fd[0] + 1), fd[1]);
	assert_int_equal(tas_fd_next(r.t, 3), before >= 0 && before < fd[0] ? before : fd[0]);
	assert_int_equal(tas_fd_next(r.t, 1 << 20), -1);
	next = fd[0];
	tas_fd_close(r.t, &fd[0]);
	assert_int_equal(tas_fd_next(r.t, next), fd[1]);
	tas_fd_close(r.t, &fd[1]);
}

static void an_eventfd_that_moved_still_wakes(void **state)
{
	int fds[TAS_CTX_FDS], old;

	(void)state;
	rig_accepted(&r, rig_listener(&r), 3);
	assert_true(tas_ctx_sleep_begin(r.c));
	tas_ctx_fds(r.c, fds);
	old = fds[0];
	assert_true(tas_fd_is_internal(r.t, old));
	assert_int_equal(tas_fd_replace(r.t, old, STDIN_FILENO, O_CLOEXEC), old);
	close(old);
	tas_ctx_fds(r.c, fds);
	assert_int_not_equal(fds[0], old);
	rig_deliver(&r, 3, 1);
	rig_notify(&r, 0, 0, 3);
	tas_ctx_sleep_end(r.c);
	assert_int_equal(read(fds[0], &(uint64_t){ 0 }, 8), -1); /* was emptied */
}

static void a_low_limit_is_no_obstacle(void **state)
{
	struct rlimit limit, small;
	_Atomic int fd[8];

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	small = (struct rlimit){ 32, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	for (int i = 0; i < 8; i++) {
		fd[i] = hidden();
		assert_int_equal(tas_fd_hide(r.t, &fd[i]), 0);
		assert_in_range(fd[i], 8, 31);
	}
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < 8; i++)
		tas_fd_close(r.t, &fd[i]);
}

static void without_another_number_it_keeps_its_own(void **state)
{
	struct rlimit limit, none;
	_Atomic int fd = hidden();
	int before = fd;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	none = (struct rlimit){ (rlim_t)before, limit.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	for (int i = 0; i < before; i++)
		if (!is_open(i))
			dup2(STDIN_FILENO, i);
	assert_int_equal(tas_fd_hide(r.t, &fd), 0);
	assert_true(fd == before && is_open(fd));
	assert_true(tas_fd_is_internal(r.t, fd));
	setrlimit(RLIMIT_NOFILE, &limit);
	tas_fd_close(r.t, &fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_hidden_one_has_a_high_number_and_close_on_exec),
		TEST(it_makes_way),
		TEST(nothing_moves_for_what_is_no_descriptor),
		TEST(they_are_told_in_order),
		TEST(an_eventfd_that_moved_still_wakes),
		TEST(a_low_limit_is_no_obstacle),
		TEST(without_another_number_it_keeps_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
