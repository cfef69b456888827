/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_attach.c - attachments: how one begins (see include/abi/ctl.h), how tasd's death ends it, when its
 * memory goes. An attachment that died keeps its mapping until its last socket and context let go, so
 * that nobody faults. */
#include <string.h>

#include "include/base/assert.h"
#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

/* --- words --- */

/* Puts the strings (up to a NULL) behind each other. */
static void say(char *why, size_t size, const char *const *part)
{
	size_t used = 0;

	for (; size > 0 && *part != NULL; part++)
		for (const char *p = *part; *p != '\0' && used + 1 < size; p++)
			why[used++] = *p;
	if (size > 0)
		why[used] = '\0';
}

#define SAY(t, ...) say((t)->tried_why, WHY_SIZE, (const char *const[]){ __VA_ARGS__, NULL })

/* --- life of the mapping --- */

void lib_att_get(struct lib_att *a) { atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed); }

static void att_free(struct lib_att *a)
{
	struct tas *t = a->t;
	uint32_t n = atomic_load_explicit(&a->nr_rings, memory_order_acquire);

	for (uint32_t i = 0; i < n; i++)
		lib_fd_drop(t, &a->rings[i].fd);
	for (uint32_t i = 0; i < a->cores; i++)
		lib_fd_drop(t, &a->core_fd[i]);
	t->link.unmap(t->link_arg, a->base, a->size);
	lib_unmap(&t->os, a, a->map_size);
}

void lib_att_put(struct lib_att *a)
{
	/* acq_rel: what others did with the mapping is done before it goes */
	if (atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) == 1)
		att_free(a);
}

/* --- attach --- */

static int header_check(struct tas *t, const struct abi_header *h, const struct ctl_hello *hello)
{
	bool sound = h->magic == ABI_MAGIC && h->major == ABI_MAJOR && h->header_size == sizeof(*h) &&
		h->rec_size == sizeof(struct abi_flow_rec) && h->bell_size == sizeof(struct abi_bell) &&
		h->context_size == sizeof(struct abi_context) && h->region_size == hello->region_size &&
		h->cores >= 1 && h->cores <= ABI_CORES_MAX && h->contexts_max >= 1 &&
		h->contexts_max <= LISTENER_RINGS && h->flows_max <= ABI_REC_CHUNK * ABI_REC_CHUNKS_MAX &&
		is_pow2(h->notify_slots) && h->notify_slots >= h->flows_max;

	if (!sound)
		SAY(t, "tasd at ", t->path,
			" has another layout of shared memory than this libtas: "
			"install both from one build");
	return sound ? 0 : -EPROTO;
}

/* The private side of a mapped region. */
static struct lib_att *att_new(struct tas *t, struct abi_header *h)
{
	size_t rings = ((sizeof(struct lib_att) + CACHE_LINE - 1) / CACHE_LINE) * CACHE_LINE;
	size_t recs = rings + h->contexts_max * sizeof(struct lib_rings);
	size_t size = recs + h->flows_max * sizeof(struct lib_slot);
	struct lib_att *a = lib_map(&t->os, size, false);

	if (a == NULL)
		return NULL;
	a->t = t;
	a->base = (char *)h;
	a->header = h;
	a->size = h->region_size;
	a->cores = h->cores;
	a->contexts_max = h->contexts_max;
	a->flows_max = h->flows_max;
	a->notify_mask = h->notify_slots - 1;
	a->map_size = size;
	a->refs = 1;
	a->rings = (void *)((char *)a + rings);
	a->slot = (void *)((char *)a + recs);
	for (uint32_t i = 0; i < ABI_CORES_MAX; i++)
		a->core_fd[i] = -1;
	return a;
}

static int raw_request(struct tas *t, struct ctl_msg *m, enum ctl_type type, int *fds, unsigned max,
	unsigned *nfds)
{
	int error;

	m->type = (uint16_t)type;
	m->status = 0;
	m->sequence = ++t->sequence;
	error = t->link.request(t->link_arg, m, fds, max, nfds);
	return error != 0 ? error : m->type == type ? 0 : -EPROTO;
}

