/* SPDX-License-Identifier: BSD-3-Clause */
/* test_app.c - applications attach within limits, get what they ask for, and leave nothing behind. */
#include "slowpath/app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "tests/unit/app_rig.h"

/* --- attach --- */

static int hello(struct app_rig *r, const struct ctl_hello *h, char *why, size_t size)
{
	struct app_who who = { .pid = 1, .program = "test" };
	struct ctl_hello copy = *h;
	uint16_t app;

	return app_hello(&r->apps, &copy, &who, r->now, &app, why, size);
}

static void a_library_of_another_version_is_told_both(void **state)
{
	struct app_rig *r = rig_new();
	struct ctl_hello h = rig_hello();
	char why[256], ours[32];

	(void)state;
	h.major = 7;
	h.minor = 9;
	assert_int_equal(hello(r, &h, why, sizeof(why)), EPROTO);
	snprintf(ours, sizeof(ours), "speaks %d.%d", ABI_MAJOR, ABI_MINOR);
	assert_non_null(strstr(why, "7.9"));
	assert_non_null(strstr(why, ours));
	assert_int_equal(fp_counter(&r->fp, CNT_APPS_REFUSED), 1);
	rig_end(r);
}

static void a_library_with_another_layout_is_refused(void **state)
{
	struct app_rig *r = rig_new();
	char why[256];

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct ctl_hello h = rig_hello();

		h.magic += i == 0;
		h.header_size += i == 1;
		h.rec_size += i == 2;
		h.bell_size += i == 3;
		h.context_size += i == 4;
		assert_int_equal(hello(r, &h, why, sizeof(why)), EPROTO);
	}
	assert_int_equal(r->apps.nr_free, RIG_APPS);
	rig_end(r);
}

static void a_library_of_a_later_minor_version_is_served(void **state)
{
	struct app_rig *r = rig_new();
	struct ctl_hello h = rig_hello();
	char why[256];

	(void)state;
	h.minor = ABI_MINOR + 1;
	assert_int_equal(hello(r, &h, why, sizeof(why)), 0);
	rig_end(r);
}

static void the_header_says_what_the_region_holds(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_greet(r, 0);
	const struct abi_header *h = r->fp.apps[app].header;

	(void)state;
	assert_true(h->magic == ABI_MAGIC);
	assert_int_equal(h->app, app);
	assert_int_equal(h->cores, RIG_CORES);
	assert_int_equal(h->contexts_max, 4);
	assert_int_equal(h->flows_max, 2048);
	assert_int_equal(h->notify_slots, 2048);
	assert_int_equal(h->region_size, 8 << 20);
	for (unsigned i = 0; i < RIG_CORES; i++)
		assert_int_equal(h->core_line[i].asleep, 1); /* nobody looks yet: ring the bell aloud */
	assert_int_equal(r->fp.apps[app].live, 0);
	assert_string_equal(h->congestion, "cubic newreno dctcp bbr timely const-rate ");
	rig_end(r);
}

static void an_application_is_live_once_it_mapped_its_region(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_attach(r);
	char why[256];

	(void)state;
	assert_int_equal(r->fp.apps[app].live, 1);
	assert_int_equal(r->apps.slot[app].region.fd, -1);
	assert_int_equal(fp_counter(&r->fp, CNT_APPS_ATTACHED), 1);
	assert_int_equal(app_mapped(&r->apps, app, why, sizeof(why)), EPROTO);
	rig_end(r);
}

