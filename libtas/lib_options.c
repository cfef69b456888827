/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_options.c - options that change while a socket is open: tasd is told, and the library keeps what
 * concerns the payload rings. */
#include <string.h>

#include "libtas/lib_int.h"

void tas_sock_name(const struct tas_sock *s, uint32_t *flow, uint32_t *gen)
{
	*flow = s->flow;
	*gen = s->gen;
}

void lib_rx_size_set(struct tas_sock *s, uint32_t size)
{
	uint32_t used = s->rx_limit != 0 ? min_u32(s->rx_limit, size) : size;

	atomic_store_explicit(&s->rx_worth, min_u32(used / 4, 2 * max_u32(536, s->rec->snd_mss)),
		memory_order_relaxed);
}

void lib_tx_size_set(struct tas_sock *s, uint32_t size)
{
	uint32_t lowat = atomic_load_explicit(&s->notsent_lowat, memory_order_relaxed);

	atomic_store_explicit(&s->tx_size, lowat != 0 ? 0 : lib_tx_used_size(s, size), memory_order_relaxed);
}

void lib_options_take(struct tas_sock *s, const struct ctl_options *options)
{
	s->rx_limit = options->rx_size;
	atomic_store_explicit(&s->tx_limit, options->tx_size, memory_order_relaxed);
	atomic_store_explicit(&s->notsent_lowat, options->notsent_lowat, memory_order_relaxed);
	if (s->rx_mask != 0)
		lib_rx_size_set(s, s->rx_mask + 1);
	if (s->tx_mask != 0)
		lib_tx_size_set(s, s->tx_mask + 1);
}

/* Are larger rings wanted than there are? */
static bool wants_more(const struct tas_sock *s, const struct ctl_options *o)
{
	return o->rx_size > s->rec->rx_size || o->tx_size > s->rec->tx_size;
}

/* Nobody is inside of the rings while tasd replaces them. A handler that interrupted one who is does
 * without. */
static int rings_enter(struct tas_ctx *c, struct tas_sock *s)
{
	int error = lib_sock_enter(c, s, &s->rx_lock, 0);

	if (error != 0)
		return error;
	error = lib_sock_enter(c, s, &s->tx_lock, 0);
	if (error != 0)
		lib_sock_leave(c, s, &s->rx_lock);
	return error;
}

static int ask_for(struct tas_sock *s, const struct ctl_options *options, bool larger)
{
	struct ctl_msg m = { .change = { .flow = s->flow, .gen = s->gen, .options = *options } };

	if (!larger) {
		m.change.options.rx_size = min_u32(options->rx_size, s->rec->rx_size);
		m.change.options.tx_size = min_u32(options->tx_size, s->rec->tx_size);
	}
	return lib_ask(s->t, &m, CTL_OPTIONS);
}

/* Whatever the answer is: the record names the rings that there are. */
void lib_grow(struct tas_sock *s, uint32_t event)
{
	struct ctl_msg m = { .grow = { .flow = s->flow, .gen = s->gen, .event = event } };

	lib_ask(s->t, &m, CTL_GROW);
}

/* Of names with a space behind each, in memory that the program may have spoilt. */
static bool has_name(const char *names, size_t size, const char *name)
{
	size_t length = strlen(name);

	for (size_t at = 0; at + length < size; at++) {
		if ((at == 0 || names[at - 1] == ' ') && memcmp(names + at, name, length) == 0 &&
			names[at + length] == ' ')
			return length > 0;
	}
	return false;
}

bool tas_congestion_known(struct tas *t, const char *name)
{
	const struct lib_att *a;
	bool known;

	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return false;
	a = lib_att_now(t);
	known = a != NULL && has_name(a->header->congestion, sizeof(a->header->congestion), name);
	lib_lock_leave(&t->os, &t->ctl_lock);
	return known;
}

static int flow_options(struct tas_ctx *c, struct tas_sock *s, const struct ctl_options *options)
{
	int error = lib_sock_ours(c, s, 0);
	bool larger, entered = false;

	if (error == 0 && lib_moved(s))
		error = lib_pull(c, s);
	if (error != 0)
		return error;
	larger = wants_more(s, options);
	if (larger) {
		error = rings_enter(c, s);
		entered = error == 0;
		if (error != 0 && error != -EDEADLK)
			return error;
	}
	error = ask_for(s, options, entered || !larger);
	if (error == 0)
		lib_options_take(s, options);
	if (entered) {
		lib_sock_leave(c, s, &s->tx_lock);
		lib_sock_leave(c, s, &s->rx_lock);
	}
	return error;
}

/* --- TCP_QUICKACK --- */

/* It changes when bytes move. */
static uint64_t bytes_moved(const struct tas_sock *s)
{
	return atomic_load_explicit(&s->rec->rx_end, memory_order_relaxed) +
		atomic_load_explicit(&s->tx_end, memory_order_relaxed);
}

void tas_set_quickack(struct tas_ctx *c, struct tas_sock *s, bool on)
{
	if (lib_sock_ours(c, s, 0) != 0 || (lib_moved(s) && lib_pull(c, s) != 0))
		return;
	lib_bell(c, s, ABI_BELL_POSITIONS | (on ? ABI_BELL_QUICK_ACKS : ABI_BELL_LATE_ACKS));
	atomic_store_explicit(&s->quick_at, (bytes_moved(s) + 1) << 1 | on, memory_order_relaxed);
}

void lib_quickack_info(const struct tas_sock *s, struct ctl_info *info)
{
	uint64_t at = atomic_load_explicit(&s->quick_at, memory_order_relaxed);

	if (at >> 1 == bytes_moved(s) + 1)
		info->late_acks = !(at & 1);
}

int tas_set_options(struct tas_sock *s, const struct ctl_options *options)
{
	struct tas_ctx *c = tas_ctx_self(s->t);

	if (c == NULL)
		return -ENOMEM;
	return tas_sock_is_listener(s) ? lib_listener_options(c, s, options) : flow_options(c, s, options);
}
