/* SPDX-License-Identifier: BSD-3-Clause */
/* test_fdtab.c - descriptors, their copies, and the connection behind them. */
#include "tests/unit/px_rig.h"

#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* What the library told tasd about the flow's end since the last look. */
static uint32_t flags_told(uint32_t rec)
{
	struct abi_bell b;
	uint32_t flags = 0;

	while (rig_bell(&r, 0, 0, &b))
		flags |= b.flow == rig_rec(&r, rec)->flow ? b.flags : 0;
	return flags;
}

static void a_connection_closes_with_its_last_descriptor(void **state)
{
	int fd = px_flow(1, 0), a = px_dup(fd), b = px_fcntl(fd, F_DUPFD_CLOEXEC, (void *)100),
	    c = px_dup2(fd, 90);

	(void)state;
	assert_true(b >= 100 && c == 90);
	assert_int_equal(px_close(fd), 0);
	assert_int_equal(px_close(a), 0);
	assert_int_equal(px_close(b), 0);
	assert_int_equal(flags_told(1) & ABI_BELL_CLOSE, 0);
	assert_int_equal(px_write(c, "x", 1), 1);
	assert_int_equal(px_close(c), 0);
	assert_int_equal(flags_told(1) & ABI_BELL_CLOSE, ABI_BELL_CLOSE);
	assert_errno(px_close(c), EBADF);
	assert_errno(px_write(c, "x", 1), EBADF);
}

static void copies_share_the_flags_and_not_close_on_exec(void **state)
{
	int fd = px_flow(1, SOCK_CLOEXEC), copy = px_dup(fd), on = 1;

	(void)state;
	assert_int_equal(px_fcntl(fd, F_GETFD, NULL), FD_CLOEXEC);
	assert_int_equal(px_fcntl(copy, F_GETFD, NULL), 0);
	assert_int_equal(px_fcntl(fd, F_GETFL, NULL), O_RDWR);
	assert_int_equal(px_ioctl(copy, FIONBIO, &on), 0);
	assert_int_equal(px_fcntl(fd, F_GETFL, NULL), O_RDWR | O_NONBLOCK);
	assert_int_equal(px_fcntl(fd, F_SETFL, NULL), 0);
	assert_int_equal(px_fcntl(copy, F_GETFL, NULL), O_RDWR);
	assert_errno(px_fcntl(fd, F_SETFL, (void *)O_ASYNC), EINVAL);
	assert_errno(px_read(px_flow(2, SOCK_NONBLOCK), &on, 1), EAGAIN);
}

static void dup2_lets_go_of_what_was_there(void **state)
{
	int fd = px_flow(1, 0), other = px_flow(2, 0), pipes[2];

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(px_dup2(other, fd), fd);
	assert_int_equal(flags_told(1) & ABI_BELL_CLOSE, ABI_BELL_CLOSE);
	assert_int_equal(px_dup2(pipes[1], fd), fd); /* of the kernel's: no longer ours */
	assert_null(fd_look(fd));
	assert_int_equal(px_write(fd, "x", 1), 1);
	assert_errno(px_dup2(999, other), EBADF);
	assert_non_null(fd_look(other));
	assert_errno(px_dup3(other, other, 0), EINVAL);
	assert_int_equal(px_dup2(other, other), other);
}

static void a_range_closes_all_but_the_librarys_own(void **state)
{
	int fd = px_flow(1, 0), high = px_fcntl(fd, F_DUPFD, (void *)300), own = -1;
	_Atomic int hidden = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(tas_fd_hide(r.t, &hidden), 0);
	own = hidden;
	assert_int_equal(px_close_range(4, ~0u, 0), 0);
	assert_null(fd_look(fd));
	assert_null(fd_look(high));
	assert_errno(px_fcntl(high, F_GETFD, NULL), EBADF);
	assert_int_equal(flags_told(1) & ABI_BELL_CLOSE, ABI_BELL_CLOSE);
	assert_true(fcntl(own, F_GETFD) >= 0);
	assert_errno(px_close(own), EBADF);
	assert_errno(px_dup2(own, 50), EBADF);
	assert_errno(px_dup3(own, 50, 0), EBADF);
	assert_errno(px_dup(own), EBADF);
	assert_int_equal(px_dup2(2, own), own); /* the program wants the number: ours moves */
	assert_true(hidden != own && fcntl(hidden, F_GETFD) >= 0);
	assert_int_equal(px_close(own), 0);
	tas_fd_close(r.t, &hidden);
}

/* Takes every number below the limit that is free; returns how many. */
static int take_all(int *taken, int max)
{
	int n = 0;

	while (n < max && (taken[n] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)) >= 0)
		n++;
	return n;
}

/* Linux wants no free number for dup2; the library does, and must not lose what it has there. */
static void without_a_free_number_dup2_on_the_librarys_own_fails(void **state)
{
	enum { LIMIT = 64 };
	int fd = px_flow(1, 0), pipes[2], own, taken[LIMIT], n, result, error, kept;
	struct rlimit few = { LIMIT, 0 }, before;
	_Atomic int hidden;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	getrlimit(RLIMIT_NOFILE, &before);
	few.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	hidden = pipes[0];
	assert_int_equal(tas_fd_hide(r.t, &hidden), 0);
	own = hidden;
	n = take_all(taken, LIMIT);
	result = px_dup2(fd, own);
	error = errno;
	assert_int_equal(write(pipes[1], "x", 1), 1);
	kept = (int)read(hidden, &(char){ 0 }, 1);
	while (n > 0)
		close(taken[--n]);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(result, -1);
	assert_int_equal(error, EMFILE);
	assert_int_equal(hidden, own);
	assert_int_equal(kept, 1);
	assert_null(fd_look(own));
	assert_int_equal(px_dup2(fd, own), own);
	assert_int_equal(px_write(own, "x", 1), 1);
	assert_int_not_equal(hidden, own);
	tas_fd_close(r.t, &hidden);
	close(pipes[1]);
}