static void an_application_that_seals_its_region_first_is_refused(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_greet(r, 0);
	char why[256];

	(void)state;
	assert_int_equal(fcntl(r->apps.slot[app].region.fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	assert_int_equal(app_mapped(&r->apps, app, why, sizeof(why)), EPERM);
	rig_dies(r, app);
	assert_int_equal(r->apps.nr_free, RIG_APPS);
	rig_end(r);
}

static void at_the_limit_the_newcomer_is_refused_in_words(void **state)
{
	struct app_rig *r = rig_new();
	struct ctl_hello h = rig_hello();
	char why[256];

	(void)state;
	for (unsigned i = 0; i < RIG_APPS; i++)
		rig_attach(r);
	assert_int_equal(hello(r, &h, why, sizeof(why)), EUSERS);
	assert_non_null(strstr(why, "apps_max"));
	rig_dies(r, 3);
	rig_pass(r);
	rig_pass(r);
	assert_int_equal(rig_attach(r), 3);
	rig_end(r);
}

static int hello_of(struct app_rig *r, uid_t uid, char *why, size_t size)
{
	struct app_who who = { .pid = 1, .uid = uid, .program = "test" };
	struct ctl_hello h = rig_hello();
	uint16_t app;

	return app_hello(&r->apps, &h, &who, r->now, &app, why, size);
}

static void one_user_leaves_places_to_others(void **state)
{
	struct app_rig *r = rig_new();
	char why[256];

	(void)state;
	for (unsigned i = 0; i < RIG_APPS * 3 / 4; i++)
		assert_int_equal(hello_of(r, 1000, why, sizeof(why)), 0);
	assert_int_equal(hello_of(r, 1000, why, sizeof(why)), EUSERS);
	assert_non_null(strstr(why, "apps_max"));
	assert_int_equal(hello_of(r, 1001, why, sizeof(why)), 0);
	assert_int_equal(hello_of(r, 0, why, sizeof(why)), 0);
	rig_dies(r, 0);
	assert_int_equal(hello_of(r, 1000, why, sizeof(why)), 0);
	rig_end(r);
}

static void an_id_rests_before_it_is_used_again(void **state)
{
	struct app_rig *r = rig_new();

	(void)state;
	for (unsigned i = 0; i < 5 * RIG_APPS; i++) {
		uint16_t app = rig_attach(r);

		assert_int_equal(app, i % RIG_APPS);
		rig_dies(r, app);
		rig_pass(r);
		rig_pass(r);
	}
	rig_end(r);
}

/* --- contexts --- */

static void mark(char *base, uint8_t *taken, uint64_t off, uint64_t len, uint64_t size)
{
	assert_true(off % CACHE_LINE == 0 && off < size && len <= size - off);
	for (uint64_t i = off; i < off + len; i++) {
		assert_int_equal(taken[i], 0);
		taken[i] = 1;
	}
	memset(base + off, 0x5a, len); /* must exist */
}

static void rings_of_contexts_lie_apart_inside_the_region(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_attach(r);
	struct app *a = &r->fp.apps[app];
	uint8_t *taken = calloc(1, a->size);
	struct abi_context shm[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t off = rig_context(r, app);

		memcpy(&shm[i], a->base + off, sizeof(shm[i]));
		assert_int_equal(shm[i].id, i);
		assert_int_equal(shm[i].cores, RIG_CORES);
		mark(a->base, taken, off, sizeof(shm[i]), a->size);
	}
	mark(a->base, taken, 0, sizeof(struct abi_header), a->size);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned core = 0; core <= RIG_CORES; core++) {
			if (core < RIG_CORES)
				mark(a->base, taken, shm[i].bell_off[core], sizeof(struct abi_bell_ring),
					a->size);
			mark(a->base, taken, shm[i].notify_off[core],
				sizeof(struct abi_notify_ring) + 2048 * sizeof(uint32_t), a->size);
		}
	assert_int_equal(a->nctx, 4);
	for (;;) { /* all that is left goes to flows */
		struct app_flow_spec spec = { .app = app, .rx_size = 4096, .tx_size = 4096 };
		uint32_t flow = rig_flow(r);

		if (rig_flow_attach(r, flow, &spec) != 0)
			break;
		mark(a->base, taken, (uint64_t)r->fp.flows[flow].rx_page << 12, 4096, a->size);
		mark(a->base, taken, (uint64_t)r->fp.flows[flow].tx_page << 12, 4096, a->size);
	}
	free(taken);
	rig_end(r);
}

static void tasd_uses_the_rings_it_told_the_application(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_attach(r);
	const struct app *a = &r->fp.apps[app];
	const struct abi_context *shm = (void *)(a->base + rig_context(r, app));

	(void)state;
	for (unsigned core = 0; core <= RIG_CORES; core++) {
		assert_ptr_equal(a->ctx[0].queue[core].notify, a->base + shm->notify_off[core]);
		if (core < RIG_CORES)
			assert_ptr_equal(a->ctx[0].queue[core].bell, a->base + shm->bell_off[core]);
		else
			assert_null(a->ctx[0].queue[core].bell);
	}
	assert_ptr_equal(a->ctx[0].shm, shm);
	rig_end(r);
}

static void contexts_have_a_limit(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_attach(r);
	struct ctl_context c = { 0 };
	int fd;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		rig_context(r, app);
	assert_int_equal(rig_context_add(r, app, &c, &fd), ENOSPC);
	assert_int_equal(fd, -1);
	rig_end(r);
}

static void a_context_that_does_not_fit_the_quota_is_refused(void **state)
{
	struct app_rig *r = rig_new();
	struct ctl_context c = { 0 };
	uint32_t free_pages;
	uint16_t app;
	int fd;

	(void)state;
	r->conf.memory.app_memory_max = 2 << 20;
	r->conf.memory.app_flows_max = 1 << 16; /* rings of 256 KiB, three for a context */
	app = rig_attach(r);
	rig_context(r, app);
	free_pages = r->apps.slot[app].pool.free_pages;
	assert_int_equal(rig_context_add(r, app, &c, &fd), ENOMEM);
	assert_int_equal(r->apps.slot[app].pool.free_pages, free_pages);
	assert_int_equal(r->fp.apps[app].nctx, 1);
	rig_end(r);
}

static int no_descriptor(void *arg TAS_UNUSED, int *app_end TAS_UNUSED) { return -EMFILE; }

static void a_context_without_a_descriptor_to_wake_it_is_refused(void **state)
{
	struct app_rim rim = { .context_open = no_descriptor };
	struct app_rig *r = rig_new_with(&rim);
	uint16_t app = rig_attach(r);
	uint32_t free_pages = r->apps.slot[app].pool.free_pages;
	struct ctl_context c = { 0 };
	int fd;

	(void)state;
	assert_int_equal(rig_context_add(r, app, &c, &fd), EMFILE);
	assert_int_equal(fd, -1);
	assert_int_equal(r->apps.slot[app].pool.free_pages, free_pages);
	rig_end(r);
}

/* --- offenders --- */

static uint16_t was_cut;
static void on_cut(void *arg, uint16_t app)
{
	was_cut = app;
	(void)arg;
}

static void one_that_sends_nonsense_is_cut_off_and_counted(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t honest = rig_app(r), app = rig_app(r);
	struct log_rig log;

	(void)state;
	r->apps.cut = on_cut;
	was_cut = APP_NONE;
	atomic_store(&r->fp.apps[app].faults, APP_FAULTS_MAX);
	r->now += APP_CHECK_INTERVAL;
	rig_pass(r);
	assert_int_equal(r->apps.slot[app].state, APP_LIVE);
	atomic_store(&r->fp.apps[app].faults, APP_FAULTS_MAX + 1);
	r->now += APP_CHECK_INTERVAL;
	log_rig_begin(&log);
	rig_pass(r);
	log_rig_end(&log);
	assert_int_equal(was_cut, app);
	assert_int_equal(log_rig_count(&log, "was cut off"), 1);
	assert_int_equal(r->fp.apps[app].live, 0);
	assert_int_equal(r->apps.slot[honest].state, APP_LIVE);
	assert_int_equal(fp_counter(&r->fp, CNT_APPS_CUT_OFF), 1);
	rig_end(r);
}

/* A page that the kernel cannot give: here a part of the region was replaced by a file that is too short. */
static void one_whose_page_cannot_be_had_is_cut_off_and_tasd_goes_on(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r), honest = rig_app(r);
	char *at = r->fp.apps[app].base + (4 << 20);
	int fd = memfd_create("short", 0);
	struct log_rig log;

	(void)state;
	assert_ptr_equal(mmap(at, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), at);
	close(fd);
	region_guard_install(); /* cmocka takes SIGBUS for itself */
	*(volatile char *)at = 1;
	log_rig_begin(&log);
	rig_pass(r);
	log_rig_end(&log);
	assert_int_equal(log_rig_count(&log, "was cut off"), 1);
	assert_int_not_equal(r->apps.slot[app].state, APP_LIVE);
	assert_int_equal(r->apps.slot[honest].state, APP_LIVE);
	rig_end(r);
}

