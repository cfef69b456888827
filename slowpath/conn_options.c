/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/conn_options.h"

#include <errno.h>

#include "fastpath/fastpath.h"
#include "include/net/hdr.h"
#include "include/net/tcp_opt.h"
#include "slowpath/conn.h"
#include "slowpath/sp.h"
#include "slowpath/sp_cc.h"
#include "slowpath/tcp_out.h"

enum {
	MSS_LEAST = 88, /* TCP_MIN_MSS of Linux: less cannot be asked for */
};

/* Of a ring of this size so much is wanted. */
static uint32_t wanted_size(uint32_t asked, uint32_t usual)
{
	uint32_t size = asked != 0 ? asked : usual;

	return pow2_at_least(max_u32(min_u32(size, APP_BUFFER_MAX), APP_BUFFER_MIN));
}

static uint32_t clamped(const struct ctl_options *o, uint32_t window)
{
	return o->window_clamp != 0 ? min_u32(o->window_clamp, window) : window;
}

uint16_t options_first_window(const struct tas_conf *conf, const struct ctl_options *o)
{
	uint32_t size = wanted_size(o->rx_size, conf->memory.rx_buffer);

	return (uint16_t)min_u32(clamped(o, size - 1), 0xffff);
}

uint8_t options_wscale(const struct tas_conf *conf, const struct ctl_options *o)
{
	uint32_t size = wanted_size(o->rx_size, conf->memory.rx_buffer), most;
	uint8_t shift = 0;

	if (o->rx_size == 0) /* it may grow */
		size = max_u32(size, conf->memory.rx_buffer_max);
	most = clamped(o, size);
	while ((most >> shift) > 0xffff && shift < TCP_WSCALE_MAX)
		shift++;
	return shift;
}

uint32_t options_window(const struct sp *sp, uint32_t id)
{
	const struct conn *n = &sp->conn[id];

	return clamped(&n->opt, n->rx_size);
}

/* A larger ring, as far as there is memory; for a smaller one less of it is used. */
static int ring_grow(struct sp *sp, uint32_t id, enum app_ring which, uint32_t asked, uint32_t *size)
{
	uint32_t wanted = wanted_size(asked, *size);
	int error = wanted > *size ? app_ring_grow(sp->apps, id, which, wanted) : -EBUSY;

	if (error == 0)
		*size = wanted;
	return error == -EAGAIN ? APP_LATER : 0;
}

/* Takes the lock. */
static int rings_grow(struct sp *sp, uint32_t id, const struct ctl_options *o)
{
	struct conn *n = &sp->conn[id];
	int error = ring_grow(sp, id, APP_RING_RX, o->rx_size, &n->rx_size);

	return error != 0 ? error : ring_grow(sp, id, APP_RING_TX, o->tx_size, &n->tx_size);
}

/* How much of the receive ring is used. */
static void receive_limit(struct sp *sp, uint32_t id)
{
	struct flow_cold *k = &sp->fp->cold[id];
	struct flow *f = &sp->fp->flows[id];
	const struct conn *n = &sp->conn[id];

	k->rx_limit = min_u32(n->rx_size, wanted_size(n->opt.rx_size, n->rx_size));
	k->rx_clamp = options_window(sp, id);
	f->flags &= ~(uint32_t)FLOW_RX_LIMITED;
	if (min_u32(k->rx_limit, k->rx_clamp) < n->rx_size)
		f->flags |= FLOW_RX_LIMITED;
}

/* How much of the transmit ring is used, and how much of that may be unsent. */
static void transmit_limit(struct sp *sp, uint32_t id)
{
	struct flow_cold *k = &sp->fp->cold[id];
	struct flow *f = &sp->fp->flows[id];
	const struct conn *n = &sp->conn[id];

	k->tx_limit = min_u32(n->tx_size, wanted_size(n->opt.tx_size, n->tx_size));
	k->notsent_lowat = n->opt.notsent_lowat;
	f->flags &= ~(uint32_t)FLOW_TX_LIMITED;
	if (k->tx_limit < n->tx_size || k->notsent_lowat != 0)
		f->flags |= FLOW_TX_LIMITED;
}

void options_begin(struct sp *sp, uint32_t id, const struct ctl_options *options)
{
	struct conn *n = &sp->conn[id];

	n->opt = *options;
	n->rx_size = wanted_size(options->rx_size, sp->conf->memory.rx_buffer);
	n->tx_size = wanted_size(options->tx_size, sp->conf->memory.tx_buffer);
	n->cc.max_bytes_s = options->pacing_bytes_s;
	if (options->flags & CTL_OPTION_LATE_ACKS)
		sp->fp->flows[id].flags |= FLOW_PINGPONG | FLOW_PATIENT;
	receive_limit(sp, id);
	transmit_limit(sp, id);
	keep_set(sp, id);
}

