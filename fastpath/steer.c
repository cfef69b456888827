/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/steer.h"

#include <errno.h>
#include <string.h>

#include "fastpath/fastpath.h"
#include "include/base/assert.h"

/* --- the plan --- */

static unsigned least_of(const uint16_t *share, unsigned cores)
{
	unsigned least = 0;

	for (unsigned i = 1; i < cores; i++)
		if (share[i] < share[least])
			least = i;
	return least;
}

static unsigned most_of(const uint16_t *share, unsigned cores)
{
	unsigned most = 0;

	for (unsigned i = 1; i < cores; i++)
		if (share[i] > share[most])
			most = i;
	return most;
}

/* Those that have more than the newcomers give; a queue preferably to the core of its number. */
static unsigned even_out(uint8_t *owner, unsigned buckets, uint16_t *share, unsigned cores)
{
	unsigned moved = 0, most, least;

	while (most = most_of(share, cores), least = least_of(share, cores), share[most] - share[least] > 1) {
		unsigned b = least % buckets;

		while (owner[b] != most)
			b = (b + 1) % buckets;
		owner[b] = (uint8_t)least;
		share[most]--;
		share[least]++;
		moved++;
	}
	return moved;
}

unsigned steer_plan(uint8_t *owner, unsigned buckets, unsigned cores)
{
	uint16_t share[FP_CORES_MAX] = { 0 };
	unsigned moved = 0;

	TAS_ASSERT(cores >= 1 && cores <= FP_CORES_MAX && buckets <= STEER_BUCKETS_MAX);
	for (unsigned b = 0; b < buckets; b++)
		if (owner[b] < cores)
			share[owner[b]]++;
	for (unsigned b = 0; b < buckets; b++) /* of cores that serve no more */
		if (owner[b] >= cores) {
			owner[b] = (uint8_t)least_of(share, cores);
			share[owner[b]]++;
			moved++;
		}
	return moved + even_out(owner, buckets, share, cores);
}

/* --- the port's table --- */

static int table_write(struct fastpath *fp, const uint8_t *owner)
{
	uint16_t queue[STEER_BUCKETS_MAX];

	for (unsigned b = 0; b < fp->steer.buckets; b++)
		queue[b] = owner[b];
	return port_reta_set_all(fp->port, queue);
}

/* --- queues --- */

static void version_next(struct steer *s)
{
	/* pairs with the acquire in core_steer_is_old(): who sees the version sees the owners before it */
	atomic_fetch_add_explicit(&s->version, 1, memory_order_release);
}

static void queue_give(struct fastpath *fp, unsigned queue, unsigned core)
{
	atomic_store_explicit(&fp->steer.queue_core[queue], (uint8_t)core, memory_order_relaxed);
	if (core == STEER_NOBODY)
		return;
	fp->slow->wakes_cores[core] = 1; /* it may sleep, and on other queues */
	fp->slow->wakes_any_core = true;
}

static void queues_take(struct fastpath *fp, const uint8_t *owner)
{
	struct steer *s = &fp->steer;

	for (unsigned q = 0; q < s->buckets; q++)
		if (owner[q] != s->owner[q])
			queue_give(fp, q, STEER_NOBODY);
	version_next(s);
	s->token = rte_rcu_qsbr_start(fp->qsbr);
	s->moving = true;
}

bool steer_poll(struct fastpath *fp)
{
	struct steer *s = &fp->steer;

	if (likely(!s->moving) || rte_rcu_qsbr_check(fp->qsbr, s->token, false) != 1)
		return false;
	s->moving = false;
	for (unsigned q = 0; q < s->buckets; q++)
		if (atomic_load_explicit(&s->queue_core[q], memory_order_relaxed) == STEER_NOBODY)
			queue_give(fp, q, s->owner[q]);
	version_next(s);
	return true;
}

/* --- changes --- */

int steer_to(struct fastpath *fp, unsigned cores)
{
	struct steer *s = &fp->steer;
	uint8_t owner[STEER_BUCKETS_MAX];
	int rc = 0;

	TAS_ASSERT(cores >= 1 && cores <= fp->conf.cores);
	if (s->moving)
		return -EBUSY;
	memcpy(owner, s->owner, s->buckets);
	steer_plan(owner, s->buckets, cores);
	if (s->has_table)
		rc = table_write(fp, owner);
	else
		queues_take(fp, owner);
	if (rc != 0)
		return rc;
	memcpy(s->owner, owner, s->buckets);
	atomic_store_explicit(&s->cores, cores, memory_order_relaxed);
	return 0;
}

void steer_init(struct fastpath *fp, unsigned cores)
{
	struct steer *s = &fp->steer;
	const struct port *p = fp->port;
	unsigned queues = p != NULL ? p->nb_rxq : fp->conf.cores;

	TAS_ASSERT(queues >= fp->conf.cores && queues <= PORT_QUEUES_MAX);
	s->has_table = p != NULL && p->rss;
	s->buckets = s->has_table ? p->reta_size : (uint16_t)queues;
	memset(s->owner, STEER_NOBODY, sizeof(s->owner));
	steer_plan(s->owner, s->buckets, cores);
	atomic_store(&s->cores, cores);
	for (unsigned q = 0; q < queues; q++)
		atomic_store(&s->queue_core[q], s->has_table ? (uint8_t)q : s->owner[q]);
	/* a table that cannot be written is as port_open() left it: all queues have packets, and all cores
	 * poll theirs */
	if (s->has_table && table_write(fp, s->owner) != 0)
		atomic_store(&s->cores, fp->conf.cores);
	atomic_store(&s->version, 1);
}

void steer_look(struct fp_core *c)
{
	const struct steer *s = &c->fp->steer;
	unsigned queues = c->fp->port != NULL ? c->fp->port->nb_rxq : c->fp->conf.cores;

	/* pairs with the release in version_next() */
	c->steer_seen = atomic_load_explicit(&s->version, memory_order_acquire);
	c->nqueues = 0;
	for (unsigned q = 0; q < queues; q++)
		if (atomic_load_explicit(&s->queue_core[q], memory_order_relaxed) == c->id)
			c->queues[c->nqueues++] = (uint8_t)q;
}
