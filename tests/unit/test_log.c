/* SPDX-License-Identifier: BSD-3-Clause */
/* One line to the operator: form, levels, sinks, limits, and that nobody can hold it up or forge a line. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "slowpath/log.h"

/* A log file, and standard error led into a pipe that never blocks its reader. */
struct rig {
	char dir[32], path[48];
	int saved_stderr, err[2];
	char text[1 << 20];
};

static int rig_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	strcpy(r->dir, "/tmp/tas_test_log_XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/log", r->dir);
	assert_int_equal(pipe2(r->err, O_CLOEXEC), 0);
	fcntl(r->err[0], F_SETFL, O_NONBLOCK);
	r->saved_stderr = dup(STDERR_FILENO);
	dup2(r->err[1], STDERR_FILENO);
	*state = r;
	return 0;
}

static int rig_down(void **state)
{
	struct rig *r = *state;

	log_echo(false);
	log_close();
	dup2(r->saved_stderr, STDERR_FILENO);
	close(r->saved_stderr);
	close(r->err[0]);
	close(r->err[1]);
	snprintf(r->text, sizeof(r->text), "rm -rf %s", r->dir);
	assert_int_equal(system(r->text), 0);
	free(r);
	return 0;
}

static const char *slurp(struct rig *r, int fd)
{
	ssize_t n = read(fd, r->text, sizeof(r->text) - 1);

	r->text[n > 0 ? n : 0] = '\0';
	return r->text;
}

static const char *in_stderr(struct rig *r) { return slurp(r, r->err[0]); }

static const char *in_file(struct rig *r)
{
	int fd = open(r->path, O_RDONLY);

	slurp(r, fd);
	close(fd);
	return r->text;
}

/* Behind the time "2026-01-02T03:04:05.123456Z ". */
static const char *behind_time(const char *line)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.ddddddZ ";

	for (const char *s = shape; *s != '\0'; s++, line++)
		assert_true(*s == 'd' ? *line >= '0' && *line <= '9' : *line == *s);
	return line;
}

static void before_it_is_open_lines_go_to_standard_error(void **state)
{
	struct rig *r = *state;

	tas_log(TAS_LOG_ERROR, "no %s", "device");
	assert_string_equal(in_stderr(r), "tasd: error: no device\n");
}

static void a_file_gets_lines_with_time_name_and_level(void **state)
{
	struct rig *r = *state;

	assert_true(log_open(r->path, TAS_LOG_INFO, "default"));
	tas_log(TAS_LOG_INFO, "port is up");
	assert_string_equal(behind_time(in_file(r)), "tasd: info: port is up\n");
	assert_string_equal(in_stderr(r), "");
}

static void a_named_instance_names_its_lines(void **state)
{
	struct rig *r = *state;

	assert_true(log_open("stderr", TAS_LOG_INFO, "two"));
	tas_log(TAS_LOG_WARNING, "x");
	assert_string_equal(behind_time(in_stderr(r)), "tasd-two: warning: x\n");
}

static void a_file_is_appended_to_and_not_for_others_to_read(void **state)
{
	struct rig *r = *state;
	struct stat st;

	for (int i = 0; i < 2; i++) {
		assert_true(log_open(r->path, TAS_LOG_INFO, "default"));
		tas_log(TAS_LOG_INFO, "x");
		log_close();
	}
	assert_non_null(strchr(in_file(r), '\n')[1] ? strstr(strchr(r->text, '\n'), "info: x\n") : NULL);
	assert_int_equal(stat(r->path, &st), 0);
	assert_int_equal(st.st_mode & 07, 0);
}

static void less_important_lines_than_the_level_are_left_out(void **state)
{
	struct rig *r = *state;

	for (int level = TAS_LOG_ERROR; level <= TAS_LOG_DEBUG; level++) {
		assert_true(log_open("stderr", (enum tas_log_level)level, "default"));
		for (int l = TAS_LOG_ERROR; l <= TAS_LOG_DEBUG; l++) {
			tas_log((enum tas_log_level)l, "x");
			assert_int_equal(in_stderr(r)[0] != '\0', l <= level);
		}
	}
}

static void a_message_cannot_forge_a_line_or_colour_the_terminal(void **state)
{
	struct rig *r = *state;

	tas_log(TAS_LOG_ERROR, "a\nb\tc\r\x1b[31m\x7f d\xc3\xa9");
	assert_string_equal(in_stderr(r), "tasd: error: a b c??[31m? d\xc3\xa9\n");
}

