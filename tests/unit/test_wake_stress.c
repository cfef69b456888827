/* SPDX-License-Identifier: BSD-3-Clause */
/* test_wake_stress.c - nobody sleeps on while there is work: a core and an application, in two processes,
 * exchange messages, and each goes to sleep in the kernel after each, with up to 5 us between saying so and
 * blocking. Both run the code of tasd and libtas; the wake-ups go through the real descriptors. Before what
 * must be seen in time, each writes to memory that is in no cache: the processor then keeps the stores that
 * follow to itself for up to a microsecond, which is the time in which a missing fence does its harm
 * (docs/decisions/0006).
 * 30,000 blocks on each side; with CHECK_LONG a million. timeout: 900
 * TAS_TEST_NO_FENCE=producer or =sleeper leaves that fence out of the bare contract, which then hangs. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "include/abi/ctl.h"
#include "include/base/compiler.h"
#include "include/base/rand.h"
#include "include/tas/tas.h"
#include "slowpath/wake.h"
#include "tools/bench/bench.h"

enum { MESSAGE = 64, LOOK_MS = 1000, PATIENCE = 60, COLD_BYTES = 1 << 26, COLD_STORES = 50 };

/* Memory of both processes. */
struct shared {
	_Atomic uint32_t cookie; /* of the application's listener; 0: not there yet */
	_Atomic bool done;       /* the next message is the last */
	_Atomic uint64_t app_blocks, core_blocks;
};

struct stress {
	struct rig *r;
	struct shared *sh;
	struct wake w;
	int context_fd, core_fd; /* what the application sleeps on, and what it writes */
	struct tas_rand rand;
	char *cold;
	double cycles_per_ns;
	uint64_t goal;
};

static uint64_t goal(void) { return getenv("CHECK_LONG") != NULL && *getenv("CHECK_LONG") ? 1000000 : 30000; }

/* --- both sides --- */

static uint64_t kernel_blocks(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (uint64_t)use.ru_nvcsw; /* the kernel took the CPU because we waited */
}

static uint64_t some_cycles(struct stress *x)
{
	return (uint64_t)(rand_below(&x->rand, 5000) * x->cycles_per_ns);
}

static void stress_needs(struct stress *x)
{
	x->cycles_per_ns = (double)rte_get_tsc_hz() / 1e9;
	x->cold = malloc(COLD_BYTES);
	assert_non_null(x->cold);
	memset(x->cold, 0, COLD_BYTES);
	x->goal = goal();
}

