/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/flow.h"

#include <stdatomic.h>
#include <string.h>

#include "include/base/assert.h"

enum { SEE_TRIES = 4 };

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

/* Word by word, as each is written: another core may be at it. */
static void see_once(const struct flow *f, const struct flow_cold *k, struct flow_snapshot *out)
{
	typedef uint64_t __attribute__((may_alias)) word;
	const word *from = (const word *)f;
	word *to = (word *)&out->hot;

	for (size_t i = 0; i < sizeof(*f) / sizeof(word); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
#define SEE(field) out->field = __atomic_load_n(&k->field, __ATOMIC_RELAXED)
	SEE(bytes_in);
	SEE(bytes_out);
	SEE(bytes_rtx);
	SEE(segs_in);
	SEE(segs_out);
	SEE(rtx_segs);
	SEE(rttvar_us);
	SEE(min_rtt_lately_us);
	SEE(ssthresh);
	SEE(rcv_mss);
#undef SEE
}

/* Two looks that saw the same saw one moment. */
void flow_snapshot_take(const struct flow *f, const struct flow_cold *k, struct flow_snapshot *out)
{
	struct flow_snapshot again;

	memset(out, 0, sizeof(*out)); /* what lies between the members is compared, too */
	memset(&again, 0, sizeof(again));
	see_once(f, k, out);
	for (unsigned i = 0; i < SEE_TRIES; i++) {
		atomic_thread_fence(
			memory_order_acquire); /* the second look does not begin before the first ends */
		see_once(f, k, &again);
		if (memcmp(out, &again, sizeof(again)) == 0)
			return;
		*out = again;
	}
}
