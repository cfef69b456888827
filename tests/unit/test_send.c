/* SPDX-License-Identifier: BSD-3-Clause */
/* test_send.c - sending: how much, when it waits, when it signals. */
#include "tests/unit/px_rig.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "libtas/posix/real.h"

static char data[3 * RIG_RING];
static volatile sig_atomic_t signals;

static void count_signal(int signal) { signals += signal == SIGPIPE; }

static void what_fits_is_taken(void **state)
{
	int fd = px_flow(1, SOCK_NONBLOCK);
	struct iovec v[2] = { { data, 3000 }, { data, 3000 } };

	(void)state;
	assert_int_equal(px_send(fd, data, 100, 0), 100);
	assert_int_equal(px_writev(fd, v, 2), RIG_RING - 100);
	assert_errno(px_write(fd, data, 1), EAGAIN);
	px_acknowledge(1, 50, false);
	assert_int_equal(px_send(fd, data, 100, MSG_DONTWAIT), 50);
	assert_errno(px_writev(fd, v, -1), EINVAL);
	assert_errno(px_writev(fd, v, 1025), EINVAL);
	assert_int_equal(px_write(fd, data, 0), 0);
	assert_errno(px_send(fd, data, 1, MSG_OOB), EAGAIN);
}

static void bytes_stand_in_the_ring_as_given(void **state)
{
	int fd = px_flow(1, SOCK_NONBLOCK);
	struct iovec v[2] = { { (char *)(uintptr_t) "hel", 3 }, { (char *)(uintptr_t) "lo", 2 } };
	const char *ring = r.base + rig_rec(&r, 1)->tx_off;
	struct abi_bell b;

	(void)state;
	assert_int_equal(px_writev(fd, v, 2), 5);
	assert_memory_equal(ring, "hello", 5);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.tx_end, 5);
	assert_int_equal(px_send(fd, "!", 1, MSG_MORE), 1);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags & (ABI_BELL_OPTIONS | ABI_BELL_MORE), ABI_BELL_OPTIONS | ABI_BELL_MORE);
	assert_memory_equal(ring, "hello!", 6);
	assert_int_equal(px_send(fd, "??", 2, MSG_OOB), 2);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags & ABI_BELL_URGENT, ABI_BELL_URGENT);
	assert_int_equal(rig_urgent(&r, 1)->tx_end, 8);
	assert_int_equal(px_send(fd, "", 0, MSG_OOB), 0);
	assert_false(rig_bell(&r, 0, 0, &b));
}

/* The options that tasd hears of with the first bytes of an accepted connection. */
static uint32_t options_of_first_bytes(uint32_t rec)
{
	struct abi_bell b;
	int fd = px_flow(rec, SOCK_NONBLOCK);

	assert_int_equal(px_send(fd, "x", 1, 0), 1);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags & ABI_BELL_OPTIONS, ABI_BELL_OPTIONS);
	return b.flags & (ABI_BELL_NODELAY | ABI_BELL_MORE);
}

