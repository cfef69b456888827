/* SPDX-License-Identifier: BSD-3-Clause */
/* test_wait.c - threads asleep in calls on accelerated sockets, and what they are short of. */
#include "tests/unit/px_rig.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "libtas/posix/epset.h"

/* --- want of memory and descriptors --- */

static _Atomic bool no_pages, no_eventfds;

static long scarce_syscall(long number, ...)
{
	va_list args;
	long a[6];

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	/* tasd's own descriptors to wake a thread by are there; that of tas_ctx_wake is not */
	if ((number == SYS_mmap && no_pages) ||
		(number == SYS_eventfd2 && a[1] & EFD_NONBLOCK && no_eventfds)) {
		errno = number == SYS_mmap ? ENOMEM : EMFILE;
		return -1;
	}
	return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* No thread gets a context from now on. */
static void contexts_out(void)
{
	r.t->os.syscall = scarce_syscall;
	no_pages = true;
	while (tas_ctx_new(r.t) != NULL)
		;
}

static int set_up(void **state)
{
	no_pages = no_eventfds = false;
	return px_set_up(state);
}

/* --- a thread in a call --- */

struct caller {
	pthread_t thread;
	ssize_t (*call)(struct caller *x);
	int fd, set, pipe, error;
	char data[100];
	sigjmp_buf env;
	bool jumps;
	_Atomic pid_t tid;
	_Atomic ssize_t result; /* INSIDE: not yet */
};

enum { INSIDE = -2, JUMPED = -3 };

static PX_TLS struct caller *caller_self;

static void *run_call(void *arg)
{
	struct caller *x = caller_self = arg;
	ssize_t result;

	x->tid = (pid_t)syscall(SYS_gettid);
	if (x->jumps && sigsetjmp(x->env, 1) != 0) {
		px_close(-1); /* a call that does not wait for anything sees what was left behind */
		x->result = JUMPED;
		return NULL;
	}
	result = x->call(x);
	x->error = errno;
	x->result = result;
	return NULL;
}

static void caller_start(struct caller *x, ssize_t (*call)(struct caller *), int fd, int set)
{
	x->call = call;
	x->fd = fd;
	x->set = set;
	x->result = INSIDE;
	x->tid = 0;
	assert_int_equal(pthread_create(&x->thread, NULL, run_call, x), 0);
}

#define assert_soon(condition)                                             \
	do {                                                               \
		for (int wait_ = 0; wait_ < 5000 && !(condition); wait_++) \
			usleep(1000);                                      \
		assert_true(condition);                                    \
	} while (0)

/* In a system call for which it waits. */
static bool asleep(const struct caller *x)
{
	char path[64], state = 0;
	FILE *f;

	if (x->tid == 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", x->tid);
	f = fopen(path, "re");
	if (f == NULL || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f != NULL)
		fclose(f);
	return state == 'S';
}

static struct file *file_at(int fd)
{
	struct file *f = fd_look(fd);

	if (f == NULL)
		abort();
	return f;
}

static bool waits_on(int fd) { return !waitlist_empty(&file_at(fd)->waiters); }

static ssize_t call_recv(struct caller *x) { return px_recv(x->fd, x->data, sizeof(x->data), 0); }

static ssize_t call_poll(struct caller *x)
{
	return px_poll(&(struct pollfd){ .fd = x->fd, .events = POLLIN }, 1, -1);
}

static ssize_t call_epoll(struct caller *x)
{
	struct epoll_event event;

	return px_epoll_pwait(x->set, &event, 1, -1, NULL);
}

static ssize_t (*const calls[])(struct caller *) = { call_recv, call_poll, call_epoll };

static ssize_t call_send(struct caller *x)
{
	static char data[2 * RIG_RING];

	return px_send(x->fd, data, sizeof(data), 0);
}

static ssize_t call_poll_many(struct caller *x)
{
	struct pollfd p[100];

	for (int i = 0; i < 100; i++)
		p[i] = (struct pollfd){ .fd = x->fd, .events = POLLIN };
	return px_poll(p, 100, -1);
}

static ssize_t call_select(struct caller *x)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(x->fd, &in);
	return px_select(FD_SETSIZE, &in, NULL, NULL, NULL);
}

static ssize_t call_accept(struct caller *x)
{
	px_fcntl(px_listener, F_SETFL, (void *)0);
	return px_accept4(px_listener, NULL, NULL, x->jumps ? SOCK_CLOEXEC : 0);
}

/* Of a pipe that is empty, and of a flow that has nothing for it. */
static ssize_t call_splice_in(struct caller *x) { return px_splice(x->pipe, NULL, x->fd, NULL, 10, 0); }
static ssize_t call_splice_out(struct caller *x) { return px_splice(x->fd, NULL, x->pipe, NULL, 10, 0); }

static ssize_t (*const all_calls[])(struct caller *) = { call_recv, call_poll, call_epoll, call_send,
	call_poll_many, call_select, call_accept, call_splice_in, call_splice_out };

static int set_with(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int set = px_epoll_create1(EPOLL_CLOEXEC);

	assert_int_equal(px_epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	return set;
}

/* Connections that tasd was told to close. */
static unsigned closed_bells(void)
{
	struct abi_bell b;
	unsigned closed = 0;

	for (uint32_t i = 0; i < r.nctx; i++) {
		while (rig_bell(&r, i, 0, &b))
			closed += (b.flags & ABI_BELL_CLOSE) != 0;
	}
	return closed;
}

/* Bytes arrive, and another thread attracts the notification and takes it. */
static void arrives_for_a_sleeper(int fd)
{
	tas_sock_notify(r.c, file_sock(file_at(fd)));
	rig_deliver(&r, 1, 10);
	r.notified[1] = 0;
	rig_notify(&r, 0, 0, 1);
	tas_ctx_poll(r.c);
}

/* --- rings that come late --- */

static bool rings_are_read(void)
{
	bool read = true;

	for (uint32_t i = 0; i < r.nctx; i++)
		read &= poll(&(struct pollfd){ .fd = r.ctx[i].eventfd, .events = POLLIN }, 1, 0) == 0;
	return read;
}

/* tasd found the thread asleep, which looked and slept again before tasd wrote. */
static void a_ring_that_comes_late_ends_one_sleep_and_no_more(void **state)
{
	const uint64_t one = 1;
	int fd = px_flow(1, 0), set = set_with(fd);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		struct caller x = { 0 };

		caller_start(&x, calls[i], fd, set);
		assert_soon(asleep(&x) && (calls[i] == call_epoll || waits_on(fd)));
		for (uint32_t j = 0; j < r.nctx; j++)
			if (atomic_load(&r.ctx[j].shm->asleep))
				assert_int_equal(write(r.ctx[j].eventfd, &one, sizeof(one)), sizeof(one));
		assert_soon(rings_are_read());
		arrives_for_a_sleeper(fd);
		pthread_join(x.thread, NULL);
		assert_true(x.result > 0);
		px_recv(fd, x.data, sizeof(x.data), MSG_DONTWAIT);
	}
}

/* --- what they are short of --- */

static ssize_t call_all(struct caller *x)
{
	ssize_t got = px_recv(x->fd, x->data, sizeof(x->data), MSG_DONTWAIT);

	if (got <= 0 || px_send(x->fd, x->data, (size_t)got, 0) != got || px_close(x->fd) != 0)
		return -1;
	return got;
}

static void a_thread_without_a_context_has_all_calls(void **state)
{
	int fd = px_flow(1, 0);
	struct caller x = { 0 };

	(void)state;
	contexts_out();
	px_arrive(1, 10);
	caller_start(&x, call_all, fd, -1);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.result, 10);
	assert_int_equal(closed_bells(), 1);
}

