/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_draw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fastpath/port.h"
#include "include/net/icmp6.h"
#include "slowpath/pmtu.h"

enum { CALLS_MAX = 4000 };

static uint32_t below(struct tas_rand *r, uint32_t n) { return rand_below(r, n); }
static bool one_in(struct tas_rand *r, uint32_t n) { return rand_below(r, n) == 0; }

/* From low to high, each power of two as likely as the next. */
static uint64_t log_between(struct tas_rand *r, uint64_t low, uint64_t high)
{
	unsigned from = 63 - (unsigned)__builtin_clzll(low), to = 63 - (unsigned)__builtin_clzll(high);
	unsigned at = from + below(r, to - from + 1);
	uint64_t v = (1ull << at) + rand_u64(r) % (1ull << at);

	return v < low ? low : v > high ? high : v;
}

static uint32_t ring_size(struct tas_rand *r) { return 4096u << below(r, 7); }

/* --- hosts --- */

static void draw_tcp(struct conf_tcp *t, struct tas_rand *r, enum draw_kind kind)
{
	static const char *const congestion[] = { "cubic", "newreno", "dctcp", "bbr", "timely",
		"const-rate" };

	snprintf(t->congestion, sizeof(t->congestion), "%s", congestion[below(r, ARRAY_LEN(congestion))]);
	t->time_wait_ms = (uint32_t)log_between(r, 100, 60000);
	t->fin_wait2_ms = (uint32_t)log_between(r, 1000, 60000);
	t->delack_ms = one_in(r, 4) ? below(r, 50) : t->delack_ms;
	if (kind != DRAW_WILD)
		return;
	t->timestamps = !one_in(r, 3);
	t->sack = !one_in(r, 3);
	t->window_scaling = !one_in(r, 3);
	t->initial_cwnd = 1 + below(r, 20);
	t->rto_min_ms = one_in(r, 3) ? 60 + below(r, 400) : t->rto_min_ms;
}

static void draw_conf(struct tas_conf *c, struct tas_rand *r, enum draw_kind kind)
{
	conf_defaults(c);
	c->port.mtu = kind != DRAW_WILD || !one_in(r, 3) ? 1500 : 576 + below(r, PORT_MTU_MAX - 576 + 1);
	c->fastpath.cores_max = 1 + (kind == DRAW_WILD ? below(r, 3) : 0);
	c->fastpath.cores_min = 1 + below(r, c->fastpath.cores_max);
	c->port.rx_descriptors = c->port.tx_descriptors = kind == DRAW_WILD ? 64u << below(r, 5) : 512;
	c->fastpath.idle_ms = below(r, 3) * 5;
	c->memory.flows_max = 512;
	c->memory.rx_buffer = ring_size(r);
	c->memory.tx_buffer = ring_size(r);
	c->memory.apps_max = 8;
	c->memory.app_memory_max = 128 << 20;
	c->memory.app_flows_max = 512;
	c->memory.app_contexts_max = 4;
	draw_tcp(&c->tcp, r, kind);
}

/* --- network --- */

static void draw_speed(struct link_model *m, struct tas_rand *r)
{
	m->delay = log_between(r, 1 * NS_PER_US, 20 * NS_PER_MS);
	m->rate = log_between(r, 1000000, 1000000000);
	m->queue = (uint32_t)log_between(r, 100000, 2000000);
	if (one_in(r, 4))
		m->jitter = log_between(r, NS_PER_US, NS_PER_MS);
}