static void what_the_listener_passed_on_holds_for_the_first_bytes(void **state)
{
	const int on = 1, off = 0;

	(void)state;
	assert_int_equal(options_of_first_bytes(1), 0);
	px_setsockopt(px_listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	assert_int_equal(options_of_first_bytes(2), ABI_BELL_NODELAY);
	px_setsockopt(px_listener, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	assert_int_equal(options_of_first_bytes(3), ABI_BELL_NODELAY | ABI_BELL_MORE);
	px_setsockopt(px_listener, IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off));
	assert_int_equal(options_of_first_bytes(4), ABI_BELL_MORE);
}

static void a_broken_pipe_signals_unless_asked_not_to(void **state)
{
	int fd = px_flow(1, 0), second = px_flow(2, 0);

	(void)state;
	signal(SIGPIPE, count_signal);
	signals = 0;
	assert_int_equal(px_shutdown(fd, SHUT_WR), 0);
	assert_errno(px_send(fd, data, 1, MSG_NOSIGNAL), EPIPE);
	assert_int_equal(signals, 0);
	assert_errno(px_send(fd, data, 1, 0), EPIPE);
	assert_errno(px_write(fd, data, 1), EPIPE);
	assert_int_equal(signals, 2);
	rig_event(&r, 2, ABI_EV_RESET, ECONNRESET);
	assert_errno(px_write(second, data, 1), ECONNRESET); /* the pending error first, without a signal */
	assert_int_equal(signals, 2);
	assert_errno(px_write(second, data, 1), EPIPE);
	assert_int_equal(signals, 3);
	signal(SIGPIPE, SIG_DFL);
}

static void nothing_sent_on_a_broken_connection_is_an_error(void **state)
{
	struct iovec none = { data, 0 };
	int fd = px_flow(1, 0), second = px_flow(2, 0);

	(void)state;
	signal(SIGPIPE, count_signal);
	signals = 0;
	assert_int_equal(px_write(fd, data, 0), 0);
	assert_int_equal(px_shutdown(fd, SHUT_WR), 0);
	assert_errno(px_write(fd, data, 0), EPIPE);
	assert_int_equal(signals, 1);
	assert_errno(px_send(fd, data, 0, MSG_NOSIGNAL), EPIPE);
	assert_int_equal(px_writev(fd, &none, 1), 0); /* does not come to the socket */
	assert_int_equal(px_pwritev2(fd, &none, 1, -1, 0), 0);
	assert_int_equal(signals, 1);
	rig_event(&r, 2, ABI_EV_RESET, ECONNRESET);
	assert_errno(px_write(second, data, 0), ECONNRESET);
	signal(SIGPIPE, SIG_DFL);
}

static void a_time_limit_gives_what_went_out(void **state)
{
	struct timeval limit = { 0, 20000 };
	int fd = px_flow(1, 0);

	(void)state;
	px_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	assert_int_equal(px_send(fd, data, sizeof(data), 0), RIG_RING);
	assert_errno(px_send(fd, data, sizeof(data), 0), EAGAIN);
}

static void *acknowledge_all(void *arg)
{
	uint64_t until = *(uint64_t *)arg;
	struct abi_bell b;

	for (uint64_t una = 0; una < until;) {
		for (uint32_t ctx = 0; ctx < r.nctx; ctx++) {
			while (rig_bell(&r, ctx, 0, &b))
				una = b.tx_end > una ? b.tx_end : una;
		}
		px_acknowledge(1, una, true);
		usleep(200);
	}
	return NULL;
}

static void a_waiting_sender_sends_it_all(void **state)
{
	uint64_t until = sizeof(data);
	int fd = px_flow(1, 0);
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, acknowledge_all, &until);
	assert_int_equal(px_send(fd, data, sizeof(data), 0), sizeof(data));
	pthread_join(thread, NULL);
}

static void a_file_goes_out_from_its_position(void **state)
{
	int fd = px_flow(1, SOCK_NONBLOCK), file = memfd_create("file", MFD_CLOEXEC);
	const char *ring = r.base + rig_rec(&r, 1)->tx_off;
	off64_t at = 3;

	(void)state;
	assert_int_equal(write(file, "0123456789", 10), 10);
	assert_int_equal(px_sendfile(fd, file, &at, 4), 4);
	assert_int_equal(at, 7);
	assert_memory_equal(ring, "3456", 4);
	assert_int_equal(px_sendfile(fd, file, &at, 100), 3);
	assert_int_equal(px_sendfile(fd, file, NULL, 100), 0); /* its own position is the end */
	lseek(file, 8, SEEK_SET);
	assert_int_equal(px_sendfile(fd, file, NULL, 100), 2);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 10);
	assert_memory_equal(ring, "345678989", 9);
	assert_errno(px_sendfile(fd, 999, NULL, 100), EBADF);
	assert_errno(px_sendfile(file, fd, NULL, 100), EINVAL);
	px_fill(fd);
	at = 0;
	assert_errno(px_sendfile(fd, file, &at, 4), EAGAIN);
	assert_int_equal(at, 0);
	close(file);
}

static void what_has_no_positions_is_no_file(void **state)
{
	int fd = px_flow(1, SOCK_NONBLOCK), pipes[2], pair[2];
	off64_t at = 0;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(pipes[1], "0123456789", 10), 10);
	assert_int_equal(write(pair[1], "0123456789", 10), 10);
	assert_errno(px_sendfile(fd, pipes[0], NULL, 10), EINVAL);
	assert_errno(px_sendfile(fd, pair[0], NULL, 10), EINVAL);
	assert_errno(px_sendfile(fd, pipes[0], &at, 10), ESPIPE);
	px_close_range((unsigned)pipes[0], (unsigned)pair[1], 0);
}

