/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/holes.h"

#include <string.h>

void holes_take_slow(struct fastpath *fp, struct flow_cold *k)
{
	struct flow_holes *h;

	rte_spinlock_lock(&fp->holes_lock);
	h = fp->holes_free;
	if (h != NULL)
		fp->holes_free = h->next;
	rte_spinlock_unlock(&fp->holes_lock);
	if (h == NULL)
		return;
	memcpy(h->sacked, k->sacked.r, sizeof(k->sacked.r));
	memcpy(h->reass, k->reass.r, sizeof(k->reass.r));
	memcpy(h->resent, k->resent.p, sizeof(k->resent.p));
	k->holes = h;
	k->sacked.more = h->sacked;
	k->reass.more = h->reass;
	k->resent.more = h->resent;
}

void holes_give_slow(struct fastpath *fp, struct flow_cold *k)
{
	struct flow_holes *h = k->holes;

	k->holes = NULL;
	k->sacked.more = k->reass.more = NULL;
	k->resent.more = NULL;
	rte_spinlock_lock(&fp->holes_lock);
	h->next = fp->holes_free;
	fp->holes_free = h;
	rte_spinlock_unlock(&fp->holes_lock);
}
