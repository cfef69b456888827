/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/core_loop.h"

#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>

enum {
	LOOK_NS = 50 * 1000,                /* between looks for those who ring by a system call */
	LONG_PASS_NS = 50 * 1000,           /* so long a pass was perhaps not ours alone */
	SETTLE_NS = 1000 * 1000,            /* between looks at the CPU's clock while the CPU is shared */
	YIELD_PASSES = 10,                  /* without work, until others may run if they want to */
	STOLEN_NS = 100 * 1000,             /* taken from us at once: somebody else wants this CPU */
	NAP_MIN_NS = 60 * 1000,             /* falling asleep and waking up take as much */
	NAP_SLACK_NS = 1000,                /* of oversleeping; without, 50 us: flows are paced */
	SHARED_IDLE_NS = 2 * 1000,          /* of patience where others want the CPU */
	SHARED_HOLD_NS = 200 * 1000 * 1000, /* until we try again: costs them at most 1.5 % */
	UNUSED_IDLE_NS = 10 * 1000 * 1000,  /* of patience of a core that is not to serve */
};

static tas_ns now(const struct core_loop *l) { return tsc_to_ns(l->tsc, rte_rdtsc()); }

static void add(struct core_loop *l, enum tas_counter counter, uint64_t n) { l->core->counter[counter] += n; }

void core_loop_init(struct core_loop *l, struct fp_core *core, struct wake *wake)
{
	*l = (struct core_loop){
		.core = core,
		.wake = wake,
		.tsc = tsc_scale_of(rte_get_tsc_hz()),
		.idle_ns = core->fp->conf.idle_us * NS_PER_US,
	};
}

static void ports_close(struct core_loop *l)
{
	while (l->nports > 0)
		port_wake_close(&l->port[--l->nports]);
}

void core_loop_fini(struct core_loop *l) { ports_close(l); }

void core_loop_stop(struct core_loop *l)
{
	const struct fp_wake_ops *ops = &l->core->fp->wake;

	atomic_store(&l->stop, true);
	/* edge triggered: it is an event also for a core that is just about to sleep */
	ops->core(ops->arg, l->core->id);
}

/* --- how long a pass took --- */

static tas_ns cpu_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (tas_ns)ts.tv_sec * NS_PER_SEC + (tas_ns)ts.tv_nsec;
}

static void clocks_meet(struct core_loop *l)
{
	l->cpu_at = cpu_time();
	l->wall_at = now(l);
	l->busy = 0;
}

/* What others had of our CPU since the clocks met. As far as it was counted as ours, as much of what follows
 * is not counted: the counter never goes back. */
static void settle(struct core_loop *l)
{
	tas_ns wall = l->wall_at, cpu = l->cpu_at, busy = l->busy;

	clocks_meet(l);
	wall = l->wall_at - wall;
	cpu = l->cpu_at - cpu;
	if (wall > cpu + STOLEN_NS)
		l->shared_until = l->wall_at + SHARED_HOLD_NS;
	if (busy > cpu)
		l->overcounted += busy - cpu;
}

/* The CPU's clock is a system call: asked after long passes, and now and then while the CPU is shared. */
static inline bool settle_due(const struct core_loop *l, tas_ns begin, tas_ns took)
{
	return took > LONG_PASS_NS || (begin < l->shared_until && begin - l->wall_at > SETTLE_NS);
}

static void count_busy(struct core_loop *l, tas_ns took)
{
	tas_ns paid = min_u64(took, l->overcounted);

	l->busy += took;
	l->overcounted -= paid;
	add(l, CNT_CORE_BUSY_NS, took - paid);
}

static unsigned pass(struct core_loop *l, tas_ns begin)
{
	unsigned work = core_poll(l->core, begin);
	tas_ns took = now(l) - begin;

	if (work > 0)
		count_busy(l, took);
	if (unlikely(settle_due(l, begin, took)))
		settle(l);
	return work;
}

/* --- sleep --- */

/* Who does not ring often is not polled: its bell is an eventfd in the core's set. A system call, so neither
 * every pass nor while anybody sleeps on the set anyway. */