static void draw_faults(struct link_model *m, struct tas_rand *r)
{
	if (one_in(r, 2))
		m->loss = (uint32_t)log_between(r, 100, 50000);
	if (one_in(r, 3)) {
		m->burst = (uint32_t)log_between(r, 10, 2000);
		m->burst_end = (uint32_t)log_between(r, 50000, 500000);
	}
	if (one_in(r, 3))
		m->dup = (uint32_t)log_between(r, 100, 100000);
	if (one_in(r, 2))
		m->reorder = (uint32_t)log_between(r, 100, 200000);
	m->reorder_by = log_between(r, 10 * NS_PER_US, 5 * NS_PER_MS);
	if (one_in(r, 3))
		m->corrupt = (uint32_t)log_between(r, 100, 20000);
	if (one_in(r, 4))
		m->queue = (uint32_t)log_between(r, 10000, 100000);
	if (one_in(r, 5)) {
		m->down_every = log_between(r, 50 * NS_PER_MS, 5 * NS_PER_SEC);
		m->down_for = log_between(r, 10 * NS_PER_MS, m->down_every / 4);
	}
}

static void draw_link(struct link_model *m, struct tas_rand *r, enum draw_kind kind)
{
	*m = (struct link_model){ .delay = log_between(r, 1 * NS_PER_US, 500 * NS_PER_US) };
	if (kind == DRAW_LOSS)
		m->loss = 10000;
	if (kind == DRAW_LOSS && one_in(r, 2))
		m->delay = log_between(r, NS_PER_MS, 50 * NS_PER_MS);
	if (kind == DRAW_HARSH || kind == DRAW_WILD) {
		draw_speed(m, r);
		draw_faults(m, r);
	}
}

static void draw_troubles(struct draw_host *h, struct tas_rand *r)
{
	if (one_in(r, 3)) {
		h->stall_ppm = (uint32_t)log_between(r, 10, 2000);
		h->stall_max = log_between(r, 100 * NS_PER_US, 50 * NS_PER_MS);
	}
	if (one_in(r, 3))
		h->resteer_ppm = (uint32_t)log_between(r, 100, 300000);
	if (h->conf.fastpath.cores_min < h->conf.fastpath.cores_max)
		h->busy_percent = 1 + below(r, 120);
	if (one_in(r, 6))
		h->starve_ppm = (uint32_t)log_between(r, 5, 200);
	if (one_in(r, 2))
		h->bereave_ppm = (uint32_t)log_between(r, 5, 2000);
	if (one_in(r, 6))
		h->jam_ppm = (uint32_t)log_between(r, 5, 500);
}

static void draw_ecn(struct draw_host *h, struct tas_rand *r)
{
	h->conf.tcp.ecn = one_in(r, 2);
	if (one_in(r, 2))
		h->link.mark = (uint32_t)log_between(r, 100, 500000);
}

/* --- plans --- */

static void draw_side(struct plan_side *s, struct tas_rand *r, uint64_t most)
{
	s->bytes = one_in(r, 8) ? 0 : log_between(r, 1, most);
	s->chunk = (uint32_t)(one_in(r, 3) ? log_between(r, 1, 200) : log_between(r, 1000, 60000));
	s->read_chunk = (uint32_t)(one_in(r, 4) ? log_between(r, 1, 2000) : 65536);
	s->rx_size = one_in(r, 2) ? 0 : ring_size(r);
	s->tx_size = one_in(r, 2) ? 0 : ring_size(r);
	s->nodelay = one_in(r, 2);
	s->more = one_in(r, 8);
	if (s->bytes / s->chunk < 3000 && one_in(r, 4))
		s->write_pause = log_between(r, 1, 2 * NS_PER_MS);
	if (one_in(r, 6))
		s->read_pause = log_between(r, NS_PER_US, 5 * NS_PER_MS);
}

/* Request and response take turns. */
static void draw_rpc(struct plan *p, struct tas_rand *r)
{
	uint64_t ask = log_between(r, 1, 4000), answer = log_between(r, 1, 20000);
	uint64_t rounds = log_between(r, 2, 300);

	p->side[0].bytes = ask * rounds;
	p->side[1].bytes = answer * rounds;
	p->side[0].block = p->side[1].per = ask;
	p->side[0].per = p->side[1].block = answer;
	p->side[0].ahead = 1 + (one_in(r, 3) ? below(r, 20) : 0);
}