static void the_end_of_a_file_is_not_held_back_for_more(void **state)
{
	int fd = px_flow(1, SOCK_NONBLOCK), file = memfd_create("file", MFD_CLOEXEC);
	struct abi_bell b = { 0 }, last = { 0 };
	off64_t at = 0;

	(void)state;
	assert_int_equal(ftruncate(file, 2000), 0);
	assert_int_equal(px_sendfile(fd, file, &at, 1 << 30), 2000);
	while (rig_bell(&r, 0, 0, &b))
		last = b;
	assert_int_equal(last.tx_end, 2000);
	assert_int_equal(last.flags & (ABI_BELL_OPTIONS | ABI_BELL_MORE), ABI_BELL_OPTIONS);
	close(file);
}

static void a_pipe_is_read_no_further_than_it_goes(void **state)
{
	int fd = px_flow(1, SOCK_NONBLOCK), pipes[2];
	ssize_t first = RIG_RING - 96;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(px_write(fd, data, (size_t)first), first);
	px_acknowledge(1, (uint64_t)first, false);
	assert_int_equal(write(pipes[1], data, 96), 96); /* to the ring's end, where another span begins */
	alarm(20);
	assert_int_equal(px_splice(pipes[0], NULL, fd, NULL, 1000, 0), 96);
	alarm(0);
	assert_errno(px_splice(pipes[0], NULL, fd, NULL, 1000, SPLICE_F_NONBLOCK), EAGAIN);
	close(pipes[1]);
	assert_int_equal(px_splice(pipes[0], NULL, fd, NULL, 1000, 0), 0);
	close(pipes[0]);
}

/* What happens to the connection of record 1 while a part of a file or pipe is read into its ring. */
static long (*true_syscall)(long, ...);
static void (*meanwhile)(void);

static long read_and_more(long number, ...)
{
	va_list args;
	long a[6], got;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	got = true_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if ((number == SYS_read || number == SYS_pread64) && meanwhile != NULL) {
		void (*once)(void) = meanwhile;

		meanwhile = NULL;
		once();
	}
	return got;
}

static void during_the_next_read(void (*what)(void))
{
	real_init();
	if (true_syscall == NULL)
		true_syscall = real_calls.syscall;
	real_calls.syscall = read_and_more;
	meanwhile = what;
}

static void reset_comes(void) { rig_event(&r, 1, ABI_EV_RESET, ECONNRESET); }

static void an_error_after_a_part_of_a_file_is_for_the_next_call(void **state)
{
	int fd = px_flow(1, SOCK_NONBLOCK), file = memfd_create("file", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(file, 2000), 0);
	during_the_next_read(reset_comes);
	assert_int_equal(px_sendfile(fd, file, NULL, 3000), 2000);
	assert_errno(px_sendfile(fd, file, NULL, 3000), ECONNRESET);
	assert_errno(px_send(fd, data, 1, MSG_NOSIGNAL), EPIPE);
	close(file);
}

/* Another process takes the flow of record 1, with so many bytes of ours (`went`, up to this position), and
 * writes up to another. */
static uint64_t went, other_end;
static int the_flow;

static void flow_leaves(void)
{
	struct abi_flow_rec *rec = rig_rec(&r, 1);

	r.next_flow = 2; /* the record that it comes back to */
	r.adopt_taken = went;
	r.adopt_tx = other_end;
	atomic_fetch_or(&rec->events, ABI_EV_MOVED);
}

static int flow_of_two_processes(void)
{
	int fd = px_flow(1, SOCK_NONBLOCK);

	tas_fork_prepare(r.t);
	tas_fork_parent(r.t);
	assert_int_equal(px_send(fd, "..", 2, 0), 2);
	return fd;
}

/* Of ten bytes that came from `in` some went along, and the rest stands behind what the other wrote. */
static void check_moved(const char *went_on)
{
	size_t n = strlen(went_on);

	assert_int_equal(file_sock(fd_look(the_flow))->tx_end, other_end + n);
	assert_memory_equal(r.base + rig_rec(&r, 1)->tx_off + other_end, went_on, n);
}

