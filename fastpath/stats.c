/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/stats.h"

const struct tas_counter_info tas_counter_info[NR_COUNTERS] = {
#define X(id, name, unit, help) [CNT_##id] = { name, unit, help },
	TAS_COUNTERS(X)
#undef X
};
