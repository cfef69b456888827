/* SPDX-License-Identifier: BSD-3-Clause */
/* tas.h - the low-level API of libtas: TCP sockets of tasd by shared memory, without descriptors,
 * blocking or signals. `pkg-config --cflags --libs tas` says how to compile and link; <tas/tas.h> is its
 * installed name. A program that links libtas.so has its socket calls replaced as under tas-run, too.
 *
 * Guarantees:
 *   - No call waits for the network or for a peer. Those that talk to tasd's control socket (marked CTL)
 *     wait for tasd's answer, which it gives at once, and give up after TAS_CTL_PATIENCE_MS. All others
 *     make no system call, except to wake a sleeper.
 *   - errno is never changed; errors are returned as negative errno values.
 *   - No malloc, no stdio. No lock is held when a call returns, but between the _begin and _end of
 *     zero-copy access.
 *   - tasd's death turns every flow into one that was reset (ECONNRESET); listeners survive and are
 *     registered again.
 *
 * Objects: a `struct tas` is one application's connection to tasd (a program has one; a simulation
 * several). A `struct tas_ctx` is what a thread waits and rings with; it exists with or without tasd. A
 * `struct tas_sock` is a flow or a listener; its memory is type-stable: a call on a socket that another
 * thread closed meanwhile returns -EBADF or acts on nothing, it does not crash.
 *
 * Threads: any thread may call anything, but a context is used by one thread at a time (tas_ctx_self
 * gives each its own). Calls on one socket from several threads are serialised by two locks, one for each
 * direction. tas_ctx_wake may be called from anywhere.
 *
 * Signal handlers may call anything here. Locks know their owner: a handler that interrupts its own
 * thread inside the library does not wait for it. What it wanted to tell tasd is told by the interrupted
 * call when that ends, a close likewise; a transfer on the very direction of the very socket that was
 * interrupted returns -EDEADLK without having moved a byte; a CTL call that interrupted another one
 * returns -EBUSY. A handler must not leave by longjmp out of the library.
 *
 * Events use the bits of poll(2), so that they need no translation.
 */
#ifndef TAS_TAS_H
#define TAS_TAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "include/net/addr.h"

struct ctl_info; /* include/abi/ctl.h */
struct ctl_msg;
struct ctl_options;
struct tas;
struct tas_ctx;
struct tas_sock;

/* libtas.so is built with everything hidden but this. */
#pragma GCC visibility push(default)

enum {
	TAS_CTL_PATIENCE_MS = 5000, /* an answer that takes longer means that tasd is gone */
	TAS_RETRY_MS = 1000,        /* at most one attempt to attach in this time */
	TAS_CTX_FDS = 2,
};

enum tas_events {
	TAS_EV_IN = 0x0001,    /* POLLIN: bytes, end of stream, error, or a connection to accept */
	TAS_EV_PRI = 0x0002,   /* POLLPRI: the urgent byte is there, and was not read out of band */
	TAS_EV_OUT = 0x0004,   /* POLLOUT: a quarter of the transmit ring is free, or sending fails at once */
	TAS_EV_ERR = 0x0008,   /* POLLERR: tas_error would return something */
	TAS_EV_HUP = 0x0010,   /* POLLHUP: both directions ended, or the connection is gone */
	TAS_EV_RDHUP = 0x2000, /* POLLRDHUP: the peer sent its FIN, or TAS_SHUT_RD */
	TAS_EV_CONNECTED = 0x010000, /* edge: an active open completed; level: the flow is or was connected */
	TAS_EV_TX_DONE = 0x020000,   /* everything sent, the FIN too, is acknowledged (for lingering) */
	TAS_EV_URGENT = 0x040000,    /* edge: the peer announced urgent data (for SIGURG). Told with no lock
				      * held, so that a signal may be raised there */
};

/* --- an instance --- */

/* How the library reaches the kernel: one function, syscall(2) of the real C library, which is also what
 * NULL in tas_setup takes. */
struct tas_os {
	long (*syscall)(long number, ...);
};

/* How the library reaches tasd. NULL in tas_setup: the control socket. A simulation and the unit tests
 * have their own. All are called under the library's control lock, except wake and alive. */
