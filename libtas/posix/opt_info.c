/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP_INFO of a connection through tasd. Fields that tasd does not know are zero; docs/sockets.md names them.
 *  */
#include <errno.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <string.h>

#include "include/abi/ctl.h"
#include "libtas/posix/file.h"
#include "libtas/posix/opt.h"

static uint32_t segments(uint32_t bytes, uint32_t mss) { return mss == 0 ? 0 : (bytes + mss - 1) / mss; }

static void fill(struct tcp_info *t, const struct ctl_info *i)
{
	t->tcpi_state = i->state;
	t->tcpi_options = i->options;
	t->tcpi_snd_wscale = i->snd_wscale & 15;
	t->tcpi_rcv_wscale = i->rcv_wscale & 15;
	t->tcpi_rto = i->rto_us;
	t->tcpi_snd_mss = i->snd_mss;
	t->tcpi_rcv_mss = i->rcv_mss;
	t->tcpi_advmss = i->rcv_mss;
	t->tcpi_unacked = segments(i->unacked_bytes, i->snd_mss);
	t->tcpi_rtt = i->rtt_us;
	t->tcpi_rttvar = i->rttvar_us;
	t->tcpi_min_rtt = i->min_rtt_us;
	t->tcpi_snd_cwnd = segments(i->cwnd_bytes, i->snd_mss);
	t->tcpi_snd_ssthresh = segments(i->ssthresh_bytes, i->snd_mss);
	t->tcpi_rcv_space = i->rcv_wnd;
	t->tcpi_total_retrans = i->retransmits;
	t->tcpi_pacing_rate = i->pacing_rate_bytes_s;
	t->tcpi_max_pacing_rate = UINT64_MAX;
	t->tcpi_notsent_bytes = i->unsent_bytes;
	t->tcpi_bytes_acked = i->bytes_acked;
	t->tcpi_bytes_received = i->bytes_received;
	t->tcpi_bytes_sent = i->bytes_sent;
	t->tcpi_bytes_retrans = i->bytes_retransmitted;
	t->tcpi_segs_in = i->segs_in;
	t->tcpi_segs_out = i->segs_out;
}

int opt_get_info(struct file *f, void *value, socklen_t *size)
{
	struct tcp_info t;
	struct ctl_info i;

	memset(&t, 0, sizeof(t));
	memset(&i, 0, sizeof(i));
	t.tcpi_state = 7; /* TCP_CLOSE, as of a connection that tasd no longer has */
	if ((int)*size < 0) {
		errno = EINVAL;
		return -1;
	}
	if (tas_info(file_sock(f), &i) == 0)
		fill(&t, &i);
	if (*size > sizeof(t))
		*size = sizeof(t);
	memcpy(value, &t, *size);
	return 0;
}
