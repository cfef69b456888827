/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/flow.h"

#include "include/base/assert.h"

#define ANSWERS_APART_NS (500 * NS_PER_MS)
#define PROBES_APART_NS (10 * NS_PER_MS)

static bool apart(tas_ns *last, tas_ns now, tas_ns least)
{
	/* signed: another core, with a younger clock, may have asked last */
	if (*last != 0 && (int64_t)(now - *last) < (int64_t)least)
		return false;
	*last = now;
	return true;
}

bool flow_may_answer(struct flow_cold *k, tas_ns now)
{
	return apart(&k->answered_ns, now, ANSWERS_APART_NS);
}

bool flow_may_answer_probe(struct flow_cold *k, tas_ns now)
{
	return apart(&k->probed_ns, now, PROBES_APART_NS);
}

void flow_check(const struct flow *f)
{
	TAS_ASSERT(f->tx_avail <= flow_tx_size(f));
	TAS_ASSERT(f->tx_inflight <= f->tx_avail + (f->flags & FLOW_TX_FIN ? 1u : 0u));
	TAS_ASSERT(f->rx_unread <= flow_rx_size(f));
	TAS_ASSERT(f->rx_unread + f->rx_adv <= flow_rx_size(f) + 1);
	TAS_ASSERT(f->gen != 0);
}
