/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of keys, and that docs/tasd.conf.md and the example say what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "slowpath/conf_table.h"

static void every_key_is_found_by_section_and_name(void **state)
{
	(void)state;
	for (const struct conf_key *k = conf_keys; k < conf_keys + conf_keys_count; k++)
		assert_ptr_equal(conf_key_find(k->section, k->name), k);
	assert_null(conf_key_find("tcp", "mtu"));
	assert_null(conf_key_find("tcp", ""));
	assert_null(conf_key_find("", "sack"));
}

static void a_size_is_written_with_the_largest_suffix_that_fits(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = { { 0, "0" }, { 1, "1" }, { 1000, "1000" }, { 1024, "1K" }, { 1536, "1536" },
		{ 1 << 20, "1M" }, { 3 << 19, "1536K" }, { 1ull << 40, "1024G" } };
	char text[32];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		conf_size_format(sizes[i].bytes, text, sizeof(text));
		assert_string_equal(text, sizes[i].text);
	}
}

/* The text of a file of the source tree. The compiler knew this file by a path that is absolute, or relative
 * to the build directory: the program may have been started there, and lies two directories below it. */
static char *tree_file(const char *name)
{
	char self[256] = "", path[1024], *text = NULL;
	const char *roots[2] = { "", self };
	FILE *f = NULL;
	size_t len = 0;

	if (readlink("/proc/self/exe", self, sizeof(self) - 32) > 0)
		strcpy(strrchr(self, '/'), "/../../");
	for (unsigned i = 0; i < 2 && f == NULL; i++) {
		snprintf(path, sizeof(path), "%s%s", roots[i], __FILE__);
		if (strrchr(path, '/') == NULL)
			continue;
		strcpy(strrchr(path, '/'), "/../../");
		strncat(path, name, sizeof(path) - strlen(path) - 1);
		f = fopen(path, "r");
	}
	if (f == NULL)
		fail_msg("%s is not found from %s", name, __FILE__);
	if (getdelim(&text, &len, '\0', f) < 0)
		fail_msg("%s cannot be read", name);
	fclose(f);
	return text;
}

/* Only the headings and rows that conf_print_table() makes, in their order. */
static char *tables_of(char *text)
{
	char *out = calloc(1, strlen(text) + 2), *rest = text, *line;

	assert_non_null(out);
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] == '|' || strncmp(line, "## [", 4) == 0)
			strcat(strcat(out, line), "\n");
	free(text);
	return out;
}

static void the_documentation_has_the_row_of_every_key_and_no_other(void **state)
{
	char *printed = NULL, *documented = tables_of(tree_file("docs/tasd.conf.md"));
	size_t len;
	FILE *f = open_memstream(&printed, &len);

	(void)state;
	conf_print_table(f);
	fclose(f);
	printed = tables_of(printed);
	if (strcmp(documented, printed) != 0)
		print_error("docs/tasd.conf.md should have these rows:\n%s", printed);
	assert_string_equal(documented, printed);
	free(printed);
	free(documented);
}

/* Reads the text as a file; it must have no error. */
static void load_ok(const char *text, struct tas_conf *out)
{
	struct conf_errors errs = { 0 };
	int fd = memfd_create("tasd.conf", 0);
	char path[64];

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	conf_load(path, out, &errs);
	close(fd);
	conf_errors_print(&errs, stderr);
	assert_int_equal(errs.count, 0);
}

static void the_example_is_right(void **state)
{
	char *text = tree_file("tasd.conf");
	struct tas_conf conf;

	(void)state;
	load_ok(text, &conf);
	free(text);
}

