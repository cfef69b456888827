/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/flow.h"

#include "include/base/assert.h"

void flow_check(const struct flow *f)
{
	TAS_ASSERT(f->tx_avail <= flow_tx_size(f));
	TAS_ASSERT(f->tx_inflight <= f->tx_avail + (f->flags & FLOW_TX_FIN ? 1u : 0u));
	TAS_ASSERT(f->rx_unread <= flow_rx_size(f));
	TAS_ASSERT(f->rx_unread + f->rx_adv <= flow_rx_size(f) + 1);
	TAS_ASSERT(f->gen != 0);
}
