/* SPDX-License-Identifier: BSD-3-Clause */
/* How connections end, and what their sockets say then; waiting, and interrupted waiting; opening. */
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/time.h>

#include "tests/e2e/sockcheck.h"

static void after_end(int fd)
{
	union name name;
	socklen_t size = sizeof(name);
	int error = 0;
	char byte;

	show("recv", recv(fd, &byte, 1, MSG_DONTWAIT));
	show("recv again", recv(fd, &byte, 1, MSG_DONTWAIT));
	show("getpeername", getpeername(fd, (struct sockaddr *)&name, &size));
	size = sizeof(error);
	show("SO_ERROR", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
	show("its value", error);
	show_events("events", 0, events_now(fd));
}

/* Nothing is left to shut once the peer acknowledged our FIN, which takes its time. */
static int shut_when_over(int fd)
{
	int result = shutdown(fd, SHUT_WR);

	for (unsigned ms = 0; result == 0 && ms < 5000; ms++) {
		usleep(1000);
		result = shutdown(fd, SHUT_WR);
	}
	return result;
}

static void half_close(void)
{
	int fd = accepted(0);
	char data[100];

	peer("send 1 10");
	peer("shut 1");
	settle(fd, POLLRDHUP);
	show_events("peer shut, with data", 0, events_now(fd));
	show("recv", recv(fd, data, sizeof(data), 0));
	show("the end", recv(fd, data, sizeof(data), 0));
	show("the end again", recv(fd, data, sizeof(data), 0));
	show_events("at the end", 0, events_now(fd));
	pattern_fill(data, 0, 20);
	show("send to the half", send(fd, data, 20, 0));
	peer_shows("recv 1 20");
	show("shutdown", shutdown(fd, SHUT_WR));
	peer_shows("recv 1 1");
	settle(fd, POLLHUP);
	show_events("both shut", 0, events_now(fd));
	show("shutdown again", shut_when_over(fd));
	close(fd);

	fd = accepted(0);
	show("shutdown how", shutdown(fd, 9));
	show("shutdown to write", shutdown(fd, SHUT_WR));
	show_events("own half shut", 0, events_now(fd));
	show("send", send(fd, data, 1, MSG_NOSIGNAL));
	peer_shows("recv 1 1");
	peer("send 1 30");
	settle_bytes(fd, 30);
	show("recv on the other half", recv(fd, data, 100, 0));
	show("shutdown to read", shutdown(fd, SHUT_RD));
	show_events("both by us", 0, events_now(fd));
	show("recv", recv(fd, data, 100, 0));
	close(fd);

	fd = accepted(0);
	show("shutdown to read first", shutdown(fd, SHUT_RD));
	show_events("deaf", 0, events_now(fd));
	show("recv", recv(fd, data, 100, 0));
	show("send", send(fd, "", 1, 0));
	peer_shows("recv 1 1");
	close(fd);
}

static void resets(void)
{
	int fd = accepted(0);
	char data[100];

	peer("rst 1");
	settle(fd, POLLERR);
	show_events("reset", 0, events_now(fd));
	after_end(fd);
	show("send", send(fd, data, 1, MSG_NOSIGNAL));
	show("shutdown", shutdown(fd, SHUT_RDWR));
	close(fd);

	fd = accepted(0);
	peer("rst 1");
	settle(fd, POLLERR);
	show("send first", send(fd, data, 1, MSG_NOSIGNAL));
	show("send second", send(fd, data, 1, MSG_NOSIGNAL));
	after_end(fd);
	close(fd);

	fd = accepted(0);
	show("close with unread data", 0);
	peer("send 1 10");
	settle_bytes(fd, 10);
	close(fd);
	peer_shows("recv 1 1");

	fd = accepted(0);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
	show("close without lingering", close(fd));
	peer_shows("recv 1 1");

	fd = accepted(0);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 3 }, sizeof(struct linger));
	pattern_fill(data, 0, 100);
	show("send", send(fd, data, 100, 0));
	show("close lingering", close(fd));
	peer_shows("recv 1 101");
}

/* --- an error in the midst of a call: first what was moved, then the error --- */

enum { MUCH = 32 << 20 };

static int torn_fd, torn_file;
static char *torn_data;

