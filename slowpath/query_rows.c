/* SPDX-License-Identifier: BSD-3-Clause */
/* query_rows.c - the rows of every question but flows. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "slowpath/query_row.h"

/* --- status --- */

struct status_view {
	uint64_t uptime_s, app_memory;
	uint32_t flows, apps, listeners;
};

static struct status_view status_look(const struct query_source *s, tas_ns now)
{
	struct status_view v = {
		.uptime_s = (now - s->started) / NS_PER_SEC,
		.flows = s->fp->conf.flows_max - s->fp->nr_free,
		.apps = s->conf->memory.apps_max - s->apps->nr_free,
		.listeners = s->listeners != NULL ? s->listeners->count : 0,
	};

	for (uint32_t i = 0; i < s->conf->memory.apps_max; i++)
		v.app_memory += s->apps->slot[i].region.resident;
	return v;
}

static void status_json(const struct query_source *s, const struct status_view *v, struct query_row *row)
{
	row_string(row, "version", TAS_VERSION);
	row_string(row, "instance", s->conf->tasd.instance);
	row_number(row, "pid", (uint64_t)getpid());
	row_number(row, "uptime_s", v->uptime_s);
	row_string(row, "device", s->conf->port.device);
	row_number(row, "cores", atomic_load(&s->fp->steer.cores));
	row_number(row, "cores_max", s->fp->conf.cores);
	row_number(row, "flows", v->flows);
	row_number(row, "flows_max", s->fp->conf.flows_max);
	row_number(row, "apps", v->apps);
	row_number(row, "apps_max", s->conf->memory.apps_max);
	row_number(row, "app_memory_bytes", v->app_memory);
	row_number(row, "listeners", v->listeners);
}

static void status_text(const struct query_source *s, const struct status_view *v, struct query_row *row)
{
	uint64_t up = v->uptime_s;

	row_put(row, "tasd %s, instance %s, pid %d, up %" PRIu64 ":%02u:%02u\n", TAS_VERSION,
		s->conf->tasd.instance, getpid(), up / 3600, (unsigned)(up / 60 % 60), (unsigned)(up % 60));
	row_put(row, "device        %s\n", s->conf->port.device);
	row_put(row, "cores         %u of %u\n", atomic_load(&s->fp->steer.cores), s->fp->conf.cores);
	row_put(row, "flows         %u of %u\n", v->flows, s->fp->conf.flows_max);
	row_put(row, "applications  %u of %u, %" PRIu64 " KiB of shared memory\n", v->apps,
		s->conf->memory.apps_max, v->app_memory / 1024);
	row_put(row, "listeners     %u", v->listeners);
}

bool query_status(struct query *q, const struct query_source *s, tas_ns now, struct query_row *row)
{
	struct status_view v;

	if (q->rows > 0)
		return false;
	v = status_look(s, now);
	if (q->json)
		status_json(s, &v, row);
	else
		status_text(s, &v, row);
	row_end(q, row);
	return true;
}

/* --- stats --- */

bool query_stats(struct query *q, const struct query_source *s, tas_ns now TAS_UNUSED, struct query_row *row)
{
	const struct tas_counter_info *i;
	uint64_t value;

	if (q->at == NR_COUNTERS)
		return false;
	i = &tas_counter_info[q->at];
	value = fp_counter(s->fp, q->at++);
	if (q->json)
		row_number(row, i->name, value);
	else
		row_put(row, "%-28s %16" PRIu64 " %-12s %s", i->name, value, i->unit, i->help);
	row_end(q, row);
	return true;
}

/* --- listeners --- */

static void listener_json(const struct listener *l, const char *local, struct query_row *row)
{
	row_number(row, "id", l->id);
	row_string(row, "local", local);
	row_number(row, "backlog", l->backlog);
	row_number(row, "handshakes", l->embryos.count);
	row_number(row, "waiting", l->ready.count);
	row_number(row, "handed", l->nr_handed);
	row_number(row, "processes", l->nacceptors);
	row_number(row, "accepted", l->accepted);
	row_number(row, "overflows", l->overflows);
}

bool query_listeners(struct query *q, const struct query_source *s, tas_ns now TAS_UNUSED,
	struct query_row *row)
{
	const struct listener *l = s->listeners != NULL ? listen_after(s->listeners, q->after) : NULL;
	char local[QUERY_ENDPOINT_MAX];

	if (l == NULL)
		return false;
	q->after = l->id; /* a listener that comes or goes between two steps does not disturb */
	query_endpoint(l->addr, l->port, local, sizeof(local));
	row_begin(q, row);
	if (q->json)
		listener_json(l, local, row);
	else
		row_put(row, "%-24s %-8u %-11u %-8u %-7u %-10u %-12" PRIu64 " %" PRIu64, local, l->backlog,
			l->embryos.count, l->ready.count, l->nr_handed, l->nacceptors, l->accepted,
			l->overflows);
	row_end(q, row);
	return true;
}

/* --- applications --- */

static const char *const app_states[NR_APP_STATES] = { "free", "mapping", "live", "ending", "closing",
	"draining", "grace", "leaving" };

