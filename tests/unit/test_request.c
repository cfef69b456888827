/* SPDX-License-Identifier: BSD-3-Clause */
/* test_request.c - each message has its time; each gets one answer, or ends its sender. No sockets: as a
 * simulation brings them. */
#include "slowpath/request.h"

#include <errno.h>
#include <fcntl.h>

#include "tests/unit/app_rig.h"

static enum request_verdict ask_with(struct app_rig *r, struct request_client *c, struct ctl_msg *m,
	struct request *out)
{
	struct request q = { .msg = m, .now = r->now, .random = 4711 };
	enum request_verdict v = request_handle(&r->apps, c, &q);

	if (out != NULL)
		*out = q;
	return v;
}

/* As the library does when it has mapped the region. */
static void seal(struct app_rig *r, const struct request_client *c)
{
	int fd = r->apps.slot[c->app].region.fd;

	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL), 0);
}

static enum request_verdict ask(struct app_rig *r, struct request_client *c, uint16_t type, struct ctl_msg *m)
{
	*m = (struct ctl_msg){ .type = type };
	if (type == CTL_HELLO)
		m->hello = rig_hello();
	return ask_with(r, c, m, NULL);
}

static struct request_client attached(struct app_rig *r)
{
	struct request_client c = { .app = APP_NONE, .who = { .pid = 1 } };
	struct ctl_msg m;

	assert_int_equal(ask(r, &c, CTL_HELLO, &m), REQUEST_ANSWER);
	assert_int_equal(m.status, 0);
	seal(r, &c);
	assert_int_equal(ask(r, &c, CTL_MAPPED, &m), REQUEST_ANSWER);
	assert_int_equal(m.status, 0);
	assert_int_equal(ask(r, &c, CTL_CONTEXT, &m), REQUEST_ANSWER);
	assert_int_equal(m.status, 0);
	return c;
}

/* The columns of the protocol: new, greeted, attached. */
static void every_message_has_its_time(void **state)
{
	static const struct {
		uint16_t type;
		bool ok[3];
	} rules[] = {
		{ CTL_HELLO, { true, false, false } },
		{ CTL_QUERY, { true, false, false } },
		{ CTL_MAPPED, { false, true, false } },
		{ CTL_CONTEXT, { false, false, true } },
		{ CTL_LISTEN, { false, false, true } },
		{ CTL_UNLISTEN, { false, false, true } },
		{ CTL_ARM, { false, false, true } },
		{ CTL_CONNECT, { false, false, true } },
		{ CTL_ROUTE, { false, false, true } },
		{ CTL_INFO, { false, false, true } },
		{ CTL_ADOPT, { false, false, true } },
		{ CTL_TEXT, { false, false, false } },
		{ 0, { false, false, false } },
		{ UINT16_MAX, { false, false, false } },
	};
	struct app_rig *r = rig_new();

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rules); i++)
		for (int stage = 0; stage < 3; stage++) {
			struct request_client c = { .app = APP_NONE };
			struct ctl_msg m;

			if (stage == REQUEST_GREETED)
				ask(r, &c, CTL_HELLO, &m);
			else if (stage == REQUEST_ATTACHED)
				c = attached(r);
			assert_int_equal(ask(r, &c, rules[i].type, &m) != REQUEST_DROP, rules[i].ok[stage]);
			request_client_end(&r->apps, &c);
			rig_pass(r);
			rig_pass(r);
		}
	assert_int_equal(r->apps.nr_free, RIG_APPS);
	rig_end(r);
}

static void an_answer_is_in_place_of_the_request(void **state)
{
	struct app_rig *r = rig_new();
	struct request_client c = attached(r);
	struct ctl_msg m = { .type = CTL_LISTEN, .sequence = 77, .listen = { .cookie = 5 } };

	(void)state;
	assert_int_equal(ask_with(r, &c, &m, NULL), REQUEST_ANSWER);
	assert_int_equal(m.type, CTL_LISTEN);
	assert_int_equal(m.sequence, 77);
	assert_int_equal(m.listen.id, 1);
	m.listen.cookie = 6;
	r->refuse_listen = EADDRINUSE;
	assert_int_equal(ask_with(r, &c, &m, NULL), REQUEST_ANSWER);
	assert_int_equal(m.status, EADDRINUSE);
	rig_end(r);
}

