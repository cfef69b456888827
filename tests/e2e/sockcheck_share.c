/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets that several descriptors or several processes have: what one of them does holds for all, and only
 * the last close ends anything. */
#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "tests/e2e/sockcheck.h"

/* --- a child that acts when it is told to --- */

static int start[2];

static pid_t heir(int (*act)(int fd), int fd)
{
	pid_t child;
	char byte;

	if (pipe2(start, O_CLOEXEC) != 0)
		exit(1);
	child = fork();
	if (child == 0) {
		close(start[1]);
		if (read(start[0], &byte, 1) != 0)
			_exit(100);
		alarm(60);
		_exit(act(fd));
	}
	close(start[0]);
	return child;
}

static void let_act(void)
{
	close(start[1]);
	start[1] = -1;
}

/* It acts; its result. */
static int result_of(pid_t child)
{
	int status = 0;

	if (start[1] >= 0)
		let_act();
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -status;
}

static int now(int (*act)(int fd), int fd) { return result_of(heir(act, fd)); }

static void settle_sent(int fd)
{
	double patience = seconds() + PATIENCE_MS / 1000.0;
	int left = 0;

	while (ioctl(fd, TIOCOUTQ, &left) == 0 && left > 0 && seconds() < patience)
		usleep(200);
}

static int echoes(int fd)
{
	char data[10];
	ssize_t got = recv(fd, data, 10, MSG_WAITALL);

	if (got != 10 || !pattern_is(data, 0, 10))
		return 1;
	if (send(fd, data, 10, MSG_NOSIGNAL) != 10)
		return 2;
	settle_sent(fd); /* a RST may overtake what is not */
	return close(fd) == 0 ? 7 : 3;
}

/* --- SO_LINGER --- */

static void linger(int fd, int seconds)
{
	struct linger l = { 1, seconds };

	show("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	show("seconds", seconds);
}

static void lingering_with_heir(int seconds)
{
	int fd = accepted(0);
	pid_t child;

	linger(fd, seconds);
	child = heir(echoes, fd);
	show("close beside a child", close(fd));
	peer("send 1 10");
	show("the child goes on", result_of(child));
	peer_shows("recv 1 10");
	peer_shows("recv 1 1");
}

static int closes(int fd) { return close(fd) == 0 ? 7 : 1; }

static void lingering_child(int seconds)
{
	int fd = accepted(0);

	linger(fd, seconds);
	show("the child closes", now(closes, fd));
	peer("send 1 10");
	show("the parent goes on", echoes(fd));
	peer_shows("recv 1 10");
	peer_shows("recv 1 1");
}

static int uses_and_closes(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN ? closes(fd) : 1;
}

static void lingering_child_that_used_it(int seconds)
{
	int fd = accepted(0);

	linger(fd, seconds);
	show("the child uses it and closes", now(uses_and_closes, fd));
	peer("send 1 10");
	show("the parent goes on", echoes(fd));
	peer_shows("recv 1 10");
	peer_shows("recv 1 1");
}

static void lingering_copies(int seconds)
{
	int fd = accepted(0), copy = dup(fd);

	linger(fd, seconds);
	show("close beside a copy", close(fd));
	peer("send 1 10");
	show("the copy goes on", echoes(copy));
	peer_shows("recv 1 10");
	peer_shows("recv 1 1");
}

static void lingering(int seconds)
{
	lingering_with_heir(seconds);
	lingering_child(seconds);
	lingering_child_that_used_it(seconds);
	lingering_copies(seconds);
}

void check_lingering(void)
{
	lingering(0);
	lingering(3);
}

/* --- calls of other threads at fork --- */

static int thread_fd;

static void *reads(void *arg)
{
	char byte;

	thread_here();
	recv(thread_fd, &byte, 1, 0);
	return arg;
}

static void *polls(void *arg)
{
	thread_here();
	poll(&(struct pollfd){ .fd = thread_fd, .events = POLLIN }, 1, -1);
	return arg;
}

static int life[2]; /* the child's, until the parent closes its end */

static int closes_and_stays(int fd)
{
	char byte;

	close(life[1]);
	return close(fd) == 0 && read(life[0], &byte, 1) == 0 ? 7 : 1;
}

static void fork_beside(const char *name, void *(*call)(void *))
{
	int fd = accepted(0);
	pthread_t thread;
	pid_t child;

	if (pipe2(life, O_CLOEXEC) != 0)
		exit(1);
	thread_fd = fd;
	pthread_create(&thread, NULL, call, NULL);
	settle_asleep();
	child = heir(closes_and_stays, fd);
	close(life[0]);
	let_act();
	peer("send 1 1");
	pthread_join(thread, NULL);
	show(name, close(fd));
	peer_shows("recv 1 1"); /* the end, while the child lives */
	close(life[1]);
	show("child", result_of(child));
}

void check_beside(void)
{
	fork_beside("close after a fork beside recv", reads);
	fork_beside("close after a fork beside poll", polls);
}

/* --- listeners --- */

static int bound(int *port)
{
	union name name = address(check_local, 0);
	socklen_t size = sizeof(name);
	int fd = new_socket(0);

	if (bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		exit(1);
	getsockname(fd, (struct sockaddr *)&name, &size);
	*port = port_of(&name);
	return fd;
}

static void connect_and_accept(int fd, int port)
{
	show_text("peer connects", peer("connect 1 %s %d", check_local.text, port));
	settle(fd, POLLIN);
	show("accept", close(accept(fd, NULL, NULL)));
}

static int listens(int fd) { return listen(fd, 4) == 0 ? 7 : errno; }

static void listen_twice(void)
{
	int port, fd = bound(&port);
	pid_t child;

	show("the child listens", now(listens, fd));
	show("so does the parent", listen(fd, 16));
	connect_and_accept(fd, port);
	close(fd);

	fd = bound(&port);
	child = heir(listens, fd);
	show("the parent listens", listen(fd, 16));
	show("so does the child", result_of(child));
	connect_and_accept(fd, port);
	close(fd);
}

static int second_socket(int fd)
{
	union name name;
	socklen_t size = sizeof(name);
	int other = new_socket(0), one = 1;

	getsockname(fd, (struct sockaddr *)&name, &size);
	setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(other, (struct sockaddr *)&name, sizeof(name)) != 0)
		return errno;
	return listen(other, 4) == 0 ? 7 : errno;
}

static void listen_beside(void)
{
	int port, fd = new_listener(0, &port);

	show("another socket cannot", now(second_socket, fd));
	close(fd);
}

void check_listeners(void)
{
	listen_twice();
	listen_beside();
}

/* --- what is set --- */

/* As servers do that make workers: each sets up what it inherited, and uses it. In Linux it then holds for
 * the others, too, which here it does not: see docs/sockets.md. */
static int accepts_none(int fd)
{
	int on = 0;

	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 || !(fcntl(fd, F_GETFL) & O_NONBLOCK))
		return 1;
	if (accept(fd, NULL, NULL) != -1 || errno != EAGAIN)
		return 2;
	if (ioctl(fd, FIONBIO, &on) != 0 || (fcntl(fd, F_GETFL) & O_NONBLOCK))
		return 3;
	return 7;
}

