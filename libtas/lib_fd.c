/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_fd.c - descriptors of the library: high numbers, close-on-exec, a list of them, and making way. */
#include <sys/resource.h>

#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

enum {
	ROOM = 256,     /* numbers at the end that are meant for us */
	HIGHEST = 32768 /* a higher number would make the kernel's table, and with it every fork, larger */
};

static int high_number(const struct tas *t)
{
	struct rlimit limit = { 1024, 1024 };
	long end;

	LIB_SYS(&t->os, SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit);
	end = limit.rlim_cur < HIGHEST ? (long)limit.rlim_cur : HIGHEST;
	return (int)(end > 2 * ROOM ? end - ROOM : end / 2);
}

/* A duplicate as high as possible, or -errno. */
static int dup_high(const struct tas *t, int fd)
{
	int low = high_number(t), got;

	do {
		got = lib_fcntl(&t->os, fd, F_DUPFD_CLOEXEC, low);
		low /= 2;
	} while (got < 0 && got != -EBADF && low > 2);
	return got;
}

static void note_low(struct tas *t, int fd)
{
	int low = atomic_load_explicit(&t->fd_low, memory_order_relaxed);

	while ((low == 0 || fd < low) && !atomic_compare_exchange_weak(&t->fd_low, &low, fd))
		;
}

/* Index of the entry whose number is `plus_one`, or nr_fds. */
static uint32_t entry_of(const struct tas *t, int plus_one)
{
	uint32_t n = atomic_load_explicit(&t->nr_fds, memory_order_acquire), i = 0;

	while (i < n && atomic_load_explicit(&t->fd_number[i], memory_order_relaxed) != plus_one)
		i++;
	return i;
}

static int register_locked(struct tas *t, _Atomic int *place, int fd, bool own)
{
	uint32_t i = entry_of(t, 0);

	if (i == FDS_MAX)
		return -EMFILE;
	t->fd_place[i] = place;
	t->fd_own[i] = own;
	note_low(t, fd);
	atomic_store_explicit(&t->fd_number[i], fd + 1, memory_order_relaxed);
	if (i == atomic_load_explicit(&t->nr_fds, memory_order_relaxed))
		atomic_store_explicit(&t->nr_fds, i + 1, memory_order_release);
	atomic_store_explicit(place, fd, memory_order_release);
	return 0;
}

/* Puts `fd` under a high number, or at the limit under the number it has; on failure it is still what it
 * was. */
static int take(struct tas *t, _Atomic int *place, int fd, bool own)
{
	int high = dup_high(t, fd), error;

	if (high == -EMFILE)
		high = fd;
	if (high < 0)
		return high;
	if (lib_lock_enter(&t->os, &t->fd_lock)) {
		error = register_locked(t, place, high, own);
		lib_lock_leave(&t->os, &t->fd_lock);
	} else {
		error = -EBUSY;
	}
	if (high != fd)
		lib_close(&t->os, error == 0 ? fd : high);
	return error;
}

int lib_fd_take(struct tas *t, _Atomic int *place, int fd)
{
	int error = take(t, place, fd, true);

	if (error != 0) {
		lib_close(&t->os, fd);
		atomic_store_explicit(place, -1, memory_order_relaxed);
	}
	return error;
}

int tas_fd_hide(struct tas *t, _Atomic int *fd) { return take(t, fd, atomic_load(fd), false); }

void lib_fd_drop(struct tas *t, _Atomic int *place)
{
	uint32_t i;
	bool entered = lib_lock_enter(&t->os, &t->fd_lock);
	int fd = atomic_exchange(place, -1);

	if (fd >= 0) {
		i = entry_of(t, fd + 1);
		if (i < FDS_MAX)
			atomic_store_explicit(&t->fd_number[i], 0, memory_order_relaxed);
	}
	if (entered)
		lib_lock_leave(&t->os, &t->fd_lock);
	if (fd >= 0)
		lib_close(&t->os, fd);
}

void tas_fd_close(struct tas *t, _Atomic int *fd) { lib_fd_drop(t, fd); }

bool tas_fd_is_internal(const struct tas *t, int fd)
{
	int low = atomic_load_explicit(&t->fd_low, memory_order_relaxed);

	if (likely(fd < low || low == 0))
		return false;
	return entry_of(t, fd + 1) < atomic_load_explicit(&t->nr_fds, memory_order_relaxed);
}

int tas_fd_next(const struct tas *t, int fd)
{
	uint32_t n = atomic_load_explicit(&t->nr_fds, memory_order_acquire);
	int best = -1;

	for (uint32_t i = 0; i < n; i++) {
		int number = atomic_load_explicit(&t->fd_number[i], memory_order_relaxed) - 1;

		if (number >= fd && (best < 0 || number < best))
			best = number;
	}
	return best;
}

static void entry_set(struct tas *t, uint32_t i, int fd)
{
	note_low(t, fd);
	atomic_store_explicit(&t->fd_number[i], fd + 1, memory_order_relaxed);
	atomic_store_explicit(t->fd_place[i], fd, memory_order_release);
}

static int replace_locked(struct tas *t, int fd, int from, int flags)
{
	uint32_t i = entry_of(t, fd + 1);
	int high, result;

	if (i == atomic_load_explicit(&t->nr_fds, memory_order_relaxed))
		return -EBADF;
	high = dup_high(t, fd);
	if (high < 0)
		return high;
	entry_set(t, i, high); /* first: nobody of ours writes to what the program puts there */
	result = (int)LIB_SYS(&t->os, SYS_dup3, from, fd, flags);
	if (result < 0) {
		entry_set(t, i, fd);
		lib_close(&t->os, high);
	}
	return result;
}

int tas_fd_replace(struct tas *t, int fd, int from, int flags)
{
	int result;

	if (!lib_lock_enter(&t->os, &t->fd_lock))
		return -EBUSY;
	result = replace_locked(t, fd, from, flags);
	lib_lock_leave(&t->os, &t->fd_lock);
	return result;
}

void lib_fd_after_fork(struct tas *t, int keep, _Atomic int *place)
{
	uint32_t n = atomic_load_explicit(&t->nr_fds, memory_order_relaxed);

	for (uint32_t i = 0; i < n; i++) {
		int number = atomic_load_explicit(&t->fd_number[i], memory_order_relaxed);

		if (number == 0 || !t->fd_own[i])
			continue;
		if (number - 1 == keep) {
			t->fd_place[i] = place;
			continue;
		}
		lib_close(&t->os, number - 1);
		atomic_store_explicit(&t->fd_number[i], 0, memory_order_relaxed);
	}
}
