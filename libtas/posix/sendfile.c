/* SPDX-License-Identifier: BSD-3-Clause */
/* sendfile and splice with a flow at one end or both. The kernel reads a file straight into the transmit ring
 * and writes a pipe straight out of the receive ring, so there is one copy. While it does so the socket's
 * direction is locked: what may wait (a pipe) is asked before whether it would. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/io.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/stay.h"
#include "libtas/posix/wait.h"

enum {
	PART = 256 * 1024,      /* bytes read from a file in one go, so that nobody waits long for the lock */
	PIPE_PART = 4096,       /* a pipe that is writable takes so much without waiting (PIPE_BUF) */
	COUNT_MAX = 0x7ffff000, /* Linux moves no more in one call */
};

static bool is_flow(int fd)
{
	struct file *f = fd_look(fd);

	return f != NULL && file_kind(f) == FILE_FLOW;
}

struct source {
	int fd;
	off64_t *offset; /* NULL: its own position */
	bool pipe;       /* what was read is there no more */
};

static ssize_t read_into(const struct source *in, void *to, size_t len)
{
	ssize_t got = in->offset != NULL ? real_syscall(SYS_pread64, in->fd, to, len, *in->offset)
					 : real_syscall(SYS_read, in->fd, to, len);

	if (got < 0)
		return -errno;
	if (in->offset != NULL)
		*in->offset += got;
	return got;
}

/* All of it, also if that means to wait where the program would not: there is no other place for it. */
static ssize_t send_anyway(struct file *f, const char *data, size_t len, unsigned flags)
{
	const struct wait_for space = { .events = TAS_EV_OUT, .kernel_fd = -1, .deadline = TAS_NS_NEVER };
	size_t done = 0;

	while (done < len) {
		struct tas_sock *s = file_sock(f);
		ssize_t put = s == NULL ? -EBADF : tas_send(inst_ctx(), s, data + done, len - done, flags);

		if (put == -EAGAIN)
			wait_file(f, &space);
		else if (put < 0)
			return put;
		else
			done += (size_t)put;
	}
	return (ssize_t)done;
}

/* The bytes that did not go along are read once more. */
static void put_back(const struct source *in, size_t len)
{
	if (in->offset != NULL)
		*in->offset -= (off64_t)len;
	else
		real_syscall(SYS_lseek, in->fd, -(off64_t)len, SEEK_CUR);
}

/* Or they are sent from a copy. */
static ssize_t moved_from_pipe(struct file *f, struct tas_sock *s, const struct tas_span span[2], size_t done,
	unsigned flags)
{
	size_t first = done < span[0].len ? done : span[0].len;
	char *copy = stay_map(done);
	ssize_t went, sent;

	if (copy == NULL) {
		went = tas_tx_moved(inst_ctx(), s, done);
		return went != 0 ? went : -ENOMEM;
	}
	memcpy(copy, span[0].data, first);
	memcpy(copy + first, span[1].data, done - first);
	went = tas_tx_moved(inst_ctx(), s, done);
	sent = went < 0 ? went : send_anyway(f, copy + went, done - (size_t)went, flags);
	stay_unmap(copy);
	return sent < 0 && went <= 0 ? sent : went + (sent > 0 ? sent : 0);
}

/* Another process took the flow while `done` bytes were put behind its end. How many it took along: bytes,
 * 0 for none, or -errno. */
static ssize_t moved_away(struct file *f, struct tas_sock *s, const struct source *in,
	const struct tas_span span[2], size_t done, unsigned flags)
{
	ssize_t went;

	if (in->pipe)
		return moved_from_pipe(f, s, span, done, flags);
	went = tas_tx_moved(inst_ctx(), s, done);
	put_back(in, done - (went > 0 ? (size_t)went : 0));
	return went;
}

/* Fills the free spans of the transmit ring: bytes, 0 at the file's end, or -errno (-EAGAIN: the ring is
 * full). */
