/* SPDX-License-Identifier: BSD-3-Clause */
/* undertaker.h - what takes long, or as long as a stranger likes, is done apart from the slow path: gigabytes
 * that go back to the kernel, descriptors whose last reference waits for somebody.
 *
 * Guarantee: whoever hands in a job never waits. Jobs are begun in the order in which they came, at most
 * `threads` at one time; what no thread can be had for waits. Each comes back once, when it is done.
 * Threads: its own, and one that hands in and takes back. */
#ifndef TAS_SLOWPATH_UNDERTAKER_H
#define TAS_SLOWPATH_UNDERTAKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <bsd/sys/queue.h>

struct undertaker_job {
	STAILQ_ENTRY(undertaker_job) link;
	void (*work)(struct undertaker_job *job); /* by any of the threads */
};
STAILQ_HEAD(undertaker_jobs, undertaker_job);

struct undertaker; /* shared with its threads, which may outlive its owner's interest */

/* With `ready` of its threads running already, so that they cannot be missing later. NULL: no memory, or no
 * thread. */
struct undertaker *undertaker_new(unsigned threads, unsigned ready);
/* Waits until all jobs are done; or, if some may take for ever, does not: then their threads go on alone, and
 * nothing of them comes back. The jobs must stay where they are as long as the process lives. */
void undertaker_end(struct undertaker *u, bool wait);

void undertaker_add(struct undertaker *u, struct undertaker_job *job);
/* One that is done and was not taken back yet, or NULL. */
struct undertaker_job *undertaker_done(struct undertaker *u);
/* Jobs that are not done. */
uint32_t undertaker_waiting(struct undertaker *u);
unsigned undertaker_threads(struct undertaker *u);

#endif