static void the_example_shows_every_key_with_its_default(void **state)
{
	char *text = tree_file("tasd.conf"), line[256];
	const char *section = text;

	(void)state;
	for (const struct conf_key *k = conf_keys; k < conf_keys + conf_keys_count; k++) {
		snprintf(line, sizeof(line), "\n[%s]\n", k->section);
		section = strstr(text, line);
		assert_non_null(section);
		snprintf(line, sizeof(line), k->flags & CONF_REQUIRED ? "\n%s = " : "\n#%s =%s%s\n", k->name,
			k->standard[0] != '\0' ? " " : "", k->standard);
		if (strstr(section, line) == NULL)
			fail_msg("tasd.conf lacks this line: %s", line);
	}
	free(text);
}

static const char *line_before(const char *text, const char *line)
{
	for (line--; line > text && line[-1] != '\n'; line--)
		;
	return line;
}

/* The text of the comment that ends before the line `end`, its lines joined by blanks. */
static void comment_before(const char *text, const char *end, char *out, size_t size)
{
	const char *line = end;

	while (line > text && strncmp(line_before(text, line), "# ", 2) == 0)
		line = line_before(text, line);
	out[0] = '\0';
	for (; line < end; line = strchr(line, '\n') + 1)
		snprintf(out + strlen(out), size - strlen(out), "%s%.*s", out[0] != '\0' ? " " : "",
			(int)strcspn(line + 2, "\n"), line + 2);
}

/* What the table says of the key, as the example words it: without the marks of code. */
static void help_of(const struct conf_key *k, char *out, size_t size)
{
	bool timed = strcmp(k->unit, "ms") == 0 || strcmp(k->unit, "us") == 0;
	char allowed[128], *to = out;

	conf_allowed(k, allowed, sizeof(allowed));
	snprintf(out, size, "%s %s: %s%s%s.", k->help,
		k->type == CONF_CHOICE || k->type == CONF_WORD ? "One of" : "Allowed", allowed,
		timed ? ", in " : "", timed ? k->unit : "");
	for (const char *c = out; *c != '\0'; c++)
		if (*c != '`')
			*to++ = *c;
	*to = '\0';
}

static void the_example_says_of_every_key_what_the_table_says(void **state)
{
	char *text = tree_file("tasd.conf"), line[128], said[1024], wanted[1024];

	(void)state;
	for (const struct conf_key *k = conf_keys; k < conf_keys + conf_keys_count; k++) {
		char *at;

		snprintf(line, sizeof(line), "\n[%s]\n", k->section);
		at = strstr(text, line);
		snprintf(line, sizeof(line), k->flags & CONF_REQUIRED ? "\n%s = " : "\n#%s =", k->name);
		at = at != NULL ? strstr(at, line) : NULL;
		assert_non_null(at);
		comment_before(text, at + 1, said, sizeof(said));
		help_of(k, wanted, sizeof(wanted));
		assert_string_equal(said, wanted);
	}
	free(text);
}

static void the_example_with_every_comment_taken_away_means_the_same(void **state)
{
	char *text = tree_file("tasd.conf");
	struct tas_conf commented, bare;

	(void)state;
	load_ok(text, &commented);
	for (char *c = text; (c = strstr(c, "\n#")) != NULL; c++)
		if (c[2] != ' ')
			c[1] = ' ';
	load_ok(text, &bare);
	for (const struct conf_key *k = conf_keys; k < conf_keys + conf_keys_count; k++)
		if (k->type != CONF_CIDR)
			assert_memory_equal((char *)&commented + k->offset, (char *)&bare + k->offset,
				k->size);
	assert_int_equal(commented.ip.addresses, bare.ip.addresses);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_found_by_section_and_name),
		cmocka_unit_test(a_size_is_written_with_the_largest_suffix_that_fits),
		cmocka_unit_test(the_documentation_has_the_row_of_every_key_and_no_other),
		cmocka_unit_test(the_example_is_right),
		cmocka_unit_test(the_example_shows_every_key_with_its_default),
		cmocka_unit_test(the_example_says_of_every_key_what_the_table_says),
		cmocka_unit_test(the_example_with_every_comment_taken_away_means_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
