/* SPDX-License-Identifier: BSD-3-Clause */
/* test_file.c - a file ends with the last descriptor and the last call that have it, in a child, too. */
#include "tests/unit/px_rig.h"

#include "libtas/posix/px_lock.h"

static struct file *f;
static int fd;

static void begin(void)
{
	fd = px_flow(1, SOCK_NONBLOCK);
	f = fd_look(fd);
	assert_int_equal(file_refs(f), 1);
}

/* As fork's child sees it: the memory is the same, the threads are not. */
static void fork_comes(void) { atomic_fetch_add(&px_forks, 1); }

static bool is_closed(void) { return file_kind(f) == FILE_FREE && file_refs(f) == 0; }

static void descriptors_and_calls_hold_it(void **state)
{
	int copy;

	(void)state;
	begin();
	copy = px_dup(fd);
	assert_int_equal(file_refs(f), 2);
	assert_ptr_equal(fd_get(copy), f);
	assert_int_equal(file_refs(f), 3);
	px_close(fd);
	px_close(copy);
	assert_int_equal(file_refs(f), 1);
	assert_false(is_closed());
	file_put(f);
	assert_true(is_closed());
	assert_false(file_get(f));
}

static void calls_of_the_parent_hold_nothing_in_a_child(void **state)
{
	int copy;

	(void)state;
	begin();
	copy = px_dup(fd);
	assert_ptr_equal(fd_get(fd), f);
	assert_ptr_equal(fd_get(fd), f);
	fork_comes();
	assert_int_equal(file_refs(f), 2);
	px_close(fd);
	assert_false(is_closed());
	assert_ptr_equal(fd_get(copy), f); /* the child's own do */
	px_close(copy);
	assert_false(is_closed());
	file_put(f);
	assert_true(is_closed());
}

static void a_call_that_forked_in_a_handler_ends_without_harm(void **state)
{
	(void)state;
	begin();
	assert_ptr_equal(fd_get(fd), f);
	fork_comes();
	assert_ptr_equal(fd_get(fd), f); /* another call of the child */
	file_put(f);
	file_put(f); /* the older one */
	assert_int_equal(file_refs(f), 1);
	assert_false(is_closed());
	px_close(fd);
	assert_true(is_closed());
}

static void a_fork_with_nobody_inside_changes_nothing(void **state)
{
	(void)state;
	begin();
	fork_comes();
	fork_comes();
	assert_ptr_equal(fd_get(fd), f);
	assert_int_equal(file_refs(f), 2);
	file_put(f);
	px_close(fd);
	assert_true(is_closed());
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(descriptors_and_calls_hold_it),
		T(calls_of_the_parent_hold_nothing_in_a_child),
		T(a_call_that_forked_in_a_handler_ends_without_harm),
		T(a_fork_with_nobody_inside_changes_nothing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
