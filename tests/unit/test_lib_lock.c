/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_lock.c - one thread inside at a time, whoever the favourite is, and no thread waits for itself. */
#include "libtas/lib_lock.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static const struct tas_os os = { .syscall = syscall };

static int set_up(void **state)
{
	(void)state;
	lib_lock_init(&os);
	return 0;
}

static void who_is_inside_does_not_wait_for_himself(void **state)
{
	struct lib_lock l = { 0 };

	(void)state;
	assert_true(lib_lock_enter(&os, &l));
	assert_true(lib_lock_is_mine(&l));
	assert_false(lib_lock_enter(&os, &l));
	assert_false(lib_lock_try(&os, &l));
	lib_lock_leave(&os, &l);
	assert_false(lib_lock_is_mine(&l));
	assert_true(lib_lock_enter(&os, &l));
	lib_lock_leave(&os, &l);
}

static void the_first_who_enters_becomes_the_favourite(void **state)
{
	struct lib_lock l = { 0 };

	(void)state;
	assert_true(lib_lock_enter(&os, &l));
	assert_int_equal(l.bias, lib_me());
	assert_int_equal(l.word, 0);
	lib_lock_leave(&os, &l);
	assert_int_equal(l.inside, 0);
}

/* --- a visitor --- */

struct visit {
	struct lib_lock lock;
	_Atomic int step;
	bool tried, entered;
};

static void *visitor_tries(void *arg)
{
	struct visit *v = arg;

	v->tried = lib_lock_try(&os, &v->lock);
	if (v->tried)
		lib_lock_leave(&os, &v->lock);
	return NULL;
}

static void try_does_not_take_the_favour_of_who_is_inside(void **state)
{
	struct visit v = { 0 };
	pthread_t thread;

	(void)state;
	lib_lock_enter(&os, &v.lock);
	pthread_create(&thread, NULL, visitor_tries, &v);
	pthread_join(thread, NULL);
	assert_false(v.tried);
	assert_int_equal(v.lock.bias, lib_me());
	lib_lock_leave(&os, &v.lock);
	pthread_create(&thread, NULL, visitor_tries, &v);
	pthread_join(thread, NULL);
	assert_true(v.tried);
	assert_int_equal(v.lock.bias, LOCK_PLAIN);
	assert_true(lib_lock_enter(&os, &v.lock));
	lib_lock_leave(&os, &v.lock);
}

static void *visitor_enters(void *arg)
{
	struct visit *v = arg;

	v->step = 1;
	lib_lock_enter(&os, &v->lock);
	v->entered = true;
	v->step = 2;
	lib_lock_leave(&os, &v->lock);
	return NULL;
}

static void a_visitor_waits_until_the_favourite_is_out(void **state)
{
	struct visit v = { 0 };
	pthread_t thread;

	(void)state;
	lib_lock_enter(&os, &v.lock);
	pthread_create(&thread, NULL, visitor_enters, &v);
	while (v.lock.bias != LOCK_PLAIN)
		usleep(100);
	usleep(2000);
	assert_int_equal(v.step, 1);
	assert_true(lib_lock_is_mine(&v.lock)); /* though it is the favourite no more */
	assert_false(lib_lock_enter(&os, &v.lock));
	lib_lock_leave(&os, &v.lock);
	pthread_join(thread, NULL);
	assert_true(v.entered);
}

static void who_sleeps_for_a_plain_lock_is_woken(void **state)
{
	struct visit v = { .lock.bias = LOCK_PLAIN };
	pthread_t thread;

	(void)state;
	lib_lock_enter(&os, &v.lock);
	pthread_create(&thread, NULL, visitor_enters, &v);
	while (!(v.lock.word & LOCK_WAITERS))
		usleep(100);
	assert_false(lib_lock_enter(&os, &v.lock)); /* the mark does not hide the owner */
	lib_lock_leave(&os, &v.lock);
	pthread_join(thread, NULL);
	assert_int_equal(v.step, 2);
	assert_int_equal(v.lock.word, 0);
}

static void a_favourite_can_be_named(void **state)
{
	struct visit v = { 0 };
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, visitor_enters, &v);
	pthread_join(thread, NULL);
	assert_int_not_equal(v.lock.bias, lib_me());
	lib_lock_rebias(&os, &v.lock);
	assert_int_equal(v.lock.bias, lib_me());
	assert_int_equal(v.lock.word, 0);
}

/* --- many --- */

enum { ROUNDS = 20000 };

struct crowd {
	struct lib_lock lock;
	uint64_t sum, twin; /* both are counted up inside */
	_Atomic bool stop, torn;
};

static void crowd_step(struct crowd *c)
{
	if (c->sum != c->twin)
		c->torn = true;
	c->sum++;
	__asm__ volatile("" ::: "memory");
	c->twin++;
}

static void *crowd_run(void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < ROUNDS; i++) {
		lib_lock_enter(&os, &c->lock);
		crowd_step(c);
		lib_lock_leave(&os, &c->lock);
	}
	return NULL;
}

