/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "include/base/assert.h"
#include "include/base/log.h"
#include "slowpath/app_flow.h"
#include "slowpath/cc.h"

enum { BURIAL_NICE = 10 }; /* so that the slow path comes first, and it comes to an end all the same */

#define HEADER_PAGES ((sizeof(struct abi_header) + REGION_PAGE - 1) / REGION_PAGE)

static void count(struct apps *as, enum tas_counter counter) { as->fp->slow->counter[counter]++; }

static uint64_t region_size(const struct apps *as)
{
	return as->conf->memory.app_memory_max & ~(uint64_t)(REGION_PAGE - 1);
}

/* --- the registry --- */

static void on_left(void *arg, uint16_t app, uint64_t id)
{
	struct apps *as = arg;

	as->ops.leave(as->ops.arg, app, id);
}

static void on_closed(void *arg, uint64_t id)
{
	struct apps *as = arg;

	as->ops.close_listener(as->ops.arg, id);
}

int apps_init(struct apps *as, struct fastpath *fp, const struct tas_conf *conf, const struct app_ops *ops,
	const struct app_rim *rim)
{
	uint32_t n = conf->memory.apps_max;
	int error = region_guard_install();

	TAS_ASSERT(fp->conf.apps_max >= n && n < APP_NONE);
	*as = (struct apps){ .fp = fp, .conf = conf, .ops = *ops, .rim = *rim, .strikes = region_strikes() };
	users_init(&as->users);
	users_limit(&as->users, SHARE_APPS, n);
	users_limit(&as->users, SHARE_MEMORY,
		conf->memory.memory_max != 0 ? conf->memory.memory_max / REGION_PAGE
					     : region_machine_pages() / 2);
	as->copied.flow = FLOW_NONE;
	as->cost.users = &as->users;
	cost_begin(&as->cost);
	as->holds = (struct holds){ .users = &as->users, .left = on_left, .closed = on_closed, .arg = as };
	as->slot = calloc(n, sizeof(*as->slot));
	as->free_id = calloc(n, sizeof(*as->free_id));
	as->free_user = calloc(n, sizeof(*as->free_user));
	as->dying = calloc(2 * n, sizeof(*as->dying));
	if (error == 0 &&
		(holds_init(&as->holds, n) != 0 || !as->slot || !as->free_id || !as->free_user || !as->dying))
		error = -ENOMEM;
	if (error != 0) {
		apps_fini(as);
		return error;
	}
	for (as->nr_free = 0; as->nr_free < n; as->nr_free++)
		as->free_id[as->nr_free] = as->free_user[as->nr_free] = (uint16_t)as->nr_free;
	as->nr_free_users = n;
	return 0;
}

static void core_fds_close(struct apps *as, struct app *a)
{
	for (unsigned i = 0; i < as->fp->conf.cores; i++)
		if (a->core_eventfd[i] >= 0)
			as->rim.core_close(as->rim.arg, i, a->core_eventfd[i]);
}

/* With a user's first application it gets a number, by which cores know whose that and all others of it are
 * (fastpath/app_turn.c). */
static bool place_take(struct apps *as, uid_t uid)
{
	struct user *u;

	if (!users_take(&as->users, uid, SHARE_APPS, 1))
		return false;
	u = users_find(&as->users, uid);
	if (u->has[SHARE_APPS] == 1)
		u->number = as->free_user[--as->nr_free_users];
	return true;
}

static void place_give(struct apps *as, uid_t uid)
{
	const struct user *u = users_find(&as->users, uid);

	if (u->has[SHARE_APPS] == 1)
		as->free_user[as->nr_free_users++] = u->number;
	users_give(&as->users, uid, SHARE_APPS, 1);
}

/* Its memory is the kernel's again. */
static void slot_left(struct apps *as, uint16_t id)
{
	struct app_slot *s = &as->slot[id];

	users_give(&as->users, s->who.uid, SHARE_MEMORY, s->pages);
	place_give(as, s->who.uid);
	*s = (struct app_slot){ .state = APP_FREE };
	as->free_id[(as->free_head + as->nr_free++) % as->conf->memory.apps_max] = id;
}

