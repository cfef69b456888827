/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_link.h"

#include <stdlib.h>
#include <string.h>

#include "include/base/assert.h"
#include "include/net/nd.h"
#include "include/net/pkt.h"
#include "tests/sim/sim_router.h"

#define BURST_MAX_NS (100 * NS_PER_MS)

void net_begin(struct net *n, uint64_t seed, unsigned hosts, struct trace *trace)
{
	TAS_ASSERT(hosts <= LINK_HOSTS_MAX);
	*n = (struct net){ .hosts = hosts, .trace = trace };
	rand_seed(&n->rand, seed);
}

/* --- what is on its way: a heap, the earliest first --- */

static bool earlier(const struct link_frame *a, const struct link_frame *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void heap_push(struct net *n, struct link_frame *f)
{
	uint32_t at = n->waiting++;

	if (n->waiting > n->room) {
		n->room = n->room != 0 ? 2 * n->room : 64;
		n->heap = realloc(n->heap, n->room * sizeof(*n->heap));
		TAS_ASSERT(n->heap != NULL);
	}
	for (; at > 0 && earlier(f, n->heap[(at - 1) / 2]); at = (at - 1) / 2)
		n->heap[at] = n->heap[(at - 1) / 2];
	n->heap[at] = f;
}

static struct link_frame *heap_pop(struct net *n)
{
	struct link_frame *first = n->heap[0], *last = n->heap[--n->waiting];
	uint32_t at = 0, child;

	while ((child = 2 * at + 1) < n->waiting) {
		if (child + 1 < n->waiting && earlier(n->heap[child + 1], n->heap[child]))
			child++;
		if (!earlier(n->heap[child], last))
			break;
		n->heap[at] = n->heap[child];
		at = child;
	}
	n->heap[at] = last;
	return first;
}

void net_end(struct net *n)
{
	while (n->waiting > 0)
		free(heap_pop(n));
	free(n->heap);
	n->heap = NULL;
	n->room = 0;
}

/* --- what the model does --- */

/* A time between nothing and `most`. */
static tas_ns some(struct net *n, tas_ns most) { return most == 0 ? 0 : rand_u64(&n->rand) % (most + 1); }

static uint32_t tcp_payload(const uint8_t *bytes, uint32_t len)
{
	struct flow_key key;
	struct seg seg;

	return pkt_parse(bytes, len, PKT_VERIFIED_IP | PKT_VERIFIED_L4, &key, &seg) == PKT_TCP
		? seg.payload_len
		: 0;
}

/* ARP, or neighbour discovery. */
static bool is_ask(const uint8_t *bytes, uint32_t len)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)bytes;
	struct flow_key key;
	struct seg seg;

	return eth->ether_type == htobe16(RTE_ETHER_TYPE_ARP) ||
		(pkt_parse(bytes, len, PKT_VERIFIED_IP | PKT_VERIFIED_L4, &key, &seg) == PKT_ICMP6 &&
			(bytes[seg.payload_off] == ICMP6_SOLICITATION ||
				bytes[seg.payload_off] == ICMP6_ADVERTISEMENT));
}

/* It does not arrive, or not whole. */
static void spoilt_or_lost(struct net *n, struct link_end *e, const uint8_t *bytes, uint32_t len, tas_ns now)
{
	e->stats.lost_payload += tcp_payload(bytes, len);
	if (!is_ask(bytes, len))
		return;
	memmove(&n->asks_lost[0], &n->asks_lost[1], sizeof(n->asks_lost) - sizeof(n->asks_lost[0]));
	n->asks_lost[LINK_ASKS - 1] = now;
}

static bool is_down(struct net *n, struct link_end *e, tas_ns now)
{
	const struct link_model *m = &e->model;

	if (m->down_every == 0)
		return false;
	if (e->next_down == 0)
		e->next_down = now + some(n, 2 * m->down_every);
	if (now >= e->next_down) {
		e->up_at = e->next_down + some(n, m->down_for);
		e->next_down = e->up_at + some(n, 2 * m->down_every);
	}
	return now < e->up_at;
}

