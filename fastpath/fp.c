/* SPDX-License-Identifier: BSD-3-Clause */
/* fp.c - takes everything the data path needs at start, and gives it back in reverse. */
#include "fastpath/fastpath.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_ring_elem.h>

#include "fastpath/flow_table.h"
#include "fastpath/holes.h"
#include "fastpath/pace.h"
#include "include/base/assert.h"

enum {
	SENDS_MAX = 1024,
	RECLAIM_BURST = 1024,
};

static_assert((int)FP_SECRET_LEN == (int)FLOW_TABLE_SECRET_LEN, "it is the flow table's");

/* --- how much it is --- */

/* Elements of a ring that holds n. */
static uint64_t ring_slots(uint64_t n) { return pow2_at_least((uint32_t)n + 1); }

static uint64_t core_bytes(const struct fp_conf *c)
{
	uint64_t app = sizeof(uint16_t) + sizeof(struct fp_user) + sizeof(struct fp_app);

	return sizeof(struct fp_core) + sizeof(struct pace_wheel) + c->apps_max * app +
		4 * ring_slots(c->flows_max) + 4 * ring_slots(c->flows_max + 4ull * c->apps_max) +
		sizeof(void *) * ring_slots(SENDS_MAX);
}

uint64_t fp_memory_bytes(const struct fp_conf *c)
{
	uint64_t flow = sizeof(struct flow) + sizeof(struct flow_cold) + sizeof(uint32_t) +
		sizeof(struct flow_grave);

	return c->flows_max * flow + flow_table_bytes(c->flows_max) + c->apps_max * sizeof(struct app) +
		holes_blocks(c->flows_max) * sizeof(struct flow_holes) + c->cores * core_bytes(c) +
		sizeof(struct fp_core) + c->apps_max * sizeof(struct fp_app) + 4 * ring_slots(c->flows_max) +
		sizeof(void *) * ring_slots(FP_PUNTS_MAX);
}

/* --- taking it --- */

static void *zalloc(const struct fastpath *fp, const char *what, size_t size)
{
	return rte_zmalloc_socket(what, size, CACHE_LINE, fp->conf.numa_node);
}

/* DPDK names rings, hashes and zones process-wide. */
static const char *name_of(const struct fastpath *fp, const char *what, unsigned core,
	char buf[RTE_RING_NAMESIZE])
{
	snprintf(buf, RTE_RING_NAMESIZE - 4, "%.12s%s%u", fp->conf.name, what,
		core); /* room for rte_ring's prefix */
	return buf;
}

static struct rte_ring *ring_of(const struct fastpath *fp, const char *what, unsigned core, unsigned elem,
	uint32_t count, unsigned flags)
{
	char name[RTE_RING_NAMESIZE];

	return rte_ring_create_elem(name_of(fp, what, core, name), elem, count, fp->conf.numa_node,
		flags | RING_F_EXACT_SZ);
}