/* --- requests --- */

static void listening_again_with_the_same_cookie_changes_the_listener(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	struct ctl_listen l = { .cookie = 5 }, again = { .cookie = 5, .id = 999 };

	(void)state;
	assert_int_equal(app_listen(&r->apps, app, &l), 0);
	assert_int_equal(app_listen(&r->apps, app, &again), 0);
	assert_int_equal(again.id, l.id);
	assert_int_equal(app_unlisten(&r->apps, app, &l), 0);
	assert_int_equal(r->closed[l.id], 1);
	assert_int_equal(app_unlisten(&r->apps, app, &l), ENOENT);
	rig_end(r);
}

static void a_listener_that_is_refused_leaves_no_cookie(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	struct ctl_listen l = { .cookie = 5 };

	(void)state;
	r->refuse_listen = EADDRINUSE;
	assert_int_equal(app_listen(&r->apps, app, &l), EADDRINUSE);
	assert_int_equal(app_arm(&r->apps, app, &l), ENOENT);
	l.cookie = ABI_LISTENER_NONE;
	assert_int_equal(app_listen(&r->apps, app, &l), EINVAL);
	rig_end(r);
}

static void arming_wants_an_own_listener_and_an_own_context(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r), other = rig_app(r);
	struct ctl_listen l = { .cookie = 5 };

	(void)state;
	assert_int_equal(app_listen(&r->apps, app, &l), 0);
	assert_int_equal(app_arm(&r->apps, other, &l), ENOENT);
	l.context = 1;
	assert_int_equal(app_arm(&r->apps, app, &l), EINVAL);
	assert_int_equal(r->arms, 0);
	l.context = 0;
	assert_int_equal(app_arm(&r->apps, app, &l), 0);
	assert_int_equal(r->armed_id, l.id);
	rig_end(r);
}