void options_limits_change(struct sp *sp, uint32_t id, bool grown)
{
	struct flow_cold *k = &sp->fp->cold[id];
	struct flow *f = &sp->fp->flows[id];
	uint32_t before = tcp_rcv_window(f, k);

	receive_limit(sp, id);
	transmit_limit(sp, id);
	if (((TCP_STATES_FAST >> f->state) & 1) && (grown || tcp_rcv_window(f, k) > before)) {
		f->flags |= FLOW_ACK_WANTED;
		core_kick(sp->fp->slow, id);
	}
	app_notify(sp->fp->slow, f, 0, 0); /* there may be space now */
}

/* Who says that it does not want acknowledgements at once, or (as Linux has it) that data comes first, saves
 * this one. */
void options_ack(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];

	if (!(f->flags & FLOW_PINGPONG) && sp->conn[id].opt.defer_accept_s == 0) {
		out_ack(sp, id);
		return;
	}
	f->flags |= FLOW_ACK_LATER;
	core_kick(sp->fp->slow, id);
}

uint32_t options_defer_retries(const struct sp *sp, uint32_t id)
{
	uint64_t left_us = sp->conn[id].opt.defer_accept_s * 1000000ull, wait_us = sp->rto.initial_us;
	uint32_t n = 0;

	for (; left_us > 0 && n < UINT8_MAX; n++) {
		left_us -= min_u64(left_us, wait_us);
		wait_us = min_u64(2 * wait_us, sp->rto.max_us);
	}
	return n;
}

uint16_t options_mss_of(const struct ctl_options *o, uint32_t mss)
{
	return (uint16_t)(o->max_seg != 0 ? min_u32(mss, max_u32(o->max_seg, MSS_LEAST)) : mss);
}

uint16_t options_mss(const struct sp *sp, uint32_t id, uint32_t mss)
{
	return options_mss_of(&sp->conn[id].opt, mss);
}

void options_class(const struct sp *sp, const struct ctl_options *o, struct hdr_tmpl *h)
{
	bool v4 = hdr_tmpl_is_v4(h);
	uint8_t usual = sp_hops(sp, v4);

	if (v4)
		hdr_tmpl_set_class(h, o->ttl != 0 ? o->ttl : usual, o->tos);
	else
		hdr_tmpl_set_class(h, o->hops != 0 ? (uint8_t)(o->hops - 1) : usual, o->tclass);
}

void options_header(struct sp *sp, uint32_t id)
{
	struct hdr_tmpl *h = &sp->fp->cold[id].hdr;
	struct flow *f = &sp->fp->flows[id];
	bool fragments = sp->conn[id].opt.flags & CTL_OPTION_FRAGMENTS;

	options_class(sp, &sp->conn[id].opt, h);
	if (!hdr_tmpl_is_v4(h))
		return;
	if (fragments == ((f->flags & FLOW_FRAGMENTS) != 0))
		return;
	f->flags ^= FLOW_FRAGMENTS;
	if (fragments) /* from where the clock is, so that those of before are not met again soon */
		hdr_tmpl_set_fragments(h, (uint16_t)ns_to_us32(sp->now));
	else
		hdr_tmpl_set_whole(h);
}

static void pace_change(struct sp *sp, uint32_t id)
{
	struct conn *n = &sp->conn[id];

	n->cc.max_bytes_s = n->opt.pacing_bytes_s;
	cc_flow_pace(&n->cc, &sp->fp->flows[id], &sp->fp->cold[id]);
}

int options_op_change(void *arg, uint32_t id, const struct ctl_options *options)
{
	struct sp *sp = arg;
	uint32_t rx_size = sp->conn[id].rx_size;
	int error;

	if (!sp_cc_known(options->congestion))
		return ENOENT;
	error = rings_grow(sp, id, options);
	if (error != 0)
		return error;
	conn_lock(sp, id);
	sp->conn[id].opt = *options;
	sp_cc_switch(sp, id, sp_cc_choose(sp, options->congestion, sp->fp->cold[id].key.remote));
	keep_set(sp, id);
	options_header(sp, id);
	options_limits_change(sp, id, sp->conn[id].rx_size > rx_size);
	pace_change(sp, id);
	conn_timer_arm(sp, id);
	conn_unlock(sp, id);
	return 0;
}