struct app_view {
	const struct app_slot *slot;
	uint32_t id, contexts, listeners;
	uint64_t faults;
};

static void app_json(const struct app_view *v, tas_ns now, struct query_row *row)
{
	const struct app_slot *p = v->slot;

	row_number(row, "app", v->id);
	row_number(row, "pid", (uint64_t)p->who.pid);
	row_number(row, "uid", p->who.uid);
	row_string(row, "program", p->who.program);
	row_string(row, "state", app_states[p->state]);
	row_number(row, "contexts", v->contexts);
	row_number(row, "flows", p->nr_recs);
	row_number(row, "listeners", v->listeners);
	row_number(row, "memory_bytes", p->region.resident);
	row_number(row, "memory_max_bytes", p->region.size);
	row_number(row, "faults", v->faults);
	row_number(row, "age_s", (now - p->since) / NS_PER_SEC);
}

static void app_text(const struct app_view *v, struct query_row *row)
{
	const struct app_slot *p = v->slot;

	row_put(row, "%-5u %-8d %-6u %-9s %-9u %-7u %-10u %-11" PRIu64 " %-7" PRIu64 " %s", v->id, p->who.pid,
		p->who.uid, app_states[p->state], v->contexts, p->nr_recs, v->listeners,
		p->region.resident / 1024, v->faults, p->who.program);
}

static void app_row(struct query *q, const struct query_source *s, uint32_t id, tas_ns now,
	struct query_row *row)
{
	const struct app *a = &s->fp->apps[id];
	struct app_view v = {
		.slot = &s->apps->slot[id],
		.id = id,
		.contexts = atomic_load(&a->nctx),
		.listeners = s->apps->holds.app[id].nr_refs,
		.faults = atomic_load_explicit(&a->faults, memory_order_relaxed),
	};

	row_begin(q, row);
	if (q->json)
		app_json(&v, now, row);
	else
		app_text(&v, row);
	row_end(q, row);
}

bool query_apps(struct query *q, const struct query_source *s, tas_ns now, struct query_row *row)
{
	uint32_t end = s->conf->memory.apps_max;

	for (unsigned i = 0; i < QUERY_SCAN_BURST && q->at < end; i++) {
		uint32_t id = q->at++;

		if (s->apps->slot[id].state == APP_FREE)
			continue;
		app_row(q, s, id, now, row);
		return true;
	}
	return q->at < end;
}

/* --- cores --- */

/* Of the port's buckets (steer.h) how many are the core's; none: it does not serve. */
static unsigned buckets_of(const struct fp_core *c)
{
	const struct steer *s = &c->fp->steer;
	unsigned n = 0;

	for (unsigned b = 0; b < s->buckets; b++)
		n += s->owner[b] == c->id;
	return n;
}

static void core_json(const struct fp_core *c, bool asleep, struct query_row *row)
{
	row_number(row, "core", c->id);
	row_number(row, "buckets", buckets_of(c));
	row_string(row, "state", asleep ? "asleep" : "awake");
	row_number(row, "busy_ns", c->counter[CNT_CORE_BUSY_NS]);
	row_number(row, "passes", c->counter[CNT_CORE_PASSES]);
	row_number(row, "sleeps", c->counter[CNT_CORE_SLEEPS]);
	row_number(row, "apps", c->napps);
	row_number(row, "rx_packets", c->counter[CNT_RX_PACKETS]);
	row_number(row, "tx_packets", c->counter[CNT_TX_PACKETS]);
	row_number(row, "rx_bytes", c->counter[CNT_RX_BYTES]);
	row_number(row, "tx_bytes", c->counter[CNT_TX_BYTES]);
}

static void core_text(const struct fp_core *c, bool asleep, struct query_row *row)
{
	row_put(row, "%-5u %-7u %-7s %-11.3f %-13" PRIu64 " %-11" PRIu64 " %-5u ", c->id, buckets_of(c),
		asleep ? "asleep" : "awake", (double)c->counter[CNT_CORE_BUSY_NS] / NS_PER_SEC,
		c->counter[CNT_CORE_PASSES], c->counter[CNT_CORE_SLEEPS], c->napps);
	row_put(row, "%-13" PRIu64 " %-13" PRIu64 " %-15" PRIu64 " %" PRIu64, c->counter[CNT_RX_PACKETS],
		c->counter[CNT_TX_PACKETS], c->counter[CNT_RX_BYTES], c->counter[CNT_TX_BYTES]);
}

bool query_cores(struct query *q, const struct query_source *s, tas_ns now TAS_UNUSED, struct query_row *row)
{
	const struct fp_core *c = s->fp->core[q->at];
	bool asleep;

	if (q->at == s->fp->conf.cores)
		return false;
	q->at++;
	asleep = atomic_load_explicit(&c->asleep, memory_order_relaxed) != 0;
	row_begin(q, row);
	if (q->json)
		core_json(c, asleep, row);
	else
		core_text(c, asleep, row);
	row_end(q, row);
	return true;
}
