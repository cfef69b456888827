/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/conn_tune.h"

#include <errno.h>

#include "fastpath/fastpath.h"
#include "include/net/tcp_opt.h"
#include "slowpath/conn.h"
#include "slowpath/conn_options.h"
#include "slowpath/sp.h"

static uint32_t event_of(enum app_ring which)
{
	return which == APP_RING_RX ? ABI_EV_GROW_RX : ABI_EV_GROW_TX;
}

static uint32_t *size_of(struct conn *n, enum app_ring which)
{
	return which == APP_RING_RX ? &n->rx_size : &n->tx_size;
}

/* How large the ring may become; 0: it is as the application wants it. */
static uint32_t most_of(const struct sp *sp, uint32_t id, enum app_ring which)
{
	const struct conn *n = &sp->conn[id];
	uint32_t most;

	if (which == APP_RING_TX)
		return n->opt.tx_size == 0 ? sp->conf->memory.tx_buffer_max : 0;
	most = n->opt.rx_size == 0 ? sp->conf->memory.rx_buffer_max : 0;
	if (n->opt.window_clamp != 0)
		most = min_u32(most, pow2_at_least(min_u32(n->opt.window_clamp, APP_BUFFER_MAX)));
	return min_u32(most, 0x10000u << sp->fp->flows[id].rcv_wscale);
}

static void offer(struct sp *sp, uint32_t id, enum app_ring which, uint64_t size)
{
	struct conn *n = &sp->conn[id];
	struct conn_tune *t = &n->tune;
	uint32_t most = most_of(sp, id, which);

	if (sp->now < t->next[which] || *size_of(n, which) >= most || n->app_gone)
		return;
	size = max_u64(min_u64(size, APP_BUFFER_MAX), 2ull * *size_of(n, which));
	size = min_u64(most, pow2_at_least((uint32_t)size));
	if (!app_ring_may_grow(sp->apps, id, (uint32_t)size)) {
		sp_count(sp, CNT_RINGS_NOT_GROWN, 1);
		t->next[which] = sp->now + TUNE_WITHOUT_MEMORY;
		return;
	}
	t->next[which] = sp->now + TUNE_APART;
	t->size[which] = (uint32_t)size;
	app_ring_offer(sp->apps, id, event_of(which));
}

void tune_reads_fast(struct sp *sp, uint32_t id)
{
	uint32_t size = sp->conn[id].rx_size;

	if (size >= most_of(sp, id, APP_RING_RX))
		return; /* and we do not hear of it again */
	offer(sp, id, APP_RING_RX, 2 * size);
	sp->fp->cold[id].rx_tune_at = 0; /* measured anew */
}

/* What may be on its way, and as much again that is written meanwhile: of the window that slow start makes of
 * this one before we are asked again. */
void tune_ring_full(struct sp *sp, uint32_t id)
{
	offer(sp, id, APP_RING_TX, 4 * min_u64(sp->fp->flows[id].cwnd, sp->fp->cold[id].max_snd_wnd));
}

static int grow(struct sp *sp, uint32_t id, enum app_ring which)
{
	struct conn *n = &sp->conn[id];
	uint32_t size = n->tune.size[which];
	int error = -EBUSY;

	/* much may have changed since it was offered */
	if (size > *size_of(n, which) && size <= most_of(sp, id, which) &&
		app_ring_may_grow(sp->apps, id, size))
		error = app_ring_grow(sp->apps, id, which, size);
	if (error == 0)
		*size_of(n, which) = size;
	return error;
}

int tune_op_grow(void *arg, uint32_t id, uint32_t event)
{
	struct sp *sp = arg;
	enum app_ring which = event == ABI_EV_GROW_RX ? APP_RING_RX : APP_RING_TX;
	int error;

	if (event != event_of(which) || sp->conn[id].tune.size[which] == 0)
		return EINVAL;
	error = grow(sp, id, which);
	if (error == -EAGAIN)
		return APP_LATER;
	sp_count(sp, error == 0 ? CNT_RINGS_GROWN : CNT_RINGS_NOT_GROWN, 1);
	conn_lock(sp, id);
	sp->conn[id].tune.size[which] = 0;
	app_ring_withdraw(sp->apps, id, event);
	if (error == 0)
		options_limits_change(sp, id, which == APP_RING_RX);
	conn_unlock(sp, id);
	return -error;
}
