/* SPDX-License-Identifier: BSD-3-Clause */
/* conn_info.c - what a connection looks like from outside, and what ICMP says about it. */
#include <errno.h>
#include <string.h>

#include "fastpath/fastpath.h"
#include "include/net/rtt.h"
#include "slowpath/conn.h"
#include "slowpath/conn_options.h"
#include "slowpath/sp.h"

/* Linux's TCPI_OPT_*. */
enum { OPT_TIMESTAMPS = 1, OPT_SACK = 2, OPT_WSCALE = 4, OPT_ECN = 8 };

static uint8_t recovery_of(const struct flow *f, const struct flow_ranges *sacked)
{
	enum { OPEN, DISORDER, CWR, RECOVERY, LOSS };

	if (f->flags & (FLOW_LOSS | FLOW_RECOVERY))
		return f->flags & FLOW_LOSS ? LOSS : RECOVERY;
	if (f->flags & FLOW_CWR)
		return CWR;
	return sacked->n > 0 || f->dup_acks > 0 ? DISORDER : OPEN;
}

/* Of [una, to) what was not SACKed. */
static uint32_t missing_below(const struct flow *f, const struct flow_ranges *sacked, uint64_t to)
{
	uint64_t missing = to > f->tx_una ? to - f->tx_una : 0;

	for (uint32_t i = 0; i < sacked->n; i++) {
		const struct flow_range *r = &ranges_all(sacked)[i];

		if (r->from < to)
			missing -= min_u64(r->to, to) - r->from;
	}
	return (uint32_t)missing;
}

static uint32_t ms_ago(const struct sp *sp, uint32_t us) { return (ns_to_us32(sp->now) - us) / 1000; }

/* What is on its way, and what became of it. f: as it was seen. */
static void info_fill_sent(const struct sp *sp, uint32_t id, const struct flow *f, struct ctl_info *i)
{
	const struct flow_cold *k = &sp->fp->cold[id];
	struct flow_ranges sacked = k->sacked; /* without the lock: it may be of two moments */
	const struct resent_piece *p = k->resent.more;
	uint32_t resent = min_u32(k->resent.n, p != NULL ? HOLES_RESENT_MAX : RESENT_MAX);
	bool lossy = f->flags & (FLOW_RECOVERY | FLOW_LOSS);

	p = p != NULL ? p : k->resent.p;
	sacked.n = min_u32(sacked.n, ranges_max(&sacked));
	i->recovery = recovery_of(f, &sacked);
	i->timeouts = f->tx_inflight > 0 ? k->backoff : 0;
	i->probes = f->tx_inflight == 0 ? k->backoff : 0;
	i->sacked_bytes = f->tx_inflight - missing_below(f, &sacked, flow_tx_nxt(f));
	i->lost_bytes = lossy ? missing_below(f, &sacked, k->lost_to) : 0;
	for (uint32_t n = 0; n < resent; n++)
		i->resent_bytes += (uint32_t)(p[n].to - max_u64(p[n].from, f->tx_una));
	i->delivered_bytes = k->delivered;
	i->marked_bytes = k->marked;
	i->data_sent_ms = k->bytes_out > 0 ? ms_ago(sp, f->last_tx_us) : 0;
	i->data_received_ms = k->bytes_in > 0 ? ms_ago(sp, k->rx_last_us) : 0;
	i->heard_ms = i->data_received_ms;
	if (f->tx_una > 0 && f->tx_inflight == 0)
		i->heard_ms = k->bytes_in > 0 ? min_u32(i->heard_ms, ms_ago(sp, k->rto_base_us))
					      : ms_ago(sp, k->rto_base_us);
}

/* What fits the path: the port, unless ICMP said less. */
static uint32_t path_mtu(const struct sp *sp, uint32_t id)
{
	uint32_t headers = addr_is_v4(sp->fp->cold[id].key.remote) ? 40 : 60;
	uint32_t mss = min_u32(sp->fp->port->mtu - headers, sp->conn[id].peer_mss);
	const struct flow *f = &sp->fp->flows[id];
	uint32_t ts = f->flags & FLOW_TS ? 12 : 0;

	return f->mss + ts < mss ? f->mss + ts + headers : sp->fp->port->mtu;
}

