/* SPDX-License-Identifier: BSD-3-Clause */
/* test_epoll.c - epoll on accelerated sockets: each event once, in the words of epoll(7). */
#include "tests/unit/epoll_rig.h"

#include <poll.h>

static void level_is_reported_as_long_as_it_is_true(void **state)
{
	int set = set_new(), fd = px_flow(1, SOCK_NONBLOCK);
	char data[10];

	(void)state;
	add(set, fd, EPOLLIN, 7);
	assert_int_equal(now(set), 0);
	px_arrive(1, 10);
	assert_event(set, EPOLLIN, 7);
	assert_event(set, EPOLLIN, 7);
	assert_int_equal(px_read(fd, data, 4), 4);
	assert_event(set, EPOLLIN, 7);
	assert_int_equal(px_read(fd, data, 10), 6);
	assert_int_equal(now(set), 0);
}

static void what_was_there_before_add_is_reported(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);

	(void)state;
	px_arrive(1, 10);
	add(set, fd, EPOLLIN | EPOLLOUT | EPOLLET, 7);
	assert_event(set, EPOLLIN | EPOLLOUT, 7);
	assert_int_equal(now(set), 0);
}

static void an_edge_is_reported_once_and_again_for_new_bytes(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);
	char data[5];

	(void)state;
	add(set, fd, EPOLLIN | EPOLLET, 7);
	assert_int_equal(now(set), 0);
	px_arrive(1, 10);
	assert_event(set, EPOLLIN, 7);
	assert_int_equal(now(set), 0);
	assert_int_equal(px_read(fd, data, 5), 5);
	assert_int_equal(now(set), 0); /* what is left is no news */
	px_arrive(1, 1);
	assert_event(set, EPOLLIN, 7);
	assert_int_equal(now(set), 0);
}

static void an_edge_that_is_over_is_not_reported(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);
	char data[10];

	(void)state;
	add(set, fd, EPOLLIN | EPOLLET, 7);
	px_arrive(1, 10);
	tas_ctx_poll(r.c);
	assert_int_equal(px_read(fd, data, 10), 10);
	assert_int_equal(now(set), 0);
}

static void anothers_wait_for_the_socket_is_no_edge(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);
	struct pollfd p = { .fd = fd, .events = 0 };

	(void)state;
	add(set, fd, EPOLLIN | EPOLLET, 7);
	px_arrive(1, 10);
	assert_event(set, EPOLLIN, 7);
	/* it attracts the notifications for as long as it waits; the set attracts them again */
	assert_int_equal(px_poll(&p, 1, 5), 0);
	assert_int_equal(now(set), 0);
	px_arrive(1, 1);
	assert_event(set, EPOLLIN, 7);
}

static void a_shot_is_fired_once_until_modified(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);

	(void)state;
	add(set, fd, EPOLLIN | EPOLLONESHOT, 7);
	px_arrive(1, 10);
	assert_event(set, EPOLLIN, 7);
	px_arrive(1, 10);
	assert_int_equal(now(set), 0);
	rig_event(&r, 1, ABI_EV_RESET, ECONNRESET);
	rig_notify(&r, 0, 0, 1);
	assert_int_equal(now(set), 0); /* not even errors */
	assert_int_equal(ctl(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 8), 0);
	assert_int_equal(now(set), 1);
	assert_int_equal(got[0].data.u64, 8);
	assert_true(got[0].events & EPOLLERR);
}

static void nobody_is_told_what_it_did_not_ask_for(void **state)
{
	int set = set_new(), fd = px_flow(1, SOCK_NONBLOCK);

	(void)state;
	add(set, fd, EPOLLIN, 7);
	px_fill(fd);
	px_acknowledge(1, 4096, true);
	assert_int_equal(now(set), 0);
	assert_int_equal(ctl(set, EPOLL_CTL_MOD, fd, 0, 7), 0);
	px_arrive(1, 10);
	assert_int_equal(now(set), 0);
	assert_int_equal(ctl(set, EPOLL_CTL_MOD, fd, EPOLLIN, 7), 0);
	assert_event(set, EPOLLIN, 7);
}

