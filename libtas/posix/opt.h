/* SPDX-License-Identifier: BSD-3-Clause */
/* opt.h - socket options of files the library knows.
 *
 * Guarantee: an option is never accepted and forgotten. Each has one row in opt_rows, which docs/sockets.md
 * repeats:
 *   OPT_DONE    has its effect on accelerated sockets
 *   OPT_READ    can only be read
 *   OPT_KERNEL  has its effect in the kernel alone: a socket on which it was set stays there, an accelerated
 *               one refuses it with the row's errno; unless it stays as it is. What stands in no row is
 * treated               so, too (ENOPROTOOPT)
 * The kernel checks values: they are first set on the socket's own kernel socket, or, where that is a
 * placeholder, on a fresh one, and read back from there. Options that were never set are read from the kernel
 * socket, which has Linux's defaults.
 *
 * A block of options is shared by a listener and what it accepted until one of them changes it; blocks are
 * immutable once shared. Setters on one file are serialised by opt.c; readers may be any thread. */
#ifndef TAS_POSIX_OPT_H
#define TAS_POSIX_OPT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "include/base/time.h"

struct ctl_options;
struct file;
struct opts;

enum opt_support { OPT_DONE, OPT_READ, OPT_KERNEL };

/* Options whose value the library keeps. */
enum opt_slot {
	OPT_SLOT_NONE,
	OPT_REUSEADDR,
	OPT_REUSEPORT,
	OPT_KEEPALIVE,
	OPT_LINGER,
	OPT_SNDBUF,
	OPT_RCVBUF,
	OPT_RCVTIMEO,
	OPT_SNDTIMEO,
	OPT_RCVLOWAT,
	OPT_BROADCAST,
	OPT_OOBINLINE,
	OPT_PRIORITY,
	OPT_BUSY_POLL,
	OPT_PACING,
	OPT_NODELAY,
	OPT_CORK,
	OPT_MAXSEG,
	OPT_KEEPIDLE,
	OPT_KEEPINTVL,
	OPT_KEEPCNT,
	OPT_SYNCNT,
	OPT_LINGER2,
	OPT_DEFER_ACCEPT,
	OPT_WINDOW_CLAMP,
	OPT_QUICKACK,
	OPT_CONGESTION,
	OPT_THIN_LINEAR,
	OPT_THIN_DUPACK,
	OPT_USER_TIMEOUT,
	OPT_NOTSENT_LOWAT,
	OPT_TOS,
	OPT_TTL,
	OPT_FREEBIND,
	OPT_MTU_DISCOVER,
	OPT_RECVERR,
	OPT_NO_PORT,
	OPT_V6ONLY,
	OPT_TCLASS,
	OPT_HOPS,
	OPT_RECVERR6,
	OPT_SLOTS,
};

enum { OPT_BYTES = 16 }; /* of the longest value */

struct opt_row {
	int level, name;
	const char *text; /* "SO_KEEPALIVE" */
	enum opt_support support;
	enum opt_slot slot;
	bool is_bool; /* any int other than 0 means 1: needs no kernel to check */
	int refusal;  /* OPT_KERNEL, OPT_READ: errno on an accelerated socket */
	bool blind;   /* OPT_KERNEL: the kernel's socket does not know it of a connection */
};

extern const struct opt_row opt_rows[];
extern const unsigned opt_rows_count;

/* NULL: no such row. */
const struct opt_row *opt_find(int level, int name);

/* setsockopt and getsockopt for files of the kinds PLAIN, FLOW and LISTENER: 0, or -1 and errno. */
int opt_set(int fd, struct file *f, int level, int name, const void *value, socklen_t size);
int opt_get(int fd, struct file *f, int level, int name, void *value, socklen_t *size);

/* TCP_INFO of a flow or listener (opt_info.c). */
int opt_get_info(int fd, struct file *f, void *value, socklen_t *size);

/* The value of an option that was set, as an int; `otherwise` if it was not. */
int opt_int(struct file *f, enum opt_slot slot, int otherwise);
/* Does the kernel's socket `fd`, of AF_INET6, refuse IPv4? By IPV6_V6ONLY or net.ipv6.bindv6only. */
bool opt_v6only(int fd);
/* SO_RCVTIMEO or SO_SNDTIMEO as a duration; TAS_NS_NEVER if none. */
tas_ns opt_timeout(struct file *f, enum opt_slot slot);
/* Seconds of SO_LINGER, or -1 if it is off. */
int opt_linger_s(struct file *f);
/* What tasd is to know of f's options, when it begins to connect or to listen. */
void opt_fill(struct file *f, struct ctl_options *o);

/* An accepted connection begins with its listener's options. */
void opt_inherit(struct file *from, struct file *to);
void opt_drop(struct file *f);

#endif
