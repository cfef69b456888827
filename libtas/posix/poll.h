/* SPDX-License-Identifier: BSD-3-Clause */
/* poll.h - poll(2) over descriptors of tasd and of the kernel, for poll, ppoll and select.
 *
 * Guarantee: as ppoll(2), with a deadline of inst_clock() (0: do not wait) and the signal mask applied by the
 * kernel's call. A set without accelerated descriptors costs one look at each entry of the table. Any thread.
 *  */
#ifndef TAS_POSIX_POLL_H
#define TAS_POSIX_POLL_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>

#include "include/base/time.h"

/* Is the descriptor one that the kernel's poll does not know all about? */
bool poll_is_ours(int fd);
/* For sets with such a one: how many are ready, or -errno. */
int poll_mixed(struct pollfd *fds, nfds_t n, tas_ns deadline, const sigset_t *mask);

#endif
