/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/tasd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>

#include "fastpath/port_probe.h"
#include "include/base/log.h"
#include "slowpath/daemon.h"
#include "slowpath/eal.h"
#include "slowpath/sp_end.h"

enum { ERR_MAX = 512, READY_MAX = 8, END_NAP_US = 50 };
#define END_PATIENCE (NS_PER_SEC) /* for the resets of all connections to leave */

static_assert((int)CONF_OFF == PORT_OFF && (int)CONF_ON == PORT_ON && (int)CONF_AUTO == PORT_AUTO,
	"tasd.conf's choices are the port's");

tas_ns tasd_now(const struct tasd *t) { return tsc_to_ns(t->tsc, rte_rdtsc()); }

/* 0, or -1 with the reason in the log. */
static int told(int rc, const char *err)
{
	if (rc == 0)
		return 0;
	tas_log(TAS_LOG_ERROR, "%s", err);
	return -1;
}

static int no_memory(int rc, const char *what)
{
	if (rc == 0)
		return 0;
	tas_log(TAS_LOG_ERROR, "cannot set up %s (%s)", what, strerror(-rc));
	return -1;
}

/* --- the port: probed, fitted, opened --- */

static void want_from_conf(struct tasd *t)
{
	const struct conf_port *port = &t->conf.port;

	arc4random_buf(t->rss_key, sizeof(t->rss_key));
	t->want = (struct port_want){
		.mtu = (uint16_t)port->mtu,
		.rxq = (uint16_t)t->conf.fastpath.cores_max,
		.txq = (uint16_t)t->conf.fastpath.cores_max,
		.rx_desc = (uint16_t)port->rx_descriptors,
		.tx_desc = (uint16_t)port->tx_descriptors,
		.checksum_offload = (enum port_choice)port->checksum_offload,
		.tso = (enum port_choice)port->tso,
		.rss = (enum port_choice)port->rss,
		.rss_key = t->rss_key,
		.multicast = conf_has_ipv6(&t->conf.ip),
	};
}

/* One queue pair for each core, so no more cores than there are queues. */
static void fit_cores(struct tasd *t)
{
	uint32_t cores = min_u32(t->want.rxq, t->want.txq);

	if (cores < t->conf.fastpath.cores_max)
		tas_log(TAS_LOG_WARNING, "device %s has %u queues: %u cores instead of cores_max = %u",
			t->conf.port.device, cores, cores, t->conf.fastpath.cores_max);
	t->conf.fastpath.cores_max = cores;
	t->conf.fastpath.cores_min = min_u32(t->conf.fastpath.cores_min, cores);
	t->want.rxq = t->want.txq = (uint16_t)cores;
}

static int device_take(struct tasd *t)
{
	char err[ERR_MAX] = "";
	int rc;

	want_from_conf(t);
	rc = port_probe(t->conf.port.device, &t->want, &t->ethdev, err, sizeof(err));
	if (rc != 0)
		return told(rc, err);
	rc = port_fit(t->ethdev, &t->want, err, sizeof(err));
	if (rc != 0)
		rte_eth_dev_close(t->ethdev);
	else
		fit_cores(t);
	return told(rc, err);
}

/* A port that was opened has unplugged it already. */
static void device_give(struct tasd *t)
{
	if (rte_eth_dev_is_valid_port(t->ethdev))
		rte_eth_dev_close(t->ethdev);
}

static int pool_take(struct tasd *t)
{
	char err[ERR_MAX] = "", name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "%.16s-pool", t->conf.tasd.instance);
	t->pool = port_pool_create(name, t->ethdev, &t->want, t->conf.fastpath.cores_max, FP_PUNTS_MAX, err,
		sizeof(err));
	return told(t->pool == NULL ? -ENOMEM : 0, err);
}

static void pool_give(struct tasd *t) { rte_mempool_free(t->pool); }

static int port_take(struct tasd *t)
{
	char err[ERR_MAX] = "";

	return told(port_open(&t->port, t->ethdev, &t->want, t->pool, err, sizeof(err)), err);
}

static void port_give(struct tasd *t) { port_close(&t->port); }

/* --- fast path, applications, slow path --- */

static int wake_take(struct tasd *t)
{
	int error = no_memory(wake_init(&t->wake, t->conf.fastpath.cores_max), "the wake-up descriptors");

	if (error == 0)
		wake_measure(&t->wake);
	return error;
}

static void wake_give(struct tasd *t) { wake_fini(&t->wake); }

