/* SPDX-License-Identifier: BSD-3-Clause */
/* sockcheck.h - one sequence of socket calls, made on the kernel's sockets and on accelerated ones: what they
 * return must be the same, line by line.
 *
 *   subject (the program under test)   <-- TCP -->   peer (always on the kernel's sockets)
 *        `------------- unix socket: what the peer shall do, and what came of it -----------'
 *
 * Every line printed is "group: call = result"; nothing that differs between runs (ports, times) is printed.
 * The peer does one command at a time and answers when it is done; the subject then waits for its effect
 * (settle), never for a time. */
#ifndef TAS_E2E_SOCKCHECK_H
#define TAS_E2E_SOCKCHECK_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, TEXT = 256 };

/* A host by its address, of either family. */
struct host {
	int family;
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
	const char *text;
};

/* A socket's name. The port is at the same place in both families. */
union name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

extern const char *check_group;  /* first word of every line */
extern struct host check_local;  /* where the subject listens */
extern struct host check_remote; /* where the peer listens */

/* Prints a call's result: a number, or the name of errno if it is -1. Returns it. */
long show(const char *call, long result);
void show_text(const char *call, const char *text);
/* The names of poll or epoll bits. */
void show_events(const char *call, int result, unsigned events);

/* Tells the peer and waits; the answer, without the newline, until the next call. */
const char *peer(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, and prints the answer. */
void peer_shows(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The address that a text says; false if it is none. */
bool host_read(const char *text, struct host *host);

/* Sockets of the subject, of check_local's family; they exit with a message on failure. */
int new_socket(int flags);
int new_listener(int flags, int *port);
int accepted(int flags); /* a connection that the peer (its number 1) opened */
int connected(void);     /* one that the subject opened to the peer (1) */
union name address(struct host host, int port);
bool is_of(const union name *name, struct host host); /* whatever its port */
static inline int port_of(const union name *name) { return ntohs(name->v4.sin_port); }

/* Waits until poll says one of the events. */
void settle(int fd, short events);
/* Waits until so many bytes are to be read. */
void settle_bytes(int fd, int bytes);
/* Events of fd now, by poll. */
unsigned events_now(int fd);

/* Byte `i` of every stream of the test. */
static inline unsigned char pattern(size_t i) { return (unsigned char)(i * 7 + (i >> 8)); }
bool pattern_is(const void *data, size_t from, size_t n);
void pattern_fill(void *data, size_t from, size_t n);

double seconds(void);

/* In a thread: who it is. Then another waits until it sleeps, in whatever call. */
void thread_here(void);
void settle_asleep(void);

void check_names(void);
void check_mapped(void);
void check_transfer(void);
void check_messages(void);
void check_ends(void);
void check_waits(void);
void check_connect(void);
void check_options(void);
void check_tuning(void);
void check_poll(void);
void check_epoll(void);
void check_epoll_sets(void);
void check_breaks(void);
void check_descriptors(void);
void check_processes(void);
void check_threads(void);
void check_inherited(void);
void check_streams(void);
void check_standard(void);
void check_lingering(void);
void check_beside(void);
void check_listeners(void);
void check_shared(void);
void check_corners(void);
void check_vfork(void);
void check_urgent(void);
void check_fortified(void);

/* The other side; ends when the control connection does. */
int peer_main(const char *path, struct host remote);

#endif
