#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The fences of the wake-up are there (docs/decisions/0006): on x86 no test misses most of them, for other
# instructions happen to do the same.
. "$(dirname "$0")/lib.sh"

has_fence() { # FILE FUNCTION
	awk -v head="^[a-z].*[ *]$2[(]" '
		$0 ~ head && !/;$/ { within = 1 }
		within && /^\tatomic_thread_fence[(]memory_order_seq_cst[)];$/ { there = 1 }
		/^}/ { within = 0 }
		END { exit !there }' "$1" || echo "$1: $2() has no seq_cst fence"
}

{
	has_fence fastpath/core.c core_flush
	has_fence fastpath/app_turn.c core_sleep_begin
	has_fence fastpath/app_turn.c app_quieten
	has_fence fastpath/appq.c app_notify
	has_fence slowpath/tasd.c wait_for_work
	has_fence libtas/lib_bell.c core_tell
	has_fence libtas/lib_notify.c drain_batch
	has_fence libtas/lib_ctx.c announce_sleep
} | report fences
