/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_io.h - messages and descriptors over the control socket, from and to processes that are not trusted.
 *
 * Guarantees: no call waits. A descriptor that a stranger sent is never taken: closing it could wait (a
 * socket that lingers, a file system in user space), and so could any call on it, which a stranger may
 * share. Where the kernel can, it refuses to send us one. Else it is left in the queue, which ctl_io_close()
 * leaves for its caller to close apart. Any thread. */
#ifndef TAS_SLOWPATH_CTL_IO_H
#define TAS_SLOWPATH_CTL_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "include/abi/ctl.h"

enum ctl_io {
	CTL_IO_MESSAGE,
	CTL_IO_NOTHING, /* now */
	CTL_IO_GONE,    /* and never again */
	CTL_IO_GARBAGE, /* of the wrong size, or with descriptors */
};

/* A socket that listens at path. -errno and a sentence in err. */
int ctl_io_listen(const char *path, mode_t mode, gid_t gid, char *err, size_t err_size);
/* Makes an accepted socket ready for ctl_io_recv(). */
void ctl_io_prepare(int fd);

/* The next message. */
enum ctl_io ctl_io_recv(int fd, struct ctl_msg *m);
/* 0, -EAGAIN or -errno. */
int ctl_io_send(int fd, const struct ctl_msg *m, const int *fds, unsigned nr_fds);

/* Shuts down and closes a client's socket. False if it is not closed, because that could wait: there are
 * descriptors in its queue. */
bool ctl_io_close(int fd);

/* A socketpair: our end, which tells what the child closed and that it hung up, and *child_end for the
 * answer. -errno. */
int ctl_io_pair(int *child_end);

#endif
