/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/app_steps.h"

#include <string.h>

#include "tests/fuzz/host.h"

struct ctl_options options_step(struct step *s)
{
	static const char *const congestion[] = { "", "newreno", "cubic", "dctcp", "bbr", "timely",
		"const-rate", "none such" };
	struct ctl_options o = { 0 };
	uint8_t which = step_u8(s);

	strcpy(o.congestion, congestion[which % ARRAY_LEN(congestion)]);
	o.flags = step_u8(s) & 31;
	o.keep_alive = which >> 7;
	o.keep_idle_s = o.keep_intvl_s = 1u + step_u8(s);
	o.keep_count = which >> 3 & 15;
	o.rx_size = which & 64 ? (uint32_t)step_wide(s) : 0;
	o.tx_size = o.rx_size;
	o.pacing_bytes_s = which & 32 ? step_wide(s) : 0;
	o.user_timeout_ms = (uint32_t)step_u8(s) << 8;
	o.max_seg = step_u8(s) * 16;
	o.window_clamp = (uint32_t)step_u8(s) << 6;
	o.notsent_lowat = step_u8(s);
	o.ttl = o.tos = o.tclass = (uint8_t)(o.notsent_lowat & ~3);
	o.linger2_s = (int8_t)o.notsent_lowat;
	o.defer_accept_s = which & 16 ? 3 : 0;
	return o;
}

static void writes(struct peer *p, uint32_t len, bool more)
{
	const struct abi_flow_rec *r = rec_of(p);
	uint64_t room = r->tx_size - (p->tx_end - r->tx_una);

	len = min_u32(len, (uint32_t)room);
	(more ? app_writes_more : app_writes)(p, len);
}

static void reads(struct wire_conn *c, uint32_t max)
{
	uint32_t len = min_u32(app_unread(c->p), max);

	if (!c->tainted) {
		app_reads(c->p, len);
		return;
	}
	c->p->rx_read += len;
	app_rings(c->p, 0, 0);
}

static void gives_up(struct peer *p, bool abort)
{
	(abort ? app_aborts : app_closes)(p);
	p->app = NULL;
}

static void connects(struct wire_conn *c, struct step *s)
{
	struct rig_app *a = app_start(AT_HAND);
	struct peer *p = c->p;
	struct ctl_connect m = { .remote = addr_v4(htobe32(wire_addr4(WIRE_PEER))),
		.remote_port = p->port,
		.local_port = step_u8(s) & 1 ? p->local_port : 0,
		.flags = step_u8(s) & CTL_LISTEN_NODELAY };

	if (c->v6)
		memcpy(m.remote.b, wire_addr6(WIRE_PEER), 16);
	m.options = options_step(s);
	m.context = a->ctx[0].id;
	if (app_connect(&rig.apps, a->id, &m) == 0) {
		p->app = a;
		p->rec = m.rec;
		p->flow = m.flow;
		p->gen = m.gen;
		p->local_port = m.local_port;
		p->rx_read = p->tx_end = 0;
		c->active = true;
		c->tainted = false;
		p->irs = c->seq = c->try_irs = c->seq + 100000;
	}
	rig_run();
}

static void asks(struct peer *p, struct step *s)
{
	struct ctl_info info = { .flow = p->flow, .gen = p->gen, .shared = step_u8(s) & 1 };

	app_info(&rig.apps, p->app->id, &info);
}

/* Mostly what was offered. */
static void grows(struct peer *p, struct step *s)
{
	uint32_t offered = events_of(p) & (ABI_EV_GROW_RX | ABI_EV_GROW_TX), odd = step_u8(s);
	struct ctl_grow m = { .flow = p->flow, .gen = p->gen, .event = offered & (0u - offered) };

	if (odd != 0)
		m.event = odd & 1 ? ABI_EV_GROW_RX : odd & 2 ? ABI_EV_GROW_TX : odd;
	app_grow(&rig.apps, p->app->id, &m);
	rig_run();
}

static void listens(struct step *s)
{
	uint8_t how = step_u8(s);

	rig.options = options_step(s);
	(how & 128 ? app_listens_unarmed : app_listens)(AT_HAND, AT_HAND_PORT, how & 15);
	memset(&rig.options, 0, sizeof(rig.options));
}

/* A child has the listener and the connections, too. */
static void forks(void)
{
	uint64_t id;

	if (rig.app[AT_HAND].attached && !rig.app[CHILD].attached &&
		hold_find(&rig.apps.holds, rig.app[AT_HAND].id, AT_HAND_PORT, &id))
		app_joins(CHILD, AT_HAND, AT_HAND_PORT);
}

/* What concerns no connection. */
static void with_listener(uint8_t what, struct step *s)
{
	unsigned who = step_u8(s) & 1 ? CHILD : AT_HAND;

	switch (what) {
	case 13: listens(s); break;
	case 14: forks(); break;
	case 15:
		if (rig.app[who].attached)
			app_dies(who);
		break;
	case 16:
		if (rig.app[who].attached)
			app_unlistens(who, AT_HAND_PORT);
		break;
	default:
		if (rig.app[who].attached)
			app_arms(who, AT_HAND_PORT);
		break;
	}
}

/* Who has a connection. */
static void with_connection(struct wire_conn *c, uint8_t what, struct step *s)
{
	struct peer *p = c->p;

	switch (what) {
	case 0:
	case 1: writes(p, step_u16(s), false); break;
	case 2: writes(p, step_u8(s), true); break;
	case 3: reads(c, UINT32_MAX); break;
	case 4: reads(c, step_u16(s)); break;
	case 5: app_shuts(p); break;
	case 6: gives_up(p, false); break;
	case 7: gives_up(p, true); break;
	case 8: app_sets_(p, options_step(s)); break;
	case 9: asks(p, s); break;
	case 10:
		app_rings(p,
			step_u16(s) &
				(ABI_BELL_REFRESH | ABI_BELL_WANT_SPACE | ABI_BELL_QUICK_ACKS |
					ABI_BELL_LATE_ACKS),
			0);
		break;
	case 11: grows(p, s); break;
	default: writes(p, 40000, false); break;
	}
}

void app_step(struct wire_conn *c, struct step *s)
{
	uint8_t what = step_u8(s), who = what & 128 ? CHILD : AT_HAND;

	what %= 18;
	if (what >= 13)
		with_listener(what, s);
	else if (host_has(c->p))
		with_connection(c, what, s);
	else if (what >= 6)
		connects(c, s);
	else if (rig.app[who].attached && app_accepts(c->p, who))
		with_connection(c, what, s);
}