static void nonblocking_listener(void)
{
	int port, fd = new_listener(0, &port);

	show("the child sets O_NONBLOCK and accepts none", now(accepts_none, fd));
	connect_and_accept(fd, port);
	close(fd);
}

static int receives_none(int fd)
{
	char byte;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return 1;
	return recv(fd, &byte, 1, 0) == -1 && errno == EAGAIN ? 7 : 2;
}

static void nonblocking_connection(void)
{
	int fd = accepted(0);

	show("the child sets O_NONBLOCK and receives none", now(receives_none, fd));
	close(fd);
}

static int ready[2];

static int accepts_with_options(int fd)
{
	struct timeval limit = { 5, 0 }, got = { 0, 0 };
	int on = 1, nodelay = 0, alive = 0, conn;
	socklen_t size = sizeof(got);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		return 1;
	if (write(ready[1], "", 1) != 1)
		return 2;
	conn = accept(fd, NULL, NULL);
	if (conn < 0)
		return 3;
	getsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &got, &size);
	size = sizeof(int);
	getsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &nodelay, &size);
	getsockopt(conn, SOL_SOCKET, SO_KEEPALIVE, &alive, &size);
	if (got.tv_sec != 5 || nodelay != 1 || alive != 1)
		return 4;
	return send(conn, "", 1, 0) == 1 ? 7 : 5;
}

static void options_by_child(void)
{
	int port, fd = new_listener(0, &port);
	pid_t child;
	char byte;

	if (pipe2(ready, O_CLOEXEC) != 0)
		exit(1);
	child = heir(accepts_with_options, fd);
	let_act();
	if (read(ready[0], &byte, 1) != 1)
		exit(1);
	show_text("peer connects", peer("connect 1 %s %d", check_local.text, port));
	show("the child's options are its connections'", result_of(child));
	peer_shows("recv 1 2");
	close(fd);
	close(ready[0]);
	close(ready[1]);
}

