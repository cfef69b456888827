/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pass.c - descriptors that are passed by SCM_RIGHTS, and those that are not. */
#include "tests/unit/epoll_rig.h"

#include <sys/socket.h>

static int pair[2];

static int set_up(void **state)
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0 ||
		px_set_up(state) != 0;
}

union control {
	char space[CMSG_SPACE(2 * sizeof(int))];
	struct cmsghdr align;
};

static struct msghdr message(union control *control, int first, int second)
{
	static char x = 'x';
	static struct iovec byte = { &x, 1 };
	struct msghdr m = { .msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(*control) };
	int both[2] = { first, second };

	memset(control, 0, sizeof(*control));
	control->align = (struct cmsghdr){ CMSG_LEN(sizeof(both)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control->align), both, sizeof(both));
	return m;
}

static ssize_t pass(int first, int second)
{
	union control control;
	struct msghdr m = message(&control, first, second);

	return px_sendmsg(pair[0], &m, 0);
}

/* Messages with descriptors are read one by one. */
static int came(void)
{
	int n = 0;

	while (px_read(pair[1], (char[10]){ 0 }, 10) > 0)
		n++;
	return n;
}

static void what_would_be_something_else_is_not_passed(void **state)
{
	int flow = px_flow(1, 0), set = set_new();

	(void)state;
	assert_int_equal(pass(pair[0], 0), 1);
	assert_int_equal(pass(px_listener, set), 1);
	assert_int_equal(came(), 2);
	assert_errno(pass(0, flow), EOPNOTSUPP);
	assert_errno(pass(px_dup(flow), 0), EOPNOTSUPP);
	add(set, flow, EPOLLIN, 1);
	assert_errno(pass(set, 0), EOPNOTSUPP);
	file_flag(fd_look(px_listener), FILE_KERNEL_SIDE, false); /* as of one on an address of tasd's */
	assert_errno(pass(px_listener, 0), EOPNOTSUPP);
	file_flag(fd_look(px_listener), FILE_KERNEL_SIDE, true);
	assert_int_equal(came(), 0);
	assert_int_equal(px_close(flow), 0);
	assert_errno(pass(0, flow), EBADF);
}

static void messages_before_it_go_out(void **state)
{
	int flow = px_flow(1, 0);
	union control good, bad;
	struct mmsghdr m[3] = { { message(&good, 0, 1), 0 }, { message(&good, 0, 1), 0 },
		{ message(&bad, 0, flow), 0 } };

	(void)state;
	assert_int_equal(px_sendmmsg(pair[0], m, 3, 0), 2);
	assert_errno(px_sendmmsg(pair[0], m + 2, 1, 0), EOPNOTSUPP);
}

static void what_is_cut_is_the_kernels_to_refuse(void **state)
{
	union control control;
	struct msghdr m = message(&control, 0, px_flow(1, 0));

	(void)state;
	control.align.cmsg_len = 1000;
	assert_errno(px_sendmsg(pair[0], &m, 0), EINVAL);
	control.align.cmsg_len = 3;
	assert_errno(px_sendmsg(pair[0], &m, 0), EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(what_would_be_something_else_is_not_passed),
		T(messages_before_it_go_out), T(what_is_cut_is_the_kernels_to_refuse) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
