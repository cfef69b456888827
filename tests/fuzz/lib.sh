# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# lib.sh - runs one fuzzer: `fuzz NAME [OPTION...]`, for 20 s; with CHECK_LONG for an hour, with
# FUZZ_SECONDS for so long. First come the seeds of the tree, all of them, however long that takes. What else
# is of interest is collected in $BUILD/fuzz/corpus-NAME, anew each time. An input that makes it fail stays
# in $BUILD/fuzz/NAME-*, and is named last, with how to see it again.
set -u
fuzz_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fuzz_build=${BUILD:-$fuzz_dir/../../build}/fuzz

# The same run each time, but for how far it gets. Nothing fails for being slow on a slow machine: `timeout`
# is for what never ends.
fuzz_options=(-seed=1 -entropic=0 -len_control=0 -max_len=1500 -timeout=300 -rss_limit_mb=4096
	-print_funcs=0)
# Many short lives: what was freed need not be remembered for long.
export ASAN_OPTIONS=quarantine_size_mb=16:use_sigaltstack=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

fuzz() { # NAME OPTION...
	local name=$1 seconds=${FUZZ_SECONDS:-${CHECK_LONG:+3600}} corpus=$fuzz_build/corpus-$1 result
	shift
	rm -rf "$corpus" && mkdir -p "$corpus" || return 2
	"$fuzz_build/tests/fuzz/fuzz_$name" "${fuzz_options[@]}" "$@" -max_total_time="${seconds:-20}" \
		-artifact_prefix="$fuzz_build/$name-" "$corpus" "$fuzz_dir/seeds/$name"
	result=$?
	[ $result -eq 0 ] || fuzz_tell "$name" "$result"
	return $result
}

fuzz_tell() { # NAME EXIT-CODE
	local input

	input=$(find "$fuzz_build/" -maxdepth 1 -name "$1-*" -printf '%T@ %p\n' | sort -rn | head -n 1)
	cat <<-T
		fuzz_$1 ended with $2. To see it again, with what goes by:
		    ASAN_OPTIONS=$ASAN_OPTIONS UBSAN_OPTIONS=$UBSAN_OPTIONS RIG_TRACE=1 \\
		    $fuzz_build/tests/fuzz/fuzz_$1 ${input#* }
		To make it smaller: the same without RIG_TRACE, with -minimize_crash=1 -runs=1000 before the
		input. When it is mended: a test in tests/unit, and the input into tests/fuzz/seeds/$1.
	T
}
