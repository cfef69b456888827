/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_run.h"

#include <stdlib.h>
#include <string.h>

#include "include/base/assert.h"
#include "tests/sim/sim_draw.h"
#include "tests/sim/sim_host.h"
#include "tests/sim/sim_lwip.h"
#include "tests/sim/sim_oracle.h"
#include "tests/sim/sim_villain.h"

enum { TAIL = 60, CHECK_EVERY = 1 };

#define LIFE_NS (4 * 3600 * NS_PER_SEC) /* longer takes a run only as long as something is acknowledged */
#define LIVES_MAX 10
#define STILL_NS (600 * NS_PER_SEC) /* at least so often: five times the longest timeout */
#define PATIENCE_NS (30 * NS_PER_SEC)

struct run {
	uint64_t seed;
	struct draw d;
	struct trace trace;
	struct net net;
	struct host host[LINK_HOSTS_MAX];
	struct app_world world;
	struct oracle oracle;
	bool hostile;
	enum draw_other other;
	struct peer peer;
	struct peer_conn conn[PLANS_MAX];
	struct villain villain[LINK_HOSTS_MAX];
	tas_ns now, life_end;
	uint64_t acked; /* at the last look, at the end of a life that was then made longer */
	uint64_t steps;
};

static struct run *current; /* for sim_run_dying() */

/* --- wiring --- */

static bool on_deliver(void *arg, unsigned to, const uint8_t *bytes, uint32_t len)
{
	struct run *r = arg;

	if (to < r->d.hosts)
		return host_deliver(&r->host[to], bytes, len);
	if (r->other == OTHER_PEER)
		peer_in(&r->peer, bytes, len, r->now);
	else
		lwip_host_in(bytes, len, r->now);
	return true;
}

static void on_watch(void *arg, unsigned host, bool sent, const uint8_t *bytes, uint32_t len)
{
	oracle_wire(&((struct run *)arg)->oracle, host, sent, bytes, len);
}

static void on_context_woken(void *arg, int fd)
{
	struct host *h = arg;

	app_world_woken(&current->world, h, fd);
}

/* What a villain may have is bounded; besides that there must be enough for everybody. */
static void make_room(struct tas_conf *conf)
{
	conf->memory.flows_max = ORACLE_FLOWS_MAX;
	conf->memory.app_flows_max = 256;
	conf->tcp.time_wait_ms = min_u32(conf->tcp.time_wait_ms, 500);
	conf->tcp.fin_wait2_ms = min_u32(conf->tcp.fin_wait2_ms, 500);
}

/* Of its host lwIP's processes know the number, and nothing else. */
static void other_begin(struct run *r)
{
	unsigned index = r->d.hosts;

	r->host[index].index = index;
	r->net.end[index].mac = host_mac(index);
	r->net.end[index].model = r->d.other_link;
	if (r->other == OTHER_LWIP)
		lwip_host_begin(&r->net, index, host_addr(index), r->seed * 3, r->now);
}

static void hosts_begin(struct run *r)
{
	hosts_speak(r->d.v6);
	net_begin(&r->net, r->seed ^ 0x6e6574, r->d.hosts + (r->other != OTHER_NONE), &r->trace);
	r->net.deliver = on_deliver;
	r->net.watch = on_watch;
	r->net.arg = r;
	for (unsigned i = 0; i < r->d.hosts; i++) {
		const struct draw_host *dh = &r->d.host[i];
		struct host *h = &r->host[i];

		if (r->hostile)
			make_room(&r->d.host[i].conf);
		host_open(h, i, &dh->conf, &r->net, r->seed * 31 + i, r->now);
		r->net.end[i].model = dh->link;
		h->context_woken = on_context_woken;
		h->arg = h;
		h->stall_ppm = dh->stall_ppm;
		h->stall_max = dh->stall_max;
		h->busy_percent = dh->busy_percent;
		h->resteer_ppm = dh->resteer_ppm;
		h->starve_ppm = dh->starve_ppm;
		h->bereave_ppm = dh->bereave_ppm;
		h->jam_ppm = dh->jam_ppm;
	}
	oracle_begin(&r->oracle, r->host, r->d.hosts);
	r->oracle.hostile = r->hostile;
	for (unsigned i = 0; i < r->d.hosts && r->hostile; i++)
		villain_begin(&r->villain[i], &r->host[i], (i + 1) % r->d.hosts, r->seed * 13 + i);
	if (r->other != OTHER_NONE)
		other_begin(r);
}