static ssize_t fill_once(struct file *f, const struct source *in, size_t len, unsigned flags)
{
	struct tas_sock *s = file_sock(f);
	struct tas_span span[2];
	ssize_t room = s == NULL ? -EBADF : tas_tx_begin(inst_ctx(), s, span), got;
	size_t done = 0;

	if (room <= 0)
		return room < 0 ? room : -EAGAIN;
	if (len > (size_t)room)
		len = (size_t)room;
	got = read_into(in, span[0].data, len < span[0].len ? len : span[0].len);
	if (got > 0)
		done = (size_t)got;
	if (done == span[0].len && len > done) {
		got = read_into(in, span[1].data, len - done);
		done += got > 0 ? (size_t)got : 0;
	}
	if (likely(tas_tx_end(inst_ctx(), s, done, done > 0 ? flags : 0)))
		return done > 0 ? (ssize_t)done : got;
	got = moved_away(f, s, in, span, done, flags);
	return got == 0 ? fill_once(f, in, len, flags) : got;
}

/* The file ended before the count did: its last part was sent as one that more follows. */
static void push(struct file *f)
{
	struct tas_sock *s = file_sock(f);

	if (s != NULL)
		tas_push(inst_ctx(), s);
}

static ssize_t send_file(struct file *f, const struct source *in, size_t count)
{
	uint64_t deadline = 0;
	unsigned flags = 0;
	size_t done = 0;

	while (done < count) {
		size_t part = count - done < PART ? count - done : PART;
		unsigned last = flags;
		ssize_t put;
		int error;

		flags = part < count - done ? TAS_MORE : 0;
		put = fill_once(f, in, part, flags);
		if (put == 0) {
			if (last & TAS_MORE)
				push(f);
			break;
		}
		if (put > 0) {
			done += (size_t)put;
			continue;
		}
		error = put == -EAGAIN ? io_wait_out(f, 0, &deadline) : (int)put;
		if (error == 0)
			continue;
		if (done > 0) {
			io_error_later(f, error);
			break;
		}
		if (error == -EPIPE)
			io_broken_pipe(0);
		return error;
	}
	return (ssize_t)done;
}

/* Linux wants a file that has positions; the others answer ESPIPE where it says EINVAL. */
static int seekable(int fd)
{
	if (lseek(fd, 0, SEEK_CUR) >= 0)
		return 0;
	return errno == ESPIPE ? -EINVAL : -errno;
}

ssize_t px_sendfile(int out, int in, off64_t *offset, size_t count)
{
	struct file *f;
	off64_t position;
	ssize_t sent;

	if (is_flow(in)) {
		errno = EINVAL; /* Linux reads from what has pages */
		return -1;
	}
	f = is_flow(out) ? io_flow_get(out) : NULL;
	if (f == NULL)
		return REAL(sendfile64)(out, in, offset, count);
	position = offset != NULL ? *offset : 0;
	sent = position < 0 ? -EINVAL : offset == NULL ? seekable(in) : 0;
	if (sent == 0)
		sent = send_file(f, &(struct source){ .fd = in, .offset = offset != NULL ? &position : NULL },
			count < COUNT_MAX ? count : COUNT_MAX);
	if (sent > 0 && offset != NULL)
		*offset = position;
	file_put(f);
	return io_result(sent);
}

/* --- splice --- */

static bool is_pipe(int fd) { return REAL(fcntl64)(fd, F_GETPIPE_SZ) >= 0; }

static int pipe_look(int fd, short events)
{
	int n = own_poll_now(&(struct pollfd){ .fd = fd, .events = events }, 1);

	if (n < 0)
		return -errno;
	return n == 0 ? -EAGAIN : 0;
}

/* Waits for the pipe, unless it is not to be waited for, in a call that holds f: 0 or -errno. */
static int pipe_wait(struct file *f, int fd, short events, unsigned flags)
{
	struct pollfd p = { .fd = fd, .events = events };
	struct stay_ref *ref;
	int n;

	if (flags & SPLICE_F_NONBLOCK || REAL(fcntl64)(fd, F_GETFL) & O_NONBLOCK)
		return pipe_look(fd, events);
	ref = stay_ref_begin(f, file_put);
	n = stay_ppoll(&p, 1, NULL, NULL);
	stay_ref_end(ref);
	return n < 0 ? -errno : 0;
}

/* Bytes that can be read without waiting; none in a pipe that nobody writes to any more: -EPIPE. */
static ssize_t pipe_bytes(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int bytes = 0;

	if (REAL(ioctl)(fd, FIONREAD, &bytes) != 0)
		return -errno;
	if (bytes == 0 && own_poll_now(&p, 1) == 1 && (p.revents & (POLLIN | POLLHUP)) == POLLHUP)
		return -EPIPE;
	return bytes;
}

