/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that never return: the thread is cancelled, or a handler leaves them by siglongjmp. What they held
 * must not outlive them: when the descriptor is closed, the peer sees the end. */
#include <setjmp.h>
#include <sys/select.h>
#include <sys/time.h>

#include "tests/e2e/sockcheck.h"

static int the_fd, the_set, the_listener;
static char the_data[1 << 16];

/* --- the calls --- */

static void call_recv(void) { recv(the_fd, the_data, 10, 0); }
static void call_readv(void)
{
	struct iovec iov[2] = { { the_data, 5 }, { the_data + 5, 5 } };

	readv(the_fd, iov, 2);
}

static void call_send(void)
{
	for (;;)
		send(the_fd, the_data, sizeof(the_data), 0);
}

static void call_poll(void) { poll(&(struct pollfd){ .fd = the_fd, .events = POLLIN }, 1, -1); }

static void call_select(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(the_fd, &in);
	select(the_fd + 1, &in, NULL, NULL, NULL);
}

static void call_epoll(void) { epoll_wait(the_set, &(struct epoll_event){ 0 }, 1, -1); }
static void call_accept(void) { accept(the_listener, NULL, NULL); }

static const struct {
	const char *name;
	void (*call)(void);
} calls[] = { { "recv", call_recv }, { "readv", call_readv }, { "poll", call_poll },
	{ "select", call_select }, { "epoll_wait", call_epoll }, { "accept", call_accept },
	{ "send", call_send } };

static void begin(void)
{
	struct epoll_event e = { .events = EPOLLIN };

	the_fd = accepted(0);
	the_set = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(the_set, EPOLL_CTL_ADD, the_fd, &e);
}

/* From further down on the stack than the call was. */
static __attribute__((noinline)) int close_from_below(int fd)
{
	volatile char room[16384];
	int result;

	room[0] = 0;
	result = close(fd);
	return result + room[0]; /* the room is still there */
}

static void end(bool unread)
{
	show("close", close_from_below(the_fd));
	if (!unread)
		peer_shows("recv 1 1");
	close(the_set);
}

/* --- cancelled --- */

static void *thread_main(void *arg)
{
	thread_here();
	((void (*)(void))arg)();
	return NULL;
}

static void cancel(const char *name, void (*call)(void))
{
	pthread_t thread;
	void *result;
	char text[64];

	begin();
	pthread_create(&thread, NULL, thread_main, (void *)call);
	settle_asleep();
	pthread_cancel(thread);
	pthread_join(thread, &result);
	snprintf(text, sizeof(text), "%s is cancelled", name);
	show(text, result == PTHREAD_CANCELED);
	end(call == call_send);
}

/* --- left --- */

static sigjmp_buf env;

static void leave(int signal)
{
	(void)signal;
	siglongjmp(env, 1);
}

static void jump(const char *name, void (*call)(void))
{
	struct itimerval soon = { .it_value.tv_usec = 20000 };
	char text[64];

	begin();
	signal(SIGALRM, leave);
	snprintf(text, sizeof(text), "%s is left", name);
	if (sigsetjmp(env, 1) == 0) {
		setitimer(ITIMER_REAL, &soon, NULL);
		call();
		show(text, 0);
	} else {
		show(text, 1);
	}
	signal(SIGALRM, SIG_DFL);
	alarm(60);
	end(call == call_send);
}

/* A jump within the handler leaves the interrupted call as it was. */
static void jump_inside(int signal)
{
	jmp_buf here;

	(void)signal;
	if (setjmp(here) == 0)
		longjmp(here, 1);
}

static void interrupted_by_jumps(void)
{
	struct sigaction action = { .sa_handler = jump_inside, .sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 5000 }, { 0, 5000 } };

	begin();
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	usleep(20000);
	peer("send 1 10");
	show("recv among jumps", recv(the_fd, the_data, 10, MSG_WAITALL));
	signal(SIGALRM, SIG_DFL);
	alarm(60);
	end(false);
}

void check_breaks(void)
{
	int port;

	the_listener = new_listener(0, &port);
	interrupted_by_jumps();
	for (unsigned i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		jump(calls[i].name, calls[i].call);
		cancel(calls[i].name, calls[i].call);
		jump(calls[i].name, calls[i].call);
	}
	close(the_listener);
}
