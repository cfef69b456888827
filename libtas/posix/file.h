/* SPDX-License-Identifier: BSD-3-Clause */
/* file.h - an open file description that the library knows: what several descriptors of the process may refer
 * to.
 *
 *   FILE_PLAIN     a TCP socket of the kernel about which nothing is decided: all calls go to the kernel
 *   FILE_FLOW      a connection through tasd (perhaps still being opened)
 *   FILE_LISTENER  listens in tasd; with FILE_KERNEL_SIDE in the kernel, too
 *   FILE_KERNEL    it was decided for the kernel; only descriptors made by dup meanwhile still lead here
 *   FILE_EPOLL     an epoll set (epset.h)
 * A PLAIN file becomes one of the others by connect or listen; a flow that could not be opened becomes PLAIN
 * again.
 *
 * References are of two kinds: of descriptors, which a child of fork has, too, and of calls that are inside,
 * whose threads stay in the parent. So the counter says after how many forks it was written: in a child, what
 * an older one says of calls counts no more. No fork visits the files for that.
 *
 * Guarantees: memory of a file stays memory of files, so a thread may use a pointer from fd_look without a
 * reference for calls that do not wait: at worst, in a program that closes a descriptor another thread is
 * using, it acts on the closed or on the next connection, as it might with the kernel. Who waits, or changes
 * a file, takes a reference. With the last reference the connection is closed as close(2) does, SO_LINGER
 * included.
 *
 * `items` (epoll registrations) are guarded by `lock`. Events for them that come while their own thread is
 * inside (a handler) are left in `pending` and delivered when the lock is left. `waiters` are threads in
 * poll, recv, accept ... */
#ifndef TAS_POSIX_FILE_H
#define TAS_POSIX_FILE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/base/compiler.h"
#include "include/tas/tas.h"
#include "libtas/posix/px_lock.h"
#include "libtas/posix/px_pool.h"
#include "libtas/posix/waitlist.h"

struct epitem;
struct epset;
struct opts;

enum file_kind { FILE_FREE, FILE_PLAIN, FILE_FLOW, FILE_LISTENER, FILE_KERNEL, FILE_EPOLL };

enum file_flags {
	FILE_NONBLOCK = 1 << 0,
	FILE_KERNEL_SIDE = 1 << 1, /* listener: the kernel listens, too */
	FILE_CONNECTING = 1 << 3,  /* flow: connect has not returned its outcome yet */
	FILE_FREEBIND = 1 << 4,    /* bound in the kernel to an address that is tasd's alone */
	FILE_KERNEL_ONLY = 1 << 5, /* an option was set that only the kernel can honour */
	FILE_NODELAY = 1 << 6,
	FILE_CORK = 1 << 7,
	FILE_LINGER = 1 << 8,  /* options say what close does */
	FILE_TIMEOUT = 1 << 9, /* options limit how long calls wait */
	FILE_LOWAT = 1 << 10,  /* options hold an SO_RCVLOWAT above 1 */
	FILE_PLACEHOLDER =
		1 << 11, /* the kernel descriptor is a copy of the anchor: nothing may be changed there */
	FILE_SHUT_RD = 1 << 12,
	FILE_SHUT_WR = 1 << 13,
	FILE_OOBINLINE = 1 << 14,
};

struct file {
	/* line 0: what every call touches */
	alignas(CACHE_LINE) _Atomic(struct tas_sock *) sock;
	_Atomic uint8_t kind;
	uint8_t family; /* AF_INET or AF_INET6 */
	_Atomic uint32_t flags;
	_Atomic uint32_t pending;
	_Atomic uint64_t refs; /* FILE_REFS_* */
	struct px_lock lock;
	struct epitem *items;
	union {
		_Atomic(struct opts *)
			opts; /* sockets: what was set, shared with the listener; NULL: nothing */
		_Atomic(struct epset *) set; /* FILE_EPOLL; NULL while it begins and ends */
	};
	struct px_pooled pooled;
	/* line 1: waiting */
	alignas(CACHE_LINE) struct waitlist waiters;
	_Atomic(struct tas_sock *) stash; /* listener: accepted, but there was no descriptor for it */
	/* listener: TSC when the kernel had no connection for accept; 0: it may have one */
	_Atomic uint64_t kernel_empty;
	_Atomic bool kernel_gave; /* listener: the last connection; the next is tasd's, if it has one */
	_Atomic uint64_t owner;   /* who gets SIGURG (owner.h): type << 32 | pid */
	uint64_t secret; /* bound: of the listener that it may become (tas_listen_opt); 0: not drawn */
};
static_assert(offsetof(struct file, waiters) == CACHE_LINE, "what every call touches is one line");

enum { FILE_REFS_FD_SHIFT = 24, FILE_REFS_FORKS_SHIFT = 48 };
#define FILE_REFS_CALLS ((1ull << FILE_REFS_FD_SHIFT) - 1)
#define FILE_REFS_FDS ((1ull << FILE_REFS_FORKS_SHIFT) - 1 - FILE_REFS_CALLS)

/* With one reference, of the caller's; NULL: out of memory. */
struct file *file_new(enum file_kind kind, int family);
/* A reference for a call, if the file is alive. */
bool file_get(struct file *f);
void file_put(struct file *f);
/* A call's reference becomes a descriptor's; and that one ends. */
void file_keep(struct file *f);
void file_unkeep(struct file *f);
/* How many there are. */
uint64_t file_refs(const struct file *f);

static inline enum file_kind file_kind(const struct file *f)
{
	return (enum file_kind)atomic_load_explicit(&f->kind, memory_order_acquire);
}

static inline uint32_t file_flags(const struct file *f)
{
	return atomic_load_explicit(&f->flags, memory_order_relaxed);
}

static inline bool file_has(const struct file *f, uint32_t flags) { return (file_flags(f) & flags) != 0; }

static inline void file_flag(struct file *f, uint32_t flags, bool on)
{
	if (on)
		atomic_fetch_or(&f->flags, flags);
	else
		atomic_fetch_and(&f->flags, ~flags);
}

static inline struct tas_sock *file_sock(const struct file *f)
{
	return atomic_load_explicit(&f->sock, memory_order_relaxed);
}

/* Turns a PLAIN file into a flow or listener. */
void file_accelerate(struct file *f, struct tas_sock *s, enum file_kind kind);
/* Closes what tasd has of it: PLAIN again. */
void file_decelerate(struct file *f, bool abort_it);

/* What poll(2) would say, of all POLL* bits, as far as it is tasd's: kernel sides are asked by poll and
 * epoll. */
uint32_t file_ready(struct file *f);

/* tas_conf.on_event */
void file_on_event(struct tas_sock *s, void *user, uint32_t edges);
/* These became true: tells epoll sets and waiters. */
void file_tell(struct file *f, uint32_t edges);

/* The calling thread attracted f's notifications while it waited, and waits no more: others that wait attract
 * them again. */
void file_repel(struct file *f);

/* The lock of items and options; false: this thread is inside. */
bool file_lock(struct file *f);
void file_unlock(struct file *f);

#endif