static void nobody_is_told_about_a_strangers_flow(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r), other = rig_app(r);
	uint32_t flow = rig_attached_flow(r, app);
	struct ctl_info info = { .flow = flow, .gen = r->fp.flows[flow].gen };

	(void)state;
	assert_int_equal(app_info(&r->apps, app, &info), 0);
	assert_int_equal(info.snd_mss, 1448);
	assert_int_equal(app_info(&r->apps, other, &info), ENOENT);
	info.gen++;
	assert_int_equal(app_info(&r->apps, app, &info), ENOENT);
	info.flow = UINT32_MAX;
	assert_int_equal(app_info(&r->apps, app, &info), ENOENT);
	rig_end(r);
}

static void a_child_adopts_its_parents_listener(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t parent = rig_app(r), child;
	struct ctl_listen l = { .cookie = 5 };
	struct ctl_adopt a = { .cookie = 9 };
	struct hold *h;

	(void)state;
	assert_int_equal(app_listen(&r->apps, parent, &l), 0);
	a.listener_id = l.id;
	h = app_fork(&r->apps, parent, 4711);
	child = rig_attach_as_child(r, 4711);
	assert_int_equal(app_adopt(&r->apps, child, &a), 0);
	assert_int_equal(r->joined[l.id], 1);
	app_fork_end(&r->apps, h);
	rig_dies(r, parent);
	assert_int_equal(r->left[l.id], 1);
	assert_int_equal(r->closed[l.id], 0);
	rig_dies(r, child);
	assert_int_equal(r->left[l.id], 2);
	assert_int_equal(r->closed[l.id], 1);
	rig_end(r);
}

