#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A server that goes into a jail before its first socket is accelerated; when tasd is restarted it goes on in
# the kernel, and has said so. With tasd's socket in the jail it is accelerated again. Topology: lib.sh.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

jailed() { # JAIL PORT
	cat <<-END
		import os, socket
		os.chroot("$WORK/$1")
		os.chdir("/")
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("0.0.0.0", $2))
		s.listen()
		while True:
		    c = s.accept()[0]
		    c.sendall(c.recv(1))
		    c.close()
	END
}

answers() { # STARTER ADDRESS PORT
	[ "$("$1" timeout 5 bash -c "exec 3<>/dev/tcp/$2/$3; printf x >&3; head -c 1 <&3")" = x ]
}

said() { grep -c "^libtas: tasd's socket cannot be seen" "$WORK/$1.log" || true; } # NAME

ns_make
tasd_start
mkdir -p "$WORK/bare" "$WORK/jail/run/tasd"
serve without python3 -c "$(jailed bare 7)"
carried_begin
wait_for 20 "the server in a jail" answers in_cli $TASD_IP 7
assert_carried 2
assert_eq "lines of the server" "$(said without)" 1

# each command in a network namespace has mounts of its own
# shellcheck disable=SC2016
serve with sh -c 'mount --bind /run/tasd "$1" && exec python3 -c "$2"' - "$WORK/jail/run/tasd" \
	"$(jailed jail 8)"
carried_begin
wait_for 20 "the server with a socket in its jail" answers in_cli $TASD_IP 8
assert_carried 2
assert_eq "lines of the other server" "$(said with)" 0

say "tasd is restarted"
tasd_stop
tasd_start
carried_begin
wait_for 20 "the server with a socket in its jail" answers in_cli $TASD_IP 8
assert_carried 2
answers in_srv 127.0.0.1 7 || fail "the first server does not serve by the kernel"
alive "$TASD" || fail "tasd is gone"
