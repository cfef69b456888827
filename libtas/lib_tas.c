/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_tas.c - an instance: made and ended. */
#include <stdlib.h>
#include <string.h>

#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

enum {
	FULL_YIELDS = 5000
}; /* some milliseconds in which tasd's core gets the processor if it shares it with us */

long (*lib_linked_syscall)(long number, ...) = syscall;

static _Atomic uint64_t instances; /* ever made in this process */

static const char *path_of(const struct tas_setup *conf)
{
	const char *path = conf->socket_path != NULL ? conf->socket_path : getenv(CTL_ENV_SOCKET);

	return path != NULL && *path != '\0' ? path : CTL_SOCKET_DIR "/default.sock";
}

static void ctx_end(void *ctx) { tas_ctx_free(ctx); }

static void tas_init(struct tas *t, const struct tas_os *os, const struct tas_setup *conf)
{
	_Atomic int *const fd[] = { &t->ctl_fd, &t->watch_fd, &t->timer_fd, &t->hold_fd, &t->hold_other };

	t->os = *os;
	t->link = conf->link != NULL ? *conf->link : lib_link_unix;
	t->link_arg = conf->link != NULL ? conf->link_arg : t;
	t->full_yields = conf->full_yields != 0 || conf->link != NULL ? conf->full_yields : FULL_YIELDS;
	t->on_event = conf->on_event;
	t->stamp = 1;
	t->serial = atomic_fetch_add(&instances, 1) + 1;
	t->common = (struct tas_ctx){ .t = t, .stamp = t->stamp, .used = 1, .fd = -1 };
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		atomic_store_explicit(fd[i], -1, memory_order_relaxed);
}

int tas_create(struct tas **out, const struct tas_setup *conf)
{
	struct tas_os os = { .syscall = conf->os != NULL ? conf->os->syscall : lib_linked_syscall };
	const char *path = path_of(conf);
	struct tas *t;

	if (strlen(path) >= sizeof(t->path))
		return -ENAMETOOLONG;
	t = lib_map(&os, sizeof(*t), true);
	if (t == NULL)
		return -ENOMEM;
	tas_init(t, &os, conf);
	strcpy(t->path, path);
	if (pthread_key_create(&t->key, ctx_end) != 0) {
		lib_unmap(&os, t, sizeof(*t));
		return -EAGAIN;
	}
	*out = t;
	return 0;
}

static void contexts_end(struct tas *t)
{
	for (uint32_t i = 0; i < CTX_CHUNKS && t->ctx_chunk[i] != NULL; i++) {
		for (uint32_t j = 0; j < CTX_CHUNK; j++) {
			struct tas_ctx *c = &t->ctx_chunk[i][j];

			if (c->rings != NULL)
				lib_att_put(c->rings->att);
			lib_fd_drop(t, &c->fd);
		}
	}
	if (t->common.rings != NULL)
		lib_att_put(t->common.rings->att);
}

static void sockets_end(struct tas *t)
{
	for (uint32_t i = 0; i < t->nr_fresh; i++) {
		struct tas_sock *s = lib_sock_at(t, i);

		if (s != NULL && s->att != NULL && (s->stamp & ~STAMP_LISTENER) == lib_stamp(t))
			lib_att_put(s->att);
	}
}

void tas_destroy(struct tas *t)
{
	struct tas_os os = t->os;
	struct lib_att *a = lib_att_now(t);

	if (a != NULL) {
		t->link.close(t->link_arg);
		lib_att_put(a);
	}
	sockets_end(t);
	contexts_end(t);
	lib_fd_drop(t, &t->timer_fd);
	lib_fd_drop(t, &t->watch_fd);
	lib_fd_drop(t, &t->hold_fd);
	lib_fd_drop(t, &t->hold_other);
	pthread_key_delete(t->key);
	for (uint32_t i = 0; i < SOCK_CHUNKS && t->sock_chunk[i] != NULL; i++)
		lib_unmap(&os, t->sock_chunk[i], SOCK_CHUNK * sizeof(struct tas_sock));
	for (uint32_t i = 0; i < CTX_CHUNKS && t->ctx_chunk[i] != NULL; i++)
		lib_unmap(&os, t->ctx_chunk[i], CTX_CHUNK * sizeof(struct tas_ctx));
	lib_unmap(&os, t, sizeof(*t));
}
