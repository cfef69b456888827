/* SPDX-License-Identifier: BSD-3-Clause */
/* isn.h - initial sequence numbers and timestamp offsets that nobody can guess (RFC 6528, RFC 7323 7.1).
 * Guarantee: for one connection (addresses and ports) both run forward with time, so that a new incarnation
 * is told from the last one; those of different connections are unrelated to anyone without the secret,
 * which is drawn once, at start. Pure. */
#ifndef TAS_SLOWPATH_ISN_H
#define TAS_SLOWPATH_ISN_H

#include <stdint.h>

#include "include/base/time.h"
#include "include/net/flow_key.h"
#include "include/net/seq.h"
#include "slowpath/siphash.h"

struct isn {
	struct siphash_key key;
};

enum { ISN_SECRET_LEN = 16, ISN_TICK_NS = 4000 };

struct isn isn_of(const uint8_t secret[ISN_SECRET_LEN]);

/* ISN = M + F(addresses, ports, secret), M ticking every 4 us. */
tcp_seq isn_next(const struct isn *i, const struct flow_key *key, tas_ns now);
/* flow.ts_off: our timestamps are a clock of 1 ms plus this. */
uint32_t isn_ts_offset(const struct isn *i, const struct flow_key *key);

#endif
