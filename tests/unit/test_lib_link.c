/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_link.c - the control socket: whole messages, descriptors that do not leak, and a tasd that
 * misbehaves. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "libtas/lib_int.h"
#include "libtas/lib_os.h"
#include "tests/unit/lib_server.h"

static struct server v;
static struct tas *t;

static int set_up(void **state)
{
	struct tas_setup conf = { .socket_path = v.path };

	(void)state;
	server_start(&v);
	return tas_create(&t, &conf);
}

static int tear_down(void **state)
{
	(void)state;
	tas_destroy(t);
	server_stop(&v);
	return 0;
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 33000; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void an_attachment_over_the_socket_gives_a_region_that_works(void **state)
{
	struct tas_listen_opt opt = { .port = 80, .backlog = 5 };
	struct tas_ctx *c = tas_ctx_self(t);
	struct tas_sock *l, *s;
	char why[200] = "";

	(void)state;
	assert_int_equal(tas_attach(t, why, sizeof(why)), 0);
	assert_string_equal(why, "");
	assert_int_equal(tas_listen(c, &opt, &l), 0);
	assert_int_equal(tas_listen_arm(c, l), 0);
	rig_incoming(&v.rig, 3, 1);
	assert_int_equal(tas_accept(c, l, &s), 0);
	rig_deliver(&v.rig, 3, 5);
	assert_int_equal(tas_rx_bytes(s), 5);
	assert_int_equal(tas_send(c, s, "abc", 3, 0), 3);
	assert_memory_equal(v.rig.base + rig_rec(&v.rig, 3)->tx_off, "abc", 3);
	v.rig.header->core_line[0].asleep = 1;
	tas_send(c, s, "abc", 3, 0);
	assert_true(lib_event_read(&t->os, v.core_fd));
}

static void every_descriptor_is_high_and_closed_on_exec(void **state)
{
	(void)state;
	tas_attach(t, NULL, 0);
	tas_ctx_poll(tas_ctx_self(t));
	assert_true(tas_fd_is_internal(t, t->ctl_fd));
	assert_true(tas_fd_is_internal(t, t->watch_fd));
	assert_true(tas_fd_is_internal(t, t->att->core_fd[0]));
	assert_true(tas_fd_is_internal(t, t->att->rings[0].fd));
	assert_int_equal(fcntl(t->att->core_fd[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(t->ctl_fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(t->att->rings[0].fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

static void nothing_leaks_over_many_attachments(void **state)
{
	unsigned before = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct tas_setup conf = { .socket_path = v.path };
		struct tas *again;

		assert_int_equal(tas_create(&again, &conf), 0);
		assert_int_equal(tas_attach(again, NULL, 0), 0);
		tas_ctx_poll(tas_ctx_self(again));
		tas_destroy(again);
		server_quiet(&v);
		if (i == 0)
			before = open_fds();
	}
	assert_int_equal(open_fds(), before);
}

static void descriptors_too_many_are_closed(void **state)
{
	struct ctl_msg m = { .type = CTL_CONTEXT, .sequence = 1 };
	unsigned before, nfds;
	int fds[1];

	(void)state;
	tas_attach(t, NULL, 0);
	v.surplus_fds = 5;
	before = open_fds();
	assert_int_equal(lib_link_unix.request(t, &m, fds, 0, &nfds), 0);
	assert_int_equal(nfds, 0);
	server_quiet(&v);
	assert_int_equal(open_fds(), before + 1); /* the server's own eventfd */
}

static void an_attachment_wants_all_its_descriptors(void **state)
{
	struct rlimit before;
	char why[200] = "";
	int error;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &before);
	v.no_numbers = true;
	error = tas_attach(t, why, sizeof(why));
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(error, -EMFILE);
	assert_non_null(strstr(why, "descriptor"));
	server_quiet(&v);
	v.core_missing = true;
	t->tried_error = 0; /* at once */
	assert_int_equal(tas_attach(t, NULL, 0), -EPROTO);
	server_quiet(&v);
	t->tried_error = 0;
	assert_int_equal(tas_attach(t, NULL, 0), 0);
}

static void a_context_is_asked_for_when_it_can_be_taken(void **state)
{
	struct rlimit before;

	(void)state;
	tas_attach(t, NULL, 0);
	server_numbers_out(&before);
	for (int i = 0; i < 20; i++)
		tas_ctx_poll(tas_ctx_self(t));
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(v.rig.asked[CTL_CONTEXT], 0);
	v.no_numbers = true; /* the last one goes while tasd answers */
	tas_ctx_poll(tas_ctx_self(t));
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(v.rig.asked[CTL_CONTEXT], 1);
	assert_true(tas_attached(t));
	assert_int_equal(t->att->nr_rings, 0);
	tas_ctx_poll(tas_ctx_self(t));
	assert_int_equal(t->att->nr_rings, 1);
	assert_true(t->att->rings[0].fd >= 0);
}

static void at_the_limit_a_descriptor_keeps_its_number(void **state)
{
	int fd = dup(STDIN_FILENO);
	_Atomic int place = -1;
	struct rlimit before;

	(void)state;
	server_numbers_out(&before);
	assert_int_equal(lib_fd_take(t, &place, fd), 0);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(place, fd);
	assert_true(tas_fd_is_internal(t, fd));
	assert_true(fcntl(fd, F_GETFD) >= 0);
	lib_fd_drop(t, &place);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void an_answer_to_another_request_is_none(void **state)
{
	struct tas_connect_opt opt = { .remote_port = 1 };
	struct tas_sock *s;

	(void)state;
	tas_attach(t, NULL, 0);
	tas_ctx_poll(tas_ctx_self(t));
	v.wrong_sequence = true;
	assert_int_equal(tas_connect(tas_ctx_self(t), &opt, &s), -ENOTCONN);
	assert_false(tas_attached(t));
}

static void a_short_answer_is_none(void **state)
{
	(void)state;
	v.short_answer = true;
	assert_int_equal(tas_attach(t, NULL, 0), -EPROTO);
}

static void a_hang_up_instead_of_an_answer_is_the_end(void **state)
{
	(void)state;
	tas_attach(t, NULL, 0);
	v.hang_up = true;
	assert_int_equal(tas_route(t, &(struct net_addr){ 0 }, NULL, NULL), -ENOTCONN);
	assert_false(tas_attached(t));
}

static void a_missing_socket_is_named(void **state)
{
	struct tas_setup conf = { .socket_path = "/nonexistent/tasd.sock" };
	struct tas *other;
	char why[200];

	(void)state;
	assert_int_equal(tas_create(&other, &conf), 0);
	assert_int_equal(tas_attach(other, why, sizeof(why)), -ENOENT);
	assert_string_equal(why, "no tasd at /nonexistent/tasd.sock: is it running?");
	tas_destroy(other);
}

static void a_path_that_does_not_fit_is_refused(void **state)
{
	char path[200];
	struct tas_setup conf = { .socket_path = path };
	struct tas *other;

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(tas_create(&other, &conf), -ENAMETOOLONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_attachment_over_the_socket_gives_a_region_that_works),
		TEST(every_descriptor_is_high_and_closed_on_exec),
		TEST(nothing_leaks_over_many_attachments),
		TEST(descriptors_too_many_are_closed),
		TEST(an_attachment_wants_all_its_descriptors),
		TEST(a_context_is_asked_for_when_it_can_be_taken),
		TEST(at_the_limit_a_descriptor_keeps_its_number),
		TEST(an_answer_to_another_request_is_none),
		TEST(a_short_answer_is_none),
		TEST(a_hang_up_instead_of_an_answer_is_the_end),
		TEST(a_missing_socket_is_named),
		TEST(a_path_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
