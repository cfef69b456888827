/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ctl_descriptors.c - tasd has no descriptors left: newcomers are told, who is there goes on, and
 * when some are free again all is as before. Everybody is in this process, and takes what he needs before
 * the limit falls, so that each step fails exactly where the test wants it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/ctl_rig.h"

enum {
	LIMIT = 512,
	TO_ENTER = 2,                         /* the socket, and a pidfd */
	TO_ATTACH = TO_ENTER + 1 + RIG_CORES, /* the region, and what wakes each core */
	PAIR = 2,
};

static struct ctl_rig *c;
static struct rlimit before;
static int hog[LIMIT], nr_hogs;

/* --- the limit --- */

static void leave_free(int n)
{
	struct rlimit r = { LIMIT, before.rlim_max };
	int fd;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		hog[nr_hogs++] = fd;
	assert_int_equal(errno, EMFILE);
	while (n-- > 0)
		close(hog[--nr_hogs]);
}

static void free_all(void)
{
	while (nr_hogs > 0)
		close(hog[--nr_hogs]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* --- clients --- */

static int client_new(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, c->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* The answer's status, or -1 if tasd hung up. What comes with the answer is closed, but for the first. */
static int ask_for(int fd, struct ctl_msg *m, int *first)
{
	struct client_fds fds = { 0 };
	ssize_t n;

	send(fd, m, sizeof(*m), MSG_NOSIGNAL);
	for (int left = 10000; (n = client_recv(fd, m, &fds)) < 0 && errno == EAGAIN && left > 0; left--)
		ctl_rig_pass(c);
	if (n != sizeof(*m))
		return -1;
	for (unsigned i = 0; i < fds.n; i++)
		if (i > 0 || first == NULL)
			close(fds.fd[i]);
	if (first != NULL && fds.n > 0)
		*first = fds.fd[0];
	return m->status;
}

static int ask(int fd, enum ctl_type type)
{
	struct ctl_msg m = { .type = (uint16_t)type };

	return ask_for(fd, &m, NULL);
}

static int hello(int fd, char *why)
{
	struct ctl_msg m = { .type = CTL_HELLO, .hello = rig_hello() };
	int status = ask_for(fd, &m, NULL);

	strcpy(why, status > 0 ? m.text.bytes : "");
	return status;
}

static int client_attached(void)
{
	struct ctl_msg m = { .type = CTL_HELLO, .hello = rig_hello() };
	int fd = client_new(), memfd = -1;

	assert_int_equal(ask_for(fd, &m, &memfd), 0);
	assert_int_equal(fcntl(memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL), 0);
	close(memfd);
	assert_int_equal(ask(fd, CTL_MAPPED), 0);
	return fd;
}

/* --- one who is there, while there are none left --- */

static int existing, fds_at_rest;

static int set_up(void **state)
{
	(void)state;
	getrlimit(RLIMIT_NOFILE, &before);
	c = ctl_rig_new();
	getrlimit(RLIMIT_NOFILE, &before); /* the server has raised it */
	existing = client_attached();
	fds_at_rest = fds_open();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free_all();
	close(existing);
	ctl_rig_until(c, all_gone(c));
	ctl_rig_end(c);
	return 0;
}

static void assert_existing_goes_on(void)
{
	struct ctl_msg m = { .type = CTL_LISTEN, .listen = { .cookie = 1, .port = 80 } };

	assert_int_equal(ask(existing, CTL_ROUTE), 0);
	assert_int_equal(ask_for(existing, &m, NULL), 0);
	assert_int_equal(nr_live(c), 1);
	assert_int_equal(ctl_stats(c->ctl).dropped, 0);
}

static void newcomers_are_turned_away_or_told(void **state)
{
	char why[sizeof(struct ctl_msg)];

	(void)state;
	for (int n = 0; n < TO_ATTACH; n++) {
		uint64_t away = ctl_stats(c->ctl).turned_away;
		int newcomer = client_new();

		leave_free(n);
		assert_int_equal(hello(newcomer, why), n < TO_ENTER ? -1 : EMFILE);
		assert_int_equal(ctl_stats(c->ctl).turned_away, away + (n < TO_ENTER));
		assert_true(n < TO_ENTER || strstr(why, "raise its limit of open files") != NULL);
		assert_existing_goes_on();
		free_all();
		close(newcomer);
		ctl_rig_until(c, ctl_stats(c->ctl).clients == 1);
		assert_int_equal(fds_open(), fds_at_rest);
		assert_int_equal(c->r->apps.nr_free, RIG_APPS - 1);
	}
}

static void one_that_was_told_may_try_again(void **state)
{
	char why[sizeof(struct ctl_msg)];
	int newcomer = client_new();

	(void)state;
	leave_free(TO_ENTER);
	assert_int_equal(hello(newcomer, why), EMFILE);
	free_all();
	assert_int_equal(hello(newcomer, why), 0);
	close(newcomer);
	ctl_rig_until(c, ctl_stats(c->ctl).clients == 1);
	close(client_attached());
	ctl_rig_until(c, nr_live(c) == 1 && c->r->apps.nr_free == RIG_APPS - 1);
	assert_int_equal(fds_open(), fds_at_rest);
}

static void many_that_wait_are_all_turned_away(void **state) /* or they would wait for ever */
{
	int newcomer[40];
	char why[sizeof(struct ctl_msg)];

	(void)state;
	for (int i = 0; i < 40; i++)
		newcomer[i] = client_new();
	leave_free(0);
	for (int i = 0; i < 40; i++)
		assert_int_equal(hello(newcomer[i], why), -1);
	assert_existing_goes_on();
	assert_int_equal(ctl_stats(c->ctl).turned_away, 40);
	free_all();
	for (int i = 0; i < 40; i++)
		close(newcomer[i]);
	assert_int_equal(fds_open(), fds_at_rest);
}

static void a_context_or_a_fork_is_refused_and_leaves_nothing(void **state)
{
	uint32_t pages = c->r->apps.slot[0].pool.free_pages;
	struct pollfd p;

	(void)state;
	for (int n = 0; n < PAIR; n++) {
		leave_free(n);
		assert_int_equal(ask(existing, CTL_CONTEXT), EMFILE);
		assert_int_equal(ask(existing, CTL_FORK), ENOMEM);
		assert_existing_goes_on();
		free_all();
		assert_int_equal(fds_open(), fds_at_rest);
		assert_int_equal(c->r->apps.slot[0].pool.free_pages, pages);
		assert_int_equal(ctl_stats(c->ctl).holds, 0);
		assert_int_equal(c->r->apps.holds.nr_holds, 0);
	}
	assert_int_equal(ask(existing, CTL_CONTEXT), 0);
	assert_int_equal(ask(existing, CTL_FORK), 0);
	ctl_rig_until(c, ctl_stats(c->ctl).holds == 0);
	p = (struct pollfd){ .fd = existing, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
}

/* The server's own loop does not spin on somebody whom it cannot let in. */
static void nobody_is_left_waiting_at_the_door(void **state)
{
	int newcomer = client_new();

	(void)state;
	leave_free(0);
	ctl_rig_until(c, ctl_stats(c->ctl).turned_away == 1);
	assert_int_equal(ctl_poll(c->ctl, c->r->now), 0);
	free_all();
	close(newcomer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(newcomers_are_turned_away_or_told),
		TEST(one_that_was_told_may_try_again),
		TEST(many_that_wait_are_all_turned_away),
		TEST(a_context_or_a_fork_is_refused_and_leaves_nothing),
		TEST(nobody_is_left_waiting_at_the_door),
	};

	return cmocka_run_group_tests(tests, ctl_rig_start_group, eal_rig_stop);
}