static void region_bury(struct undertaker_job *job)
{
	setpriority(PRIO_PROCESS, (id_t)gettid(), BURIAL_NICE);
	region_destroy(&((struct app_burial *)job)->region);
}

/* The process may have touched all of it, and be gone: then ours is the last reference, and to give it up
 * costs what all that costs. The slot stays taken as long: who attaches, touches and dies again and again
 * gathers no more than he may have at one time. */
static void slot_leave(struct apps *as, uint16_t id)
{
	struct app_slot *s = &as->slot[id];

	s->state = APP_LEAVING;
	s->burial = (struct app_burial){ .job.work = region_bury, .region = s->region, .app = id };
	s->region = (struct region){ .size = s->region.size,
		.resident = s->region.resident,
		.fd = -1,
		.guard = -1 };
	as->nr_leaving++;
	undertaker_add(as->undertaker, &s->burial.job);
}

static void left_collect(struct apps *as)
{
	struct undertaker_job *job;

	while (as->nr_leaving > 0 && (job = undertaker_done(as->undertaker)) != NULL) {
		as->nr_leaving--;
		slot_left(as, ((struct app_burial *)job)->app);
	}
}

/* Everything an application had, in reverse; also of one that was only half made. No core looks at it. */
static void slot_free(struct apps *as, uint16_t id)
{
	struct app_slot *s = &as->slot[id];
	struct app *a = &as->fp->apps[id];

	app_contexts_free(as, id);
	core_fds_close(as, a);
	memset(a, 0, sizeof(*a));
	app_recs_fini(as, id);
	buf_fini(&s->pool);
	if (as->holds.app != NULL) /* not while the instance ends */
		hold_app_reset(&as->holds, id);
	if (s->region.shared && as->undertaker != NULL) {
		slot_leave(as, id);
		return;
	}
	region_destroy(&s->region);
	slot_left(as, id);
}

void apps_fini(struct apps *as)
{
	holds_fini(&as->holds);
	if (as->undertaker != NULL) { /* what it has, we wait for; the rest goes at once */
		undertaker_end(as->undertaker, true);
		as->undertaker = NULL;
	}
	for (uint32_t id = 0; as->slot != NULL && id < as->conf->memory.apps_max; id++)
		if (as->slot[id].state != APP_FREE && as->slot[id].state != APP_LEAVING)
			slot_free(as, (uint16_t)id);
	free(as->slot);
	free(as->free_id);
	free(as->free_user);
	free(as->dying);
	users_fini(&as->users);
	*as = (struct apps){ 0 };
}

/* --- attach --- */

static int refuse(struct apps *as, int error, char *why, size_t why_size, const char *text)
{
	count(as, CNT_APPS_REFUSED);
	snprintf(why, why_size, "%s", text);
	return error;
}

static bool abi_matches(const struct ctl_hello *h)
{
	return h->magic == ABI_MAGIC && h->major == ABI_MAJOR &&
		h->header_size == sizeof(struct abi_header) && h->rec_size == sizeof(struct abi_flow_rec) &&
		h->bell_size == sizeof(struct abi_bell) && h->context_size == sizeof(struct abi_context);
}

static int refuse_abi(struct apps *as, const struct ctl_hello *h, char *why, size_t why_size)
{
	char text[256];

	snprintf(text, sizeof(text),
		"ABI mismatch: libtas speaks %u.%u (structs of %u, %u, %u, %u bytes), "
		"tasd %s speaks %u.%u (%zu, %zu, %zu, %zu); install both from one version",
		h->major, h->minor, h->header_size, h->rec_size, h->bell_size, h->context_size, TAS_VERSION,
		ABI_MAJOR, ABI_MINOR, sizeof(struct abi_header), sizeof(struct abi_flow_rec),
		sizeof(struct abi_bell), sizeof(struct abi_context));
	return refuse(as, EPROTO, why, why_size, text);
}

