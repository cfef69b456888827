/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_cc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/base/assert.h"
#include "tests/sim/sim_app.h"
#include "tests/sim/sim_host.h"

enum { HOSTS = 2, CHUNK = 65536, RINGS = 16 << 20 };

#define BEGIN_NS (1000 * NS_PER_SEC)

struct run {
	const struct cc_scene *s;
	struct trace trace;
	struct net net;
	struct host host[HOSTS];
	struct app_world world;
	tas_ns now, see_at;
	double queue_sum; /* bytes * s */
	uint32_t queue_max;
};

static struct run *current;

static tas_ns since_begin(const struct run *r) { return r->now - BEGIN_NS; }

/* --- wiring --- */

static bool dark(const struct run *r)
{
	const struct cc_scene *s = r->s;

	return since_begin(r) >= s->blackout_at && since_begin(r) < s->blackout_at + s->blackout_for;
}

static bool on_deliver(void *arg, unsigned to, const uint8_t *bytes, uint32_t len)
{
	struct run *r = arg;

	return dark(r) || host_deliver(&r->host[to], bytes, len);
}

static void on_watch(void *arg, unsigned host, bool sent, const uint8_t *bytes, uint32_t len)
{
	(void)arg, (void)host, (void)sent, (void)bytes, (void)len;
}

static void on_context_woken(void *arg, int fd) { app_world_woken(&current->world, arg, fd); }

static bool is_dctcp(const struct cc_scene *s)
{
	return s->flow[0].congestion != NULL && strcmp(s->flow[0].congestion, "dctcp") == 0;
}

static void host_begin(struct run *r, unsigned i)
{
	const struct cc_scene *s = r->s;
	struct tas_conf conf;
	struct link_model *m = &r->net.end[i].model;

	conf_defaults(&conf);
	conf.tcp.mtu_probing =
		false; /* losses in a row would make segments smaller, in which windows are counted */
	conf.port.mtu = 1500;
	conf.fastpath.cores_max = conf.fastpath.cores_min = 1;
	conf.port.rx_descriptors = conf.port.tx_descriptors = 4096;
	conf.fastpath.idle_ms = 1;
	conf.memory.flows_max = 64;
	conf.memory.apps_max = 2;
	conf.memory.app_memory_max = 1ull << 30;
	conf.memory.app_flows_max = 64;
	conf.memory.app_contexts_max = 4;
	conf.memory.rx_buffer = conf.memory.tx_buffer = RINGS;
	if (s->const_rate != 0)
		conf.tcp.const_rate = s->const_rate;
	conf.tcp.ecn = s->mark_above != 0;
	if (i == 1 && is_dctcp(s)) /* a receiver that echoes marks as RFC 8257 wants it */
		snprintf(conf.tcp.congestion, sizeof(conf.tcp.congestion), "dctcp");
	host_open(&r->host[i], i, &conf, &r->net, s->seed * 31 + i, r->now);
	*m = (struct link_model){ .delay = s->rtt / 2,
		.jitter = i == 0 ? s->jitter : 0,
		.reorder = i == 0 ? s->reorder_ppm : 0,
		.reorder_by = s->reorder_by,
		.loss = i == 0 ? s->loss_ppm : s->ack_loss_ppm };
	if (i == 0) {
		m->rate = s->rate;
		m->queue = s->queue;
		m->mark_above = s->mark_above;
	}
	r->host[i].context_woken = on_context_woken;
	r->host[i].arg = &r->host[i];
}

static void world_begin(struct run *r)
{
	struct app_world *w = &r->world;
	const struct cc_scene *s = r->s;

	w->w = (struct end_world){ .trace = &r->trace,
		.now = r->now,
		.patience = TAS_NS_NEVER,
		.asks_lost = r->net.asks_lost };
	w->peer_host = HOSTS;
	w->nprocs = HOSTS;
	w->nplans = s->flows;
	for (unsigned i = 0; i < HOSTS; i++) {
		struct app_proc *p = &w->proc[i];

		p->p = (struct sim_proc){ .api = &sim_lib, .host = &r->host[i], .contexts = 1 };
		rand_seed(&p->p.rand, s->seed * 77 + i);
		p->sleeps = true;
		p->dies = TAS_NS_NEVER;
		p->backlog = CC_SCENE_FLOWS_MAX;
	}
	for (unsigned i = 0; i < s->flows; i++)
		w->plan[i] = (struct plan){ .client = 0,
			.server = 1,
			.start = BEGIN_NS + s->flow[i].start,
			.may_fail = true,
			.congestion = s->flow[i].congestion,
			.side = { { .bytes = s->flow[i].bytes != 0 ? s->flow[i].bytes : UINT64_MAX >> 1,
					  .chunk = CHUNK,
					  .read_chunk = CHUNK,
					  .end = END_SHUT },
				{ .chunk = CHUNK, .read_chunk = CHUNK, .end = END_WAIT } } };
	app_world_begin(w);
}

