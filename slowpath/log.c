/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

enum {
	LOG_TEXT_MAX = 1000, /* of one message; the rest is cut and "..." says so */
	LOG_LINE_MAX = 1100, /* with time, name and level; below PIPE_BUF, so that a pipe takes it whole */
	LOG_PATH_MAX = 256,
	LOG_TO_SYSLOG = -1,
};

static struct {
	_Atomic int level;
	_Atomic int fd; /* or LOG_TO_SYSLOG */
	_Atomic bool echo;
	_Atomic bool stamped; /* time and name before each line: once the log is open */
	_Atomic uint64_t lost;
	char path[LOG_PATH_MAX]; /* of a file, else empty */
	char name[64];
} the_log = { .level = TAS_LOG_INFO, .fd = STDERR_FILENO, .name = "tasd" };

static const struct {
	const char *word;
	int priority;
} levels[] = {
	[TAS_LOG_ERROR] = { "error", LOG_ERR },
	[TAS_LOG_WARNING] = { "warning", LOG_WARNING },
	[TAS_LOG_INFO] = { "info", LOG_INFO },
	[TAS_LOG_DEBUG] = { "debug", LOG_DEBUG },
};

static void count_lost(void) { atomic_fetch_add_explicit(&the_log.lost, 1, memory_order_relaxed); }

/* poll first: a pipe or terminal that nobody reads must not stop the slow path, one whose reader is gone must
 * not raise SIGPIPE. The descriptor's O_NONBLOCK is shared with whoever gave it to us and is left alone. */
static void write_line(int fd, const char *line, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (poll(&p, 1, 0) != 1 || p.revents != POLLOUT || write(fd, line, len) != (ssize_t)len)
		count_lost();
}

/* "2026-01-02T03:04:05.123456Z ", or nothing. */
static size_t put_time(char *out, size_t size)
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
	return n + (size_t)snprintf(out + n, size - n, ".%06ldZ ", ts.tv_nsec / 1000);
}

static void write_text(int fd, bool stamped, enum tas_log_level level, const char *text)
{
	char line[LOG_LINE_MAX];
	size_t n = stamped ? put_time(line, sizeof(line)) : 0;

	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s: %s: %s\n", stamped ? the_log.name : "tasd",
		levels[level].word, text);
	write_line(fd, line, n);
}

/* One message is one line, whatever a peer or an application put into it. */
static void make_harmless(char *text)
{
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = *c == '\n' || *c == '\t' ? ' ' : '?';
}

static void put_text(enum tas_log_level level, const char *text)
{
	int fd = atomic_load_explicit(&the_log.fd, memory_order_relaxed);
	bool echo = atomic_load_explicit(&the_log.echo, memory_order_relaxed);

	if (fd == LOG_TO_SYSLOG)
		syslog(levels[level].priority, "%s", text);
	else
		write_text(fd, atomic_load_explicit(&the_log.stamped, memory_order_relaxed), level, text);
	if (echo && fd != STDERR_FILENO && level <= TAS_LOG_WARNING)
		write_text(STDERR_FILENO, false, level, text);
}

static TAS_PRINTF(3, 0) void log_valist(enum tas_log_level level, uint32_t withheld, const char *fmt,
	va_list args)
{
	char text[LOG_TEXT_MAX];
	int error = errno, n;

	n = vsnprintf(text, sizeof(text), fmt, args);
	if (n >= (int)sizeof(text))
		strlcpy(text + sizeof(text) - 4, "...", 4);
	else if (withheld > 0)
		snprintf(text + n, sizeof(text) - (size_t)n, " (%u such messages were withheld before)",
			withheld);
	make_harmless(text);
	put_text(level, text);
	errno = error;
}

static bool level_is_on(enum tas_log_level level)
{
	return (int)level <= atomic_load_explicit(&the_log.level, memory_order_relaxed);
}

void tas_log(enum tas_log_level level, const char *fmt, ...)
{
	va_list args;

	if (!level_is_on(level))
		return;
	va_start(args, fmt);
	log_valist(level, 0, fmt, args);
	va_end(args);
}

void tas_log_limited(struct log_limit *l, tas_ns now, enum tas_log_level level, const char *fmt, ...)
{
	uint32_t withheld;
	va_list args;

	if (!level_is_on(level) || !log_limit_pass(l, now, &withheld))
		return;
	va_start(args, fmt);
	log_valist(level, withheld, fmt, args);
	va_end(args);
}

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

	if (fd < 0)
		tas_log(TAS_LOG_ERROR,
			"cannot open the log file %s: %m; make its directory and give tasd the right to "
			"write there, or set [tasd] log",
			path);
	return fd;
}

static void close_sink(void)
{
	int fd = atomic_load(&the_log.fd);

	atomic_store(&the_log.fd, STDERR_FILENO);
	if (fd == LOG_TO_SYSLOG)
		closelog();
	else if (fd != STDERR_FILENO)
		close(fd);
	the_log.path[0] = '\0';
}

bool log_open(const char *sink, enum tas_log_level level, const char *instance)
{
	bool to_syslog = strcmp(sink, "syslog") == 0, to_stderr = strcmp(sink, "stderr") == 0;
	int fd = to_syslog ? LOG_TO_SYSLOG : to_stderr ? STDERR_FILENO : open_file(sink);

	if (!to_syslog && fd < 0)
		return false;
	close_sink();
	snprintf(the_log.name, sizeof(the_log.name), strcmp(instance, "default") == 0 ? "tasd" : "tasd-%s",
		instance);
	if (to_syslog)
		openlog(the_log.name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	else if (!to_stderr)
		strlcpy(the_log.path, sink, sizeof(the_log.path));
	atomic_store(&the_log.level, level);
	atomic_store(&the_log.stamped, true);
	atomic_store(&the_log.fd, fd);
	return true;
}

bool log_reopen(void)
{
	int fd;

	if (the_log.path[0] == '\0')
		return true;
	fd = open_file(the_log.path);
	if (fd < 0)
		return false;
	/* in place: a thread about to write to the old descriptor finds the new file behind its number */
	dup3(fd, atomic_load(&the_log.fd), O_CLOEXEC);
	close(fd);
	return true;
}

void log_close(void)
{
	close_sink();
	atomic_store(&the_log.stamped, false);
	atomic_store(&the_log.level, TAS_LOG_INFO);
	strlcpy(the_log.name, "tasd", sizeof(the_log.name));
}

void log_echo(bool on) { atomic_store(&the_log.echo, on); }

uint64_t log_lost(void) { return atomic_load_explicit(&the_log.lost, memory_order_relaxed); }

static ssize_t stream_write(void *cookie, const char *bytes, size_t size)
{
	log_level_now *const *level_now = cookie;
	enum tas_log_level level = (*level_now)();

	for (size_t at = 0, len; at < size; at += len + 1) {
		const char *end = memchr(bytes + at, '\n', size - at);

		len = end != NULL ? (size_t)(end - bytes) - at : size - at;
		if (len > 0)
			tas_log(level, "%.*s", (int)len, bytes + at);
	}
	return (ssize_t)size;
}

static int stream_close(void *cookie)
{
	free(cookie);
	return 0;
}

FILE *log_stream(log_level_now *level_now)
{
	static const cookie_io_functions_t functions = { .write = stream_write, .close = stream_close };
	log_level_now **cookie = malloc(sizeof(level_now));
	FILE *f;

	if (cookie == NULL)
		return NULL;
	*cookie = level_now;
	f = fopencookie(cookie, "w", functions);
	if (f == NULL)
		free(cookie);
	else
		setvbuf(f, NULL, _IOLBF, 0);
	return f;
}
