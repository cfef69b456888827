/* SPDX-License-Identifier: BSD-3-Clause */
/* test_buf.c - pages are handed out once, come back whole, and the books stay right through any order of
 * both. */
#include "slowpath/buf.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"

static struct buf_pool pool_of(uint32_t pages, uint32_t from)
{
	struct buf_pool p;

	assert_int_equal(buf_init(&p, pages), 0);
	buf_free(&p, from, pages - from);
	buf_check(&p);
	return p;
}

static void at_first_every_page_is_in_use(void **state)
{
	struct buf_pool p;

	(void)state;
	assert_int_equal(buf_init(&p, 1000), 0);
	assert_int_equal(p.free_pages, 0);
	assert_int_equal(buf_alloc(&p, 1), BUF_NONE);
	buf_fini(&p);
}

static void a_run_of_a_power_of_two_is_aligned_to_it(void **state)
{
	struct buf_pool p = pool_of(1000, 4);

	(void)state;
	for (uint32_t n = 1; n <= 256; n *= 2) {
		uint32_t page = buf_alloc(&p, n);

		assert_int_not_equal(page, BUF_NONE);
		assert_int_equal(page % n, 0);
	}
	buf_check(&p);
	buf_fini(&p);
}

static void exactly_the_pages_asked_for_are_taken(void **state)
{
	struct buf_pool p = pool_of(1024, 0);

	(void)state;
	assert_int_equal(buf_alloc(&p, 513), 0);
	assert_int_equal(p.free_pages, 1024 - 513);
	buf_check(&p);
	buf_free(&p, 0, 513);
	assert_int_equal(p.free_pages, 1024);
	assert_int_equal(buf_alloc(&p, 1024), 0);
	buf_fini(&p);
}

static void what_was_freed_merges_to_the_whole(void **state)
{
	struct buf_pool p = pool_of(1024, 0);
	uint32_t page[1024];

	(void)state;
	for (int i = 0; i < 1024; i++)
		page[i] = buf_alloc(&p, 1);
	assert_int_equal(buf_alloc(&p, 1), BUF_NONE);
	for (int i = 0; i < 1024; i += 2)
		buf_free(&p, page[i], 1);
	assert_int_equal(buf_alloc(&p, 2), BUF_NONE);
	for (int i = 1; i < 1024; i += 2)
		buf_free(&p, page[i], 1);
	buf_check(&p);
	assert_int_equal(buf_alloc(&p, 1024), 0);
	buf_fini(&p);
}

static void what_does_not_fit_is_refused_and_takes_nothing(void **state)
{
	struct buf_pool p = pool_of(100, 1);

	(void)state;
	assert_int_equal(buf_alloc(&p, 100), BUF_NONE);
	assert_int_equal(buf_alloc(&p, UINT32_MAX), BUF_NONE);
	assert_int_equal(buf_alloc(&p, 65), BUF_NONE); /* needs 128 in one block */
	assert_int_equal(p.free_pages, 99);
	buf_fini(&p);
}

static void what_was_just_freed_is_used_first(void **state)
{
	struct buf_pool p = pool_of(1 << 16, 8);
	uint32_t first = buf_alloc(&p, 32);

	(void)state;
	for (int i = 0; i < 100; i++) {
		buf_free(&p, first, 32);
		assert_int_equal(buf_alloc(&p, 32), first); /* its pages are there already */
	}
	buf_fini(&p);
}

/* Against a model: a byte for each page. */
static void no_page_is_ever_handed_out_twice(void **state)
{
	enum { PAGES = 5000, RUNS = 400, STEPS = 100000 };
	static uint8_t taken[PAGES];
	struct {
		uint32_t page, n;
	} run[RUNS] = { 0 };
	struct buf_pool p = pool_of(PAGES, 3);
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 7);
	for (int step = 0; step < STEPS; step++) {
		uint32_t i = rand_below(&r, RUNS);

		if (run[i].n > 0) {
			memset(taken + run[i].page, 0, run[i].n);
			buf_free(&p, run[i].page, run[i].n);
			run[i].n = 0;
		} else {
			uint32_t n = 1 + rand_below(&r, rand_chance_ppm(&r, 100000) ? 300 : 20);

			run[i].page = buf_alloc(&p, n);
			if (run[i].page == BUF_NONE)
				continue;
			assert_in_range(run[i].page, 3, PAGES - n);
			run[i].n = n;
			assert_null(memchr(taken + run[i].page, 1, n));
			memset(taken + run[i].page, 1, n);
		}
		if (step % 1000 == 0)
			buf_check(&p);
	}
	for (int i = 0; i < RUNS; i++)
		if (run[i].n > 0)
			buf_free(&p, run[i].page, run[i].n);
	buf_check(&p);
	assert_int_equal(p.free_pages, PAGES - 3);
	buf_fini(&p);
}

/* In a child, as it ends there. */
static int signal_of(void (*act)(struct buf_pool *))
{
	struct buf_pool p = pool_of(64, 0);
	pid_t child = fork();
	int status;

	if (child == 0) {
		close(STDERR_FILENO);
		act(&p);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	buf_fini(&p);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void free_twice(struct buf_pool *p)
{
	uint32_t page = buf_alloc(p, 4);

	buf_free(p, page, 4);
	buf_free(p, page, 4);
}

static void free_inside_a_free_block(struct buf_pool *p) { buf_free(p, 17, 1); }

static void free_past_the_end(struct buf_pool *p) { buf_free(p, 63, 2); }

static void a_mistake_of_our_own_stops_here(void **state)
{
	(void)state;
	assert_int_equal(signal_of(free_twice), SIGABRT);
	assert_int_equal(signal_of(free_inside_a_free_block), SIGABRT);
	assert_int_equal(signal_of(free_past_the_end), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_first_every_page_is_in_use),
		cmocka_unit_test(a_run_of_a_power_of_two_is_aligned_to_it),
		cmocka_unit_test(exactly_the_pages_asked_for_are_taken),
		cmocka_unit_test(what_was_freed_merges_to_the_whole),
		cmocka_unit_test(what_does_not_fit_is_refused_and_takes_nothing),
		cmocka_unit_test(what_was_just_freed_is_used_first),
		cmocka_unit_test(no_page_is_ever_handed_out_twice),
		cmocka_unit_test(a_mistake_of_our_own_stops_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