static void begin(struct run *r)
{
	r->now = BEGIN_NS;
	trace_begin(&r->trace, NULL, r->now);
	hosts_speak(false);
	net_begin(&r->net, r->s->seed, HOSTS, &r->trace);
	r->net.deliver = on_deliver;
	r->net.watch = on_watch;
	r->net.arg = r;
	for (unsigned i = 0; i < HOSTS; i++)
		host_begin(r, i);
	world_begin(r);
}

static void end(struct run *r)
{
	app_world_end(&r->world);
	net_end(&r->net);
	for (unsigned i = 0; i < HOSTS; i++)
		host_close(&r->host[i]); /* connections were cut off: packet buffers may be out */
}

/* --- time --- */

static tas_ns step_of(const struct cc_scene *s)
{
	return min_u64(max_u64(s->rtt / 100, NS_PER_US), 20 * NS_PER_US);
}

/* As host_deadline(), but for the passes of a core that is awake and finds nothing: they change nothing, and
 * there are millions of them. */
static tas_ns deadline_of(const struct host *h)
{
	return min_u64(core_deadline(h->fp.core[0]), sp_deadline(&h->sp));
}

static void step(struct run *r)
{
	const struct link_end *e = &r->net.end[0];
	uint32_t queue = net_queue(e, r->now);
	unsigned work = net_deliver(&r->net, r->now);
	tas_ns next = r->now + step_of(r->s);

	r->trace.now = r->now;
	for (unsigned i = 0; i < HOSTS; i++)
		work += host_poll(&r->host[i], r->now);
	work += app_world_poll(&r->world, r->now);
	if (work == 0) {
		tas_ns due = min_u64(net_deadline(&r->net), app_world_deadline(&r->world, r->now));

		for (unsigned i = 0; i < HOSTS; i++)
			due = min_u64(due, deadline_of(&r->host[i]));
		next = max_u64(next, due);
	}
	next = min_u64(next, max_u64(r->see_at, r->now + 1));
	r->queue_sum += queue * (double)(next - r->now) / 1e9;
	r->queue_max = max_u32(r->queue_max, queue);
	r->now = next;
}

static bool sees(struct run *r)
{
	if (r->now < r->see_at)
		return true;
	r->see_at += r->s->every;
	return r->s->see == NULL || r->s->see(r->s->arg, since_begin(r));
}

/* --- what is seen --- */

static int flow_of(const struct run *r, unsigned flow)
{
	const struct fastpath *fp = &r->host[0].fp;
	uint16_t port = r->world.plan[flow].local_port;

	for (uint32_t id = 0; id < fp->conf.flows_max; id++)
		if (((TCP_STATES_FAST >> fp->flows[id].state) & 1) && port != 0 &&
			be16toh(fp->cold[id].key.local_port) == port)
			return (int)id;
	return -1;
}

struct cc_view cc_scene_view(unsigned flow)
{
	const struct run *r = current;
	int id = flow_of(r, flow);
	struct cc_view v = { .delivered = r->world.end[flow][1].read };

	if (id >= 0) {
		const struct flow *f = &r->host[0].fp.flows[id];
		const struct flow_cold *k = &r->host[0].fp.cold[id];

		v.open = true;
		v.acked = k->delivered;
		v.sent = k->bytes_out;
		v.again = k->bytes_rtx;
		v.cwnd = f->cwnd;
		v.inflight = f->tx_inflight;
		v.srtt_us = f->srtt_us >> 3;
		v.min_rtt_us = k->min_rtt_lately_us;
		v.rate = f->pace_q16 != 0 ? (NS_PER_SEC << 16) / f->pace_q16 : 0;
		v.timeouts = k->timeouts;
		v.recoveries = k->recoveries;
		v.una = f->tx_una;
	}
	return v;
}

uint32_t cc_scene_queue(void) { return net_queue(&current->net.end[0], current->now); }

void cc_scene_run(const struct cc_scene *s, struct cc_outcome *out)
{
	struct run *r = calloc(1, sizeof(*r));

	TAS_ASSERT(r != NULL && s->flows <= CC_SCENE_FLOWS_MAX);
	current = r;
	r->s = s;
	begin(r);
	r->see_at = r->now + s->every;
	while (since_begin(r) < s->duration && sees(r))
		step(r);
	*out = (struct cc_outcome){ .lost_queue = r->net.end[0].stats.queue_full,
		.lost_other = r->net.end[0].stats.lost - r->net.end[0].stats.queue_full,
		.queue_mean = r->queue_sum / ((double)since_begin(r) / 1e9),
		.queue_max = r->queue_max };
	for (unsigned i = 0; i < s->flows; i++)
		out->delivered[i] = cc_scene_view(i).delivered;
	end(r);
	current = NULL;
	free(r);
}
