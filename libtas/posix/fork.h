/* SPDX-License-Identifier: BSD-3-Clause */
/* fork.h - what happens to the library's state when the process is copied.
 *
 * fork(), daemon(3) and what else glibc makes of fork come here by pthread_atfork handlers; _Fork, clone and
 * syscall() by being replaced. O(epoll sets), not O(sockets): the child's sockets attach to tasd when first
 * used. A child of vfork, or of clone with CLONE_VM and without CLONE_FILES, is a guest: it shares all memory
 * with its parent, but has descriptors of its own. What it does to them must not touch the parent's tables.
 * In a guest fork_in_vfork() is true, and calls that would change a table only do the kernel's part. A
 * thread that made a guest which it did not wait for is asked for its pid before it changes a table. */
#ifndef TAS_POSIX_FORK_H
#define TAS_POSIX_FORK_H

#include <stdbool.h>
#include <sys/types.h>

#include "libtas/posix/px_lock.h"

extern PX_TLS pid_t fork_host; /* whose guests may run on this thread's memory; 0: nobody's */
bool fork_is_guest(void);

static inline bool fork_in_vfork(void) { return unlikely(fork_host != 0) && fork_is_guest(); }

/* Around the call that makes a guest. `end` only if the host waits until the guest is gone. */
void fork_guest_begin(void);
void fork_guest_end(void);

/* Registers the handlers; once. */
void fork_init(void);
void fork_prepare(void);
void fork_parent(void);
void fork_child(void);

#endif