/* A reader that sleeps long enough for its window to close for good. */
static void draw_slow_reader(struct plan_side *s, struct tas_rand *r)
{
	s->read_pause = log_between(r, 50 * NS_PER_MS, 5 * NS_PER_SEC);
	s->read_chunk = 65536;
}

static void draw_ends(struct plan *p, struct tas_rand *r, bool wild)
{
	static const enum plan_end pairs[][2] = { { END_SHUT, END_WAIT }, { END_WAIT, END_SHUT },
		{ END_SHUT, END_SHUT }, { END_CLOSE, END_WAIT }, { END_WAIT, END_CLOSE },
		{ END_CLOSE, END_CLOSE }, { END_SHUT, END_CLOSE } };
	unsigned which = below(r, ARRAY_LEN(pairs));

	if (p->side[0].bytes + p->side[1].bytes == 0)
		which = 0; /* whoever closes before it is connected opens nothing */
	p->side[0].end = pairs[which][0];
	p->side[1].end = pairs[which][1];
	if (wild && one_in(r, 8)) {
		struct plan_side *s = &p->side[below(r, 2)];

		s->end = one_in(r, 2) ? END_ABORT : END_EARLY;
		s->abort_at = rand_u64(r) % (p->side[0].bytes + p->side[1].bytes + 1);
		p->may_fail = true;
	}
}

/* Small pieces are worth many calls, but not all of the time there is. */
static void bound_calls(struct plan_side *s, uint64_t to_read)
{
	s->chunk = max_u32(s->chunk, (uint32_t)(s->bytes / CALLS_MAX));
	s->read_chunk = max_u32(s->read_chunk, (uint32_t)(to_read / CALLS_MAX));
}

/* Connections that do not begin in the common way. */
static void draw_kind(struct draw *d, struct plan *p, struct tas_rand *r)
{
	unsigned no = (unsigned)(p - d->plan);

	p->kind = (enum plan_kind)(1 + below(r, 4));
	if (p->kind == PLAN_AGAIN) {
		p->after = below(r, no + 1);
		if (p->after == no || d->plan[p->after].may_fail || d->plan[p->after].kind != PLAN_PLAIN) {
			p->kind = PLAN_PLAIN;
			return;
		}
		p->client = d->plan[p->after].client;
		p->server = d->plan[p->after].server;
		return;
	}
	p->may_fail = true; /* twins, too: the first SYN may come before the second connect() */
	if (p->kind == PLAN_TWINS)
		return;
	p->must_fail = p->kind == PLAN_REFUSED ? ECONNREFUSED : EHOSTUNREACH;
	p->side[0].bytes = 1;
	p->side[0].end = END_WAIT;
}

/* Its habits, and which side it takes. */
static void draw_peer(struct draw *d, struct plan *p, struct tas_rand *r)
{
	unsigned no = (unsigned)(p - d->plan);
	struct peer_habits *h = &d->habits[no];

	*h = (struct peer_habits){ .mss = one_in(r, 4) ? 0 : (uint16_t)log_between(r, 88, 1460),
		.wscale = one_in(r, 3) ? -1 : (int)below(r, 8),
		.sack = !one_in(r, 3),
		.ts = !one_in(r, 3),
		.strange = one_in(r, 4),
		.dsack = one_in(r, 2),
		.buffer = (uint32_t)log_between(r, 600, 200000),
		.cwnd = (uint32_t)log_between(r, 1, 60),
		.short_ppm = one_in(r, 2) ? below(r, 1000000) : 0,
		.ack_every = 1 + (one_in(r, 3) ? below(r, 6) : below(r, 2)),
		.ack_delay = log_between(r, NS_PER_MS, 300 * NS_PER_MS),
		.rto = log_between(r, 50 * NS_PER_MS, NS_PER_SEC) };
	if (one_in(r, 4))
		h->read_every = log_between(r, 100 * NS_PER_US, 500 * NS_PER_MS);
	if (p->may_fail || one_in(r, 4))
		h->keepalive = log_between(r, 10 * NS_PER_MS, 5 * NS_PER_SEC);
	h->shrink_ppm = one_in(r, 6) ? below(r, 100000) : 0;
	h->renege_ppm = one_in(r, 6) ? below(r, 100000) : 0;
	h->urgent_ppm = one_in(r, 6) ? below(r, 100000) : 0;
	if (one_in(r, 2)) {
		p->server = p->client;
		p->client = PROC_PEER;
		p->local_port = (uint16_t)(PEER_CLIENT_PORT + no);
	}
}