/* --- shutdown --- */

static int shuts(int fd) { return shutdown(fd, SHUT_WR) == 0 ? 7 : 1; }
static int shuts_both(int fd) { return shutdown(fd, SHUT_RDWR) == 0 ? 7 : 1; }

static void shut_by_child(void)
{
	int fd = accepted(0);
	char data[10];

	show("the child shuts it for writing", now(shuts, fd));
	peer_shows("recv 1 1");
	show("send", send(fd, "", 1, MSG_NOSIGNAL));
	peer("send 1 10");
	show("recv", recv(fd, data, 10, MSG_WAITALL));
	show_events("events", 0, events_now(fd));
	close(fd);

	fd = accepted(0);
	show("the child shuts it", now(shuts_both, fd));
	show("send", send(fd, "", 1, MSG_NOSIGNAL));
	peer_shows("recv 1 1");
	peer("close 1"); /* in Linux recv would not wait for it */
	show("recv", recv(fd, data, 1, 0));
	close(fd);
}

void check_shared(void)
{
	nonblocking_listener();
	nonblocking_connection();
	options_by_child();
	shut_by_child();
}

/* --- memory in common, descriptors not --- */

static int clone_fd;

static int closes_in_clone(void *arg)
{
	(void)arg;
	return close(clone_fd) == 0 && dup2(2, clone_fd) == clone_fd && close_range(3, ~0u, 0) == 0 ? 7 : 1;
}

static int waited(pid_t child)
{
	int status = 0;

	waitpid(child, &status, __WALL);
	return WEXITSTATUS(status);
}

static void still_ours(const char *call, int status)
{
	show(call, status);
	peer("send 1 10");
	show("it is still there", echoes(clone_fd));
	peer_shows("recv 1 10");
	peer_shows("recv 1 1");
}

static void clones(int flags, const char *name)
{
	static char stack[64 << 10] __attribute__((aligned(16)));

	clone_fd = accepted(0);
	still_ours(name, waited(clone(closes_in_clone, stack + sizeof(stack), flags | SIGCHLD, NULL)));
}

#ifdef __x86_64__
static _Noreturn void closes_and_ends(void) { _exit(close(clone_fd) == 0 ? 7 : 1); }

/* syscall(2) itself returns in the child, to what stands on the new stack. */
static void raw_clones(void)
{
	static long stack[4096] __attribute__((aligned(16)));
	long *top = &stack[4094];

	*top = (long)closes_and_ends;
	clone_fd = accepted(0);
	still_ours("clone by number",
		waited((pid_t)syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, top, NULL, NULL, NULL)));
}
#else
static void raw_clones(void) {}
#endif

static int makes_a_guest(int fd)
{
	pid_t child = vfork();

	if (child == 0) {
		close(fd);
		_exit(7);
	}
	return waited(child) == 7 ? closes(fd) : 1;
}

/* What a thread made of guests does not matter to what it forks later. */
static void forks_after_guests(void)
{
	int fd = accepted(0);
	pid_t child;

	show("a child that makes a guest, and closes", now(makes_a_guest, fd));
	if (pipe2(life, O_CLOEXEC) != 0)
		exit(1);
	child = heir(closes_and_stays, fd);
	close(life[0]);
	let_act();
	show("close beside a child that closed", close(fd));
	peer_shows("recv 1 1");
	close(life[1]);
	show("the child", result_of(child));
}

static void vforks(void)
{
	pid_t child;

	clone_fd = accepted(0);
	child = vfork();
	if (child == 0) {
		close(clone_fd);
		dup2(2, clone_fd);
		_exit(7);
	}
	still_ours("vfork", waited(child));
}

static void spawns(void)
{
	char *argv[] = { "sh", "-c", "exit 7", NULL };
	posix_spawn_file_actions_t actions;
	int copy, failed;
	pid_t child;

	clone_fd = accepted(0);
	copy = dup(clone_fd);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, clone_fd);
	posix_spawn_file_actions_adddup2(&actions, 2, copy);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	failed = posix_spawn(&child, "/bin/sh", &actions, NULL, argv, environ);
	show("posix_spawn", failed);
	posix_spawn_file_actions_destroy(&actions);
	close(copy);
	still_ours("the program", waited(child));
}

void check_vfork(void)
{
	vforks();
	clones(CLONE_VM | CLONE_VFORK, "clone with memory, waiting");
	clones(CLONE_VM, "clone with memory");
	clones(CLONE_VFORK, "clone");
	raw_clones();
	forks_after_guests();
	spawns();
}
