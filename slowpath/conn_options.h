/* SPDX-License-Identifier: BSD-3-Clause */
/* conn_options.h - socket options of a connection: what those of its listener, or of the request to open it,
 * say holds from its first segment on; what changes later, from then on.
 * Owner: the slow path. Functions want the flow's lock held unless they say otherwise. */
#ifndef TAS_SLOWPATH_CONN_OPTIONS_H
#define TAS_SLOWPATH_CONN_OPTIONS_H

#include <stdint.h>

#include "include/abi/ctl.h"

struct sp;
struct hdr_tmpl;
struct tas_conf;

/* A new connection, of which nothing is known yet but its key. */
void options_begin(struct sp *sp, uint32_t id, const struct ctl_options *options);

/* How much the peer may send: SO_RCVBUF, TCP_WINDOW_CLAMP. */
uint32_t options_window(const struct sp *sp, uint32_t id);
/* Completes the handshake of an active open: at once, or with the first data. */
void options_ack(struct sp *sp, uint32_t id);
/* TCP_DEFER_ACCEPT as Linux counts it: while SYN-ACKs could have been sent again so often. */
uint32_t options_defer_retries(const struct sp *sp, uint32_t id);
/* What TCP_MAXSEG makes of a segment size, ours or the peer's. */
uint16_t options_mss(const struct sp *sp, uint32_t id, uint32_t mss);
/* Limits of both rings, of which that for receiving may have grown. A peer that may send more than before is
 * told, and the application that there may be space. */
void options_limits_change(struct sp *sp, uint32_t id, bool grown);
/* What they say of IP headers goes into those of the flow, which were made anew. */
void options_header(struct sp *sp, uint32_t id);

/* What options say before there is a connection: the window that a SYN offers, the scale of later ones, a
 * segment size as options_mss(), and class and hops of IP headers. No lock. */
uint16_t options_first_window(const struct tas_conf *conf, const struct ctl_options *o);
uint8_t options_wscale(const struct tas_conf *conf, const struct ctl_options *o);
uint16_t options_mss_of(const struct ctl_options *o, uint32_t mss);
void options_class(const struct sp *sp, const struct ctl_options *o, struct hdr_tmpl *h);

/* CTL_OPTIONS, as struct app_ops wants it; arg is struct sp. Takes the lock. */
int options_op_change(void *sp, uint32_t id, const struct ctl_options *options);

#endif