static void draw_plan(struct draw *d, struct plan *p, struct tas_rand *r, uint64_t most,
	enum draw_other other)
{
	bool wild = d->kind == DRAW_WILD, peer = other == OTHER_PEER;

	*p = (struct plan){ .client = below(r, d->procs), .server = PROC_PEER };
	while (!peer && (p->server == PROC_PEER || d->proc[p->server].host == d->proc[p->client].host))
		p->server = below(r, d->procs);
	p->start = d->begin + rand_u64(r) % (200 * NS_PER_MS);
	for (unsigned side = 0; side < 2; side++)
		draw_side(&p->side[side], r, most);
	if (one_in(r, 4))
		draw_rpc(p, r);
	if (wild && one_in(r, 6))
		draw_slow_reader(&p->side[below(r, 2)], r);
	for (unsigned side = 0; side < 2; side++)
		bound_calls(&p->side[side], p->side[1 - side].bytes);
	draw_ends(p, r, wild);
	p->may_fail |= d->proc[p->client].dies != TAS_NS_NEVER ||
		(!peer && d->proc[p->server].dies != TAS_NS_NEVER);
	if (peer)
		draw_peer(d, p, r);
	else if (other == OTHER_NONE && wild && one_in(r, 6))
		draw_kind(d, p, r);
}

static void draw_plans(struct draw *d, struct tas_rand *r, enum draw_other other)
{
	unsigned few = one_in(r, 3) ? 1 : 1 + below(r, 8);
	uint64_t most;

	d->nplans = one_in(r, 6) ? 20 + below(r, 80) : few;
	most = 1500000 / d->nplans;
	for (unsigned i = 0; i < d->nplans; i++)
		draw_plan(d, &d->plan[i], r, most, other);
}

static void draw_procs(struct draw *d, struct tas_rand *r, enum draw_other other)
{
	unsigned hosts = d->hosts + (other == OTHER_LWIP);

	d->procs = hosts + (d->kind == DRAW_WILD ? below(r, 3) : 0);
	for (unsigned i = 0; i < d->procs; i++) {
		d->proc[i].host = i < hosts ? i : below(r, hosts);
		d->proc[i].contexts = 1 + below(r, PROC_CONTEXTS_MAX);
		d->proc[i].sleeps = !one_in(r, 4);
		d->proc[i].lib = one_in(r, 2);
		d->proc[i].dies = TAS_NS_NEVER;
		d->proc[i].backlog = d->kind == DRAW_WILD && one_in(r, 3) ? (int)below(r, 4) : PLANS_MAX;
		if (d->kind == DRAW_WILD && one_in(r, 8))
			d->proc[i].dies = d->begin + log_between(r, NS_PER_MS, 2 * NS_PER_SEC);
		if (d->proc[i].host < d->hosts)
			continue;
		d->proc[i].contexts = 1;
		d->proc[i].sleeps = false; /* nobody would wake it */
		d->proc[i].dies = TAS_NS_NEVER;
		d->proc[i].backlog = PLANS_MAX;
	}
	if (d->kind == DRAW_WILD && one_in(r, 3)) {
		d->app_stall_ppm = (uint32_t)log_between(r, 100, 20000);
		d->app_stall_max = log_between(r, 100 * NS_PER_US, 100 * NS_PER_MS);
	}
}

