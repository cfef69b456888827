/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/libutil.h>

#include "slowpath/conf_table.h"

enum {
	FILE_BYTES_MAX = 1 << 20, /* so that a wrong name (a device, a disk image) ends in a message */
	ERROR_CHARS_MAX = 512,
	VALUE_CHARS_SHOWN = 64,
};

static void errors_add(struct conf_errors *errs, const char *text)
{
	char *copy = errs->count < CONF_ERRORS_MAX ? strdup(text) : NULL;

	if (copy != NULL)
		for (char *c = copy; *c != '\0'; c++)
			if (iscntrl((unsigned char)*c))
				*c = '?'; /* the file is somebody's, the terminal is ours */
	if (errs->count < CONF_ERRORS_MAX)
		errs->text[errs->count] = copy;
	errs->count++;
}

void conf_errors_print(const struct conf_errors *errs, FILE *to)
{
	for (unsigned i = 0; i < errs->count && i < CONF_ERRORS_MAX; i++)
		fprintf(to, "%s\n", errs->text[i] != NULL ? errs->text[i] : "out of memory");
	if (errs->count > CONF_ERRORS_MAX)
		fprintf(to, "and %u more errors\n", errs->count - CONF_ERRORS_MAX);
}

void conf_errors_free(struct conf_errors *errs)
{
	for (unsigned i = 0; i < errs->count && i < CONF_ERRORS_MAX; i++)
		free(errs->text[i]);
	*errs = (struct conf_errors){ 0 };
}

void conf_complain(struct conf_reading *r, unsigned line, const char *where, const char *fmt, ...)
{
	char text[ERROR_CHARS_MAX], at[16] = "";
	va_list args;
	int n;

	if (line > 0)
		snprintf(at, sizeof(at), "%u:", line);
	n = snprintf(text, sizeof(text), "%s:%s %s%s", r->path, at, where, where[0] != '\0' ? ": " : "");
	va_start(args, fmt);
	if (n < (int)sizeof(text))
		vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, args);
	va_end(args);
	errors_add(r->errs, text);
}

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	for (end = s + strlen(s); end > s && isspace((unsigned char)end[-1]); end--)
		;
	*end = '\0';
	return s;
}

/* The names that may stand here: the sections, or the keys of one. */
static void names_join(const char *section, char *out, size_t size)
{
	const char *last = "";
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < conf_keys_count && n < size; i++) {
		const char *name = section == NULL ? conf_keys[i].section : conf_keys[i].name;

		if ((section != NULL && strcmp(section, conf_keys[i].section) != 0) ||
			strcmp(name, last) == 0)
			continue;
		n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? ", " : "", name);
		last = name;
	}
}

static const char *section_find(const char *name)
{
	for (unsigned i = 0; i < conf_keys_count; i++)
		if (strcmp(conf_keys[i].section, name) == 0)
			return conf_keys[i].section;
	return NULL;
}

static void read_section(struct conf_reading *r, char *line)
{
	size_t len = strlen(line);
	char names[128];

	r->section = NULL;
	r->section_is_unknown = true;
	if (line[len - 1] != ']') {
		conf_complain(r, r->line, "", "\"%.*s\" has no \"]\"; a section is written [NAME]",
			VALUE_CHARS_SHOWN, line);
		return;
	}
	line[len - 1] = '\0';
	r->section = section_find(trim(line + 1));
	r->section_is_unknown = r->section == NULL;
	names_join(NULL, names, sizeof(names));
	if (r->section_is_unknown)
		conf_complain(r, r->line, "", "[%.*s] is not a section; allowed: %s", VALUE_CHARS_SHOWN,
			trim(line + 1), names);
}

static void complain_of_unknown_key(struct conf_reading *r, const char *name)
{
	char names[ERROR_CHARS_MAX / 2];

	for (unsigned i = 0; i < conf_keys_count; i++) {
		if (strcmp(conf_keys[i].name, name) == 0) {
			conf_complain(r, r->line, "", "\"%s\" is not a key of [%s]; it belongs into [%s]",
				name, r->section, conf_keys[i].section);
			return;
		}
	}
	names_join(r->section, names, sizeof(names));
	conf_complain(r, r->line, "", "\"%.*s\" is not a key of [%s]; allowed: %s", VALUE_CHARS_SHOWN, name,
		r->section, names);
}

/* False if the key stands in the file for the second time and must not. */
static bool key_is_first(struct conf_reading *r, const struct conf_key *k, const char *where)
{
	unsigned *line = &r->key_line[k - conf_keys];

	if (*line != 0 && !(k->flags & CONF_REPEATS)) {
		conf_complain(r, r->line, where, "given again (first in line %u)%s", *line,
			k->type == CONF_DEVICE ? "; one port is supported" : "; keep one of them");
		return false;
	}
	if (*line == 0)
		*line = r->line;
	return true;
}

static void read_value(struct conf_reading *r, const struct conf_key *k, const char *value)
{
	char where[64], why[128], allowed[128];

	snprintf(where, sizeof(where), "%s.%s", k->section, k->name);
	if (!key_is_first(r, k, where) || conf_value_set(k, value, r->conf, why, sizeof(why)))
		return;
	r->key_is_bad[k - conf_keys] = true;
	conf_allowed(k, allowed, sizeof(allowed));
	if (value[0] == '\0')
		conf_complain(r, r->line, where, "the value %s; allowed: %s", why, allowed);
	else
		conf_complain(r, r->line, where, "\"%.*s\" %s; allowed: %s", VALUE_CHARS_SHOWN, value, why,
			allowed);
}

