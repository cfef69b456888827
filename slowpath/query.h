/* SPDX-License-Identifier: BSD-3-Clause */
/* query.h - what tasctl shows: status, flows, listeners, apps, cores, stats; as text or as JSON.
 * Guarantee: an answer is made in steps that are small whatever the size of the whole, and takes no lock, so
 * that it disturbs nobody; each row is as of the step that made it. JSON is one value: an object (status,
 * stats: flat) or an array of objects. Names of JSON members and counters are stable.
 * Owner: the slow path, one thread; reads what others write, changes nothing. */
#ifndef TAS_SLOWPATH_QUERY_H
#define TAS_SLOWPATH_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fastpath/fastpath.h"
#include "slowpath/app.h"
#include "slowpath/conf.h"
#include "slowpath/listen.h"

enum {
	QUERY_ROW_MAX = 2048,   /* bytes of one step */
	QUERY_SCAN_BURST = 512, /* unused slots passed over in one step */
};

struct query_source {
	const struct fastpath *fp;
	const struct apps *apps;
	const struct tas_conf *conf;
	const struct listeners *listeners; /* may be NULL */
	tas_ns started;
};

struct query {
	const struct query_kind *kind;
	bool json;
	bool begun, ended;
	uint32_t rows;  /* made so far */
	uint32_t at;    /* slot to look at next */
	uint64_t after; /* listeners: the last id shown */
};

struct query_row {
	size_t len; /* may be 0 */
	char text[QUERY_ROW_MAX];
};

/* "flows", "stats json", ...; or a sentence in why. */
bool query_parse(struct query *q, const char *words, char *why, size_t why_size);

/* The next bytes of the answer; false when it is complete. */
bool query_step(struct query *q, const struct query_source *s, tas_ns now, struct query_row *row);

#endif
