/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/conn_keepalive.h"

#include "fastpath/fastpath.h"
#include "slowpath/conn.h"
#include "slowpath/sp.h"

/* Times of the data path are 32 bits of microseconds: what lies further back than this may be any time. So an
 * idle connection is looked at at least so often. */
#define LOOK_AGAIN (1800 * NS_PER_SEC)
#define USER_TIMEOUT_MAX_MS 2000000u /* longer ones are held to be this long, for the same reason */

void keep_set(struct sp *sp, uint32_t id)
{
	const struct ctl_options *o = &sp->conn[id].opt;
	struct keep *k = &sp->conn[id].keep;

	if (!k->on && o->keep_alive)
		*k = (struct keep){ .heard = sp->now, .segs_seen = sp->fp->cold[id].segs_in };
	k->on = o->keep_alive != 0;
	k->idle_s = max_u32(o->keep_idle_s, 1);
	k->intvl_s = max_u32(o->keep_intvl_s, 1);
	k->count = o->keep_count;
	k->user_timeout_ms = min_u32(o->user_timeout_ms, USER_TIMEOUT_MAX_MS);
}

void keep_begin(struct sp *sp, uint32_t id) { sp->conn[id].keep.heard = sp->now; }

/* --- keep-alive --- */

static tas_ns time_of(const struct sp *sp, uint32_t us)
{
	tas_ns since = (tas_ns)(ns_to_us32(sp->now) - us) * NS_PER_US;

	return since < sp->now ? sp->now - since : 0;
}

/* Not before when was the peer heard last? Its data has a time. What acknowledged ours came after ours was
 * sent, an answer after the probe. */
static void listen_again(struct sp *sp, uint32_t id)
{
	const struct flow_cold *cold = &sp->fp->cold[id];
	const struct flow *f = &sp->fp->flows[id];
	struct keep *k = &sp->conn[id].keep;

	if (k->segs_seen == cold->segs_in)
		return;
	k->segs_seen = cold->segs_in;
	k->heard = max_u64(k->heard, time_of(sp, cold->rx_last_us));
	if (f->tx_inflight == 0 && cold->bytes_out > 0)
		k->heard = max_u64(k->heard, time_of(sp, f->last_tx_us));
	if (k->sent > 0)
		k->heard = max_u64(k->heard, k->probed);
	k->sent = 0;
}

static tas_ns keep_due(const struct keep *k)
{
	return k->heard + (k->idle_s + (tas_ns)k->sent * k->intvl_s) * NS_PER_SEC;
}

static bool keeps_alive(const struct sp *sp, uint32_t id)
{
	return sp->conn[id].keep.on && !sp->conn[id].app_gone &&
		((TCP_STATES_FAST >> sp->fp->flows[id].state) & 1);
}

void keep_timer_arm(struct sp *sp, uint32_t id)
{
	if (!keeps_alive(sp, id)) {
		timer_cancel(&sp->timers, id);
		return;
	}
	listen_again(sp, id);
	timer_arm(&sp->timers, id,
		min_u64(max_u64(keep_due(&sp->conn[id].keep), sp->now), sp->now + LOOK_AGAIN));
}

static bool in_vain(const struct sp *sp, const struct keep *k)
{
	if (k->user_timeout_ms != 0)
		return k->sent > 0 && sp->now - k->heard >= k->user_timeout_ms * NS_PER_MS;
	return k->sent >= k->count;
}

bool keep_expired(struct sp *sp, uint32_t id)
{
	struct keep *k = &sp->conn[id].keep;

	if (!keeps_alive(sp, id))
		return false;
	listen_again(sp, id);
	if (sp->now < keep_due(k))
		return false;
	if (in_vain(sp, k))
		return true;
	tcp_send_probe(sp->fp->slow, id);
	k->probed = sp->now;
	k->sent += k->sent < UINT8_MAX;
	return false;
}

/* --- the user timeout --- */

bool keep_user_timeout(struct sp *sp, uint32_t id)
{
	const struct flow_cold *cold = &sp->fp->cold[id];
	struct keep *k = &sp->conn[id].keep;
	uint32_t now_us = ns_to_us32(sp->now);

	if (cold->backoff == 0) {
		k->stuck_us = cold->rto_base_us;
		if (sp->fp->flows[id].tx_inflight == 0) /* it may be long ago that anything was under way */
			k->stuck_us = us32_later(now_us, sp->conn[id].timer_base_us, cold->rto_base_us);
	}
	return k->user_timeout_ms != 0 && !sp->conn[id].app_gone &&
		now_us - k->stuck_us >= k->user_timeout_ms * 1000u;
}

uint32_t keep_clamp_us(const struct sp *sp, uint32_t id, uint32_t base_us, uint32_t rto_us)
{
	const struct keep *k = &sp->conn[id].keep;
	uint32_t begin = sp->fp->cold[id].backoff == 0 ? base_us : k->stuck_us;
	int32_t left = (int32_t)(begin + k->user_timeout_ms * 1000u - base_us);

	if (k->user_timeout_ms == 0 || sp->conn[id].app_gone)
		return rto_us;
	return left <= 0 ? 0 : min_u32(rto_us, (uint32_t)left);
}
