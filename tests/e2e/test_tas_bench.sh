#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# tas-bench: every benchmark runs and verifies what it moves, its JSON can be read, and a wrong name is told
# what there is. How fast this machine is, is nobody's business here.
. "$(dirname "$0")/lib.sh"

names=(fastpath_rpc bulk_rx bulk_tx lib_posix)

# Standard output to bench.out, standard error to bench.err, the exit code is printed.
bench() { # ARGUMENT...
	local code=0
	timeout 60 tas-bench "$@" >"$WORK/bench.out" 2>"$WORK/bench.err" || code=$?
	echo "$code"
}

said() { # FILE PATTERN
	grep -q -- "$2" "$WORK/$1" || fail "no '$2' in $1: $(cat "$WORK/$1")"
}

# Objects with these members and sensible values, of the benchmarks NAME... and of no others.
json_is_right() { # FILE NAME...
	python3 - "$@" <<'P'
import json, sys
results = json.load(open(sys.argv[1]))
assert isinstance(results, list) and {r["name"] for r in results} == set(sys.argv[2:]), results
for r in results:
    assert set(r) == {"name", "flows", "cycles", "floor_cycles", "rounds"}, r
    assert isinstance(r["flows"], int) and isinstance(r["rounds"], int) and r["rounds"] >= 1000, r
    assert 0 < r["floor_cycles"] < r["cycles"] < 1e6, r
for name, flows in (("fastpath_rpc", [1, 64, 4096]), ("bulk_rx", [1]), ("bulk_tx", [1]),
        ("lib_posix", [1, 64])):
    if name in sys.argv:
        assert sorted(r["flows"] for r in results if r["name"] == name) == flows, results
P
}

say "list names every benchmark with a line of help"
assert_eq "exit code" "$(bench list)" 0
for name in "${names[@]}"; do
	said bench.out "^$name  *[a-z0-9]"
done
assert_eq "benchmarks listed" "$(wc -l <"$WORK/bench.out")" ${#names[@]}

say "one runs alone, as a table"
assert_eq "exit code" "$(bench run bulk_rx)" 0
assert_eq "rows of bulk_rx" "$(grep -c '^bulk_rx ' "$WORK/bench.out")" 1
! grep -q '^bulk_tx ' "$WORK/bench.out" || fail "bulk_tx ran, too"

say "one runs alone, as JSON"
assert_eq "exit code" "$(bench run lib_posix --json)" 0
json_is_right "$WORK/bench.out" lib_posix

say "several, and one of them twice: each runs once"
assert_eq "exit code" "$(bench run bulk_tx bulk_rx bulk_tx bulk_rx bulk_tx --json)" 0
json_is_right "$WORK/bench.out" bulk_rx bulk_tx

say "without a name all run"
assert_eq "exit code" "$(bench run --json)" 0
json_is_right "$WORK/bench.out" "${names[@]}"

say "a wrong name is told what there is, before anything runs"
assert_eq "exit code" "$(bench run bulk_rx bulk_up)" 2
said bench.err "bulk_up.*${names[0]}.*${names[3]}"
assert_eq "lines of results" "$(wc -l <"$WORK/bench.out")" 0

say "a wrong command or option is told the usage"
for arguments in "" "walk" "run --jason" "list bulk_rx"; do
	# shellcheck disable=SC2086
	assert_eq "exit code of '$arguments'" "$(bench $arguments)" 2
	said bench.err "usage: tas-bench"
done
assert_eq "exit code of --help" "$(bench --help)" 0
said bench.out "usage: tas-bench"
