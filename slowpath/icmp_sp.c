/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp_sp.c - see icmp_sp.h. */
#include "slowpath/icmp_sp.h"

#include <errno.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "include/base/compiler.h"
#include "include/net/ext6.h"

enum { L3 = RTE_ETHER_HDR_LEN };

void icmp_sp_init(struct icmp_sp *s, const struct routes *routes)
{
	*s = (struct icmp_sp){
		.routes = routes,
		.echo = limit_of(ICMP_SP_ECHO_PER_S, ICMP_SP_ECHO_BURST),
		.errors = limit_of(ICMP_SP_ERRORS_PER_S, ICMP_SP_ERRORS_BURST),
	};
}

static enum icmp_sp_verdict echo_in(struct icmp_sp *s, uint8_t *frame, uint32_t *len, const struct seg *seg,
	bool v4, tas_ns now)
{
	if (!limit_pass(&s->echo, now)) {
		s->echo_limited++;
		return ICMP_SP_DROP;
	}
	*len = v4 ? icmp_echo_reply(frame, *len) : icmp6_echo_reply(frame, seg);
	if (*len == 0)
		return ICMP_SP_DROP;
	s->echo_replies++;
	return ICMP_SP_REPLY;
}

enum icmp_sp_verdict icmp_sp_in(struct icmp_sp *s, uint8_t *frame, uint32_t *len, const struct flow_key *key,
	const struct seg *seg, tas_ns now, struct icmp_error *error)
{
	const uint8_t *icmp = frame + seg->payload_off;
	bool v4 = addr_is_v4(key->local), is_error;

	if (seg->payload_len == 0 || !route_is_local(s->routes, key->local))
		return ICMP_SP_DROP;
	if (icmp[0] == (v4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST))
		return echo_in(s, frame, len, seg, v4, now);
	is_error = v4 ? icmp_error_parse(icmp, seg->payload_len, error)
		      : icmp6_error_parse(icmp, seg->payload_len, error);
	if (!is_error || !route_is_local(s->routes, error->key.local))
		return ICMP_SP_DROP;
	s->errors_heard++;
	return ICMP_SP_ERROR;
}

static uint32_t refuse_v4(uint8_t *buf, uint32_t size, const uint8_t *frame, uint32_t len)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + L3);
	uint8_t code = ip->next_proto_id == IPPROTO_UDP ? ICMP4_PORT_UNREACHABLE : ICMP4_PROTOCOL_UNREACHABLE;

	return len < L3 + sizeof(*ip) ? 0 : icmp_write_unreachable(buf, size, code, 0, frame, len);
}

/* What the parser refused, it refused for one of these reasons. */
static uint32_t refuse_v6(uint8_t *buf, uint32_t size, const uint8_t *frame, uint32_t len)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(frame + L3);
	uint8_t code = ICMP6_UNKNOWN_NEXT_HEADER;
	uint32_t pointer;
	struct ext6 ext;

	if (len < L3 + sizeof(*ip))
		return 0;
	ext = ext6_skip(frame + L3, min_u32(len - L3, (uint32_t)sizeof(*ip) + be16toh(ip->payload_len)));
	pointer = ext.named;
	if (ext.verdict == EXT6_UPPER && ext.proto == IPPROTO_UDP)
		return icmp6_write_error(buf, size, ICMP6_UNREACHABLE, ICMP6_PORT_UNREACHABLE, 0, frame, len);
	if (ext.verdict == EXT6_REFUSE || ext.verdict == EXT6_REFUSE_ONE)
		code = ext.code, pointer = ext.at;
	else if (ext.verdict != EXT6_UPPER)
		return 0;
	return icmp6_write_error(buf, size, ICMP6_PARAMETER_PROBLEM, code, pointer, frame, len);
}

/* The length of the error if there is one and it may go. */
static uint32_t limited(struct icmp_sp *s, uint32_t answer_len, tas_ns now)
{
	if (answer_len == 0)
		return 0;
	if (!limit_pass(&s->errors, now)) {
		s->errors_limited++;
		return 0;
	}
	s->errors_sent++;
	return answer_len;
}