struct tas_link {
	int (*open)(void *arg); /* 0 or -errno */
	/* One request, answered in place; received descriptors in fds (at most max), their number in
	 * *nfds. 0 or -errno (dead). */
	int (*request)(void *arg, struct ctl_msg *msg, int *fds, unsigned max, unsigned *nfds);
	void *(*map)(void *arg, int memfd, uint64_t size); /* NULL: failed */
	void (*unmap)(void *arg, void *base, uint64_t size);
	bool (*alive)(void *arg);
	void (*wake)(void *arg, int eventfd);
	void (*close)(void *arg);
};

struct tas_setup {
	const struct tas_os *os;     /* NULL: the C library */
	const char *socket_path;     /* NULL: $TAS_SOCKET, else the default instance's; copied */
	const struct tas_link *link; /* NULL: the control socket at socket_path */
	void *link_arg;
	uint32_t full_yields; /* sched_yields given to a full bell ring before a message is kept for later */
	/* Something happened to s: `edges` are the bits that became true anew (new bytes give IN again,
	 * as EPOLLET wants it; OUT only after a send or tas_want_out found no space). Called by whichever
	 * thread drained the notification, inside tas_ctx_poll, tas_ctx_sleep_begin, tas_accept,
	 * tas_connect, tas_ctl_event, with the drain lock of a context held: it may call tas_ready,
	 * tas_sock_user and tas_ctx_wake, and nothing else here. May be NULL. */
	void (*on_event)(struct tas_sock *s, void *user, uint32_t edges);
};

/* Makes an instance that is not attached yet. 0 or -errno. */
int tas_create(struct tas **out, const struct tas_setup *conf);
/* Ends it; every socket and context of it is gone. Not while other threads use it. */
void tas_destroy(struct tas *t);

/* CTL. Attaches if not attached: 0, or -errno and a sentence in `why` (which may be NULL). After a
 * failure it returns the same again for TAS_RETRY_MS without trying. -ENOENT, -ECONNREFUSED: no tasd;
 * -EACCES; -EPROTO: ABI mismatch, both versions in `why`. */
int tas_attach(struct tas *t, char *why, size_t why_size);
/* True if attached, as far as is known: one load. */
bool tas_attached(const struct tas *t);
/* As tas_attached, but looks at the control socket if nobody did for 10 ms: for loops that poll and never
 * block. */
bool tas_check(struct tas *t);
/* Number of the attachment, from 1; changes when tasd came back and in a child after fork. 0: never
 * attached. After a change, the descriptors of tas_ctl_fd and tas_ctx_fds are others. */
uint64_t tas_epoch(const struct tas *t);
/* Every blocked wait must include this descriptor (POLLIN) and call tas_ctl_event when it fires. It is
 * the control socket while attached; while tasd is gone and listeners wait for its return, a timer; else
 * -1. Ask anew before each wait. */
int tas_ctl_fd(const struct tas *t);
/* CTL. Sees whether tasd died (all flows get their error and on_event) or came back (listeners are
 * registered again). */
void tas_ctl_event(struct tas *t);

/* --- contexts --- */

/* The calling thread's context; made on first use, given back when the thread ends. Where there is no
 * memory for one, or too many threads have one, it is tas_ctx_common, until a later call finds better. */
struct tas_ctx *tas_ctx_self(struct tas *t);
/* One for any number of threads at once. All calls do with it what they do with another, but who would
 * sleep on it has to look again by itself (tas_ctx_wakes). */
struct tas_ctx *tas_ctx_common(struct tas *t);
/* A second one of a thread's context, for what any thread is to be told: all of these share rings, and
 * whoever of them sleeps is woken. It ends with the first. `c` itself if there is no memory. */
struct tas_ctx *tas_ctx_shared(struct tas_ctx *c);
/* One that belongs to no thread. NULL: out of memory. */
struct tas_ctx *tas_ctx_new(struct tas *t);
void tas_ctx_free(struct tas_ctx *c);

/* Looks at all notifications that arrived for this context; returns how many (0: none, or another thread
 * is draining it). The first call in an attachment is CTL: it asks tasd for rings. */
unsigned tas_ctx_poll(struct tas_ctx *c);
/* Announces that the thread will block. False: something came meanwhile, do not block (and do not call
 * _end). True: check once more directly what is waited for (tas_ready), block on tas_ctx_fds and
 * tas_ctl_fd, then call tas_ctx_sleep_end. */
bool tas_ctx_sleep_begin(struct tas_ctx *c);
void tas_ctx_sleep_end(struct tas_ctx *c);
/* Between begin and end: does everything that happens end the sleep? Not if no descriptor was left to be
 * woken by. Then sleep for some milliseconds and look again. */
