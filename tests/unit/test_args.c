/* SPDX-License-Identifier: BSD-3-Clause */
/* tasd -c FILE [--check] [--foreground] [--version] [--help] [-- EAL ARGUMENTS] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "slowpath/args.h"

#define PARSE(out, ...) parse((const char *const[]){ "tasd", __VA_ARGS__, NULL }, out)

/* getopt may reorder argv, so it gets pointers of its own; they live until the next call. */
static int parse(const char *const *words, struct tasd_args *out)
{
	static char *argv[16];
	int argc = 0;

	for (; words[argc] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc];
	argv[argc] = NULL;
	return args_parse(argc, argv, out);
}

static void a_file_is_all_that_is_needed(void **state)
{
	struct tasd_args a;

	(void)state;
	assert_int_equal(PARSE(&a, "-c", "x.conf"), 0);
	assert_string_equal(a.conf_path, "x.conf");
	assert_false(a.check || a.foreground || a.version || a.help);
	assert_int_equal(a.eal_argc, 0);
}

static void options_may_stand_in_any_order(void **state)
{
	struct tasd_args a;

	(void)state;
	assert_int_equal(PARSE(&a, "--foreground", "-cx.conf", "--check"), 0);
	assert_string_equal(a.conf_path, "x.conf");
	assert_true(a.check && a.foreground);
}

static void version_and_help_need_no_file(void **state)
{
	struct tasd_args a;

	(void)state;
	assert_int_equal(PARSE(&a, "--version"), 0);
	assert_true(a.version);
	assert_int_equal(PARSE(&a, "--help"), 0);
	assert_true(a.help && !a.version);
}

static void what_stands_behind_the_end_mark_is_for_eal(void **state)
{
	struct tasd_args a;

	(void)state;
	assert_int_equal(PARSE(&a, "-c", "x", "--", "-l", "1", "--", "--check"), 0);
	assert_false(a.check);
	assert_int_equal(a.eal_argc, 4);
	assert_string_equal(a.eal_argv[0], "-l");
	assert_string_equal(a.eal_argv[3], "--check");
	assert_int_equal(PARSE(&a, "-c", "x", "--"), 0);
	assert_int_equal(a.eal_argc, 0);
}

/* The line on standard error, where args_parse() refuses these words. */
static void refused(const char *const *words, const char *message)
{
	char text[1024] = "";
	int saved = dup(STDERR_FILENO), fds[2], result;
	struct tasd_args a;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	result = parse(words, &a);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	close(fds[0]);
	assert_int_equal(result, -1);
	if (strstr(text, message) == NULL || strncmp(text, "tasd: ", 6) != 0)
		fail_msg("\"%s\" is not in, or \"tasd: \" not before: %s", message, text);
	assert_string_equal(strchr(text, '\n'), "\n");
}

#define REFUSED(message, ...) refused((const char *const[]){ "/usr/sbin/tasd", __VA_ARGS__, NULL }, message)

static void what_is_wrong_is_said_in_a_line(void **state)
{
	(void)state;
	REFUSED("no configuration file; start with tasd -c FILE", "--foreground");
	REFUSED("option \"-c\" requires an argument", "-c");
	REFUSED("not an empty one", "-c", "");
	REFUSED("no option \"-x\"; see tasd --help", "-x");
	REFUSED("no option \"-x\"", "-xc", "x");
	REFUSED("no option \"--chek\"; see tasd --help", "--chek", "-c", "x");
	REFUSED("no option \"--check=1\"", "--check=1", "-c", "x");
	REFUSED("unexpected argument \"y\"", "-c", "x", "y");
	REFUSED("unexpected argument \"x\"", "x", "--check");
	REFUSED("unexpected argument \"y\"", "-c", "--", "y");
}

static void help_names_every_option(void **state)
{
	static const char *const names[] = { "-c FILE", "--check", "--foreground", "--version", "--help",
		"-- EAL" };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	args_print_help(f);
	fclose(f);
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		assert_non_null(strstr(text, names[i]));
	free(text);
}

static void version_is_one_line_with_a_number(void **state)
{
	char text[64] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");
	int major, minor;

	(void)state;
	args_print_version(f);
	fclose(f);
	assert_int_equal(sscanf(text, "tasd %d.%d", &major, &minor), 2);
	assert_int_equal(strchr(text, '\n')[1], '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_all_that_is_needed),
		cmocka_unit_test(options_may_stand_in_any_order),
		cmocka_unit_test(version_and_help_need_no_file),
		cmocka_unit_test(what_stands_behind_the_end_mark_is_for_eal),
		cmocka_unit_test(what_is_wrong_is_said_in_a_line),
		cmocka_unit_test(help_names_every_option),
		cmocka_unit_test(version_is_one_line_with_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
