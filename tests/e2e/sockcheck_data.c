/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of sockets, and moving bytes. */
#include <limits.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

#include "tests/e2e/sockcheck.h"

enum { BIG = 3000000 };

/* Whatever number says "as many as there may be", at first and again, of a listener that then accepts. */
static void listen_with(const char *call, int backlog)
{
	union name name = address(check_local, 0);
	socklen_t size = sizeof(name);
	int fd = new_socket(0);

	bind(fd, (struct sockaddr *)&name, sizeof(name));
	getsockname(fd, (struct sockaddr *)&name, &size);
	show(call, listen(fd, backlog));
	show("again", listen(fd, backlog));
	show_text("peer connects", peer("connect 1 %s %d", check_local.text, port_of(&name)));
	settle(fd, POLLIN);
	show("it is accepted", close(accept(fd, NULL, NULL)));
	close(fd);
}

void check_names(void)
{
	union name name;
	socklen_t size = sizeof(name);
	int port, listener = new_listener(SOCK_NONBLOCK, &port), second = new_socket(0), fd;

	show("accept of none", accept(listener, NULL, NULL));
	show_events("listener idle", 0, events_now(listener));
	show("getpeername of a listener", getpeername(listener, (struct sockaddr *)&name, &size));
	name = address(check_local, port);
	show("bind to a taken port", bind(second, (struct sockaddr *)&name, sizeof(name)));
	show("bind twice", bind(listener, (struct sockaddr *)&name, sizeof(name)));
	show("getpeername of a new socket", getpeername(second, (struct sockaddr *)&name, &size));
	show("recv on a new socket", recv(second, &name, 1, 0));
	show("send on a new socket", send(second, &name, 1, MSG_NOSIGNAL));
	show("shutdown of a new socket", shutdown(second, SHUT_RDWR));
	show("recv on a listener", recv(listener, &name, 1, 0));
	show("accept on a new socket", accept(second, NULL, NULL));
	show("listen again", listen(listener, 5));
	show_text("peer connects", peer("connect 1 %s %d", check_local.text, port));
	settle(listener, POLLIN);
	show_events("listener with one", 0, events_now(listener));
	show("accept4 with wrong flags", accept4(listener, NULL, NULL, 1));
	size = 5;
	fd = accept4(listener, (struct sockaddr *)&name, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	show("accept gives a length of", size);
	show("close-on-exec", fcntl(fd, F_GETFD));
	show("flags", fcntl(fd, F_GETFL));
	show("accept again", accept(listener, NULL, NULL));
	size = sizeof(name);
	show("getpeername", getpeername(fd, (struct sockaddr *)&name, &size));
	show("the peer's address", is_of(&name, check_remote));
	size = sizeof(name);
	show("getsockname", getsockname(fd, (struct sockaddr *)&name, &size));
	show("own address and port", is_of(&name, check_local) && port_of(&name) == port);
	show("bind of a connection", bind(fd, (struct sockaddr *)&name, sizeof(name)));
	show("listen on a connection", listen(fd, 1));
	show("accept on a connection", accept(fd, NULL, NULL));
	close(second);
	close(listener);
	close(fd);
	listen_with("listen with INT_MAX", INT_MAX);
	listen_with("listen with -1", -1);
	listen_with("listen with INT_MIN", INT_MIN);
	listen_with("listen with 0", 0);
}

static void receive_flags(int fd)
{
	unsigned char data[1000];
	int n = 0;

	peer("send 1 100");
	settle_bytes(fd, 100);
	show_events("with data", 0, events_now(fd));
	ioctl(fd, FIONREAD, &n);
	show("FIONREAD", n);
	show("peek 10", recv(fd, data, 10, MSG_PEEK));
	show("peek is right", pattern_is(data, 0, 10));
	show("peek 1000", recv(fd, data, 1000, MSG_PEEK));
	show("read 30", read(fd, data, 30));
	show("it is right", pattern_is(data, 0, 30));
	show("drop 20", recv(fd, data, 20, MSG_TRUNC));
	show("recv none", recv(fd, data, 0, 0));
	show("read none", read(fd, data, 0));
	show("recv the rest", recv(fd, data, sizeof(data), 0));
	show("it is right", pattern_is(data, 50, 50));
	show("recv again", recv(fd, data, 1, MSG_DONTWAIT));
	show("recv none of none", recv(fd, data, 0, MSG_DONTWAIT));
	show("read none of none", read(fd, data, 0));
	show("recv out of band", recv(fd, data, 1, MSG_OOB | MSG_DONTWAIT));
	show("recv of errors", recv(fd, data, 1, MSG_ERRQUEUE | MSG_DONTWAIT));
}

static int big_fd;
static unsigned char *big_data;

static void *big_sender(void *arg)
{
	ssize_t n = 0;

	for (size_t done = 0; done < BIG && n >= 0; done += (size_t)n)
		n = send(big_fd, big_data + done, BIG - done, 0);
	return arg;
}

static void big_transfers(int fd)
{
	unsigned char *data = malloc(BIG);
	pthread_t sender;
	size_t got = 0;
	ssize_t n;

	pattern_fill(data, 0, BIG);
	big_fd = fd;
	big_data = data;
	pthread_create(&sender, NULL, big_sender, NULL); /* the peer answers only when it has all */
	peer_shows("recv 1 %d", BIG);
	pthread_join(sender, NULL);
	memset(data, 0, BIG);
	peer("send 1 100000");
	while (got < 100000 && (n = read(fd, data + got, BIG - got)) > 0)
		got += (size_t)n;
	show("read in pieces", (long)got);
	show("it is right", pattern_is(data, 100, got));
	peer("send 1 1000");
	show("wait for all", recv(fd, data, 1000, MSG_WAITALL));
	show("it is right", pattern_is(data, 100100, 1000));
	free(data);
}

void check_transfer(void)
{
	int fd = accepted(0), outq = 1;

	show_events("fresh connection", 0, events_now(fd));
	receive_flags(fd);
	show("write", write(fd, "\0\7\16", 3));
	peer_shows("recv 1 3");
	show("ioctl SIOCOUTQ", ioctl(fd, TIOCOUTQ, &outq));
	for (int i = 0; i < 1000 && outq > 0; i++) {
		usleep(1000);
		ioctl(fd, TIOCOUTQ, &outq);
	}
	show("bytes not acknowledged in the end", outq);
	show("write none", write(fd, "", 0));
	close(fd);
	fd = accepted(0);
	peer("send 1 100");
	read(fd, (char[100]){ 0 }, 100);
	big_transfers(fd);
	close(fd);
}

/* --- vectors and messages --- */

static void vectors(int fd)
{
	volatile int minus_one = -1, too_many = 2000; /* the compiler need not know */
	unsigned char a[10], b[20], c[70];
	struct iovec v[4] = { { a, 10 }, { b, 0 }, { b, 20 }, { c, 70 } };
	struct msghdr m = { .msg_iov = v,
		.msg_iovlen = 4,
		.msg_namelen = 99,
		.msg_controllen = 0,
		.msg_flags = 77 };

	pattern_fill(a, 0, 10);
	pattern_fill(b, 10, 20);
	pattern_fill(c, 30, 70);
	show("writev", writev(fd, v, 4));
	peer_shows("recv 1 100");
	pattern_fill(a, 100, 10);
	pattern_fill(b, 110, 20);
	pattern_fill(c, 130, 70);
	show("sendmsg", sendmsg(fd, &(struct msghdr){ .msg_iov = v, .msg_iovlen = 4 }, MSG_MORE));
	show("send the end", send(fd, "", 0, 0));
	peer_shows("recv 1 100");
	peer("send 1 100");
	settle_bytes(fd, 100);
	show("readv", readv(fd, v, 4));
	show("it is right", pattern_is(a, 0, 10) && pattern_is(b, 10, 20) && pattern_is(c, 30, 70));
	peer("send 1 50");
	settle_bytes(fd, 50);
	show("recvmsg", recvmsg(fd, &m, 0));
	show("name, control, flags", (long)m.msg_namelen + (long)m.msg_controllen + m.msg_flags);
	show("readv of -1", readv(fd, v, minus_one));
	show("writev of 2000", writev(fd, v, too_many));
	m.msg_iovlen = 2000;
	show("sendmsg of 2000", sendmsg(fd, &m, 0));
}

static void many(int fd)
{
	unsigned char data[40];
	struct iovec v[4] = { { data, 10 }, { data + 10, 10 }, { data + 20, 10 }, { data + 30, 10 } };
	struct mmsghdr m[4] = { { { .msg_iov = &v[0], .msg_iovlen = 1 }, 0 },
		{ { .msg_iov = &v[1], .msg_iovlen = 1 }, 0 }, { { .msg_iov = &v[2], .msg_iovlen = 1 }, 0 },
		{ { .msg_iov = &v[3], .msg_iovlen = 1 }, 0 } };

	pattern_fill(data, 200, 40);
	show("sendmmsg", sendmmsg(fd, m, 4, 0));
	show("length of the last", m[3].msg_len);
	peer_shows("recv 1 40");
	peer("send 1 25");
	settle_bytes(fd, 25);
	show("recvmmsg", recvmmsg(fd, m, 4, MSG_WAITFORONE, NULL));
	show("length of the first", m[0].msg_len);
	show("length of the third", m[2].msg_len);
}

static void files(int fd)
{
	unsigned char data[5000];
	int file = memfd_create("file", 0), pipes[2];
	off_t at = 240;

	pattern_fill(data, 0, sizeof(data));
	if (write(file, data, sizeof(data)) != sizeof(data) || pipe(pipes) != 0)
		return;
	show("sendfile", sendfile(fd, file, &at, 1000));
	show("its position", (long)at);
	peer_shows("recv 1 1000");
	lseek(file, 1240, SEEK_SET);
	show("sendfile to the end", sendfile(fd, file, NULL, 100000));
	show("the file's position", lseek(file, 0, SEEK_CUR));
	peer_shows("recv 1 3760");
	show("sendfile at the end", sendfile(fd, file, NULL, 100));
	show("sendfile from a socket", sendfile(file, fd, NULL, 100));
	pattern_fill(data, 5000, 100);
	show("into the pipe", write(pipes[1], data, 100));
	show("splice to the socket", splice(pipes[0], NULL, fd, NULL, 1000, 0));
	peer_shows("recv 1 100");
	peer("send 1 100");
	settle_bytes(fd, 100);
	show("splice from the socket", splice(fd, NULL, pipes[1], NULL, 1000, 0));
	show("out of the pipe", read(pipes[0], data, 1000));
	show("it is right", pattern_is(data, 175, 100));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	show("splice of nothing", splice(fd, NULL, pipes[1], NULL, 1000, 0));
	fcntl(fd, F_SETFL, 0);
	show("splice without a pipe", splice(fd, NULL, file, NULL, 1000, 0));
	show("splice with a position", splice(fd, &at, pipes[1], NULL, 1000, 0));
	show("pread", pread(fd, data, 1, 0));
	show("pwrite", pwrite(fd, data, 1, 0));
	show("lseek", lseek(fd, 0, SEEK_SET));
	close(pipes[0]);
	close(pipes[1]);
	close(file);
}

static void by_number_and_stream(int fd)
{
	char line[100] = "";
	FILE *stream;
	int copy = dup(fd);

	show("syscall write", syscall(SYS_write, fd, "\174\203\212", 3));
	pattern_fill(line, 5100, 3);
	show("syscall sendto", syscall(SYS_sendto, fd, line, 3, 0, NULL, 0));
	peer("send 1 50");
	settle_bytes(fd, 50);
	show("syscall read", syscall(SYS_read, fd, line, 20));
	show("syscall recvfrom", syscall(SYS_recvfrom, fd, line, 20, 0, NULL, NULL));
	show("syscall ioctl", syscall(SYS_ioctl, fd, FIONREAD, line));
	show("bytes left", *(int *)(void *)line);
	show("dprintf", dprintf(fd, "%d bytes\n", 8));
	stream = fdopen(copy, "r+");
	show("fileno", fileno(stream) == copy);
	show("fread", (long)fread(line, 1, 10, stream));
	show("fprintf", fprintf(stream, "%s\n", "text"));
	show("fclose", fclose(stream));
	show("the copy is closed", fcntl(copy, F_GETFD));
}

void check_messages(void)
{
	int fd = accepted(0);

	vectors(fd);
	many(fd);
	files(fd);
	by_number_and_stream(fd);
	close(fd);
}