bool tas_ctx_wakes(const struct tas_ctx *c);
/* Descriptors that become readable (POLLIN) when the context should be polled; the library reads them.
 * Returns how many, at most TAS_CTX_FDS: what tasd writes, and in a program with threads what
 * tas_ctx_wake writes. Ask between begin and end. */
unsigned tas_ctx_fds(struct tas_ctx *c, int fds[TAS_CTX_FDS]);
/* Between begin and end: this one of them was found readable. (_end reads what it knows to have been written;
 * what was written too late for the last sleep would end each one from now on.) */
void tas_ctx_rang(struct tas_ctx *c, int fd);
/* If c is between sleep_begin and sleep_end, whoever sleeps on it wakes up. Publish what it shall see
 * before. A wake that finds nobody asleep is not remembered. With or without tasd. */
void tas_ctx_wake(struct tas_ctx *c);

/* --- listeners and connections --- */

enum tas_open_flags {
	TAS_OPEN_REUSEPORT = 1 << 0,
	TAS_OPEN_V6ONLY = 1 << 1,
	TAS_OPEN_NODELAY = 1 << 2, /* TCP_NODELAY is on; accepted flows inherit it */
};

struct tas_listen_opt {
	struct net_addr addr; /* any: every address of tasd */
	uint16_t port;
	uint16_t flags; /* enum tas_open_flags */
	int backlog;
	const struct ctl_options *options; /* of accepted flows; NULL: all as usual */
	bool when_ready; /* without tasd: a listener nevertheless, registered as soon as tasd is there */
	uint64_t secret; /* processes that say the same listen together on one address; 0: drawn, for those
			    that inherit the listener */
};

struct tas_connect_opt {
	struct net_addr local, remote;     /* local any: tasd chooses */
	uint16_t local_port, remote_port;  /* local 0: tasd chooses; host byte order */
	uint32_t flags;                    /* enum tas_open_flags: NODELAY */
	const struct ctl_options *options; /* NULL: all as usual */
};

/* CTL. -EADDRINUSE, -EADDRNOTAVAIL, ... as tasd says. */
int tas_listen(struct tas_ctx *c, const struct tas_listen_opt *opt, struct tas_sock **out);
/* CTL. listen() again on a listening socket. */
int tas_listen_backlog(struct tas_sock *l, int backlog);
/* Connections may now be handed to this process, and c is told of them; of several contexts the one that
 * was armed last. CTL unless that was c. Without tasd it is done when tasd comes back. */
int tas_listen_arm(struct tas_ctx *c, struct tas_sock *l);
/* The next established connection, or -EAGAIN. Arms the listener if nobody did; drains c and the armed
 * context if none is queued. The new flow is told to c from now on. */
int tas_accept(struct tas_ctx *c, struct tas_sock *l, struct tas_sock **out);
/* CTL. Starts an active open: 0 = SYN on its way; TAS_EV_CONNECTED or TAS_EV_ERR follow. Else -errno and
 * no socket. */
int tas_connect(struct tas_ctx *c, const struct tas_connect_opt *opt, struct tas_sock **out);
/* CTL. Would tasd carry a connection there? 0 and the length (of 128) of the route that matched and the
 * address it would use; -EADDRINUSE: the address is tasd's own; -ENETUNREACH; -ENOTCONN without tasd.
 * Both results may be NULL. */
int tas_route(struct tas *t, const struct net_addr *remote, unsigned *prefix_len, struct net_addr *local);
/* CTL. Is this a name for ctl_options.congestion? Not without tasd. */
bool tas_congestion_known(struct tas *t, const char *name);
/* CTL. A snapshot for TCP_INFO, of a connection or a listener. */
int tas_info(struct tas_sock *s, struct ctl_info *info);
/* CTL. Options of a connection, or of those that a listener accepts from now on: all of them, also those that
 * do not change. */
int tas_set_options(struct tas_sock *s, const struct ctl_options *options);

/* --- sockets --- */

bool tas_sock_is_listener(const struct tas_sock *s);
/* A pointer of the caller's, NULL at first; on_event gets it. After setting it on an accepted flow look
 * at tas_ready once. */
void tas_sock_set_user(struct tas_sock *s, void *user);
void *tas_sock_user(const struct tas_sock *s);
/* Constant from creation (connect: from the answer of tasd). Any pointer may be NULL. */
void tas_sock_addrs(const struct tas_sock *s, struct net_addr *local, uint16_t *local_port,
	struct net_addr *remote, uint16_t *remote_port);
