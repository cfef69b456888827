/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/conn_options.h"

#include "fastpath/fastpath.h"
#include "slowpath/conn.h"
#include "slowpath/sp.h"

enum {
	HOPS = 64,
	MSS_LEAST = 88, /* TCP_MIN_MSS of Linux: less cannot be asked for */
};

void options_begin(struct sp *sp, uint32_t id, const struct ctl_options *options)
{
	sp->conn[id].opt = *options;
	keep_set(sp, id);
}

uint16_t options_mss(const struct sp *sp, uint32_t id, uint32_t mss)
{
	uint32_t most = sp->conn[id].opt.max_seg;

	return (uint16_t)(most != 0 ? min_u32(mss, max_u32(most, MSS_LEAST)) : mss);
}

void options_header(struct sp *sp, uint32_t id)
{
	const struct ctl_options *o = &sp->conn[id].opt;
	struct hdr_tmpl *h = &sp->fp->cold[id].hdr;
	struct flow *f = &sp->fp->flows[id];
	bool fragments = o->flags & CTL_OPTION_FRAGMENTS;

	if (!hdr_tmpl_is_v4(h)) {
		hdr_tmpl_set_class(h, o->hops != 0 ? (uint8_t)(o->hops - 1) : HOPS, o->tclass);
		return;
	}
	hdr_tmpl_set_class(h, o->ttl != 0 ? o->ttl : HOPS, o->tos);
	if (fragments == ((f->flags & FLOW_FRAGMENTS) != 0))
		return;
	f->flags ^= FLOW_FRAGMENTS;
	if (fragments) /* from where the clock is, so that those of before are not met again soon */
		hdr_tmpl_set_fragments(h, (uint16_t)ns_to_us32(sp->now));
	else
		hdr_tmpl_set_whole(h);
}

int options_op_change(void *arg, uint32_t id, const struct ctl_options *options)
{
	struct sp *sp = arg;

	conn_lock(sp, id);
	sp->conn[id].opt = *options;
	keep_set(sp, id);
	options_header(sp, id);
	conn_timer_arm(sp, id);
	conn_unlock(sp, id);
	return 0;
}