static void a_long_message_is_cut_and_says_so(void **state)
{
	struct rig *r = *state;
	char text[5000];
	const char *line;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(log_open("stderr", TAS_LOG_INFO, "abcdefghijklmnopqrstuvwxyz123456"));
	tas_log(TAS_LOG_WARNING, "%s", text);
	line = in_stderr(r);
	assert_in_range(strlen(line), 1000, 1100);
	assert_string_equal(line + strlen(line) - 5, "x...\n");
}

static void errno_is_said_and_left_alone(void **state)
{
	struct rig *r = *state;

	errno = ENOENT;
	tas_log(TAS_LOG_ERROR, "%m");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(in_stderr(r), "tasd: error: No such file or directory\n");
	assert_true(log_open("/dev/full", TAS_LOG_INFO, "default"));
	errno = ENOENT;
	tas_log(TAS_LOG_ERROR, "the disk is full");
	assert_int_equal(errno, ENOENT);
}

static void a_pipe_that_nobody_reads_loses_lines_and_holds_nobody_up(void **state)
{
	struct rig *r = *state;
	uint64_t before = log_lost();

	alarm(20); /* instead of hanging */
	for (int i = 0; i < 20000; i++)
		tas_log(TAS_LOG_ERROR, "line %d", i);
	alarm(0);
	assert_true(log_lost() > before);
	assert_non_null(strstr(in_stderr(r), "line 0\n"));
}

static void a_pipe_without_a_reader_does_not_end_the_process(void **state)
{
	uint64_t before = log_lost();
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[0]);
	close(fds[1]);
	tas_log(TAS_LOG_ERROR, "x"); /* SIGPIPE has its default action here */
	assert_true(log_lost() == before + 1);
}

static void a_file_that_cannot_be_opened_is_named_and_the_log_stays(void **state)
{
	struct rig *r = *state;
	const char *text;

	assert_false(log_open("/nonexistent/tasd.log", TAS_LOG_DEBUG, "two"));
	text = in_stderr(r);
	assert_non_null(strstr(text, "/nonexistent/tasd.log: No such file"));
	assert_non_null(strstr(text, "[tasd] log"));
	tas_log(TAS_LOG_DEBUG, "x");
	tas_log(TAS_LOG_INFO, "y");
	assert_string_equal(in_stderr(r), "tasd: info: y\n");
}

static void a_rotated_file_is_made_anew(void **state)
{
	struct rig *r = *state;
	char old[64];

	assert_true(log_open(r->path, TAS_LOG_INFO, "default"));
	snprintf(old, sizeof(old), "%s.1", r->path);
	tas_log(TAS_LOG_INFO, "one");
	assert_int_equal(rename(r->path, old), 0);
	tas_log(TAS_LOG_INFO, "two");
	assert_true(log_reopen());
	tas_log(TAS_LOG_INFO, "three");
	assert_string_equal(behind_time(in_file(r)), "tasd: info: three\n");
	unlink(old);
	unlink(r->path);
	rmdir(r->dir);
	assert_false(log_reopen());
	tas_log(TAS_LOG_INFO, "goes to the file that is still open");
}

static void while_somebody_watches_the_start_errors_go_there_too(void **state)
{
	struct rig *r = *state;

	assert_true(log_open(r->path, TAS_LOG_INFO, "default"));
	log_echo(true);
	tas_log(TAS_LOG_INFO, "x");
	assert_string_equal(in_stderr(r), "");
	tas_log(TAS_LOG_WARNING, "y");
	assert_string_equal(in_stderr(r), "tasd: warning: y\n");
	assert_non_null(strstr(in_file(r), "warning: y"));
	log_echo(false);
	tas_log(TAS_LOG_WARNING, "z");
	assert_string_equal(in_stderr(r), "");
}

static void standard_error_gets_an_error_once_also_while_watched(void **state)
{
	struct rig *r = *state;

	assert_true(log_open("stderr", TAS_LOG_INFO, "default"));
	log_echo(true);
	tas_log(TAS_LOG_ERROR, "y");
	assert_string_equal(behind_time(in_stderr(r)), "tasd: error: y\n");
}

static enum tas_log_level level_of_library;

static enum tas_log_level library_level(void) { return level_of_library; }

