/* SPDX-License-Identifier: BSD-3-Clause */
/* ports.h - chooses the local port of an outgoing connection (RFC 6056 3.3.4, "double-hash port selection").
 * Guarantee: the port is in the range and the connection's 4-tuple is not in use. To one destination ports
 * come in sequence, so that one is used again as late as possible; who sees those of one destination learns
 * nothing about others. Fails only if every port of the range is taken towards that destination, after one
 * question for each.
 * Owner: the slow path. */
#ifndef TAS_SLOWPATH_PORTS_H
#define TAS_SLOWPATH_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "include/net/flow_key.h"
#include "slowpath/siphash.h"

enum { PORTS_COUNTERS = 1024, PORTS_SECRET_LEN = 16 };

struct ports {
	struct siphash_key key;
	uint16_t low, high;               /* both included */
	uint32_t counter[PORTS_COUNTERS]; /* of ports tried, modulo the range, by group of destinations */
};

typedef bool ports_in_use_fn(void *arg, const struct flow_key *key);

/* low <= high. */
void ports_init(struct ports *p, uint16_t low, uint16_t high, const uint8_t secret[PORTS_SECRET_LEN]);

/* Sets key->local_port, the rest of key being set, so that in_use() is false for it. 0 or -EADDRNOTAVAIL
 * (local_port is 0 then). */
int ports_choose(struct ports *p, struct flow_key *key, ports_in_use_fn *in_use, void *arg);

#endif
