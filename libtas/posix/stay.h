/* SPDX-License-Identifier: BSD-3-Clause */
/* stay.h - what a call that waits holds: references, places in lists, an announced sleep.
 *
 * The call gives it back when it returns. But a thread that sleeps may be cancelled, and a signal handler
 * may leave the call by siglongjmp: then nothing of the call runs any more. So all that stands in a stay,
 * which is not on the thread's stack and can be undone without the call.
 *
 * Guarantees: who is cancelled in one of the calls below gives back all that it holds, before it ends. What
 * a call held that was left by longjmp is given back at the jump (preload/jump.c); where the library does
 * not see the jump, the next time that the thread waits, or closes a descriptor, no deeper on its stack than
 * the call was. That is for calls asleep: a handler that leaves one elsewhere may leave a lock behind it.
 *
 * A thread's stays are a list, newest first: older ones belong to calls that a handler interrupted. All
 * functions are for the thread itself, in or outside a handler; alternate signal stacks are known, but for
 * those with SS_AUTODISARM. */
#ifndef TAS_POSIX_STAY_H
#define TAS_POSIX_STAY_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#include "include/base/compiler.h"
#include "libtas/posix/px_lock.h"

struct file;

struct stay {
	struct stay *outer;
	uintptr_t frame;              /* on the stack, in the call; while it sleeps, at its deepest */
	void (*undo)(struct stay *s); /* gives back what the call held, and the stay */
};

extern PX_TLS struct stay *stay_newest;

void stay_begin(struct stay *s, void (*undo)(struct stay *s));
/* The call gave back everything itself. */
void stay_end(struct stay *s);

/* The stack ends at `stack`, or is about to: undoes what was further down. */
void stay_jump(uintptr_t stack);
/* The same, for calls that will begin a stay: as early in them, so as high on the stack, as may be. */
static inline void stay_reap(void)
{
	if (unlikely(stay_newest != NULL))
		stay_jump((uintptr_t)__builtin_frame_address(0));
}

/* For calls that hold a reference and no more; `give_back` is what their end would do. NULL, which may be
 * ended like any other: too many at once. */
struct stay_ref;
struct stay_ref *stay_ref_begin(struct file *f, void (*give_back)(struct file *f));
void stay_ref_end(struct stay_ref *r);

/* Zeroed pages that are given back with the stay; NULL: no memory. */
void *stay_map(size_t bytes);
void stay_unmap(void *pages);

/* `call` is a cancellation point of the C library. A macro, since pthread_cleanup_push is one. */
void stay_cancelled(void *unused);
#define STAY_CANCELLABLE(result, call)                      \
	do {                                                \
		pthread_cleanup_push(stay_cancelled, NULL); \
		(result) = (call);                          \
		pthread_cleanup_pop(0);                     \
	} while (0)

/* For loops that never sleep. */
void stay_test_cancel(void);

/* Sleeps, as ppoll and epoll_pwait2 do, and cancellation points. -1 and errno; a NULL timeout is none. */
int stay_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask);
int stay_epoll_wait(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
	const sigset_t *mask);

#endif
