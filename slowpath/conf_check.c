/* SPDX-License-Identifier: BSD-3-Clause */
/* What the file as a whole must fulfil: required keys are there, values agree. Nothing is concluded from a
 * key that has an error of its own, so that one mistake is one message. */
#include <stdio.h>
#include <string.h>

#include "fastpath/fastpath.h"
#include "include/base/assert.h"
#include "include/net/icmp6.h"
#include "slowpath/conf_table.h"

enum { PACKETS_BYTES = 32 << 20 }; /* what one core's packets take by default, roughly */

static unsigned key_index(const char *section, const char *name)
{
	const struct conf_key *k = conf_key_find(section, name);

	TAS_ASSERT(k != NULL);
	return (unsigned)(k - conf_keys);
}

static unsigned line_of(const struct conf_reading *r, const char *section, const char *name)
{
	return r->key_line[key_index(section, name)];
}

static bool is_bad(const struct conf_reading *r, const char *section, const char *name)
{
	return r->key_is_bad[key_index(section, name)];
}

/* The line to blame for two keys that disagree: one that stands in the file, the first-named if both do. */
static unsigned line_of_either(const struct conf_reading *r, const char *section, const char *one,
	const char *other)
{
	unsigned line = line_of(r, section, one);

	return line != 0 ? line : line_of(r, section, other);
}

/* Addresses of one family are enough. */
static bool may_be_missing(const struct conf_reading *r, const struct conf_key *k)
{
	return !(k->flags & CONF_REQUIRED) ||
		(strcmp(k->name, "address") == 0 && conf_has_ipv6(&r->conf->ip));
}

static void check_required(struct conf_reading *r)
{
	char where[64], allowed[128];

	for (unsigned i = 0; i < conf_keys_count; i++) {
		if (may_be_missing(r, &conf_keys[i]) || r->key_line[i] != 0)
			continue;
		snprintf(where, sizeof(where), "%s.%s", conf_keys[i].section, conf_keys[i].name);
		conf_allowed(&conf_keys[i], allowed, sizeof(allowed));
		conf_complain(r, 0, where, "missing; give %s", allowed);
	}
}

/* What keeps the gateway from being a neighbour in this subnet, or NULL. */
static const char *gateway_fault(const struct net_prefix *net, struct net_addr gateway)
{
	struct net_prefix zero = { addr_v4(0), net->len };
	uint32_t host_bits = prefix_v4_broadcast(&zero), host = addr_v4_be(gateway) & host_bits;

	if (!prefix_contains(net, gateway))
		return "is not inside a subnet of ip.address";
	if (addr_eq(net->addr, gateway))
		return "is tasd's own address";
	if (net->len <= 30 + ADDR_V4_PREFIX_OFFSET && (host == 0 || host == host_bits))
		return "is the address or broadcast address of a subnet";
	return NULL;
}

static void check_gateway(struct conf_reading *r)
{
	const struct conf_ip *ip = &r->conf->ip;
	const char *fault = "is not inside a subnet of ip.address";
	char gateway[ADDR_STRLEN];

	if (!ip->has_gateway || ip->addresses == 0 || is_bad(r, "ip", "address"))
		return;
	for (uint32_t i = 0; i < ip->addresses; i++) {
		const char *here = gateway_fault(&ip->address[i], ip->gateway);

		if (here == NULL)
			return;
		if (prefix_contains(&ip->address[i], ip->gateway))
			fault = here;
	}
	addr_format(ip->gateway, gateway, sizeof(gateway));
	conf_complain(r, line_of(r, "ip", "gateway"), "ip.gateway",
		"\"%s\" %s; allowed: the address of a router in one of them, or nothing", gateway, fault);
}

static void check_gateway6(struct conf_reading *r)
{
	const struct conf_ip *ip = &r->conf->ip;
	const char *fault = "is not on the link: in no subnet of ip.address6";
	char gateway[ADDR_STRLEN];

	if (!ip->has_gateway6 || is_bad(r, "ip", "address6"))
		return;
	if (!conf_has_ipv6(ip))
		fault = "leads nowhere without ip.address6 or autoconf6";
	else if (addr_is_link_local6(ip->gateway6))
		return;
	for (uint32_t i = 0; i < ip->addresses6; i++) {
		if (addr_eq(ip->address6[i].addr, ip->gateway6))
			fault = "is tasd's own address";
		else if (prefix_contains(&ip->address6[i], ip->gateway6))
			return;
	}
	addr_format(ip->gateway6, gateway, sizeof(gateway));
	conf_complain(r, line_of(r, "ip", "gateway6"), "ip.gateway6",
		"\"%s\" %s; allowed: a router's address there or fe80::..., or nothing", gateway, fault);
}