/* What names the flow in tasd, constant, too; another one for each that there ever was. */
void tas_sock_name(const struct tas_sock *s, uint32_t *flow, uint32_t *gen);
uint32_t tas_sock_rx_size(const struct tas_sock *s); /* of the payload rings; 0 if not known yet */
uint32_t tas_sock_tx_size(const struct tas_sock *s);

/* What poll(2) would say now (level), straight from shared memory, without a system call. */
uint32_t tas_ready(struct tas_sock *s);
/* Is nothing left of the connection: a reset, or both FINs acknowledged? */
bool tas_sock_over(struct tas_sock *s);
/* For whoever will wait for TAS_EV_OUT: true if it is so now, else tasd is asked to tell once when it is
 * (a send that fell short asks by itself). Without this no OUT edge comes. */
bool tas_want_out(struct tas_ctx *c, struct tas_sock *s);
/* SO_ERROR: the pending error as a positive errno, which is then cleared; 0 if none. */
int tas_error(struct tas_sock *s);
/* A call had moved some bytes before another one of the library told it this error (positive), and returns
 * how many they were: a pending error is pending again, others leave no trace. */
void tas_error_back(struct tas_sock *s, int error);
/* Notifications of s go to c from now on: for the thread that will wait for it. Cheap if it already is so.
 * CTL in a child's first use, and when another process has it. */
void tas_sock_notify(struct tas_ctx *c, struct tas_sock *s);
/* The same, if that needs no request; false: it would. */
bool tas_sock_notify_now(struct tas_ctx *c, struct tas_sock *s);

enum tas_flags {
	TAS_PEEK = 1 << 0, /* receive: leave the bytes where they are */
	TAS_MORE = 1 << 1, /* send: more follows soon, hold back a last segment that is not full (MSG_MORE) */
};

/* Bytes moved (any number > 0 up to what was asked), and: receive: 0 = end of stream; -EAGAIN; a pending
 * error once, as Linux gives it (queued bytes come first); -EDEADLK; -EBADF. send: -EAGAIN no space, or
 * still connecting; a pending error once; then -EPIPE (SIGPIPE is the caller's). */
ssize_t tas_recv(struct tas_ctx *c, struct tas_sock *s, void *buf, size_t len, unsigned flags);
ssize_t tas_send(struct tas_ctx *c, struct tas_sock *s, const void *buf, size_t len, unsigned flags);
/* `skip` bytes of the vector are passed over first: for callers that go on after a part. */
ssize_t tas_readv(struct tas_ctx *c, struct tas_sock *s, const struct iovec *iov, int iovcnt, size_t skip,
	unsigned flags);
ssize_t tas_writev(struct tas_ctx *c, struct tas_sock *s, const struct iovec *iov, int iovcnt, size_t skip,
	unsigned flags);

/* Zero copy. _begin returns the bytes in the spans together (> 0), with the direction's lock held until
 * _end by the same thread, or what recv/send would return (0 or negative; then no lock is held and no
 * _end follows). _end takes how many bytes were read (written), in order, possibly 0. `offset` bytes from
 * the first unread one are passed over (for peeking and splicing). */
struct tas_span {
	void *data;
	size_t len;
};
ssize_t tas_rx_begin(struct tas_ctx *c, struct tas_sock *s, size_t offset, struct tas_span span[2]);
void tas_rx_end(struct tas_ctx *c, struct tas_sock *s, size_t consumed);
ssize_t tas_tx_begin(struct tas_ctx *c, struct tas_sock *s, struct tas_span span[2]);
/* False, only after fork: another process took the connection while the spans were filled. The lock is still
 * held and the bytes stand there, until tas_tx_moved leaves it and says how many of them went along (or what
 * send would return); the rest is to be sent again. */
bool tas_tx_end(struct tas_ctx *c, struct tas_sock *s, size_t filled, unsigned flags);
ssize_t tas_tx_moved(struct tas_ctx *c, struct tas_sock *s, size_t filled);

/* Urgent data, as Linux has it: one byte, which is taken out of the stream unless it is to stay inline. A
 * read ends at the mark, where that byte is or was; the next one passes it. */

/* MSG_OOB: 1 and the byte; 0: it will not come; -EAGAIN: it is announced; -EINVAL: there is none, it was
 * read, or is inline. TAS_PEEK. */
