/* SPDX-License-Identifier: BSD-3-Clause */
/* cookie.h - SYN cookies: initial sequence numbers by which a connection that nobody remembers is known again
 * (RFC 4987 3.6).
 * Guarantee: cookie_open() takes a number only if cookie_make() gave it, for the same addresses, ports,
 * peer's sequence number, options and offer of ours, not longer ago than COOKIE_VALID_NS; who does not know
 * the secret guesses one with a probability of 2^-28 for each acknowledgement that it sends. Every
 * COOKIE_PERIOD_NS another key is derived from the secret; those of the current and of the last period are
 * known.
 *
 *   cookie = low half of H(period's key; addresses, ports, peer's number, options, offer) ^ MSS's index << 29
 *
 * What does not fit there is in the lowest bits of our timestamp, which the peer
 * echoes: window scale, SACK and ECN, as Linux has them. Without timestamps a connection is without these.
 * Owner: the slow path. No clock: callers pass `now`. */
#ifndef TAS_SLOWPATH_COOKIE_H
#define TAS_SLOWPATH_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/time.h"
#include "include/net/flow_key.h"
#include "include/net/seq.h"
#include "slowpath/siphash.h"

enum {
	COOKIE_SECRET_LEN = 16,
	COOKIE_TS_BITS = 6,    /* of a timestamp: so many milliseconds it may be early */
	COOKIE_NO_WSCALE = 15, /* in the place of a window scale */
};
#define COOKIE_PERIOD_NS (60 * NS_PER_SEC)
#define COOKIE_VALID_NS (2 * COOKIE_PERIOD_NS)

struct cookies {
	struct siphash_key secret;
	uint64_t period;
	struct siphash_key now, last; /* of this period and of the one before */
};

/* What the peer's SYN offered and we agreed on, besides its MSS. */
struct cookie_options {
	bool timestamps; /* if not, there is nothing else */
	bool sack, ecn;
	uint8_t wscale; /* the peer's, or COOKIE_NO_WSCALE */
	/* What the SYN-ACK offers, which no echo tells: a listener that would offer something else by now
	 * does not know the cookie. */
	uint8_t own_wscale;
	uint16_t own_window;
};

struct cookies cookies_of(const uint8_t secret[COOKIE_SECRET_LEN]);

/* irs: the peer's initial sequence number. mss: at least 48. */
tcp_seq cookie_make(struct cookies *c, const struct flow_key *key, tcp_seq irs, uint16_t mss,
	const struct cookie_options *o, tas_ns now);
/* *mss: as it was given to cookie_make(), or somewhat less. */
bool cookie_open(struct cookies *c, const struct flow_key *key, tcp_seq irs, tcp_seq cookie,
	const struct cookie_options *o, tas_ns now, uint16_t *mss);

/* The latest timestamp not after `ts` that says these options, and what the echo of one says. */
uint32_t cookie_ts(uint32_t ts, const struct cookie_options *o);
struct cookie_options cookie_ts_options(uint32_t ts_ecr);

#endif
