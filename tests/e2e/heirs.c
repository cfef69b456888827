/* SPDX-License-Identifier: BSD-3-Clause */
/* heirs - servers whose connections outlive, change or leave the process that accepted them.
 *
 *   heirs KIND PORT
 *
 *   each     a child for each connection; the parent closes its copy at once
 *   double   the same by a grandchild, whose parent ends at once
 *   dropped  the same by a child that gave up root
 *   orphan   the parent ends as soon as it forked; one connection
 *   turns    parent and child read and write the same connection in turn
 *   polled   the same; both wait by poll before they read
 *   killed   the child is killed in the midst; the parent goes on
 *   unused   the child only closes its copy, and lives on while the parent serves and closes
 *   workers  three children accept from the inherited listener and say who they are; each serves one
 *            connection at a time; the parent only waits
 *   kept     the child never touches its copy; the connection ends when it ends
 *
 * A child echoes until the end of the stream. What the others say is in the functions; peer_of_heirs.py has
 * the peer's part. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int listener;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "heirs: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void want(bool holds, const char *what)
{
	if (!holds)
		die(what);
}

static void listen_on(const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int one = 1;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	want(bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	want(listen(listener, 64) == 0, "listen");
}

static int accept_one(void)
{
	int fd = accept(listener, NULL, NULL);

	want(fd >= 0, "accept");
	return fd;
}

static pid_t fork_one(void)
{
	pid_t pid = fork();

	want(pid >= 0, "fork");
	return pid;
}

static void say(int fd, const char *text)
{
	want(write(fd, text, strlen(text)) == (ssize_t)strlen(text), text);
}

static void hear(int fd, const char *text)
{
	char got[64];
	ssize_t n = recv(fd, got, strlen(text), MSG_WAITALL);

	want(n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0, text);
}

static void poll_hear(int fd, const char *text)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	want(poll(&p, 1, 10000) == 1, "poll");
	hear(fd, text);
}

static void echo(int fd)
{
	static char data[20000];
	ssize_t n, sent;

	while ((n = read(fd, data, sizeof(data))) > 0)
		for (ssize_t at = 0; at < n; at += sent)
			want((sent = write(fd, data + at, (size_t)(n - at))) > 0, "write");
	want(n == 0, "read");
}

static void ended(pid_t pid, int status)
{
	int is;

	want(waitpid(pid, &is, 0) == pid && is == status, "the child's end");
}

/* --- one connection, one child --- */

static _Noreturn void child_echoes(int fd, const char *kind)
{
	close(listener);
	if (strcmp(kind, "double") == 0 && fork_one() != 0)
		_exit(0);
	if (strcmp(kind, "dropped") == 0)
		want(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0,
			"give up root");
	while (strcmp(kind, "orphan") == 0 && getppid() != 1 && kill(getppid(), 0) == 0)
		usleep(1000);
	echo(fd);
	_exit(0);
}

static void serve_each(const char *kind)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept_one();

		if (fork_one() == 0)
			child_echoes(fd, kind);
		if (strcmp(kind, "orphan") == 0)
			_exit(0);
		close(fd);
	}
}

/* --- parent and child --- */

static int baton[2][2]; /* [0]: from the child, [1]: to the child */

static void pass_to(int side) { want(write(baton[side][1], "", 1) == 1, "pass the baton"); }

static void wait_at(int side)
{
	char c;

	want(read(baton[side][0], &c, 1) == 1, "take the baton");
}

/* The peer sent "a\nb\nc\nd\ne\n" at once: everybody finds what nobody read yet. */
static void in_turn(int fd, void (*get)(int fd, const char *text))
{
	pid_t pid;

	get(fd, "a\n");
	pid = fork_one();
	if (pid == 0) {
		get(fd, "b\n");
		say(fd, "child b\n");
		pass_to(0);
		wait_at(1);
		get(fd, "d\n");
		say(fd, "child d\n");
		_exit(0);
	}
	wait_at(0);
	get(fd, "c\n");
	say(fd, "parent c\n");
	pass_to(1);
	ended(pid, 0);
	get(fd, "e\n");
	say(fd, "parent e\n");
}

static void serve_turns(int fd, const char *kind)
{
	in_turn(fd, strcmp(kind, "polled") == 0 ? poll_hear : hear);
	echo(fd);
	close(fd);
}

static void serve_killed(int fd)
{
	pid_t pid = fork_one();

	if (pid == 0) {
		hear(fd, "x\n");
		say(fd, "child x\n");
		pass_to(0);
		for (;;)
			pause();
	}
	wait_at(0);
	kill(pid, SIGKILL);
	ended(pid, SIGKILL);
	say(fd, "parent\n");
	echo(fd);
	close(fd);
}

static void serve_unused(int fd, const char *kind)
{
	pid_t pid = fork_one();

	if (pid == 0) {
		if (strcmp(kind, "unused") == 0)
			close(fd);
		pass_to(0);
		wait_at(1); /* SIGUSR1 ends it earlier */
		_exit(0);
	}
	wait_at(0);
	hear(fd, "x\n");
	say(fd, "parent x\n");
	close(fd);
	printf("%d\n", pid);
	fflush(stdout);
	waitpid(pid, NULL, 0);
}

static void serve_one(const char *kind)
{
	int fd = accept_one();

	want(pipe(baton[0]) == 0 && pipe(baton[1]) == 0, "pipe");
	if (strcmp(kind, "turns") == 0 || strcmp(kind, "polled") == 0)
		serve_turns(fd, kind);
	else if (strcmp(kind, "killed") == 0)
		serve_killed(fd);
	else
		serve_unused(fd, kind);
	for (int i = 0; i < 4; i++)
		close(baton[i / 2][i % 2]);
}

static _Noreturn void work(const char *name)
{
	for (;;) {
		int fd = accept_one();

		say(fd, name);
		echo(fd);
		close(fd);
	}
}

static void serve_workers(void)
{
	static const char *const name[] = { "0\n", "1\n", "2\n" };

	for (int i = 0; i < 3; i++)
		if (fork_one() == 0)
			work(name[i]);
	for (;;)
		pause();
}

static bool is_each(const char *kind)
{
	return strcmp(kind, "each") == 0 || strcmp(kind, "double") == 0 || strcmp(kind, "dropped") == 0 ||
		strcmp(kind, "orphan") == 0;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("usage: heirs KIND PORT");
	signal(SIGPIPE, SIG_IGN);
	listen_on(argv[2]);
	if (is_each(argv[1]))
		serve_each(argv[1]);
	if (strcmp(argv[1], "workers") == 0)
		serve_workers();
	for (;;)
		serve_one(argv[1]);
}
