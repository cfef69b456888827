/* SPDX-License-Identifier: BSD-3-Clause */
/* test_opt_table.c - the support matrix in docs/sockets.md says what the code does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "libtas/posix/opt.h"

static char *text;

/* The page, found from this file's own path; a build directory anywhere gives that relative to itself. */
static int page_read(void **state)
{
	static const char tail[] = "tests/unit/test_opt_table.c", page[] = "docs/sockets.md";
	char path[512] = __FILE__;
	char *root = strstr(path, tail);
	FILE *f;
	size_t n;

	(void)state;
	assert_non_null(root);
	strcpy(root, page);
	f = fopen(path, "r");
	if (f == NULL && getenv("BUILD") != NULL) {
		snprintf(path, sizeof(path), "%s/%s", getenv("BUILD"), __FILE__);
		strcpy(strstr(path, tail), page);
		f = fopen(path, "r");
	}
	if (f == NULL)
		f = fopen(page, "r");
	assert_non_null(f);
	text = calloc(1, 1 << 20);
	n = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	return n > 1000 ? 0 : -1;
}

static int page_free(void **state)
{
	(void)state;
	free(text);
	return 0;
}

static const char *words[] = { [OPT_DONE] = "done", [OPT_READ] = "read", [OPT_KERNEL] = "kernel" };

static void every_row_of_the_code_stands_in_the_page(void **state)
{
	(void)state;
	for (unsigned i = 0; i < opt_rows_count; i++) {
		char start[64], *line;

		snprintf(start, sizeof(start), "\n| `%s` | `", opt_rows[i].text);
		line = strstr(text, start);
		if (line == NULL)
			fail_msg("%s is not in docs/sockets.md", opt_rows[i].text);
		line = strstr(line + strlen(start), "` | ") + 4;
		if (strncmp(line, words[opt_rows[i].support], strlen(words[opt_rows[i].support])) != 0)
			fail_msg("%s is %s in the code, but %.8s in docs/sockets.md", opt_rows[i].text,
				words[opt_rows[i].support], line);
	}
}

static bool in_code(const char *name, size_t length)
{
	for (unsigned i = 0; i < opt_rows_count; i++) {
		if (strlen(opt_rows[i].text) == length && memcmp(opt_rows[i].text, name, length) == 0)
			return true;
	}
	return false;
}

static void every_row_of_the_page_stands_in_the_code(void **state)
{
	const char *line = strstr(text, "| option | level |");
	unsigned rows = 0;

	(void)state;
	assert_non_null(line);
	while ((line = strstr(line, "\n| `")) != NULL && strncmp(line, "\n| `F_", 6) != 0) {
		const char *name = line + 4;
		size_t length = strcspn(name, "`");

		if (!in_code(name, length))
			fail_msg("%.*s is in docs/sockets.md and not in the code", (int)length, name);
		rows++;
		line = name;
	}
	assert_int_equal(rows, opt_rows_count);
}

static void rows_are_found_by_level_and_name(void **state)
{
	bool slot_taken[OPT_SLOTS] = { false };

	(void)state;
	for (unsigned i = 0; i < opt_rows_count; i++) {
		const struct opt_row *row = &opt_rows[i];

		assert_ptr_equal(opt_find(row->level, row->name), row); /* no two of a kind */
		assert_int_equal(row->slot != OPT_SLOT_NONE, row->support == OPT_DONE);
		assert_int_equal(row->refusal != 0, row->support == OPT_READ || row->support == OPT_KERNEL);
		if (row->slot == OPT_SLOT_NONE)
			continue;
		assert_false(slot_taken[row->slot]);
		slot_taken[row->slot] = true;
	}
	for (unsigned slot = OPT_SLOT_NONE + 1; slot < OPT_SLOTS; slot++)
		assert_true(slot_taken[slot]);
	assert_null(opt_find(SOL_SOCKET, 9999));
	assert_null(opt_find(9999, SO_KEEPALIVE));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_of_the_code_stands_in_the_page),
		cmocka_unit_test(every_row_of_the_page_stands_in_the_code),
		cmocka_unit_test(rows_are_found_by_level_and_name) };

	return cmocka_run_group_tests(tests, page_read, page_free);
}