static void hello_fill(struct tas *t, struct ctl_hello *h)
{
	*h = (struct ctl_hello){
		.magic = ABI_MAGIC,
		.major = ABI_MAJOR,
		.minor = ABI_MINOR,
		.header_size = sizeof(struct abi_header),
		.rec_size = sizeof(struct abi_flow_rec),
		.bell_size = sizeof(struct abi_bell),
		.context_size = sizeof(struct abi_context),
		.fork_token = t->hold_token,
	};
	say(h->program, sizeof(h->program), (const char *const[]){ program_invocation_short_name, NULL });
}

static int hello(struct tas *t, struct ctl_msg *m, int *fds, unsigned *nfds)
{
	int error;

	hello_fill(t, &m->hello);
	error = raw_request(t, m, CTL_HELLO, fds, 1 + ABI_CORES_MAX, nfds);
	if (error == -EMFILE) {
		SAY(t, "no descriptor is left for what tasd sends: see ulimit -n");
		return error;
	}
	if (error != 0) {
		SAY(t, "tasd at ", t->path, " does not answer");
		return error;
	}
	if (m->status == 0)
		return 0;
	m->text.bytes[sizeof(m->text.bytes) - 1] = '\0';
	SAY(t, m->text.bytes);
	return -(int)m->status;
}

static int map_region(struct tas *t, const struct ctl_hello *h, int memfd, struct lib_att **out)
{
	void *base = t->link.map(t->link_arg, memfd, h->region_size);
	struct ctl_msg m = { 0 };
	unsigned nfds;
	int error;

	if (base == NULL) {
		SAY(t, "the memory shared with tasd could not be mapped: see ulimit -v");
		return -ENOMEM;
	}
	error = header_check(t, base, h);
	if (error == 0)
		error = raw_request(t, &m, CTL_MAPPED, NULL, 0, &nfds);
	if (error == 0 && m.status != 0) {
		m.text.bytes[sizeof(m.text.bytes) - 1] = '\0';
		SAY(t, m.text.bytes);
		error = -(int)m.status;
	}
	if (error == 0 && (*out = att_new(t, base)) == NULL)
		error = -ENOMEM;
	if (error != 0)
		t->link.unmap(t->link_arg, base, h->region_size);
	return error;
}

/* fds: the region, then an eventfd for each core; none at all from a simulation. */
static int attach_opened(struct tas *t, struct lib_att **out)
{
	struct ctl_msg m = { 0 };
	int fds[1 + ABI_CORES_MAX];
	unsigned nfds = 0;
	int error = hello(t, &m, fds, &nfds);

	if (error == 0)
		error = map_region(t, &m.hello, nfds > 0 ? fds[0] : -1, out);
	if (error == 0 && nfds > 0 && nfds != 1 + (*out)->cores)
		error = -EPROTO;
	for (unsigned i = 0; i < nfds; i++) {
		if (error == 0 && i > 0)
			error = lib_fd_take(t, &(*out)->core_fd[i - 1], fds[i]);
		else
			lib_close(&t->os, fds[i]);
	}
	if (error != 0 && *out != NULL) { /* a core that cannot be woken carries nothing */
		lib_att_put(*out);
		*out = NULL;
	}
	return error;
}

static int attach_once(struct tas *t, struct lib_att **out)
{
	int error = t->link.open(t->link_arg);

	if (error == -EACCES || error == -EPERM)
		SAY(t, "no permission to use ", t->path, ": see socket_mode and socket_group in tasd.conf");
	else if (error != 0)
		SAY(t, "no tasd at ", t->path, ": is it running?");
	if (error != 0)
		return error;
	error = attach_opened(t, out);
	if (error != 0)
		t->link.close(t->link_arg);
	return error;
}

