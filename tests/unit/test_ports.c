/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ports.c - ephemeral ports: in range, free, in sequence, and not foreseeable across destinations. */
#include "slowpath/ports.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t secret[PORTS_SECRET_LEN] = "sixteen letters!";

enum { LOW = 30000, HIGH = 30099, RANGE = HIGH - LOW + 1 };

static struct {
	bool used[65536], reusable[65536];
	unsigned asked;
	tas_ns now;
} world;

static enum port_use use(void *arg, const struct flow_key *key)
{
	uint16_t port = be16toh(key->local_port);

	(void)arg;
	world.asked++;
	return !world.used[port] ? PORT_FREE : world.reusable[port] ? PORT_REUSABLE : PORT_TAKEN;
}

static struct ports p;

static int setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.now = NS_PER_SEC;
	ports_init(&p, LOW, HIGH, secret);
	return 0;
}

static struct flow_key to(uint32_t remote_be)
{
	return (struct flow_key){ .local = addr_v4(0x0100000a),
		.remote = addr_v4(remote_be),
		.remote_port = 80 };
}

static unsigned choose(uint32_t remote_be)
{
	struct flow_key k = to(remote_be);

	assert_int_equal(ports_choose(&p, &k, use, NULL, world.now), 0);
	return be16toh(k.local_port);
}

static void each_port_of_the_range_is_given_once_and_then_none(void **state)
{
	struct flow_key k = to(1);

	(void)state;
	for (unsigned i = 0; i < RANGE; i++) {
		unsigned port = choose(1);

		assert_in_range(port, LOW, HIGH);
		assert_false(world.used[port]);
		world.used[port] = true;
	}
	world.asked = 0;
	assert_int_equal(ports_choose(&p, &k, use, NULL, world.now), -EADDRNOTAVAIL);
	assert_int_equal(k.local_port, 0);
	assert_int_equal(world.asked, RANGE);
}

static void the_only_free_port_is_found_wherever_it_is(void **state)
{
	(void)state;
	memset(world.reusable, 1, sizeof(world.reusable));
	for (unsigned free_one = LOW; free_one <= HIGH; free_one++) {
		memset(world.used, 1, sizeof(world.used));
		world.used[free_one] = false;
		assert_int_equal(choose(free_one), free_one);
	}
}

static void in_one_search_what_may_be_used_again_is_found_if_nothing_is_free(void **state)
{
	unsigned first;

	(void)state;
	memset(world.used, 1, sizeof(world.used));
	world.reusable[LOW + 7] = world.reusable[LOW + 8] = world.reusable[LOW + 50] = true;
	first = choose(3);
	assert_true(world.reusable[first]);
	assert_int_equal(world.asked, RANGE);
	for (unsigned i = 0; i < 2; i++) /* in sequence, too */
		assert_int_not_equal(choose(3), first);
	assert_int_equal(choose(3), first);
}

/* Who asks again and again costs nothing. */
static void when_all_are_taken_nobody_looks_again_for_a_while(void **state)
{
	struct flow_key k = to(1), other = to(2);

	(void)state;
	memset(world.used, 1, sizeof(world.used));
	assert_int_equal(ports_choose(&p, &k, use, NULL, world.now), -EADDRNOTAVAIL);
	world.asked = 0;
	world.now += PORTS_FULL_NS - 1;
	assert_int_equal(ports_choose(&p, &k, use, NULL, world.now), -EADDRNOTAVAIL);
	assert_int_equal(k.local_port, 0);
	assert_int_equal(world.asked, 0);
	assert_int_equal(ports_choose(&p, &other, use, NULL, world.now), -EADDRNOTAVAIL); /* by itself */
	assert_int_equal(world.asked, RANGE);
	world.used[LOW + 3] = false;
	world.now++;
	assert_int_equal(choose(1), LOW + 3);
}

static void a_connection_that_ends_is_noticed_at_once(void **state)
{
	struct flow_key k = to(1), ended = to(1), other = to(2);

	(void)state;
	memset(world.used, 1, sizeof(world.used));
	assert_int_equal(ports_choose(&p, &k, use, NULL, world.now), -EADDRNOTAVAIL);
	world.used[LOW + 3] = false;
	other.local_port = ended.local_port = htobe16(LOW + 3);
	ports_ended(&p, &other, world.now);
	assert_int_equal(ports_choose(&p, &k, use, NULL, world.now), -EADDRNOTAVAIL);
	ports_ended(&p, &ended, world.now);
	assert_int_equal(choose(1), LOW + 3);
}

/* RFC 6056 3.1: a port is used again as late as possible, so that old segments have died out. */
static void a_port_returns_only_after_all_others(void **state)
{
	unsigned first = choose(7);

	(void)state;
	for (unsigned i = 1; i < RANGE; i++)
		assert_int_not_equal(choose(7), first);
	assert_int_equal(choose(7), first);
}

/* RFC 6056 3.3.4: what one destination sees does not move when we talk to others, and starts elsewhere. */
static void destinations_have_sequences_of_their_own(void **state)
{
	unsigned before = choose(1), equal = 0;

	(void)state;
	for (uint32_t other = 100; other < 150; other++)
		equal += choose(other) == before + 1;
	assert_true(equal < 5);
	/* 50 others among 1024 groups: one of them may share a group with us and have taken a turn */
	assert_in_range((choose(1) + RANGE - before) % RANGE, 1, 4);
}

static void the_secret_decides_where_a_sequence_begins(void **state)
{
	uint8_t other[PORTS_SECRET_LEN] = { 0 };
	unsigned equal = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		unsigned port;

		ports_init(&p, LOW, HIGH, secret);
		port = choose(i);
		other[0] = (uint8_t)i;
		ports_init(&p, LOW, HIGH, other);
		equal += port == choose(i);
	}
	assert_true(equal < 10); /* 1 of 100 by chance */
}

static void what_stood_in_the_port_field_does_not_matter(void **state)
{
	struct flow_key a = to(5), b = to(5);

	(void)state;
	a.local_port = 4711;
	assert_int_equal(ports_choose(&p, &a, use, NULL, world.now), 0);
	ports_init(&p, LOW, HIGH, secret);
	assert_int_equal(ports_choose(&p, &b, use, NULL, world.now), 0);
	assert_int_equal(a.local_port, b.local_port);
}

static void a_range_of_one_port_works(void **state)
{
	(void)state;
	ports_init(&p, 65535, 65535, secret);
	assert_int_equal(choose(1), 65535);
	assert_int_equal(choose(1), 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_port_of_the_range_is_given_once_and_then_none, setup),
		cmocka_unit_test_setup(the_only_free_port_is_found_wherever_it_is, setup),
		cmocka_unit_test_setup(in_one_search_what_may_be_used_again_is_found_if_nothing_is_free,
			setup),
		cmocka_unit_test_setup(when_all_are_taken_nobody_looks_again_for_a_while, setup),
		cmocka_unit_test_setup(a_connection_that_ends_is_noticed_at_once, setup),
		cmocka_unit_test_setup(a_port_returns_only_after_all_others, setup),
		cmocka_unit_test_setup(destinations_have_sequences_of_their_own, setup),
		cmocka_unit_test_setup(the_secret_decides_where_a_sequence_begins, setup),
		cmocka_unit_test_setup(what_stood_in_the_port_field_does_not_matter, setup),
		cmocka_unit_test_setup(a_range_of_one_port_works, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
