#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# No function over 80 lines, no file over 700, no line over 110 columns with tabs of 8.
. "$(dirname "$0")/lib.sh"

files_and_functions() {
	tree '*.c' '*.h' | xargs -r awk '
		FNR == 1 { start = 0 }
		/^\{/    { start = FNR }
		/^\}/    {
			if (start && FNR - start > 80)
				printf "%s:%d: a function of %d lines\n", FILENAME, start, FNR - start
			start = 0
		}
		FNR == 701 { printf "%s: more than 700 lines\n", FILENAME }'
}

# shellcheck disable=SC2016
lines() {
	tree '*.c' '*.h' '*.sh' '*meson.build' '*.conf' | xargs -r awk '
		BEGIN { FS = "\t" }
		{ columns = 0 }
		{ for (i = 1; i < NF; i++) columns += length($i) + 8 - (columns + length($i)) % 8 }
		columns + length($NF) > 110 {
			printf "%s:%d: %d columns\n", FILENAME, FNR, columns + length($NF)
		}'
}

{ files_and_functions; lines; } | report size
