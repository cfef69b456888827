#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The linters themselves: each passes a clean tree and objects to one with a single offence of its kind.
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

spdx='/* SPDX-License-Identifier: BSD-3-Clause */'
tabs=$(printf '\t')

# A tree with one correct file in every layer.
make_tree() { # DIRECTORY
	mkdir -p "$1"/{include/{base,net,abi,tas},fastpath,slowpath,libtas} && git -C "$1" init -q
	cp "$lint_dir/../../.clang-format" "$1"
	for header in include/{base,net,abi,tas}/a fastpath/{fastpath,a}; do
		echo "$spdx" >"$1/$header.h"
	done
	put "$1/slowpath/conn.c" '#include "fastpath/fastpath.h"' '#include "include/net/a.h"' '' 'int a;'
	put "$1/slowpath/main.c" '#include <sys/socket.h>' '' 'int b;'
	put "$1/libtas/sock.c" '#include "include/abi/a.h"' '#include "include/tas/a.h"' '' 'int c;'
}

put() { # FILE LINE...
	local file=$1
	shift
	printf '%s\n' "$spdx" "$@" >"$file"
}

# One offence, by one linter: a tree with FILE of these lines must be refused by LINTER, naming FILE.
objects() { # LINTER FILE LINE...
	local linter=$1 file=$2 tree=$work/$((++n)) out
	shift 2
	make_tree "$tree"
	printf '%s\n' "$@" >"$tree/$file"
	out=$(LINT_ROOT=$tree "$lint_dir/test_$linter.sh" 2>&1)
	case $out in
	*"$file"*"$linter: fail") ;;
	*) printf '%s does not object to %s:\n%s\n' "$linter" "$file" "$out" ;;
	esac
}

passes_a_clean_tree() { # LINTER
	make_tree "$work/$1"
	LINT_ROOT=$work/$1 "$lint_dir/test_$1.sh" >"$work/out" 2>&1 || cat "$work/out"
}

n=0
{
	for linter in layers headers format shell cppcheck spdx size; do
		passes_a_clean_tree $linter
	done
	objects layers include/base/x.h "$spdx" '#include "include/net/a.h"'
	objects layers include/abi/x.h "$spdx" '#include "include/net/a.h"'
	objects layers include/abi/x.h "$spdx" '#include <rte_mbuf.h>'
	objects layers fastpath/x.c "$spdx" '#include "slowpath/a.h"'
	objects layers fastpath/x.c "$spdx" '#  include <sys/socket.h>'
	objects layers slowpath/x.c "$spdx" '#include "fastpath/a.h"'
	objects layers slowpath/x.c "$spdx" '#include <netinet/in.h>'
	objects layers slowpath/main.h "$spdx" '#include <sys/un.h>'
	objects layers libtas/x.c "$spdx" '#include "fastpath/fastpath.h"'
	objects layers libtas/x.c "$spdx" '#include "../slowpath/a.h"'
	objects layers slowpath/x.c "$spdx" '#include "x.h"'
	objects headers include/base/x.h "$spdx" 'static inline uint32_t f(void) { return 0; }'
	objects headers include/net/x.h "$spdx" 'struct twice {' 'int a;' '};'
	objects format fastpath/x.c "$spdx" 'int  a;'
	objects shell x.sh '#!/bin/sh' "cd x"
	objects shell fastpath/x '#!/usr/bin/env bash' "cd x"
	objects cppcheck fastpath/x.c "$spdx" 'int f(void)' '{' 'int a[2] = { 0, 1 };' 'return a[2];' '}'
	objects spdx slowpath/x.c 'int a;'
	objects spdx slowpath/x '#!/bin/sh'
	mapfile -t many < <(yes "${tabs}f();" | head -n 80)
	objects size fastpath/x.c "$spdx" 'void f(void)' '{' "${many[@]}" '}'
	mapfile -t many < <(yes '' | head -n 700)
	objects size fastpath/x.c "$spdx" "${many[@]}"
	objects size fastpath/x.c "$spdx" "$(printf '%0111d' 0)"
	objects size fastpath/x.c "$spdx" "$tabs$(printf '%0103d' 0)"
} | report self