static void header_fill(const struct apps *as, uint16_t id, struct abi_header *h)
{
	h->magic = ABI_MAGIC;
	h->major = ABI_MAJOR;
	h->minor = ABI_MINOR;
	h->header_size = sizeof(*h);
	h->rec_size = sizeof(struct abi_flow_rec);
	h->bell_size = sizeof(struct abi_bell);
	h->context_size = sizeof(struct abi_context);
	h->app = id;
	h->cores = as->fp->conf.cores;
	h->contexts_max = as->conf->memory.app_contexts_max;
	h->flows_max = as->conf->memory.app_flows_max;
	h->notify_slots = pow2_at_least(h->flows_max);
	h->region_size = region_size(as);
	cc_names(h->congestion, sizeof(h->congestion));
	for (unsigned i = 0; i < ABI_CORES_MAX; i++) /* until a core begins to look */
		atomic_store_explicit(&h->core_line[i].asleep, 1, memory_order_relaxed);
}

static int region_make(struct apps *as, uint16_t id)
{
	struct app_slot *s = &as->slot[id];
	uint32_t pages = (uint32_t)(region_size(as) / REGION_PAGE);
	uint32_t header = HEADER_PAGES;
	char name[64];
	int error;

	snprintf(name, sizeof(name), "tasd:%s:%.15s", as->conf->tasd.instance, s->who.program);
	error = region_create(&s->region, region_size(as), name);
	if (error == 0)
		error = buf_init(&s->pool, pages);
	if (error == 0)
		error = app_pages_populate(as, id, 0, HEADER_PAGES, &header);
	if (error == 0)
		buf_free(&s->pool, HEADER_PAGES, pages - HEADER_PAGES);
	return error;
}

static int core_fds_make(struct apps *as, struct app *a)
{
	for (unsigned i = 0; i < as->fp->conf.cores && as->rim.core_open != NULL; i++) {
		int fd = as->rim.core_open(as->rim.arg, i, a->id);

		if (fd < 0)
			return fd;
		a->core_eventfd[i] = fd;
	}
	return 0;
}

static int slot_make(struct apps *as, uint16_t id, const struct app_who *who)
{
	struct app_slot *s = &as->slot[id];
	struct app *a = &as->fp->apps[id];
	int error;

	*s = (struct app_slot){ .state = APP_MAPPING, .who = *who, .region.fd = -1, .region.guard = -1 };
	memset(a, 0, sizeof(*a));
	memset(a->core_eventfd, 0xff, sizeof(a->core_eventfd));
	error = region_make(as, id);
	if (error == 0)
		error = app_recs_init(as, id);
	if (error != 0)
		return error;
	a->id = id;
	a->user = users_find(&as->users, who->uid)->number;
	a->base = s->region.base;
	a->size = s->region.size;
	a->header = (struct abi_header *)(void *)a->base;
	a->notify_mask = pow2_at_least(as->conf->memory.app_flows_max) - 1;
	a->nctx_max = (uint16_t)as->conf->memory.app_contexts_max;
	a->ctx = calloc(a->nctx_max, sizeof(*a->ctx));
	return a->ctx != NULL ? core_fds_make(as, a) : -ENOMEM;
}

static uint16_t id_take(struct apps *as)
{
	uint16_t id = as->free_id[as->free_head];

	TAS_ASSERT(as->nr_free > 0);
	as->free_head = (as->free_head + 1) % as->conf->memory.apps_max;
	as->nr_free--;
	return id;
}

static void hello_answer(const struct apps *as, uint16_t id, struct ctl_hello *h)
{
	h->minor = ABI_MINOR;
	h->features = 0;
	h->region_size = region_size(as);
	h->app = id;
	h->cores = as->fp->conf.cores;
}

static int refuse_memory(struct apps *as, int error, char *why, size_t why_size)
{
	char text[160];

	snprintf(text, sizeof(text), "tasd cannot make this process's shared memory: %s%s", strerror(error),
		error == EMFILE           ? "; raise its limit of open files"
			: error == ENOMEM ? "; raise [memory] memory_max if there is more"
					  : "");
	return refuse(as, error, why, why_size, text);
}