static void peers_begin(struct run *r)
{
	struct app_world *w = &r->world;

	r->peer.conn = r->conn;
	peer_begin(&r->peer, &r->net, r->d.hosts, &w->w, r->seed * 3);
	r->peer.v6 = r->d.v6;
	r->peer.fin_wait2 = r->d.host[0].conf.tcp.fin_wait2_ms * NS_PER_MS;
	for (unsigned i = 0; i < w->nplans; i++) {
		unsigned side = w->plan[i].server == PROC_PEER;
		unsigned proc = side == 1 ? w->plan[i].client : w->plan[i].server;

		r->conn[i].h = r->d.habits[i];
		peer_take(&r->peer, &w->plan[i], &w->end[i][side], w->proc[proc].port,
			be32toh(host_addr(w->proc[proc].p.host->index).w[3]));
	}
}

static void world_begin(struct run *r)
{
	struct app_world *w = &r->world;

	memset(w, 0, sizeof(*w));
	w->w = (struct end_world){ .trace = &r->trace,
		.now = r->now,
		.patience = PATIENCE_NS,
		.asks_lost = r->net.asks_lost };
	w->stall_ppm = r->d.app_stall_ppm;
	w->stall_max = r->d.app_stall_max;
	w->peer_host = r->d.hosts;
	w->nprocs = r->d.procs;
	w->nplans = r->d.nplans;
	memcpy(w->plan, r->d.plan, sizeof(w->plan));
	for (unsigned i = 0; i < w->nprocs; i++) {
		struct sim_proc *p = &w->proc[i].p;

		p->api = r->d.proc[i].host >= r->d.hosts ? &sim_lwip : r->d.proc[i].lib ? &sim_lib : &sim_raw;
		p->host = &r->host[r->d.proc[i].host];
		p->contexts = r->d.proc[i].contexts;
		rand_seed(&p->rand, r->seed * 77 + i);
		w->proc[i].sleeps = r->d.proc[i].sleeps;
		w->proc[i].dies = r->d.proc[i].dies;
		w->proc[i].backlog = r->d.proc[i].backlog;
	}
	app_world_begin(w);
	if (r->other == OTHER_PEER)
		peers_begin(r);
}

/* --- time --- */

static tas_ns deadline(const struct run *r)
{
	tas_ns next = min_u64(net_deadline(&r->net), app_world_deadline(&r->world, r->now));

	for (unsigned i = 0; i < r->d.hosts; i++)
		next = min_u64(next, host_deadline(&r->host[i], r->now));
	if (r->other == OTHER_PEER)
		next = min_u64(next, peer_deadline(&r->peer));
	else if (r->other == OTHER_LWIP)
		next = min_u64(next, lwip_host_deadline());
	for (unsigned i = 0; i < r->d.hosts && r->hostile; i++)
		next = min_u64(next, villain_deadline(&r->villain[i]));
	return next;
}

static bool is_alive(struct run *r)
{
	uint64_t acked = 0;

	if (r->now < r->life_end)
		return true;
	if (r->now - r->d.begin >= LIVES_MAX * LIFE_NS)
		return false;
	for (unsigned i = 0; i < r->d.hosts; i++)
		for (uint32_t id = 0; id < r->host[i].fp.conf.flows_max; id++)
			acked += r->host[i].fp.flows[id].tx_una + r->host[i].fp.flows[id].rx_nxt;
	if (acked == r->acked)
		return false;
	r->acked = acked;
	r->life_end += STILL_NS;
	return true;
}

/* False when nothing will ever happen again. */
static bool step(struct run *r)
{
	unsigned work;
	tas_ns next;

	r->trace.now = r->oracle.now = r->now;
	work = net_deliver(&r->net, r->now);
	for (unsigned i = 0; i < r->d.hosts; i++)
		work += host_poll(&r->host[i], r->now);
	work += app_world_poll(&r->world, r->now);
	if (r->other == OTHER_PEER)
		work += peer_poll(&r->peer, r->now);
	else if (r->other == OTHER_LWIP)
		work += lwip_host_poll(r->now);
	for (unsigned i = 0; i < r->d.hosts && r->hostile; i++)
		villain_turn(&r->villain[i], r->now);
	oracle_step(&r->oracle);
	r->steps++;
	if (r->world.w.failed)
		oracle_found(&r->oracle, "an application saw something wrong: see FAILED above");
	next = r->now + r->d.step;
	if (work == 0)
		next = max_u64(next, deadline(r));
	if (next == TAS_NS_NEVER)
		return false;
	r->now = next;
	return is_alive(r);
}

static bool run_until(struct run *r, bool (*done)(struct run *r))
{
	while (r->oracle.what[0] == '\0') {
		if (done(r))
			return true;
		if (!step(r))
			return false;
	}
	return false;
}

/* --- the course of a run --- */

static bool all_closed(struct run *r) { return app_world_done(&r->world); }