static void read_key(struct conf_reading *r, char *line)
{
	char *equals = strchr(line, '='), *name;
	const struct conf_key *k;

	if (equals == NULL) {
		conf_complain(r, r->line, "",
			"\"%.*s\" has no \"=\"; write KEY = VALUE, [SECTION] or # COMMENT", VALUE_CHARS_SHOWN,
			line);
		return;
	}
	*equals = '\0';
	name = trim(line);
	if (r->section_is_unknown)
		return;
	if (r->section == NULL) {
		conf_complain(r, r->line, "", "\"%.*s\" stands before the first section; begin with [tasd]",
			VALUE_CHARS_SHOWN, name);
		return;
	}
	k = conf_key_find(r->section, name);
	if (k == NULL)
		complain_of_unknown_key(r, name);
	else
		read_value(r, k, trim(equals + 1));
}

/* "\#" is a "#" that begins no comment. */
static void unescape(char *line)
{
	char *to = line;

	for (; *line != '\0'; line++)
		if (line[0] != '\\' || line[1] != '#')
			*to++ = *line;
	*to = '\0';
}

static void read_line(struct conf_reading *r, char *line, size_t len)
{
	if (strlen(line) != len) {
		conf_complain(r, r->line, "", "there is a zero byte in this line; the file must be text");
		return;
	}
	unescape(line);
	line = trim(line);
	if (line[0] == '[')
		read_section(r, line);
	else if (line[0] != '\0')
		read_key(r, line);
}

/* One line of the file without its comment and the end mark of Windows, in a buffer to be freed. The flags
 * are 0, for with any other fparseln drops a backslash at the end. */
static char *next_piece(FILE *f, size_t *lineno, size_t *len)
{
	static const char delimiters[3] = { '\\', '\0', '#' };
	char *line = fparseln(f, len, lineno, delimiters, 0);

	if (line != NULL && *len > 0 && line[*len - 1] == '\r')
		line[--*len] = '\0';
	return line;
}

/* A line with those it goes on in, in a buffer to be freed; NULL at the end. They are joined here and not by
 * fparseln, which passes over comments uncounted: r->line is where the text begins. */
static char *next_line(struct conf_reading *r, FILE *f, size_t *lineno, size_t *len)
{
	char *line = next_piece(f, lineno, len);

	r->line = (unsigned)*lineno;
	while (line != NULL && *len > 0 && line[*len - 1] == '\\') {
		size_t more_len;
		char *more = next_piece(f, lineno, &more_len), *joined;

		line[--*len] = '\0';
		if (more == NULL)
			break;
		joined = realloc(line, *len + more_len + 1);
		if (joined != NULL) {
			memcpy(joined + *len, more, more_len + 1);
			*len += more_len;
			line = joined;
		}
		free(more);
	}
	return line;
}

static void read_lines(struct conf_reading *r, FILE *f)
{
	size_t lineno = 0, len;
	char *line;

	while ((line = next_line(r, f, &lineno, &len)) != NULL) {
		read_line(r, line, len);
		free(line);
	}
}

/* The file's descriptor, or -1 after a complaint. O_NONBLOCK: a FIFO without a writer must not hold us. */
static int open_to_read(struct conf_reading *r)
{
	int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0) {
		conf_complain(r, 0, "", "cannot be opened: %s; name a readable file with -c",
			strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
		conf_complain(r, 0, "", "is a directory; name a file with -c");
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

/* Reads all of fd, one byte more than allowed at most. -1 after a complaint. */
static ssize_t read_all(struct conf_reading *r, int fd, char *buf)
{
	size_t n = 0;
	ssize_t got;

	while (n <= FILE_BYTES_MAX && (got = read(fd, buf + n, FILE_BYTES_MAX + 1 - n)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			conf_complain(r, 0, "", "cannot be read: %s", strerror(errno));
			return -1;
		}
		n += (size_t)got;
	}
	if (n > FILE_BYTES_MAX) {
		conf_complain(r, 0, "", "is larger than 1 MiB; is this the right file?");
		return -1;
	}
	return (ssize_t)n;
}

static void read_buffer(struct conf_reading *r, char *buf, size_t len)
{
	bool marked = len >= 3 && memcmp(buf, "\xef\xbb\xbf", 3) == 0; /* editors that mark UTF-8 */
	FILE *f;

	buf += marked ? 3 : 0;
	len -= marked ? 3 : 0;
	if (len > 0) { /* fmemopen refuses nothing */
		f = fmemopen(buf, len, "r");
		if (f == NULL) {
			conf_complain(r, 0, "", "cannot be read: %s", strerror(errno));
			return;
		}
		read_lines(r, f);
		fclose(f);
	}
	conf_check(r);
}

int conf_load(const char *path, struct tas_conf *out, struct conf_errors *errs)
{
	struct conf_reading r = { .path = path, .conf = out, .errs = errs };
	unsigned before = errs->count;
	char *buf = malloc(FILE_BYTES_MAX + 1);
	int fd = open_to_read(&r);
	ssize_t len;

	conf_defaults(out);
	if (buf == NULL)
		conf_complain(&r, 0, "", "cannot be read: out of memory");
	else if (fd >= 0 && (len = read_all(&r, fd, buf)) >= 0)
		read_buffer(&r, buf, (size_t)len);
	if (fd >= 0)
		close(fd);
	free(buf);
	return errs->count > before ? -1 : 0;
}
