/* SPDX-License-Identifier: BSD-3-Clause */
/* chroot. tasd is found by a path, which afterwards leads elsewhere. So who goes there attaches before. What
 * comes later cannot: to keep tasd's directory open would be a way out of the jail. One line says so. */
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/abi/ctl.h"
#include "libtas/posix/fork.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"

static bool is_out_of_sight(void)
{
	const char *path = getenv(CTL_ENV_SOCKET);

	if (path == NULL || path[0] == 0)
		path = CTL_SOCKET_DIR "/default.sock";
	return real_syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
}

int px_chroot(const char *path)
{
	static _Atomic bool said;
	int result;

	if (fork_in_vfork() || !inst_attach())
		return REAL(chroot)(path);
	result = REAL(chroot)(path);
	if (result == 0 && is_out_of_sight())
		inst_warn_once(&said,
			"tasd's socket cannot be seen after chroot: this process keeps what it has, but "
			"does not find a tasd that was restarted, and its children do not find this one; "
			"then the kernel's sockets are used",
			0);
	return result;
}