static bool flows_free(struct run *r)
{
	for (unsigned i = 0; i < r->d.hosts; i++)
		if (r->host[i].fp.nr_free != r->host[i].fp.conf.flows_max)
			return false;
	return true;
}

static bool apps_free(struct run *r)
{
	for (unsigned i = 0; i < r->d.hosts; i++)
		if (r->host[i].apps.nr_free != r->host[i].conf.memory.apps_max ||
			host_mbufs_out(&r->host[i]) != 0)
			return false;
	return r->net.waiting == 0;
}

/* Where connections that did not end stand. */
static void tell_open(struct run *r)
{
	for (unsigned i = 0; i < r->d.nplans; i++)
		for (unsigned s = 0; s < 2; s++) {
			const struct app_end *e = &r->world.end[i][s];
			const struct plan_side *m = &r->world.plan[i].side[s];

			if (e->state != ENDS_CLOSED)
				trace_note(&r->trace,
					"open: plan %u %s state %d wrote %lu of %lu, read %lu of %lu", i,
					s == 0 ? "client" : "server", e->state, e->written, m->bytes, e->read,
					r->world.plan[i].side[1 - s].bytes);
		}
	for (unsigned h = 0; h < r->d.hosts; h++)
		for (uint32_t id = 0; id < r->host[h].fp.conf.flows_max; id++) {
			const struct flow *f = &r->host[h].fp.flows[id];
			const struct flow_cold *k = &r->host[h].fp.cold[id];

			if (f->state != TCP_FREE || k->on_list != 0 || f->events != 0)
				trace_note(&r->trace,
					"%c's flow %u: port %u state %u flags %x ev %x una %lu fl %u av %u "
					"wnd %u cwnd %u unread %u adv %u list %x",
					r->host[h].letter, id, be16toh(k->key.local_port), f->state, f->flags,
					f->events, f->tx_una, f->tx_inflight, f->tx_avail, f->snd_wnd,
					f->cwnd, f->rx_unread, f->rx_adv, k->on_list);
		}
}

static bool phase(struct run *r, bool (*done)(struct run *r), const char *what)
{
	if (run_until(r, done))
		return true;
	if (r->oracle.what[0] == '\0') {
		tell_open(r);
		oracle_found(&r->oracle, "%s", what);
	}
	return false;
}

static void records_returned(struct run *r)
{
	for (unsigned i = 0; i < r->d.hosts; i++)
		for (unsigned a = 0; a < r->host[i].conf.memory.apps_max; a++) {
			const struct app_slot *s = &r->host[i].apps.slot[a];

			if (s->nr_recs != 0 || s->nr_rings != 0)
				oracle_found(&r->oracle, "%c's application %u keeps %u records and %u rings",
					r->host[i].letter, a, s->nr_recs, s->nr_rings);
		}
}

static void course(struct run *r)
{
	if (!phase(r, all_closed, "connections stand still"))
		return;
	app_world_unlisten(&r->world);
	for (unsigned i = 0; i < r->d.hosts && r->hostile; i++)
		villain_end(&r->villain[i]);
	if (!phase(r, flows_free, "flows are left when all is over"))
		return;
	records_returned(r);
	app_world_end(&r->world);
	if (phase(r, apps_free, "applications, frames or packet buffers are left"))
		oracle_end(&r->oracle);
}

static void hosts_end(struct run *r)
{
	if (r->other == OTHER_LWIP)
		lwip_host_end();
	net_end(&r->net);
	for (unsigned i = 0; i < r->d.hosts; i++)
		if (!host_close(&r->host[i]))
			oracle_found(&r->oracle, "%c leaked packet buffers", 'A' + i);
}

/* --- the outcome --- */

static void totals(struct run *r, struct sim_outcome *out)
{
	for (unsigned i = 0; i < r->d.hosts; i++) {
		const struct fastpath *fp = &r->host[i].fp;

		out->frames += r->net.end[i].stats.frames;
		out->faults += host_faults(&r->host[i]);
		out->deeds += r->villain[i].deeds;
		out->timeouts += fp_counter(fp, CNT_TCP_TIMEOUTS);
		out->again += fp_counter(fp, CNT_TCP_TX_RTX);
		out->dsacks += fp_counter(fp, CNT_TCP_RX_DSACKS);
		out->undone += fp_counter(fp, CNT_TCP_UNDONE_TIMEOUTS) +
			fp_counter(fp, CNT_TCP_UNDONE_RECOVERIES);
		out->recoveries += fp_counter(fp, CNT_TCP_FAST_RECOVERIES);
		if (r->d.kind != DRAW_LOSS || r->other != OTHER_NONE)
			continue;
		out->lost_payload += r->net.end[i].stats.lost_payload;
		out->rtx_payload += fp_counter(fp, CNT_TCP_TX_RTX_BYTES);
	}
	out->payload = r->world.w.payload;
	out->connections = r->d.nplans;
	out->virtual_ns = r->now - r->d.begin;
	out->steps = r->steps;
	out->hash = r->trace.hash;
}

