/* SPDX-License-Identifier: BSD-3-Clause */
/* epset.h - an epoll set: the kernel's, for descriptors of the kernel, and beside it a ready list for files
 * the library knows.
 *
 * What is registered where:
 *   a descriptor the library does not know     in the kernel's set, with the program's own data
 *   a PLAIN file (nothing decided yet)         the same, and an item here that remembers it
 *   a FLOW                                     an item here
 *   a LISTENER with a kernel side, a nested    an item here, and in `side`: a second kernel set, whose data
 *   epoll set                                  is the item
 * `side` is itself in the kernel's set, under data that is the address of a variable of ours.
 *
 * The ready list. An event pushes its item on `incoming`, lock-free, once (`signaled`). epoll_wait, under
 * `lock`, moves what came in to `ready`, fences, and asks each item's file what is true now: so an event that
 * comes after the question pushes the item again, and one that is over is not reported. Level-triggered items
 * stay in `ready` while something is true. That is Linux's own rule, so edges, one-shots and several sets
 * come out alike. Cost: O(ready).
 *
 * Who drains notifications for a set? Its `owner`, the one thread that waits on it, with that thread's own
 * context. When a second thread waits, the set gets a context of its own (`ctx`), used under `lead` by one
 * waiting thread at a time, which on leaving wakes a follower. A file that is in several sets is notified to
 * none of these, for its thread may be busy while another's sleeps: it is told where all threads that wait on
 * such sets sleep beside their own (tas_ctx_shared).
 *
 * Locks, outer first: a set's `lock`, that of a set nested in it, a file's `lock`. Items are in their file's
 * list (file lock) and in their set's (set lock). A file that closes takes its items out of its own list,
 * marks them dead and leaves the rest to the next who holds the set's lock. Items are pooled memory; `side`
 * holds index and generation, not pointers. */
#ifndef TAS_POSIX_EPSET_H
#define TAS_POSIX_EPSET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "libtas/posix/file.h"

/* SIGNAL_QUIET: no event, but whoever serves the set shall attract the file's notifications; an
 * edge-triggered item is not reported for that. */
enum epitem_signal { SIGNAL_NONE, SIGNAL_QUIET, SIGNAL_EVENT };

struct epitem {
	alignas(CACHE_LINE) _Atomic uint32_t signaled; /* enum epitem_signal: on `incoming`, or about to be */
	_Atomic uint32_t events; /* as given to epoll_ctl; 0 beside the flags: one-shot that fired */
	_Atomic bool dead;       /* its file closed, or it was deleted while on a list */
	_Atomic bool others;     /* its file has been in another item, too: notified to all threads */
	bool ready;              /* on the ready list */
	bool loud;               /* an event put it there */
	bool kernel_ready; /* the kernel's side said that there is something, and it was not reported yet */
	bool side;         /* registered in epset.side */
	bool in_kernel;    /* registered in the kernel's set (PLAIN) */
	int fd;            /* the descriptor's number at EPOLL_CTL_ADD */
	uint64_t data;
	struct file *file;
	struct epset *set;
	_Atomic(struct epitem *) incoming_next;
	struct epitem *ready_next;
	struct epitem *file_next, *file_prev;
	struct epitem *set_next, *set_prev;
	_Atomic(uint64_t)
		told; /* who is notified of the file: px_lock_me() of the owner, EPSET_SHARED, EPSET_ALL */
	uint32_t generation;
	struct px_pooled pooled;
};

#define EPSET_SHARED UINT64_MAX
#define EPSET_ALL (UINT64_MAX - 1) /* whoever waits on a set that has such items */
#define EPSET_KICK UINT64_MAX      /* data of epset.kick in `side`: no item's */

/* Files whose notifications are to be attracted by a request to tasd, which may take its time: after the lock
 * was left. */
enum { EPSET_REQUESTS = 16 }; /* made for one harvest */
struct epset_requests {
	unsigned n;
	struct tas_ctx *ctx[EPSET_REQUESTS]; /* for which */
	struct file *file[EPSET_REQUESTS];
};

struct epset {
	struct file *file;
	_Atomic(struct epitem *) incoming;
	_Atomic uint32_t active; /* items of files that are not PLAIN */
	_Atomic uint32_t nested; /* those that are sets */
	_Atomic uint32_t others; /* those whose file is in others, too */
	struct px_lock lock;
	struct epitem *ready_first, *ready_last;
	struct epitem *items;
	_Atomic int side;                /* -1: none */
	_Atomic int fd;                  /* a descriptor of the set; may be stale, see epset_fd */
	_Atomic int kick;                /* eventfd in `side` that ends kernel_waiters' sleep; -1: none */
	_Atomic uint32_t kernel_waiters; /* threads asleep in the kernel's set itself */
	_Atomic uint64_t looked;         /* TSC of the last look at the kernel's set */
	_Atomic bool kernel_gave;        /* the last event of a call for one: the next is not the kernel's */

