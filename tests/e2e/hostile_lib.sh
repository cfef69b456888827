# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
# hostile_lib.sh - what the tests with hostile applications share; after lib.sh.
offender=$WORK/hostile # nobody may not read where we were built
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups --)
bells_cut_off=(flow-beyond read-ahead read-far-ahead sent-ahead sent-far-ahead flag-unknown
	context-unknown produced-ahead produced-back)
bells_borne=(flow-unused gen-later gen-zero read-before-birth sent-back sent-before-birth read-back
	told-for-ever consumed-nonsense their-index contexts-unknown layout-nonsense)

# tasd, the decent server on port 7, and one for offenders to connect to.
hostile_begin() {
	ns_make
	tasd_start memory.app_memory_max=128M
	cp "$BUILD/tests/e2e/hostile" "$offender"
	export TAS_SOCKET=/run/tasd/$INSTANCE.sock
	spawn "$CLI" remote "$BUILD/tests/e2e/echo" 7
	serve echo "$BUILD/tests/e2e/echo" 7
	serve stopped "$BUILD/tests/e2e/echo" 9009
	stopped=$SPAWNED
	wait_for 10 "the decent server" port_answers 7
	wait_for 10 "the server that will be stopped" port_answers 9009
}

said() { grep -q "$1" "$WORK/$2.log"; } # WORD NAME

end_now() { # PID...
	kill -KILL "$@" 2>/dev/null || true
	wait "$@" 2>/dev/null || true
}

cut_off_so_far() { counters apps_cut_off; }

only_the_decent_are_left() { # only their records, no offender's
	[ "$(tasctl -i "$INSTANCE" apps --json | python3 -c 'import json, sys
print(sum(a["program"] != "echo" for a in json.load(sys.stdin)))')" = 0 ]
}