ssize_t tas_recv_urgent(struct tas_ctx *c, struct tas_sock *s, void *buf, unsigned flags);
/* As tas_writev; the last byte written is urgent. */
ssize_t tas_writev_urgent(struct tas_ctx *c, struct tas_sock *s, const struct iovec *iov, int iovcnt,
	size_t skip, unsigned flags);
/* Bytes before the mark; 0: the reader is at it; SIZE_MAX: there is none. */
size_t tas_mark(struct tas_sock *s);
/* SO_OOBINLINE */
void tas_set_oobinline(struct tas_sock *s, bool on);

size_t tas_rx_bytes(struct tas_sock *s);          /* FIONREAD: up to the mark, if that byte is not inline */
bool tas_rx_enough(struct tas_sock *s, size_t n); /* so many can be read, or all up to a mark */
size_t tas_tx_bytes(struct tas_sock *s);          /* SIOCOUTQ: not acknowledged yet */

/* TCP_NODELAY: on sends what Nagle held back. TCP_CORK: off sends what it held back. */
void tas_set_nodelay(struct tas_ctx *c, struct tas_sock *s, bool on);
void tas_set_cork(struct tas_ctx *c, struct tas_sock *s, bool on);
/* TCP_QUICKACK of a connection: on, also what was not acknowledged is. Not for ever: see tcp(7). */
void tas_set_quickack(struct tas_ctx *c, struct tas_sock *s, bool on);
/* What TAS_MORE holds back goes out now. */
void tas_push(struct tas_ctx *c, struct tas_sock *s);
/* Both options, of a connection that was accepted just now: tasd learns of them by the first bytes sent,
 * without a message of their own. */
void tas_preset(struct tas_sock *s, bool nodelay, bool cork);

enum tas_shut { TAS_SHUT_RD = 1, TAS_SHUT_WR = 2 };
/* 0; -ENOTCONN if not connected. */
int tas_shutdown(struct tas_ctx *c, struct tas_sock *s, unsigned how);
/* s is gone for the caller in any case. tasd sends what is unsent and closes as Linux would; with `abort`
 * it sends RST at once (SO_LINGER 0). A listener is given up (CTL); connections in its queue are reset
 * when the last holder gave it up. Waits for calls on s that are inside, and until no on_event for s is
 * running: none comes after it returned (but to a handler that interrupted one). So do not hold a lock
 * that on_event takes. */
void tas_close(struct tas_ctx *c, struct tas_sock *s, bool abort);

/* --- fork --- */

/* Around fork(), in this order, by the forking thread; O(1) in the number of sockets. Between prepare and
 * parent/child no call of another thread proceeds that needs the control lock. prepare is CTL: 0, or
 * -errno, with which the fork goes on, and the child inherits nothing. Not for vfork, posix_spawn or clone
 * with CLONE_VM. */
int tas_fork_prepare(struct tas *t);
void tas_fork_parent(struct tas *t);
/* The child forgets mapping, rings and control socket of its parent. Its sockets stay; the first use of
 * one attaches the child and takes the socket over. Until then tasd keeps it open for the child, and lets
 * go when the child ends or calls exec. All contexts but the calling thread's are gone. Call it before
 * anything else of the library. */
void tas_fork_child(struct tas *t);
/* True in a child for a socket that it has not used yet. */
bool tas_sock_inherited(const struct tas_sock *s);
/* May another process still use the connection, so that it goes on when this one closes it? CTL in a process
 * that forked since it has the connection; else false at once. */
bool tas_sock_shared(struct tas_sock *s);

/* --- descriptors of the library --- */

/* The library's descriptors have close-on-exec set and high numbers, at the end of what RLIMIT_NOFILE
 * allows. */
bool tas_fd_is_internal(const struct tas *t, int fd);
/* dup3(from, fd, flags) onto a number of the library's: what the library had there gets another one before.
 * At no moment is the number free. `fd`, or -EBADF: it is not the library's; -EMFILE: there is no other
 * number; or dup3's error. Nothing has changed then. */
int tas_fd_replace(struct tas *t, int fd, int from, int flags);
/* The lowest number of the library's from `fd` on, or -1. */
int tas_fd_next(const struct tas *t, int fd);
/* Gives a descriptor of the layer above the same treatment: *fd changes now and whenever it has to move
 * (read it atomically). On failure *fd is unchanged and -errno returned. `fd` must live until
 * tas_fd_close. */
int tas_fd_hide(struct tas *t, _Atomic int *fd);
/* Closes it and sets *fd to -1. */
void tas_fd_close(struct tas *t, _Atomic int *fd);

#pragma GCC visibility pop

#endif
