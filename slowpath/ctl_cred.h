/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_cred.h - what a process that attaches may do, as the kernel's TCP would see it.
 * Guarantee: nothing here waits for the process, and none that ended is taken for another that got its
 * number. Any thread. */
#ifndef TAS_SLOWPATH_CTL_CRED_H
#define TAS_SLOWPATH_CTL_CRED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Ports below this one want CAP_NET_BIND_SERVICE: net.ipv4.ip_unprivileged_port_start. */
uint32_t ctl_cred_low_ports(void);

/* Has the process that capability, here and not in a user namespace of its own? `pidfd` is its. */
bool ctl_cred_may_bind_low(pid_t pid, int pidfd);

#endif