static int fast_path_take(struct tasd *t)
{
	struct fp_wake_ops ops;
	struct fp_conf fc = {
		.cores = t->conf.fastpath.cores_max,
		.cores_min = t->conf.fastpath.cores_min,
		.flows_max = t->conf.memory.flows_max,
		.apps_max = t->conf.memory.apps_max,
		.delack_us = { t->conf.tcp.delack_ms * 1000, conf_delack_answer_us(&t->conf.tcp) },
		.idle_us = t->conf.fastpath.idle_ms * 1000,
		.rto = conf_rto(&t->conf.tcp),
		.restart_segments = t->conf.tcp.initial_cwnd,
		.numa_node = rte_eth_dev_socket_id(t->ethdev),
		.name = t->conf.tasd.instance,
	};
	char err[ERR_MAX] = "";

	arc4random_buf(fc.secret, sizeof(fc.secret));
	wake_fp_ops(&t->wake, &ops);
	return told(fp_create(&t->fp, &fc, &t->port, t->pool, &ops, err, sizeof(err)), err);
}

static void fast_path_give(struct tasd *t) { fp_destroy(&t->fp); }

static int apps_take(struct tasd *t)
{
	struct app_ops ops = sp_app_ops(&t->sp);
	struct app_rim rim;

	wake_app_rim(&t->wake, &rim);
	if (no_memory(region_guard_install(), "the SIGBUS handler") != 0)
		return -1;
	if (no_memory(apps_init(&t->apps, &t->fp, &t->conf, &ops, &rim), "[memory] apps_max applications") !=
		0)
		return -1;
	t->apps.undertaker = undertaker_new(1, 1);
	if (t->apps.undertaker != NULL)
		return 0;
	apps_fini(&t->apps);
	return no_memory(-EAGAIN, "a thread that gives memory back");
}

static void apps_give(struct tasd *t) { apps_fini(&t->apps); }

static int slow_path_take(struct tasd *t)
{
	struct sp_conf sc = { .fp = &t->fp, .conf = &t->conf, .apps = &t->apps, .now = tasd_now(t) };
	char err[ERR_MAX] = "";
	int rc;

	arc4random_buf(sc.secrets, sizeof(sc.secrets));
	rc = sp_create(&t->sp, &sc, err, sizeof(err));
	explicit_bzero(sc.secrets, sizeof(sc.secrets));
	return told(rc, err);
}

static void slow_path_give(struct tasd *t) { sp_destroy(&t->sp); }

/* --- the control socket --- */

static int control_take(struct tasd *t)
{
	char err[ERR_MAX] = "", path[CTL_PATH_MAX];
	struct ctl_conf cc = {
		.path = path,
		.mode = t->conf.tasd.socket_mode,
		.apps = &t->apps,
		.query = { .fp = &t->fp,
			.apps = &t->apps,
			.conf = &t->conf,
			.listeners = t->sp.listeners,
			.started = tasd_now(t) },
	};

	if (daemon_socket_group(&t->conf, &cc.gid) != 0)
		return -1;
	ctl_path(&t->conf, path, sizeof(path));
	return told(ctl_start(&t->ctl, &cc, err, sizeof(err)), err);
}

static void control_give(struct tasd *t) { ctl_stop(t->ctl); }

/* --- cores --- */

static void cores_stop(struct tasd *t, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		core_loop_stop(&t->core[i]);
	for (uint32_t i = 0; i < n; i++) {
		rte_eal_wait_lcore(eal_lcore_of(i));
		core_loop_fini(&t->core[i]);
	}
}

static int cores_take(struct tasd *t)
{
	for (uint32_t i = 0; i < t->fp.conf.cores; i++) {
		int rc;

		core_loop_init(&t->core[i], t->fp.core[i], &t->wake);
		rc = rte_eal_remote_launch(core_loop_run, &t->core[i], eal_lcore_of(i));
		if (rc == 0)
			continue;
		core_loop_fini(&t->core[i]);
		cores_stop(t, i);
		tas_log(TAS_LOG_ERROR,
			"there is no lcore %u for fast-path core %u (%s): take lcore options out of the EAL "
			"arguments",
			eal_lcore_of(i), i, strerror(-rc));
		return -1;
	}
	return 0;
}

static void cores_give(struct tasd *t) { cores_stop(t, t->fp.conf.cores); }

/* --- what the main loop sleeps on --- */

