/* SPDX-License-Identifier: BSD-3-Clause */
/* daemon.h - tasd as a well-behaved process: background, one of a name, signals, ready, end.
 * Guarantees: the process that was started in the background ends with 0 only after daemon_ready(), else with
 * 1 after a message on its standard error, and never outlives the operator's Ctrl-C as a half-started daemon.
 * At most one tasd of an instance name runs per run_dir. The lock is the kernel's (flock on the pid file), so
 * that nothing a crash leaves behind stops the next start.
 * Every function that can fail has then said why, naming the remedy, with tas_log(). Main thread only. */
#ifndef TAS_SLOWPATH_DAEMON_H
#define TAS_SLOWPATH_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

#include "slowpath/conf.h"

struct pidfh;

struct tas_daemon {
	struct pidfh *pid_file;
	int ready_fd;  /* to the waiting parent; -1 in the foreground and once ready */
	int signal_fd; /* readable when daemon_signal() has something; for the loop */
	bool foreground;
	bool has_terminal; /* in the foreground of a terminal, whose hang-up then ends us */
};

enum daemon_signal { DAEMON_NONE, DAEMON_STOP, DAEMON_REOPEN_LOG };

/* Goes to the background, takes the instance's name, opens the log, takes over signals; 0 or -1. Comes before
 * EAL and before the first thread. The parent never returns from it. Until daemon_ready(), errors and
 * warnings reach the standard error of whoever started tasd, whatever the log. */
int daemon_start(struct tas_daemon *d, const struct tas_conf *conf, bool foreground);

/* tasd serves: lets the parent go and tells a service manager that asked by NOTIFY_SOCKET. */
void daemon_ready(struct tas_daemon *d);

/* The next signal that came in, without waiting. */
enum daemon_signal daemon_signal(struct tas_daemon *d);

/* Gives back the name and the log. Also right after a daemon_start() that failed, and for all zeros. */
void daemon_end(struct tas_daemon *d);

/* The control socket's group: *gid, or (gid_t)-1 for no change where none is configured. 0 or -1. */
int daemon_socket_group(const struct tas_conf *conf, gid_t *gid);

#endif
