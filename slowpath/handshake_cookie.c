/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/handshake_cookie.h"

#include "fastpath/fastpath.h"
#include "include/net/hdr.h"
#include "include/net/tcp_opt.h"
#include "slowpath/conn.h"
#include "slowpath/conn_options.h"
#include "slowpath/handshake_int.h"
#include "slowpath/sp.h"
#include "slowpath/sp_cc.h"
#include "slowpath/tcp_out.h"

bool cookie_wanted(const struct sp *sp, const struct listener *l)
{
	if (sp->conf->tcp.syn_cookies != CONF_AUTO)
		return sp->conf->tcp.syn_cookies == CONF_ON;
	return l->embryos.count >= sp->conf->tcp.backlog_max || room_is_short(sp);
}

static void offer(const struct sp *sp, const struct listener *l, struct cookie_options *o)
{
	o->own_window = options_first_window(sp->conf, &l->options);
	o->own_wscale = o->wscale != COOKIE_NO_WSCALE ? options_wscale(sp->conf, &l->options) : 0;
}

static struct cookie_options agreed(const struct sp *sp, uint8_t alg, const struct tcp_opts *o,
	const struct seg *seg)
{
	const struct conf_tcp *t = &sp->conf->tcp;

	if (!t->timestamps || !(o->has & TCP_HAS_TS))
		return (struct cookie_options){ .wscale = COOKIE_NO_WSCALE };
	return (struct cookie_options){ .timestamps = true,
		.sack = t->sack && (o->has & TCP_HAS_SACK_PERM),
		.ecn = handshake_ecn_wanted(sp, alg) && handshake_ecn_agreed(seg, alg),
		.wscale = t->window_scaling && (o->has & TCP_HAS_WSCALE) ? o->wscale : COOKIE_NO_WSCALE };
}

/* The listener's first cookie after a while is worth a line. */
static void flood_note(struct sp *sp, struct listener *l)
{
	if (l->cookies_until < sp->now && sp->conf->tcp.syn_cookies == CONF_AUTO)
		tas_log_limited(&sp->flood_log, sp->now, TAS_LOG_WARNING,
			"port %u: more SYNs than [tcp] backlog_max or [memory] flows_max has place for; "
			"they are answered by SYN cookies",
			l->port);
	l->cookies_until = sp->now + COOKIE_VALID_NS;
}

/* As out_syn() of a flow that handshake_passive_begin() would make. */
void cookie_answer(struct sp *sp, struct listener *l, const uint8_t *frame, const struct flow_key *key,
	const struct seg *seg)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;
	struct tcp_opts theirs, ours = { .has = TCP_HAS_MSS };
	struct hdr_fields fields = { .flags = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG };
	uint8_t alg = sp_cc_choose(sp, l->options.congestion, key->remote);
	struct cookie_options o;
	struct hdr_tmpl h;

	tcp_opt_parse(frame + seg->opts_off, seg->opts_len, &theirs);
	o = agreed(sp, alg, &theirs, seg);
	offer(sp, l, &o);
	fields.seq = cookie_make(&sp->cookies, key, seg->seq, handshake_peer_mss(&theirs, key->remote), &o,
		sp->now);
	fields.ack = seq_add(seg->seq, 1);
	fields.wnd = o.own_window;
	fields.flags |= o.ecn ? RTE_TCP_ECE_FLAG : 0;
	if (o.ecn && alg == CC_DCTCP)
		fields.ecn = IP_ECN_ECT0;
	ours.mss = options_mss_of(&l->options, sp_link_mss(sp, key->remote));
	if (o.timestamps) {
		ours.has |= TCP_HAS_TS | (o.sack ? TCP_HAS_SACK_PERM : 0) |
			(o.wscale != COOKIE_NO_WSCALE ? TCP_HAS_WSCALE : 0);
		ours.ts_val = cookie_ts((uint32_t)(sp->now / NS_PER_MS) + isn_ts_offset(&sp->isn, key), &o);
		ours.ts_ecr = theirs.ts_val;
		ours.wscale = o.own_wscale;
	}
	hdr_tmpl_init(&h, &sp->fp->port->mac, &eth->src_addr, key, 0, 0, false);
	options_class(sp, &l->options, &h);
	flood_note(sp, l);
	sp_count(sp, CNT_TCP_COOKIES_SENT, 1);
	out_segment(sp, &h, &fields, &ours);
}

/* What the SYN would have left. When it came nobody knows: there is no sample of the round trip. */
static void remember(struct sp *sp, uint32_t id, const struct seg *seg, const struct cookie_options *o,
	uint16_t mss)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn *n = &sp->conn[id];

	f->iss = seq_add(seg->ack, UINT32_MAX);
	f->irs = seq_add(seg->seq, UINT32_MAX);
	n->peer_mss = options_mss(sp, id, mss);
	n->wscale_offered = o->wscale != COOKIE_NO_WSCALE;
	f->snd_wscale = n->wscale_offered ? o->wscale : 0;
	if (!n->wscale_offered)
		f->rcv_wscale = 0;
	f->flags |= (o->timestamps ? FLOW_TS : 0u) | (o->sack ? FLOW_SACK : 0u) | (o->ecn ? FLOW_ECN : 0u);
	f->ts_recent = seg->ts_val;
	sp->fp->cold[id].ts_recent_ns = sp->now;
	n->syn_sent_ns = 0;
	n->retries = UINT8_MAX; /* of the SYN-ACK there is none to send again: not deferred either */
}

/* The options are believed because they are part of what the cookie was made of. */
static bool opens(struct sp *sp, const struct listener *l, const struct flow_key *key, const struct seg *seg,
	struct cookie_options *o, uint16_t *mss)
{
	tcp_seq irs = seq_add(seg->seq, UINT32_MAX), cookie = seq_add(seg->ack, UINT32_MAX);

	*o = seg->has_ts ? cookie_ts_options(seg->ts_ecr)
			 : (struct cookie_options){ .wscale = COOKIE_NO_WSCALE };
	offer(sp, l, o);
	return cookie_open(&sp->cookies, key, irs, cookie, o, sp->now, mss);
}

enum cookie_ack cookie_ack_in(struct sp *sp, const uint8_t *frame, const struct flow_key *key,
	const struct seg *seg, uint32_t *id)
{
	struct listener *l = listen_find(sp->listeners, key);
	struct cookie_options o;
	uint16_t mss;

	if (l == NULL || l->cookies_until < sp->now)
		return COOKIE_IS_NONE;
	if (!opens(sp, l, key, seg, &o, &mss)) {
		sp_count(sp, CNT_TCP_COOKIES_FAILED, 1);
		return COOKIE_IS_NONE;
	}
	if (listen_full(l)) {
		listen_overflowed(sp, l);
		return COOKIE_LATER;
	}
	if (!room_may_take(sp, l->uid)) {
		sp_count(sp, CNT_TCP_NO_MEMORY, 1);
		return COOKIE_LATER;
	}
	*id = conn_new(sp, key);
	if (*id == FLOW_NONE)
		return COOKIE_LATER;
	sp_count(sp, CNT_TCP_COOKIES_OPENED, 1);
	handshake_passive_begin(sp, l, *id, frame, NULL);
	remember(sp, *id, seg, &o, mss);
	conn_timer_arm(sp, *id);
	return COOKIE_OPENS;
}