int app_hello(struct apps *as, struct ctl_hello *h, const struct app_who *who, tas_ns now, uint16_t *app,
	char *why, size_t why_size)
{
	uint16_t id;
	int error;

	if (!abi_matches(h))
		return refuse_abi(as, h, why, why_size);
	if (as->nr_free == 0)
		return refuse(as, EUSERS, why, why_size,
			"tasd serves as many processes as it may: raise [memory] apps_max");
	if (!place_take(as, who->uid))
		return refuse(as, EUSERS, why, why_size,
			"this user has its share of the processes that tasd serves: raise [memory] apps_max");
	cost_spend(&as->cost, who->uid, COST_ATTACH);
	id = id_take(as);
	error = slot_make(as, id, who);
	if (error != 0) {
		slot_free(as, id);
		return refuse_memory(as, -error, why, why_size);
	}
	as->slot[id].since = now;
	as->slot[id].token = h->fork_token;
	header_fill(as, id, as->fp->apps[id].header);
	hello_answer(as, id, h);
	*app = id;
	return 0;
}

int app_mapped(struct apps *as, uint16_t app, char *why, size_t why_size)
{
	struct app_slot *s = &as->slot[app];
	int error;

	if (s->state != APP_MAPPING)
		return refuse(as, EPROTO, why, why_size, "the region is mapped already");
	error = region_seal(&s->region);
	if (error == -EPERM)
		return refuse(as, EPERM, why, why_size, "the region's memfd lacks seals that libtas adds");
	if (error != 0)
		return refuse_memory(as, -error, why, why_size);
	s->state = APP_LIVE;
	as->nr_live++;
	as->holds.app[app].user = s->who.uid;
	if (s->token != 0)
		hold_attach(&as->holds, s->token, app);
	count(as, CNT_APPS_ATTACHED);
	/* pairs with the acquire loads of the cores: what they read of the slot is complete */
	atomic_store_explicit(&as->fp->apps[app].live, 1, memory_order_release);
	fp_app_started(as->fp, app);
	return 0;
}

/* --- the end --- */

static void dying_add(struct apps *as, uint16_t app, enum app_state state)
{
	as->slot[app].state = state;
	as->dying[as->nr_dying++] = app;
}

/* Its rings are left alone from here on. */
static void live_end(struct apps *as, uint16_t app)
{
	as->nr_live--;
	atomic_store(&as->fp->apps[app].live, 0);
}

void app_detach(struct apps *as, uint16_t app)
{
	struct app_slot *s = &as->slot[app];

	if (s->state == APP_MAPPING) { /* no core has heard of it */
		slot_free(as, app);
	} else if (s->state == APP_LIVE) {
		live_end(as, app);
		s->grace = rte_rcu_qsbr_start(as->fp->qsbr);
		dying_add(as, app, APP_ENDING);
	}
}

void app_cut_off(struct apps *as, uint16_t app, const char *why)
{
	const struct app_who *who = &as->slot[app].who;

	if (as->slot[app].state != APP_LIVE)
		return;
	count(as, CNT_APPS_CUT_OFF);
	tas_log_limited(&as->cut_log, as->now, TAS_LOG_WARNING, "%s (pid %d, user %u) was cut off: %s",
		who->program, who->pid, who->uid, why);
	live_end(as, app);
	dying_add(as, app, APP_CLOSING);
	if (as->cut != NULL)
		as->cut(as->cut_arg, app);
}

/* The last flow of a dead application is done: once no core can be at its memory any more, it goes. */
void app_flow_gone(struct apps *as, uint16_t app)
{
	struct app_slot *s = &as->slot[app];

	if (s->state != APP_DRAINING || s->nr_recs > 0 || s->nr_rings > 0)
		return;
	s->grace = rte_rcu_qsbr_start(as->fp->qsbr);
	dying_add(as, app, APP_GRACE);
}

static unsigned less(unsigned budget, unsigned n) { return budget - min_u32(budget, n); }

/* No core looks at its rings any more: we hear its last words, and what became of them. */
static void ending_step(struct apps *as, uint16_t app, unsigned *budget)
{
	struct app_slot *s = &as->slot[app];

	if (s->hear_next != UINT32_MAX)
		*budget = less(*budget, app_last_bells(as->fp->slow, app, &s->hear_next, *budget));
	if (s->hear_next == UINT32_MAX)
		*budget -= app_flows_settle(as, app, *budget);
	if (s->hear_next != UINT32_MAX || s->close_next < s->recs_begun)
		return;
	s->close_next = 0;
	s->state = APP_CLOSING;
}

