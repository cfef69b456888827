/* SPDX-License-Identifier: BSD-3-Clause */
/* frag.c - see frag.h. */
#define ALLOW_EXPERIMENTAL_API /* of rte_ip_frag, to drop what is old without waiting for more */
#include "slowpath/frag.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"
#include "include/net/bytes.h"
#include "include/net/ext6.h"

enum {
	L3 = RTE_ETHER_HDR_LEN,
	IP6_HDR_LEN = sizeof(struct rte_ipv6_hdr),
	IP6_FRAG_LEN = sizeof(struct rte_ipv6_fragment_ext),
	IP_BYTES_MAX = UINT16_MAX, /* of an IPv4 packet, or what follows an IPv6 header */
	WHOLE_MAX = L3 + IP6_HDR_LEN + IP_BYTES_MAX,
	LOOK_APART_NS = 1000 * 1000 * 1000,
	ECN_NOT_ECT = 1 << 0, /* bits of the marks that a packet's fragments had */
	ECN_CE = 1 << 3,
};
#define RECENT_NS (100 * NS_PER_MS) /* the others of a packet come as soon as that */

/* One fragment. */
struct piece {
	bool v4, more;
	uint32_t hdr_len; /* of IP, with the fragment header */
	uint32_t at, len; /* its data: where in the frame, how much */
	uint32_t offset;
};

int frags_init(struct frags *g, const char *name, uint32_t mtu, int numa_node)
{
	bool all = true;
	char pool[32];

	*g = (struct frags){ .next = TAS_NS_NEVER, .whole = malloc(WHOLE_MAX) };
	snprintf(pool, sizeof(pool), "%.16s-frags", name);
	g->pool = rte_pktmbuf_pool_create(pool, FRAG_MBUFS, 0, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + L3 + mtu),
		numa_node);
	for (unsigned i = 0; i < FRAG_SOURCES; i++) {
		g->source[i].table = rte_ip_frag_table_create(1, FRAG_PACKETS, FRAG_PACKETS, FRAG_TIMEOUT_NS,
			numa_node);
		all = all && g->source[i].table != NULL;
	}
	if (all && g->pool != NULL && g->whole != NULL)
		return 0;
	frags_fini(g);
	return -ENOMEM;
}

void frags_fini(struct frags *g)
{
	for (unsigned i = 0; i < FRAG_SOURCES; i++)
		if (g->source[i].table != NULL)
			rte_ip_frag_table_destroy(g->source[i].table);
	rte_mempool_free(g->pool);
	free(g->whole);
	*g = (struct frags){ .next = TAS_NS_NEVER };
}

/* --- what the library let go --- */

static void gone_free(struct frags *g)
{
	for (uint32_t i = 0; i < g->gone.cnt; i++) {
		g->dropped += g->gone.row[i]->nb_segs;
		rte_pktmbuf_free(g->gone.row[i]);
	}
	g->gone.cnt = 0;
}

/* Drops all of a host's packets that began before. */
static void forget_before(struct frags *g, struct frag_source *s, tas_ns before)
{
	rte_ip_frag_table_del_expired_entries(s->table, &g->gone, before + FRAG_TIMEOUT_NS);
	gone_free(g);
}

static struct frag_source *source_of(struct frags *g, struct net_addr addr, tas_ns now)
{
	struct frag_source *oldest = &g->source[0];

	for (struct frag_source *s = g->source; s < g->source + FRAG_SOURCES; s++) {
		if (addr_eq(s->addr, addr)) {
			s->used_ns = now;
			return s;
		}
		if (s->used_ns < oldest->used_ns)
			oldest = s;
	}
	forget_before(g, oldest, now + 1);
	oldest->addr = addr;
	oldest->used_ns = now;
	return oldest;
}

/* --- a fragment --- */

static struct piece piece_of(const uint8_t *frame, const struct flow_key *key, const struct seg *seg)
{
	struct piece p = { .v4 = addr_is_v4(key->local), .at = seg->payload_off, .len = seg->payload_len };
	uint32_t field;

	if (p.v4) {
		field = load_be16(frame + L3 + offsetof(struct rte_ipv4_hdr, fragment_offset));
		p.hdr_len = p.at - L3;
		p.offset = (field & RTE_IPV4_HDR_OFFSET_MASK) * RTE_IPV4_HDR_OFFSET_UNITS;
		p.more = (field & RTE_IPV4_HDR_MF_FLAG) != 0;
		return p;
	}
	field = load_be16(frame + p.at + offsetof(struct rte_ipv6_fragment_ext, frag_data));
	p.hdr_len = IP6_HDR_LEN + IP6_FRAG_LEN;
	p.at += IP6_FRAG_LEN;
	p.len -= IP6_FRAG_LEN;
	p.offset = field & 0xfff8;
	p.more = field & 1;
	return p;
}

/* Only the last one may end within a unit of 8 bytes, and no packet is longer than its length field says. */
static bool is_possible(const struct piece *p)
{
	uint32_t headers = p->v4 ? p->hdr_len : 0;

	return p->len > 0 && (!p->more || p->len % 8 == 0) && headers + p->offset + p->len <= IP_BYTES_MAX;
}

/* In IPv6 without the extension headers before the fragment header, which the library does not know: they
 * were looked at. */