static void look_for_rings(struct core_loop *l)
{
	struct wake_result r;

	wake_core_wait(l->wake, l->core->id, 0, &r);
	for (unsigned i = 0; i < r.nr_apps; i++)
		core_app_rang(l->core, r.app[i]);
}

/* Sleep is on the queues that the core's last pass polled. */
static void ports_follow(struct core_loop *l)
{
	const struct fp_core *c = l->core;

	if (l->steer_seen == c->steer_seen)
		return;
	ports_close(l);
	for (; l->nports < c->nqueues; l->nports++)
		port_wake_open(&l->port[l->nports], c->fp->port, c->queues[l->nports]);
	l->steer_seen = c->steer_seen;
}

static tas_ns until_due(const struct fp_core *c, tas_ns from)
{
	tas_ns due = core_deadline(c);

	if (due == TAS_NS_NEVER)
		return due;
	return due > from ? due - from : 0;
}

static void block(struct core_loop *l, tas_ns timeout)
{
	struct fp_core *c = l->core;

	/* Nothing of anybody is in our hands: a grace period need not wait for us. */
	rte_rcu_qsbr_thread_offline(c->fp->qsbr, c->id);
	port_wake_wait(l->port, l->nports, wake_core_epfd(l->wake, c->id), timeout);
	rte_rcu_qsbr_thread_online(c->fp->qsbr, c->id);
	add(l, CNT_CORE_SLEEPS, 1);
}

/* Says that it sleeps, looks at everything once more, and only then does: whoever came before the look is
 * found, whoever comes after it sees a sleeper and wakes it. */
static void go_to_sleep(struct core_loop *l)
{
	struct fp_core *c = l->core;
	tas_ns begin = now(l), timeout;

	ports_follow(l);
	core_sleep_begin(c);
	for (unsigned i = 0; i < l->nports; i++)
		port_wake_arm(&l->port[i]);
	if (pass(l, begin) == 0 && !core_has_work(c) && l->steer_seen == c->steer_seen &&
		!core_steer_is_old(c) && !atomic_load(&l->stop)) {
		timeout = until_due(c, begin);
		if (l->busy > 0 && begin < l->shared_until)
			settle(l);
		if (timeout >= NAP_MIN_NS)
			block(l, timeout);
	}
	for (unsigned i = 0; i < l->nports; i++)
		port_wake_disarm(&l->port[i]);
	core_sleep_end(c);
	look_for_rings(l);
	clocks_meet(l);
}

/* On a CPU of its own a core polls for long, and neither packets nor bells need a system call then. Where
 * another thread waits for the CPU, that may be the very application that would give it work. */
static tas_ns patience(const struct core_loop *l, tas_ns t)
{
	tas_ns usual = l->idle_ns != 0 ? l->idle_ns : TAS_NS_NEVER;

	if (unlikely(!core_serves(l->core)))
		usual = min_u64(usual, UNUSED_IDLE_NS);
	return t >= l->shared_until || l->idle_ns == 0 ? usual : min_u64(usual, SHARED_IDLE_NS);
}

/* The application that would give us work may wait for this very CPU; if nobody does, it takes 200 ns. */
static void let_others_run(struct core_loop *l, tas_ns t)
{
	sched_yield();
	if (now(l) - t > LONG_PASS_NS)
		settle(l);
}

static void idle_pass(struct core_loop *l, tas_ns t)
{
	if (t - l->core->last_work_ns >= patience(l, t))
		go_to_sleep(l);
	else if (++l->idle_passes % YIELD_PASSES == 0)
		let_others_run(l, t);
}

int core_loop_run(void *loop)
{
	struct core_loop *l = loop;
	tas_ns t = now(l);

	prctl(PR_SET_TIMERSLACK, NAP_SLACK_NS);
	clocks_meet(l);
	l->core->last_work_ns = t;
	for (; !atomic_load_explicit(&l->stop, memory_order_relaxed); t = now(l)) {
		if (pass(l, t) == 0)
			idle_pass(l, t);
		if (t >= l->next_look) {
			look_for_rings(l);
			l->next_look = t + LOOK_NS;
		}
	}
	return 0;
}