static void a_thread_without_a_context_looks_again_by_itself(void **state)
{
	int fd = px_flow(1, 0), set = set_with(fd);

	(void)state;
	contexts_out();
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		struct caller x = { 0 };

		caller_start(&x, calls[i], fd, set);
		assert_soon(atomic_load(&file_sock(file_at(fd))->rings) == r.t->common.rings);
		usleep(2000);
		assert_int_equal(x.result, INSIDE);
		rig_deliver(&r, 1, 10);
		r.notified[1] = 0; /* elsewhere */
		rig_notify(&r, r.t->common.rings->id, 0, 1);
		assert_int_equal(r.ctx[r.t->common.rings->id].shm->asleep, 0); /* nobody is woken */
		pthread_join(x.thread, NULL);
		assert_int_equal(x.result, calls[i] == call_recv ? 10 : 1);
		assert_int_equal(px_recv(fd, x.data, sizeof(x.data), MSG_DONTWAIT),
			calls[i] == call_recv ? -1 : 10);
	}
}

static void a_thread_without_a_descriptor_to_be_woken_by_looks_again(void **state)
{
	int fd = px_flow(1, 0), set = set_with(fd);

	(void)state;
	r.t->os.syscall = scarce_syscall;
	no_eventfds = true;
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		struct caller x = { 0 };

		caller_start(&x, calls[i], fd, set);
		if (calls[i] != call_epoll)
			assert_soon(waits_on(fd));
		usleep(2000);
		arrives_for_a_sleeper(fd);
		pthread_join(x.thread, NULL);
		assert_int_equal(x.result, calls[i] == call_recv ? 10 : 1);
		px_recv(fd, x.data, sizeof(x.data), MSG_DONTWAIT);
	}
}