/* In a process of its own, which may not raise the limit again: 0, or what was wrong. */
static int close_beyond_the_limit(int own)
{
	struct rlimit few = { 64, 64 };

	if (own < 64 || setrlimit(RLIMIT_NOFILE, &few) != 0)
		return 1;
	px_close_range(4, ~0u, 0);
	if (fcntl(own, F_GETFD) < 0)
		return 2;
	if (px_dup2(2, own) != -1 || errno != EBADF) /* Linux's word for a number beyond the limit */
		return 3;
	return fcntl(own, F_GETFD) < 0 ? 4 : 0;
}

/* Ours stay where they are when the limit sinks below them. */
static void a_range_beyond_a_lowered_limit_is_passed_over_too(void **state)
{
	_Atomic int hidden = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int status = -1;
	pid_t child;

	(void)state;
	assert_int_equal(tas_fd_hide(r.t, &hidden), 0);
	child = fork();
	if (child == 0)
		_exit(close_beyond_the_limit(hidden));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	tas_fd_close(r.t, &hidden);
}

static void a_copy_beyond_the_table_is_refused(void **state)
{
	int fd = px_flow(1, 0), copy = fcntl(fd, F_DUPFD_CLOEXEC, 90);

	(void)state;
	assert_errno(px_dup2(fd, FD_MAX), EBADF);
	assert_errno(px_dup3(fd, FD_MAX, O_CLOEXEC), EBADF);
	assert_errno(px_copied(fd, FD_MAX), EMFILE); /* as if the kernel had made one there */
	assert_int_equal(px_write(fd, "x", 1), 1);
	assert_int_equal(px_copied(fd, copy), copy);
	assert_int_equal(px_close(fd), 0);
	assert_int_equal(px_write(copy, "x", 1), 1);
}

static void a_range_marked_close_on_exec_stays_open(void **state)
{
	int fd = px_flow(1, 0);

	(void)state;
	assert_int_equal(px_close_range((unsigned)fd, (unsigned)fd, 4 /* CLOSE_RANGE_CLOEXEC */), 0);
	assert_int_equal(px_fcntl(fd, F_GETFD, NULL), FD_CLOEXEC);
	assert_int_equal(px_write(fd, "x", 1), 1);
	assert_errno(px_close_range(9, 3, 0), EINVAL);
}

static void a_reference_outlives_the_descriptor(void **state)
{
	int fd = px_flow(1, 0);
	struct file *f = fd_get(fd);

	(void)state;
	assert_ptr_equal(f, fd_look(fd));
	assert_int_equal(px_close(fd), 0);
	assert_int_equal(flags_told(1) & ABI_BELL_CLOSE, 0);
	assert_int_equal(file_kind(f), FILE_FLOW);
	file_put(f);
	assert_int_equal(flags_told(1) & ABI_BELL_CLOSE, ABI_BELL_CLOSE);
	assert_null(fd_get(fd));
	assert_null(fd_get(-1));
	assert_null(fd_get(FD_MAX));
}

static void linger_of_no_time_aborts(void **state)
{
	struct linger hard = { 1, 0 }, soft = { 0, 0 };
	int fd = px_flow(1, 0), second = px_flow(2, 0);

	(void)state;
	assert_int_equal(px_setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	assert_int_equal(px_close(fd), 0);
	assert_int_equal(flags_told(1) & ABI_BELL_ABORT, ABI_BELL_ABORT);
	px_setsockopt(second, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	px_setsockopt(second, SOL_SOCKET, SO_LINGER, &soft, sizeof(soft));
	assert_int_equal(px_close(second), 0);
	assert_int_equal(flags_told(2) & ABI_BELL_ABORT, 0);
}

/* --- threads that open, copy and close the same numbers --- */

static _Atomic bool stop;

static void *closer(void *arg)
{
	int fd = *(int *)arg;

	while (!atomic_load(&stop)) {
		int copy = px_dup(fd);

		if (copy >= 0)
			px_close(copy);
	}
	return NULL;
}

static void *getter(void *arg)
{
	int fd = *(int *)arg;

	while (!atomic_load(&stop)) {
		for (int i = fd; i < fd + 6; i++) {
			struct file *f = fd_get(i);

			if (f == NULL)
				continue;
			assert_int_not_equal(file_refs(f), 0);
			file_put(f);
		}
	}
	return NULL;
}

static void references_are_right_in_the_end(void **state)
{
	int fd = px_flow(1, 0);
	struct file *f = fd_look(fd);
	pthread_t threads[4];

	(void)state;
	atomic_store(&stop, false);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, i % 2 ? getter : closer, &fd);
	usleep(300000);
	atomic_store(&stop, true);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(file_refs(f), 1);
	assert_int_equal(px_close(fd), 0);
	assert_int_equal(flags_told(1) & ABI_BELL_CLOSE, ABI_BELL_CLOSE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(a_connection_closes_with_its_last_descriptor),
		T(copies_share_the_flags_and_not_close_on_exec), T(dup2_lets_go_of_what_was_there),
		T(a_range_closes_all_but_the_librarys_own), T(a_range_marked_close_on_exec_stays_open),
		T(without_a_free_number_dup2_on_the_librarys_own_fails),
		T(a_range_beyond_a_lowered_limit_is_passed_over_too), T(a_copy_beyond_the_table_is_refused),
		T(a_reference_outlives_the_descriptor), T(linger_of_no_time_aborts),
		T(references_are_right_in_the_end) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
