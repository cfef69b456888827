/* SPDX-License-Identifier: BSD-3-Clause */
/* opt_get.c - getsockopt: of a connection through tasd what was set and what tasd knows, of all else what
 * the kernel's socket says. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "include/abi/ctl.h"
#include "include/base/compiler.h"
#include "libtas/posix/file.h"
#include "libtas/posix/opt_int.h"
#include "libtas/posix/real.h"

int opt_give(void *value, socklen_t *size, const void *from, socklen_t from_size)
{
	if ((int)*size < 0) {
		errno = EINVAL;
		return -1;
	}
	if (*size > from_size)
		*size = from_size;
	memcpy(value, from, *size);
	return 0;
}

static int give_int(void *value, socklen_t *size, int v) { return opt_give(value, size, &v, sizeof(v)); }

/* A buffer's size as Linux counts it: twice the payload. */
static int give_buffer(struct file *f, bool receive, void *value, socklen_t *size)
{
	struct tas_sock *s = file_sock(f);
	uint32_t bytes = receive ? tas_sock_rx_size(s) : tas_sock_tx_size(s);

	return give_int(value, size, (int)(2 * bytes));
}

static int get_flow_special(struct file *f, int level, int name, void *value, socklen_t *size)
{
	struct ctl_info info = { 0 };

	if (level == SOL_SOCKET && name == SO_ERROR)
		return give_int(value, size, tas_error(file_sock(f)));
	if (level == SOL_SOCKET && name == SO_ACCEPTCONN)
		return give_int(value, size, 0);
	if (level != IPPROTO_TCP)
		return 1;
	if (name == TCP_QUICKACK && tas_info(file_sock(f), &info) == 0)
		return give_int(value, size, info.late_acks == 0);
	if (name == TCP_MAXSEG && tas_info(file_sock(f), &info) == 0)
		return give_int(value, size, (int)info.snd_mss);
	if (name == TCP_CONGESTION && tas_info(file_sock(f), &info) == 0) {
		opt_name_of_tasd(info.congestion);
		return opt_give(value, size, info.congestion, sizeof(info.congestion));
	}
	return 1;
}

static bool is_info(int level, int name) { return level == IPPROTO_TCP && name == TCP_INFO; }

static int get_flow(int fd, struct file *f, const struct opt_row *row, void *value, socklen_t *size)
{
	int result = get_flow_special(f, row->level, row->name, value, size);
	const void *bytes;
	socklen_t have = 0;

	if (result <= 0)
		return result;
	bytes = row->slot != OPT_SLOT_NONE ? opt_kept(f, row->slot, &have) : NULL;
	if (row->slot == OPT_PACING && *size < sizeof(uint64_t)) /* as Linux has it for 32 bits */
		return give_int(value, size, (int)(uint32_t)min_u64(opt_pacing(f), UINT32_MAX));
	if (bytes != NULL)
		return opt_give(value, size, bytes, have);
	if (row->slot == OPT_RCVBUF || row->slot == OPT_SNDBUF)
		return give_buffer(f, row->slot == OPT_RCVBUF, value, size);
	return REAL(getsockopt)(fd, row->level, row->name, value, size);
}

/* It may be one that the kernel does not have. */
static int get_congestion(int fd, struct file *f, void *value, socklen_t *size)
{
	socklen_t have;
	const char *name = opt_kept(f, OPT_CONGESTION, &have);

	if (name == NULL || value == NULL || size == NULL)
		return REAL(getsockopt)(fd, IPPROTO_TCP, TCP_CONGESTION, value, size);
	return opt_give(value, size, name, OPT_BYTES);
}

int opt_get(int fd, struct file *f, int level, int name, void *value, socklen_t *size)
{
	const struct opt_row *row = opt_find(level, name);

	if (file_kind(f) == FILE_LISTENER && level == SOL_SOCKET && name == SO_ACCEPTCONN && value != NULL)
		return give_int(value, size, 1);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION && file_kind(f) != FILE_FLOW)
		return get_congestion(fd, f, value, size);
	if (file_kind(f) != FILE_PLAIN && is_info(level, name) && value != NULL && size != NULL)
		return opt_get_info(fd, f, value, size);
	if (file_kind(f) != FILE_FLOW)
		return REAL(getsockopt)(fd, level, name, value, size);
	if (value == NULL || size == NULL) {
		errno = EFAULT;
		return -1;
	}
	if (row == NULL || row->support == OPT_KERNEL)
		return opt_kernel_get(fd, f, level, name, value, size);
	return get_flow(fd, f, row, value, size);
}
