/* SPDX-License-Identifier: BSD-3-Clause */
/* opt_int.h - what the files of opt share with each other and with nobody else. */
#ifndef TAS_POSIX_OPT_INT_H
#define TAS_POSIX_OPT_INT_H

#include "libtas/posix/opt.h"

/* Keeps a value, of at most OPT_BYTES; without a byte it is as if it had never been set: 0, or -1 and
 * errno. */
int opt_keep(struct file *f, enum opt_slot slot, const void *value, socklen_t size);
/* The value that was kept, and its size; NULL if none was. */
const void *opt_kept(struct file *f, enum opt_slot slot, socklen_t *size);

/* SO_MAX_PACING_RATE; UINT64_MAX: unlimited. */
uint64_t opt_pacing(struct file *f);

/* Tells tasd the options of a flow or listener as they are now: 0 or -errno. */
int opt_tell(struct file *f);

/* The name of a congestion control, changed from what Linux calls it to what tasd does, and back. */
void opt_name_for_tasd(char name[OPT_BYTES]);
void opt_name_of_tasd(char name[OPT_BYTES]);

/* setsockopt and getsockopt for options of the class OPT_KERNEL, and for those without a row: of a plain
 * socket, of a flow or listener, and of a flow. */
int opt_kernel_set_plain(int fd, struct file *f, int level, int name, const void *value, socklen_t size);
int opt_kernel_set(int fd, struct file *f, int level, int name, const void *value, socklen_t size);
int opt_kernel_get(int fd, struct file *f, int level, int name, void *value, socklen_t *size);

/* A value as getsockopt gives it, cut to *size. */
int opt_give(void *value, socklen_t *size, const void *from, socklen_t from_size);

/* `row` (NULL: the option has none, and `call` names what was tried) is not for accelerated sockets: -1 and
 * the row's errno. */
int opt_refuse(const struct opt_row *row, const char *call, int level, int name);

#endif