static void tell_failure(struct run *r)
{
	trace_tail(&r->trace, stderr, TAIL);
	fprintf(stderr, "seed %lu: %s\n", r->seed, r->oracle.what);
}

void sim_run(uint64_t seed, const struct sim_options *opt, struct sim_outcome *out)
{
	struct run *r = calloc(1, sizeof(*r));

	TAS_ASSERT(r != NULL);
	current = r;
	*out = (struct sim_outcome){ 0 };
	r->seed = seed;
	r->hostile = opt->hostile;
	r->other = opt->other;
	draw(&r->d, seed, opt->other);
	r->now = r->d.begin;
	r->life_end = r->now + LIFE_NS;
	r->acked = 0;
	trace_begin(&r->trace, opt->trace, r->now);
	hosts_begin(r);
	world_begin(r);
	course(r);
	totals(r, out);
	if (r->world.proc[0].p.impl != NULL)
		app_world_end(&r->world);
	hosts_end(r);
	out->ok = r->oracle.what[0] == '\0';
	snprintf(out->what, sizeof(out->what), "%s", r->oracle.what);
	if (!out->ok)
		tell_failure(r);
	current = NULL;
	free(r);
}

void sim_run_dying(void)
{
	if (current == NULL)
		return;
	tell_open(current);
	trace_tail(&current->trace, stderr, TAIL);
	fprintf(stderr, "seed %lu: died at %.6f ms\n", current->seed,
		(double)(current->now - current->d.begin) / 1e6);
}

/* --- in words --- */

static void describe_link(const struct link_model *m, FILE *to)
{
	fprintf(to, "delay %.1f us", (double)m->delay / 1e3);
	if (m->rate != 0)
		fprintf(to, ", %.1f MB/s, queue %u", (double)m->rate / 1e6, m->queue);
	if (m->loss != 0)
		fprintf(to, ", loss %.2f%%", m->loss / 1e4);
	if (m->burst != 0)
		fprintf(to, ", bursts %.2f%%/%.1f%%", m->burst / 1e4, m->burst_end / 1e4);
	if (m->dup != 0)
		fprintf(to, ", dup %.2f%%", m->dup / 1e4);
	if (m->reorder != 0)
		fprintf(to, ", reorder %.2f%% by %.0f us", m->reorder / 1e4, (double)m->reorder_by / 1e3);
	if (m->corrupt != 0)
		fprintf(to, ", corrupt %.2f%%", m->corrupt / 1e4);
	if (m->down_every != 0)
		fprintf(to, ", down %.0f of %.0f ms", (double)m->down_for / 1e6, (double)m->down_every / 1e6);
	if (m->mtu != 0)
		fprintf(to, ", path mtu %u (told %.0f%%%s)", m->mtu, m->tell / 1e4,
			m->old_router ? ", not how much" : "");
}

void sim_describe(uint64_t seed, const struct sim_options *opt, FILE *to)
{
	static const char *const kind[] = { "clean", "loss", "harsh", "wild" };
	static struct draw d;

	draw(&d, seed, opt->other);
	fprintf(to, "seed %lu: %s, %s, %u hosts, %u processes, %u connections\n", seed, kind[d.kind],
		d.v6 ? "IPv6" : "IPv4", d.hosts, d.procs, d.nplans);
	for (unsigned i = 0; i < d.hosts; i++) {
		const struct conf_tcp *t = &d.host[i].conf.tcp;

		fprintf(to, "  %c: %u to %u cores, mtu %u, %s%s%s%s, rings %u/%u, delack %u ms; ", 'A' + i,
			d.host[i].conf.fastpath.cores_min, d.host[i].conf.fastpath.cores_max,
			d.host[i].conf.port.mtu, t->congestion, t->timestamps ? ", ts" : "",
			t->sack ? ", sack" : "", t->window_scaling ? ", wscale" : "",
			d.host[i].conf.memory.rx_buffer, d.host[i].conf.memory.tx_buffer, t->delack_ms);
		describe_link(&d.host[i].link, to);
		fprintf(to, "\n");
	}
	for (unsigned i = 0; i < d.nplans && i < 20; i++)
		fprintf(to, "  plan %u: proc %u > %u, %lu/%lu bytes, ends %d/%d, chunk %u/%u\n", i,
			d.plan[i].client, d.plan[i].server, d.plan[i].side[0].bytes, d.plan[i].side[1].bytes,
			d.plan[i].side[0].end, d.plan[i].side[1].end, d.plan[i].side[0].chunk,
			d.plan[i].side[1].chunk);
}
