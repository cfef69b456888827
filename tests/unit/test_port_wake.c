/* SPDX-License-Identifier: BSD-3-Clause */
/* test_port_wake.c - what a core that waits does, on devices without and with a descriptor. That no packet is
 * slept through is shown on real links by tests/e2e/test_port_wake.sh. */
#include "fastpath/port_wake.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fastpath/port_probe.h"
#include "tests/unit/eal_rig.h"

static tas_ns clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (tas_ns)ts.tv_sec * NS_PER_SEC + (tas_ns)ts.tv_nsec;
}

/* A port of the given kind whose only queue has descriptor fd. */
static struct port_wake wake_on(enum port_wake_kind kind, int fd)
{
	struct port p = { .nb_rxq = 1, .wake = kind, .rx_fd = { fd } };
	struct port_wake w;

	port_wake_open(&w, &p, 0);
	return w;
}

static void a_device_without_descriptors_is_slept_on_in_naps(void **state TAS_UNUSED)
{
	struct port_want want = { .rxq = 2, .txq = 2 };
	struct rte_mempool *pool;
	struct port_wake w;
	struct port p;
	uint16_t id;
	tas_ns begin;
	char err[256];

	assert_int_equal(port_probe("net_ring0", &want, &id, err, sizeof(err)), 0);
	assert_int_equal(port_fit(id, &want, err, sizeof(err)), 0);
	pool = port_pool_create("test", id, &want, 1, 0, err, sizeof(err));
	assert_int_equal(port_open(&p, id, &want, pool, err, sizeof(err)), 0);
	assert_int_equal(p.wake, PORT_WAKE_NAP);
	port_wake_open(&w, &p, 1);
	assert_int_equal(port_wake_fd(&w), -1);
	assert_int_equal(port_wake_longest(&w), PORT_WAKE_NAP_NS);
	port_wake_arm(&w);
	begin = clock_ns();
	assert_false(port_wake_wait(&w, 1, -1, TAS_NS_NEVER));
	assert_true(clock_ns() - begin >= PORT_WAKE_NAP_NS);
	port_wake_disarm(&w);
	port_wake_close(&w);
	port_close(&p);
	rte_mempool_free(pool);
}

static void a_doorbell_ends_the_wait_at_once(void **state TAS_UNUSED)
{
	int bell = eventfd(1, EFD_NONBLOCK), quiet = eventfd(0, EFD_NONBLOCK);
	struct port_wake w = wake_on(PORT_WAKE_POLL, quiet);

	assert_true(port_wake_wait(&w, 1, bell, TAS_NS_NEVER));
	close(bell);
	close(quiet);
}

static void a_frame_that_is_there_already_ends_the_wait_at_once(void **state TAS_UNUSED)
{
	int fd[2];
	struct port_wake w;

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	w = wake_on(PORT_WAKE_POLL, fd[0]);
	assert_int_equal(write(fd[1], "x", 1), 1);
	port_wake_arm(&w);
	assert_true(port_wake_wait(&w, 1, -1, TAS_NS_NEVER));
	port_wake_disarm(&w);
	assert_true(port_wake_wait(&w, 1, -1, TAS_NS_NEVER)); /* level: nobody has received it */
	close(fd[0]);
	close(fd[1]);
}

static void the_wait_ends_when_its_time_is_over(void **state TAS_UNUSED)
{
	int quiet = eventfd(0, EFD_NONBLOCK);
	struct port_wake w = wake_on(PORT_WAKE_POLL, quiet);
	tas_ns begin = clock_ns();

	assert_false(port_wake_wait(&w, 1, -1, 3 * NS_PER_MS));
	assert_true(clock_ns() - begin >= 3 * NS_PER_MS);
	assert_false(port_wake_wait(&w, 1, -1, 0)); /* only looks */
	close(quiet);
}

/* net_af_packet's socket after its interface went down: poll() would return at once for ever. */
static void an_error_on_the_descriptor_is_taken_once(void **state TAS_UNUSED)
{
	struct sockaddr_storage addr = { .ss_family = AF_INET };
	socklen_t len = sizeof(addr);
	int gone = socket(AF_INET, SOCK_DGRAM, 0), s = socket(AF_INET, SOCK_DGRAM, 0);
	struct port_wake w = wake_on(PORT_WAKE_POLL, s);

	/* a port that nobody has any more answers by ICMP, which is an error on the socket */
	assert_int_equal(bind(gone, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(gone, (struct sockaddr *)&addr, &len), 0);
	close(gone);
	assert_int_equal(connect(s, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(send(s, "x", 1, 0), 1);
	assert_true(port_wake_wait(&w, 1, -1, NS_PER_SEC));
	port_wake_disarm(&w);
	assert_false(port_wake_wait(&w, 1, -1, 0));
	close(s);
}

/* An interrupt counts in an eventfd that stays readable until somebody reads it. */
static void interrupts_that_were_counted_are_taken(void **state TAS_UNUSED)
{
	int fd = eventfd(3, EFD_NONBLOCK);
	struct port_wake w = wake_on(PORT_WAKE_INTERRUPT, fd);

	assert_true(w.is_counter);
	assert_true(port_wake_wait(&w, 1, -1, 0));
	w.kind = PORT_WAKE_NAP; /* there is no device behind it to disarm */
	port_wake_disarm(&w);
	assert_false(port_wake_wait(&w, 1, -1, 0));
	close(fd);
}

static void several_queues_are_waited_for_together(void **state TAS_UNUSED)
{
	int quiet = eventfd(0, EFD_NONBLOCK), loud = eventfd(1, EFD_NONBLOCK);
	struct port_wake w[2] = { wake_on(PORT_WAKE_POLL, quiet), wake_on(PORT_WAKE_POLL, loud) };

	assert_true(port_wake_wait(w, 2, -1, TAS_NS_NEVER));
	assert_false(port_wake_wait(w, 1, -1, 0));
	close(quiet);
	close(loud);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_without_descriptors_is_slept_on_in_naps),
		cmocka_unit_test(a_doorbell_ends_the_wait_at_once),
		cmocka_unit_test(a_frame_that_is_there_already_ends_the_wait_at_once),
		cmocka_unit_test(the_wait_ends_when_its_time_is_over),
		cmocka_unit_test(an_error_on_the_descriptor_is_taken_once),
		cmocka_unit_test(interrupts_that_were_counted_are_taken),
		cmocka_unit_test(several_queues_are_waited_for_together),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
