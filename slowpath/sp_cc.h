/* SPDX-License-Identifier: BSD-3-Clause */
/* sp_cc.h - which flows congestion control visits, and when: those that sent or had acknowledgements since
 * their last interval, at most SP_CC_BURST a pass; idle flows cost nothing. Owner: the slow path; functions
 * on a flow want its lock held. */
#ifndef TAS_SLOWPATH_SP_CC_H
#define TAS_SLOWPATH_SP_CC_H

#include <stdbool.h>
#include <stdint.h>

#include "include/net/addr.h"

struct sp;

/* Is there an algorithm of this name, or is it empty? */
bool sp_cc_known(const char *name);
/* The algorithm called so, or if the name is empty or unknown the one configured for the peer. */
uint8_t sp_cc_choose(const struct sp *sp, const char *name, struct net_addr peer);
/* The connection is established with conn.cc_alg. */
void sp_cc_begin(struct sp *sp, uint32_t id);
/* The connection goes on with another algorithm, and the window that it has. */
void sp_cc_switch(struct sp *sp, uint32_t id, uint8_t alg);
/* FLOW_EV_CC: it became active. */
void sp_cc_add(struct sp *sp, uint32_t id);
void sp_cc_forget(struct sp *sp, uint32_t id);
/* Visits what is due. Takes locks itself. */
unsigned sp_cc_poll(struct sp *sp);

#endif