static void no_two_threads_are_inside_together(void **state)
{
	struct crowd c = { 0 };
	pthread_t thread[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, crowd_run, &c);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	assert_false(c.torn);
	assert_true(c.sum == 4ull * ROUNDS && c.twin == c.sum);
}

static void *favourite_run(void *arg)
{
	struct crowd *c = arg;

	while (!c->stop) {
		lib_lock_enter(&os, &c->lock);
		crowd_step(c);
		lib_lock_leave(&os, &c->lock);
	}
	return NULL;
}

/* The moment in which a favourite loses its favour, many times. */
static void taking_the_favour_lets_nobody_in_beside(void **state)
{
	(void)state;
	for (int round = 0; round < 150; round++) {
		struct crowd c = { 0 };
		pthread_t thread;
		uint64_t seen;

		pthread_create(&thread, NULL, favourite_run, &c);
		while (c.lock.bias == 0)
			;
		lib_lock_enter(&os, &c.lock);
		seen = c.sum;
		for (int i = 0; i < 2000; i++)
			__asm__ volatile("" ::: "memory");
		assert_true(c.sum == seen && c.twin == seen);
		crowd_step(&c);
		lib_lock_leave(&os, &c.lock);
		c.stop = true;
		pthread_join(thread, NULL);
		assert_false(c.torn);
	}
}

/* --- handlers --- */

static struct crowd handled;
static _Atomic unsigned refused, granted;

static void on_signal(int number)
{
	(void)number;
	if (!lib_lock_enter(&os, &handled.lock)) {
		refused++;
		return;
	}
	granted++;
	crowd_step(&handled);
	lib_lock_leave(&os, &handled.lock);
}

static void *signaller(void *arg)
{
	pthread_t *target = arg;

	for (int i = 0; i < 3000; i++) {
		pthread_kill(*target, SIGUSR1);
		usleep(20);
	}
	handled.stop = true;
	return NULL;
}

static void a_handler_gets_in_or_is_refused_but_never_hangs(void **state)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread, self = pthread_self();

	(void)state;
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, signaller, &self);
	while (!handled.stop) {
		assert_true(lib_lock_enter(&os, &handled.lock));
		crowd_step(&handled);
		lib_lock_leave(&os, &handled.lock);
	}
	pthread_join(thread, NULL);
	assert_false(handled.torn);
	assert_true(refused + granted > 0);
	assert_true(handled.sum == handled.twin);
}

/* --- a filter for system calls --- */

static _Atomic unsigned protects;
static _Atomic bool protect_refused;

/* membarrier can be registered, and is refused from then on. */
static long filtered(long number, ...)
{
	va_list args;
	long a[6];

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	protects += number == SYS_mprotect;
	if ((number == SYS_membarrier && a[0] == MEMBARRIER_CMD_PRIVATE_EXPEDITED) ||
		(number == SYS_mprotect && protect_refused)) {
		errno = EPERM;
		return -1;
	}
	return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static const struct tas_os filter = { .syscall = filtered };

static void *visitor_under_filter(void *arg)
{
	struct lib_lock *l = arg;

	lib_lock_enter(&filter, l);
	lib_lock_leave(&filter, l);
	return NULL;
}

static void visited(struct lib_lock *l)
{
	pthread_t thread;

	pthread_create(&thread, NULL, visitor_under_filter, l);
	pthread_join(thread, NULL);
	assert_int_equal(l->bias, LOCK_PLAIN);
}

static void without_membarrier_another_barrier_is_used(void **state)
{
	struct lib_lock l[3] = { 0 };

	(void)state;
	lib_lock_init(&filter);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(lib_lock_enter(&filter, &l[i]));
		lib_lock_leave(&filter, &l[i]);
		assert_int_equal(l[i].bias, lib_me());
	}
	visited(&l[0]);
	assert_int_equal(protects, 1);
	protect_refused = true; /* it ends all the same */
	visited(&l[1]);
	assert_int_equal(protects, 2);
	lib_lock_enter(&filter, &l[2]); /* no more favourites */
	assert_int_equal(l[2].bias, LOCK_PLAIN);
	lib_lock_leave(&filter, &l[2]);
	lib_lock_init(&os);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_inside_does_not_wait_for_himself),
		cmocka_unit_test(the_first_who_enters_becomes_the_favourite),
		cmocka_unit_test(try_does_not_take_the_favour_of_who_is_inside),
		cmocka_unit_test(a_visitor_waits_until_the_favourite_is_out),
		cmocka_unit_test(who_sleeps_for_a_plain_lock_is_woken),
		cmocka_unit_test(a_favourite_can_be_named),
		cmocka_unit_test(no_two_threads_are_inside_together),
		cmocka_unit_test(taking_the_favour_lets_nobody_in_beside),
		cmocka_unit_test(without_membarrier_another_barrier_is_used),
		cmocka_unit_test(a_handler_gets_in_or_is_refused_but_never_hangs),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
