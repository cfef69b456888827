/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/pmtu.h"

#include "include/base/assert.h"
#include "include/base/compiler.h"

enum { ETHERNET = 1500 };

static unsigned set_of(struct net_addr to)
{
	uint64_t h = (to.q[0] ^ (to.q[1] << 1 | to.q[1] >> 63)) * 0x9e3779b97f4a7c15ull;

	return (unsigned)(h >> 56) & (PMTU_SETS - 1);
}

uint16_t pmtu_of(const struct pmtu *p, struct net_addr to, tas_ns now)
{
	unsigned set = set_of(to);

	for (unsigned i = 0; i < PMTU_WAYS; i++)
		if (p->entry[set][i].until > now && addr_eq(p->entry[set][i].to, to))
			return p->entry[set][i].mtu;
	return 0;
}

void pmtu_learn(struct pmtu *p, struct net_addr to, uint16_t mtu, tas_ns now)
{
	unsigned set = set_of(to), at = 0;

	TAS_ASSERT(mtu >= (addr_is_v4(to) ? PMTU_MIN_V4 : PMTU_MIN_V6));
	for (unsigned i = 0; i < PMTU_WAYS; i++) {
		if (addr_eq(p->entry[set][i].to, to)) {
			at = i;
			break;
		}
		if (p->entry[set][i].until < p->entry[set][at].until)
			at = i;
	}
	p->entry[set][at].to = to;
	p->entry[set][at].until = now + PMTU_EXPIRES;
	p->entry[set][at].mtu = mtu;
}

void pmtu_forget(struct pmtu *p, struct net_addr to)
{
	unsigned set = set_of(to);

	for (unsigned i = 0; i < PMTU_WAYS; i++)
		if (addr_eq(p->entry[set][i].to, to))
			p->entry[set][i].until = 0;
}

uint16_t pmtu_named(bool v4, uint16_t mtu)
{
	if (v4)
		return mtu > PMTU_MIN_V4 ? mtu : PMTU_MIN_V4;
	return mtu >= PMTU_MIN_V6 ? mtu : 0;
}

uint16_t pmtu_smaller(bool v4, uint16_t mtu)
{
	static const uint16_t v4_sizes[] = { ETHERNET, PMTU_BASE, PMTU_MIN_V4 };
	static const uint16_t v6_sizes[] = { ETHERNET, PMTU_MIN_V6 };
	const uint16_t *sizes = v4 ? v4_sizes : v6_sizes;
	unsigned n = v4 ? ARRAY_LEN(v4_sizes) : ARRAY_LEN(v6_sizes);

	for (unsigned i = 0; i < n; i++)
		if (sizes[i] < mtu)
			return sizes[i];
	return mtu;
}