/* RFC 8200 5. */
static void check_mtu6(struct conf_reading *r)
{
	uint32_t mtu = r->conf->port.mtu;

	if (mtu == 0 || mtu >= IP6_MTU_MIN || !conf_has_ipv6(&r->conf->ip) || is_bad(r, "port", "mtu"))
		return;
	conf_complain(r, line_of(r, "port", "mtu"), "port.mtu",
		"%u is too little for IPv6; allowed: at least %d, or no ip.address6 and autoconf6", mtu,
		IP6_MTU_MIN);
}

static void check_buffers(struct conf_reading *r)
{
	const struct conf_memory *m = &r->conf->memory;
	char quota[24], rx[24], tx[24];

	if (is_bad(r, "memory", "rx_buffer") || is_bad(r, "memory", "tx_buffer") ||
		is_bad(r, "memory", "app_memory_max"))
		return;
	if ((uint64_t)m->rx_buffer + m->tx_buffer <= m->app_memory_max)
		return;
	conf_size_format(m->app_memory_max, quota, sizeof(quota));
	conf_size_format(m->rx_buffer, rx, sizeof(rx));
	conf_size_format(m->tx_buffer, tx, sizeof(tx));
	conf_complain(r, line_of_either(r, "memory", "app_memory_max", "rx_buffer"), "memory.app_memory_max",
		"%s does not hold one connection; allowed: at least rx_buffer + tx_buffer (%s + %s)", quota,
		rx, tx);
}

/* The tables alone, on the one core that every device has a queue for: packets come on top of it, but how
 * large they are the device says. */
static void check_memory(struct conf_reading *r)
{
	const struct conf_memory *m = &r->conf->memory;
	struct fp_conf fc = { .cores = 1, .flows_max = m->flows_max, .apps_max = m->apps_max };
	uint64_t need = fp_memory_bytes(&fc);
	char have[24];

	if (need <= m->dpdk_memory || is_bad(r, "memory", "flows_max") || is_bad(r, "memory", "apps_max") ||
		is_bad(r, "memory", "dpdk_memory"))
		return;
	conf_size_format(m->dpdk_memory, have, sizeof(have));
	conf_complain(r, line_of_either(r, "memory", "dpdk_memory", "flows_max"), "memory.dpdk_memory",
		"%s is too little for flows_max=%u and apps_max=%u; allowed: at least %luM, or lower these",
		have, m->flows_max, m->apps_max, (need + PACKETS_BYTES) >> 20);
}

static void check_cpus(struct conf_reading *r)
{
	const struct conf_fastpath *f = &r->conf->fastpath;
	unsigned cpus = (unsigned)CPU_COUNT(&f->cpus);

	if (is_bad(r, "fastpath", "cpus") || is_bad(r, "fastpath", "cores_max") || cpus == 0 ||
		cpus >= f->cores_max)
		return;
	conf_complain(r, line_of(r, "fastpath", "cpus"), "fastpath.cpus",
		"%u CPUs are fewer than cores_max = %u; allowed: at least as many, or nothing", cpus,
		f->cores_max);
}

static void check_order(struct conf_reading *r, const char *section, const char *low_name, uint32_t low,
	const char *high_name, uint32_t high)
{
	char where[64];

	if (low <= high || is_bad(r, section, low_name) || is_bad(r, section, high_name))
		return;
	snprintf(where, sizeof(where), "%s.%s", section, low_name);
	conf_complain(r, line_of_either(r, section, low_name, high_name), where,
		"%u is more than %s = %u; allowed: at most %u", low, high_name, high, high);
}

void conf_check(struct conf_reading *r)
{
	const struct conf_tcp *t = &r->conf->tcp;
	const struct conf_fastpath *f = &r->conf->fastpath;

	check_required(r);
	check_gateway(r);
	check_gateway6(r);
	check_mtu6(r);
	check_buffers(r);
	check_memory(r);
	check_cpus(r);
	check_order(r, "fastpath", "cores_min", f->cores_min, "cores_max", f->cores_max);
	check_order(r, "tcp", "rto_min_ms", t->rto_min_ms, "rto_max_ms", t->rto_max_ms);
	check_order(r, "tcp", "rto_initial_ms", t->rto_initial_ms, "rto_max_ms", t->rto_max_ms);
	check_order(r, "tcp", "rto_min_ms", t->rto_min_ms, "rto_initial_ms", t->rto_initial_ms);
}