/* The kernel likes to put those who wake each other on one CPU, where nothing can go wrong. */
static void own_cpu(int which)
{
	cpu_set_t allowed, one;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || which-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

static void delay(struct stress *x)
{
	for (uint64_t end = rte_rdtsc() + some_cycles(x); rte_rdtsc() < end;)
		;
}

/* What is stored next waits behind this. */
static void store_cold(struct stress *x)
{
	for (unsigned i = 0; i < COLD_STORES; i++)
		*(volatile char *)(x->cold + rand_below(&x->rand, COLD_BYTES)) = 1;
}

static _Noreturn void lost(const char *who)
{
	fprintf(stderr, "a wake-up of the %s was lost: it slept for a second beside work\n", who);
	_exit(1);
}

/* --- the application --- */

static int link_open(void *arg TAS_UNUSED) { return 0; }
static bool link_alive(void *arg TAS_UNUSED) { return true; }
static void link_close(void *arg TAS_UNUSED) {}
static void link_unmap(void *arg TAS_UNUSED, void *base TAS_UNUSED, uint64_t size TAS_UNUSED) {}

static void *link_map(void *arg, int memfd TAS_UNUSED, uint64_t size TAS_UNUSED)
{
	return ((struct stress *)arg)->r->app->base;
}

static void link_wake(void *arg TAS_UNUSED, int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		_exit(2);
}

static int link_request(void *arg, struct ctl_msg *m, int *fds, unsigned max, unsigned *nfds)
{
	struct stress *x = arg;
	struct app *a = x->r->app;

	*nfds = 0;
	m->status = 0;
	if (m->type == CTL_HELLO && max >= 2) {
		m->hello.region_size = a->size;
		fds[(*nfds)++] = open("/dev/null", O_RDONLY | O_CLOEXEC); /* stands for the region */
		fds[(*nfds)++] = dup(x->core_fd);
	} else if (m->type == CTL_CONTEXT && max >= 1) {
		m->context.id = 0;
		m->context.off = (uint64_t)((char *)a->ctx[0].shm - a->base);
		fds[(*nfds)++] = dup(x->context_fd);
	} else if (m->type == CTL_LISTEN) {
		atomic_store(&x->sh->cookie, m->listen.cookie);
	}
	return 0;
}

/* Blocks unless it has become true meanwhile. */
static void app_sleep(struct stress *x, struct tas_ctx *c, struct tas_sock *s)
{
	int fds[TAS_CTX_FDS], slept = 0;
	struct pollfd p;

	store_cold(x);
	if (!tas_ctx_sleep_begin(c))
		return;
	if (s == NULL || !(tas_ready(s) & TAS_EV_IN)) {
		tas_ctx_fds(c, fds);
		p = (struct pollfd){ .fd = fds[0], .events = POLLIN };
		delay(x);
		while (poll(&p, 1, LOOK_MS) == 0) {
			if (s != NULL && tas_ready(s) & TAS_EV_IN)
				lost("application");
			if (++slept == PATIENCE)
				_exit(3);
		}
		tas_ctx_rang(c, fds[0]);
	}
	tas_ctx_sleep_end(c);
}

/* Looks for a while as a busy application does, and then sleeps: the core's answer comes at any moment of
 * it. */
static void app_await(struct stress *x, struct tas_ctx *c, struct tas_sock *s)
{
	for (uint64_t end = rte_rdtsc() + some_cycles(x); rte_rdtsc() < end;) {
		tas_ctx_poll(c);
		if (tas_ready(s) & TAS_EV_IN)
			return;
	}
	while (!(tas_ready(s) & TAS_EV_IN))
		app_sleep(x, c, s);
}

static void app_exchange(struct stress *x, struct tas_ctx *c, struct tas_sock *s, uint64_t at)
{
	char message[MESSAGE], answer[MESSAGE];

	memcpy(message, &rig_pattern[at % RIG_PATTERN], MESSAGE);
	if (tas_send(c, s, message, 1, 0) != 1)
		_exit(4);
	delay(x);
	store_cold(x);
	if (tas_send(c, s, message + 1, MESSAGE - 1, 0) != MESSAGE - 1)
		_exit(4);
	for (size_t got = 0; got < MESSAGE;) {
		ssize_t n;

		app_await(x, c, s);
		n = tas_recv(c, s, answer + got, MESSAGE - got, 0);
		if (n <= 0)
			_exit(5);
		got += (size_t)n;
	}
	if (memcmp(answer, &rig_pattern[at % RIG_PATTERN], MESSAGE) != 0)
		_exit(6);
}

static _Noreturn void app_runs(struct stress *x)
{
	static const struct tas_link link = { link_open, link_request, link_map, link_unmap, link_alive,
		link_wake, link_close };
	struct tas_setup setup = { .link = &link, .link_arg = x };
	struct tas_listen_opt opt = { .port = 80, .backlog = 1 };
	struct tas_sock *l, *s;
	struct tas_ctx *c;
	uint64_t at = 0, before = kernel_blocks();
	struct tas *t;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	own_cpu(1);
	rand_seed(&x->rand, 1);
	if (tas_create(&t, &setup) != 0 || (c = tas_ctx_self(t)) == NULL || tas_listen(c, &opt, &l) != 0)
		_exit(7);
	while (tas_accept(c, l, &s) != 0)
		usleep(100);
	for (bool last = false; !last; at += MESSAGE) {
		uint64_t blocks = kernel_blocks() - before;

		atomic_store(&x->sh->app_blocks, blocks);
		last = blocks >= x->goal && atomic_load(&x->sh->core_blocks) >= x->goal;
		atomic_store(&x->sh->done, last);
		app_exchange(x, c, s, at);
	}
	_exit(0);
}

/* --- the core --- */

static tas_ns clock_now(struct stress *x) { return (tas_ns)((double)rte_rdtsc() / x->cycles_per_ns); }

/* The other end of the wire repeats what it gets; returns how much that was. */
static unsigned core_pass(struct stress *x)
{
	struct rig *r = x->r;
	unsigned work = core_poll(r->fp.core[0], clock_now(x));
	uint32_t len;

	for (; rig_receive(r, &len) != FLOW_NONE; work++)
		if (len > 0)
			rig_send(r, 0, len);
	rig_slow_path(r);
	return work;
}

static bool core_blocks(struct stress *x, struct wake_result *rung)
{
	tas_ns begin = clock_now(x), due = core_wakes_due(x->r->fp.core[0]), most = LOOK_MS * NS_PER_MS;

	delay(x);
	wake_core_wait(&x->w, 0, min_u64(most, due > begin ? due - begin : 0), rung);
	return rung->nr_apps > 0 || clock_now(x) >= due || clock_now(x) - begin < most - NS_PER_MS;
}

static void core_sleep(struct stress *x)
{
	struct fp_core *c = x->r->fp.core[0];
	struct wake_result rung = { 0 };
	int slept = 0;

	store_cold(x);
	core_sleep_begin(c);
	if (core_pass(x) == 0 && !core_has_work(c)) {
		while (!atomic_load(&x->sh->done) && !core_blocks(x, &rung)) {
			if (core_has_work(c))
				lost("core");
			if (++slept == PATIENCE)
				lost("core, or the application died: it is silent");
		}
	}
	core_sleep_end(c);
	for (unsigned i = 0; i < rung.nr_apps; i++)
		core_app_rang(c, rung.app[i]);
}

static void core_runs(struct stress *x)
{
	uint64_t before = kernel_blocks();

	own_cpu(0);
	rand_seed(&x->rand, 2);
	while (!atomic_load(&x->sh->done)) {
		uint64_t end = rte_rdtsc() + some_cycles(x);

		while (rte_rdtsc() < end)
			if (core_pass(x) > 0)
				end = rte_rdtsc() + some_cycles(x);
		core_sleep(x);
		atomic_store(&x->sh->core_blocks, kernel_blocks() - before);
	}
}

/* What is left: the last message and its answer. */
static int core_ends(struct stress *x, pid_t app)
{
	int status;

	while (waitpid(app, &status, WNOHANG) == 0) {
		struct wake_result rung;

		core_pass(x);
		wake_core_wait(&x->w, 0, 0, &rung);
		for (unsigned i = 0; i < rung.nr_apps; i++)
			core_app_rang(x->r->fp.core[0], rung.app[i]);
	}
	return status;
}

/* --- the contract alone, without what else stands between its two steps in tasd and libtas --- */

struct bare_side {
	alignas(CACHE_LINE) _Atomic uint32_t asleep;
	alignas(CACHE_LINE) _Atomic uint64_t published;
	alignas(CACHE_LINE) _Atomic uint64_t blocks;
};

struct bare {
	struct stress x;
	struct bare_side *side; /* [2] */
	int fd[2];              /* eventfds */
	bool no_fence_producer, no_fence_sleeper;
};

static void fence(bool without)
{
	if (without)
		atomic_signal_fence(memory_order_seq_cst);
	else
		atomic_thread_fence(memory_order_seq_cst);
}

static void bare_publish(struct bare *b, int me, uint64_t n)
{
	struct bare_side *other = &b->side[!me];
	const uint64_t one = 1;

	store_cold(&b->x);
	atomic_store_explicit(&b->side[me].published, n, memory_order_release);
	fence(b->no_fence_producer);
	if (atomic_load_explicit(&other->asleep, memory_order_relaxed) &&
		atomic_exchange(&other->asleep, 0) && write(b->fd[!me], &one, sizeof(one)) != sizeof(one))
		_exit(8);
}

static bool bare_came(struct bare *b, int me, uint64_t n)
{
	return atomic_load_explicit(&b->side[!me].published, memory_order_acquire) >= n;
}

static void bare_sleep(struct bare *b, int me, uint64_t n)
{
	struct pollfd p = { .fd = b->fd[me], .events = POLLIN };
	uint64_t sum;
	int slept = 0;

	store_cold(&b->x);
	atomic_store_explicit(&b->side[me].asleep, 1, memory_order_relaxed);
	fence(b->no_fence_sleeper);
	if (!bare_came(b, me, n)) {
		delay(&b->x);
		while (poll(&p, 1, LOOK_MS) == 0)
			if (bare_came(b, me, n) || ++slept == PATIENCE)
				lost(me ? "second side" : "first side");
	}
	/* who took the flag has written, or is about to: then the next sleep ends early, once */
	if (atomic_exchange(&b->side[me].asleep, 0) == 0 && read(b->fd[me], &sum, sizeof(sum)) < 0 &&
		errno != EAGAIN)
		_exit(9);
}

static void bare_run(struct bare *b, int me)
{
	uint64_t before = kernel_blocks();
	bool last = false;

	own_cpu(me);
	rand_seed(&b->x.rand, (uint64_t)me);
	for (uint64_t n = 1; !last; n++) {
		/* both read it after the same message of the other */
		last = n > 1 && n % 1024 == 1 && b->side[0].blocks >= b->x.goal &&
			b->side[1].blocks >= b->x.goal;
		if (n % 1024 == 512)
			b->side[me].blocks = kernel_blocks() - before;
		bare_publish(b, me, n);
		for (uint64_t end = rte_rdtsc() + some_cycles(&b->x);
			rte_rdtsc() < end && !bare_came(b, me, n);)
			;
		while (!bare_came(b, me, n))
			bare_sleep(b, me, n);
	}
}

static void the_contract_holds_by_itself(void **state)
{
	const char *without = getenv("TAS_TEST_NO_FENCE");
	struct bare b = { 0 };
	int status = 0;
	pid_t second;

	(void)state;
	stress_needs(&b.x);
	b.x.goal /= 100; /* most messages come while the other still looks, and few are enough to show it */
	b.no_fence_producer = without != NULL && strcmp(without, "producer") == 0;
	b.no_fence_sleeper = without != NULL && strcmp(without, "sleeper") == 0;
	b.side = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	b.fd[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b.fd[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	second = fork();
	assert_true(second >= 0);
	if (second == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	bare_run(&b, second == 0);
	if (second == 0)
		_exit(0);
	assert_int_equal(waitpid(second, &status, 0), second);
	assert_int_equal(status, 0);
	print_message("blocked %lu and %lu times\n", (unsigned long)b.side[0].blocks,
		(unsigned long)b.side[1].blocks);
	munmap(b.side, 4096);
	close(b.fd[0]);
	close(b.fd[1]);
	free(b.x.cold);
}

/* --- together --- */

static void stress_begin(struct stress *x)
{
	struct app_rim rim;

	x->r = rig_create_shared(1, 65536);
	x->sh = mmap(NULL, sizeof(*x->sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(x->sh, MAP_FAILED);
	assert_int_equal(wake_init(&x->w, 1), 0);
	wake_measure(&x->w);
	wake_fp_ops(&x->w, &x->r->fp.wake);
	wake_app_rim(&x->w, &rim);
	x->r->app->ctx[0].eventfd = rim.context_open(rim.arg, &x->context_fd);
	x->core_fd = rim.core_open(rim.arg, 0, 0);
	assert_true(x->r->app->ctx[0].eventfd >= 0 && x->core_fd >= 0);
	stress_needs(x);
}

static void stress_end(struct stress *x)
{
	close(x->r->app->ctx[0].eventfd);
	close(x->context_fd);
	close(x->core_fd);
	wake_fini(&x->w);
	free(x->cold);
	munmap(x->sh, sizeof(*x->sh));
	rig_free(x->r);
}

static void nobody_sleeps_on_beside_work(void **state)
{
	struct stress x = { 0 };
	cpu_set_t all;
	pid_t app;

	(void)state;
	sched_getaffinity(0, sizeof(all), &all);
	stress_begin(&x);
	app = fork();
	assert_true(app >= 0);
	if (app == 0)
		app_runs(&x);
	while (atomic_load(&x.sh->cookie) == 0)
		usleep(100);
	rig_offer(x.r, x.sh->cookie);
	core_runs(&x);
	assert_int_equal(core_ends(&x, app), 0);
	print_message("blocked %lu times on the core's side, %lu on the application's\n",
		(unsigned long)x.sh->core_blocks, (unsigned long)x.sh->app_blocks);
	assert_true(x.sh->core_blocks >= x.goal && x.sh->app_blocks >= x.goal);
	stress_end(&x);
	sched_setaffinity(0, sizeof(all), &all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_sleeps_on_beside_work), /* brings up EAL, which knows the clock */
		cmocka_unit_test(the_contract_holds_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