static long tear_recv(void) { return recv(torn_fd, torn_data, 100, MSG_WAITALL); }
static long tear_drop(void) { return recv(torn_fd, torn_data, 100, MSG_WAITALL | MSG_TRUNC); }
static long tear_readv(void)
{
	struct iovec v[2] = { { torn_data, 30 }, { torn_data + 30, 70 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

	return recvmsg(torn_fd, &m, MSG_WAITALL);
}

static long tear_recvmmsg(void)
{
	struct iovec v[2] = { { torn_data, 40 }, { torn_data + 40, 60 } };
	struct mmsghdr m[2] = { { { .msg_iov = &v[0], .msg_iovlen = 1 }, 0 },
		{ { .msg_iov = &v[1], .msg_iovlen = 1 }, 0 } };

	return recvmmsg(torn_fd, m, 2, 0, NULL);
}

static long tear_send(void) { return send(torn_fd, torn_data, MUCH, MSG_NOSIGNAL) > 0; }
static long tear_writev(void)
{
	struct iovec v[2] = { { torn_data, MUCH / 2 }, { torn_data, MUCH / 2 } };

	return writev(torn_fd, v, 2) > 0;
}

static long tear_sendfile(void) { return sendfile(torn_fd, torn_file, NULL, MUCH) > 0; }

static void *tear_main(void *call)
{
	thread_here();
	return (void *)((long (*)(void))call)();
}

static void torn(const char *name, long (*call)(void), bool sends)
{
	pthread_t thread;
	void *result;

	torn_fd = accepted(0);
	if (!sends) {
		peer("send 1 40");
		settle_bytes(torn_fd, 40);
	}
	pthread_create(&thread, NULL, tear_main, (void *)call);
	settle_asleep();
	peer("rst 1");
	pthread_join(thread, &result);
	show(name, (long)result);
	if (call == tear_sendfile) { /* Linux loses the error there, or not, as the parts happen to be cut */
		send(torn_fd, "", 1, MSG_NOSIGNAL);
	} else {
		show_events("events", 0, events_now(torn_fd));
		if (sends)
			show("send then", send(torn_fd, "", 1, MSG_NOSIGNAL));
		show("recv then", recv(torn_fd, torn_data, 1, 0));
	}
	show("recv at last", recv(torn_fd, torn_data, 1, 0));
	show("send at last", send(torn_fd, "", 1, MSG_NOSIGNAL));
	close(torn_fd);
}

static void torn_calls(void)
{
	torn_data = calloc(1, MUCH);
	torn_file = memfd_create("file", MFD_CLOEXEC);
	if (torn_data == NULL || ftruncate(torn_file, MUCH) != 0)
		exit(1);
	torn("recv torn", tear_recv, false);
	torn("recv that drops torn", tear_drop, false);
	torn("recvmsg torn", tear_readv, false);
	torn("recvmmsg torn", tear_recvmmsg, false);
	torn("send torn", tear_send, true);
	torn("writev torn", tear_writev, true);
	torn("sendfile torn", tear_sendfile, true);
	close(torn_file);
	free(torn_data);
}

static volatile sig_atomic_t handled;
static void handler(int signal) { handled += signal != 0; }

static void pipe_signal(void)
{
	struct sigaction count = { .sa_handler = handler }, before;
	int fd = accepted(0);

	sigaction(SIGPIPE, &count, &before);
	handled = 0;
	shutdown(fd, SHUT_WR);
	show("send without signal", send(fd, "", 1, MSG_NOSIGNAL));
	show("signals", handled);
	show("send", send(fd, "", 1, 0));
	show("write", write(fd, "", 1));
	show("signals", handled);
	sigaction(SIGPIPE, &before, NULL);
	close(fd);
}

void check_ends(void)
{
	half_close();
	resets();
	torn_calls();
	pipe_signal();
}

/* --- waiting --- */

static void alarm_in(int ms)
{
	struct itimerval t = { .it_value = { ms / 1000, ms % 1000 * 1000 } };

	setitimer(ITIMER_REAL, &t, NULL);
}

static void interrupted(void)
{
	struct sigaction plain = { .sa_handler = handler },
			 again = { .sa_handler = handler, .sa_flags = SA_RESTART };
	int fd = accepted(0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	handled = 0;
	sigaction(SIGALRM, &plain, NULL);
	alarm_in(30);
	show("recv interrupted", recv(fd, &byte, 1, 0));
	show("signals", handled);
	sigaction(SIGALRM, &again, NULL);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 10, 0 }, sizeof(struct timeval));
	alarm_in(30);
	show("recv with a time limit interrupted", recv(fd, &byte, 1, 0));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 0 }, sizeof(struct timeval));
	alarm_in(30);
	show("poll interrupted", poll(&p, 1, 10000));
	if (fork() == 0) {
		usleep(150000);
		_exit(send(fd, "", 0, 0) != 0);
	}
	alarm_in(30);
	peer("send 1 1");
	show("recv restarted", recv(fd, &byte, 1, 0));
	wait(NULL);
	signal(SIGALRM, SIG_DFL);
	close(fd);
}

