/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_watch.c - noticing that tasd died or came back. One epoll descriptor stands for both in every
 * blocked wait: the control socket is in it for its hang-up alone (answers to requests wake nobody), a
 * timer while listeners wait for tasd's return. */
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

static void watch_add(struct tas *t, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events };
	int watch = atomic_load_explicit(&t->watch_fd, memory_order_relaxed);

	if (watch >= 0 && fd >= 0)
		LIB_SYS(&t->os, SYS_epoll_ctl, watch, EPOLL_CTL_ADD, fd, (long)&e);
}

void lib_watch_del(struct tas *t, int fd)
{
	int watch = atomic_load_explicit(&t->watch_fd, memory_order_relaxed);

	if (watch >= 0 && fd >= 0)
		LIB_SYS(&t->os, SYS_epoll_ctl, watch, EPOLL_CTL_DEL, fd, 0);
}

static void watch_make(struct tas *t)
{
	int fd;

	if (atomic_load_explicit(&t->watch_fd, memory_order_relaxed) >= 0 ||
		t->link.open != lib_link_unix.open)
		return;
	fd = (int)LIB_SYS(&t->os, SYS_epoll_create1, EPOLL_CLOEXEC);
	if (fd >= 0)
		lib_fd_take(t, &t->watch_fd, fd);
}

void lib_watch_open(struct tas *t)
{
	watch_make(t);
	watch_add(t, atomic_load_explicit(&t->ctl_fd, memory_order_relaxed), 0);
}

int tas_ctl_fd(const struct tas *t)
{
	int watch = atomic_load_explicit(&t->watch_fd, memory_order_acquire);

	return watch >= 0 ? watch : atomic_load_explicit(&t->ctl_fd, memory_order_acquire);
}

/* --- the timer --- */

static bool listener_waits(const struct tas *t)
{
	const struct tas_sock *l = t->listeners;

	while (l != NULL && (l->listener->registered || tas_sock_inherited(l)))
		l = l->listener->next;
	return l != NULL;
}

static void timer_start(struct tas *t)
{
	const struct timespec period = { TAS_RETRY_MS / 1000, TAS_RETRY_MS % 1000 * (long)NS_PER_MS };
	const struct itimerspec every = { period, period };
	int fd;

	watch_make(t);
	fd = (int)LIB_SYS(&t->os, SYS_timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (fd < 0 || lib_fd_take(t, &t->timer_fd, fd) != 0)
		return;
	fd = atomic_load_explicit(&t->timer_fd, memory_order_relaxed);
	LIB_SYS(&t->os, SYS_timerfd_settime, fd, 0, (long)&every, 0);
	watch_add(t, fd, EPOLLIN);
}

void lib_timer_adjust(struct tas *t)
{
	int fd = atomic_load_explicit(&t->timer_fd, memory_order_relaxed);
	bool wanted = listener_waits(t);

	if (wanted && fd < 0 && t->link.open == lib_link_unix.open)
		timer_start(t);
	if (!wanted && fd >= 0) {
		lib_watch_del(t, fd);
		lib_fd_drop(t, &t->timer_fd);
	}
}

/* --- looking --- */

static void look_locked(struct tas *t)
{
	if (lib_att_now(t) != NULL && !t->link.alive(t->link_arg))
		lib_att_die(t);
	if (!listener_waits(t))
		return;
	if (lib_att_now(t) == NULL)
		lib_attach_locked(t, NULL, 0);
	else
		lib_listen_renew(t);
	lib_timer_adjust(t);
}

void tas_ctl_event(struct tas *t)
{
	int timer;

	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return;
	timer = atomic_load_explicit(&t->timer_fd, memory_order_relaxed);
	if (timer >= 0 && lib_event_read(&t->os, timer))
		t->tried_error = 0; /* time for the next attempt, whatever the other clock says */
	look_locked(t);
	lib_lock_leave(&t->os, &t->ctl_lock);
}

bool lib_alive(struct tas *t)
{
	if (lib_att_now(t) == NULL)
		return false;
	if (!lib_lock_try(&t->os, &t->ctl_lock))
		return true; /* whoever is talking to tasd finds out */
	if (lib_att_now(t) != NULL && !t->link.alive(t->link_arg))
		lib_att_die(t);
	lib_lock_leave(&t->os, &t->ctl_lock);
	return lib_att_now(t) != NULL;
}

bool tas_check(struct tas *t)
{
	tas_ns now = lib_now();

	if (now - atomic_load_explicit(&t->checked_ns, memory_order_relaxed) < CHECK_NS)
		return lib_att_now(t) != NULL;
	atomic_store_explicit(&t->checked_ns, now, memory_order_relaxed);
	if (lib_att_now(t) != NULL)
		return lib_alive(t);
	if (atomic_load_explicit(&t->timer_fd, memory_order_relaxed) >= 0)
		tas_ctl_event(t);
	return lib_att_now(t) != NULL;
}
