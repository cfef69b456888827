/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/sp_end.h"

#include <errno.h>

#include "slowpath/conn.h"

/* In these a peer waits for something of us, or still has something to say. */
static bool is_open(const struct flow *f)
{
	return f->state != TCP_FREE && f->state != TCP_CLOSED && f->state != TCP_TIME_WAIT;
}

static void end_one(struct sp *sp, uint32_t id)
{
	conn_lock(sp, id);
	if (is_open(&sp->fp->flows[id]))
		conn_abort(sp, id, ECONNRESET);
	conn_unlock(sp, id);
}

bool sp_end_connections(struct sp *sp, uint32_t *at, uint32_t burst, tas_ns now)
{
	uint32_t flows = sp->fp->conf.flows_max, room = fp_send_room(sp->fp);

	sp->now = now;
	sp->fp->slow->now = now;
	sp->fp->slow->now_us = ns_to_us32(now);
	for (uint32_t n = 0; *at < flows && n < burst && room > 0; n++, ++*at)
		if (is_open(&sp->fp->flows[*at])) {
			end_one(sp, *at);
			room--;
		}
	core_flush(sp->fp->slow);
	return *at < flows || !fp_send_idle(sp->fp);
}