/* --- calls that never return --- */

/* Nobody but the tables holds them, nobody is noted as waiting, and nobody as asleep. */
static void assert_left(int fd, int set)
{
	struct file *s = file_at(set);

	assert_int_equal(file_refs(file_at(fd)), 1);
	assert_int_equal(file_refs(file_at(px_listener)), 1);
	assert_int_equal(file_refs(s), 1);
	assert_false(waits_on(fd) || waits_on(px_listener) || waits_on(set));
	assert_true(waitlist_empty(&s->set->sleepers));
	assert_int_equal(s->set->inside, 0);
	for (uint32_t i = 0; i < r.nctx; i++)
		assert_int_equal(r.t->att->rings[i].sleepers, 0);
}

struct scene {
	int fd, set, empty[2];
};

/* A connection from which nothing comes and to which nothing more can be sent, in a set. */
static struct scene scene_begin(void)
{
	struct scene s = { .fd = px_flow(1, SOCK_NONBLOCK) };

	px_fill(s.fd);
	px_fcntl(s.fd, F_SETFL, (void *)0);
	s.set = set_with(s.fd);
	assert_int_equal(pipe2(s.empty, O_CLOEXEC), 0);
	return s;
}

static void caller_in_scene(struct caller *x, const struct scene *s, ssize_t (*call)(struct caller *))
{
	x->pipe = s->empty[call == call_splice_out];
	caller_start(x, call, s->fd, s->set);
	assert_soon(asleep(x));
	assert_int_equal(x->result, INSIDE);
}

static void scene_end(struct scene *s)
{
	assert_left(s->fd, s->set);
	closed_bells();
	assert_int_equal(px_close(s->fd), 0);
	assert_int_equal(closed_bells(), 1);
	close(s->empty[0]);
	close(s->empty[1]);
}

static void who_sleeps_is_cancelled_and_leaves_nothing_behind(void **state)
{
	struct scene s = scene_begin();

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(all_calls); i++) {
		struct caller x = { 0 };
		void *end;

		caller_in_scene(&x, &s, all_calls[i]);
		pthread_cancel(x.thread);
		pthread_join(x.thread, &end);
		assert_ptr_equal(end, PTHREAD_CANCELED);
		assert_left(s.fd, s.set);
	}
	scene_end(&s);
}

static void jump(int signal)
{
	(void)signal;
	siglongjmp(caller_self->env, 1);
}

static void who_leaves_by_a_jump_leaves_nothing_behind(void **state)
{
	struct scene s = scene_begin();

	(void)state;
	signal(SIGUSR1, jump);
	for (unsigned i = 0; i < ARRAY_LEN(all_calls); i++) {
		struct caller x = { .jumps = true };

		caller_in_scene(&x, &s, all_calls[i]);
		pthread_kill(x.thread, SIGUSR1);
		pthread_join(x.thread, NULL);
		assert_int_equal(x.result, JUMPED);
		assert_left(s.fd, s.set);
	}
	scene_end(&s);
	signal(SIGUSR1, SIG_DFL);
}

/* Twice out of the same call; then it waits to the end. */
static ssize_t call_thrice(struct caller *x)
{
	static _Thread_local volatile int jumped;

	if (sigsetjmp(x->env, 1) != 0) {
		jumped++;
		x->tid = (pid_t)syscall(SYS_gettid);
	}
	return jumped < 2 ? call_recv(x) : call_poll(x);
}