static void space_is_told_to_who_waits_for_it(void **state)
{
	int set = set_new(), fd = px_flow(1, SOCK_NONBLOCK);
	struct abi_bell b;
	bool asked = false;

	(void)state;
	add(set, fd, EPOLLOUT, 7);
	assert_event(set, EPOLLOUT, 7);
	assert_int_equal(px_fill(fd), RIG_RING);
	rig_bells_drop(&r, 0, 0);
	assert_int_equal(now(set), 0);
	px_acknowledge(1, 4096, true);
	assert_event(set, EPOLLOUT, 7);
	/* filled to the last byte, by a write that did not fall short: epoll asks in its place */
	assert_int_equal(px_write(fd, (char[RIG_RING]){ 0 }, RIG_RING), RIG_RING);
	rig_bells_drop(&r, 0, 0);
	assert_int_equal(now(set), 0);
	while (rig_bell(&r, 0, 0, &b))
		asked |= (b.flags & ABI_BELL_WANT_SPACE) != 0;
	assert_true(asked);
}

static void the_peers_end_is_reported_as_linux_does(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);

	(void)state;
	add(set, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, 7);
	rig_event(&r, 1, ABI_EV_RX_FIN, 0);
	rig_notify(&r, 0, 0, 1);
	assert_event(set, EPOLLIN | EPOLLRDHUP, 7);
	assert_int_equal(now(set), 0);
	assert_int_equal(px_shutdown(fd, SHUT_WR), 0);
	assert_event(set, EPOLLIN | EPOLLRDHUP | EPOLLHUP, 7);
}

static void an_error_is_reported_whatever_was_asked_for(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);
	char byte;

	(void)state;
	add(set, fd, 0, 7);
	rig_event(&r, 1, ABI_EV_RESET, ECONNRESET);
	rig_notify(&r, 0, 0, 1);
	/* Linux's mask of none is none but for errors and hang-ups */
	assert_int_equal(ctl(set, EPOLL_CTL_MOD, fd, EPOLLOUT, 7), 0);
	assert_event(set, EPOLLOUT | EPOLLERR | EPOLLHUP, 7);
	assert_errno(px_recv(fd, &byte, 1, 0), ECONNRESET);
	assert_event(set, EPOLLOUT | EPOLLHUP, 7);
}

static void two_sets_are_told_each(void **state)
{
	int one = set_new(), two = set_new(), fd = px_flow(1, 0);

	(void)state;
	add(one, fd, EPOLLIN | EPOLLET, 1);
	add(two, fd, EPOLLIN | EPOLLET, 2);
	px_arrive(1, 10);
	assert_event(one, EPOLLIN, 1);
	assert_event(two, EPOLLIN, 2);
	assert_int_equal(now(one), 0);
	assert_int_equal(now(two), 0);
}

static void a_set_in_a_set_is_ready_as_long_as_it_has_events(void **state)
{
	int inner = set_new(), outer = set_new(), fd = px_flow(1, 0);
	struct pollfd p = { .fd = inner, .events = POLLIN };
	char data[10];

	(void)state;
	add(outer, inner, EPOLLIN, 1);
	add(inner, fd, EPOLLIN, 2);
	assert_int_equal(now(outer), 0);
	assert_int_equal(px_poll(&p, 1, 0), 0);
	px_arrive(1, 10);
	assert_event(outer, EPOLLIN, 1);
	assert_int_equal(px_poll(&p, 1, 0), 1);
	assert_event(inner, EPOLLIN, 2);
	assert_event(outer, EPOLLIN, 1);
	assert_int_equal(px_read(fd, data, 10), 10);
	assert_int_equal(now(outer), 0);
	assert_int_equal(px_poll(&p, 1, 0), 0);
	assert_errno(ctl(inner, EPOLL_CTL_ADD, outer, EPOLLIN, 3), ELOOP);
	assert_errno(ctl(inner, EPOLL_CTL_ADD, inner, EPOLLIN, 3), EINVAL);
}

