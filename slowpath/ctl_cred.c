/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/ctl_cred.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/capability.h>

enum { LOW_PORTS = 1024, TEXT_MAX = 4096 };

static bool text_read(const char *path, char text[TEXT_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, TEXT_MAX - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

uint32_t ctl_cred_low_ports(void)
{
	char text[TEXT_MAX];

	if (!text_read("/proc/sys/net/ipv4/ip_unprivileged_port_start", text))
		return LOW_PORTS;
	return (uint32_t)strtoul(text, NULL, 10);
}

static bool has_capability(pid_t pid)
{
	char path[64], text[TEXT_MAX];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	at = text_read(path, text) ? strstr(text, "\nCapEff:") : NULL;
	return at != NULL && (strtoull(at + sizeof("\nCapEff:") - 1, NULL, 16) >> CAP_NET_BIND_SERVICE & 1);
}

/* Whoever makes a user namespace has every capability in it. */
static bool is_of_our_namespace(pid_t pid)
{
	struct stat ours, its;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	if (stat(path, &its) != 0)
		return false;
	return stat("/proc/self/ns/user", &ours) == 0 && ours.st_dev == its.st_dev &&
		ours.st_ino == its.st_ino;
}

/* Still there after the look: so it was not another's. */
static bool lives(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

bool ctl_cred_may_bind_low(pid_t pid, int pidfd)
{
	return pid > 0 && pidfd >= 0 && is_of_our_namespace(pid) && has_capability(pid) && lives(pidfd);
}
