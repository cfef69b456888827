/* SPDX-License-Identifier: BSD-3-Clause */
/* challenge.h - how many challenge acknowledgements go out over all connections (RFC 5961 7).
 * Guarantee: in each second at most CHALLENGES_MOST, and how many no one without the secret knows. Who could
 * count them exactly would learn from those it gets itself how many others were provoked, and by that whether
 * its guesses at the numbers of a connection of others were near (CVE-2016-5696). Before this comes the limit
 * of each connection, flow_may_answer(), so that it takes thousands of connections to come to this one.
 * Owner: the slow path. No clock: callers pass `now`. */
#ifndef TAS_SLOWPATH_CHALLENGE_H
#define TAS_SLOWPATH_CHALLENGE_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/time.h"
#include "slowpath/siphash.h"

enum { CHALLENGES_LEAST = 5000, CHALLENGES_MOST = 15000, CHALLENGE_SECRET_LEN = 16 };

struct challenge {
	struct siphash_key key;
	uint64_t second;
	uint32_t left; /* in this second */
};

struct challenge challenge_of(const uint8_t secret[CHALLENGE_SECRET_LEN]);
/* May one more go? Then it counts. */
bool challenge_pass(struct challenge *c, tas_ns now);

#endif
