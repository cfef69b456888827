/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of descriptors, copies of processes, threads. */
#include <stdatomic.h>
#include <sys/syscall.h>

#include "tests/e2e/sockcheck.h"

/* --- descriptors --- */

static void copies(int fd)
{
	int a = dup(fd), b = fcntl(fd, F_DUPFD_CLOEXEC, 200), c = dup2(fd, 210), d = dup3(fd, 211, O_CLOEXEC),
	    on = 1;
	char byte;

	show("a copy from 200 on", b);
	show("dup2", c);
	show("dup3", d);
	show("close-on-exec",
		fcntl(a, F_GETFD) * 1000 + fcntl(b, F_GETFD) * 100 + fcntl(c, F_GETFD) * 10 +
			fcntl(d, F_GETFD));
	show("set flags", fcntl(a, F_SETFL, O_NONBLOCK));
	show("flags of another", fcntl(d, F_GETFL));
	show("recv on another", recv(c, &byte, 1, 0));
	on = 0;
	show("clear by ioctl", ioctl(b, FIONBIO, &on));
	show("flags", fcntl(fd, F_GETFL));
	close(fd);
	close(a);
	close(b);
	peer("send 1 1");
	show("recv on what is left", recv(c, &byte, 1, 0));
	show("dup2 over a copy", dup2(1, c));
	show("send on the last", send(d, "", 1, 0));
	peer_shows("recv 1 1");
	close(c);
	show("close the last", close(d));
	peer_shows("recv 1 1");
	show("recv on a closed one", recv(d, &byte, 1, 0));
	show("close again", close(d));
	show("dup2 of a closed one", dup2(d, 5));
}

static void ranges(void)
{
	int fd = accepted(0), high = fcntl(fd, F_DUPFD, 500), open_ones = 0;

	show("a high copy", high);
	show("close a range", close_range(400, 600, 0));
	show("the high copy", fcntl(high, F_GETFD));
	show("still there", fcntl(fd, F_GETFL));
	for (int i = 600; i < 1000; i++)
		open_ones += close(i) == 0;
	show("closed by hand", open_ones);
	show("send", send(fd, "", 1, 0));
	peer_shows("recv 1 1");
	close(fd);
}

void check_descriptors(void)
{
	copies(accepted(0));
	ranges();
}

/* --- processes --- */

static int ended(pid_t child)
{
	int status = 0;

	waitpid(child, &status, 0);
	return status;
}

static void child_that_exits(void)
{
	int fd = accepted(0);
	pid_t child = fork();
	char byte;

	if (child == 0)
		_exit(0);
	show("child ended", ended(child));
	peer("send 1 1");
	show("recv after it", recv(fd, &byte, 1, 0));
	child = fork();
	if (child == 0) {
		raise(SIGKILL);
		_exit(1);
	}
	show("child killed", ended(child));
	show("send after it", send(fd, "", 1, 0));
	peer_shows("recv 1 1");
	close(fd);
	peer_shows("recv 1 1");
}

static void child_that_closes(void)
{
	int fd = accepted(0);
	pid_t child = fork();
	char data[10];

	if (child == 0) {
		close(fd);
		_exit(0);
	}
	show("the child closed", ended(child));
	peer("send 1 10");
	show("recv", recv(fd, data, 10, MSG_WAITALL));
	show("it is right", pattern_is(data, 0, 10));
	close(fd);
}

/* A connection that another process goes on with. */
void check_inherited(void)
{
	int fd = accepted(0);
	pid_t child = fork();
	char data[10];

	if (child == 0) {
		ssize_t got = recv(fd, data, 10, MSG_WAITALL);

		_exit(got == 10 && pattern_is(data, 0, 10) && send(fd, data, 10, 0) == 10 ? 7 : 1);
	}
	show("the parent closes", close(fd));
	peer("send 1 10");
	show("child served", WEXITSTATUS(ended(child)));
	peer_shows("recv 1 11");
}

