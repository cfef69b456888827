/* SPDX-License-Identifier: BSD-3-Clause */
/* ports.h - chooses the local port of an outgoing connection (RFC 6056 3.3.4, "double-hash port selection").
 * Guarantee: the port is in the range and the connection's 4-tuple is free, or may be used again if none is.
 * To one destination ports come in sequence, so that one is used again as late as possible; who sees those of
 * one destination learns nothing about others. Fails only if every port of the range is taken towards that
 * destination, after one question for each; and then for a moment, or until a connection to there ends,
 * without any.
 * Owner: the slow path. */
#ifndef TAS_SLOWPATH_PORTS_H
#define TAS_SLOWPATH_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/time.h"
#include "include/net/flow_key.h"
#include "slowpath/siphash.h"

enum { PORTS_COUNTERS = 1024, PORTS_SECRET_LEN = 16 };
#define PORTS_FULL_NS (100 * NS_PER_MS) /* a search that found nothing is believed for so long */

struct ports {
	struct siphash_key key;
	uint16_t low, high;               /* both included */
	uint32_t counter[PORTS_COUNTERS]; /* of ports tried, modulo the range, by group of destinations */
	tas_ns full_until[PORTS_COUNTERS];
	tas_ns all_until; /* the last of these */
};

enum port_use {
	PORT_FREE,
	PORT_REUSABLE, /* if none is free */
	PORT_TAKEN
};
typedef enum port_use ports_use_fn(void *arg, const struct flow_key *key);

/* low <= high. */
void ports_init(struct ports *p, uint16_t low, uint16_t high, const uint8_t secret[PORTS_SECRET_LEN]);

/* Sets key->local_port, the rest of key being set, so that use() allows it. 0 or -EADDRNOTAVAIL (local_port
 * is 0 then). */
int ports_choose(struct ports *p, struct flow_key *key, ports_use_fn *use, void *arg, tas_ns now);
/* The connection with this key has ended. */
void ports_ended(struct ports *p, const struct flow_key *key, tas_ns now);

#endif
