#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each header compiles alone, and twice. What an application may include compiles without DPDK's flags.
. "$(dirname "$0")/lib.sh"
need gcc
need pkg-config

dpdk_flags=$(pkg-config --cflags libdpdk | sed 's/-I/-isystem /g') || exit 2
export dpdk_flags

compile() {
	local flags=(-std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -I.) out

	case $1 in
	include/tas/*) flags=(-std=gnu11 -Wall -Wextra -Werror -I.) ;;
	include/base/* | include/abi/* | libtas/*) ;;
	*) read -ra more <<<"$dpdk_flags" && flags+=("${more[@]}") ;;
	esac
	out=$(printf '#include "%s"\n' "$1" "$1" |
		gcc "${flags[@]}" -fsyntax-only -x c - 2>&1) ||
		printf '%s\n' "$1: does not compile alone" "$out"
}
export -f compile

# shellcheck disable=SC2016
tree '*.h' | xargs -r -P "$(nproc)" -I {} bash -c 'compile "$1"' compile {} | report headers
