/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_ecn.c - explicit congestion notification on flows that negotiated it (RFC 3168; RFC 8257 for dctcp).
 *
 *   sender    new data is ECT(0), and nothing else is, but for dctcp; after a reduction the next new data
 *             says so (CWR). What ECE makes of the window is congestion control's (slowpath/cc.h).
 *   receiver  FLOW_ECE: what we send carries ECE. RFC 3168: from a CE mark until CWR. RFC 8257: as long as
 *             what arrives is marked; where that changes, what came before is acknowledged by itself. */
#include "fastpath/tcp_int.h"

void ecn_mark(struct tcp t, struct hdr_fields *h, bool new_data)
{
	struct flow *f = t.f;

	if (new_data || (f->flags & FLOW_DCTCP))
		h->ecn = IP_ECN_ECT0;
	if (f->flags & FLOW_ECE)
		h->flags |= RTE_TCP_ECE_FLAG;
	if (new_data && (f->flags & FLOW_CWR)) {
		h->flags |= RTE_TCP_CWR_FLAG;
		f->flags &= ~(uint32_t)FLOW_CWR;
	}
}

/* RFC 8257 3.2; the acknowledgement with the new state goes at once, too, as Linux has it. */
static void dctcp_data_in(struct tcp t, bool ce)
{
	if (ce == !!(t.f->flags & FLOW_ECE))
		return;
	if (t.f->rx_unacked > 0)
		tcp_ack_now(t.c, t.id);
	t.f->flags ^= FLOW_ECE;
	tcp_ack_soon(t);
}

/* RFC 3168 6.1.3. A segment with both reports another mark after the reduction. Whoever reduced may have a
 * window of one segment left, and waits for our answer. */
static void classic_data_in(struct tcp t, const struct seg *seg, bool ce)
{
	struct flow *f = t.f;

	if (seg->flags & RTE_TCP_CWR_FLAG) {
		f->flags &= ~(uint32_t)FLOW_ECE;
		tcp_ack_soon(t);
	}
	if (ce && !(f->flags & FLOW_ECE)) {
		f->flags |= FLOW_ECE;
		tcp_ack_soon(t);
	}
}

void ecn_data_in(struct tcp t, const struct seg *seg)
{
	bool ce = seg->ecn == IP_ECN_CE;

	count(t.c, CNT_TCP_RX_CE, ce);
	if (t.f->flags & FLOW_DCTCP)
		dctcp_data_in(t, ce);
	else
		classic_data_in(t, seg, ce);
}

void ecn_ack_in(struct tcp t, const struct seg *seg, uint32_t acked)
{
	if (!(seg->flags & RTE_TCP_ECE_FLAG))
		return;
	t.k->marked += acked;
	count(t.c, CNT_TCP_RX_ECE, 1);
}
