/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/ctl_io.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "include/base/assert.h"
#include "include/base/log.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

enum { BACKLOG = 4096, FDS_MAX = 1 + 64 };

/* Who tries to send us one is told by the kernel that he may not. Older ones do not know the option. */
static void descriptors_refuse(int fd)
{
	int off = 0;

	setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

/* --- the socket that listens --- */

static int say(char *err, size_t err_size, const char *path, const char *what, const char *remedy)
{
	int error = errno;

	snprintf(err, err_size, "cannot %s the control socket %s: %s; %s", what, path, strerror(error),
		remedy);
	return -error;
}

/* A socket that a crash left behind goes; anything else is somebody's file. */
static int remove_stale(const char *path, char *err, size_t err_size)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return say(err, err_size, path, "make",
			"it is not a socket: remove it, or set [tasd] run_dir");
	}
	return unlink(path) == 0
		? 0
		: say(err, err_size, path, "replace", "start tasd as root, or set [tasd] run_dir");
}

/* Until it listens nobody can connect, so that the mode holds from the first moment. */
static int bind_and_listen(int fd, const char *path, mode_t mode, gid_t gid, char *err, size_t err_size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	memcpy(addr.sun_path, path, strlen(path));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		return say(err, err_size, path, "make", "start tasd as root, or set [tasd] run_dir");
	if (gid != (gid_t)-1 && lchown(path, (uid_t)-1, gid) != 0)
		return say(err, err_size, path, "give away",
			"start tasd as root, or take out [tasd] socket_group");
	if (chmod(path, mode) != 0 || listen(fd, BACKLOG) != 0)
		return say(err, err_size, path, "open", "set [tasd] run_dir to another file system");
	return 0;
}

int ctl_io_listen(const char *path, mode_t mode, gid_t gid, char *err, size_t err_size)
{
	struct sockaddr_un addr;
	int fd, error;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return say(err, err_size, path, "make", "shorten [tasd] run_dir");
	}
	error = remove_stale(path, err, err_size);
	if (error != 0)
		return error;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return say(err, err_size, path, "make", "raise the limit of open files");
	descriptors_refuse(fd); /* what it accepts inherits that: there is no moment without */
	error = bind_and_listen(fd, path, mode, gid, err, err_size);
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

/* --- receiving --- */

/* With credentials a message without bytes can be told from the end: each has some, the end has none. */
void ctl_io_prepare(int fd)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

/* What comes next, left where it is. There is room for credentials only: descriptors show as cut off. */
static enum ctl_io peek(int fd, struct ctl_msg *m, bool *has_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &h, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*has_fds = n >= 0 && (h.msg_flags & MSG_CTRUNC) != 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? CTL_IO_NOTHING : CTL_IO_GONE;
	if (n == 0 && h.msg_controllen == 0 && !*has_fds)
		return CTL_IO_GONE;
	return n == sizeof(*m) && !(h.msg_flags & MSG_TRUNC) ? CTL_IO_MESSAGE : CTL_IO_GARBAGE;
}

enum ctl_io ctl_io_recv(int fd, struct ctl_msg *m)
{
	bool has_fds;
	enum ctl_io next = peek(fd, m, &has_fds);

	if (next != CTL_IO_MESSAGE)
		return next;
	if (has_fds || recv(fd, m, sizeof(*m), MSG_DONTWAIT) != sizeof(*m))
		return CTL_IO_GARBAGE;
	return CTL_IO_MESSAGE;
}

/* --- sending --- */

int ctl_io_send(int fd, const struct ctl_msg *m, const int *fds, unsigned nr_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)m, .iov_len = sizeof(*m) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	TAS_ASSERT(nr_fds <= FDS_MAX);
	if (nr_fds > 0) {
		h.msg_control = &control;
		h.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		*CMSG_FIRSTHDR(&h) = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(nr_fds * sizeof(int)),
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&h)), fds, nr_fds * sizeof(int));
	}
	do
		n = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == sizeof(*m) ? 0 : n < 0 ? -errno : -EIO;
}

/* --- closing --- */

/* Throws away what was sent; false if there are descriptors among it. */
static bool drain(int fd)
{
	struct ctl_msg m;
	bool has_fds;

	for (;;) {
		enum ctl_io next = peek(fd, &m, &has_fds);

		if (has_fds)
			return false;
		if (next == CTL_IO_GONE || next == CTL_IO_NOTHING)
			return true;
		recv(fd, &m, sizeof(m), MSG_DONTWAIT);
	}
}

bool ctl_io_close(int fd)
{
	shutdown(fd, SHUT_RDWR); /* so that the queue does not grow while it is emptied */
	if (!drain(fd))
		return false;
	close(fd);
	return true;
}

int ctl_io_pair(int *child_end)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	ctl_io_prepare(fds[0]);
	descriptors_refuse(fds[0]);
	*child_end = fds[1];
	return fds[0];
}
