/* SPDX-License-Identifier: BSD-3-Clause */
/* app_steps.h - what an honest application does in steps of an input, with connections of wire.h. Whatever
 * does not make sense now is left out. */
#ifndef TAS_FUZZ_APP_STEPS_H
#define TAS_FUZZ_APP_STEPS_H

#include "tests/fuzz/wire.h"

void app_step(struct wire_conn *c, struct step *s);

/* Options of any values; congestion is one that exists, or not. */
struct ctl_options options_step(struct step *s);

#endif