static struct rte_mbuf *piece_copy(struct frags *g, const uint8_t *frame, const struct piece *p, uint8_t ecn)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->pool);
	uint8_t *to;

	TAS_ASSERT(m != NULL);
	if (rte_pktmbuf_tailroom(m) < L3 + p->hdr_len + p->len) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	m->l2_len = L3;
	m->l3_len = p->hdr_len;
	m->hash.usr = 1u << ecn;
	to = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(L3 + p->hdr_len + p->len));
	memcpy(to, frame, L3 + (p->v4 ? p->hdr_len : IP6_HDR_LEN));
	to += L3 + p->hdr_len;
	memcpy(to, frame + p->at, p->len);
	if (p->v4)
		return m;
	memcpy(to - IP6_FRAG_LEN, frame + p->at - IP6_FRAG_LEN, IP6_FRAG_LEN);
	to -= p->hdr_len;
	to[offsetof(struct rte_ipv6_hdr, proto)] = EXT6_FRAGMENT;
	store_be16(to + offsetof(struct rte_ipv6_hdr, payload_len), (uint16_t)(IP6_FRAG_LEN + p->len));
	return m;
}

static struct rte_mbuf *put(struct frags *g, struct frag_source *s, struct rte_mbuf *m, bool v4, tas_ns now)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, L3);

	if (v4)
		return rte_ipv4_frag_reassemble_packet(s->table, &g->gone, m, now, (struct rte_ipv4_hdr *)ip);
	return rte_ipv6_frag_reassemble_packet(s->table, &g->gone, m, now, (struct rte_ipv6_hdr *)ip,
		(struct rte_ipv6_fragment_ext *)(ip + IP6_HDR_LEN));
}

/* It came back alone: it begins a packet, and there are FRAG_PACKETS of this host. */
static bool has_no_room(const struct frags *g, const struct rte_mbuf *m)
{
	return g->gone.cnt == 1 && g->gone.row[0] == m;
}

static struct rte_mbuf *put_in_any_case(struct frags *g, struct frag_source *s, struct rte_mbuf *m, bool v4,
	tas_ns now)
{
	const tas_ns before[] = { now - min_u64(now, RECENT_NS), now + 1 };
	struct rte_mbuf *whole = put(g, s, m, v4, now);

	for (unsigned i = 0; i < ARRAY_LEN(before) && whole == NULL && has_no_room(g, m); i++) {
		g->gone.cnt = 0;
		forget_before(g, s, before[i]);
		whole = put(g, s, m, v4, now);
	}
	gone_free(g);
	return whole;
}

/* --- the whole --- */

/* RFC 3168 5.3, as Linux has it: one that met congestion makes all of it marked, unless others cannot have
 * been. */
static bool ecn_is_possible(uint32_t marks) { return !(marks & ECN_NOT_ECT) || marks == ECN_NOT_ECT; }

static void ecn_set(uint8_t *ip, bool v4, uint32_t marks)
{
	if (marks & ECN_CE)
		ip[1] |= v4 ? RTE_IPV4_HDR_ECN_CE : RTE_IPV4_HDR_ECN_CE << 4;
}

static uint32_t copy_out(uint8_t *to, const struct rte_mbuf *m, uint32_t *marks)
{
	uint32_t n = 0;

	for (; m != NULL; m = m->next) {
		TAS_ASSERT(n + m->data_len <= WHOLE_MAX);
		memcpy(to + n, rte_pktmbuf_mtod(m, const void *), m->data_len);
		n += m->data_len;
		*marks |= m->hash.usr;
	}
	return n;
}

uint8_t *frag_in(struct frags *g, const uint8_t *frame, const struct flow_key *key, const struct seg *seg,
	tas_ns now, uint32_t *len)
{
	struct piece p = piece_of(frame, key, seg);
	struct rte_mbuf *m = is_possible(&p) ? piece_copy(g, frame, &p, seg->ecn) : NULL;
	uint32_t marks = 0, pieces;

	if (m == NULL) {
		g->dropped++;
		return NULL;
	}
	g->next = min_u64(g->next, now + FRAG_TIMEOUT_NS);
	m = put_in_any_case(g, source_of(g, key->remote, now), m, p.v4, now);
	if (m == NULL)
		return NULL;
	pieces = m->nb_segs;
	*len = copy_out(g->whole, m, &marks);
	rte_pktmbuf_free(m);
	if (!ecn_is_possible(marks)) {
		g->dropped += pieces;
		return NULL;
	}
	ecn_set(g->whole + L3, p.v4, marks);
	g->joined++;
	return g->whole;
}

/* --- time --- */

static bool is_first(const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, L3);

	if (ip[0] >> 4 == 4)
		return (load_be16(ip + offsetof(struct rte_ipv4_hdr, fragment_offset)) &
			       RTE_IPV4_HDR_OFFSET_MASK) == 0;
	return (load_be16(ip + IP6_HDR_LEN + offsetof(struct rte_ipv6_fragment_ext, frag_data)) & 0xfff8) ==
		0;
}

unsigned frags_poll(struct frags *g, tas_ns now, frag_late_fn *late, void *arg)
{
	unsigned done = 0;

	if (now < g->next)
		return 0;
	for (struct frag_source *s = g->source; s < g->source + FRAG_SOURCES; s++) {
		rte_ip_frag_table_del_expired_entries(s->table, &g->gone, now);
		for (uint32_t i = 0; i < g->gone.cnt; i++, done++)
			if (is_first(g->gone.row[i]))
				late(arg, rte_pktmbuf_mtod(g->gone.row[i], const uint8_t *),
					g->gone.row[i]->data_len);
		gone_free(g);
	}
	g->next = rte_mempool_full(g->pool) ? TAS_NS_NEVER : now + LOOK_APART_NS;
	return done;
}