static void errors_of_epoll_ctl_are_linuxs(void **state)
{
	int set = set_new(), fd = px_flow(1, 0), file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_errno(ctl(set, EPOLL_CTL_MOD, fd, EPOLLIN, 1), ENOENT);
	assert_errno(px_epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), ENOENT);
	add(set, fd, EPOLLIN, 1);
	assert_errno(ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN, 1), EEXIST);
	assert_errno(ctl(set, EPOLL_CTL_ADD, file, EPOLLIN, 1), EPERM);
	assert_errno(ctl(fd, EPOLL_CTL_ADD, set, EPOLLIN, 1), EINVAL);
	assert_errno(ctl(set, 99, fd, EPOLLIN, 1), EINVAL);
	assert_errno(px_epoll_ctl(set, EPOLL_CTL_MOD, fd, NULL), EFAULT);
	assert_errno(ctl(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLEXCLUSIVE, 1), EINVAL);
	assert_errno(px_epoll_pwait(set, got, 0, 0, NULL), EINVAL);
	assert_errno(px_epoll_pwait(fd, got, 1, 0, NULL), EINVAL);
	assert_int_equal(px_epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), 0);
	assert_errno(px_epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), ENOENT);
	add(set, fd, EPOLLIN | EPOLLEXCLUSIVE, 1);
	assert_errno(ctl(set, EPOLL_CTL_MOD, fd, EPOLLIN, 1), EINVAL);
	close(file);
}

/* A deleted or closed item may lie on the ready list, or have just been signalled. */
static void what_was_deleted_or_closed_is_not_reported(void **state)
{
	int set = set_new(), a = px_flow(1, 0), b = px_flow(2, 0), c = px_flow(3, 0);

	(void)state;
	add(set, a, EPOLLIN, 1);
	add(set, b, EPOLLIN, 2);
	add(set, c, EPOLLIN, 3);
	px_arrive(1, 1);
	px_arrive(2, 1);
	px_arrive(3, 1);
	assert_int_equal(now(set), 3);
	assert_int_equal(px_epoll_ctl(set, EPOLL_CTL_DEL, a, NULL), 0);
	assert_int_equal(px_close(b), 0);
	px_arrive(3, 1);
	assert_event(set, EPOLLIN, 3);
	add(set, a, EPOLLIN, 4);
	assert_int_equal(now(set), 2);
}

static void a_copy_keeps_the_registration(void **state)
{
	int set = set_new(), fd = px_flow(1, 0), copy = px_dup(fd);

	(void)state;
	add(set, fd, EPOLLIN, 1);
	add(set, copy, EPOLLIN, 2); /* another number: another registration */
	assert_int_equal(px_close(fd), 0);
	px_arrive(1, 1);
	assert_int_equal(now(set), 2);
	assert_int_equal(px_close(copy), 0);
	assert_int_equal(now(set), 0);
}

static void no_more_than_asked_for_and_all_in_turn(void **state)
{
	int set = set_new(), seen[20] = { 0 }, most;

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		add(set, px_flow(i + 1, 0), EPOLLIN, i);
		px_arrive(i + 1, 1);
	}
	for (int round = 0; round < 9; round++) {
		int n = px_epoll_pwait(set, got, 7, 0, NULL);

		assert_in_range(n, 6, 7); /* a place is left for the kernel's part now and then */
		for (int i = 0; i < n; i++)
			seen[got[i].data.u64]++;
	}
	most = 0;
	for (int i = 0; i < 20; i++) {
		assert_true(seen[i] >= 2);
		most = seen[i] > most ? seen[i] : most;
	}
	assert_true(most <= 4);
}

static void the_kernels_descriptors_are_in_the_same_set(void **state)
{
	int set = set_new(), fd = px_flow(1, 0), pipes[2];

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	add(set, fd, EPOLLIN, 1);
	add(set, pipes[0], EPOLLIN, 2);
	assert_int_equal(now(set), 0);
	assert_int_equal(px_write(pipes[1], "x", 1), 1);
	assert_event(set, EPOLLIN, 2);
	px_arrive(1, 1);
	usleep(1000); /* then the kernel's part is due */
	assert_int_equal(now(set), 2);
	assert_int_equal(px_epoll_ctl(set, EPOLL_CTL_DEL, pipes[0], NULL), 0);
	assert_event(set, EPOLLIN, 1);
}

