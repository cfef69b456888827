/* SPDX-License-Identifier: BSD-3-Clause */
/* test_kroute.c - through tasd or through the kernel; socket addresses of both. */
#include "tests/unit/px_rig.h"

#include <sys/resource.h>

#include "libtas/posix/kroute.h"
#include "libtas/posix/sockaddr.h"

static struct net_addr ip(const char *text)
{
	struct net_addr a;

	assert_true(addr_parse(text, &a));
	return a;
}

static void the_kernels_own_addresses_are_routes_of_full_length(void **state)
{
	struct net_addr loopback = ip("127.0.0.1");

	(void)state;
	/* 127.0.0.0/8 and 127.0.0.1/32 are local; a table may hold either first */
	assert_in_range(kroute_kernel_prefix(&loopback), 96 + 8, 128);
}

static void loopback_and_multicast_are_not_asked_for(void **state)
{
	struct net_addr a[] = { ip("127.0.0.1"), ip("127.9.9.9"), ip("::1"), ip("224.0.0.1"), ip("ff02::1"),
		ip("0.0.0.0"), ip("::") };
	unsigned asked = r.asked[CTL_ROUTE];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(a); i++)
		assert_false(kroute_through_tasd(&a[i]));
	assert_int_equal(r.asked[CTL_ROUTE], asked);
}

static void answers_are_kept_for_a_while(void **state)
{
	struct net_addr there = ip("198.51.100.7"), elsewhere = ip("198.51.100.8");
	unsigned asked = r.asked[CTL_ROUTE];

	(void)state;
	assert_true(kroute_through_tasd(&there)); /* tasd's /24 against a default route at best */
	assert_true(kroute_through_tasd(&there));
	assert_int_equal(r.asked[CTL_ROUTE], asked + 1);
	assert_true(kroute_through_tasd(&elsewhere));
	assert_int_equal(r.asked[CTL_ROUTE], asked + 2);
	r.refuse[CTL_ROUTE] = ENETUNREACH;
	assert_true(kroute_through_tasd(&there));
	usleep(KROUTE_KEEP_NS / 1000 + 10000);
	assert_false(kroute_through_tasd(&there));
}

/* What `call` writes to standard error. */
static size_t lines_of(bool (*call)(const struct net_addr *), const struct net_addr *a, bool *answer)
{
	int pair[2], saved = dup(STDERR_FILENO);
	struct rlimit few, before;
	char text[1000];
	ssize_t n;

	assert_int_equal(pipe2(pair, O_NONBLOCK | O_CLOEXEC), 0);
	dup2(pair[1], STDERR_FILENO);
	getrlimit(RLIMIT_NOFILE, &before);
	few = (struct rlimit){ 3, before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few); /* no socket can be made */
	*answer = call(a);
	setrlimit(RLIMIT_NOFILE, &before);
	dup2(saved, STDERR_FILENO);
	n = read(pair[0], text, sizeof(text));
	close(saved);
	close(pair[0]);
	close(pair[1]);
	return n > 0 ? (size_t)n : 0;
}

static void a_kernel_that_cannot_be_asked_keeps_the_connection(void **state)
{
	struct net_addr there = ip("198.51.100.17");
	bool through_tasd;

	(void)state;
	assert_true(lines_of(kroute_through_tasd, &there, &through_tasd) > 0);
	assert_false(through_tasd);
	assert_int_equal(lines_of(kroute_through_tasd, &there, &through_tasd), 0); /* it was said */
	assert_false(through_tasd);
	assert_true(kroute_through_tasd(&there)); /* and it was not kept */
}

static void addresses_are_read_as_linux_reads_them(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(80),
		.sin_addr = { htonl(0x0a000001) } };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(81) };
	struct net_addr a, mapped = ip("10.0.0.1");
	uint16_t port;

	(void)state;
	assert_true(sockaddr_read((struct sockaddr *)&in, sizeof(in), &a, &port));
	assert_true(addr_eq(a, mapped) && port == 80);
	assert_false(sockaddr_read((struct sockaddr *)&in, sizeof(in) - 1, &a, &port));
	memcpy(&in6.sin6_addr, mapped.b, 16);
	assert_true(sockaddr_read((struct sockaddr *)&in6, 24, &a, &port));
	assert_true(addr_eq(a, mapped) && port == 81);
	assert_false(sockaddr_read((struct sockaddr *)&in6, 23, &a, &port));
	in.sin_family = AF_UNIX;
	assert_false(sockaddr_read((struct sockaddr *)&in, sizeof(in), &a, &port));
	assert_false(sockaddr_read(NULL, sizeof(in), &a, &port));
}

static void addresses_are_given_in_the_sockets_family(void **state)
{
	struct sockaddr_storage name = { 0 };
	struct net_addr a = ip("10.0.0.1"), back;
	socklen_t size = sizeof(name);
	uint16_t port;

	(void)state;
	sockaddr_give(AF_INET, &a, 80, (struct sockaddr *)&name, &size);
	assert_int_equal(size, sizeof(struct sockaddr_in));
	assert_int_equal(name.ss_family, AF_INET);
	size = sizeof(name);
	sockaddr_give(AF_INET6, &a, 80, (struct sockaddr *)&name, &size);
	assert_int_equal(size, sizeof(struct sockaddr_in6));
	assert_int_equal(name.ss_family, AF_INET6);
	assert_true(sockaddr_read((struct sockaddr *)&name, size, &back, &port));
	assert_true(addr_eq(a, back) && port == 80);
	memset(&name, 0x55, sizeof(name));
	size = 4; /* cut, and the full length told */
	sockaddr_give(AF_INET, &a, 80, (struct sockaddr *)&name, &size);
	assert_int_equal(size, sizeof(struct sockaddr_in));
	assert_int_equal(((unsigned char *)&name)[4], 0x55);
	sockaddr_give(AF_INET, &a, 80, NULL, NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(the_kernels_own_addresses_are_routes_of_full_length),
		T(loopback_and_multicast_are_not_asked_for), T(answers_are_kept_for_a_while),
		T(a_kernel_that_cannot_be_asked_keeps_the_connection),
		T(addresses_are_read_as_linux_reads_them), T(addresses_are_given_in_the_sockets_family) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