static void limits(void)
{
	int fd = accepted(0), buffer = 0;
	char *data = calloc(1, 1 << 20);
	double begin = seconds();
	ssize_t n, sum = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 50000 }, sizeof(struct timeval));
	show("recv in vain", recv(fd, data, 1, 0));
	show("it took 50 ms", seconds() - begin >= 0.049 && seconds() - begin < 1);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ 0, 50000 }, sizeof(struct timeval));
	pattern_fill(data, 0, 1 << 20);
	while ((n = send(fd, data, 1 << 20, 0)) > 0 && (buffer += 1) < 1000)
		sum += n;
	show("send in vain", n);
	show_events("full", 0, events_now(fd) & ~(unsigned)(POLLIN | POLLRDNORM));
	show("there was room", sum > 4096);
	close(fd);

	fd = accepted(0);
	peer("send 1 40");
	settle_bytes(fd, 40);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 50000 }, sizeof(struct timeval));
	show("wait for all, get some", recv(fd, data, 100, MSG_WAITALL));
	buffer = 10;
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &buffer, sizeof(buffer));
	peer("send 1 5");
	settle_bytes(fd, 5);
	show_events("below the low-water mark", 0, events_now(fd));
	peer("send 1 5");
	settle_bytes(fd, 10);
	show_events("at the mark", 0, events_now(fd));
	show("recv", recv(fd, data, 100, 0));
	close(fd);
	free(data);
}

static void full_then_free(void)
{
	int fd = accepted(SOCK_NONBLOCK);
	size_t done = 0;
	char data[10000];
	ssize_t n;

	for (;;) {
		pattern_fill(data, done, sizeof(data));
		n = write(fd, data, sizeof(data));
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	show("write to a full buffer", n);
	show_events("full", 0, events_now(fd));
	show("the peer gets all of it", strtol(peer("recv 1 %zu", done), NULL, 10) == (long)done);
	settle(fd, POLLOUT);
	show_events("free again", 0, events_now(fd));
	close(fd);
}

void check_waits(void)
{
	interrupted();
	alarm(60);
	limits();
	full_then_free();
}

/* --- opening --- */

static int free_port(void)
{
	int port = atoi(peer("listen"));

	peer("unlisten");
	return port;
}

static void refused(void)
{
	union name to = address(check_remote, free_port());
	int fd = new_socket(0), error = 0;
	socklen_t size = sizeof(error);

	show("connect to nobody", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	show("connect once more", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	close(fd);
	fd = new_socket(SOCK_NONBLOCK);
	show("connect without waiting", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	settle(fd, POLLOUT);
	show_events("refused", 0, events_now(fd));
	show("SO_ERROR", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
	show_text("it is", strerrorname_np(error));
	show("SO_ERROR again", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
	show("it is", error);
	show("recv", recv(fd, &error, 1, 0));
	show("send", send(fd, &error, 1, MSG_NOSIGNAL));
	close(fd);
}

void check_connect(void)
{
	union name to, name;
	socklen_t size = sizeof(name);
	int fd, port;
	char data[10];

	refused();
	port = atoi(peer("listen"));
	to = address(check_remote, port);
	fd = new_socket(SOCK_NONBLOCK);
	show("connect", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	settle(fd, POLLOUT);
	show_events("connected", 0, events_now(fd));
	show("connect again", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	show("and again", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	show("getpeername", getpeername(fd, (struct sockaddr *)&name, &size));
	show("the port", port_of(&name) == port_of(&to));
	size = sizeof(name);
	show("getsockname", getsockname(fd, (struct sockaddr *)&name, &size));
	show("own address", is_of(&name, check_local));
	peer_shows("accept 1");
	pattern_fill(data, 0, 10);
	show("write", write(fd, data, 10));
	peer_shows("recv 1 10");
	close(fd);
	peer_shows("recv 1 1");
	fd = new_socket(0);
	show("connect, waiting", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	show("connect again", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	peer_shows("accept 1");
	close(fd);
	fd = new_socket(0);
	show("connect with a short address", connect(fd, (struct sockaddr *)&to, 4));
	to.any.sa_family = (sa_family_t)(AF_INET + AF_INET6 - check_local.family);
	show("connect of another family", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	close(fd);
}