/* A burst is over after some frames, or some time. */
static bool bursts(struct net *n, struct link_end *e, tas_ns now)
{
	if (now >= e->burst_to) {
		if (!rand_chance_ppm(&n->rand, e->model.burst))
			return false;
		e->burst_to = now + some(n, BURST_MAX_NS);
	}
	if (rand_chance_ppm(&n->rand, e->model.burst_end))
		e->burst_to = now;
	return true;
}

uint32_t net_queue(const struct link_end *e, tas_ns now)
{
	return e->wire_free > now ? (uint32_t)((e->wire_free - now) * e->model.rate / NS_PER_SEC) : 0;
}

/* Why a frame goes nowhere, or NULL. */
static const char *loss_of(struct net *n, struct link_end *e, uint32_t len, tas_ns now)
{
	const struct link_model *m = &e->model;

	if (is_down(n, e, now))
		return "DOWN";
	if (bursts(n, e, now))
		return "LOST (burst)";
	if (rand_chance_ppm(&n->rand, m->loss))
		return "LOST";
	if (m->rate != 0 && e->wire_free > now && net_queue(e, now) + len > m->queue) {
		e->stats.queue_full++;
		return "LOST (queue)";
	}
	return NULL;
}

static tas_ns arrival(struct net *n, struct link_end *e, uint32_t len, tas_ns now, const char **fate)
{
	const struct link_model *m = &e->model;
	tas_ns due = now;

	if (m->rate != 0) {
		e->wire_free = max_u64(e->wire_free, now) + len * NS_PER_SEC / m->rate;
		due = e->wire_free;
	}
	due += m->delay + some(n, m->jitter);
	if (rand_chance_ppm(&n->rand, m->reorder)) {
		e->stats.reordered++;
		*fate = "LATE";
		return due + some(n, m->reorder_by);
	}
	e->last_due = max_u64(e->last_due, due);
	return e->last_due;
}

/* What has a checksum of its own; ARP has none. */
static bool is_v4(const uint8_t *bytes) { return load_be16(bytes + 12) == RTE_ETHER_TYPE_IPV4; }
static bool is_v6(const uint8_t *bytes) { return load_be16(bytes + 12) == RTE_ETHER_TYPE_IPV6; }
static bool is_ip(const uint8_t *bytes) { return is_v4(bytes) || is_v6(bytes); }

static bool goes_to(const struct net *n, unsigned from, unsigned to, const uint8_t *bytes)
{
	const struct rte_ether_addr *dst = (const struct rte_ether_addr *)bytes;

	return to != from &&
		(rte_is_multicast_ether_addr(dst) || rte_is_same_ether_addr(dst, &n->end[to].mac));
}

/* One bit behind the Ethernet header, which has a checksum that no host sees; of IPv6 from the addresses on:
 * no checksum covers what is before, and a packet with another flow label or hop limit is a good one. */
