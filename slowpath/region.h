/* SPDX-License-Identifier: BSD-3-Clause */
/* region.h - the memory that tasd shares with one application: a sealed, sparse memfd of fixed size.
 *
 * Guarantees: after region_seal() returned 0 the application can neither shrink nor punch the file, and what
 * tasd populated stays. A fault that the kernel still answers with SIGBUS (no memory, a broken page) puts an
 * anonymous page in its place and marks the region as struck: tasd goes on, its owner cuts the application
 * off.
 * Owner: the slow path, one thread. The signal handler may run on any thread; its table of ranges is the one
 * global, since a process has one handler. */
#ifndef TAS_SLOWPATH_REGION_H
#define TAS_SLOWPATH_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	REGION_PAGE = 4096,
	REGIONS_MAX = 8192, /* in one process, all instances together */
};

struct region {
	char *base; /* NULL: none */
	uint64_t size;
	int fd;              /* -1 once sealed */
	bool shared;         /* another process has the descriptor */
	int guard;           /* index in the handler's table */
	uint64_t *populated; /* a bit for each page */
	uint64_t end;        /* pages from here on were never populated */
	uint64_t resident;   /* bytes that were populated */
};

/* Installs the SIGBUS handler; once for the process, further calls do nothing. 0 or -errno. */
int region_guard_install(void);

/* Makes and maps a region of `size` bytes (a multiple of REGION_PAGE), of which nothing takes memory yet.
 * 0, or -errno and then nothing is left behind. */
int region_create(struct region *r, uint64_t size, const char *name);
/* Any thread may do it, as it takes long for much memory: 10 to 30 ms for each 100 MB, of which the other
 * process's may be more than ours. */
void region_destroy(struct region *r);

/* Pages of [off, off + len) that were never populated. */
uint64_t region_missing(const struct region *r, uint64_t off, uint64_t len);
/* Makes the pages of [off, off + len) exist; 0, or -ENOMEM with what was there before intact. At most *most
 * pages, from which those that were made are taken off: -EAGAIN if that was not enough. */
int region_populate(struct region *r, uint64_t off, uint64_t len, uint32_t *most);

/* The application mapped it: sees that every way of freeing pages is closed, populates again what was
 * punched out before, and lets go of the descriptor. -EPERM if a seal is missing, -ENOMEM. Of a shared one
 * the application adds the seals: that takes the file's lock, which a process holds for as long as it likes
 * by writing to the file from a page whose fault it does not resolve. Looking at seals takes no lock. */
int region_seal(struct region *r);

/* Pages that the machine has. */
uint64_t region_machine_pages(void);

/* A SIGBUS was caught in it. */
bool region_struck(const struct region *r);
/* How often one was caught anywhere since the start: a change says that somebody was struck. */
uint64_t region_strikes(void);

#endif
