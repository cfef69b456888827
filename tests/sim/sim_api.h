/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_api.h - how a simulated process reaches its host: one table of calls, one implementation by libtas
 * (sim_lib.c), one that knows nothing but include/abi (sim_raw.c), so that the contract is read twice.
 * Results are as in include/tas/tas.h: negative errno values, -EAGAIN when nothing can be done now. */
#ifndef TAS_SIM_API_H
#define TAS_SIM_API_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "include/base/rand.h"
#include "include/net/addr.h"

enum { PROC_CONTEXTS_MAX = 3 };

struct host;
struct sim_proc;

struct sim_open {
	struct net_addr addr; /* the peer's, for connect */
	uint16_t port, local_port;
	uint32_t rx_size, tx_size;
	int backlog;
	bool nodelay;
	const char *congestion;
};

/* Sockets are void *, `user` is what on_event gets. */
struct sim_api {
	const char *name;
	int (*attach)(struct sim_proc *p);
	void (*detach)(struct sim_proc *p); /* the process ends, whatever it has open */
	int (*listen)(struct sim_proc *p, unsigned ctx, const struct sim_open *o, void *user, void **sock);
	int (*accept)(struct sim_proc *p, unsigned ctx, void *listener, void **sock, struct net_addr *remote,
		uint16_t *remote_port);
	int (*connect)(struct sim_proc *p, unsigned ctx, const struct sim_open *o, void *user, void **sock,
		uint16_t *local_port);
	void (*set_user)(void *sock, void *user);
	ssize_t (*send)(struct sim_proc *p, unsigned ctx, void *sock, const void *buf, size_t len, bool more);
	ssize_t (*recv)(struct sim_proc *p, unsigned ctx, void *sock, void *buf, size_t len);
	/* For writing; false: not now, it is not connected yet. */
	bool (*shut)(struct sim_proc *p, unsigned ctx, void *sock);
	void (*close)(struct sim_proc *p, unsigned ctx, void *sock, bool abort);
	/* Looks at notifications; how many. */
	unsigned (*poll)(struct sim_proc *p, unsigned ctx);
	/* False: something came meanwhile, it does not sleep. */
	bool (*sleep)(struct sim_proc *p, unsigned ctx);
	void (*wake)(struct sim_proc *p, unsigned ctx);
};

struct sim_proc {
	const struct sim_api *api;
	struct host *host;
	void *impl; /* of api */
	struct tas_rand rand;
	uint16_t app; /* tasd's number for it */
	unsigned contexts;
	int fd[PROC_CONTEXTS_MAX]; /* what tasd writes to wake a context */
	void (*on_event)(void *user);
};

extern const struct sim_api sim_raw, sim_lib;

#endif
