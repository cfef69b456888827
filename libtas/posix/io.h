/* SPDX-License-Identifier: BSD-3-Clause */
/* io.h - moving bytes on a flow: the general paths behind the short ones of recv.c and send.c.
 * Results are bytes or -errno; io_result makes -1 and errno of them. Callers hold a reference of the file. */
#ifndef TAS_POSIX_IO_H
#define TAS_POSIX_IO_H

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "libtas/posix/file.h"

/* Flags are MSG_* of recv and send. Both wait as the file's O_NONBLOCK, the timeouts and MSG_DONTWAIT say. */
ssize_t io_recv(struct file *f, const struct iovec *iov, int count, int flags);
ssize_t io_send(struct file *f, const struct iovec *iov, int count, int flags);

/* Waits for space or bytes if the file (or MSG_DONTWAIT) lets it: 0, or the errno of the call, negative.
 * *deadline is 0 at first and then kept between waits of one call. */
int io_wait_in(struct file *f, int flags, size_t min_bytes, uint64_t *deadline);
int io_wait_out(struct file *f, int flags, uint64_t *deadline);

/* The call returns what it moved before this (negative) errno: a pending error is for the next call. */
void io_error_later(struct file *f, ssize_t error);

/* A failed send: SIGPIPE where Linux raises it. */
void io_broken_pipe(int flags);

/* The file of a flow's descriptor with a reference, or NULL. */
struct file *io_flow_get(int fd);

static inline ssize_t io_result(ssize_t result)
{
	if (likely(result >= 0))
		return result;
	errno = (int)-result;
	return -1;
}

/* Bytes of a vector; -1: more than a call can return, or a bad count. */
ssize_t io_length(const struct iovec *iov, int count);

#endif
