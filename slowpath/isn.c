/* SPDX-License-Identifier: BSD-3-Clause */
/* isn.c - F is SipHash over the flow's key and a purpose, so that neither number tells about the other. */
#include "slowpath/isn.h"

enum isn_purpose { ISN_OF_SEQUENCE, ISN_OF_TIMESTAMP };

static uint32_t isn_f(const struct isn *i, const struct flow_key *key, enum isn_purpose purpose)
{
	struct {
		struct flow_key key;
		uint64_t purpose;
	} in = { *key, purpose };

	return (uint32_t)siphash_2_4(&i->key, &in, sizeof(in));
}

struct isn isn_of(const uint8_t secret[ISN_SECRET_LEN]) { return (struct isn){ siphash_key_of(secret) }; }

tcp_seq isn_next(const struct isn *i, const struct flow_key *key, tas_ns now)
{
	return (tcp_seq){ isn_f(i, key, ISN_OF_SEQUENCE) + (uint32_t)(now / ISN_TICK_NS) };
}

uint32_t isn_ts_offset(const struct isn *i, const struct flow_key *key)
{
	return isn_f(i, key, ISN_OF_TIMESTAMP);
}
