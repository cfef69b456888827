#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The calls that docs/sockets.md lists are those that libtas.so exports.
set -eu -o pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
library=${BUILD:-$root/build}/libtas/libtas.so

exported() { nm -D --defined-only "$library" | awk '{ print $3 }' | sort; }

# shellcheck disable=SC2016
# The names in backquotes of the section's table, but for those in the left column and in parentheses.
listed() {
	sed -n '/^## Calls/,/^## Flags/{/^| /p}' "$root/docs/sockets.md" | cut -d '|' -f 3 |
		sed 's/([^)]*)//g' | grep -o '`[^`]*`' | tr -d '`' | sort
}

diff <(listed) <(exported) || { echo "docs/sockets.md (<) and $library (>) differ"; exit 1; }
echo "$(exported | wc -l) calls"
