/* SPDX-License-Identifier: BSD-3-Clause */
/* query_flows.c - connections, as `ss -tin` shows them, and more in JSON. */
#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "slowpath/cc.h"
#include "slowpath/query_row.h"

static const char *const state_names[NR_TCP_STATES] = {
	[TCP_FREE] = "UNCONN",
	[TCP_ESTABLISHED] = "ESTAB",
	[TCP_SYN_SENT] = "SYN-SENT",
	[TCP_SYN_RCVD] = "SYN-RECV",
	[TCP_FIN_WAIT_1] = "FIN-WAIT-1",
	[TCP_FIN_WAIT_2] = "FIN-WAIT-2",
	[TCP_TIME_WAIT] = "TIME-WAIT",
	[TCP_CLOSED] = "UNCONN",
	[TCP_CLOSE_WAIT] = "CLOSE-WAIT",
	[TCP_LAST_ACK] = "LAST-ACK",
	[TCP_LISTEN] = "LISTEN",
	[TCP_CLOSING] = "CLOSING",
};

struct flow_view {
	struct ctl_info info;
	char local[QUERY_ENDPOINT_MAX], remote[QUERY_ENDPOINT_MAX];
	struct app_who who; /* pid 0: its application is gone, or it has none yet */
	uint8_t core;
};

static const char *state_name(const struct flow_view *v)
{
	return v->info.state < NR_TCP_STATES ? state_names[v->info.state] : "?";
}

static bool flow_look(const struct query_source *s, uint32_t id, struct flow_view *v)
{
	const struct flow *f = &s->fp->flows[id];
	const struct flow_key *k = &s->fp->cold[id].key;

	*v = (struct flow_view){ .info = { .flow = id, .gen = f->gen }, .core = f->core };
	if (f->state == TCP_FREE || s->apps->ops.info(s->apps->ops.arg, id, &v->info) != 0)
		return false;
	query_endpoint(k->local, be16toh(k->local_port), v->local, sizeof(v->local));
	query_endpoint(k->remote, be16toh(k->remote_port), v->remote, sizeof(v->remote));
	if (f->app < s->conf->memory.apps_max)
		v->who = s->apps->slot[f->app].who;
	return true;
}

static void flow_json(const struct flow_view *v, struct query_row *row)
{
	const struct ctl_info *i = &v->info;

	row_number(row, "flow", i->flow);
	row_string(row, "state", state_name(v));
	row_string(row, "local", v->local);
	row_string(row, "remote", v->remote);
	row_number(row, "pid", (uint64_t)v->who.pid);
	row_string(row, "program", v->who.program);
	row_number(row, "core", v->core);
	row_string(row, "congestion", i->congestion);
	row_number(row, "unread_bytes", i->unread_bytes);
	row_number(row, "unacked_bytes", i->unacked_bytes);
	row_number(row, "unsent_bytes", i->unsent_bytes);
	row_number(row, "rx_buffer_bytes", i->rx_size);
	row_number(row, "tx_buffer_bytes", i->tx_size);
	row_number(row, "snd_mss", i->snd_mss);
	row_number(row, "rcv_mss", i->rcv_mss);
	row_number(row, "snd_wscale", i->snd_wscale);
	row_number(row, "rcv_wscale", i->rcv_wscale);
	row_number(row, "snd_wnd", i->snd_wnd);
	row_number(row, "rcv_wnd", i->rcv_wnd);
	row_number(row, "rtt_us", i->rtt_us);
	row_number(row, "rttvar_us", i->rttvar_us);
	row_number(row, "min_rtt_us", i->min_rtt_us);
	row_number(row, "rto_us", i->rto_us);
	row_number(row, "cwnd_bytes", i->cwnd_bytes);
	row_number(row, "ssthresh_bytes", i->ssthresh_bytes);
	row_number(row, "pacing_rate_bytes_s", i->pacing_rate_bytes_s);
	row_number(row, "retransmits", i->retransmits);
	row_number(row, "bytes_acked", i->bytes_acked);
	row_number(row, "bytes_received", i->bytes_received);
	row_number(row, "bytes_sent", i->bytes_sent);
	row_number(row, "bytes_retransmitted", i->bytes_retransmitted);
	row_number(row, "segs_in", i->segs_in);
	row_number(row, "segs_out", i->segs_out);
}

/* The second line: what is inside. Windows of congestion are in segments, as ss has them. */
static void inside_text(const struct flow_view *v, struct query_row *row)
{
	const struct ctl_info *i = &v->info;
	uint32_t mss = max_u32(i->snd_mss, 1);

	row_put(row, "\n\t %.15s wscale:%u,%u rto:%.3g rtt:%.3g/%.3g mss:%u rcvmss:%u cwnd:%u", i->congestion,
		i->snd_wscale, i->rcv_wscale, i->rto_us / 1e3, i->rtt_us / 1e3, i->rttvar_us / 1e3,
		i->snd_mss, i->rcv_mss, i->cwnd_bytes / mss);
	if (i->ssthresh_bytes != CC_SSTHRESH_NONE && i->ssthresh_bytes != 0)
		row_put(row, " ssthresh:%u", i->ssthresh_bytes / mss);
	row_put(row, " bytes_sent:%" PRIu64 " bytes_retrans:%" PRIu64 " bytes_acked:%" PRIu64, i->bytes_sent,
		i->bytes_retransmitted, i->bytes_acked);
	row_put(row, " bytes_received:%" PRIu64 " segs_out:%u segs_in:%u", i->bytes_received, i->segs_out,
		i->segs_in);
	if (i->pacing_rate_bytes_s != 0)
		row_put(row, " pacing_rate %" PRIu64 "bps", i->pacing_rate_bytes_s * 8);
	row_put(row, " rx_buffer:%u tx_buffer:%u", i->rx_size, i->tx_size);
	row_put(row, " unacked:%u retrans:%u snd_wnd:%u rcv_wnd:%u minrtt:%.3g core:%u",
		(i->unacked_bytes + mss - 1) / mss, i->retransmits, i->snd_wnd, i->rcv_wnd,
		i->min_rtt_us / 1e3, v->core);
}

static void flow_text(const struct flow_view *v, struct query_row *row)
{
	const struct ctl_info *i = &v->info;

	row_put(row, "%-10s %7u %7u  %-24s %-24s ", state_name(v), i->unread_bytes,
		i->unacked_bytes + i->unsent_bytes, v->local, v->remote);
	if (v->who.pid != 0)
		row_put(row, "%s,pid=%d", v->who.program, v->who.pid);
	inside_text(v, row);
}

bool query_flows(struct query *q, const struct query_source *s, tas_ns now TAS_UNUSED, struct query_row *row)
{
	struct flow_view v;

	for (unsigned i = 0; i < QUERY_SCAN_BURST && q->at < s->fp->conf.flows_max; i++) {
		if (!flow_look(s, q->at++, &v))
			continue;
		row_begin(q, row);
		if (q->json)
			flow_json(&v, row);
		else
			flow_text(&v, row);
		row_end(q, row);
		return true;
	}
	return q->at < s->fp->conf.flows_max;
}
