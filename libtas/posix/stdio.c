/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams. glibc's stdio reaches the kernel by calls of its own that nobody can replace, so a stream over a
 * flow is made of our read and write (fopencookie); fileno knows such streams. A stream made before the
 * socket was connected, and descriptors 0 to 2 that were made a flow by dup2, stay glibc's: what is written
 * to them fails with EPIPE (docs/sockets.md). */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libtas/posix/fdtab.h"
#include "libtas/posix/fork.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"

struct stream {
	FILE *file;
	int fd;
	struct stream *next;
};

static struct px_lock streams_lock;
static struct stream *streams;

static bool is_flow(int fd)
{
	struct file *f = fd_look(fd);

	return f != NULL && file_kind(f) == FILE_FLOW;
}

static ssize_t write_all(int fd, const char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t put = px_write(fd, buf + done, len - done);

		if (put < 0)
			return done > 0 ? (ssize_t)done : -1;
		done += (size_t)put;
	}
	return (ssize_t)done;
}

static ssize_t cookie_read(void *cookie, char *buf, size_t len)
{
	return px_read(((struct stream *)cookie)->fd, buf, len);
}

static ssize_t cookie_write(void *cookie, const char *buf, size_t len)
{
	ssize_t put = write_all(((struct stream *)cookie)->fd, buf, len);

	return put < 0 ? 0 : put; /* what fopencookie takes for an error */
}

static int cookie_close(void *cookie)
{
	struct stream *s = cookie, **at;
	int result = px_close(s->fd);

	if (px_lock_enter(&streams_lock)) {
		for (at = &streams; *at != NULL && *at != s; at = &(*at)->next)
			;
		if (*at != NULL)
			*at = s->next;
		px_lock_leave(&streams_lock);
	}
	free(s);
	return result;
}

FILE *px_fdopen(int fd, const char *mode)
{
	const cookie_io_functions_t calls = { cookie_read, cookie_write, NULL, cookie_close };
	struct stream *s;

	if (!is_flow(fd))
		return REAL(fdopen)(fd, mode);
	s = malloc(sizeof(*s));
	if (s == NULL)
		return NULL;
	*s = (struct stream){ .fd = fd };
	s->file = fopencookie(s, mode, calls);
	if (s->file == NULL || !px_lock_enter(&streams_lock)) {
		free(s);
		return NULL;
	}
	s->next = streams;
	streams = s;
	px_lock_leave(&streams_lock);
	return s->file;
}

int px_fileno(FILE *stream)
{
	int fd = -1;

	if (likely(streams == NULL) || !px_lock_enter(&streams_lock))
		return REAL(fileno)(stream);
	for (struct stream *s = streams; s != NULL; s = s->next) {
		if (s->file == stream)
			fd = s->fd;
	}
	px_lock_leave(&streams_lock);
	return fd >= 0 ? fd : REAL(fileno)(stream);
}

/* glibc closes the descriptor of its own streams unseen: the table must forget it before. */
static void forget_descriptor(FILE *stream)
{
	int saved = errno, fd = stream != NULL ? REAL(fileno)(stream) : -1;

	if (fd >= 0 && !fork_in_vfork() && fd_look(fd) != NULL) {
		fflush(stream);
		fd_drop(fd);
	}
	errno = saved;
}

int px_fclose(FILE *stream)
{
	forget_descriptor(stream);
	return REAL(fclose)(stream);
}

FILE *px_freopen(const char *path, const char *mode, FILE *stream)
{
	forget_descriptor(stream);
	return REAL(freopen64)(path, mode, stream);
}

int px_vdprintf(int fd, const char *format, va_list args)
{
	char *text = NULL;
	int n;

	if (!is_flow(fd))
		return REAL(vdprintf)(fd, format, args);
	n = vasprintf(&text, format, args);
	if (n >= 0 && write_all(fd, text, (size_t)n) != n)
		n = -1;
	free(text);
	return n;
}