static void a_busy_accelerated_socket_does_not_starve_the_kernels(void **state)
{
	int set = set_new(), fd = px_flow(1, 0), pipes[2], seen = 0;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	add(set, fd, EPOLLIN, 1);
	add(set, pipes[0], EPOLLIN, 2);
	assert_int_equal(px_write(pipes[1], "x", 1), 1);
	px_arrive(1, 1);
	for (int i = 0; i < 1000000 && seen < 3; i++) {
		assert_int_equal(px_epoll_pwait(set, got, 1, 0, NULL), 1);
		seen += got[0].data.u64 == 2;
	}
	assert_int_equal(seen, 3);
}

/* The kernel's part is due at every call, and always has something. */
static void nobody_starves_who_is_asked_for_one_by_one(void **state)
{
	int set = set_new(), pipes[2], seen[4] = { 0 };

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	add(set, pipes[0], EPOLLIN, 0);
	assert_int_equal(px_write(pipes[1], "x", 1), 1);
	for (uint32_t i = 1; i <= 3; i++) {
		add(set, px_flow(i, 0), EPOLLIN, i);
		px_arrive(i, 1);
	}
	for (int i = 0; i < 24; i++) {
		atomic_store(&set_of(set)->looked, 0);
		assert_int_equal(px_epoll_pwait(set, got, 1, 0, NULL), 1);
		seen[got[0].data.u64]++;
	}
	assert_int_equal(seen[0], 12);
	for (int i = 1; i <= 3; i++)
		assert_int_equal(seen[i], 4);
}

static void busy_accelerated_sockets_leave_a_place_for_the_kernels(void **state)
{
	int set = set_new(), pipes[2], seen = 0;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	add(set, pipes[0], EPOLLIN, 0);
	assert_int_equal(px_write(pipes[1], "x", 1), 1);
	for (uint32_t i = 1; i <= 3; i++) {
		add(set, px_flow(i, 0), EPOLLIN, i);
		px_arrive(i, 1);
	}
	for (int i = 0; i < 1000000 && seen < 3; i++) {
		int n = px_epoll_pwait(set, got, 2, 0, NULL);

		assert_in_range(n, 1, 2);
		seen += got[0].data.u64 == 0 || (n == 2 && got[1].data.u64 == 0);
	}
	assert_int_equal(seen, 3);
}

