#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What a program said when it ended is heard, though tasd did not listen for a while and its rings were full:
# Linux sends all that was written, and the FIN behind it.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

N=600 # messages, of which a ring holds 256
script=$(dirname "$0")/last_words.py

reader='import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
got = b""
while True:
    data = s.recv(65536)
    got += data
    print(len(got), "right" if got == bytes(i & 255 for i in range(len(got))) else "wrong", flush=True)
    if not data:
        print("end", flush=True)
        break'

ready() { # HOW PORT
	serve "$1" python3 "$script" "$1" $TASD_IP "$2" "$WORK/go-$1" $N
	SERVER=$SPAWNED
	wait_for 10 "the server" grep -q listening "$WORK/$1.log"
	spawn "$CLI" "$1-reader" python3 -c "$reader" $TASD_IP "$2"
	wait_for 10 "a connection" grep -q accepted "$WORK/$1.log"
	kill -STOP "$TASD"
	touch "$WORK/go-$1"
}

ns_make
tasd_start
carried_begin

port=8000
for how in exit close; do
	say "$how"
	ready $how $((++port))
	wait_for 20 "the server's end" e2e_gone "$SERVER"
	kill -CONT "$TASD"
	wait_for 10 "the end of the stream" grep -q end "$WORK/$how-reader.log"
	grep -q "^$N right$" "$WORK/$how-reader.log" || fail "$(tail -n 2 "$WORK/$how-reader.log")"
done

say "thread"
ready thread $((++port))
wait_for 20 "the thread's end" grep -q written "$WORK/thread.log"
kill -CONT "$TASD"
wait_for 10 "all that it wrote" grep -q "^$N right$" "$WORK/thread-reader.log"
rm "$WORK/go-thread"
wait_for 10 "the end of the stream" grep -q end "$WORK/thread-reader.log"
assert_carried $((3 * N))
