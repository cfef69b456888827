/* SPDX-License-Identifier: BSD-3-Clause */
/* test_undertaker.c - jobs are done apart, in order, by as many threads as may be, and come back once. */
#include "slowpath/undertaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "include/base/compiler.h"

enum { THREADS = 3, JOBS = 100 };

struct job {
	struct undertaker_job job;
	unsigned number;
	_Atomic bool begun, may_end;
};

static _Atomic unsigned begun;

static void work(struct undertaker_job *j)
{
	struct job *job = (struct job *)j;

	job->number = atomic_fetch_add(&begun, 1);
	atomic_store(&job->begun, true);
	while (!atomic_load(&job->may_end))
		usleep(100);
}

static struct job *jobs_new(unsigned n, bool may_end)
{
	struct job *jobs = calloc(n, sizeof(*jobs));

	assert_non_null(jobs);
	for (unsigned i = 0; i < n; i++) {
		jobs[i].job.work = work;
		jobs[i].may_end = may_end;
	}
	begun = 0;
	return jobs;
}

#define until(condition)                          \
	do {                                      \
		for (; !(condition); usleep(100)) \
			;                         \
	} while (0)

static void each_job_is_done_and_comes_back_once(void **state)
{
	struct undertaker *u = undertaker_new(THREADS, 0);
	struct job *jobs = jobs_new(JOBS, true);
	unsigned back = 0;

	(void)state;
	assert_null(undertaker_done(u));
	for (unsigned i = 0; i < JOBS; i++)
		undertaker_add(u, &jobs[i].job);
	until(undertaker_waiting(u) == 0);
	for (struct undertaker_job *j; (j = undertaker_done(u)) != NULL; back++) {
		assert_true(((struct job *)j)->begun);
		((struct job *)j)->begun = false;
	}
	assert_int_equal(back, JOBS);
	assert_in_range(undertaker_threads(u), 1, THREADS);
	undertaker_end(u, true);
	free(jobs);
}

static void whoever_hands_in_does_not_wait_and_threads_have_a_limit(void **state)
{
	struct undertaker *u = undertaker_new(THREADS, 0);
	struct job *jobs = jobs_new(JOBS, false);

	(void)state;
	for (unsigned i = 0; i < JOBS; i++)
		undertaker_add(u, &jobs[i].job);
	until(begun == THREADS); /* all work, though the first will not end */
	assert_int_equal(undertaker_threads(u), THREADS);
	assert_int_equal(undertaker_waiting(u), JOBS);
	assert_null(undertaker_done(u));
	jobs[1].may_end = true;
	until(jobs[THREADS].begun);
	until(undertaker_waiting(u) == JOBS - 1);
	assert_ptr_equal(undertaker_done(u), &jobs[1]);
	assert_int_equal(begun, THREADS + 1);
	for (unsigned i = 0; i < JOBS; i++)
		jobs[i].may_end = true;
	undertaker_end(u, true);
	assert_int_equal(begun, JOBS);
	free(jobs);
}

static void one_thread_takes_them_in_order(void **state)
{
	struct undertaker *u = undertaker_new(1, 1);
	struct job *jobs = jobs_new(JOBS, true);

	(void)state;
	assert_int_equal(undertaker_threads(u), 1);
	for (unsigned i = 0; i < JOBS; i++)
		undertaker_add(u, &jobs[i].job);
	undertaker_end(u, true);
	for (unsigned i = 0; i < JOBS; i++)
		assert_int_equal(jobs[i].number, i);
	free(jobs);
}

static void its_end_need_not_wait_for_what_takes_for_ever(void **state)
{
	struct undertaker *u = undertaker_new(THREADS, 0);
	static struct job *jobs; /* a thread may be at the last one when we go */

	(void)state;
	jobs = jobs_new(THREADS + 1, false);
	for (unsigned i = 0; i < THREADS + 1; i++)
		undertaker_add(u, &jobs[i].job);
	until(begun == THREADS);
	undertaker_end(u, false);
	for (unsigned i = 0; i < THREADS + 1; i++)
		jobs[i].may_end = true;
	until(jobs[THREADS].begun); /* the threads go on until all is done */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_job_is_done_and_comes_back_once),
		cmocka_unit_test(whoever_hands_in_does_not_wait_and_threads_have_a_limit),
		cmocka_unit_test(one_thread_takes_them_in_order),
		cmocka_unit_test(its_end_need_not_wait_for_what_takes_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