static void a_connection_can_be_opened_and_looked_at(void **state)
{
	struct app_rig *r = rig_new();
	struct request_client c = attached(r);
	struct ctl_msg m = { .type = CTL_CONNECT, .connect = { .context = 1 } }, info = { .type = CTL_INFO };

	(void)state;
	assert_int_equal(ask_with(r, &c, &m, NULL), REQUEST_ANSWER);
	assert_int_equal(m.status, EINVAL); /* has no context 1 */
	m.connect.context = 0;
	assert_int_equal(ask_with(r, &c, &m, NULL), REQUEST_ANSWER);
	assert_int_equal(m.status, 0);
	info.info.flow = m.connect.flow;
	info.info.gen = m.connect.gen;
	assert_int_equal(ask_with(r, &c, &info, NULL), REQUEST_ANSWER);
	assert_int_equal(info.status, 0);
	assert_string_equal(info.info.congestion, "cubic");
	rig_end(r);
}

static void the_region_goes_out_with_hello_and_nothing_else_does_without_descriptors(void **state)
{
	struct app_rig *r = rig_new();
	struct request_client c = { .app = APP_NONE };
	struct ctl_msg m = { .type = CTL_HELLO, .hello = rig_hello() };
	struct request q;

	(void)state;
	assert_int_equal(ask_with(r, &c, &m, &q), REQUEST_ANSWER);
	assert_int_equal(q.nr_out, 1); /* no eventfds of cores in a simulation */
	assert_int_equal(q.out_fd[0], r->apps.slot[c.app].region.fd);
	assert_false(q.close_out);
	rig_end(r);
}

static void a_name_is_made_printable(void **state)
{
	struct app_rig *r = rig_new();
	struct request_client c = { .app = APP_NONE };
	struct ctl_msg m = { .type = CTL_HELLO, .hello = rig_hello() };

	(void)state;
	memset(m.hello.program, 'x', sizeof(m.hello.program)); /* without an end */
	memcpy(m.hello.program, "a\n\"\\\x1b\xff b", 8);
	assert_int_equal(ask_with(r, &c, &m, NULL), REQUEST_ANSWER);
	assert_string_equal(r->apps.slot[c.app].who.program, "a??????bxxxxxxxxxxxxxxxxxxxxxxx");
	rig_end(r);
}

static void a_fork_gets_a_token_and_a_hold_until_the_child_lets_go(void **state)
{
	struct app_rig *r = rig_new();
	struct request_client c = attached(r);
	struct ctl_msg f = { .type = CTL_FORK };
	struct request q;

	(void)state;
	assert_int_equal(ask_with(r, &c, &f, &q), REQUEST_ANSWER);
	assert_int_equal(f.fork.token, 4711);
	assert_non_null(q.hold);
	app_fork_end(&r->apps, q.hold);
	rig_end(r);
}

static void more_forks_than_there_may_be_are_refused_and_the_parent_goes_on(void **state)
{
	struct app_rig *r = rig_new();
	struct request_client c = attached(r);
	struct ctl_msg m;
	struct request q;
	unsigned n = 0;

	(void)state;
	do {
		m = (struct ctl_msg){ .type = CTL_FORK };
		assert_int_equal(ask_with(r, &c, &m, &q), REQUEST_ANSWER);
		n += m.status == 0;
	} while (m.status == 0);
	assert_int_equal(n, HOLDS_APP_MAX);
	assert_int_equal(m.status, ENOSPC);
	assert_int_equal(m.fork.token, 0);
	assert_null(q.hold);
	assert_int_equal(ask(r, &c, CTL_ROUTE, &m), REQUEST_ANSWER);
	assert_int_equal(m.status, 0);
	rig_end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_has_its_time),
		cmocka_unit_test(an_answer_is_in_place_of_the_request),
		cmocka_unit_test(a_connection_can_be_opened_and_looked_at),
		cmocka_unit_test(the_region_goes_out_with_hello_and_nothing_else_does_without_descriptors),
		cmocka_unit_test(a_name_is_made_printable),
		cmocka_unit_test(a_fork_gets_a_token_and_a_hold_until_the_child_lets_go),
		cmocka_unit_test(more_forks_than_there_may_be_are_refused_and_the_parent_goes_on),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