static int to_listener_at(int listener)
{
	int client = px_socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at;
	socklen_t size = sizeof(at);

	assert_int_equal(px_getsockname(listener, (struct sockaddr *)&at, &size), 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(px_connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	return client;
}

static int to_listener(void) { return to_listener_at(px_listener); }

/* Another process has the description of what we closed: the kernel reports it for ever, unless the side is
 * made anew. What is left in it is reported once. */
static void what_is_left_of_a_side_is_reported_once(void **state)
{
	int set = set_new(), other = px_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), heir;

	(void)state;
	assert_int_equal(px_listen(other, 16), 0);
	add(set, px_listener, EPOLLIN, 1);
	add(set, other, EPOLLIN | EPOLLET, 2);
	assert_int_equal(now(set), 0);
	heir = fcntl(px_listener, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(px_close(px_listener), 0);
	to_listener_at(heir);
	assert_int_equal(now(set), 0);
	assert_int_equal(poll(&(struct pollfd){ .fd = set, .events = POLLIN }, 1, 0), 0);
	to_listener_at(other);
	assert_event(set, EPOLLIN, 2);
	assert_int_equal(now(set), 0);
	to_listener_at(heir);
	assert_int_equal(now(set), 0);
	to_listener_at(other);
	assert_event(set, EPOLLIN, 2);
	close(heir);
}

static void what_the_kernel_said_a_while_ago_may_be_over(void **state)
{
	int set = set_new();

	(void)state;
	add(set, px_listener, EPOLLIN, 1);
	add(set, px_flow(1, 0), EPOLLIN, 2);
	px_arrive(1, 1);
	to_listener();
	usleep(1000);
	assert_event(set, EPOLLIN, 2); /* the look at the kernel came after the harvest */
	assert_true(px_accept4(px_listener, NULL, NULL, 0) >= 0);
	assert_event(set, EPOLLIN, 2);
}

static void a_listener_reports_both_sides(void **state)
{
	int set = set_new();

	(void)state;
	add(set, px_listener, EPOLLIN, 1);
	assert_int_equal(now(set), 0);
	rig_incoming(&r, 1, 1);
	assert_event(set, EPOLLIN, 1);
	assert_true(px_accept4(px_listener, NULL, NULL, 0) >= 0);
	assert_int_equal(now(set), 0);
	to_listener();
	assert_event(set, EPOLLIN, 1);
	assert_event(set, EPOLLIN, 1);
	assert_true(px_accept4(px_listener, NULL, NULL, 0) >= 0);
	assert_int_equal(now(set), 0);
}

static void a_listener_is_asked_by_the_copy_that_is_left(void **state)
{
	int set = set_new(), copy = px_dup(px_listener);

	(void)state;
	add(set, px_listener, EPOLLIN, 1);
	assert_int_equal(px_close(px_listener), 0);
	px_listener = copy;
	to_listener();
	assert_event(set, EPOLLIN, 1);
}

static void a_shot_of_a_listener_silences_both_sides(void **state)
{
	int set = set_new();

	(void)state;
	add(set, px_listener, EPOLLIN | EPOLLONESHOT, 1);
	rig_incoming(&r, 1, 1);
	assert_event(set, EPOLLIN, 1);
	to_listener();
	assert_int_equal(now(set), 0);
	assert_int_equal(ctl(set, EPOLL_CTL_MOD, px_listener, EPOLLIN | EPOLLONESHOT, 2), 0);
	assert_event(set, EPOLLIN, 2);
	assert_int_equal(now(set), 0);
}

static void a_socket_registered_before_it_connects_moves(void **state)
{
	int set = set_new(), fd = px_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80) };

	(void)state;
	to.sin_addr.s_addr = htonl(0xc0000201);
	add(set, fd, EPOLLIN | EPOLLOUT, 1);
	assert_event(set, EPOLLOUT | EPOLLHUP, 1); /* the kernel's word on a new socket */
	assert_errno(px_connect(fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
	assert_int_equal(now(set), 0);
	rig_event(&r, r.next_flow - 1, ABI_EV_CONNECTED, 0);
	rig_notify(&r, 0, 0, r.next_flow - 1);
	assert_event(set, EPOLLOUT, 1);
	px_arrive(r.next_flow - 1, 1);
	assert_event(set, EPOLLIN | EPOLLOUT, 1);
	assert_int_equal(px_epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), 0);
}

static void what_closed_is_given_back_by_a_set_of_the_kernels(void **state)
{
	int set = set_new();

	(void)state;
	for (int i = 0; i < 3; i++) {
		int fd = px_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

		add(set, fd, EPOLLIN, 1);
		assert_int_equal(px_close(fd), 0);
	}
	assert_int_equal(now(set), 0);
	assert_null(set_of(set)->items);
	assert_int_equal(set_of(set)->active, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(level_is_reported_as_long_as_it_is_true),
		T(what_was_there_before_add_is_reported), T(an_edge_is_reported_once_and_again_for_new_bytes),
		T(an_edge_that_is_over_is_not_reported), T(anothers_wait_for_the_socket_is_no_edge),
		T(busy_accelerated_sockets_leave_a_place_for_the_kernels),
		T(nobody_starves_who_is_asked_for_one_by_one),
		T(what_the_kernel_said_a_while_ago_may_be_over), T(a_shot_is_fired_once_until_modified),
		T(nobody_is_told_what_it_did_not_ask_for), T(space_is_told_to_who_waits_for_it),
		T(the_peers_end_is_reported_as_linux_does), T(an_error_is_reported_whatever_was_asked_for),
		T(two_sets_are_told_each), T(a_set_in_a_set_is_ready_as_long_as_it_has_events),
		T(errors_of_epoll_ctl_are_linuxs), T(what_was_deleted_or_closed_is_not_reported),
		T(a_copy_keeps_the_registration), T(no_more_than_asked_for_and_all_in_turn),
		T(the_kernels_descriptors_are_in_the_same_set),
		T(a_busy_accelerated_socket_does_not_starve_the_kernels), T(a_listener_reports_both_sides),
		T(a_shot_of_a_listener_silences_both_sides), T(a_socket_registered_before_it_connects_moves),
		T(a_listener_is_asked_by_the_copy_that_is_left), T(what_is_left_of_a_side_is_reported_once),
		T(what_closed_is_given_back_by_a_set_of_the_kernels) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
