/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp_sp.c - see icmp_sp.h. */
#include "slowpath/icmp_sp.h"

#include <errno.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "include/base/compiler.h"

enum { L3 = RTE_ETHER_HDR_LEN };

void icmp_sp_init(struct icmp_sp *s, const struct routes *routes)
{
	*s = (struct icmp_sp){
		.routes = routes,
		.echo = limit_of(ICMP_SP_ECHO_PER_S, ICMP_SP_ECHO_BURST),
		.errors = limit_of(ICMP_SP_ERRORS_PER_S, ICMP_SP_ERRORS_BURST),
	};
}

static enum icmp_sp_verdict echo_in(struct icmp_sp *s, uint8_t *frame, uint32_t *len, tas_ns now)
{
	if (!limit_pass(&s->echo, now)) {
		s->echo_limited++;
		return ICMP_SP_DROP;
	}
	*len = icmp_echo_reply(frame, *len);
	if (*len == 0)
		return ICMP_SP_DROP;
	s->echo_replies++;
	return ICMP_SP_REPLY;
}

enum icmp_sp_verdict icmp_sp_in(struct icmp_sp *s, uint8_t *frame, uint32_t *len, const struct flow_key *key,
	const struct seg *seg, tas_ns now, struct icmp_error *error)
{
	const uint8_t *icmp = frame + seg->payload_off;

	if (seg->payload_len == 0 || !route_is_local(s->routes, key->local))
		return ICMP_SP_DROP;
	if (icmp[0] == ICMP4_ECHO_REQUEST)
		return echo_in(s, frame, len, now);
	if (!icmp_error_parse(icmp, seg->payload_len, error) || !route_is_local(s->routes, error->key.local))
		return ICMP_SP_DROP;
	s->errors_heard++;
	return ICMP_SP_ERROR;
}

uint32_t icmp_sp_refuse(struct icmp_sp *s, uint8_t *buf, uint32_t size, const uint8_t *frame, uint32_t len,
	const struct flow_key *key, tas_ns now)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + L3);
	uint8_t code = ICMP4_PROTOCOL_UNREACHABLE;
	uint32_t answer_len;

	if (len < L3 + sizeof(*ip) || !addr_is_v4(key->local) || !route_is_local(s->routes, key->local))
		return 0;
	if (ip->next_proto_id == IPPROTO_UDP)
		code = ICMP4_PORT_UNREACHABLE;
	answer_len = icmp_write_unreachable(buf, size, code, 0, frame, len);
	if (answer_len == 0)
		return 0;
	if (!limit_pass(&s->errors, now)) {
		s->errors_limited++;
		return 0;
	}
	s->errors_sent++;
	return answer_len;
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