static void att_publish(struct tas *t, struct lib_att *a)
{
	lib_lock_init(&t->os);
	t->forks = 0;
	a->epoch = atomic_fetch_add_explicit(&t->epoch, 1, memory_order_relaxed) + 1;
	/* pairs with the acquire in lib_att_now */
	atomic_store_explicit(&t->att, a, memory_order_release);
	t->tried_error = 0;
	lib_watch_open(t);
	lib_fork_attached(t);
	lib_listen_renew(t);
	lib_timer_adjust(t);
	lib_ctx_wake_all(t); /* they sleep on descriptors of the past */
}

int lib_attach_locked(struct tas *t, char *why, size_t why_size)
{
	struct lib_att *a = NULL;

	if (lib_att_now(t) != NULL)
		return 0;
	if (t->tried_error == 0 || lib_now() - t->tried_ns >= TAS_RETRY_MS * NS_PER_MS) {
		SAY(t, "");
		t->tried_error = attach_once(t, &a);
		t->tried_ns = lib_now();
	}
	if (a != NULL)
		att_publish(t, a);
	else
		say(why, why_size, (const char *const[]){ t->tried_why, NULL });
	return lib_att_now(t) != NULL ? 0 : t->tried_error != 0 ? t->tried_error : -ENOTCONN;
}

int tas_attach(struct tas *t, char *why, size_t why_size)
{
	int error;

	if (lib_att_now(t) != NULL)
		return 0;
	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return -EBUSY;
	error = lib_attach_locked(t, why, why_size);
	lib_lock_leave(&t->os, &t->ctl_lock);
	return error;
}

bool tas_attached(const struct tas *t) { return lib_att_now(t) != NULL; }
uint64_t tas_epoch(const struct tas *t) { return atomic_load_explicit(&t->epoch, memory_order_relaxed); }

int lib_request(struct tas *t, struct ctl_msg *m, enum ctl_type type, int *fds, unsigned max, unsigned *nfds)
{
	int error;

	if (lib_att_now(t) == NULL)
		return -ENOTCONN;
	error = raw_request(t, m, type, fds, max, nfds);
	if (error == 0)
		return -(int)m->status;
	if (error == -EMFILE) /* an answer, but for its descriptors */
		return error;
	lib_att_die(t);
	return -ENOTCONN;
}

/* --- the end --- */

static void sweep(struct tas *t, struct lib_att *a)
{
	atomic_fetch_add(&a->sweeping, 1); /* a fence, too: pairs with the one in lib_drains_pass */
	for (uint32_t i = 0; i < a->flows_max; i++) {
		struct tas_sock *s;

		if (i % ABI_REC_CHUNK == 0 && a->header->rec_chunk_off[i / ABI_REC_CHUNK] == 0) {
			i += ABI_REC_CHUNK - 1;
			continue;
		}
		s = atomic_load_explicit(&a->slot[i].sock, memory_order_acquire);
		if (s != NULL)
			lib_sock_reset(s, ECONNRESET);
	}
	atomic_fetch_add_explicit(&a->sweeping, 1, memory_order_release);
	for (struct tas_sock *l = t->listeners; l != NULL; l = l->listener->next) {
		l->listener->registered = false;
		atomic_store_explicit(&l->listener->armed_epoch, 0, memory_order_relaxed);
	}
}

void lib_att_die(struct tas *t)
{
	struct lib_att *a = lib_att_now(t);

	if (a == NULL)
		return;
	atomic_store_explicit(&a->dead, 1, memory_order_seq_cst);
	atomic_store_explicit(&t->att, NULL, memory_order_release);
	lib_watch_del(t, atomic_load(&t->ctl_fd));
	t->link.close(t->link_arg);
	sweep(t, a);
	t->hold_token = 0; /* what we inherited and did not use died with tasd */
	lib_fd_drop(t, &t->hold_fd);
	lib_timer_adjust(t);
	lib_ctx_wake_all(t);
	lib_att_put(a);
}
