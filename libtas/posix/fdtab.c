/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/fdtab.h"

_Atomic(struct file *) fd_table[FD_MAX];
_Atomic uint32_t fd_end;

struct file *fd_get(int fd)
{
	for (;;) {
		struct file *f = fd_look(fd);

		if (f == NULL)
			return NULL;
		if (!file_get(f))
			continue; /* it is closing: the entry has changed or is about to */
		if (likely(fd_look(fd) == f))
			return f;
		file_put(f);
	}
}

static void raise_end(uint32_t end)
{
	uint32_t old = atomic_load_explicit(&fd_end, memory_order_relaxed);

	while (old < end && !atomic_compare_exchange_weak(&fd_end, &old, end))
		;
}

bool fd_put_in(int fd, struct file *f)
{
	struct file *old;

	if ((unsigned)fd >= FD_MAX) {
		file_put(f);
		return false;
	}
	raise_end((uint32_t)fd + 1);
	file_keep(f);
	old = atomic_exchange_explicit(&fd_table[fd], f, memory_order_acq_rel);
	if (old != NULL)
		file_unkeep(old);
	return true;
}

void fd_drop(int fd)
{
	struct file *old;

	if (fd_look(fd) == NULL)
		return;
	old = atomic_exchange_explicit(&fd_table[fd], NULL, memory_order_acq_rel);
	if (old != NULL)
		file_unkeep(old);
}

void fd_drop_range(uint32_t first, uint32_t last)
{
	uint32_t end = atomic_load(&fd_end);

	for (uint32_t fd = first; fd < end && fd <= last; fd++)
		fd_drop((int)fd);
}

int fd_of(const struct file *f, int hint)
{
	uint32_t end = atomic_load(&fd_end);

	if (fd_look(hint) == f)
		return hint;
	for (uint32_t fd = 0; fd < end; fd++) {
		if (fd_look((int)fd) == f)
			return (int)fd;
	}
	return -1;
}
