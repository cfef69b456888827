/* SPDX-License-Identifier: BSD-3-Clause */
/* log.h - one line to the operator.
 * Guarantee: a line is written whole by one write, never waits for a reader that stopped reading, and leaves
 * errno alone. Any thread may call tas_log(); before the log is opened, lines go to standard error. Not for
 * the per-packet path: what a packet can provoke goes through a `struct log_limit`, which belongs to one
 * thread and takes the time as an argument. */
#ifndef TAS_BASE_LOG_H
#define TAS_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/compiler.h"
#include "include/base/time.h"

enum tas_log_level { TAS_LOG_ERROR, TAS_LOG_WARNING, TAS_LOG_INFO, TAS_LOG_DEBUG };

/* Text as for printf (%m included), without a newline at its end. */
void tas_log(enum tas_log_level level, const char *fmt, ...) TAS_PRINTF(2, 3);

enum { LOG_LIMIT_LINES = 5 };
#define LOG_LIMIT_WINDOW (10 * NS_PER_SEC)

/* At most LOG_LIMIT_LINES lines in a window; all zeros is a good beginning. */
struct log_limit {
	tas_ns window_end;
	uint32_t passed;
	uint32_t withheld;
};

/* True if a line may be written now; *withheld is then how many were not since the last one that was. */
static inline bool log_limit_pass(struct log_limit *l, tas_ns now, uint32_t *withheld)
{
	if (now >= l->window_end) {
		l->window_end = now + LOG_LIMIT_WINDOW;
		l->passed = 0;
	}
	if (l->passed >= LOG_LIMIT_LINES) {
		l->withheld++;
		return false;
	}
	l->passed++;
	*withheld = l->withheld;
	l->withheld = 0;
	return true;
}

/* tas_log() under a limit; the first line after a pause says how many were withheld. */
void tas_log_limited(struct log_limit *l, tas_ns now, enum tas_log_level level, const char *fmt, ...)
	TAS_PRINTF(4, 5);

#endif
