#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# libtas.so exports the calls that docs/sockets.md lists, the functions of include/tas/tas.h, and nothing
# else.
set -eu -o pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
library=${BUILD:-$root/build}/libtas/libtas.so

exported() { nm -D --defined-only "$library" | awk '{ print $3 }' | sort; }

# shellcheck disable=SC2016
# The names in backquotes of the section's table, but for those in the left column and in parentheses.
listed() {
	sed -n '/^## Calls/,/^## Flags/{/^| /p}' "$root/docs/sockets.md" | cut -d '|' -f 3 |
		sed 's/([^)]*)//g' | grep -o '`[^`]*`' | tr -d '`'
}

# A declaration begins its line; comments are left out.
declared() {
	gcc -fpreprocessed -dD -E -P "$root/include/tas/tas.h" | grep -o '^[a-z].*\btas_[a-z_]*(' |
		grep -o 'tas_[a-z_]*($' | tr -d '('
}

[ "$(declared | wc -l)" -gt 50 ] || { echo "tas.h cannot be read"; exit 1; }
diff <({ listed; declared; } | sort) <(exported) ||
	{ echo "docs/sockets.md and include/tas/tas.h (<) and $library (>) differ"; exit 1; }
echo "$(listed | wc -l) calls, $(declared | wc -l) functions of tas.h"