static void what_cannot_be_adopted_is_refused(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t parent = rig_app(r), child, stranger = rig_app(r);
	struct ctl_listen l = { .cookie = 5 };
	struct ctl_adopt a = { .cookie = 9 }, flow = { .flow = 0, .gen = 1 };

	(void)state;
	assert_int_equal(app_listen(&r->apps, parent, &l), 0);
	a.listener_id = l.id;
	app_fork(&r->apps, parent, 4711);
	child = rig_attach_as_child(r, 4711);
	assert_int_equal(app_adopt(&r->apps, stranger, &a), ENOENT);
	assert_int_equal(app_adopt(&r->apps, child, &flow), EINVAL); /* no such context */
	rig_context(r, child);
	assert_int_equal(app_adopt(&r->apps, child, &flow), ECONNRESET);
	a.cookie = ABI_LISTENER_NONE;
	assert_int_equal(app_adopt(&r->apps, child, &a), EINVAL);
	a.cookie = 9;
	r->refuse_join = ENOSPC;
	assert_int_equal(app_adopt(&r->apps, child, &a), ENOSPC);
	rig_dies(r, parent);
	assert_int_equal(r->closed[l.id], 1);
	rig_end(r);
}

/* A child that was told about the fork but never mapped its region. */
static void a_token_is_not_spent_by_one_that_never_mapped(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t parent = rig_app(r), child;
	struct ctl_listen l = { .cookie = 5 };
	struct ctl_adopt a = { .cookie = 9 };

	(void)state;
	assert_int_equal(app_listen(&r->apps, parent, &l), 0);
	a.listener_id = l.id;
	app_fork(&r->apps, parent, 4711);
	rig_dies(r, rig_greet(r, 4711));
	child = rig_attach_as_child(r, 4711);
	assert_int_equal(app_adopt(&r->apps, child, &a), 0);
	rig_end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_library_of_another_version_is_told_both),
		cmocka_unit_test(a_library_with_another_layout_is_refused),
		cmocka_unit_test(a_library_of_a_later_minor_version_is_served),
		cmocka_unit_test(the_header_says_what_the_region_holds),
		cmocka_unit_test(an_application_is_live_once_it_mapped_its_region),
		cmocka_unit_test(an_application_that_seals_its_region_first_is_refused),
		cmocka_unit_test(at_the_limit_the_newcomer_is_refused_in_words),
		cmocka_unit_test(one_user_leaves_places_to_others),
		cmocka_unit_test(an_id_rests_before_it_is_used_again),
		cmocka_unit_test(rings_of_contexts_lie_apart_inside_the_region),
		cmocka_unit_test(tasd_uses_the_rings_it_told_the_application),
		cmocka_unit_test(contexts_have_a_limit),
		cmocka_unit_test(a_context_that_does_not_fit_the_quota_is_refused),
		cmocka_unit_test(a_context_without_a_descriptor_to_wake_it_is_refused),
		cmocka_unit_test(one_that_sends_nonsense_is_cut_off_and_counted),
		cmocka_unit_test(one_whose_page_cannot_be_had_is_cut_off_and_tasd_goes_on),
		cmocka_unit_test(listening_again_with_the_same_cookie_changes_the_listener),
		cmocka_unit_test(a_listener_that_is_refused_leaves_no_cookie),
		cmocka_unit_test(arming_wants_an_own_listener_and_an_own_context),
		cmocka_unit_test(nobody_is_told_about_a_strangers_flow),
		cmocka_unit_test(a_child_adopts_its_parents_listener),
		cmocka_unit_test(what_cannot_be_adopted_is_refused),
		cmocka_unit_test(a_token_is_not_spent_by_one_that_never_mapped),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