/* Whoever waits for the other side to speak waits for ever if the acknowledgement of a cookie is lost. */
static bool clients_speak_first(const struct draw *d)
{
	for (unsigned i = 0; i < d->nplans; i++)
		if (d->plan[i].side[0].bytes == 0)
			return false;
	return true;
}

/* A link further on takes less than the host's own; some routers say so, some do not, and some not always.
 * Where nobody says so a connection must find the size by itself. */
static void draw_path(struct draw_host *h, struct tas_rand *r, bool v6)
{
	struct link_model *m = &h->link;
	uint32_t mtu = h->conf.port.mtu, least = v6 ? PMTU_MIN_V6 : PMTU_MIN_V4;

	if (!one_in(r, 3))
		return;
	m->tell = one_in(r, 3) ? 0 : one_in(r, 2) ? 1000000 : below(r, 1000000);
	m->old_router = one_in(r, 4);
	if (least < mtu)
		m->mtu = least + below(r, mtu - least);
}

static void draw_late(struct draw *d, struct tas_rand *r)
{
	bool cookies = d->kind == DRAW_CLEAN && clients_speak_first(d);

	for (unsigned i = 0; i < d->hosts; i++) {
		struct tas_conf *c = &d->host[i].conf;

		c->memory.rx_buffer_max = one_in(r, 2) ? 0 : 4 * ring_size(r);
		c->memory.tx_buffer_max = one_in(r, 2) ? 0 : 4 * ring_size(r);
		if (cookies && one_in(r, 2))
			c->tcp.syn_cookies = CONF_ON;
		if (d->kind == DRAW_WILD)
			draw_path(&d->host[i], r, d->v6);
	}
}

/* It sends segments of 1460 bytes, over IPv6 as fragments, to whoever takes them, and tells of its window
 * also when a FIN has come, to which there is a RST once FIN_WAIT_2 is over here. */
static void suit_lwip(struct tas_conf *c)
{
	c->port.mtu = min_u32(c->port.mtu, 1500);
	c->tcp.fin_wait2_ms = 60000;
}

void draw(struct draw *d, uint64_t seed, enum draw_other other)
{
	struct tas_rand r;

	memset(d, 0, sizeof(*d));
	rand_seed(&r, seed);
	d->kind = (enum draw_kind)(seed % NR_DRAW_KINDS);
	d->hosts = other != OTHER_NONE ? 1 : d->kind == DRAW_WILD && one_in(&r, 3) ? 3 : 2;
	/* sometimes just before clocks of 32 bits wrap: in microseconds, and in milliseconds */
	d->begin = one_in(&r, 4) ? (1ull << 32) * NS_PER_US - NS_PER_SEC / 20 : rand_u64(&r) >> 10;
	d->step = log_between(&r, 500, 10000);
	for (unsigned i = 0; i < d->hosts; i++) {
		draw_conf(&d->host[i].conf, &r, d->kind);
		draw_link(&d->host[i].link, &r, d->kind);
		if (d->kind == DRAW_WILD)
			draw_troubles(&d->host[i], &r);
	}
	if (other == OTHER_LWIP)
		suit_lwip(&d->host[0].conf);
	if (other != OTHER_NONE) /* its FIN comes again after a second or more */
		d->host[0].conf.tcp.time_wait_ms = max_u32(d->host[0].conf.tcp.time_wait_ms, 10000);
	draw_procs(d, &r, other);
	draw_plans(d, &r, other);
	if (other != OTHER_NONE)
		draw_link(&d->other_link, &r, d->kind);
	for (unsigned i = 0; i < d->hosts; i++)
		draw_ecn(&d->host[i], &r);
	d->v6 = seed / NR_DRAW_KINDS % 2;
	for (unsigned i = 0; i < d->hosts && d->v6; i++)
		d->host[i].conf.port.mtu = max_u32(d->host[i].conf.port.mtu, IP6_MTU_MIN);
	draw_late(d, &r);
}
