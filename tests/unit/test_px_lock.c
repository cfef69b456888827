/* SPDX-License-Identifier: BSD-3-Clause */
/* test_px_lock.c - one thread inside; its own handlers are turned away; a child does not inherit holders. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "libtas/posix/px_lock.h"

enum { THREADS = 3, ROUNDS = 100000 };

static struct px_lock lock;
static volatile uint64_t counter;
static volatile sig_atomic_t turned_away;

static void the_owner_is_turned_away(void **state)
{
	(void)state;
	assert_true(px_lock_enter(&lock));
	assert_true(px_lock_is_mine(&lock));
	assert_false(px_lock_enter(&lock));
	px_lock_leave(&lock);
	assert_false(px_lock_is_mine(&lock));
	assert_true(px_lock_enter(&lock));
	px_lock_leave(&lock);
}

static void handler(int signal)
{
	(void)signal;
	turned_away = px_lock_enter(&lock) ? -1 : 1;
}

static void a_handler_of_the_owner_does_not_wait(void **state)
{
	(void)state;
	signal(SIGUSR1, handler);
	assert_true(px_lock_enter(&lock));
	raise(SIGUSR1);
	px_lock_leave(&lock);
	assert_int_equal(turned_away, 1);
}

static void *count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (!px_lock_enter(&lock))
			break;
		counter++;
		px_lock_leave(&lock);
	}
	return arg;
}

static void one_is_inside_at_a_time(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	counter = 0;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(counter, THREADS * ROUNDS);
}

static _Atomic int step;

static void *holder(void *arg)
{
	px_lock_enter(&lock);
	atomic_store(&step, 1);
	while (atomic_load(&step) == 1)
		usleep(100);
	px_lock_leave(&lock);
	return arg;
}

static void what_a_thread_of_the_parent_held_is_free_in_the_child(void **state)
{
	pthread_t thread;
	int status = -1;
	pid_t child;

	(void)state;
	pthread_create(&thread, NULL, holder, NULL);
	while (atomic_load(&step) == 0)
		usleep(100);
	child = fork();
	if (child == 0) {
		alarm(5);
		atomic_fetch_add(&px_forks, 1);
		_exit(px_lock_enter(&lock) && !px_lock_enter(&lock) ? 7 : 1);
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	atomic_store(&step, 2);
	pthread_join(thread, NULL);
	assert_true(px_lock_enter(&lock));
	px_lock_leave(&lock);
}

static _Atomic pid_t waiter_tid;

static void *waiter(void *arg)
{
	waiter_tid = (pid_t)syscall(SYS_gettid);
	px_lock_enter(&lock);
	px_lock_leave(&lock);
	return arg;
}

static char state_of(pid_t tid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "re");
	if (f == NULL || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f != NULL)
		fclose(f);
	return state;
}

/* Else a waiter of higher priority, on the holder's processor, would keep it for ever. */
static void who_waits_long_lets_go_of_the_processor(void **state)
{
	unsigned asleep = 0;
	pthread_t thread;

	(void)state;
	assert_true(px_lock_enter(&lock));
	pthread_create(&thread, NULL, waiter, NULL);
	while (waiter_tid == 0)
		usleep(100);
	for (int i = 0; i < 50000 && asleep < 10; i++) {
		asleep += state_of(waiter_tid) == 'S';
		usleep(100);
	}
	px_lock_leave(&lock);
	pthread_join(thread, NULL);
	assert_int_equal(asleep, 10);
}

static void *try_it(void *arg)
{
	*(enum px_lock_tried *)arg = px_lock_try(&lock);
	return NULL;
}

static void a_try_comes_to_an_end(void **state)
{
	enum px_lock_tried tried = PX_LOCK_MINE;
	pthread_t thread;

	(void)state;
	assert_int_equal(px_lock_try(&lock), PX_LOCK_ENTERED);
	assert_int_equal(px_lock_try(&lock), PX_LOCK_MINE);
	pthread_create(&thread, NULL, try_it, &tried);
	pthread_join(thread, NULL);
	assert_int_equal(tried, PX_LOCK_TAKEN);
	px_lock_leave(&lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_owner_is_turned_away),
		cmocka_unit_test(a_handler_of_the_owner_does_not_wait),
		cmocka_unit_test(one_is_inside_at_a_time),
		cmocka_unit_test(what_a_thread_of_the_parent_held_is_free_in_the_child),
		cmocka_unit_test(who_waits_long_lets_go_of_the_processor),
		cmocka_unit_test(a_try_comes_to_an_end) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
