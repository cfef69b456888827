#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every source names its licence in its first line, or in the second after "#!".
. "$(dirname "$0")/lib.sh"

{
	tree '*.c' '*.h' '*.py' '*.map' '*meson.build' '*meson_options.txt' '*.conf'
	shell_scripts
} | sort -u | while read -r file; do
	head -n 2 "$file" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' || echo "$file: no SPDX line"
done | report spdx
