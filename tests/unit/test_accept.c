/* SPDX-License-Identifier: BSD-3-Clause */
/* test_accept.c - accepting where descriptors are short, and from two queues. */
#include "tests/unit/px_rig.h"

#include <sys/resource.h>

/* As accept4, without a free number. */
static int accept_without_room(void)
{
	struct rlimit few, before;
	int fd, saved;

	getrlimit(RLIMIT_NOFILE, &before);
	few = (struct rlimit){ 3, before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	fd = px_accept4(px_listener, NULL, NULL, 0);
	saved = errno;
	setrlimit(RLIMIT_NOFILE, &before);
	errno = saved;
	return fd;
}

/* The flow at record `rec` was told to be aborted. */
static bool was_aborted(uint32_t rec)
{
	struct abi_bell b;
	bool was = false;

	while (rig_bell(&r, 0, 0, &b))
		was |= b.flow == rig_rec(&r, rec)->flow &&
			(b.flags & (ABI_BELL_CLOSE | ABI_BELL_ABORT)) == (ABI_BELL_CLOSE | ABI_BELL_ABORT);
	return was;
}

static void a_connection_without_a_number_waits_for_one(void **state)
{
	int fd;

	(void)state;
	px_close(px_flow(1, 0)); /* the library has what it needs for itself */
	rig_incoming(&r, 2, 1);
	assert_errno(accept_without_room(), EMFILE);
	fd = px_accept4(px_listener, NULL, NULL, 0);
	assert_true(fd >= 0);
	px_arrive(2, 5);
	assert_int_equal(px_recv(fd, (char[10]){ 0 }, 10, 0), 5);
}

static void to_kernels_side(void)
{
	int client = px_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at;
	socklen_t size = sizeof(at);

	assert_int_equal(px_getsockname(px_listener, (struct sockaddr *)&at, &size), 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(px_connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
}

/* How many of so many accepted connections are tasd's, where the other queue is never empty. */
static int accepted_of_tasd(bool refill_tasd)
{
	int of_tasd = 0;

	for (uint32_t i = 1; i <= 8; i++) {
		int fd, is_flow;

		if (refill_tasd)
			rig_incoming(&r, i + 1, 1);
		else
			to_kernels_side();
		fd = px_accept4(px_listener, NULL, NULL, 0);
		assert_true(fd >= 0);
		is_flow = fd_look(fd) != NULL && file_kind(fd_look(fd)) == FILE_FLOW;
		of_tasd += is_flow;
	}
	return of_tasd;
}

static void a_busy_queue_of_tasd_does_not_starve_the_kernels(void **state)
{
	(void)state;
	atomic_store(&fd_look(px_listener)->kernel_empty, 0); /* as after a while */
	to_kernels_side();
	assert_int_equal(accepted_of_tasd(true), 7);
}

static void a_busy_queue_of_the_kernel_does_not_starve_tasds(void **state)
{
	(void)state;
	atomic_store(&fd_look(px_listener)->kernel_empty, 0);
	rig_incoming(&r, 1, 1);
	assert_int_equal(accepted_of_tasd(false), 1);
}

static void it_ends_with_its_listener(void **state)
{
	(void)state;
	px_close(px_flow(1, 0));
	rig_incoming(&r, 2, 1);
	assert_errno(accept_without_room(), EMFILE);
	assert_int_equal(px_shutdown(px_listener, SHUT_RD), 0);
	assert_true(was_aborted(2));
	assert_int_equal(px_listen(px_listener, 5), 0);
	assert_errno(px_accept4(px_listener, NULL, NULL, SOCK_NONBLOCK), EAGAIN);

	rig_incoming(&r, 3, 1);
	assert_errno(accept_without_room(), EMFILE);
	px_close(px_listener);
	assert_true(was_aborted(3));
}

static void options_are_set_without_a_number_too(void **state)
{
	int fd = px_flow(1, 0), other = px_flow(2, 0), ttl = 33, none, bad, ok;
	struct rlimit few, before;
	socklen_t size = sizeof(ttl);

	(void)state;
	getrlimit(RLIMIT_NOFILE, &before);
	few = (struct rlimit){ 3, before.rlim_max };
	px_getsockopt(other, IPPROTO_IP, IP_TTL, &none, &size);
	setrlimit(RLIMIT_NOFILE, &few);
	ok = px_setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	bad = px_setsockopt(other, IPPROTO_IP, IP_TTL, &(int){ 999 }, sizeof(int));
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(ok, 0);
	assert_int_equal(bad, -1);
	ttl = 0;
	assert_int_equal(px_getsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, &size), 0);
	assert_int_equal(ttl, 33);
	assert_int_equal(px_getsockopt(other, IPPROTO_IP, IP_TTL, &ttl, &size), 0);
	assert_int_equal(ttl, none);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(a_connection_without_a_number_waits_for_one),
		T(it_ends_with_its_listener), T(a_busy_queue_of_tasd_does_not_starve_the_kernels),
		T(a_busy_queue_of_the_kernel_does_not_starve_tasds),
		T(options_are_set_without_a_number_too) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
