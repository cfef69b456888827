/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/pass.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "libtas/posix/epset.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"

/* Would whoever gets it get something else? Of a listener in the kernel, too, that part is what it gets. */
static bool is_not_passable(int fd)
{
	struct file *f = fd_get(fd);
	struct epset *set;
	bool is_not = false;

	if (f == NULL)
		return false;
	switch (file_kind(f)) {
	case FILE_FLOW: is_not = true; break;
	case FILE_LISTENER: is_not = !file_has(f, FILE_KERNEL_SIDE); break;
	case FILE_EPOLL:
		set = atomic_load(&f->set);
		is_not = set != NULL && atomic_load(&set->active) != 0;
		break;
	default: break;
	}
	file_put(f);
	return is_not;
}

static int refuse_to_pass(int fd)
{
	static _Atomic bool warned;

	inst_warn_once(&warned, "an accelerated socket cannot be passed by SCM_RIGHTS: sendmsg fails",
		EOPNOTSUPP);
	inst_unsupported("SCM_RIGHTS", fd);
	errno = EOPNOTSUPP;
	return -1;
}

int pass_check(const struct msghdr *msg)
{
	const char *end = (const char *)msg->msg_control + msg->msg_controllen;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		const char *at = (const char *)CMSG_DATA(c);
		size_t bytes = c->cmsg_len > CMSG_LEN(0) ? c->cmsg_len - CMSG_LEN(0) : 0;
		int fd;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || bytes > (size_t)(end - at))
			continue; /* what is too long the kernel refuses */
		for (; bytes >= sizeof(fd); at += sizeof(fd), bytes -= sizeof(fd)) {
			memcpy(&fd, at, sizeof(fd));
			if (is_not_passable(fd))
				return refuse_to_pass(fd);
		}
	}
	return 0;
}
