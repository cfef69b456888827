/* SPDX-License-Identifier: BSD-3-Clause */
/* app_wake.c - wakes contexts of applications that sleep, when a pass ends.
 *
 * Guarantee: what it costs to wake an application is up to that application (it may wait for the same
 * descriptor in thousands of sets and threads, and each costs us), but whoever made it dear waits for it:
 * such applications are woken one context at a time, in turn, and all of them together take at most one part
 * in LATE_TIMES + 1 of a core's time. Each such time is a fault of the application, more than one if it is
 * very dear, and so it is cut off in the end.
 *
 * Time is measured by the wall at first, which costs next to nothing. A ring that took long by it may have
 * been interrupted by others: from then on the thread's own CPU time is asked, until the average is small
 * again. */
#include "fastpath/stages.h"
#include "fastpath/tcp_int.h"

enum {
	DEAR_NS = 50 * 1000, /* at least; on a machine of its own to wake one takes 1 to 5 us */
	DEAR_MAX_NS = 20 * DEAR_NS,
	DEAR_TIMES = 8,   /* of what is usual: virtual CPUs may take 30 us to wake each other */
	CHEAP_PART = 8,   /* of what is dear, on average: it need not be measured exactly */
	SAMPLE_TIMES = 8, /* at most, so that the average forgets the largest after some small ones */
	AVERAGE = 8,      /* the last counts for one part in so many */
	FAULTS_MAX = 256, /* that a single time may count for */
	LATE_TIMES = 32,  /* as long as one took no other is woken */
	LOOK_NS = 1000,   /* to find the one, at least */
};

static uint32_t dear_ns(const struct fp_core *c)
{
	return min_u32(max_u32(DEAR_NS, min_u32(c->fp->wake.usual_ns, DEAR_MAX_NS) * DEAR_TIMES),
		DEAR_MAX_NS);
}

static bool is_dear(const struct fp_core *c, const struct app *a)
{
	uint32_t average = atomic_load_explicit(&a->wake_ns, memory_order_relaxed);

	return unlikely(average > DEAR_NS) && average > dear_ns(c);
}

static void measured(struct fp_core *c, struct app *a, uint32_t took, uint32_t average)
{
	uint32_t dear = dear_ns(c);

	if (average > dear && took > dear) {
		count(c, CNT_APP_FAULT_WAKE, 1);
		atomic_fetch_add_explicit(&a->faults, min_u32(took / dear, FAULTS_MAX), memory_order_relaxed);
	}
	average += (min_u32(took, SAMPLE_TIMES * dear) + AVERAGE - 1) / AVERAGE - average / AVERAGE;
	atomic_store_explicit(&a->wake_ns, average < dear / CHEAP_PART ? 0 : average, memory_order_relaxed);
}

/* How long it took. */
static uint32_t wake(struct fp_core *c, const struct app_context *x)
{
	struct app *a = x->app;
	uint32_t average, took;

	if (atomic_load_explicit(&x->shm->asleep, memory_order_relaxed) == 0 ||
		atomic_exchange(&x->shm->asleep, 0) == 0)
		return 0;
	count(c, CNT_APP_WAKES, 1);
	if (c->fp->wake.context == NULL)
		return 0;
	average = atomic_load_explicit(&a->wake_ns, memory_order_relaxed);
	took = c->fp->wake.context(c->fp->wake.arg, x->eventfd, average != 0);
	if (unlikely(average != 0))
		measured(c, a, took, average);
	else if (unlikely(took > DEAR_NS) && took > dear_ns(c))
		atomic_store_explicit(&a->wake_ns, dear_ns(c) / CHEAP_PART, memory_order_relaxed);
	return took;
}

/* --- those that wait --- */

static void late_push(struct fp_core *c, uint16_t app)
{
	struct fp_app *fa = &c->app[app];

	if (fa->late)
		return;
	fa->late = true;
	fa->late_next = APP_NONE;
	if (c->late_head == APP_NONE)
		c->late_head = app;
	else
		c->app[c->late_tail].late_next = app;
	c->late_tail = app;
}

static uint16_t late_pop(struct fp_core *c)
{
	uint16_t app = c->late_head;

	c->late_head = c->app[app].late_next;
	c->app[app].late = false;
	return app;
}

/* One of its contexts that wait, from the one after the last on; NULL: none does. */
static struct app_queue *late_queue(struct fp_core *c, struct app *a)
{
	uint32_t n = atomic_load_explicit(&a->nctx, memory_order_acquire), first = c->app[a->id].late_ctx;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t x = (first + i) % n;

		if (a->ctx[x].queue[c->id].wake_pending) {
			c->app[a->id].late_ctx = (uint16_t)(x + 1);
			return &a->ctx[x].queue[c->id];
		}
	}
	return NULL;
}

/* The list has no pointers: an application may leave while it waits. */
static void late_poll(struct fp_core *c)
{
	uint16_t app = late_pop(c);
	struct app *a = &c->fp->apps[app];
	struct app_queue *q;

	if (!atomic_load_explicit(&a->live, memory_order_acquire))
		return;
	q = late_queue(c, a);
	if (q == NULL)
		return;
	q->wake_pending = false;
	c->late_at = c->now + (LATE_TIMES + 1ull) * max_u32(wake(c, q->ctx), LOOK_NS);
	late_push(c, app);
}

/* --- a pass --- */

void app_wake_poll(struct fp_core *c)
{
	struct app_queue *next;

	for (struct app_queue *q = c->wakes; q != NULL; q = next) {
		next = q->wake_next;
		q->wake_next = NULL;
		if (unlikely(is_dear(c, q->ctx->app))) {
			late_push(c, q->ctx->app->id);
			continue;
		}
		q->wake_pending = false;
		wake(c, q->ctx);
	}
	c->wakes = NULL;
	if (unlikely(c->late_head != APP_NONE && c->now >= c->late_at))
		late_poll(c);
}