static void info_fill(const struct sp *sp, uint32_t id, const struct flow_snapshot *seen, struct ctl_info *i)
{
	const struct flow *f = &seen->hot;
	const struct flow_cold *k = &sp->fp->cold[id];
	const struct conn *n = &sp->conn[id];
	uint32_t fin = f->flags & FLOW_TX_FIN ? 1 : 0;

	i->state = f->state;
	i->options = (f->flags & FLOW_TS ? OPT_TIMESTAMPS : 0) | (f->flags & FLOW_SACK ? OPT_SACK : 0) |
		(n->wscale_offered ? OPT_WSCALE : 0) | (f->flags & FLOW_ECN ? OPT_ECN : 0);
	i->snd_wscale = f->snd_wscale;
	i->rcv_wscale = f->rcv_wscale;
	i->snd_mss = f->mss;
	i->rcv_mss = seen->rcv_mss;
	i->rtt_us = f->srtt_us >> 3;
	i->rttvar_us = seen->rttvar_us >> 2;
	i->rto_us = rtt_rto_us(f->srtt_us, seen->rttvar_us, &sp->rto);
	i->min_rtt_us = seen->min_rtt_lately_us == UINT32_MAX ? 0 : seen->min_rtt_lately_us;
	i->cwnd_bytes = f->cwnd;
	i->ssthresh_bytes = seen->ssthresh;
	i->snd_wnd = f->snd_wnd;
	i->rcv_wnd = f->rx_adv;
	i->pacing_rate_bytes_s = f->pace_q16 != 0 ? (NS_PER_SEC << 16) / f->pace_q16 : 0;
	i->unacked_bytes = min_u32(f->tx_inflight, f->tx_avail);
	i->unsent_bytes = f->tx_avail + fin - min_u32(f->tx_inflight, f->tx_avail + fin);
	i->unread_bytes = f->rx_unread;
	i->retransmits = seen->rtx_segs;
	i->bytes_acked = f->tx_una;
	i->bytes_received = seen->bytes_in;
	i->bytes_sent = seen->bytes_out;
	i->bytes_retransmitted = seen->bytes_rtx;
	i->segs_in = seen->segs_in;
	i->segs_out = seen->segs_out;
	i->adv_mss = options_mss(sp, id, sp_link_mss(sp, k->key.remote));
	i->pmtu = path_mtu(sp, id);
	i->window_limit = min_u32(min_u32(k->rx_limit, k->rx_clamp), 0xffffu << f->rcv_wscale);
	i->ack_delay_us = sp->conf->tcp.delack_ms * 1000;
	info_fill_sent(sp, id, f, i);
	i->rx_size = flow_rx_size(f);
	i->tx_size = flow_tx_size(f);
	i->late_acks = (f->flags & FLOW_PINGPONG) != 0;
	strncpy(i->congestion, cc_ops_of(n->cc_alg)->name, sizeof(i->congestion) - 1);
}

/* Whoever asks for it again and again must not hold up a core: no lock. */
int conn_op_info(void *arg, uint32_t flow, struct ctl_info *info)
{
	struct sp *sp = arg;
	struct flow_snapshot seen;

	flow_snapshot_take(&sp->fp->flows[flow], &sp->fp->cold[flow], &seen);
	if (seen.hot.state == TCP_FREE)
		return ENOENT;
	info_fill(sp, flow, &seen, info);
	return 0;
}

/* IP_RECVERR, IPV6_RECVERR: the application hears of it at once, though the connection goes on. */
static void error_tell(struct sp *sp, uint32_t id, int error)
{
	bool v4 = addr_is_v4(sp->fp->cold[id].key.remote);
	uint16_t number = ++sp->conn[id].errors;

	if (sp->conn[id].opt.flags & (v4 ? CTL_OPTION_RECVERR : CTL_OPTION_RECVERR6))
		app_notify(sp->fp->slow, &sp->fp->flows[id], ABI_EV_ERROR,
			(uint32_t)error | (uint32_t)number << 16);
}

/* About data in flight: what was too large is sent again in smaller pieces, once for all the messages that a
 * flight of it brings about; other errors are kept, for they may explain it if nothing is heard any more. */
static void data_error(struct sp *sp, uint32_t id, const struct icmp_sp_effect *effect, uint16_t mtu)
{
	if (effect->pmtu && (sp->conn[id].opt.flags & CTL_OPTION_ANY_PATH))
		return; /* packets may be cut on the way, or their sender wants to know better */
	if (effect->pmtu) {
		if (conn_pmtu_too_big(sp, id, mtu))
			tcp_on_too_large(sp->fp->slow, id);
	} else if (effect->err != 0) {
		sp->conn[id].soft_error = effect->err;
		sp->conn[id].soft_segs_in = sp->fp->cold[id].segs_in;
		error_tell(sp, id, effect->err);
	}
}

void conn_icmp_error(struct sp *sp, const struct icmp_error *e)
{
	struct icmp_sp_effect effect = icmp_sp_effect_of(e);
	uint32_t id = flow_lookup(sp->fp, &e->key);
	struct flow *f;
	int32_t at;

	if (id == FLOW_NONE)
		return;
	f = &sp->fp->flows[id];
	conn_lock(sp, id);
	at = seq_dist(flow_tx_seq(f, f->tx_una), e->seq);
	if (f->state == TCP_SYN_SENT && seq_eq(e->seq, f->iss) && effect.hard) {
		sp_count(sp, CNT_TCP_ATTEMPT_FAILS, 1);
		conn_end(sp, id, effect.err); /* as Linux, which waits for no timeout here */
	} else if (((TCP_STATES_FAST >> f->state) & 1) && at >= 0 && at < (int64_t)f->tx_inflight) {
		data_error(sp, id, &effect, e->mtu);
	}
	conn_unlock(sp, id);
}
