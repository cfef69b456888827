/* SPDX-License-Identifier: BSD-3-Clause */
/* app_rig.h - a registry of applications over a data path without a port, and connections' side that only
 * writes down what it is asked. */
#ifndef TAS_TESTS_APP_RIG_H
#define TAS_TESTS_APP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "slowpath/app.h"
#include "slowpath/app_flow.h"
#include "tests/unit/eal_rig.h"

enum { RIG_CORES = 2, RIG_FLOWS = 8192, RIG_APPS = 8, RIG_IDS = 1024 };

static uint32_t rig_apps_max = RIG_APPS; /* for the rigs made from here on */
static uid_t rig_uid;                    /* whose processes attach */
static uint64_t rig_memory_max = 8 << 20, rig_all_memory_max;

struct app_rig {
	struct tas_conf conf;
	struct fastpath fp;
	struct apps apps;
	tas_ns now;
	/* what the connections' side was asked, by listener id or flow */
	uint64_t next_id;
	unsigned listens, arms, joined[RIG_IDS], left[RIG_IDS], closed[RIG_IDS];
	uint64_t armed_id;
	unsigned flow_closes[RIG_FLOWS];
	enum app_close how[RIG_FLOWS];
	bool keep_closed_flows; /* their data is still on its way */
	int refuse_listen, refuse_join;
};

static inline int rig_listen(void *arg, uint16_t app TAS_UNUSED, struct ctl_listen *l)
{
	struct app_rig *r = arg;

	if (r->refuse_listen != 0)
		return r->refuse_listen;
	r->listens++;
	if (l->id == 0)
		l->id = ++r->next_id;
	return 0;
}

static inline int rig_arm(void *arg, uint16_t app TAS_UNUSED, const struct ctl_listen *l)
{
	struct app_rig *r = arg;

	r->arms++;
	r->armed_id = l->id;
	return 0;
}

static inline int rig_join(void *arg, uint16_t app TAS_UNUSED, uint64_t id, uint32_t cookie TAS_UNUSED)
{
	struct app_rig *r = arg;

	r->joined[id]++;
	return r->refuse_join;
}

static inline void rig_leave(void *arg, uint16_t app TAS_UNUSED, uint64_t id)
{
	((struct app_rig *)arg)->left[id]++;
}

static inline void rig_close_listener(void *arg, uint64_t id) { ((struct app_rig *)arg)->closed[id]++; }

/* A connection whose peer is 192.0.2.2:5678. */
static inline uint32_t rig_flow(struct app_rig *r)
{
	uint32_t id = flow_alloc(&r->fp);

	assert_int_not_equal(id, FLOW_NONE);
	r->fp.cold[id].key = (struct flow_key){
		.local = addr_v4(htobe32(0xc0000201)),
		.remote = addr_v4(htobe32(0xc0000202)),
		.local_port = htobe16(1234),
		.remote_port = htobe16(5678),
	};
	r->fp.flows[id].mss = 1448;
	r->fp.flows[id].state = TCP_ESTABLISHED;
	r->flow_closes[id] = 0;
	return id;
}

static inline int rig_connect(void *arg, uint16_t app, struct ctl_connect *c)
{
	struct app_rig *r = arg;
	uint32_t id = rig_flow(r);
	struct app_flow_spec spec = { .app = app,
		.ctx = (uint16_t)c->context,
		.rx_size = c->options.rx_size,
		.tx_size = c->options.tx_size,
		.listener = ABI_LISTENER_NONE };
	int error = app_flow_attach(&r->apps, id, &spec);

	c->flow = id;
	c->gen = r->fp.flows[id].gen;
	c->rec = r->fp.flows[id].rec;
	if (error != 0)
		flow_remove(&r->fp, id);
	return -error;
}

static inline int rig_route(void *arg TAS_UNUSED, struct ctl_connect *c)
{
	c->prefix_len = 120;
	return 0;
}

static inline int rig_info(void *arg, uint32_t flow, struct ctl_info *info)
{
	struct app_rig *r = arg;

	info->state = r->fp.flows[flow].state;
	info->snd_mss = r->fp.flows[flow].mss;
	info->cwnd_bytes = 14480;
	info->rtt_us = 1234;
	strcpy(info->congestion, "cubic");
	return 0;
}

static inline int rig_listener_info(void *arg TAS_UNUSED, uint64_t id, struct ctl_info *info)
{
	info->queued = (uint32_t)id;
	return 0;
}

static inline void rig_flow_done(struct app_rig *r, uint32_t flow)
{
	app_flow_free_buffers(&r->apps, flow);
	flow_remove(&r->fp, flow);
}

static inline int rig_options(void *arg TAS_UNUSED, uint32_t flow TAS_UNUSED,
	const struct ctl_options *options TAS_UNUSED)
{
	return 0;
}

static inline void rig_close_flow(void *arg, uint32_t flow, enum app_close how)
{
	struct app_rig *r = arg;

	r->flow_closes[flow]++;
	r->how[flow] = how;
	app_flow_detach(&r->apps, flow);
	if (!r->keep_closed_flows)
		rig_flow_done(r, flow);
}

static inline void rig_settle_flow(void *arg TAS_UNUSED, uint32_t flow TAS_UNUSED) {}

static inline struct app_ops rig_ops(struct app_rig *r)
{
	return (struct app_ops){
		.arg = r,
		.listen = rig_listen,
		.arm = rig_arm,
		.join = rig_join,
		.leave = rig_leave,
		.close_listener = rig_close_listener,
		.connect = rig_connect,
		.route = rig_route,
		.info = rig_info,
		.listener_info = rig_listener_info,
		.options = rig_options,
		.settle_flow = rig_settle_flow,
		.close_flow = rig_close_flow,
	};
}

