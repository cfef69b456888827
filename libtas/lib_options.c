/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_options.c - options that change while a socket is open: tasd is told, and the library keeps what concerns
 * the payload rings. */
#include "libtas/lib_int.h"

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

static int flow_options(struct tas_ctx *c, struct tas_sock *s, const struct ctl_options *options)
{
	struct ctl_msg m = { .change = { .options = *options } };
	int error = lib_sock_ours(c, s, 0);

	if (error == 0 && lib_moved(s))
		error = lib_pull(c, s);
	m.change.flow = s->flow;
	m.change.gen = s->gen;
	if (error == 0)
		error = lib_ask(s->t, &m, CTL_OPTIONS);
	if (error == 0)
		lib_options_take(s, options);
	return error;
}

int tas_set_options(struct tas_sock *s, const struct ctl_options *options)
{
	struct tas_ctx *c = tas_ctx_self(s->t);

	if (c == NULL)
		return -ENOMEM;
	return tas_sock_is_listener(s) ? lib_listener_options(c, s, options) : flow_options(c, s, options);
}