static ssize_t pipe_to_flow(int in, struct file *f, size_t len, unsigned flags)
{
	uint64_t deadline = 0;
	int error = 0;

	while (error == 0) {
		ssize_t have, put;

		error = pipe_wait(f, in, POLLIN, flags);
		have = error == 0 ? pipe_bytes(in) : 0;
		if (have == -EPIPE)
			return 0;
		if (have <= 0) { /* or another reader had them */
			error = have < 0 ? (int)have : error;
			continue;
		}
		put = fill_once(f, &(struct source){ .fd = in, .pipe = true },
			len < (size_t)have ? len : (size_t)have, flags & SPLICE_F_MORE ? TAS_MORE : 0);
		if (put != -EAGAIN)
			return put;
		error = io_wait_out(f, 0, &deadline);
	}
	return error;
}

/* As much of a span as the pipe takes without waiting: bytes, or -errno if none. */
static ssize_t span_to_pipe(const struct tas_span *span, int out, size_t len)
{
	size_t done = 0;
	ssize_t put = 0;

	while (put >= 0 && done < len) {
		put = pipe_look(out, POLLOUT);
		if (put < 0)
			break;
		put = real_syscall(SYS_write, out, (char *)span->data + done,
			len - done < PIPE_PART ? len - done : PIPE_PART);
		put = put < 0 ? -errno : put;
		done += put > 0 ? (size_t)put : 0;
	}
	return done > 0 ? (ssize_t)done : put;
}

static ssize_t drain_once(struct file *f, int out, size_t len)
{
	struct tas_sock *s = file_sock(f);
	struct tas_span span[2];
	ssize_t have = s == NULL ? -EBADF : tas_rx_begin(inst_ctx(), s, 0, span), first, second = 0;
	size_t of_first;

	if (have <= 0)
		return have;
	len = len < (size_t)have ? len : (size_t)have;
	of_first = len < span[0].len ? len : span[0].len;
	first = span_to_pipe(&span[0], out, of_first);
	if (first == (ssize_t)of_first && len > of_first)
		second = span_to_pipe(&span[1], out, len - of_first);
	second = second < 0 ? 0 : second;
	tas_rx_end(inst_ctx(), s, first > 0 ? (size_t)(first + second) : 0);
	return first > 0 ? first + second : first;
}

static ssize_t flow_to_pipe(struct file *f, int out, size_t len, unsigned flags)
{
	int error = 0; /* SPLICE_F_NONBLOCK is for the pipe; the socket goes by its own O_NONBLOCK */
	uint64_t deadline = 0;
	ssize_t got;

	while (error == 0) {
		error = pipe_wait(f, out, POLLOUT, flags);
		if (error != 0)
			break;
		got = drain_once(f, out, len);
		if (got != -EAGAIN)
			return got;
		error = io_wait_in(f, 0, 1, &deadline);
	}
	return error;
}

static ssize_t splice_flow(struct file *f, int in, off64_t *in_offset, int out, off64_t *out_offset,
	size_t len, unsigned flags)
{
	bool from = fd_look(in) == f;
	ssize_t moved;

	if (in_offset != NULL || out_offset != NULL)
		return (from ? out_offset : in_offset) != NULL ? -ESPIPE : -EINVAL; /* the pipe's first */
	if (!is_pipe(from ? out : in))
		return -EINVAL;
	if (len == 0)
		return 0;
	moved = from ? flow_to_pipe(f, out, len, flags) : pipe_to_flow(in, f, len, flags);
	if (moved == -EPIPE)
		io_broken_pipe(0);
	return moved;
}

ssize_t px_splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len, unsigned flags)
{
	struct file *f = is_flow(in) ? io_flow_get(in) : is_flow(out) ? io_flow_get(out) : NULL;
	ssize_t moved;

	if (f == NULL)
		return REAL(splice)(in, in_offset, out, out_offset, len, flags);
	moved = splice_flow(f, in, in_offset, out, out_offset, len, flags);
	file_put(f);
	return io_result(moved);
}
