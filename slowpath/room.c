/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/room.h"

#include "fastpath/fastpath.h"
#include "include/base/assert.h"
#include "slowpath/conn.h"
#include "slowpath/sp.h"

static struct room_queue *queue_of(struct sp *sp, uint32_t flow)
{
	return &sp->room[sp->conn[flow].room - 1];
}

void room_keep(struct sp *sp, uint32_t flow)
{
	struct conn *n = &sp->conn[flow];
	struct room_queue *q;

	if (n->room == 0)
		return;
	q = queue_of(sp, flow);
	TAS_ASSERT(q->count > 0);
	if (q->head == flow)
		q->head = n->room_next;
	else
		sp->conn[n->room_prev].room_next = n->room_next;
	if (q->tail == flow)
		q->tail = n->room_prev;
	else
		sp->conn[n->room_next].room_prev = n->room_prev;
	q->count--;
	n->room = 0;
}

bool room_may_take(const struct sp *sp, uid_t uid)
{
	return users_may_take(&sp->apps->users, uid, SHARE_FLOWS, 1);
}

void room_give(struct sp *sp, uint32_t flow)
{
	struct conn *n = &sp->conn[flow];

	if (n->counted)
		users_give(&sp->apps->users, n->user, SHARE_FLOWS, 1);
	n->counted = false;
}

bool room_take(struct sp *sp, uint32_t flow, uid_t uid)
{
	struct conn *n = &sp->conn[flow];

	if (n->counted && n->user == uid)
		return true;
	if (!users_take(&sp->apps->users, uid, SHARE_FLOWS, 1))
		return false;
	room_give(sp, flow);
	n->user = uid;
	n->counted = true;
	return true;
}

void room_offer(struct sp *sp, uint32_t flow, enum room_class class)
{
	struct conn *n = &sp->conn[flow];
	struct room_queue *q = &sp->room[class];

	room_keep(sp, flow);
	room_give(sp, flow);
	n->room = (uint8_t)(class + 1);
	n->room_next = FLOW_NONE;
	n->room_prev = q->tail;
	if (q->count++ == 0)
		q->head = flow;
	else
		sp->conn[q->tail].room_next = flow;
	q->tail = flow;
}

static void end_one(struct sp *sp, uint32_t flow, enum tas_counter counter)
{
	sp_count(sp, counter, 1);
	conn_lock(sp, flow);
	conn_end(sp, flow, 0);
	conn_unlock(sp, flow);
}

void room_end_embryo(struct sp *sp, uint32_t flow) { end_one(sp, flow, CNT_TCP_EMBRYOS_ENDED); }

/* What was ended counts: it is free after its grace period. */
static bool below_reserve(const struct fastpath *fp)
{
	return fp->nr_free + fp->nr_graves < min_u32(fp->conf.flows_max / 8, ROOM_RESERVE_MAX);
}

bool room_is_short(const struct sp *sp)
{
	return below_reserve(sp->fp) && sp->room[ROOM_TIME_WAIT].count + sp->room[ROOM_ORPHAN].count == 0 &&
		sp->room[ROOM_EMBRYO].count > 0;
}

void room_make(struct sp *sp)
{
	while (below_reserve(sp->fp)) {
		if (sp->room[ROOM_TIME_WAIT].count > 0)
			end_one(sp, sp->room[ROOM_TIME_WAIT].head, CNT_TCP_TIME_WAIT_ENDED);
		else if (sp->room[ROOM_ORPHAN].count > 0)
			end_one(sp, sp->room[ROOM_ORPHAN].head, CNT_TCP_ORPHANS_ENDED);
		else if (sp->room[ROOM_EMBRYO].count > 0)
			room_end_embryo(sp, sp->room[ROOM_EMBRYO].head);
		else
			return;
	}
}
