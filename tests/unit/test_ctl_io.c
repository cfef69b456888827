/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ctl_io.c - descriptors that strangers send: the kernel refuses them, and where it cannot, nobody waits
 * for what closing them takes, and few threads do. Everybody is in this process. */
#include "slowpath/ctl_io.h"

#include <dirent.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/ctl_rig.h"

static struct ctl_rig *c;
static int fds_at_rest;

static int set_up(void **state)
{
	(void)state;
	c = ctl_rig_new();
	fds_at_rest = fds_open();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ctl_rig_end(c);
	return 0;
}

static int client_new(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, c->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static bool kernel_refuses(void)
{
	int on = 1, pair[2];
	bool knows;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	knows = setsockopt(pair[0], SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on)) == 0;
	close(pair[0]);
	close(pair[1]);
	return knows;
}

/* --- where the kernel refuses --- */

static void nobody_can_send_us_a_descriptor(void **state)
{
	struct ctl_msg m = { .type = CTL_HELLO, .hello = rig_hello() };
	int fd = client_new(), foreign = eventfd(0, 0), child_end, own_end;
	struct client_fds fds;

	(void)state;
	if (!kernel_refuses()) {
		close(fd);
		close(foreign);
		skip();
	}
	assert_int_equal(client_send_fd(fd, &m, sizeof(m), foreign), -1); /* before it was accepted */
	assert_int_equal(errno, EPERM);
	ctl_rig_until(c, ctl_stats(c->ctl).clients == 1);
	assert_int_equal(client_send_fd(fd, &m, sizeof(m), foreign), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(send(fd, &m, sizeof(m), 0), sizeof(m)); /* and is served all the same */
	ctl_rig_until(c, client_recv(fd, &m, &fds) == sizeof(m));
	assert_int_equal(m.status, 0);
	assert_int_equal(fds.n, 1 + RIG_CORES); /* the other way they go */
	while (fds.n > 0)
		close(fds.fd[--fds.n]);
	close(fd);

	own_end = ctl_io_pair(&child_end); /* the same for a child's end */
	assert_int_equal(client_send_fd(child_end, &m, sizeof(m), foreign), -1);
	assert_int_equal(errno, EPERM);
	close(own_end);
	close(child_end);
	close(foreign);
	ctl_rig_until(c, all_gone(c));
	assert_int_equal(fds_open(), fds_at_rest);
	assert_int_equal(ctl_stats(c->ctl).dropped, 0);
}

/* --- where it does not --- */

enum { OFFENDERS = 300 };

static int sink; /* listens; nobody reads what comes */

static int sink_open(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)at, len), 0);
	assert_int_equal(listen(fd, OFFENDERS), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

/* Whoever closes it last waits for an hour. */
static int lingering(const struct sockaddr_in *at)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 3600 };
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;
	char bytes[4096] = { 0 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		;
	return fd;
}

static unsigned threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void what_offenders_leave_open_holds_up_few_threads_and_nobody_else(void **state)
{
	struct ctl_msg m = { .type = CTL_HELLO, .hello = rig_hello() };
	struct sockaddr_in at;
	unsigned before = threads();
	int fd;

	(void)state;
	ctl_rig_takes_descriptors(c);
	sink = sink_open(&at);
	for (unsigned i = 0; i < OFFENDERS; i++) {
		int pass = lingering(&at), offender = client_new();

		assert_int_equal(client_send_fd(offender, &m, sizeof(m), pass), sizeof(m));
		close(pass); /* the last reference is on its way to tasd */
		ctl_rig_until(c, ctl_stats(c->ctl).dropped == i + 1);
		close(offender);
		assert_in_range(threads(), before, before + CTL_CLOSERS_MAX);
	}
	assert_int_equal(ctl_stats(c->ctl).closing, OFFENDERS);
	fd = client_new(); /* the next is served */
	assert_int_equal(send(fd, &m, sizeof(m), 0), sizeof(m));
	ctl_rig_until(c, recv(fd, &m, sizeof(m), MSG_DONTWAIT) == sizeof(m));
	assert_int_equal(m.status, 0);
	close(fd);
	close(sink); /* now the kernel resets what lingers */
	ctl_rig_until(c, ctl_stats(c->ctl).closing == 0);
	ctl_rig_until(c, all_gone(c));
	assert_int_equal(fds_open(), fds_at_rest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_can_send_us_a_descriptor),
		TEST(what_offenders_leave_open_holds_up_few_threads_and_nobody_else),
	};

	return cmocka_run_group_tests(tests, ctl_rig_start_group, eal_rig_stop);
}