/* Its listeners first, and what it did not accept, then its connections. True when all is on its way. */
static bool closing_step(struct apps *as, uint16_t app, unsigned *budget)
{
	struct app_slot *s = &as->slot[app];
	unsigned most = min_u32(*budget, APP_LISTENERS_BURST), dropped = hold_app_gone(&as->holds, app, most);

	*budget -= dropped;
	if (dropped == most || s->returning > 0)
		return false;
	*budget -= app_flows_close(as, app, *budget);
	return s->close_next == s->recs_begun;
}

/* One step of one that is dying; true if it is to be looked at again. */
static bool dying_step(struct apps *as, uint16_t app, unsigned *budget)
{
	struct app_slot *s = &as->slot[app];

	if (s->state != APP_CLOSING && rte_rcu_qsbr_check(as->fp->qsbr, s->grace, false) != 1)
		return true;
	if (s->state == APP_ENDING)
		ending_step(as, app, budget);
	if (s->state == APP_ENDING)
		return true;
	if (s->state == APP_CLOSING) {
		if (!closing_step(as, app, budget))
			return true;
		s->state = APP_DRAINING;
		app_flow_gone(as, app);
		return false;
	}
	slot_free(as, app);
	return false;
}

static unsigned dying_poll(struct apps *as)
{
	unsigned budget = APP_CLOSE_BURST, n = as->nr_dying, did = 0;

	/* a list that is taken down and built anew: dying_step() and what it calls append to it */
	for (unsigned i = 0; i < n; i++) {
		uint16_t app = as->dying[i];

		as->dying[i] = APP_NONE;
		if (dying_step(as, app, &budget))
			as->dying[i] = app;
		else
			did++;
	}
	n = 0;
	for (unsigned i = 0; i < as->nr_dying; i++)
		if (as->dying[i] != APP_NONE)
			as->dying[n++] = as->dying[i];
	as->nr_dying = n;
	return did + APP_CLOSE_BURST - budget;
}

/* --- offenders --- */

static bool faults_too_many(const struct apps *as, uint16_t app)
{
	return atomic_load_explicit(&as->fp->apps[app].faults, memory_order_relaxed) > APP_FAULTS_MAX;
}

static void offenders_check(struct apps *as)
{
	for (uint32_t id = 0; id < as->conf->memory.apps_max; id++) {
		uint16_t app = (uint16_t)id;

		if (as->slot[id].state != APP_LIVE)
			continue;
		if (region_struck(&as->slot[id].region))
			app_cut_off(as, app, "a page of its shared memory cannot be had");
		else if (faults_too_many(as, app))
			app_cut_off(as, app, "it sent too many messages that no libtas sends");
	}
}

unsigned apps_poll(struct apps *as, tas_ns now)
{
	uint64_t strikes = region_strikes();

	as->now = now;
	if (strikes != as->strikes || (as->nr_live > 0 && now >= as->next_check)) {
		as->strikes = strikes;
		as->next_check = now + APP_CHECK_INTERVAL;
		offenders_check(as);
	}
	left_collect(as);
	return app_holds_release(as, APP_CLOSE_BURST) + (as->nr_dying > 0 ? dying_poll(as) : 0);
}

tas_ns apps_deadline(const struct apps *as, tas_ns now)
{
	tas_ns next = as->nr_live > 0 ? max_u64(as->next_check, now) : TAS_NS_NEVER;

	if (!LIST_EMPTY(&as->holds.ended))
		return now;
	if (as->nr_leaving > 0)
		next = min_u64(next, now + APP_GRACE_RETRY);
	for (unsigned i = 0; i < as->nr_dying; i++) {
		if (as->slot[as->dying[i]].state == APP_CLOSING)
			return now;
		next = min_u64(next, now + APP_GRACE_RETRY);
	}
	return next;
}