static void what_a_library_prints_becomes_lines(void **state)
{
	struct rig *r = *state;
	FILE *f;

	assert_true(log_open("stderr", TAS_LOG_DEBUG, "default"));
	level_of_library = TAS_LOG_DEBUG;
	f = log_stream(library_level);
	assert_non_null(f);
	fprintf(f, "EAL: %s\n\nEAL: two\nhalf", "one");
	fflush(f);
	in_stderr(r);
	assert_ptr_equal(behind_time(r->text), strstr(r->text, "tasd: debug: EAL: one\n"));
	assert_non_null(strstr(r->text, "tasd: debug: EAL: two\n"));
	assert_non_null(strstr(r->text, "tasd: debug: half\n"));
	assert_null(strstr(r->text, "debug: \n"));
	level_of_library = TAS_LOG_ERROR;
	fprintf(f, "EAL: no memory\n");
	assert_string_equal(behind_time(in_stderr(r)), "tasd: error: EAL: no memory\n");
	fclose(f);
}

static void a_limit_passes_a_few_lines_and_counts_the_rest(void **state)
{
	struct log_limit l = { 0 };
	uint32_t withheld = 77;
	tas_ns now = 5;

	(void)state;
	for (int i = 0; i < LOG_LIMIT_LINES; i++) {
		assert_true(log_limit_pass(&l, now, &withheld));
		assert_int_equal(withheld, 0);
	}
	for (int i = 0; i < 100; i++)
		assert_false(log_limit_pass(&l, now + LOG_LIMIT_WINDOW - 1, &withheld));
	assert_true(log_limit_pass(&l, now + LOG_LIMIT_WINDOW, &withheld));
	assert_int_equal(withheld, 100);
	assert_true(log_limit_pass(&l, now + LOG_LIMIT_WINDOW, &withheld));
	assert_int_equal(withheld, 0);
}

static void a_limited_line_says_how_many_were_withheld(void **state)
{
	struct rig *r = *state;
	struct log_limit l = { 0 };

	for (int i = 0; i < LOG_LIMIT_LINES + 3; i++)
		tas_log_limited(&l, 0, TAS_LOG_ERROR, "x");
	in_stderr(r);
	tas_log_limited(&l, LOG_LIMIT_WINDOW, TAS_LOG_DEBUG, "not even counted");
	tas_log_limited(&l, LOG_LIMIT_WINDOW, TAS_LOG_ERROR, "%s", "x");
	assert_string_equal(in_stderr(r), "tasd: error: x (3 such messages were withheld before)\n");
}

static void *write_many(void *arg)
{
	for (int i = 0; i < 1000; i++)
		tas_log(TAS_LOG_INFO, "%s", (const char *)arg);
	return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
	struct rig *r = *state;
	static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", b[] = "bbbbbbbbbbbbbbbbb";
	pthread_t thread[2];
	char *rest, *line;
	int lines = 0;

	assert_true(log_open(r->path, TAS_LOG_INFO, "default"));
	pthread_create(&thread[0], NULL, write_many, (void *)(uintptr_t)a);
	pthread_create(&thread[1], NULL, write_many, (void *)(uintptr_t)b);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	in_file(r);
	for (rest = r->text; (line = strsep(&rest, "\n")) != NULL && *line != '\0'; lines++) {
		const char *text = behind_time(line) + strlen("tasd: info: ");

		assert_true(strcmp(text, a) == 0 || strcmp(text, b) == 0);
	}
	assert_int_equal(lines, 2000);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(before_it_is_open_lines_go_to_standard_error),
		RIG_TEST(a_file_gets_lines_with_time_name_and_level),
		RIG_TEST(a_named_instance_names_its_lines),
		RIG_TEST(a_file_is_appended_to_and_not_for_others_to_read),
		RIG_TEST(less_important_lines_than_the_level_are_left_out),
		RIG_TEST(a_message_cannot_forge_a_line_or_colour_the_terminal),
		RIG_TEST(a_long_message_is_cut_and_says_so),
		RIG_TEST(errno_is_said_and_left_alone),
		RIG_TEST(a_pipe_that_nobody_reads_loses_lines_and_holds_nobody_up),
		RIG_TEST(a_pipe_without_a_reader_does_not_end_the_process),
		RIG_TEST(a_file_that_cannot_be_opened_is_named_and_the_log_stays),
		RIG_TEST(a_rotated_file_is_made_anew),
		RIG_TEST(while_somebody_watches_the_start_errors_go_there_too),
		RIG_TEST(standard_error_gets_an_error_once_also_while_watched),
		RIG_TEST(what_a_library_prints_becomes_lines),
		RIG_TEST(a_limit_passes_a_few_lines_and_counts_the_rest),
		RIG_TEST(a_limited_line_says_how_many_were_withheld),
		RIG_TEST(lines_of_several_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
