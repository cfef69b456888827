/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_attach.c - attaching, in the order of include/abi/ctl.h; tasd's death, and its return. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "libtas/lib_int.h"
#include "tests/unit/lib_rig.h"

static struct rig r;

static int set_up(void **state)
{
	(void)state;
	rig_begin(&r, 2, 3);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static void an_attachment_says_hello_maps_and_says_so(void **state)
{
	const struct ctl_hello *h = &r.last[CTL_HELLO].hello;

	(void)state;
	assert_false(tas_attached(r.t));
	assert_int_equal(tas_epoch(r.t), 0);
	assert_int_equal(tas_attach(r.t, NULL, 0), 0);
	assert_true(tas_attached(r.t));
	assert_int_equal(tas_epoch(r.t), 1);
	assert_true(h->magic == ABI_MAGIC && h->major == ABI_MAJOR && h->minor == ABI_MINOR);
	assert_int_equal(h->header_size, sizeof(struct abi_header));
	assert_int_equal(h->rec_size, sizeof(struct abi_flow_rec));
	assert_int_equal(h->bell_size, sizeof(struct abi_bell));
	assert_int_equal(h->context_size, sizeof(struct abi_context));
	assert_string_equal(h->program, program_invocation_short_name);
	assert_int_equal(r.asked[CTL_MAPPED], 1);
	assert_int_equal(tas_attach(r.t, NULL, 0), 0);
	assert_int_equal(r.asked[CTL_HELLO], 1);
}

static void without_tasd_it_is_tried_once_in_a_while(void **state)
{
	char why[100] = "";

	(void)state;
	r.down = true;
	assert_int_equal(tas_attach(r.t, why, sizeof(why)), -ECONNREFUSED);
	assert_non_null(strstr(why, "is it running?"));
	assert_non_null(strstr(why, "default.sock"));
	r.down = false;
	assert_int_equal(tas_attach(r.t, why, 5), -ECONNREFUSED); /* not tried again yet */
	assert_int_equal(strlen(why), 4);
	r.t->tried_ns -= TAS_RETRY_MS * NS_PER_MS;
	assert_int_equal(tas_attach(r.t, NULL, 0), 0);
}

static void a_refusal_is_given_in_tasds_words(void **state)
{
	char why[100] = "";

	(void)state;
	r.refuse[CTL_HELLO] = EPROTO;
	assert_int_equal(tas_attach(r.t, why, sizeof(why)), -EPROTO);
	assert_int_equal(r.closes, 1);
	assert_false(tas_attached(r.t));
}

static int open_with_other_layout(void *arg)
{
	struct rig *rig = arg;
	int error = rig_link_open(rig);

	rig->header->rec_size++;
	return error;
}

static void another_layout_is_refused_in_words(void **state)
{
	char why[200] = "";

	(void)state;
	r.t->link.open = open_with_other_layout;
	assert_int_equal(tas_attach(r.t, why, sizeof(why)), -EPROTO);
	assert_non_null(strstr(why, "install both"));
	assert_int_equal(r.asked[CTL_MAPPED], 0);
	assert_int_equal(r.closes, 1);
}

static void death_resets_every_flow_and_is_told(void **state)
{
	struct tas_sock *l = rig_listener(&r), *a = rig_accepted(&r, l, 3), *b = rig_accepted(&r, l, 900);
	const uint32_t all = TAS_EV_IN | TAS_EV_OUT | TAS_EV_ERR | TAS_EV_HUP | TAS_EV_RDHUP;

	(void)state;
	r.nr_events = 0;
	r.mute = r.down = true;
	tas_ctl_event(r.t);
	assert_false(tas_attached(r.t));
	assert_int_equal(r.nr_events, 2);
	assert_true(r.event[0].s == a && r.event[0].edges == all);
	assert_true(r.event[1].s == b && r.event[1].edges == all);
	assert_int_equal(tas_send(r.c, a, "x", 1, 0), -ECONNRESET);
	assert_int_equal(tas_send(r.c, a, "x", 1, 0), -EPIPE);
	assert_int_equal(tas_recv(r.c, b, &(char){ 0 }, 1, 0), -ECONNRESET);
	assert_int_equal(tas_recv(r.c, b, &(char){ 0 }, 1, 0), 0);
	tas_close(r.c, a, false);
	tas_close(r.c, b, false);
}

static void a_request_that_finds_tasd_dead_does_the_same(void **state)
{
	struct tas_sock *l = rig_listener(&r), *s = rig_accepted(&r, l, 3), *none;
	struct tas_connect_opt opt = { .remote_port = 1 };

	(void)state;
	r.mute = r.down = true;
	assert_int_equal(tas_connect(r.c, &opt, &none), -ENOTCONN);
	assert_int_equal(tas_error(s), ECONNRESET);
}

static void a_loop_that_never_blocks_finds_out(void **state)
{
	struct tas_sock *l = rig_listener(&r), *s = rig_accepted(&r, l, 3);
	ssize_t got;

	(void)state;
	r.mute = r.down = true;
	do
		got = tas_recv(r.c, s, &(char){ 0 }, 1, 0);
	while (got == -EAGAIN);
	assert_int_equal(got, -ECONNRESET);
}

static void the_mapping_stays_until_its_last_socket_is_closed(void **state)
{
	struct tas_sock *l = rig_listener(&r), *s = rig_accepted(&r, l, 3);
	struct lib_att *a = r.t->att;
	char byte;

	(void)state;
	rig_deliver(&r, 3, 2);
	lib_att_get(a);
	r.mute = true;
	tas_ctl_event(r.t); /* tasd is back at once, too */
	assert_int_equal(tas_epoch(r.t), 2);
	assert_int_equal(tas_recv(r.c, s, &byte, 1, 0), 1); /* received before the end */
	assert_int_equal(a->refs, 3);                       /* socket, context, us */
	tas_ctx_poll(r.c);
	assert_int_equal(a->refs, 2);
	tas_close(r.c, s, false);
	assert_int_equal(a->refs, 1);
	lib_att_put(a);
}

static void listeners_are_registered_and_armed_again(void **state)
{
	struct tas_sock *l = rig_listener(&r), *s;
	uint32_t cookie = r.last[CTL_LISTEN].listen.cookie;

	(void)state;
	rig_incoming(&r, 5, 1); /* dies with tasd before it is accepted */
	tas_ctx_poll(r.c);
	r.down = r.mute = true;
	tas_ctl_event(r.t);
	assert_int_equal(tas_accept(r.c, l, &s), -EAGAIN);
	r.down = false;
	r.t->tried_error = 0;
	tas_ctl_event(r.t);
	assert_true(tas_attached(r.t));
	assert_int_equal(r.asked[CTL_LISTEN], 2);
	assert_int_equal(r.last[CTL_LISTEN].listen.cookie, cookie);
	assert_int_equal(r.asked[CTL_ARM], 1);
	tas_ctx_poll(r.c); /* has rings again, and the listener is armed for them */
	assert_int_equal(r.asked[CTL_ARM], 2);
	rig_incoming(&r, 5, 1);
	assert_int_equal(tas_accept(r.c, l, &s), 0);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
}

static void a_listener_may_wait_for_tasd(void **state)
{
	struct tas_listen_opt opt = { .port = 80, .backlog = 16 };
	struct tas_sock *l = NULL, *s;

	(void)state;
	r.down = true;
	assert_int_equal(tas_listen(r.c, &opt, &l), -ECONNREFUSED);
	opt.when_ready = true;
	assert_int_equal(tas_listen(r.c, &opt, &l), 0);
	assert_int_equal(tas_listen_arm(r.c, l), 0);
	assert_int_equal(tas_accept(r.c, l, &s), -EAGAIN);
	assert_int_equal(tas_ready(l), 0);
	r.down = false;
	r.t->tried_error = 0;
	tas_ctl_event(r.t);
	assert_int_equal(r.asked[CTL_LISTEN], 1);
	tas_ctx_poll(r.c);
	assert_int_equal(r.asked[CTL_ARM], 1);
	rig_incoming(&r, 5, 1);
	tas_ctx_poll(r.c);
	assert_int_equal(tas_ready(l), TAS_EV_IN);
	assert_int_equal(tas_accept(r.c, l, &s), 0);
}

static void a_listener_that_tasd_refuses_after_its_return_is_offered_again(void **state)
{
	(void)state;
	rig_listener(&r);
	r.mute = true;
	r.refuse[CTL_LISTEN] = EADDRINUSE;
	tas_ctl_event(r.t);
	assert_true(tas_attached(r.t));
	assert_int_equal(r.asked[CTL_LISTEN], 2);
	r.refuse[CTL_LISTEN] = 0;
	tas_ctl_event(r.t);
	assert_int_equal(r.asked[CTL_LISTEN], 3);
	tas_ctl_event(r.t);
	assert_int_equal(r.asked[CTL_LISTEN], 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_attachment_says_hello_maps_and_says_so),
		TEST(without_tasd_it_is_tried_once_in_a_while),
		TEST(a_refusal_is_given_in_tasds_words),
		TEST(another_layout_is_refused_in_words),
		TEST(death_resets_every_flow_and_is_told),
		TEST(a_request_that_finds_tasd_dead_does_the_same),
		TEST(a_loop_that_never_blocks_finds_out),
		TEST(the_mapping_stays_until_its_last_socket_is_closed),
		TEST(listeners_are_registered_and_armed_again),
		TEST(a_listener_may_wait_for_tasd),
		TEST(a_listener_that_tasd_refuses_after_its_return_is_offered_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
