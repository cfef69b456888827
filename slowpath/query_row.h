/* SPDX-License-Identifier: BSD-3-Clause */
/* query_row.h - inside query*.c: the rows of each question, and the pieces they are made of. A row that would
 * not fit is cut; QUERY_ROW_MAX is far above the longest. */
#ifndef TAS_SLOWPATH_QUERY_ROW_H
#define TAS_SLOWPATH_QUERY_ROW_H

#include <stdarg.h>

#include "slowpath/query.h"

enum { QUERY_ENDPOINT_MAX = ADDR_STRLEN + 8 };

void row_put(struct query_row *row, const char *fmt, ...) TAS_PRINTF(2, 3);
/* Members of the JSON object that the row is in. */
void row_string(struct query_row *row, const char *name, const char *value);
void row_number(struct query_row *row, const char *name, uint64_t value);
void row_begin(const struct query *q, struct query_row *row);
void row_end(struct query *q, struct query_row *row);
/* "192.0.2.1:80", "[2001:db8::1]:80" */
const char *query_endpoint(struct net_addr a, uint16_t port, char *buf, size_t size);

#define QUERY_FLOWS_HEAD                                                                 \
	"State       Recv-Q  Send-Q  Local Address:Port       Peer Address:Port        " \
	"Process\n"
#define QUERY_LISTENERS_HEAD                                                         \
	"Local Address:Port       Backlog  Handshakes  Waiting  Handed  Processes  " \
	"Accepted     Overflows\n"
#define QUERY_APPS_HEAD                                                             \
	"App   Pid      User   State     Contexts  Flows   Listeners  Memory KiB  " \
	"Faults  Program\n"
#define QUERY_CORES_HEAD                                                                   \
	"Core  Buckets State   Busy s      Passes        Sleeps      Apps  Rx packets    " \
	"Tx packets    Rx bytes        Tx bytes\n"

bool query_status(struct query *q, const struct query_source *s, tas_ns now, struct query_row *row);
bool query_flows(struct query *q, const struct query_source *s, tas_ns now, struct query_row *row);
bool query_listeners(struct query *q, const struct query_source *s, tas_ns now, struct query_row *row);
bool query_apps(struct query *q, const struct query_source *s, tas_ns now, struct query_row *row);
bool query_cores(struct query *q, const struct query_source *s, tas_ns now, struct query_row *row);
bool query_stats(struct query *q, const struct query_source *s, tas_ns now, struct query_row *row);

#endif
