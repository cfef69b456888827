/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_options.c - options of sockets that are open: what tasd is told, and what the library does itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "libtas/lib_int.h"
#include "tests/unit/lib_rig.h"

enum { REC = 3 };

static struct rig r;
static struct tas_sock *l, *s;

static int set_up(void **state)
{
	(void)state;
	rig_begin(&r, 1, 2);
	l = rig_listener(&r);
	s = rig_accepted(&r, l, REC);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static void a_flows_options_are_told_with_its_name(void **state)
{
	const struct ctl_options options = { .tos = 4, .congestion = "cubic" };
	const struct ctl_change *asked = &r.last[CTL_OPTIONS].change;

	(void)state;
	assert_int_equal(tas_set_options(s, &options), 0);
	assert_int_equal(asked->flow, REC + 5000);
	assert_int_equal(asked->gen, 1);
	assert_memory_equal(&asked->options, &options, sizeof(options));
	r.refuse[CTL_OPTIONS] = ENOENT;
	assert_int_equal(tas_set_options(s, &options), -ENOENT);
}

static void a_listeners_options_are_those_of_a_listener_that_listens_again(void **state)
{
	const struct ctl_options options = { .tos = 4 };
	const struct ctl_listen *asked = &r.last[CTL_LISTEN].listen;
	struct ctl_listen before = *asked;

	(void)state;
	assert_int_equal(tas_set_options(l, &options), 0);
	assert_memory_equal(&asked->options, &options, sizeof(options));
	assert_int_equal(asked->cookie, before.cookie);
	assert_int_equal(asked->backlog, before.backlog);
	assert_int_equal(r.asked[CTL_OPTIONS], 0);
	/* and of one that is registered anew */
	r.mute = true;
	assert_int_equal(tas_set_options(l, &(struct ctl_options){ .tos = 8 }), 0);
	r.mute = false;
	assert_int_equal(tas_attach(r.t, NULL, 0), 0);
	assert_int_equal(asked->options.tos, 8);
}

/* Else tasd, which uses less of the ring, would take it for full though it was read. */
static void reading_is_told_sooner_if_less_of_the_ring_is_used(void **state)
{
	uint8_t buf[600];

	(void)state;
	rig_deliver(&r, REC, 2 * sizeof(buf));
	assert_int_equal(tas_recv(r.c, s, buf, sizeof(buf), 0), sizeof(buf));
	assert_int_equal(rig_bells_drop(&r, 0, 0), 0);
	assert_int_equal(tas_set_options(s, &(struct ctl_options){ .rx_size = RIG_RING / 4 }), 0);
	assert_int_equal(tas_recv(r.c, s, buf, sizeof(buf), 0), sizeof(buf));
	assert_int_equal(rig_bells_drop(&r, 0, 0), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flows_options_are_told_with_its_name),
		TEST(a_listeners_options_are_those_of_a_listener_that_listens_again),
		TEST(reading_is_told_sooner_if_less_of_the_ring_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
