/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/sp_scale.h"

#include <string.h>

#include "fastpath/fastpath.h"
#include "include/base/log.h"
#include "slowpath/sp.h"

enum { MOVE_LOOK_NS = 1000 * 1000 }; /* between looks whether a change is complete */

static uint32_t serving(const struct sp *sp) { return atomic_load(&sp->fp->steer.cores); }

void sp_scale_init(struct sp *sp)
{
	uint32_t least = serving(sp), most = sp->fp->conf.cores;

	sp->scale = (struct sp_scale){ .scale = scale_of(least, most),
		.since = sp->now,
		.next = least < most ? sp->now + SP_SCALE_INTERVAL : TAS_NS_NEVER };
}

/* The driver refused: stays as it is from now on. */
static void steering_failed(struct sp *sp, int rc)
{
	sp->scale.next = TAS_NS_NEVER;
	tas_log(TAS_LOG_WARNING,
		"device %s does not take another redirection table (%s): %u cores serve from now on; set "
		"[fastpath] cores_min to as many as are wanted",
		sp->conf->port.device, strerror(-rc), serving(sp));
}

static void decide(struct sp *sp)
{
	struct sp_scale *s = &sp->scale;
	uint64_t busy = fp_counter(sp->fp, CNT_CORE_BUSY_NS);
	uint32_t before = serving(sp), want = scale_update(&s->scale, busy - s->busy_ns, sp->now - s->since);
	int rc;

	s->busy_ns = busy;
	s->since = sp->now;
	s->next = sp->now + SP_SCALE_INTERVAL;
	if (want == before)
		return;
	rc = steer_to(sp->fp, want);
	if (rc != 0) {
		steering_failed(sp, rc);
		return;
	}
	sp_count(sp, want > before ? CNT_CORES_ADDED : CNT_CORES_REMOVED, 1);
	tas_log(TAS_LOG_INFO, "%u of %u cores serve", want, sp->fp->conf.cores);
}

unsigned sp_scale_poll(struct sp *sp)
{
	unsigned work = steer_poll(sp->fp);

	if (sp->now < sp->scale.next || sp->fp->steer.moving)
		return work;
	decide(sp);
	return work + 1;
}

tas_ns sp_scale_deadline(const struct sp *sp)
{
	return sp->fp->steer.moving ? min_u64(sp->scale.next, sp->now + MOVE_LOOK_NS) : sp->scale.next;
}
