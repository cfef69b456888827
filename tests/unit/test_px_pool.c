/* SPDX-License-Identifier: BSD-3-Clause */
/* test_px_pool.c - objects are handed out once each, whoever takes and gives them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "libtas/posix/px_pool.h"

struct object {
	_Atomic uint32_t owner;
	uint64_t payload[6];
	struct px_pooled pooled;
};

enum { THREADS = 4, ROUNDS = 60000, HELD = 16 };

static struct px_pool pool = PX_POOL_OF(struct object, pooled);

static void fresh_objects_are_zero_and_apart(void **state)
{
	struct object *a = px_pool_get(&pool), *b = px_pool_get(&pool);

	(void)state;
	assert_true(a != NULL && b != NULL && a != b);
	assert_int_not_equal(a->pooled.index, b->pooled.index);
	assert_int_equal(a->payload[5], 0);
	assert_ptr_equal(px_pool_at(&pool, a->pooled.index), a);
	assert_null(px_pool_at(&pool, PX_POOL_MAX));
	assert_null(px_pool_at(&pool, PX_POOL_MAX - 1)); /* never made */
	px_pool_put(&pool, a);
	px_pool_put(&pool, b);
}

static void what_came_back_is_given_again_as_it_was(void **state)
{
	struct object *a = px_pool_get(&pool), *b;
	uint32_t index = a->pooled.index;

	(void)state;
	a->payload[0] = 77;
	px_pool_put(&pool, a);
	b = px_pool_get(&pool);
	assert_ptr_equal(a, b);
	assert_int_equal(b->payload[0], 77);
	assert_int_equal(b->pooled.index, index);
	px_pool_put(&pool, b);
}

static void more_than_a_chunk_is_made(void **state)
{
	static struct object *o[3 * PX_POOL_CHUNK];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_LEN(o); i++) {
		o[i] = px_pool_get(&pool);
		assert_non_null(o[i]);
		assert_ptr_equal(px_pool_at(&pool, o[i]->pooled.index), o[i]);
		assert_int_equal(atomic_exchange(&o[i]->owner, 1), 0);
	}
	for (uint32_t i = 0; i < ARRAY_LEN(o); i++) {
		atomic_store(&o[i]->owner, 0);
		px_pool_put(&pool, o[i]);
	}
}

static _Atomic uint32_t clashes;

static void *worker(void *arg)
{
	struct object *held[HELD] = { NULL };
	uint32_t me = (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct object **o = &held[(i * 7 + me) % HELD];

		if (*o != NULL) {
			clashes += atomic_exchange(&(*o)->owner, 0) != me;
			px_pool_put(&pool, *o);
			*o = NULL;
			continue;
		}
		*o = px_pool_get(&pool);
		clashes += *o == NULL || atomic_exchange(&(*o)->owner, me) != 0;
	}
	for (uint32_t i = 0; i < HELD; i++) {
		if (held[i] != NULL) {
			atomic_store(&held[i]->owner, 0);
			px_pool_put(&pool, held[i]);
		}
	}
	return NULL;
}

static void threads_never_hold_the_same_object(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, worker, (void *)(i + 1));
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(clashes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fresh_objects_are_zero_and_apart),
		cmocka_unit_test(what_came_back_is_given_again_as_it_was),
		cmocka_unit_test(more_than_a_chunk_is_made),
		cmocka_unit_test(threads_never_hold_the_same_object) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
