/* SPDX-License-Identifier: BSD-3-Clause */
/* log.h - where tas_log()'s lines go: standard error, syslog or a file.
 * Guarantee: a sink that takes no more (a pipe nobody reads) loses lines, which are counted, and never holds
 * up the caller; what stands in a message cannot forge another line: control characters are replaced.
 * The log is the process's, not an instance's: there is one. tas_log() may be called by any thread at any
 * time; the functions here belong to the main thread. */
#ifndef TAS_SLOWPATH_LOG_H
#define TAS_SLOWPATH_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "include/base/log.h"

/* sink: "stderr", "syslog" or a file, which is appended to. False, and a line that says why, if it cannot be
 * opened: the log then stays as it was. `instance` names the lines: "tasd" for "default", else
 * "tasd-INSTANCE". */
bool log_open(const char *sink, enum tas_log_level level, const char *instance);

/* Opens the file again by its name, for a log that was rotated away. True for other sinks. */
bool log_reopen(void);

/* Back to standard error, as before log_open(). */
void log_close(void);

/* While on, errors and warnings also go to standard error, where somebody who starts tasd sees them. */
void log_echo(bool on);

/* A stream for libraries that print (rte_openlog_stream): its lines are logged at the level that level_now()
 * names for the thread that prints. The caller closes it; NULL without memory. */
typedef enum tas_log_level log_level_now(void);
FILE *log_stream(log_level_now *level_now);

/* Lines lost since the start because the sink would have made us wait, or failed. */
uint64_t log_lost(void);

#endif
