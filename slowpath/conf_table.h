/* SPDX-License-Identifier: BSD-3-Clause */
/* conf_table.h - what each key of tasd.conf is: the one table that reading, defaults, messages and
 * documentation share. Only for conf*.c. Constant data and functions of their arguments: any thread. */
#ifndef TAS_SLOWPATH_CONF_TABLE_H
#define TAS_SLOWPATH_CONF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slowpath/conf.h"

enum conf_type {
	CONF_INT,    /* int32_t or uint32_t */
	CONF_SIZE,   /* uint32_t or uint64_t; bytes, K, M, G */
	CONF_OCTAL,  /* uint32_t */
	CONF_CHOICE, /* one of `words`: bool, or an enum in their order */
	CONF_WORD,   /* one of `words`: char[] */
	CONF_NAME,   /* char[] */
	CONF_PATH,   /* char[] */
	CONF_LOG,    /* char[] */
	CONF_DEVICE, /* char[] */
	CONF_CIDR,   /* struct conf_ip, which takes several */
	CONF_CIDR6,  /* the same in IPv6 */
	CONF_ADDR,   /* struct conf_ip */
	CONF_ADDR6,  /* struct conf_ip */
	CONF_CPUS,   /* cpu_set_t */
	CONF_PORTS,  /* struct conf_ports */
	CONF_ROUTE,  /* struct conf_tcp, which takes several */
};

enum conf_flags {
	CONF_REQUIRED = 1 << 0,
	CONF_REPEATS = 1 << 1,
	CONF_POW2 = 1 << 2,
	CONF_OR_ZERO = 1 << 3, /* 0 is allowed beside the range */
	CONF_OR_EMPTY = 1 << 4,
};

struct conf_key {
	const char *section, *name;
	size_t offset, size; /* of the field in struct tas_conf */
	enum conf_type type;
	unsigned flags;
	int64_t min, max;
	const char *unit;     /* empty for what is not counted */
	const char *standard; /* the default, as it would stand in the file */
	const char *words;    /* the choices, "off on auto", or for free text what it must be */
	const char *help;
};

enum { CONF_KEYS_MAX = 64 };

extern const struct conf_key conf_keys[];
extern const unsigned conf_keys_count;

/* NULL if there is none. */
const struct conf_key *conf_key_find(const char *section, const char *name);

/* What may stand behind the key ("1..64", "auto, on, off"), always ended. */
void conf_allowed(const struct conf_key *k, char *out, size_t size);

/* A size as it would stand in the file: 128K, 1500. */
void conf_size_format(uint64_t bytes, char *out, size_t size);

/* Reads `text` into the key's field. False with the reason in `why` ("is not a number"), to be followed by
 * what is allowed; the field is then as it was. */
bool conf_value_set(const struct conf_key *k, const char *text, struct tas_conf *out, char *why,
	size_t why_size);

/* A file being read: what was said of each key so far, and where errors go. */
struct conf_reading {
	const char *path;
	struct tas_conf *conf;
	struct conf_errors *errs;
	unsigned line;                    /* the current one */
	const char *section;              /* of the table; NULL before the first and inside an unknown one */
	bool section_is_unknown;          /* its keys are passed over: the section's own error says enough */
	unsigned key_line[CONF_KEYS_MAX]; /* where the key stands; 0: nowhere */
	bool key_is_bad[CONF_KEYS_MAX];   /* has an error of its own, so that nothing is concluded from it */
};

/* Adds "FILE:LINE: WHERE: message"; line 0 and an empty `where` are left out. */
void conf_complain(struct conf_reading *r, unsigned line, const char *where, const char *fmt, ...)
	TAS_PRINTF(4, 5);

/* Adds what is missing from the file, and where its values contradict each other. */
void conf_check(struct conf_reading *r);

#endif
