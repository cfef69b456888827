/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams. glibc's stdio reaches the kernel by calls of its own that nobody can replace, so a stream over a
 * flow is made of our read and write (fopencookie); fileno knows such streams. Where dup2 makes a flow of
 * descriptor 0, 1 or 2, such a stream takes the place of stdin, stdout or stderr, until dup2 makes something
 * else of it. A stream made before the socket was connected stays glibc's: what is written to it fails with
 * EPIPE (docs/sockets.md). */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static int cookie_seek(void *cookie, off64_t *offset, int whence)
{
	(void)cookie;
	(void)offset;
	(void)whence;
	errno = ESPIPE;
	return -1;
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

static FILE *stream_new(int fd, const char *mode)
{
	const cookie_io_functions_t calls = { cookie_read, cookie_write, cookie_seek, cookie_close };
	struct stream *s = malloc(sizeof(*s));

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

FILE *px_fdopen(int fd, const char *mode)
{
	return is_flow(fd) ? stream_new(fd, mode) : REAL(fdopen)(fd, mode);
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

/* --- stdin, stdout, stderr --- */

static struct standard {
	FILE **const now;
	const char *const mode;
	FILE *glibcs, *ours; /* ours is kept for the next time */
} standards[] = { { &stdin, "r", NULL, NULL }, { &stdout, "w", NULL, NULL }, { &stderr, "w", NULL, NULL } };

/* What was written to `from` and is still there goes the way of `to`. */
static void pending_move(FILE *from, FILE *to)
{
	fwrite(from->_IO_write_base, 1, __fpending(from), to);
	__fpurge(from);
}

static void buffer_as(FILE *of, FILE *f)
{
	if (of == stderr || __fbufsize(of) == 1)
		setvbuf(f, NULL, _IONBF, 0);
	else if (__flbf(of))
		setvbuf(f, NULL, _IOLBF, 0);
}

static void standard_is_flow(struct standard *s, int fd)
{
	FILE *glibcs = *s->now;

	if (glibcs == NULL || glibcs == s->ours || REAL(fileno)(glibcs) != fd)
		return; /* it is ours, or the program has put another one there */
	if (s->ours == NULL) {
		s->ours = stream_new(fd, s->mode);
		if (s->ours == NULL)
			return;
		buffer_as(glibcs, s->ours);
	}
	s->glibcs = glibcs;
	if (fd != STDIN_FILENO)
		pending_move(glibcs, s->ours);
	*s->now = s->ours;
}

static void standard_is_no_flow(struct standard *s, int fd)
{
	if (s->ours == NULL || *s->now != s->ours)
		return;
	if (fd != STDIN_FILENO)
		pending_move(s->ours, s->glibcs);
	*s->now = s->glibcs;
}

void px_standard_changed(int fd)
{
	int saved = errno;

	if (is_flow(fd))
		standard_is_flow(&standards[fd], fd);
	else
		standard_is_no_flow(&standards[fd], fd);
	errno = saved;
}

/* glibc's stream takes the place of `stream` for good, if that is one of ours; returns which one counts. */
static FILE *standard_end(FILE *stream)
{
	for (unsigned i = 0; i < ARRAY_LEN(standards); i++) {
		struct standard *s = &standards[i];

		if (stream == NULL || s->ours != stream)
			continue;
		s->ours = NULL;
		if (*s->now == stream)
			*s->now = s->glibcs;
		return s->glibcs;
	}
	return stream;
}

/* --- the end of a stream --- */

int px_fclose(FILE *stream)
{
	standard_end(stream);
	forget_descriptor(stream);
	return REAL(fclose)(stream);
}

FILE *px_freopen(const char *path, const char *mode, FILE *stream)
{
	FILE *of_glibc = standard_end(stream);

	if (of_glibc != stream)
		fflush(stream); /* and is lost: to close it would close the descriptor */
	forget_descriptor(of_glibc);
	return REAL(freopen64)(path, mode, of_glibc);
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
