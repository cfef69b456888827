/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs built with _FORTIFY_SOURCE call, by name: a compiler leaves the check out where it can. */
#include <stdarg.h>

#include "tests/e2e/sockcheck.h"

/* As glibc's headers declare them with _FORTIFY_SOURCE. */
ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);
ssize_t __pread_chk(int fd, void *buf, size_t len, off_t offset, size_t size);
ssize_t __pread64_chk(int fd, void *buf, size_t len, off_t offset, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags, struct sockaddr *from,
	socklen_t *from_size);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
	size_t size);
int __dprintf_chk(int fd, int flag, const char *format, ...) __attribute__((format(printf, 3, 4)));
int __vdprintf_chk(int fd, int flag, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

static char data[100];

static void right(const char *call, long n, size_t from)
{
	if (show(call, n) > 0)
		show("it is right", pattern_is(data, from, (size_t)n));
	memset(data, 0, sizeof(data));
}

static int printed(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int printed(int fd, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = __vdprintf_chk(fd, 1, format, args);
	va_end(args);
	return n;
}

static void within(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	union name from;
	socklen_t size = sizeof(from);

	peer("send 1 40");
	show("__poll_chk", __poll_chk(&p, 1, PATIENCE_MS, sizeof(p)));
	show("__ppoll_chk", __ppoll_chk(&p, 1, NULL, NULL, sizeof(p)));
	settle_bytes(fd, 40);
	right("__read_chk", __read_chk(fd, data, 10, sizeof(data)), 0);
	right("__recv_chk", __recv_chk(fd, data, 10, 10, MSG_PEEK), 10);
	right("__recv_chk", __recv_chk(fd, data, 10, sizeof(data), 0), 10);
	right("__recvfrom_chk", __recvfrom_chk(fd, data, 20, 20, 0, &from.any, &size), 20);
	show("__recv_chk of nothing", __recv_chk(fd, data, 10, 10, MSG_DONTWAIT));
	show("__pread_chk", __pread_chk(fd, data, 10, 0, sizeof(data)));
	show("__pread64_chk", __pread64_chk(fd, data, 10, 0, sizeof(data)));
	show("__dprintf_chk", __dprintf_chk(fd, 1, "%c%c", pattern(0), pattern(1)));
	show("__vdprintf_chk", printed(fd, "%c", pattern(2)));
	peer_shows("recv 1 3");
}

enum call { READ, PREAD, PREAD64, RECV, RECVFROM, POLL, PPOLL, NR_CALLS };

static void beyond(enum call call, int fd)
{
	struct pollfd p[2] = { { .fd = fd }, { .fd = fd } };

	switch (call) {
	case READ: __read_chk(fd, data, 11, 10); break;
	case PREAD: __pread_chk(fd, data, 11, 0, 10); break;
	case PREAD64: __pread64_chk(fd, data, 11, 0, 10); break;
	case RECV: __recv_chk(fd, data, 11, 10, MSG_DONTWAIT); break;
	case RECVFROM: __recvfrom_chk(fd, data, 11, 10, MSG_DONTWAIT, NULL, NULL); break;
	case POLL: __poll_chk(p, 2, 0, sizeof(p[0])); break;
	case PPOLL: __ppoll_chk(p, 2, NULL, NULL, sizeof(p[0])); break;
	case NR_CALLS: break;
	}
}

/* Too much for the buffer ends the program, before a byte is taken. */
static void overflows(int fd)
{
	static const char *const name[] = { "__read_chk", "__pread_chk", "__pread64_chk", "__recv_chk",
		"__recvfrom_chk", "__poll_chk", "__ppoll_chk" };

	peer("send 1 30");
	settle_bytes(fd, 30);
	for (enum call call = 0; call < NR_CALLS; call++) {
		char text[TEXT];
		int status = 0;
		pid_t child = fork();

		if (child == 0) {
			close(STDERR_FILENO); /* glibc's last words */
			beyond(call, fd);
			_exit(0);
		}
		waitpid(child, &status, 0);
		snprintf(text, sizeof(text), "%s of more than there is room for", name[call]);
		show(text, WIFSIGNALED(status) ? -WTERMSIG(status) * 1000L : WEXITSTATUS(status));
	}
	right("all is still there", recv(fd, data, sizeof(data), 0), 40);
}

void check_fortified(void)
{
	int fd = accepted(0);

	within(fd);
	overflows(fd);
	close(fd);
}
