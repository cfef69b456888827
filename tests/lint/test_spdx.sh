#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every source names its licence in its first line, or in the second after "#!".
. "$(dirname "$0")/lib.sh"

{
	tree '*.c' '*.h' '*.py' '*.map' '*meson.build' '*meson_options.txt' '*.conf'
	shell_scripts
} | sort -u | xargs -r awk '
	/SPDX-License-Identifier: BSD-3-Clause/ && FNR <= 2 { named[FILENAME] }
	FNR == 2 { nextfile }
	END {
		for (i = 1; i < ARGC; i++)
			if (!(ARGV[i] in named))
				print ARGV[i] ": no SPDX line"
	}' | report spdx