static void child_that_accepts(void)
{
	int port, listener = new_listener(0, &port), fd;
	pid_t child = fork();

	if (child == 0) {
		fd = accept(listener, NULL, NULL);
		_exit(fd >= 0 && write(fd, "", 1) == 1 ? 7 : 1);
	}
	close(listener);
	show_text("peer connects", peer("connect 1 %s %d", check_local.text, port));
	peer_shows("recv 1 2");
	show("child accepted", WEXITSTATUS(ended(child)));
}

static void programs(void)
{
	int fd = accepted(SOCK_CLOEXEC);
	pid_t child = vfork();

	if (child == 0) {
		close(fd);
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	show("vfork and exec", ended(child));
	show("system", system("exit 3"));
	show("send after them", send(fd, "", 1, 0));
	peer_shows("recv 1 1");
	child = (pid_t)syscall(SYS_fork);
	if (child == 0)
		_exit(0);
	show("fork by number", ended(child));
	show("send after it", send(fd, "\7", 1, 0));
	peer_shows("recv 1 1");
	close(fd);
}

void check_processes(void)
{
	child_that_exits();
	child_that_closes();
	child_that_accepts();
	programs();
}

/* --- threads --- */

static int shared_fd, shared_set;

static void *reader(void *arg)
{
	char data[100];

	(void)arg;
	return (void *)recv(shared_fd, data, sizeof(data), 0);
}

static void *waiter(void *arg)
{
	struct epoll_event e;

	(void)arg;
	return (void *)(long)epoll_wait(shared_set, &e, 1, PATIENCE_MS);
}

static long result_of(pthread_t thread)
{
	void *result;

	pthread_join(thread, &result);
	return (long)result;
}

/* A thread with a set of its own takes one event, and is busy from then on: it waits for a pipe. */
static int busy_until[2], took_one[2];

static void *busy_one(void *arg)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int set = epoll_create1(EPOLL_CLOEXEC), n;
	char byte;

	(void)arg;
	epoll_ctl(set, EPOLL_CTL_ADD, shared_fd, &e);
	n = epoll_wait(set, &e, 1, PATIENCE_MS);
	if (write(took_one[1], "", 1) != 1 || read(busy_until[0], &byte, 1) != 1)
		n = -1;
	close(set);
	return (void *)(long)n;
}

static void busy_begin(pthread_t *thread)
{
	if (pipe(busy_until) != 0 || pipe(took_one) != 0)
		exit(2);
	pthread_create(thread, NULL, busy_one, NULL);
}

static void busy_end(pthread_t thread, const char *call)
{
	show("let the busy one go", write(busy_until[1], "", 1));
	show(call, result_of(thread));
	for (int i = 0; i < 2; i++) {
		close(busy_until[i]);
		close(took_one[i]);
	}
}

static int slept_once[2];

/* Another with a set of its own sleeps for two events. */
static void *sleeper(void *arg)
{
	struct epoll_event e;
	int n = epoll_wait(shared_set, &e, 1, PATIENCE_MS);

	(void)arg;
	if (write(slept_once[1], "", 1) != 1)
		return NULL;
	return (void *)(long)(n + epoll_wait(shared_set, &e, 1, PATIENCE_MS));
}

/* What comes while one thread is busy wakes the one that waits in another set. */
static void one_connection_in_two_sets(void)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	pthread_t busy, other;
	char byte;

	shared_fd = accepted(0);
	shared_set = epoll_create1(EPOLL_CLOEXEC);
	show("add", epoll_ctl(shared_set, EPOLL_CTL_ADD, shared_fd, &e));
	if (pipe(slept_once) != 0)
		exit(2);
	pthread_create(&other, NULL, sleeper, NULL);
	usleep(20000); /* most likely the busy one is the last to ask for events */
	busy_begin(&busy);
	usleep(20000);
	peer("send 1 1");
	show("the busy one has its event", read(took_one[0], &byte, 1));
	show("and so has the other", read(slept_once[0], &byte, 1));
	usleep(20000);
	peer("send 1 1");
	show("two events beside a busy one", result_of(other));
	busy_end(busy, "it had one event");
	close(slept_once[0]);
	close(slept_once[1]);
	close(shared_set);
	close(shared_fd);
}

