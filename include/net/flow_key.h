/* SPDX-License-Identifier: BSD-3-Clause */
/* flow_key.h - what names a connection, in both families: the key of the flow table.
 * Guarantee: every byte is defined (no padding), so that keys are compared and hashed as 48 bytes. */
#ifndef TAS_NET_FLOW_KEY_H
#define TAS_NET_FLOW_KEY_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_hash_crc.h>

#include "include/net/addr.h"

struct flow_key {
	struct net_addr local, remote;
	union {
		struct {
			uint16_t local_port, remote_port; /* network byte order */
			uint32_t zone;                    /* 0; for networks with overlapping addresses */
		};
		uint64_t
			ports_zone; /* in one store, as hashing loads 8 bytes and two stores would stall it */
	};
	uint64_t zero; /* makes the length a multiple of 16 */
};

static_assert(sizeof(struct flow_key) == 48, "the flow table compares 16 bytes at a time");
static_assert(offsetof(struct flow_key, ports_zone) == 32, "no padding");

static inline bool flow_key_eq(const struct flow_key *a, const struct flow_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* The key of the same connection as the peer sees it. */
static inline struct flow_key flow_key_reverse(const struct flow_key *k)
{
	return (struct flow_key){
		.local = k->remote,
		.remote = k->local,
		.local_port = k->remote_port,
		.remote_port = k->local_port,
		.zone = k->zone,
	};
}

static inline uint32_t flow_key_hash(const struct flow_key *k) { return rte_hash_crc(k, sizeof(*k), 0); }

#endif