static int watch(struct tasd *t, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(t->epfd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int loop_take(struct tasd *t)
{
	int rc;

	t->epfd = epoll_create1(EPOLL_CLOEXEC);
	rc = t->epfd >= 0 ? watch(t, t->wake.slow_fd) : -errno;
	if (rc == 0)
		rc = watch(t, ctl_fd(t->ctl));
	if (rc != 0 && t->epfd >= 0)
		close(t->epfd);
	return no_memory(rc, "the main loop");
}

static void loop_give(struct tasd *t) { close(t->epfd); }

/* --- all of it, in order --- */

static const struct {
	int (*take)(struct tasd *t);
	void (*give)(struct tasd *t);
} steps[] = {
	{ device_take, device_give },
	{ pool_take, pool_give },
	{ port_take, port_give },
	{ wake_take, wake_give },
	{ fast_path_take, fast_path_give },
	{ apps_take, apps_give },
	{ slow_path_take, slow_path_give },
	{ control_take, control_give },
	{ loop_take, loop_give },
	{ cores_take, cores_give },
};

void tasd_stop(struct tasd *t)
{
	while (t->steps > 0)
		steps[--t->steps].give(t);
}

int tasd_start(struct tasd *t, const struct tas_conf *conf)
{
	*t = (struct tasd){ .conf = *conf, .tsc = tsc_scale_of(rte_get_tsc_hz()) };
	for (; t->steps < ARRAY_LEN(steps); t->steps++)
		if (steps[t->steps].take(t) != 0) {
			tasd_stop(t);
			return -1;
		}
	return 0;
}

/* --- the main loop --- */

/* Says that it sleeps, looks once more, and only then does: a core that publishes something afterwards sees a
 * sleeper and wakes it. Returns how many descriptors want something. */
static int wait_for_work(struct tasd *t, tas_ns deadline, struct epoll_event *events)
{
	tas_ns now = tasd_now(t), wait = deadline > now ? deadline - now : 0;
	struct timespec ts;
	int n;

	atomic_store_explicit(&t->fp.slow_asleep, 1, memory_order_relaxed);
	/* pairs with the fence of core_flush(): the core sees us asleep, or we see what it published */
	atomic_thread_fence(memory_order_seq_cst);
	if (sp_has_work(&t->sp))
		wait = 0;
	ts = (struct timespec){ .tv_sec = (time_t)(wait / NS_PER_SEC), .tv_nsec = (long)(wait % NS_PER_SEC) };
	n = epoll_pwait2(t->epfd, events, READY_MAX, deadline == TAS_NS_NEVER && wait > 0 ? NULL : &ts, NULL);
	atomic_store_explicit(&t->fp.slow_asleep, 0, memory_order_relaxed);
	return n;
}

struct ready {
	bool stop, control;
};

static struct ready sort_ready(struct tasd *t, const struct epoll_event *events, int n, int stop_fd)
{
	struct ready r = { 0 };

	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == t->wake.slow_fd)
			wake_slow_drain(&t->wake);
		else if (events[i].data.fd == stop_fd)
			r.stop = true;
		else
			r.control = true;
	}
	return r;
}

/* The slow path does not spin: all CPU time of its thread is time it worked. */
static void count_busy(struct tasd *t)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	t->fp.slow->counter[CNT_SLOW_BUSY_NS] = (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Peers learn that nobody is here any more, and applications that their connections are reset; cores still
 * run. A port that takes nothing more does not keep us. */
static void connections_end(struct tasd *t)
{
	tas_ns now = tasd_now(t), end = now + END_PATIENCE;
	uint32_t at = 0;

	for (; sp_end_connections(&t->sp, &at, SP_END_BURST, now) && now < end; now = tasd_now(t))
		if (fp_send_room(&t->fp) < SP_END_BURST || at == t->fp.conf.flows_max)
			usleep(END_NAP_US);
}

void tasd_run(struct tasd *t, int stop_fd, bool (*stop)(void *arg), void *arg)
{
	struct epoll_event events[READY_MAX];
	struct ready ready = { 0 };

	if (no_memory(watch(t, stop_fd), "the main loop") != 0)
		return;
	while (!ready.stop || !stop(arg)) {
		tas_ns now = tasd_now(t), deadline;

		sp_poll(&t->sp, now);
		deadline = sp_deadline(&t->sp);
		/* what a request caused is sent by the slow path's next pass */
		if ((ready.control || now >= ctl_deadline(t->ctl)) && ctl_poll(t->ctl, now) > 0)
			deadline = now;
		deadline = min_u64(deadline, ctl_deadline(t->ctl));
		count_busy(t);
		ready = sort_ready(t, events, wait_for_work(t, deadline, events), stop_fd);
	}
	connections_end(t);
}
