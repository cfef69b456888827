/* SPDX-License-Identifier: BSD-3-Clause */
/* wait.h - sleeping until something of tasd's or of the kernel's happens.
 *
 * Guarantees: no lost wake-up (what comes after the last look ends the sleep), timeouts are those of
 * ppoll(2), tasd's death ends the sleep. A sleep that a signal handler interrupted returns -EINTR; whether
 * the call then restarts is decided by restart_allowed(), as Linux decides it: by SA_RESTART.
 * Deadlines are times of inst_clock(), TAS_NS_NEVER for none. Any thread; a wait_sleep is one thread's. A
 * sleeping thread can be cancelled, and be torn out of the call by siglongjmp (stay.h). */
#ifndef TAS_POSIX_WAIT_H
#define TAS_POSIX_WAIT_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/base/time.h"
#include "libtas/posix/file.h"

enum {
	WAIT_CTX_MAX = 4, /* contexts to sleep on: the thread's own, and those of shared epoll sets */
	WAIT_FDS = WAIT_CTX_MAX * TAS_CTX_FDS + 1,
};

/* The longest sleep when there is nothing that tells us what we wait for: while tasd is away; and otherwise,
 * when there are more shared sets than WAIT_CTX_MAX, no descriptor to be woken by, or a handler inside. */
#define WAIT_NAP_NS (NS_PER_SEC)
#define WAIT_NAP_SHORT_NS (10 * NS_PER_MS)

struct wait_sleep {
	struct tas_ctx *ctx[WAIT_CTX_MAX];
	unsigned n;
	bool crowded; /* there were more */
	bool begun;   /* between begin and end */
	bool deaf;    /* then: one of them may not wake us */
};

void wait_init(struct wait_sleep *w, struct tas_ctx *own);
/* Another context to drain and sleep on; NULL and repetitions are ignored. */
void wait_add(struct wait_sleep *w, struct tas_ctx *c);
/* Is it among them, or will there be no long sleep in any case? */
bool wait_has(const struct wait_sleep *w, const struct tas_ctx *c);
/* Looks at all notifications. */
void wait_drain(struct wait_sleep *w);
/* Announces the sleep on all contexts; false: something came, look again (and do not call wait_end). */
bool wait_begin(struct wait_sleep *w);
/* Nothing if it did not begin. */
void wait_end(struct wait_sleep *w);
/* Between begin and end: how long the sleep may be at most, of a thread that joined what it waits for or
 * could not. */
static inline tas_ns wait_cap(const struct wait_sleep *w, bool joined)
{
	return joined && !w->crowded && !w->deaf ? TAS_NS_NEVER : WAIT_NAP_SHORT_NS;
}
/* Between begin and end: the descriptors to sleep on besides the caller's own, into fds; returns how many. */
unsigned wait_fds(struct wait_sleep *w, struct pollfd fds[WAIT_FDS]);
/* Between begin and end, after the sleep: what became readable. */
void wait_rang(struct wait_sleep *w, const struct pollfd *fds, unsigned n);
/* After the sleep: if tasd died or came back, takes the consequences. */
void wait_after(const struct pollfd *fds, unsigned n);

/* Time left until the deadline, at most `cap`, as ppoll wants it; NULL for none. */
const struct timespec *wait_left(tas_ns deadline, tas_ns cap, struct timespec *out);
/* now + a timeout in ms as poll(2) has it. */
tas_ns wait_deadline_ms(int timeout_ms);
/* now + a timeout; NULL is none. *bad if it is not a valid one. */
tas_ns wait_deadline_ts(const struct timespec *timeout, bool *bad);

/* Sleeps for a moment, without having told anybody; as stay_ppoll. */
int wait_nap(struct pollfd *fds, nfds_t n, tas_ns deadline, const sigset_t *mask);

/* Waits until one of `events` (or ERR, HUP) is true of a flow or listener, IN only with min_bytes to be read
 * or at the end of the stream, or until kernel_fd (-1: none) is readable: 0, -ETIMEDOUT, -EINTR. The caller
 * holds a reference. */
struct wait_for {
	uint32_t events;
	size_t min_bytes;
	int kernel_fd;
	tas_ns deadline;
	void (*abandoned)(
		struct file *f); /* takes the caller's place if it never runs again; NULL: file_put */
};
int wait_file(struct file *f, const struct wait_for *what);

/* After -EINTR in a call that Linux would restart: true if every handler that can have run has SA_RESTART. */
bool restart_allowed(void);

#endif
