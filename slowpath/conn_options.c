/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/conn_options.h"

#include "fastpath/fastpath.h"
#include "slowpath/conn.h"
#include "slowpath/sp.h"

void options_begin(struct sp *sp, uint32_t id, const struct ctl_options *options)
{
	sp->conn[id].opt = *options;
	keep_set(sp, id);
}

int options_op_change(void *arg, uint32_t id, const struct ctl_options *options)
{
	struct sp *sp = arg;

	conn_lock(sp, id);
	sp->conn[id].opt = *options;
	keep_set(sp, id);
	conn_timer_arm(sp, id);
	conn_unlock(sp, id);
	return 0;
}
