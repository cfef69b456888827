/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/preload/exports.h"

EXPORT FILE *fdopen(int fd, const char *mode) { return px_fdopen(fd, mode); }
EXPORT int fclose(FILE *stream) { return px_fclose(stream); }
EXPORT int fileno(FILE *stream) { return px_fileno(stream); }

EXPORT FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict stream)
{
	return px_freopen(path, mode, stream);
}

EXPORT int vdprintf(int fd, const char *restrict format, va_list args)
{
	return px_vdprintf(fd, format, args);
}

EXPORT int dprintf(int fd, const char *restrict format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = px_vdprintf(fd, format, args);
	va_end(args);
	return n;
}

ALIAS(freopen64, freopen);
ALIAS(fileno_unlocked, fileno);