/* A connection that comes while the thread that waited for it is busy is found by another. */
static void one_listener_for_two_threads(void)
{
	int port, fd, n = 0;
	struct pollfd p;
	pthread_t busy;
	char byte;

	shared_fd = new_listener(SOCK_NONBLOCK, &port);
	p = (struct pollfd){ .fd = shared_fd, .events = POLLIN };
	busy_begin(&busy);
	usleep(20000);
	show_text("peer connects", peer("connect 1 %s %d", check_local.text, port));
	show("the busy one has its event", read(took_one[0], &byte, 1));
	fd = accept(shared_fd, NULL, NULL);
	show("accept", fd >= 0);
	close(fd);
	show_text("peer connects", peer("connect 2 %s %d", check_local.text, port));
	for (int i = 0; i < PATIENCE_MS && n == 0; i++, usleep(1000))
		n = poll(&p, 1, 0); /* without waiting, so that nothing is asked for */
	show("poll sees the next", n);
	fd = accept(shared_fd, NULL, NULL);
	show("accept", fd >= 0);
	close(fd);
	busy_end(busy, "it had one event");
	close(shared_fd);
}

/* --- one shot, many threads --- */

enum { SHOOTERS = 4, SHOTS = 200 };

static atomic_int at_work, crowds, bytes_in;

/* What is there is read by whoever gets the shot; then the next is asked for, in the midst of arriving. */
static void *shooter(void *arg)
{
	struct epoll_event e, again = { .events = EPOLLIN | EPOLLONESHOT };
	char data[100];
	ssize_t n;

	(void)arg;
	while (atomic_load(&bytes_in) < SHOTS) {
		if (epoll_wait(shared_set, &e, 1, 20) != 1)
			continue;
		atomic_fetch_add(&crowds, atomic_fetch_add(&at_work, 1) != 0);
		while ((n = recv(shared_fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
			atomic_fetch_add(&bytes_in, (int)n);
		atomic_fetch_sub(&at_work, 1);
		epoll_ctl(shared_set, EPOLL_CTL_MOD, shared_fd, &again);
	}
	return NULL;
}

static void shots(void)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT };
	pthread_t threads[SHOOTERS];

	shared_fd = accepted(0);
	shared_set = epoll_create1(EPOLL_CLOEXEC);
	show("add", epoll_ctl(shared_set, EPOLL_CTL_ADD, shared_fd, &e));
	for (int i = 0; i < SHOOTERS; i++)
		pthread_create(&threads[i], NULL, shooter, NULL);
	for (int i = 0; i < SHOTS; i++)
		peer("send 1 1");
	for (int i = 0; i < SHOOTERS; i++)
		pthread_join(threads[i], NULL);
	show("bytes", atomic_load(&bytes_in));
	show("two at once", atomic_load(&crowds));
	close(shared_set);
	close(shared_fd);
}

void check_threads(void)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	pthread_t one, two;
	long sum;

	shared_fd = accepted(0);
	pthread_create(&one, NULL, reader, NULL);
	usleep(20000);
	show("send beside a reader", send(shared_fd, "", 1, 0));
	peer_shows("recv 1 1");
	peer("send 1 10");
	show("the reader got", result_of(one));
	pthread_create(&one, NULL, reader, NULL);
	usleep(20000);
	show("shutdown wakes it", shutdown(shared_fd, SHUT_RDWR));
	show("the reader got", result_of(one));
	close(shared_fd);

	shared_fd = accepted(0);
	shared_set = epoll_create1(EPOLL_CLOEXEC);
	pthread_create(&one, NULL, waiter, NULL);
	pthread_create(&two, NULL, waiter, NULL);
	usleep(20000);
	show("add beside waiters", epoll_ctl(shared_set, EPOLL_CTL_ADD, shared_fd, &e));
	peer("send 1 10");
	usleep(20000);
	show("modify", epoll_ctl(shared_set, EPOLL_CTL_MOD, shared_fd, &e));
	sum = result_of(one) + result_of(two);
	show("both waiters got one", sum);
	close(shared_set);
	close(shared_fd);
	one_connection_in_two_sets();
	one_listener_for_two_threads();
	shots();
}
