/* SPDX-License-Identifier: BSD-3-Clause */
/* flow_table.h - from a packet's addresses and ports to a flow id: rte_hash, lock-free for readers.
 * Guarantee: who does not know the secret cannot choose addresses and ports that meet in one bucket: two
 * given keys do for one secret in as many as there are buckets (docs/decisions/0011). Nothing shows a hash to
 * anybody.
 * Threads: any core looks up at any time; the slow path alone adds and removes. A removed key's slot is
 * reused only after every core passed a quiescent state (RCU), so a lookup never sees half of another key. */
#ifndef TAS_FASTPATH_FLOW_TABLE_H
#define TAS_FASTPATH_FLOW_TABLE_H

#include <stdint.h>

#include <rte_rcu_qsbr.h>

#include "include/net/flow_key.h"

enum { FLOW_TABLE_SECRET_LEN = sizeof(struct flow_key) };

struct flow_table;

/* NULL on failure (rte_errno). `name` must be unique in the process; at least `entries` keys fit. `secret` is
 * random: from the kernel at the rim. */
struct flow_table *flow_table_create(const char *name, uint32_t entries, int numa_node,
	struct rte_rcu_qsbr *qsbr, const uint8_t secret[FLOW_TABLE_SECRET_LEN]);
void flow_table_free(struct flow_table *t);
/* What it takes of DPDK's memory, about. */
uint64_t flow_table_bytes(uint32_t entries);

int flow_table_add(struct flow_table *t, const struct flow_key *key, uint32_t id); /* 0, -EEXIST, -ENOSPC */
int flow_table_del(struct flow_table *t, const struct flow_key *key);              /* 0, -ENOENT */
uint32_t flow_table_find(const struct flow_table *t, const struct flow_key *key);  /* FLOW_NONE if absent */
/* ids[i] = flow of keys[i] or FLOW_NONE, for n <= 32 keys. */
void flow_table_find_bulk(const struct flow_table *t, const struct flow_key *const *keys, uint32_t n,
	uint32_t *ids);
/* What decides where a key is kept. */
uint32_t flow_table_hash(const struct flow_table *t, const struct flow_key *key);

#endif
