/* SPDX-License-Identifier: BSD-3-Clause */
/* pass.h - descriptors on their way to another process, by SCM_RIGHTS.
 *
 * Guarantee: none is passed that would be something else there: a connection through tasd, a listener that is
 * tasd's alone, an epoll set with such in it. One line on standard error says so, once; a strict program is
 * aborted. Any thread. */
#ifndef TAS_POSIX_PASS_H
#define TAS_POSIX_PASS_H

#include <sys/socket.h>

/* May the message go to a socket of the kernel? 0, or -1 and errno. */
int pass_check(const struct msghdr *msg);

#endif
