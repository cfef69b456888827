#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 900
# tools/quickstart by itself: its table is whole and every byte of it tasd's, it can be run again at once, a
# download that is not what the server has fails it, and whether it ends, fails or is interrupted, the machine
# is as it was. Its namespaces, files and devices are the ones of lib.sh with its own pid in their names.
. "$(dirname "$0")/lib.sh"

export BUILD
mark=QUICKSTART_MARK=$INSTANCE # in the environment of every process that comes of it

# With Ctrl-C as a terminal gives it: default action, a process group of its own.
quickstart() { # [VARIABLE=VALUE...]
	setsid env --default-signal=INT "$mark" "$@" "$e2e_root/tools/quickstart" \
		>"$WORK/quickstart.log" 2>&1 \
		</dev/null &
	SPAWNED=$!
	e2e_pids+=("$SPAWNED")
}

ends() { # EXIT-CODE
	local code=0

	e2e_until 300 e2e_gone "$SPAWNED" || fail "quickstart does not end: $(tail "$WORK/quickstart.log")"
	wait "$SPAWNED" || code=$?
	assert_eq "exit code of quickstart ($(tail -n 3 "$WORK/quickstart.log"))" "$code" "$1"
	leaves_nothing
}

# What of the machine quickstart could have changed. Of the kernel's settings not those that count or count
# up.
machine() {
	echo "--- interfaces"
	ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | sort
	echo "--- huge pages"
	cat /sys/kernel/mm/hugepages/*/nr_hugepages
	{ find /dev/hugepages -type f 2>/dev/null || true; } | sort
	echo "--- settings"
	{ sysctl -a 2>/dev/null || true; } | grep -Ev \
		-e '^(fs\.(aio-nr|dentry|file-nr|inode)|kernel\.(ns_last_pid|pty|random))' \
		-e '^net\.netfilter\.nf_conntrack_count' |
		sort
}

offspring() {
	local file

	{ grep -lsz "^$mark\$" /proc/[0-9]*/environ || true; } | while read -r file; do
		ps -o pid=,args= -p "${file//[^0-9]/}" || true
	done
}

first_load_is_over() { grep -qs . "/tmp/e2e-$SPAWNED".*/results; }

leaves_nothing() {
	local own=e2e-$SPAWNED left

	left=$(offspring)
	[ -z "$left" ] || fail "processes are left: $left"
	left=$(ip netns list | grep -w "$own-\(srv\|cli\)" || true)
	[ -z "$left" ] || fail "namespaces are left: $left"
	left=$(find /tmp /run/tasd /var/run/dpdk /dev/shm -maxdepth 1 -name "*$own*" 2>/dev/null || true)
	[ -z "$left" ] || fail "files are left: $left"
	diff "$WORK/machine" <(machine) || fail "the machine is not as it was"
}

# Two rows for each load, tasd's with all of its payload; the downloads are what the server has.
table_is_whole() {
	local load

	for load in "redis GET, 50" "redis GET, pipelined" "memcached get" "nginx 64 B" "nginx 100 MB"; do
		grep -A 1 "^$load.* tasd " "$WORK/quickstart.log" >"$WORK/rows" || fail "no row of $load"
		grep -q ' tasd .* \(100.0\|99.9\)%$' "$WORK/rows" ||
			fail "not all by tasd: $(cat "$WORK/rows")"
		grep -q '^ *linux .* -$' "$WORK/rows" || fail "no row of Linux beside $load"
	done
	assert_eq "downloads that are equal" "$(grep -c 'MB (curl)\|/GB\*' "$WORK/quickstart.log")" 2
	assert_eq "the same" "$(grep -c '/GB\*.* equal ' "$WORK/quickstart.log")" 2
	grep -q '^this device without a stack .* wire ' "$WORK/quickstart.log" || fail "no row of the wire"
	cat "$WORK/quickstart.log"
}

machine >"$WORK/machine"

say "as it is, in less than 4 minutes"
begun=${EPOCHREALTIME/./}
quickstart
ends 0
[ $(((${EPOCHREALTIME/./} - begun) / 1000000)) -lt 240 ] || fail "it took 4 minutes"
table_is_whole
export QUICKSTART_ROUNDS=1

say "Ctrl-C in the middle"
quickstart
wait_for 120 "the loads" grep -q "^\[.*loads, 1 rounds" "$WORK/quickstart.log"
wait_for 60 "the first load" first_load_is_over
kill -INT -- "-$SPAWNED"
ends 130

say "again at once, and a download that is not what the server has"
mkdir "$WORK/bin"
cat >"$WORK/bin/curl" <<-'T'
	#!/bin/bash
	/usr/bin/curl "$@" || exit
	while [ "$1" != -o ]; do shift; done
	printf x | dd of="$2" bs=1 seek=4711 conv=notrunc status=none
T
chmod 755 "$WORK/bin/curl"
quickstart PATH="$WORK/bin:$PATH"
ends 1
grep -q "differ: byte 4712" "$WORK/quickstart.log" || fail "no word of the difference"
! grep -q " equal " "$WORK/quickstart.log" || fail "a wrong download is called equal"

say "again at once"
quickstart
ends 0
table_is_whole
