/* SPDX-License-Identifier: BSD-3-Clause */
/* test_inst.c - limits that a program does not see by an errno are told in one line, once. */
#include "tests/unit/px_rig.h"

#include "libtas/posix/fork.h"
#include "libtas/posix/px_pool.h"

/* What comes on standard error meanwhile. */
static char said[1000];
static int saved_stderr, pair[2];

static void listen_begin(void)
{
	memset(said, 0, sizeof(said));
	assert_int_equal(pipe2(pair, O_NONBLOCK | O_CLOEXEC), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(pair[1], STDERR_FILENO);
}

static void listen_end(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	if (read(pair[0], said, sizeof(said) - 1) < 0)
		said[0] = 0;
	close(saved_stderr);
	close(pair[0]);
	close(pair[1]);
}

/* `call` says one line with this word in it the first time, and nothing the second. */
static void assert_says_once(void (*call)(void), const char *word)
{
	listen_begin();
	call();
	listen_end();
	assert_non_null(strstr(said, word));
	assert_int_equal(strncmp(said, "libtas: ", 8), 0);
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
	listen_begin();
	call();
	listen_end();
	assert_string_equal(said, "");
}

static void forks(void)
{
	fork_prepare();
	fork_parent();
}

static void a_fork_that_tasd_holds_nothing_for(void **state)
{
	(void)state;
	forks(); /* a good one is silent */
	r.refuse[CTL_FORK] = ENOSPC;
	assert_says_once(forks, "inherits no accelerated connection");
	r.refuse[CTL_FORK] = 0;
}

static void takes_from_an_empty_pool(void)
{
	static struct px_pool empty = { .size = 64, .fresh = PX_POOL_MAX };

	assert_null(px_pool_get(&empty));
}

static void a_pool_that_is_empty(void **state)
{
	(void)state;
	assert_says_once(takes_from_an_empty_pool, "no memory for more sockets");
}

static void listens(void)
{
	int fd = px_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(px_listen(fd, 5), 0);
	assert_null(fd_look(fd)); /* the kernel's */
	px_close(fd);
}

static void a_listener_that_tasd_refuses(void **state)
{
	(void)state;
	r.refuse[CTL_LISTEN] = ENOSPC;
	assert_says_once(listens, "tasd takes no more listeners");
	r.refuse[CTL_LISTEN] = 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(a_fork_that_tasd_holds_nothing_for), T(a_pool_that_is_empty),
		T(a_listener_that_tasd_refuses) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
