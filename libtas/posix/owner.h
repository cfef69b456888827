/* SPDX-License-Identifier: BSD-3-Clause */
/* owner.h - who gets SIGURG when a peer announces urgent data: F_SETOWN and its kin.
 *
 * Linux sends the signal when the segment arrives. Here the library sends it when it hears of that: in a call
 * that waits, in one that reads the connection, at the latest in the next call of one of the two kinds that
 * any thread of the process makes. A call that the signal finds waiting ends as if it had interrupted it. */
#ifndef TAS_POSIX_OWNER_H
#define TAS_POSIX_OWNER_H

#include <stdbool.h>

struct file;

/* As F_SETOWN_EX: F_OWNER_TID, F_OWNER_PID or F_OWNER_PGRP; nobody with pid 0. 0 or -errno. */
int owner_set(struct file *f, int type, int pid);
/* As F_SETOWN: a group has a negative number. */
int owner_set_number(struct file *f, int number);
void owner_get(const struct file *f, int *type, int *pid);
int owner_number(const struct file *f);

/* Sends it; without locks, for a handler may run here. */
void owner_signal(struct file *f);
/* Did that run a handler in this thread, since this was asked last? For who is about to sleep, and slept:
 * what ran before interrupted nothing. */
bool owner_interrupted(void);

#endif
