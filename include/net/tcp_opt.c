/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_opt.c - see tcp_opt.h. */
#include "include/net/tcp_opt.h"

#include "include/base/assert.h"
#include "include/base/compiler.h"

static void tcp_opt_take_sack(const uint8_t *blocks, uint32_t n, struct tcp_opts *out)
{
	out->has |= TCP_HAS_SACK;
	out->nsack = (uint8_t)n;
	for (uint32_t i = 0; i < n; i++)
		out->sack[i] = (struct tcp_sack_block){ { load_be32(blocks + 8 * i) },
			{ load_be32(blocks + 8 * i + 4) } };
}

/* One option of `len` bytes, kind and length included. False if that length is wrong for its kind. */
static bool tcp_opt_take(const uint8_t *opt, uint32_t len, struct tcp_opts *out)
{
	switch (opt[0]) {
	case TCP_OPT_MSS:
		if (len != 4)
			return false;
		out->mss = load_be16(opt + 2);
		out->has = (uint8_t)(out->mss != 0 ? out->has | TCP_HAS_MSS : out->has & ~TCP_HAS_MSS);
		return true;
	case TCP_OPT_WSCALE:
		if (len != 3)
			return false;
		out->wscale = (uint8_t)min_u32(opt[2], TCP_WSCALE_MAX);
		out->has |= TCP_HAS_WSCALE;
		return true;
	case TCP_OPT_SACK_PERM:
		if (len != 2)
			return false;
		out->has |= TCP_HAS_SACK_PERM;
		return true;
	case TCP_OPT_TS:
		if (len != 10)
			return false;
		out->ts_val = load_be32(opt + 2);
		out->ts_ecr = load_be32(opt + 6);
		out->has |= TCP_HAS_TS;
		return true;
	case TCP_OPT_SACK:
		if (len < 10 || len > 2 + 8 * TCP_OPT_SACK_MAX || (len - 2) % 8 != 0)
			return false;
		tcp_opt_take_sack(opt + 2, (len - 2) / 8, out);
		return true;
	default: return true;
	}
}

bool tcp_opt_parse(const uint8_t *opts, uint32_t len, struct tcp_opts *out)
{
	bool well_formed = true;

	*out = (struct tcp_opts){ 0 };
	while (len > 0 && opts[0] != TCP_OPT_EOL) {
		uint32_t opt_len = 1;

		if (opts[0] != TCP_OPT_NOP) {
			if (len < 2 || opts[1] < 2 || opts[1] > len)
				return false;
			opt_len = opts[1];
			well_formed &= tcp_opt_take(opts, opt_len, out);
		}
		opts += opt_len;
		len -= opt_len;
	}
	return well_formed;
}

static uint8_t *tcp_opt_put4(uint8_t *p, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	p[0] = a;
	p[1] = b;
	p[2] = c;
	p[3] = d;
	return p + 4;
}

/* SACK-permitted takes the place of the two NOPs before the timestamp where there is one. */
uint32_t tcp_opt_write_syn(uint8_t opts[TCP_OPT_MAX], const struct tcp_opts *o)
{
	bool sack_perm = o->has & TCP_HAS_SACK_PERM;
	uint8_t *p = opts;

	if (o->has & TCP_HAS_MSS)
		p = tcp_opt_put4(p, TCP_OPT_MSS, 4, (uint8_t)(o->mss >> 8), (uint8_t)o->mss);
	if (o->has & TCP_HAS_TS) {
		uint8_t *ts = p;

		p += tcp_opt_write_ts(p, o->ts_val, o->ts_ecr);
		if (sack_perm)
			tcp_opt_put4(ts, TCP_OPT_SACK_PERM, 2, TCP_OPT_TS, 10);
	} else if (sack_perm) {
		p = tcp_opt_put4(p, TCP_OPT_NOP, TCP_OPT_NOP, TCP_OPT_SACK_PERM, 2);
	}
	if (o->has & TCP_HAS_WSCALE)
		p = tcp_opt_put4(p, TCP_OPT_NOP, TCP_OPT_WSCALE, 3, o->wscale);
	return (uint32_t)(p - opts);
}

uint32_t tcp_opt_write_sack(uint8_t opts[TCP_OPT_MAX], const struct tcp_opts *o)
{
	uint32_t max = o->has & TCP_HAS_TS ? 3 : TCP_OPT_SACK_MAX, n = min_u32(o->nsack, max);
	uint8_t *p = opts;

	if (o->has & TCP_HAS_TS)
		p += tcp_opt_write_ts(p, o->ts_val, o->ts_ecr);
	if (n > 0)
		p = tcp_opt_put4(p, TCP_OPT_NOP, TCP_OPT_NOP, TCP_OPT_SACK, (uint8_t)(2 + 8 * n));
	for (uint32_t i = 0; i < n; i++, p += 8) {
		store_be32(p, o->sack[i].left.v);
		store_be32(p + 4, o->sack[i].right.v);
	}
	TAS_ASSERT(p - opts <= TCP_OPT_MAX);
	return (uint32_t)(p - opts);
}
