/* SPDX-License-Identifier: BSD-3-Clause */
/* wake.h - how sleepers are woken across processes: descriptors for contexts, cores and the slow path.
 *
 * Guarantees: nothing here ever waits, whatever an application does to the descriptors it was given. What
 * wakes a context is therefore not an eventfd, whose O_NONBLOCK and counter the application would share, and
 * not a pipe, whose lock it can hold for as long as a page fault of its own takes, but one end of a
 * socketpair: a send that does not wait takes no lock of the receiver's but for an instant. How many wait for
 * it, in sets of descriptors and threads, is up to the application, and each costs the sender: that is
 * measured (fastpath/app_wake.c). The application reads it 8 bytes at a time, as an eventfd. What an
 * application writes to wake a core is an eventfd, which tasd never reads: its epoll sets are edge
 * triggered.
 *
 * Threads: making and closing belongs to the slow path; the fp_wake_ops may be called by any thread;
 * wake_core_wait() by the thread that runs the core. */
#ifndef TAS_SLOWPATH_WAKE_H
#define TAS_SLOWPATH_WAKE_H

#include <stdint.h>
#include <time.h>

#include "fastpath/fastpath.h"
#include "slowpath/app.h"

struct wake {
	unsigned cores;
	int slow_fd;                 /* eventfd: for the main loop's epoll set, level triggered */
	int core_fd[FP_CORES_MAX];   /* eventfds, by which threads of tasd wake a core */
	int core_epfd[FP_CORES_MAX]; /* what a core sleeps on: core_fd, and the eventfds of applications */
	uint32_t usual_ns;           /* what it takes to ring for a context; 0: not measured */
};

/* 0, or -errno and nothing is left behind. */
int wake_init(struct wake *w, unsigned cores);
void wake_fini(struct wake *w);
/* Rings for a thread of its own on another CPU some times, which takes some milliseconds, 200 at most: what
 * that takes differs a lot between machines, and is what applications are measured by. Before wake_fp_ops();
 * once in a process. */
void wake_measure(struct wake *w);

void wake_fp_ops(struct wake *w, struct fp_wake_ops *ops);
void wake_app_rim(struct wake *w, struct app_rim *rim);

/* The main loop saw slow_fd readable. */
void wake_slow_drain(struct wake *w);

/* The set on which the core sleeps; the loop may add what else should wake it (rx interrupts), with data from
 * WAKE_DATA_USER on. */
static inline int wake_core_epfd(const struct wake *w, unsigned core) { return w->core_epfd[core]; }

enum { WAKE_APPS_MAX = 64 };
#define WAKE_DATA_CORE (1ull << 32)
#define WAKE_DATA_USER (1ull << 33)

struct wake_result {
	unsigned nr_apps; /* applications that rang: core_app_rang() for each */
	uint16_t app[WAKE_APPS_MAX];
	unsigned nr_user; /* events of what the loop added */
};

/* Sleeps until somebody rings, or for timeout_ns (TAS_NS_NEVER: no limit; 0: only looks). */
void wake_core_wait(struct wake *w, unsigned core, tas_ns timeout_ns, struct wake_result *result);

#endif
