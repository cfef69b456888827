/* SPDX-License-Identifier: BSD-3-Clause */
/* test_syscall.c - calls by number that have no call by name. */
#include "tests/unit/px_rig.h"

#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static long by_number(long number, long first, long second)
{
	return px_syscall(number, (const long[6]){ first, second });
}

static int status_of(pid_t child)
{
	int status = -1;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void there_is_no_io_uring(void **state)
{
	char parameters[120] = { 0 };

	(void)state;
	assert_errno((int)by_number(SYS_io_uring_setup, 8, (long)parameters), ENOSYS);
}

static void strict_programs_are_told_of_io_uring(void **state)
{
	const struct rlimit no_core = { 0, 0 };
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		setenv("TAS_STRICT", "1", 1);
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		by_number(SYS_io_uring_setup, 8, 0);
		_exit(0);
	}
	status = status_of(child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void a_copy_by_clone3_is_a_fork(void **state)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	unsigned asked = r.asked[CTL_FORK];
	uint32_t stamp = lib_stamp(r.t);
	long child;

	(void)state;
	px_flow(1, 0);
	child = by_number(SYS_clone3, (long)&args, sizeof(args));
	if (child == 0)
		_exit(lib_stamp(r.t) == stamp + 1 ? 0 : 1);
	assert_int_equal(status_of((pid_t)child), 0);
	assert_int_equal(r.asked[CTL_FORK], asked + 1);
	assert_errno((int)by_number(SYS_clone3, 0, sizeof(args)), EFAULT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(there_is_no_io_uring), T(strict_programs_are_told_of_io_uring),
		T(a_copy_by_clone3_is_a_fork) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
