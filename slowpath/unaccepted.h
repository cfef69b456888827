/* SPDX-License-Identifier: BSD-3-Clause */
/* unaccepted.h - what arrives on connections that no process has in its region yet, because none that accepts
 * is there or because the one that had them left.
 *
 * Guarantee: as in Linux, it is acknowledged, kept, and there for whoever accepts; so is the peer's FIN. It
 * lies in a ring of the smallest power of two that holds it, at most as long as the window that was offered.
 * All rings together take at most [memory] unaccepted_max, and those of one listener a quarter of that with
 * what newly arrives. What finds no room is not acknowledged: the peer sends it again. What was acknowledged
 * already, in a process that left, cannot come again: if there is no room for it, its connection is reset.
 * Both are counted. Owner: the slow path; functions want the connection's lock held. */
#ifndef TAS_SLOWPATH_UNACCEPTED_H
#define TAS_SLOWPATH_UNACCEPTED_H

#include <stdbool.h>
#include <stdint.h>

#include "include/net/seg.h"

struct sp;

/* A segment without SYN and RST, for a connection that no process has. */
void unaccepted_in(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg);
/* Takes it out of the region of a process that did not accept it. False: no room. */
bool unaccepted_strip(struct sp *sp, uint32_t id);
/* It has its place in a process's region: what was kept goes there. */
void unaccepted_give(struct sp *sp, uint32_t id);
/* It ends. Before listen_forget(). */
void unaccepted_drop(struct sp *sp, uint32_t id);

#endif
