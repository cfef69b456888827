/* SPDX-License-Identifier: BSD-3-Clause */
/* stages.h - the stages of a pass (core.c calls them), each a loop over at most a batch; they return how much
 * they handled. */
#ifndef TAS_FASTPATH_STAGES_H
#define TAS_FASTPATH_STAGES_H

#include "fastpath/fastpath.h"

/* Packets from the port: parse, look up, TCP; what is not for the fast path is punted. */
unsigned rx_poll(struct fp_core *c);
/* What an application may cost in one pass: so many messages, or fewer, if each asks to be told something. */
enum { APP_TURN = FP_BATCH };
/* Messages of one application, as far as *turn goes, from which they are taken. Returns how many. */
unsigned app_poll(struct fp_core *c, struct app *a, int *turn);
/* Messages from applications that are not quiet. */
unsigned appq_poll(struct fp_core *c);
/* Wakes the contexts that were told something in this pass, after the fence of core_flush(). */
void app_wake_poll(struct fp_core *c);
/* The persist timer's wish, on a real core (lock held): what the peer's small window takes, or an empty
 * probe. */
void tcp_probe_out(struct fp_core *c, uint32_t id);
/* The tail loss probe that the slow path wants, on a real core (lock held). */
void tcp_tail_probe_out(struct fp_core *c, uint32_t id);

#endif