uint32_t icmp_sp_refuse(struct icmp_sp *s, uint8_t *buf, uint32_t size, const uint8_t *frame, uint32_t len,
	const struct flow_key *key, tas_ns now)
{
	if (!route_is_local(s->routes, key->local))
		return 0;
	return limited(s,
		addr_is_v4(key->local) ? refuse_v4(buf, size, frame, len) : refuse_v6(buf, size, frame, len),
		now);
}

/* Of an ICMP message in a fragment nobody knows here whether it is an error (RFC 4443 2.4 (e)). */
static uint32_t late_v6(uint8_t *buf, uint32_t size, const uint8_t *frame, uint32_t len)
{
	uint32_t at = L3 + (uint32_t)sizeof(struct rte_ipv6_hdr);

	return len <= at || frame[at] == IPPROTO_ICMPV6
		? 0
		: icmp6_write_error(buf, size, ICMP6_TIME_EXCEEDED, ICMP6_REASSEMBLY_TIME, 0, frame, len);
}

uint32_t icmp_sp_late(struct icmp_sp *s, uint8_t *buf, uint32_t size, const uint8_t *frame, uint32_t len,
	bool v4, tas_ns now)
{
	return limited(s, v4 ? icmp_write_late(buf, size, frame, len) : late_v6(buf, size, frame, len), now);
}

/* As Linux has it (icmpv6_err_convert). */
static struct icmp_sp_effect effect_v6(const struct icmp_error *error)
{
	static const int unreachable[] = {
		[ICMP6_NO_ROUTE] = ENETUNREACH,
		[ICMP6_PROHIBITED] = EACCES,
		[ICMP6_BEYOND_SCOPE] = EHOSTUNREACH,
		[ICMP6_ADDRESS_UNREACHABLE] = EHOSTUNREACH,
		[ICMP6_PORT_UNREACHABLE] = ECONNREFUSED,
		[ICMP6_POLICY] = EACCES,
		[ICMP6_ROUTE_REJECTED] = EACCES,
	};
	struct icmp_sp_effect effect = { .pmtu = error->type == ICMP6_TOO_BIG };

	if (error->type == ICMP6_UNREACHABLE)
		effect.err = error->code < ARRAY_LEN(unreachable) ? unreachable[error->code] : EPROTO;
	else if (error->type == ICMP6_TIME_EXCEEDED)
		effect.err = EHOSTUNREACH;
	else if (error->type == ICMP6_PARAMETER_PROBLEM)
		effect.err = EPROTO;
	effect.hard = effect.err != 0;
	return effect;
}

struct icmp_sp_effect icmp_sp_effect_of(const struct icmp_error *error)
{
	static const int unreachable[] = {
		[ICMP4_NET_UNREACHABLE] = ENETUNREACH,
		[ICMP4_HOST_UNREACHABLE] = EHOSTUNREACH,
		[ICMP4_PROTOCOL_UNREACHABLE] = ENOPROTOOPT,
		[ICMP4_PORT_UNREACHABLE] = ECONNREFUSED,
		[ICMP4_FRAGMENTATION_NEEDED] = 0,
		[5] = EOPNOTSUPP,    /* source route failed */
		[6] = ENETUNREACH,   /* network unknown */
		[7] = EHOSTDOWN,     /* host unknown */
		[8] = ENONET,        /* source host isolated */
		[9] = ENETUNREACH,   /* network administratively prohibited */
		[10] = EHOSTUNREACH, /* host administratively prohibited */
		[11] = ENETUNREACH,  /* for this type of service */
		[12] = EHOSTUNREACH,
		[ICMP4_ADMIN_PROHIBITED] = EHOSTUNREACH,
		[14] = EHOSTUNREACH, /* precedence violation */
		[15] = EHOSTUNREACH, /* precedence cutoff */
	};
	struct icmp_sp_effect effect = { 0 };

	if (error->v6)
		return effect_v6(error);
	switch (error->type) {
	case ICMP4_UNREACHABLE:
		effect.pmtu = error->code == ICMP4_FRAGMENTATION_NEEDED;
		effect.err = error->code < ARRAY_LEN(unreachable) ? unreachable[error->code] : 0;
		break;
	case ICMP4_TIME_EXCEEDED: effect.err = EHOSTUNREACH; break;
	case ICMP4_PARAMETER_PROBLEM: effect.err = EPROTO; break;
	default: break;
	}
	effect.hard = effect.err != 0;
	return effect;
}
