/* SPDX-License-Identifier: BSD-3-Clause */
/* fork.h - what happens to the library's state when the process is copied.
 *
 * fork(), daemon(3) and what else glibc makes of fork come here by pthread_atfork handlers; _Fork, clone and
 * syscall() by being replaced. O(epoll sets), not O(sockets): the child's sockets attach to tasd when first
 * used. A child of vfork shares all memory with its parent, which sleeps: what it does to descriptors must
 * not touch the parent's tables. From vfork until the parent goes on fork_in_vfork() is true, and calls that
 * would change a table only do the kernel's part. */
#ifndef TAS_POSIX_FORK_H
#define TAS_POSIX_FORK_H

#include <stdbool.h>

#include "libtas/posix/px_lock.h"

extern PX_TLS bool fork_vforked; /* written by vfork.c of preload/ */

static inline bool fork_in_vfork(void) { return unlikely(fork_vforked); }

/* Registers the handlers; once. */
void fork_init(void);
void fork_prepare(void);
void fork_parent(void);
void fork_child(void);

#endif
