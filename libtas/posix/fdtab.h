/* SPDX-License-Identifier: BSD-3-Clause */
/* fdtab.h - from a descriptor to the file it refers to.
 *
 * Guarantees: fd_look is one load, without locks; NULL means that the kernel knows what the descriptor is,
 * and only the kernel. Each entry holds one reference of its file. Descriptors from FD_MAX on are the
 * kernel's alone. fd_look gives no reference: see file.h for what that allows. fd_get gives one, and what it
 * returns was the file of the descriptor at some moment during the call. A child of vfork shares this table
 * with its parent and must not change it (fork.h). Any thread, any handler. */
#ifndef TAS_POSIX_FDTAB_H
#define TAS_POSIX_FDTAB_H

#include <stdatomic.h>
#include <stdint.h>

#include "libtas/posix/file.h"

enum { FD_MAX = 1 << 20 };

extern _Atomic(struct file *) fd_table[FD_MAX];
extern _Atomic uint32_t fd_end; /* no entry from here on */

static inline struct file *fd_look(int fd)
{
	if (unlikely((unsigned)fd >= FD_MAX))
		return NULL;
	/* pairs with the release in fd_put_in: the file is complete */
	return atomic_load_explicit(&fd_table[fd], memory_order_acquire);
}

/* With a reference, or NULL. */
struct file *fd_get(int fd);
/* The descriptor refers to f from now on; takes the caller's reference. Whatever stood there is let go.
 * False: the number is FD_MAX or more, and f was let go. */
bool fd_put_in(int fd, struct file *f);
/* Forgets the descriptor; lets the file go. */
void fd_drop(int fd);
/* The same for first to last. */
void fd_drop_range(uint32_t first, uint32_t last);
/* A descriptor of f, `hint` if that is one; -1: none. */
int fd_of(const struct file *f, int hint);

#endif