static bool core_take(struct fastpath *fp, struct fp_core *c)
{
	const struct fp_conf *conf = &fp->conf;

	c->ready = c->held = (struct fp_list){ FLOW_NONE, FLOW_NONE };
	for (unsigned i = 0; i < NR_DELAYED_FOR; i++)
		c->delayed[i] = c->ready;
	c->late_head = APP_NONE;
	c->app = zalloc(fp, "app", conf->apps_max * sizeof(*c->app));
	c->events = ring_of(fp, "ev", c->id, 4, conf->flows_max, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (c->is_slow)
		return c->events && c->app;
	c->pace = zalloc(fp, "pace", sizeof(*c->pace));
	c->users = zalloc(fp, "users", conf->apps_max * sizeof(*c->users));
	c->user = zalloc(fp, "user", conf->apps_max * sizeof(*c->user));
	c->sends = ring_of(fp, "tx", c->id, sizeof(void *), SENDS_MAX, RING_F_SP_ENQ | RING_F_SC_DEQ);
	c->kicks = ring_of(fp, "kick", c->id, 4, conf->flows_max + 4 * conf->apps_max, RING_F_SC_DEQ);
	if (c->pace != NULL)
		pace_init(c->pace);
	return c->events && c->pace && c->users && c->user && c->app && c->sends && c->kicks;
}

static bool cores_take(struct fastpath *fp)
{
	for (unsigned i = 0; i <= fp->conf.cores; i++) {
		struct fp_core *c = zalloc(fp, "core", sizeof(*c));

		fp->core[i] = c;
		if (c == NULL)
			return false;
		c->fp = fp;
		c->id = (uint16_t)i;
		c->queue = (uint16_t)i;
		c->is_slow = i == fp->conf.cores;
		if (!core_take(fp, c))
			return false;
		if (rte_rcu_qsbr_thread_register(fp->qsbr, i) != 0)
			return false;
		rte_rcu_qsbr_thread_online(fp->qsbr, i);
	}
	fp->slow = fp->core[fp->conf.cores];
	steer_init(fp, fp->conf.cores_min != 0 ? fp->conf.cores_min : fp->conf.cores);
	return true;
}

static bool tables_take(struct fastpath *fp)
{
	const struct fp_conf *conf = &fp->conf;
	char name[RTE_RING_NAMESIZE];

	fp->qsbr = zalloc(fp, "qsbr", rte_rcu_qsbr_get_memsize(conf->cores + 1));
	if (fp->qsbr == NULL || rte_rcu_qsbr_init(fp->qsbr, conf->cores + 1) != 0)
		return false;
	fp->flows = zalloc(fp, "flows", (size_t)conf->flows_max * sizeof(*fp->flows));
	fp->cold = zalloc(fp, "cold", (size_t)conf->flows_max * sizeof(*fp->cold));
	fp->free_flow = zalloc(fp, "free", (size_t)conf->flows_max * sizeof(*fp->free_flow));
	fp->graves = zalloc(fp, "graves", (size_t)conf->flows_max * sizeof(*fp->graves));
	fp->apps = zalloc(fp, "apps", ((size_t)conf->apps_max + 1) * sizeof(*fp->apps));
	fp->punts = ring_of(fp, "punt", 0, sizeof(void *), FP_PUNTS_MAX, RING_F_SC_DEQ);
	fp->table = flow_table_create(name_of(fp, "flows", 0, name), conf->flows_max, conf->numa_node,
		fp->qsbr, conf->secret);
	fp->holes = zalloc(fp, "holes", holes_blocks(conf->flows_max) * sizeof(*fp->holes));
	if (!fp->flows || !fp->cold || !fp->holes || !fp->free_flow || !fp->graves || !fp->apps ||
		!fp->punts || !fp->table)
		return false;
	for (uint32_t i = 0; i < holes_blocks(conf->flows_max); i++) {
		fp->holes[i].next = fp->holes_free;
		fp->holes_free = &fp->holes[i];
	}
	while (fp->nr_free < conf->flows_max) { /* the lowest id is taken first */
		fp->free_flow[fp->nr_free] = conf->flows_max - 1 - fp->nr_free;
		fp->nr_free++;
	}
	return true;
}

int fp_create(struct fastpath *fp, const struct fp_conf *conf, struct port *port, struct rte_mempool *pool,
	const struct fp_wake_ops *wake, char *err, size_t err_size)
{
	TAS_ASSERT(conf->cores >= 1 && conf->cores <= FP_CORES_MAX && conf->name != NULL);
	*fp = (struct fastpath){ .conf = *conf, .port = port, .pool = pool };
	if (wake != NULL)
		fp->wake = *wake;
	if (tables_take(fp) && cores_take(fp))
		return 0;
	snprintf(err, err_size,
		"not enough memory for flows_max=%u, apps_max=%u on %u cores, which take %lu MiB: raise "
		"[memory] dpdk_memory or lower these",
		conf->flows_max, conf->apps_max, conf->cores, fp_memory_bytes(conf) >> 20);
	fp_destroy(fp);
	return -ENOMEM;
}

static void ring_drain_mbufs(struct rte_ring *r)
{
	struct rte_mbuf *m;

	while (r != NULL && rte_ring_dequeue(r, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

static void core_give(struct fp_core *c)
{
	if (c == NULL)
		return;
	rte_pktmbuf_free_bulk(c->tx, c->ntx);
	ring_drain_mbufs(c->sends);
	rte_ring_free(c->sends);
	rte_ring_free(c->kicks);
	rte_ring_free(c->events);
	rte_free(c->pace);
	rte_free(c->users);
	rte_free(c->user);
	rte_free(c->app);
	rte_free(c);
}

/* Nobody looks any more: whoever waits for a grace period need not. */
static void grace_over(struct fastpath *fp)
{
	for (unsigned i = 0; i <= fp->conf.cores && fp->qsbr != NULL; i++)
		rte_rcu_qsbr_thread_offline(fp->qsbr, i);
}

void fp_destroy(struct fastpath *fp)
{
	grace_over(fp); /* else the flow table keeps its queue of deleted keys, and the name */
	for (unsigned i = 0; i <= fp->conf.cores; i++)
		core_give(fp->core[i]);
	flow_table_free(fp->table);
	ring_drain_mbufs(fp->punts);
	rte_ring_free(fp->punts);
	rte_free(fp->apps);
	rte_free(fp->graves);
	rte_free(fp->free_flow);
	rte_free(fp->cold);
	rte_free(fp->holes);
	rte_free(fp->flows);
	rte_free(fp->qsbr);
	memset(fp, 0, sizeof(*fp));
}

/* --- slots of flows (slow path only) --- */

uint32_t flow_alloc(struct fastpath *fp)
{
	uint32_t id;
	struct flow *f;

	if (fp->nr_free == 0)
		return FLOW_NONE;
	id = fp->free_flow[--fp->nr_free];
	f = &fp->flows[id];
	/* A late message that names the slot, or a core that took it off a list, may be at it just now. */
	flow_lock_slow(f);
	memset(&f->lock + 1, 0, sizeof(*f) - sizeof(f->lock));
	memset(&fp->cold[id], 0, sizeof(fp->cold[id]));
	/* one count for all slots: an application's record may serve flows of several, and tells them apart
	 * by this */
	fp->last_gen += fp->last_gen == UINT32_MAX ? 2 : 1;
	f->gen = fp->last_gen;
	f->app = APP_NONE;
	f->state = TCP_CLOSED;
	fp->cold[id].rx_fin_off = UINT64_MAX;
	fp->cold[id].min_rtt_us = fp->cold[id].min_rtt_lately_us = fp->cold[id].spell_rtt_us = UINT32_MAX;
	rte_spinlock_unlock(&f->lock);
	return id;
}

int flow_insert(struct fastpath *fp, uint32_t id) { return flow_table_add(fp->table, &fp->cold[id].key, id); }
uint32_t flow_lookup(struct fastpath *fp, const struct flow_key *key)
{
	return flow_table_find(fp->table, key);
}

void flow_unlink(struct fastpath *fp, uint32_t id) { flow_table_del(fp->table, &fp->cold[id].key); }

void flow_remove(struct fastpath *fp, uint32_t id)
{
	uint32_t at = (fp->grave_head + fp->nr_graves) % fp->conf.flows_max;

	TAS_ASSERT(fp->flows[id].state != TCP_FREE && fp->nr_graves < fp->conf.flows_max);
	fp->flows[id].state = TCP_FREE;
	fp->graves[at] = (struct flow_grave){ id, rte_rcu_qsbr_start(fp->qsbr) };
	fp->nr_graves++;
}

/* Nothing refers to the slot any more: no core is still at it, no list and no queued event names it. Nothing
 * will, either: who finds a flow that was removed on a list takes it off, and puts it on no other. */
static bool grave_empty(struct fastpath *fp, const struct flow_grave *g)
{
	return rte_rcu_qsbr_check(fp->qsbr, g->token, false) == 1 && fp->cold[g->id].on_list == 0 &&
		!(fp->flows[g->id].events & FLOW_EV_QUEUED);
}

void fp_reclaim(struct fastpath *fp)
{
	rte_rcu_qsbr_quiescent(fp->qsbr, fp->conf.cores);
	for (uint32_t n = min_u32(fp->nr_graves, RECLAIM_BURST); n > 0; n--) {
		struct flow_grave g = fp->graves[fp->grave_head];

		fp->grave_head = (fp->grave_head + 1) % fp->conf.flows_max;
		fp->nr_graves--;
		if (grave_empty(fp, &g)) {
			if (fp->cold[g.id].holes != NULL)
				holes_give_slow(fp, &fp->cold[g.id]);
			fp->free_flow[fp->nr_free++] = g.id;
			continue;
		}
		fp->graves[(fp->grave_head + fp->nr_graves) % fp->conf.flows_max] = g;
		fp->nr_graves++;
		if (rte_rcu_qsbr_check(fp->qsbr, g.token, false) != 1)
			break; /* the later ones cannot be over either */
	}
}

uint64_t fp_counter(const struct fastpath *fp, enum tas_counter counter)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i <= fp->conf.cores; i++)
		sum += fp->core[i]->counter[counter];
	return sum;
}