static void who_left_by_a_jump_sleeps_and_wakes_as_ever(void **state)
{
	struct scene s = scene_begin();
	struct caller x = { 0 };

	(void)state;
	signal(SIGUSR1, jump);
	caller_in_scene(&x, &s, call_thrice);
	for (int i = 0; i < 2; i++) {
		x.tid = 0;
		pthread_kill(x.thread, SIGUSR1);
		assert_soon(asleep(&x));
		assert_int_equal(file_refs(file_at(s.fd)), 2);
	}
	tas_sock_notify(r.c, file_sock(file_at(s.fd)));
	rig_deliver(&r, 1, 10);
	r.notified[1] = 0;
	rig_notify(&r, 0, 0, 1);
	tas_ctx_poll(r.c);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.result, 1);
	scene_end(&s);
	signal(SIGUSR1, SIG_DFL);
}

/* --- a lingering close --- */

static ssize_t call_close(struct caller *x) { return px_close(x->fd); }

static void a_close_that_lingers_is_done_whatever_becomes_of_its_thread(void **state)
{
	const struct linger linger = { 1, 1000 };

	(void)state;
	signal(SIGUSR1, jump);
	for (int jumps = 0; jumps < 2; jumps++) {
		struct caller x = { .jumps = jumps };
		int fd = px_flow(1 + (uint32_t)jumps, SOCK_NONBLOCK);

		px_fill(fd);
		assert_int_equal(px_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
		caller_start(&x, call_close, fd, -1);
		assert_soon(asleep(&x));
		assert_int_equal(closed_bells(), 0);
		if (jumps)
			pthread_kill(x.thread, SIGUSR1);
		else
			pthread_cancel(x.thread);
		pthread_join(x.thread, NULL);
		assert_int_equal(x.result, jumps ? JUMPED : INSIDE);
		assert_int_equal(closed_bells(), 1);
	}
	signal(SIGUSR1, SIG_DFL);
}

/* --- calls in handlers --- */

static struct caller inner;

/* Waits, too, and jumps out of that to itself. */
static volatile int wait_rounds;

static void wait_and_jump(int number)
{
	(void)number;
	if (wait_rounds++ == 0) {
		if (sigsetjmp(inner.env, 1) == 0)
			call_recv(&inner);
		return;
	}
	siglongjmp(inner.env, 1);
}

static stack_t alternate;

static ssize_t call_recv_with_alternate(struct caller *x)
{
	assert_int_equal(sigaltstack(&alternate, NULL), 0);
	return call_recv(x);
}

static void handler_waits_and_jumps(ssize_t (*call)(struct caller *), int flags)
{
	struct scene s = scene_begin();
	struct sigaction action = { .sa_handler = wait_and_jump,
		.sa_flags = SA_RESTART | SA_NODEFER | flags };
	int other = px_flow(2, 0);
	struct caller x = { 0 };

	sigaction(SIGUSR1, &action, NULL);
	inner.fd = other;
	wait_rounds = 0;
	caller_in_scene(&x, &s, call);
	pthread_kill(x.thread, SIGUSR1);
	assert_soon(waits_on(other) && asleep(&x));
	pthread_kill(x.thread, SIGUSR1);
	assert_soon(!waits_on(other) && waits_on(s.fd) && asleep(&x));
	assert_int_equal(file_refs(file_at(other)), 1);
	assert_int_equal(file_refs(file_at(s.fd)), 2);
	rig_deliver(&r, 1, 10);
	tas_ctx_wake(file_at(s.fd)->waiters.first->ctx);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.result, 10);
	px_close(other);
	scene_end(&s);
	signal(SIGUSR1, SIG_DFL);
}

static void a_call_is_not_undone_by_a_jump_inside_a_handler(void **state)
{
	(void)state;
	handler_waits_and_jumps(call_recv, 0);
}

static void nor_by_one_on_the_alternate_stack(void **state)
{
	char pages[64 * 1024]; /* at a higher address than the stacks of threads */

	(void)state;
	alternate = (stack_t){ .ss_sp = pages, .ss_size = sizeof(pages) };
	handler_waits_and_jumps(call_recv_with_alternate, SA_ONSTACK);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(a_ring_that_comes_late_ends_one_sleep_and_no_more),
		T(a_thread_without_a_context_has_all_calls),
		T(a_thread_without_a_context_looks_again_by_itself),
		T(a_thread_without_a_descriptor_to_be_woken_by_looks_again),
		T(who_sleeps_is_cancelled_and_leaves_nothing_behind),
		T(who_leaves_by_a_jump_leaves_nothing_behind), T(who_left_by_a_jump_sleeps_and_wakes_as_ever),
		T(a_close_that_lingers_is_done_whatever_becomes_of_its_thread),
		T(a_call_is_not_undone_by_a_jump_inside_a_handler), T(nor_by_one_on_the_alternate_stack) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
