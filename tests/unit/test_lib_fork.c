/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_fork.c - a child has its parent's sockets without its parent's memory, and takes over what it
 * uses. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "libtas/lib_int.h"
#include "libtas/lib_os.h"
#include "tests/unit/lib_rig.h"

static struct rig r;
static struct tas_sock *l, *s;

static void *map_dontfork(void *arg, int memfd, uint64_t size)
{
	void *base = rig_link_map(arg, memfd, size);

	madvise(base, size, MADV_DONTFORK);
	return base;
}

static int set_up(void **state)
{
	(void)state;
	rig_begin(&r, 1, 3);
	r.t->link.map = map_dontfork;
	l = rig_listener(&r);
	s = rig_accepted(&r, l, 3);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

/* In the child a failed check ends it with the line's number, as far as that fits. */
static int child_failed;
#define CHECK(x) \
	(child_failed += child_failed == 0 && !(x) ? (fprintf(stderr, "line %d: %s\n", __LINE__, #x), 1) : 0)

static void in_child(void (*child)(void))
{
	int status;
	pid_t pid;

	tas_fork_prepare(r.t);
	pid = fork();
	if (pid == 0) {
		tas_fork_child(r.t);
		memset(r.asked, 0, sizeof(r.asked));
		child();
		_exit(child_failed);
	}
	tas_fork_parent(r.t);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void does_nothing(void)
{
	CHECK(tas_sock_inherited(s) && tas_sock_inherited(l));
	CHECK(!tas_attached(r.t));
	CHECK(tas_error(s) == 0 && tas_sock_rx_size(s) == 0);
	CHECK(r.t->hold_fd >= 0 && fcntl(r.t->hold_fd, F_GETFD) == FD_CLOEXEC);
	CHECK(tas_fd_is_internal(r.t, r.t->hold_fd));
	CHECK(r.asked[CTL_HELLO] == 0);
}

static void the_parent_goes_on_and_the_child_costs_nothing(void **state)
{
	uint64_t epoch = tas_epoch(r.t);

	(void)state;
	in_child(does_nothing);
	assert_int_equal(r.asked[CTL_FORK], 1);
	assert_int_equal(r.t->hold_other, -1);
	assert_int_equal(r.t->hold_token, 0);
	assert_int_equal(tas_epoch(r.t), epoch);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
	assert_false(tas_sock_inherited(s));
}

static void lets_the_hold_be(void) { CHECK(lib_poll_now(&r.t->os, r.t->hold_fd, 0) == 0); }

static void tasd_sees_the_child_end(void **state)
{
	(void)state;
	in_child(lets_the_hold_be);
	assert_int_equal(lib_poll_now(&r.t->os, r.held, 0), POLLHUP);
}

static void uses_the_flow(void)
{
	struct abi_bell b;

	r.next_flow = 21;
	/* what tasd makes of it: a record in the child's region, with the peer's position and ours */
	CHECK(tas_attach(r.t, NULL, 0) == 0);
	CHECK(r.last[CTL_HELLO].hello.fork_token == 99);
	rig_flow(&r, 20, 6, ABI_LISTENER_NONE);
	rig_rec(&r, 20)->rx_end = 100;
	rig_rec(&r, 20)->tx_una = 50;
	CHECK(tas_send(r.c, s, "abc", 3, 0) == 3);
	CHECK(r.asked[CTL_ADOPT] == 1);
	CHECK(r.last[CTL_ADOPT].adopt.flow == 5003 && r.last[CTL_ADOPT].adopt.gen == 1);
	CHECK(!tas_sock_inherited(s));
	CHECK(rig_bell(&r, 0, 0, &b));
	CHECK(b.flow == 5020 && b.gen == 6 && b.rx_read == 40 && b.tx_end == 53);
	CHECK(tas_rx_bytes(s) == 60);
	rig_deliver(&r, 20, 10);
	rig_notify(&r, 0, 0, 20);
	r.nr_events = 0;
	CHECK(tas_ctx_poll(r.c) == 1);
	CHECK(r.nr_events == 1 && r.event[0].s == s && r.event[0].user == &r);
	CHECK(r.asked[CTL_ADOPT] == 1);
}

static void a_flow_that_the_child_uses_goes_on_where_it_was(void **state)
{
	char buf[100] = { 0 };

	(void)state;
	tas_sock_set_user(s, &r);
	rig_deliver(&r, 3, 100);
	assert_int_equal(tas_recv(r.c, s, buf, 40, 0), 40);
	assert_int_equal(tas_send(r.c, s, buf, 50, 0), 50);
	in_child(uses_the_flow);
}

static void is_refused(void)
{
	r.refuse[CTL_ADOPT] = EOPNOTSUPP;
	CHECK(tas_send(r.c, s, "x", 1, 0) == -EOPNOTSUPP);
	CHECK(tas_recv(r.c, s, &(char){ 0 }, 1, 0) == -EOPNOTSUPP);
	CHECK(r.asked[CTL_ADOPT] == 1);
	CHECK(tas_ready(s) == (TAS_EV_IN | TAS_EV_OUT | TAS_EV_ERR | TAS_EV_HUP));
	CHECK(tas_error(s) == EOPNOTSUPP);
	tas_close(r.c, s, false);
	CHECK(r.asked[CTL_ADOPT] == 1 && r.t->nr_free == 1);
}

static void what_tasd_refuses_is_the_answer_of_every_call(void **state)
{
	(void)state;
	in_child(is_refused);
}

static void accepts(void)
{
	struct tas_sock *n;

	CHECK(tas_accept(r.c, l, &n) == -EAGAIN);
	CHECK(r.asked[CTL_ADOPT] == 1 && r.last[CTL_ADOPT].adopt.listener_id == l->listener->listen.id);
	CHECK(r.last[CTL_ADOPT].adopt.cookie == l->listener->cookie);
	CHECK(r.asked[CTL_LISTEN] == 0 && r.asked[CTL_ARM] == 1);
	rig_incoming(&r, 9, 1);
	CHECK(tas_accept(r.c, l, &n) == 0);
	CHECK(tas_send(r.c, n, "x", 1, 0) == 1);
	CHECK(tas_accept(r.c, l, &n) == -EAGAIN);
}

static void a_listener_is_adopted_when_the_child_accepts(void **state)
{
	struct tas_sock *n;

	(void)state;
	rig_incoming(&r, 5, 1); /* the parent's */
	tas_ctx_poll(r.c);
	in_child(accepts);
	assert_int_equal(tas_accept(r.c, l, &n), 0);
}

static void closes_before_attaching(void)
{
	struct tas_listen_opt opt = { .port = 81 };
	struct ctl_msg m = { 0 };
	struct tas_sock *n;

	tas_close(r.c, s, false);
	CHECK(r.asked[CTL_HELLO] == 0);
	CHECK(recv(r.held, &m, sizeof(m), MSG_DONTWAIT) == sizeof(m));
	CHECK(m.type == CTL_LEAVE && m.adopt.flow == 5003 && m.adopt.gen == 1);
	r.next_flow = 21;
	CHECK(tas_attach(r.t, NULL, 0) == 0);
	CHECK(r.asked[CTL_LEAVE] == 0); /* once is enough */
	CHECK(tas_send(r.c, s, "x", 1, 0) == -EBADF);
	CHECK(tas_listen(r.c, &opt, &n) == 0);
}

static void closes_a_listener(void)
{
	CHECK(tas_attach(r.t, NULL, 0) == 0);
	tas_close(r.c, l, false);
	CHECK(r.asked[CTL_ADOPT] == 1 && r.last[CTL_ADOPT].adopt.listener_id != 0);
	CHECK(r.asked[CTL_UNLISTEN] == 1);
	CHECK(r.t->listeners == NULL && r.t->nr_free == 1);
}

static void what_the_child_closes_is_told_though_it_never_attaches(void **state)
{
	(void)state;
	in_child(closes_before_attaching);
	in_child(closes_a_listener);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
}

static void forks_again(void)
{
	int hold = r.t->hold_fd;
	pid_t pid;
	int status;

	tas_fork_prepare(r.t);
	CHECK(r.asked[CTL_HELLO] == 1 && r.last[CTL_HELLO].hello.fork_token == 99);
	CHECK(r.asked[CTL_FORK] == 1); /* what we keep and what our child keeps are two things */
	pid = fork();
	if (pid == 0) {
		tas_fork_child(r.t);
		CHECK(r.t->hold_fd >= 0 && r.t->hold_fd != hold);
		memset(r.asked, 0, sizeof(r.asked));
		accepts();
		CHECK(r.last[CTL_HELLO].hello.fork_token == 99);
		_exit(child_failed);
	}
	tas_fork_parent(r.t);
	CHECK(r.t->hold_fd == hold && r.t->hold_token == 99);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void a_child_that_did_nothing_attaches_before_it_forks(void **state)
{
	(void)state;
	in_child(forks_again);
}

static void nothing_inherited(void)
{
	CHECK(r.t->hold_fd == -1 && r.t->hold_token == 0);
	CHECK(tas_send(r.c, s, "x", 1, 0) == -ECONNRESET);
	CHECK(r.asked[CTL_ADOPT] == 0);
}

static void without_a_hold_flows_are_reset_in_the_child(void **state)
{
	(void)state;
	r.refuse[CTL_FORK] = ENOSPC;
	in_child(nothing_inherited);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
}

/* --- the parent, after the child used the connection --- */

static void forked(void)
{
	tas_fork_prepare(r.t);
	tas_fork_parent(r.t);
	rig_bells_drop(&r, 0, 0);
}

/* As tasd does it: the record says so, and what was known of the positions. */
static void flow_leaves(uint64_t rx, uint64_t tx, uint64_t taken)
{
	struct abi_flow_rec *rec = rig_rec(&r, 3);

	r.next_flow = 4; /* the record that the flow comes back to */
	r.adopt_rx = rx;
	r.adopt_tx = tx;
	r.adopt_taken = taken;
	rec->events |= ABI_EV_MOVED;
	rec->ring_gen++;
}

static void a_flow_that_a_child_used_comes_back_with_its_positions(void **state)
{
	char buf[100] = { 0 };
	struct abi_bell b;

	(void)state;
	rig_deliver(&r, 3, 100);
	assert_int_equal(tas_recv(r.c, s, buf, 40, 0), 40);
	assert_int_equal(tas_send(r.c, s, buf, 10, 0), 10);
	forked();
	flow_leaves(60, 30, 10);
	assert_int_equal(tas_recv(r.c, s, buf, sizeof(buf), 0), 40);
	assert_int_equal((uint8_t)buf[0], (uint8_t)(60 * 7));
	assert_int_equal(r.asked[CTL_ADOPT], 1);
	assert_int_equal(r.last[CTL_ADOPT].adopt.flow, 5003);
	assert_int_equal(tas_send(r.c, s, "abc", 3, 0), 3);
	while (rig_bell(&r, 0, 0, &b) && b.tx_end != 33)
		;
	assert_int_equal(b.tx_end, 33);
	assert_int_equal(r.asked[CTL_ADOPT], 1);
}

static void what_a_parent_reads_and_writes_after_a_fork_is_in_the_record(void **state)
{
	(void)state;
	rig_deliver(&r, 3, 100);
	assert_int_equal(tas_recv(r.c, s, (char[5]){ 0 }, 5, 0), 5);
	assert_int_equal(rig_rec(&r, 3)->rx_read, 0); /* nobody else may ask */
	forked();
	assert_int_equal(tas_recv(r.c, s, (char[5]){ 0 }, 5, 0), 5);
	assert_int_equal(tas_send(r.c, s, "abc", 3, 0), 3);
	assert_int_equal(rig_rec(&r, 3)->rx_read, 10);
	assert_int_equal(rig_rec(&r, 3)->tx_end, 3);
}

/* It left between the copy and its announcement. */
static void bytes_that_missed_the_move_are_sent_again(void **state)
{
	struct tas_span span[2];

	(void)state;
	forked();
	assert_int_equal(tas_tx_begin(r.c, s, span), RIG_RING);
	flow_leaves(0, 7, 0);
	tas_tx_end(r.c, s, 0, 0);
	assert_int_equal(tas_send(r.c, s, "abcdefgh", 8, 0), 8);
	assert_int_equal(s->tx_end, 15);
	assert_memory_equal(r.base + rig_rec(&r, 3)->tx_off + 7, "abcdefgh", 8);
	s->taken = 12;
	rig_rec(&r, 3)->events |= ABI_EV_MOVED; /* without a new ring: as if the look had been before it */
	r.adopt_tx = 40;
	r.adopt_taken = 18;
	assert_int_equal(tas_send(r.c, s, "ABCDEFGH", 8, 0), 3); /* 15 to 18 went along */
	assert_int_equal(s->tx_end, 40);
}

static void a_shared_flow_is_given_up_by_request(void **state)
{
	struct abi_bell b;

	(void)state;
	forked();
	assert_int_equal(tas_send(r.c, s, "abc", 3, 0), 3);
	assert_true(rig_bell(&r, 0, 0, &b));
	tas_close(r.c, s, true);
	assert_false(rig_bell(&r, 0, 0, &b));
	assert_int_equal(r.asked[CTL_LEAVE], 1);
	assert_int_equal(r.last[CTL_LEAVE].adopt.tx_end, 3);
	assert_int_equal(r.last[CTL_LEAVE].adopt.flags, CTL_ADOPT_ABORT);
	assert_int_equal(r.t->nr_free, 1);
}

static void who_else_has_it_is_asked_only_after_a_fork(void **state)
{
	(void)state;
	assert_false(tas_sock_shared(s));
	assert_false(tas_sock_shared(l));
	assert_int_equal(r.asked[CTL_INFO], 0);
	forked();
	assert_true(tas_sock_shared(s)); /* the rig's answer is as the request */
	assert_int_equal(r.asked[CTL_INFO], 1);
	r.refuse[CTL_INFO] = ENOENT;
	assert_false(tas_sock_shared(s));
}

static void a_flow_younger_than_the_fork_is_closed_by_a_bell_that_counts_it(void **state)
{
	struct tas_sock *n;
	struct abi_bell b;

	(void)state;
	forked();
	rig_incoming(&r, 8, 1);
	assert_int_equal(tas_accept(r.c, l, &n), 0);
	assert_true(rig_bell(&r, 0, 0, &b) && (b.flags & ABI_BELL_ACCEPTED));
	assert_int_equal(b.forks, 1);
	tas_close(r.c, n, false);
	assert_true(rig_bell(&r, 0, 0, &b) && (b.flags & ABI_BELL_CLOSE));
	assert_int_equal(b.forks, 1);
	assert_int_equal(r.asked[CTL_LEAVE], 0);
}

static void who_polls_a_flow_that_left_gets_it_back(void **state)
{
	(void)state;
	forked();
	rig_deliver(&r, 3, 10);
	flow_leaves(10, 0, 0);
	assert_int_equal(tas_ready(s) & TAS_EV_IN, 0);
	assert_int_equal(r.asked[CTL_ADOPT], 1);
	assert_int_equal(tas_rx_bytes(s), 0);
}

static void *holds_locks(void *arg)
{
	struct tas_ctx *c = tas_ctx_self(r.t);
	struct tas_span span[2];

	tas_ctx_poll(c);
	tas_tx_begin(c, s, span);
	lib_lock_enter(&r.t->os, &c->rings->drain_lock);
	*(_Atomic int *)arg = 1;
	while (*(_Atomic int *)arg == 1)
		sched_yield();
	lib_lock_leave(&r.t->os, &c->rings->drain_lock);
	tas_tx_end(c, s, 0, 0);
	return NULL;
}

/* Threads do not come along, nor do the locks they were inside of. */
static void a_lock_of_another_thread_does_not_stop_the_child(void **state)
{
	_Atomic int step = 0;
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, holds_locks, (void *)&step);
	while (step == 0)
		sched_yield();
	rig_deliver(&r, 3, 100);
	tas_recv(r.c, s, (char[40]){ 0 }, 40, 0);
	s->tx_end = 50;
	tas_sock_set_user(s, &r);
	in_child(uses_the_flow);
	step = 2;
	pthread_join(thread, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_parent_goes_on_and_the_child_costs_nothing),
		TEST(tasd_sees_the_child_end),
		TEST(a_flow_that_the_child_uses_goes_on_where_it_was),
		TEST(what_tasd_refuses_is_the_answer_of_every_call),
		TEST(a_listener_is_adopted_when_the_child_accepts),
		TEST(what_the_child_closes_is_told_though_it_never_attaches),
		TEST(a_child_that_did_nothing_attaches_before_it_forks),
		TEST(a_flow_that_a_child_used_comes_back_with_its_positions),
		TEST(what_a_parent_reads_and_writes_after_a_fork_is_in_the_record),
		TEST(bytes_that_missed_the_move_are_sent_again),
		TEST(a_shared_flow_is_given_up_by_request),
		TEST(who_else_has_it_is_asked_only_after_a_fork),
		TEST(a_flow_younger_than_the_fork_is_closed_by_a_bell_that_counts_it),
		TEST(who_polls_a_flow_that_left_gets_it_back),
		TEST(without_a_hold_flows_are_reset_in_the_child),
		TEST(a_lock_of_another_thread_does_not_stop_the_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