	_Atomic uint64_t owner;  /* px_lock_me() of the thread, EPSET_SHARED, or 0 */
	_Atomic uint32_t inside; /* threads that wait on it now */
	_Atomic uint32_t moves;  /* changes of owner */
	_Atomic uint64_t lead;   /* px_lock_me() of who uses ctx */
	struct tas_ctx *ctx;
	uint32_t forks;
	struct waitlist sleepers;
	struct epset_requests requests;
	uint32_t for_fork; /* under lock: how deep in forks of the thread that entered it for one; else 0 */
	struct px_pooled pooled;
};

/* The data under which `side` stands in the kernel's set. */
extern const char epset_side_mark;

/* A set for the descriptor; NULL: out of memory. Ends with its file. */
struct file *epset_new(int fd);
void epset_destroy(struct epset *set);
/* A descriptor of the set that is open now, or -1. */
int epset_fd(struct epset *set);

/* epoll_ctl for files the library knows: 0 or -errno. */
int epset_add(struct epset *set, int epfd, int fd, struct file *f, const struct epoll_event *event);
int epset_modify(struct epset *set, int epfd, int fd, struct file *f, const struct epoll_event *event);
int epset_delete(struct epset *set, int epfd, int fd, struct file *f);

/* With f's lock held: these bits became true of f; tells its sets. */
void epset_signal(struct file *f, uint32_t edges);
/* With f's lock held: whoever serves its sets shall attract its notifications anew. */
void epset_untold(struct file *f);
/* f became a flow or listener, or PLAIN again: its items move. Without locks. */
void epset_moved(struct file *f);
/* f is decided for the kernel: its items are forgotten, the kernel's registrations stay. */
void epset_forget(struct file *f);
/* f closes. */
void epset_file_closed(struct file *f);

/* Moves ready events out; returns how many. With max 0: 1 if there is one. */
unsigned epset_harvest(struct epset *set, struct epoll_event *events, unsigned max);
/* Reports what the kernel has, without waiting. -errno, or how many. */
int epset_look(struct epset *set, int epfd, struct epoll_event *events, unsigned max);
/* Turns marks of `side` among n events of the kernel into its items' events; returns how many events are
 * left. */
unsigned epset_unmark(struct epset *set, struct epoll_event *events, unsigned n);
/* Is something on the lists? For who is about to sleep. */
bool epset_has_ready(struct epset *set);

/* A thread that waits enters (owner or leader or neither) and leaves; between, `c` holds contexts to poll and
 * sleep on. */
struct epset_role {
	struct epset *set;
	struct tas_ctx *shared; /* the set's context, if this thread leads it */
};
void epset_enter(struct epset *set, struct epset_role *role);
void epset_leave(struct epset_role *role);
/* The context on which the calling thread must sleep, too, or NULL. */
static inline struct tas_ctx *epset_of_all(const struct epset *set, struct tas_ctx *own)
{
	return likely(atomic_load_explicit(&set->others, memory_order_relaxed) == 0) ? NULL
										     : tas_ctx_shared(own);
}
/* Tries to become the leader of a shared set. */
void epset_try_lead(struct epset_role *role);

/* Around an epoll_wait on the kernel's set alone: what happens to items meanwhile ends it. */
void epset_kernel_wait_begin(struct epset *set, int epfd);
void epset_kernel_wait_end(struct epset *set);

/* Around fork: all sets' locks, so that none is caught half changed. */
void epset_fork_prepare(void);
void epset_fork_release(void);

/* --- between the parts of the module: epset.c, epset_items.c, epset_ready.c --- */

extern struct px_pool epitem_pool;

/* Flags of an item that are no events. */
#define EPITEM_FLAGS (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)

static inline bool epitem_armed(uint32_t events) { return (events & ~(uint32_t)EPITEM_FLAGS) != 0; }

/* Pushes it on its set's list; for events with the file's lock held, otherwise with the set's. */
void epitem_signal(struct epitem *i, enum epitem_signal signal);
/* With the set's lock: the item is gone; freed unless it is on a list. */
void epitem_release(struct epitem *i);
/* With the set's lock: the next harvest attracts every item's notifications. */
void epset_attract_all(struct epset *set);
/* The set's second kernel set, made on first use; -1 and errno. With the set's lock. */
int epset_side(struct epset *set, int epfd);
/* With the set's lock: it reported something that is closed here and open elsewhere. */
void epset_side_renew(struct epset *set);
/* Ends the sleep of kernel_waiters; the first makes what that needs, with the set's lock. */
void epset_kick_prepare(struct epset *set, int epfd);
void epset_kick(struct epset *set);

#endif