static void a_file_is_sent_on_from_where_another_process_took_the_flow(void **state)
{
	int fd = flow_of_two_processes(), file = memfd_create("file", MFD_CLOEXEC);
	off64_t at = 0;

	(void)state;
	the_flow = fd;
	assert_int_equal(write(file, "0123456789", 10), 10);
	lseek(file, 0, SEEK_SET);
	during_the_next_read((went = 6, other_end = 50, flow_leaves));
	assert_int_equal(px_sendfile(fd, file, NULL, 10), 10); /* 2 to 6 went along */
	assert_int_equal(lseek(file, 0, SEEK_CUR), 10);
	check_moved("456789");
	during_the_next_read((went = 2, other_end = 100, flow_leaves));
	assert_int_equal(px_sendfile(fd, file, &at, 10), 10); /* none */
	assert_int_equal(at, 10);
	check_moved("0123456789");
	during_the_next_read((went = 200, other_end = 200, flow_leaves));
	at = 0;
	assert_int_equal(px_sendfile(fd, file, &at, 10), 10); /* all */
	assert_int_equal(at, 10);
	check_moved("");
	close(file);
}

static void a_pipe_is_sent_on_from_where_another_process_took_the_flow(void **state)
{
	int fd = flow_of_two_processes(), pipes[2];

	(void)state;
	the_flow = fd;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "0123456789", 10), 10);
	during_the_next_read((went = 6, other_end = 50, flow_leaves));
	assert_int_equal(px_splice(pipes[0], NULL, fd, NULL, 10, 0), 10);
	check_moved("456789");
	px_close_range((unsigned)pipes[0], (unsigned)pipes[1], 0);
}

/* --- messages --- */

/* What a message with this control data comes to. */
static ssize_t with_control(int fd, int level, int type, socklen_t size)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec v = { data, 10 };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };

	*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ size, level, type };
	return px_sendmsg(fd, &m, 0);
}

static void control_data_is_passed_over_or_refused_as_linux_does(void **state)
{
	int fd = px_flow(1, 0);
	socklen_t size = CMSG_LEN(sizeof(int));

	(void)state;
	assert_int_equal(with_control(fd, IPPROTO_IP, IP_TOS, size), 10);
	assert_int_equal(with_control(fd, IPPROTO_TCP, 99, size), 10);
	assert_int_equal(with_control(fd, SOL_SOCKET, SCM_RIGHTS, size), 10);
	assert_errno(with_control(fd, SOL_SOCKET, SO_TIMESTAMPING, size), EINVAL);
	assert_errno(with_control(fd, SOL_SOCKET, 9999, size), EINVAL);
	assert_errno(with_control(fd, IPPROTO_IP, IP_TOS, sizeof(struct cmsghdr) - 1), EINVAL);
	assert_errno(with_control(fd, IPPROTO_IP, IP_TOS, 1000), EINVAL);
	assert_int_equal(rig_rec(&r, 1)->tx_una, 0);
}

static void fast_open_is_an_ordinary_open_by_every_call(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct iovec v = { data, 10 };
	struct mmsghdr m = {
		.msg_hdr = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &v, .msg_iovlen = 1 }
	};
	int fd;

	(void)state;
	inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
	for (int i = 0; i < 3; i++) {
		unsigned asked = r.asked[CTL_CONNECT];

		fd = px_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (i == 0)
			assert_errno(px_sendto(fd, data, 10, MSG_FASTOPEN, (struct sockaddr *)&to,
					     sizeof(to)),
				EINPROGRESS);
		else if (i == 1)
			assert_errno(px_sendmsg(fd, &m.msg_hdr, MSG_FASTOPEN), EINPROGRESS);
		else
			assert_errno(px_sendmmsg(fd, &m, 1, MSG_FASTOPEN), EINPROGRESS);
		assert_int_equal(r.asked[CTL_CONNECT], asked + 1);
	}
	to.sin_family = AF_UNSPEC;
	fd = px_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_errno(px_sendmsg(fd, &m.msg_hdr, MSG_FASTOPEN), EOPNOTSUPP);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(what_fits_is_taken), T(bytes_stand_in_the_ring_as_given),
		T(what_the_listener_passed_on_holds_for_the_first_bytes),
		T(a_broken_pipe_signals_unless_asked_not_to),
		T(nothing_sent_on_a_broken_connection_is_an_error), T(a_time_limit_gives_what_went_out),
		T(a_waiting_sender_sends_it_all), T(a_file_goes_out_from_its_position),
		T(what_has_no_positions_is_no_file), T(the_end_of_a_file_is_not_held_back_for_more),
		T(a_pipe_is_read_no_further_than_it_goes),
		T(an_error_after_a_part_of_a_file_is_for_the_next_call),
		T(a_file_is_sent_on_from_where_another_process_took_the_flow),
		T(a_pipe_is_sent_on_from_where_another_process_took_the_flow),
		T(control_data_is_passed_over_or_refused_as_linux_does),
		T(fast_open_is_an_ordinary_open_by_every_call) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
