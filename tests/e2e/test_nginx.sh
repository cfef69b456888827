#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
# nginx, unmodified, master and one worker, under tas-run: the worker inherits the listening socket over fork,
# drops its privileges and accepts. The topology is in lib.sh.
#
#   curl, wrk (Linux) ---- veth ---- tasd <== shared memory ==> nginx worker (www-data)
#                                                              nginx master (root)
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

seconds=30

nginx_conf() { # SENDFILE
	cat >"$WORK/nginx.conf" <<-END
		worker_processes 1;
		daemon off;
		pid $WORK/nginx.pid;
		error_log $WORK/nginx-error.log;
		events { worker_connections 2048; }
		http {
			access_log off;
			sendfile $1;
			keepalive_requests 1000000;
			server { listen 80; root $WORK/www; }
		}
	END
}

nginx_start() { # SENDFILE
	nginx_conf "$1"
	serve nginx nginx -c "$WORK/nginx.conf" -p "$WORK"
	server=$SPAWNED
	wait_for 10 "nginx" port_answers 80
	carried_begin
}

worker() { pgrep -P "$server"; }

a_worker_after() { # PID
	[ "$(worker)" != "$1" ] && [ -n "$(worker)" ]
}

# Its checksum.
fetch() { # NAME
	in_cli curl -sS --max-time 60 "http://$TASD_IP/$1" | sha256sum | cut -d' ' -f1
}

fetch_at_once() { # COUNT NAME: their checksums, counted
	local i fetches=()

	for ((i = 0; i < $1; i++)); do
		fetch "$2" >"$WORK/sum.$i" &
		fetches+=($!)
	done
	wait "${fetches[@]}"
	sort "$WORK"/sum.* | uniq -c | awk '{ print $1, $2 }'
	rm "$WORK"/sum.*
}

mkdir "$WORK/www"
head -c 100000000 /dev/urandom >"$WORK/www/big"
head -c 10000000 /dev/urandom >"$WORK/www/part"
head -c 1000 /dev/urandom >"$WORK/www/small"
big=$(sha256sum <"$WORK/www/big" | cut -d' ' -f1)
part=$(sha256sum <"$WORK/www/part" | cut -d' ' -f1)

ns_make
tasd_start
for sendfile in on off; do
	say "sendfile $sendfile: 100 MB, then 20 times 10 MB at once"
	nginx_start $sendfile
	assert_eq "100 MB by nginx" "$(fetch big)" "$big"
	assert_eq "20 times 10 MB in parallel" "$(fetch_at_once 20 part)" "20 $part"
	assert_carried $((100000000 + 20 * 10000000))
	stop "$server"
done

say "wrk, 200 connections, $seconds s"
nginx_start on
in_cli wrk -t 2 -c 200 -d $seconds --timeout 10 "http://$TASD_IP/small" >"$WORK/wrk.log"
cat "$WORK/wrk.log"
! grep -q "Socket errors\|Non-2xx" "$WORK/wrk.log" || fail "wrk saw errors"
requests=$(awk '/requests in/ { print $1 }' "$WORK/wrk.log")
assert_carried $((requests * 1000))

say "a worker that is killed is replaced, and the next one serves"
before=$(worker)
kill -KILL "$before"
wait_for 10 "the next worker" a_worker_after "$before"
assert_eq "10 MB by the next worker" "$(fetch part)" "$part"

say "a client that goes away in the midst of a file takes nothing with it"
for _ in 1 2 3 4 5; do
	in_cli curl -s --limit-rate 1M --max-time 0.2 -o /dev/null "http://$TASD_IP/big" &&
		fail "100 MB in 0.2 s"
done
assert_eq "10 MB after that" "$(fetch part)" "$part"
stop "$server"
alive "$TASD" || fail "tasd is gone"
