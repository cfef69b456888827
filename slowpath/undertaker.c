/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/undertaker.h"

#include <signal.h>
#include <stdlib.h>

#include "include/base/assert.h"

struct undertaker {
	pthread_mutex_t lock;
	pthread_cond_t more, less; /* jobs; threads */
	struct undertaker_jobs todo, done;
	unsigned max, running, idle;
	uint32_t nr_todo, waiting; /* waiting: not done */
	bool ends;                 /* once nothing is left to be done */
	bool deserted;             /* and nobody asks what became of it */
};

static void undertaker_free(struct undertaker *u)
{
	pthread_cond_destroy(&u->more);
	pthread_cond_destroy(&u->less);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

/* With the lock, as before and after. */
static void work(struct undertaker *u)
{
	struct undertaker_job *job = STAILQ_FIRST(&u->todo);

	STAILQ_REMOVE_HEAD(&u->todo, link);
	u->nr_todo--;
	pthread_mutex_unlock(&u->lock);
	job->work(job);
	pthread_mutex_lock(&u->lock);
	u->waiting--;
	STAILQ_INSERT_TAIL(&u->done, job, link);
}

static void *thread_main(void *arg)
{
	struct undertaker *u = arg;
	bool last;

	pthread_mutex_lock(&u->lock);
	for (;;) {
		while (!STAILQ_EMPTY(&u->todo))
			work(u);
		if (u->ends)
			break;
		u->idle++;
		pthread_cond_wait(&u->more, &u->lock);
		u->idle--;
	}
	u->running--;
	last = u->running == 0 && u->deserted;
	pthread_cond_signal(&u->less);
	pthread_mutex_unlock(&u->lock);
	if (last)
		undertaker_free(u);
	return NULL;
}

/* With the lock. No signal of the process is its business. */
static bool thread_start(struct undertaker *u)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	int error;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setsigmask_np(&attr, &all);
	error = pthread_create(&thread, &attr, thread_main, u);
	pthread_attr_destroy(&attr);
	u->running += error == 0;
	return error == 0;
}

struct undertaker *undertaker_new(unsigned threads, unsigned ready)
{
	struct undertaker *u = calloc(1, sizeof(*u));
	bool ok = true;

	TAS_ASSERT(threads > 0 && ready <= threads);
	if (u == NULL)
		return NULL;
	u->max = threads;
	STAILQ_INIT(&u->todo);
	STAILQ_INIT(&u->done);
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->more, NULL);
	pthread_cond_init(&u->less, NULL);
	pthread_mutex_lock(&u->lock);
	for (; ready > 0 && ok; ready--)
		ok = thread_start(u);
	pthread_mutex_unlock(&u->lock);
	if (ok)
		return u;
	undertaker_end(u, true);
	return NULL;
}

void undertaker_end(struct undertaker *u, bool wait)
{
	bool last;

	pthread_mutex_lock(&u->lock);
	u->ends = true;
	pthread_cond_broadcast(&u->more);
	if (u->running == 0 && wait && !STAILQ_EMPTY(&u->todo))
		thread_start(u);
	while (wait && u->running > 0)
		pthread_cond_wait(&u->less, &u->lock);
	u->deserted = true;
	last = u->running == 0;
	pthread_mutex_unlock(&u->lock);
	if (last)
		undertaker_free(u);
}

void undertaker_add(struct undertaker *u, struct undertaker_job *job)
{
	pthread_mutex_lock(&u->lock);
	STAILQ_INSERT_TAIL(&u->todo, job, link);
	u->waiting++;
	if (++u->nr_todo > u->idle && u->running < u->max)
		thread_start(u); /* or, if that fails, with the next job */
	pthread_cond_signal(&u->more);
	pthread_mutex_unlock(&u->lock);
}

struct undertaker_job *undertaker_done(struct undertaker *u)
{
	struct undertaker_job *job;

	pthread_mutex_lock(&u->lock);
	job = STAILQ_FIRST(&u->done);
	if (job != NULL)
		STAILQ_REMOVE_HEAD(&u->done, link);
	pthread_mutex_unlock(&u->lock);
	return job;
}

uint32_t undertaker_waiting(struct undertaker *u)
{
	uint32_t n;

	pthread_mutex_lock(&u->lock);
	n = u->waiting;
	pthread_mutex_unlock(&u->lock);
	return n;
}

unsigned undertaker_threads(struct undertaker *u)
{
	unsigned n;

	pthread_mutex_lock(&u->lock);
	n = u->running;
	pthread_mutex_unlock(&u->lock);
	return n;
}
