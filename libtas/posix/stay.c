/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/stay.h"

#include <sys/single_threaded.h>
#include <sys/syscall.h>

#include "include/base/assert.h"
#include "libtas/posix/real.h"

enum { REFS = 4 }; /* calls of one thread that hold a reference: all but one interrupted by handlers */

struct stay_ref {
	struct stay stay;
	struct file *file;
	void (*give_back)(struct file *f);
	bool used;
};

struct stay_pages {
	alignas(CACHE_LINE) struct stay stay;
	size_t bytes;
};

PX_TLS struct stay *stay_newest;
static PX_TLS struct stay_ref refs[REFS]; /* known to this thread alone, so its own memory will do */

/* --- the list --- */

void stay_begin(struct stay *s, void (*undo)(struct stay *s))
{
	s->frame = (uintptr_t)__builtin_frame_address(0);
	s->undo = undo;
	s->outer = stay_newest;
	atomic_signal_fence(memory_order_seq_cst); /* a handler sees it whole, or not at all */
	stay_newest = s;
}

static void undo_newest(void)
{
	struct stay *s = stay_newest;

	stay_newest = s->outer;
	s->undo(s);
}

/* Newer ones are of calls in a handler, which jumped inside of itself. */
void stay_end(struct stay *s)
{
	while (stay_newest != s) {
		TAS_ASSERT(stay_newest != NULL);
		undo_newest();
	}
	stay_newest = s->outer;
}

/* --- jumps --- */

struct range {
	uintptr_t from, to;
};

static struct range alternate_stack(void)
{
	stack_t s;

	if (real_syscall(SYS_sigaltstack, NULL, &s) != 0 || s.ss_flags & SS_DISABLE)
		return (struct range){ 0, 0 };
	return (struct range){ (uintptr_t)s.ss_sp, (uintptr_t)s.ss_sp + s.ss_size };
}

static bool within(struct range r, uintptr_t at) { return at >= r.from && at < r.to; }

/* Stacks grow downwards. What stands on the other stack than `stack`, the alternate one or the thread's, is
 * gone if that is the alternate one, and was interrupted if it is the thread's. */
void stay_jump(uintptr_t stack)
{
	struct range alternate = alternate_stack();

	while (stay_newest != NULL) {
		bool there = within(alternate, stay_newest->frame);

		if (there == within(alternate, stack) ? stay_newest->frame > stack : !there)
			return;
		undo_newest();
	}
}

/* --- references and pages --- */

static void ref_undo(struct stay *s)
{
	struct stay_ref *r = container_of_(s, struct stay_ref, stay);

	r->used = false;
	r->give_back(r->file);
}

struct stay_ref *stay_ref_begin(struct file *f, void (*give_back)(struct file *f))
{
	unsigned i = 0;

	stay_reap();
	while (i < REFS && refs[i].used)
		i++;
	if (i == REFS)
		return NULL;
	refs[i].used = true;
	refs[i].file = f;
	refs[i].give_back = give_back;
	stay_begin(&refs[i].stay, ref_undo);
	return &refs[i];
}

void stay_ref_end(struct stay_ref *r)
{
	if (r == NULL)
		return;
	stay_end(&r->stay);
	r->used = false;
}

static void pages_undo(struct stay *s)
{
	struct stay_pages *p = container_of_(s, struct stay_pages, stay);

	px_unmap(p, p->bytes);
}

void *stay_map(size_t bytes)
{
	struct stay_pages *p;

	stay_reap();
	p = px_map(sizeof(*p) + bytes);
	if (p == NULL)
		return NULL;
	p->bytes = sizeof(*p) + bytes;
	stay_begin(&p->stay, pages_undo);
	return p + 1;
}

void stay_unmap(void *pages)
{
	struct stay_pages *p = (struct stay_pages *)pages - 1;

	stay_end(&p->stay);
	px_unmap(p, p->bytes);
}

/* --- sleeping --- */

void stay_cancelled(void *unused)
{
	(void)unused;
	while (stay_newest != NULL)
		undo_newest();
}

void stay_test_cancel(void)
{
	if (__libc_single_threaded)
		return;
	pthread_cleanup_push(stay_cancelled, NULL);
	pthread_testcancel();
	pthread_cleanup_pop(0);
}

/* The deeper its frame, the more of what comes later sees that it is gone. */
static void note_frame(void *frame)
{
	if (stay_newest != NULL)
		stay_newest->frame = (uintptr_t)frame;
}

int stay_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	int got;

	note_frame(__builtin_frame_address(0));
	if (__libc_single_threaded) /* nobody is there to cancel us */
		return own_ppoll(fds, n, timeout, mask);
	STAY_CANCELLABLE(got, REAL(ppoll)(fds, n, timeout, mask));
	return got;
}

int stay_epoll_wait(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
	const sigset_t *mask)
{
	int got;

	note_frame(__builtin_frame_address(0));
	STAY_CANCELLABLE(got, real_epoll_wait(epfd, events, max, timeout, mask));
	return got;
}
