/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/cookie.h"

#include "include/base/assert.h"
#include "include/net/tcp_opt.h"

enum {
	MSS_SHIFT = 29,
	TS_SACK = 1 << 4, /* above the window scale */
	TS_ECN = 1 << 5,
	TS_NONE = 1 << COOKIE_TS_BITS, /* not in a timestamp: there is none */
};

/* Those that are usual, and little below: Ethernet with IPv4 and IPv6, PPPoE, tunnels, jumbo frames, and what
 * RFC 9293 3.7.1 assumes. */
static const uint16_t mss_of[8] = { 48, 536, 1220, 1360, 1432, 1440, 1460, 8940 };

struct cookies cookies_of(const uint8_t secret[COOKIE_SECRET_LEN])
{
	return (struct cookies){ .secret = siphash_key_of(secret), .period = UINT64_MAX };
}

static struct siphash_key key_of(const struct cookies *c, uint64_t period)
{
	uint64_t in[2][2] = { { period, 0 }, { period, 1 } };

	return (struct siphash_key){ { siphash_2_4(&c->secret, in[0], sizeof(in[0])),
		siphash_2_4(&c->secret, in[1], sizeof(in[1])) } };
}

static void keys_renew(struct cookies *c, tas_ns now)
{
	uint64_t period = now / COOKIE_PERIOD_NS;

	if (c->period == period)
		return;
	c->period = period;
	c->now = key_of(c, period);
	c->last = key_of(c, period - 1); /* before the first, of one that is never */
}

static uint32_t options_bits(const struct cookie_options *o)
{
	return o->timestamps ? o->wscale | (o->sack ? TS_SACK : 0u) | (o->ecn ? TS_ECN : 0u) : TS_NONE;
}

static uint32_t hash(const struct siphash_key *k, const struct flow_key *key, tcp_seq irs,
	const struct cookie_options *o)
{
	struct {
		struct flow_key key;
		uint32_t irs, options;
	} in = { *key, irs.v, options_bits(o) | o->own_wscale << 8 | (uint32_t)o->own_window << 16 };

	static_assert(sizeof(in) == sizeof(*key) + 8, "no padding");
	return (uint32_t)siphash_2_4(k, &in, sizeof(in));
}

tcp_seq cookie_make(struct cookies *c, const struct flow_key *key, tcp_seq irs, uint16_t mss,
	const struct cookie_options *o, tas_ns now)
{
	uint32_t i = 7;

	TAS_ASSERT(mss >= mss_of[0]);
	while (mss_of[i] > mss)
		i--;
	keys_renew(c, now);
	return (tcp_seq){ hash(&c->now, key, irs, o) ^ i << MSS_SHIFT };
}

bool cookie_open(struct cookies *c, const struct flow_key *key, tcp_seq irs, tcp_seq cookie,
	const struct cookie_options *o, tas_ns now, uint16_t *mss)
{
	uint32_t rest;

	keys_renew(c, now);
	rest = cookie.v ^ hash(&c->now, key, irs, o);
	if (rest & ((1u << MSS_SHIFT) - 1))
		rest = cookie.v ^ hash(&c->last, key, irs, o);
	*mss = mss_of[rest >> MSS_SHIFT];
	return (rest & ((1u << MSS_SHIFT) - 1)) == 0;
}

uint32_t cookie_ts(uint32_t ts, const struct cookie_options *o)
{
	uint32_t mask = (1u << COOKIE_TS_BITS) - 1, bits = options_bits(o) & mask;

	/* Back by as much as it takes, which is less than the bits can count. */
	return ts - ((ts - bits) & mask);
}

struct cookie_options cookie_ts_options(uint32_t ts_ecr)
{
	return (struct cookie_options){ .timestamps = true,
		.sack = ts_ecr & TS_SACK,
		.ecn = ts_ecr & TS_ECN,
		.wscale = ts_ecr & (TS_SACK - 1) };
}