static void spoil(struct net *n, struct link_frame *f)
{
	uint32_t from = RTE_ETHER_HDR_LEN + (is_v6(f->bytes) ? 8 : 0);
	uint32_t bit = rand_below(&n->rand, (f->len - from) * 8);

	f->bytes[from + bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static bool congested(struct net *n, struct link_end *e, tas_ns now)
{
	if (e->model.mark_above != 0 && net_queue(e, now) > e->model.mark_above)
		return true;
	return e->model.mark != 0 && rand_chance_ppm(&n->rand, e->model.mark);
}

/* RFC 3168 5: a router marks what says that its ends know what to make of it. */
static bool marks(struct net *n, struct link_end *e, const uint8_t *bytes, tas_ns now)
{
	const uint8_t *ip = bytes + RTE_ETHER_HDR_LEN;
	unsigned ecn = is_v4(bytes) ? ip[1] & 3u : ip[1] >> 4 & 3u;

	if (!is_ip(bytes) || ecn == 0 || !congested(n, e, now))
		return false;
	e->stats.marked++;
	return true;
}

/* The frame as it leaves the router that marked it; valid until the next one. */
static const uint8_t *marked(const uint8_t *bytes, uint32_t len)
{
	static uint8_t frame[LINK_FRAME_MAX];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);

	memcpy(frame, bytes, len);
	if (is_v6(bytes)) {
		frame[RTE_ETHER_HDR_LEN + 1] |= IP_ECN_CE << 4;
		return frame;
	}
	ip->type_of_service |= IP_ECN_CE;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return frame;
}

static void enqueue(struct net *n, unsigned from, const uint8_t *bytes, uint32_t len, tas_ns due, bool spoilt)
{
	for (unsigned to = 0; to < n->hosts; to++) {
		struct link_frame *f;

		if (!goes_to(n, from, to, bytes))
			continue;
		f = malloc(sizeof(*f) + len);
		TAS_ASSERT(f != NULL);
		*f = (struct link_frame){ due, n->order++, (uint8_t)from, (uint8_t)to, len, spoilt };
		memcpy(f->bytes, bytes, len);
		if (spoilt)
			spoil(n, f);
		heap_push(n, f);
	}
}

/* --- a router --- */

static bool fits(const struct link_model *m, const uint8_t *bytes, uint32_t len)
{
	return m->mtu == 0 || !is_ip(bytes) || len - RTE_ETHER_HDR_LEN <= m->mtu;
}

static void too_big(struct net *n, unsigned from, const uint8_t *bytes, uint32_t len, tas_ns now)
{
	const struct link_model *m = &n->end[from].model;
	uint8_t answer[ROUTER_FRAME_MAX];
	uint32_t answer_len;

	n->end[from].stats.too_big++;
	spoilt_or_lost(n, &n->end[from], bytes, len, now);
	trace_frame(n->trace, (char)('A' + from), "TOO BIG", bytes, len);
	if (!rand_chance_ppm(&n->rand, m->tell))
		return;
	answer_len = router_too_big(answer, bytes, len, m->mtu, m->old_router);
	enqueue(n, LINK_ROUTER, answer, answer_len, now + m->delay, false);
	trace_frame(n->trace, 'A' + LINK_ROUTER, "", answer, answer_len);
}

void net_send(struct net *n, unsigned from, const uint8_t *bytes, uint32_t len, tas_ns now)
{
	struct link_end *e = &n->end[from];
	const char *fate = loss_of(n, e, len, now);
	bool spoilt;
	tas_ns due;

	TAS_ASSERT(len >= RTE_ETHER_HDR_LEN && len <= LINK_FRAME_MAX);
	n->watch(n->arg, from, true, bytes, len);
	e->stats.frames++;
	if (fate != NULL) {
		e->stats.lost++;
		spoilt_or_lost(n, e, bytes, len, now);
		trace_frame(n->trace, (char)('A' + from), fate, bytes, len);
		return;
	}
	if (!fits(&e->model, bytes, len)) {
		too_big(n, from, bytes, len, now);
		return;
	}
	fate = "";
	if (marks(n, e, bytes, now)) {
		bytes = marked(bytes, len);
		fate = "MARKED";
	}
	spoilt = is_ip(bytes) && rand_chance_ppm(&n->rand, e->model.corrupt);
	due = arrival(n, e, len, now, &fate);
	if (spoilt) {
		fate = "SPOILT";
		e->stats.corrupted++;
		spoilt_or_lost(n, e, bytes, len, now);
	}
	enqueue(n, from, bytes, len, due, spoilt);
	trace_frame(n->trace, (char)('A' + from), fate, bytes, len);
	if (rand_chance_ppm(&n->rand, e->model.dup)) {
		e->stats.duplicated++;
		enqueue(n, from, bytes, len, due + some(n, e->model.reorder_by), false);
		trace_frame(n->trace, (char)('A' + from), "AGAIN", bytes, len);
	}
}

unsigned net_deliver(struct net *n, tas_ns now)
{
	unsigned count = 0;

	for (; n->waiting > 0 && n->heap[0]->due <= now; count++) {
		struct link_frame *f = heap_pop(n);

		if (!f->spoilt)
			n->watch(n->arg, f->to, false, f->bytes, f->len);
		if (!n->deliver(n->arg, f->to, f->bytes, f->len)) {
			n->end[f->from].stats.receiver_full++;
			spoilt_or_lost(n, &n->end[f->from], f->bytes, f->len, now);
			trace_frame(n->trace, (char)('A' + f->from), "LOST (receiver)", f->bytes, f->len);
		}
		free(f);
	}
	return count;
}

tas_ns net_deadline(const struct net *n) { return n->waiting > 0 ? n->heap[0]->due : TAS_NS_NEVER; }