/* `rim` may be NULL: no descriptors, as in a simulation. */
static inline struct app_rig *rig_new_with(const struct app_rim *rim)
{
	static struct app_rig r;
	struct app_rim none = { 0 };
	struct app_ops ops = rig_ops(&r);
	struct fp_conf fc = { .cores = RIG_CORES,
		.flows_max = RIG_FLOWS,
		.apps_max = rig_apps_max,
		.numa_node = -1,
		.name = "rig" };
	char err[256];

	memset(&r, 0, sizeof(r));
	r.now = NS_PER_SEC;
	strcpy(r.conf.tasd.instance, "rig");
	strcpy(r.conf.port.device, "net_null0");
	r.conf.fastpath.cores_max = RIG_CORES;
	r.conf.memory.flows_max = RIG_FLOWS;
	r.conf.memory.rx_buffer = 64 << 10;
	r.conf.memory.tx_buffer = 32 << 10;
	r.conf.memory.apps_max = rig_apps_max;
	r.conf.memory.memory_max = rig_all_memory_max;
	r.conf.memory.app_memory_max = rig_memory_max;
	r.conf.memory.app_flows_max = 2048;
	r.conf.memory.app_contexts_max = 4;
	assert_int_equal(fp_create(&r.fp, &fc, NULL, NULL, NULL, err, sizeof(err)), 0);
	assert_int_equal(apps_init(&r.apps, &r.fp, &r.conf, &ops, rim != NULL ? rim : &none), 0);
	r.apps.cost.left = UINT32_MAX; /* until somebody begins a pass */
	return &r;
}

static inline struct app_rig *rig_new(void) { return rig_new_with(NULL); }

static inline void rig_end(struct app_rig *r)
{
	apps_fini(&r->apps);
	fp_destroy(&r->fp);
}

/* Every core and the slow path make a pass. */
static inline unsigned rig_pass(struct app_rig *r)
{
	for (unsigned i = 0; i < RIG_CORES; i++)
		rte_rcu_qsbr_quiescent(r->fp.qsbr, i);
	fp_reclaim(&r->fp);
	r->now += NS_PER_MS;
	return apps_poll(&r->apps, r->now);
}

/* Its process ends, and its last words are heard. */
static inline void rig_dies(struct app_rig *r, uint16_t app)
{
	app_detach(&r->apps, app);
	rig_pass(r);
}

static inline struct ctl_hello rig_hello(void)
{
	return (struct ctl_hello){
		.magic = ABI_MAGIC,
		.major = ABI_MAJOR,
		.minor = ABI_MINOR,
		.header_size = sizeof(struct abi_header),
		.rec_size = sizeof(struct abi_flow_rec),
		.bell_size = sizeof(struct abi_bell),
		.context_size = sizeof(struct abi_context),
		.program = "test",
	};
}

static inline uint16_t rig_greet(struct app_rig *r, uint64_t token)
{
	struct app_who who = { .pid = getpid(), .uid = rig_uid, .program = "test" };
	struct ctl_hello h = rig_hello();
	char why[256];
	uint16_t app;

	h.fork_token = token;
	assert_int_equal(app_hello(&r->apps, &h, &who, r->now, &app, why, sizeof(why)), 0);
	return app;
}

static inline uint16_t rig_attach_as_child(struct app_rig *r, uint64_t token)
{
	uint16_t app = rig_greet(r, token);
	char why[256];

	assert_int_equal(app_mapped(&r->apps, app, why, sizeof(why)), 0);
	return app;
}

static inline uint16_t rig_attach(struct app_rig *r) { return rig_attach_as_child(r, 0); }

/* These two take as many passes as it needs. */
static inline int rig_context_add(struct app_rig *r, uint16_t app, struct ctl_context *c, int *fd)
{
	int error;

	do {
		r->apps.cost.pass++;
		error = app_context_add(&r->apps, app, c, fd);
	} while (error == APP_LATER);
	return error;
}

static inline int rig_flow_attach(struct app_rig *r, uint32_t flow, const struct app_flow_spec *spec)
{
	int error;

	do {
		r->apps.cost.pass++;
		error = app_flow_attach(&r->apps, flow, spec);
	} while (error == -EAGAIN);
	return error;
}

static inline uint64_t rig_context(struct app_rig *r, uint16_t app)
{
	struct ctl_context c = { 0 };
	int fd;

	assert_int_equal(rig_context_add(r, app, &c, &fd), 0);
	return c.off;
}

/* An application with one context. */
static inline uint16_t rig_app(struct app_rig *r)
{
	uint16_t app = rig_attach(r);

	rig_context(r, app);
	return app;
}

static inline int rig_try_flow(struct app_rig *r, uint16_t app, uint32_t *flow)
{
	struct app_flow_spec spec = { .app = app, .listener = ABI_LISTENER_NONE };

	*flow = rig_flow(r);
	return rig_flow_attach(r, *flow, &spec);
}

static inline uint32_t rig_attached_flow(struct app_rig *r, uint16_t app)
{
	uint32_t flow;

	assert_int_equal(rig_try_flow(r, app, &flow), 0);
	return flow;
}

/* Resident memory of this process. */
static inline uint64_t rig_rss_kib(void)
{
	unsigned long size, rss;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_int_equal(fscanf(f, "%lu %lu", &size, &rss), 2);
	fclose(f);
#ifdef __SANITIZE_ADDRESS__
	return 0; /* it keeps what was freed */
#else
	return rss * 4;
#endif
}

static inline struct abi_flow_rec *rig_rec(struct app_rig *r, uint32_t flow)
{
	return app_rec(&r->fp.apps[r->fp.flows[flow].app], r->fp.flows[flow].rec);
}

#endif
