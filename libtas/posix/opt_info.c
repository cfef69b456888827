/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP_INFO of a connection through tasd, and of a listener. Fields that tasd does not know are zero:
 * data_segs_in and _out, delivery_rate, busy_time and the two after it, dsack_dups, reord_seen, rcv_ooopack,
 * rcv_rtt. */
#include <errno.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <string.h>

#include "include/abi/ctl.h"
#include "include/base/compiler.h"
#include "libtas/posix/file.h"
#include "libtas/posix/opt_int.h"
#include "libtas/posix/real.h"

enum { STATE_CLOSE = 7, STATE_LISTEN = 10, REORDERING = 3 };

static uint32_t segments(uint64_t bytes, uint32_t mss)
{
	return mss == 0 ? 0 : (uint32_t)((bytes + mss - 1) / mss);
}

static void fill_sent(struct tcp_info *t, const struct ctl_info *i)
{
	t->tcpi_ca_state = i->recovery;
	t->tcpi_retransmits = i->timeouts;
	t->tcpi_probes = i->probes;
	t->tcpi_backoff = i->timeouts + i->probes;
	t->tcpi_unacked = segments(i->unacked_bytes, i->snd_mss);
	t->tcpi_sacked = segments(i->sacked_bytes, i->snd_mss);
	t->tcpi_lost = segments(i->lost_bytes, i->snd_mss);
	t->tcpi_retrans = segments(i->resent_bytes, i->snd_mss);
	t->tcpi_total_retrans = i->retransmits;
	t->tcpi_last_data_sent = i->data_sent_ms;
	t->tcpi_notsent_bytes = i->unsent_bytes;
	t->tcpi_bytes_acked = i->bytes_acked;
	t->tcpi_bytes_sent = i->bytes_sent;
	t->tcpi_bytes_retrans = i->bytes_retransmitted;
	t->tcpi_segs_out = i->segs_out;
	t->tcpi_delivered = segments(i->delivered_bytes, i->snd_mss);
	t->tcpi_delivered_ce = segments(i->marked_bytes, i->snd_mss);
	t->tcpi_snd_wnd = i->snd_wnd;
}

static void fill_received(struct tcp_info *t, const struct ctl_info *i)
{
	t->tcpi_ato = i->ack_delay_us;
	t->tcpi_rcv_mss = i->rcv_mss;
	t->tcpi_advmss = i->adv_mss;
	t->tcpi_last_data_recv = i->data_received_ms;
	t->tcpi_last_ack_recv = i->heard_ms;
	t->tcpi_rcv_ssthresh = i->window_limit;
	t->tcpi_rcv_space = i->rcv_wnd;
	t->tcpi_bytes_received = i->bytes_received;
	t->tcpi_segs_in = i->segs_in;
}

/* That of a flow that is not paced: as fast as its window goes. */
static uint64_t pacing_rate(const struct ctl_info *i)
{
	if (i->pacing_rate_bytes_s != 0 || i->rtt_us == 0)
		return i->pacing_rate_bytes_s;
	return i->cwnd_bytes * 1000000ull / i->rtt_us;
}

static void fill(struct tcp_info *t, const struct ctl_info *i)
{
	t->tcpi_state = i->state;
	t->tcpi_options = i->options;
	t->tcpi_snd_wscale = i->snd_wscale & 15;
	t->tcpi_rcv_wscale = i->rcv_wscale & 15;
	t->tcpi_rto = i->rto_us;
	t->tcpi_snd_mss = i->snd_mss;
	t->tcpi_pmtu = i->pmtu;
	t->tcpi_rtt = i->rtt_us;
	t->tcpi_rttvar = i->rttvar_us;
	t->tcpi_min_rtt = i->min_rtt_us;
	t->tcpi_snd_cwnd = segments(i->cwnd_bytes, i->snd_mss);
	t->tcpi_snd_ssthresh = segments(i->ssthresh_bytes, i->snd_mss);
	t->tcpi_reordering = REORDERING;
	t->tcpi_pacing_rate = pacing_rate(i);
	fill_sent(t, i);
	fill_received(t, i);
}

static int give(void *value, socklen_t *size, const struct tcp_info *t)
{
	if (*size > sizeof(*t))
		*size = sizeof(*t);
	memcpy(value, t, *size);
	return 0;
}

/* The kernel's part of it, and tasd's. */
static int listener_info(int fd, struct file *f, void *value, socklen_t *size)
{
	struct ctl_info i = { 0 };
	struct tcp_info t = { 0 };
	socklen_t have = sizeof(t);

	if (REAL(getsockopt)(fd, IPPROTO_TCP, TCP_INFO, &t, &have) != 0)
		return -1;
	if (!file_has(f, FILE_KERNEL_SIDE))
		t.tcpi_unacked = t.tcpi_sacked = 0;
	t.tcpi_state = STATE_LISTEN;
	if (tas_info(file_sock(f), &i) == 0) {
		t.tcpi_unacked += i.queued;
		t.tcpi_sacked = max_u32(t.tcpi_sacked, i.backlog);
	}
	return give(value, size, &t);
}

int opt_get_info(int fd, struct file *f, void *value, socklen_t *size)
{
	struct tcp_info t = { .tcpi_state = STATE_CLOSE }; /* as of a connection that tasd no longer has */
	struct ctl_info i = { 0 };

	if ((int)*size < 0) {
		errno = EINVAL;
		return -1;
	}
	if (file_kind(f) == FILE_LISTENER)
		return listener_info(fd, f, value, size);
	if (tas_info(file_sock(f), &i) == 0)
		fill(&t, &i);
	t.tcpi_max_pacing_rate = opt_pacing(f);
	return give(value, size, &t);
}
