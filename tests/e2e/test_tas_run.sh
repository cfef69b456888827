#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What tas-run says before a program starts, what its exit code is, and what --strict does. The topology is in
# lib.sh.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

# Runs a command under tas-run; its exit code in $code, what it said in $WORK/said.
runs() { # COMMAND-LINE-OF-TAS-RUN...
	code=0
	in_srv tas-run "$@" >"$WORK/said" 2>&1 </dev/null || code=$?
}

says() { # EXIT-CODE LINES PATTERN: that code, that many lines of ours, one of them so
	assert_eq "exit code" "$code" "$1"
	assert_eq "lines of ours: $(cat "$WORK/said")" \
		"$(grep -c "^\(tas-run\|libtas\): " "$WORK/said" || true)" "$2"
	[ "$2" = 0 ] || grep -q "$3" "$WORK/said" || fail "no word of \"$3\": $(cat "$WORK/said")"
}

script() { # TEXT
	printf '%s\n' "$1" >"$WORK/script"
	chmod 755 "$WORK/script"
}

# A connection through tasd, and an option that it does not have.
unsupported() {
	cat <<-END
		import socket
		s = socket.create_connection(("$CLI_IP", 7), 10)
		s.sendall(b"x" * 5000)
		got = 0
		while got < 5000:
		    got += len(s.recv(5000))
		try:
		    s.setsockopt(socket.SOL_SOCKET, 29, 1)
		except OSError as e:
		    print("refused", e.errno)
	END
}

# A connection that goes to another process, by SCM_RIGHTS and by exec; it is there for the first one still.
passed_on() {
	cat <<-END
		import errno, os, socket, subprocess, sys
		s = socket.create_connection(("$CLI_IP", 7), 10)
		a, b = socket.socketpair()
		for _ in range(2):
		    try:
		        socket.send_fds(a, [b"x"], [s.fileno()])
		    except OSError as e:
		        print(errno.errorcode[e.errno])
		os.set_inheritable(s.fileno(), True)
		heir = "import os, sys; os.read(int(sys.argv[1]), 1)"
		said = subprocess.run([sys.executable, "-c", heir, str(s.fileno())], close_fds=False,
		    capture_output=True, text=True).stderr
		print("ENOTCONN" if f"Errno {errno.ENOTCONN}]" in said else said)
		s.sendall(b"y")
		print(s.recv(1).decode())
	END
}

ns_make

say "without tasd: one warning, and none if it is not wanted"
runs -i "$INSTANCE" -- python3 -c 'import socket; [socket.create_server(("", 0)) for _ in range(3)]'
says 0 1 "no tasd answers there"
runs -i "$INSTANCE" -- bash -c 'python3 -c "import socket; socket.create_server((\"\", 0))"; exit 3'
says 3 1 "/run/tasd/$INSTANCE.sock"
for value in 1 yes; do
	TAS_QUIET=$value runs -i "$INSTANCE" -- python3 -c 'import socket; socket.create_server(("", 0))'
	says 0 0
done
runs -i "$INSTANCE" -- python3 -c 'import os; print(os.getenv("TAS_QUIET"), os.getenv("TAS_TOLD"))'
says 0 1 "no tasd answers there"
assert_eq "the command's environment" "$(tail -n 1 "$WORK/said")" "None 1" # other warnings are not hidden
TAS_SOCKET="$WORK/none" in_srv env LD_PRELOAD="$TAS_LIB" python3 -c '
import socket
for _ in range(3):
    socket.create_server(("", 0))' >"$WORK/said" 2>&1
code=0
says 0 1 "sockets of this program use the kernel"

tasd_start
say "commands that are not there, static, set-user-ID, or wrong use"
runs -i "$INSTANCE" -- no-such-command
says 127 1 "no-such-command: command not found"
runs -i "$INSTANCE" -- /sbin/ldconfig --version
says 0 1 "linked statically"
cp /bin/true "$WORK/others"
chown nobody "$WORK/others"
chmod 4755 "$WORK/others"
runs -i "$INSTANCE" -- "$WORK/others"
says 0 1 "set-user-ID"
: >"$WORK/data"
runs -i "$INSTANCE" -- "$WORK/data"
says 126 1 "Permission denied"
runs -i "$INSTANCE" -- "$WORK"
says 126 1 "Permission denied"
runs -i "$INSTANCE" -- "$WORK/data/none"
says 126 1 "Not a directory"
script '#!/no/such/interpreter'
runs -i "$INSTANCE" -- "$WORK/script"
says 126 1 "its interpreter is not there"
script 'exit 4'
runs -i "$INSTANCE" -- "$WORK/script"
says 4 0
for name in "" Name a/b .. "$(printf '%033d' 0)"; do
	runs -i "$name" -- true
	says 125 1 "an instance's name is"
done

say "scripts: what their interpreters are"
still=$BUILD/tests/e2e/still
script "#! $still -x"
runs -i "$INSTANCE" -- "$WORK/script"
says 0 1 "$still: is linked statically"
script "#!$WORK/others"
runs -i "$INSTANCE" -- "$WORK/script"
says 0 1 "$WORK/others: is set-user-ID"
script "#!/usr/bin/env still"
PATH=${still%/*}:$PATH runs -i "$INSTANCE" -- "$WORK/script"
says 0 1 "$still: is linked statically"
mv "$WORK/script" "$WORK/inner"
script "#!$WORK/inner"
PATH=${still%/*}:$PATH runs -i "$INSTANCE" -- "$WORK/script"
says 0 1 "$still: is linked statically"
script '#!/bin/sh
exit 5'
runs -i "$INSTANCE" -- "$WORK/script"
says 5 0
runs
assert_eq "exit code without a command" "$code" 125
runs -i "$INSTANCE" -- true
says 0 0

say "a call that libtas does not have: an errno, or the end of the program with the call's name"
spawn "$CLI" echo "$BUILD/tests/e2e/echo" 7
wait_for 10 "the echo server" in_cli bash -c "exec 3<>/dev/tcp/$CLI_IP/7"
carried_begin
runs -i "$INSTANCE" -- python3 -c "$(unsupported)"
says 0 0
assert_eq "what the program saw" "$(cat "$WORK/said")" "refused 92"
assert_carried 10000
runs -i "$INSTANCE" --strict -- python3 -c "$(unsupported)"
says 134 1 "strict: SO_TIMESTAMP"

say "a connection that is passed on"
runs -i "$INSTANCE" -- python3 -c "$(passed_on)"
says 0 1 "cannot be passed by SCM_RIGHTS"
assert_eq "what the program saw" "$(grep -v ^libtas: "$WORK/said" | paste -sd' ')" \
	"ENOTSUP ENOTSUP ENOTCONN y" # the same number as EOPNOTSUPP
runs -i "$INSTANCE" --strict -- python3 -c "$(passed_on)"
says 134 2 "strict: SCM_RIGHTS"
alive "$TASD" || fail "tasd is gone"
