#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# nginx, unmodified, master and one worker, under tas-run: the worker inherits the listening socket over fork,
# drops its privileges and accepts. The topology is in lib.sh.
#
#   curl, wrk (Linux) ---- veth ---- tasd <== shared memory ==> nginx worker (www-data)
#                                                              nginx master (root)
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

seconds=30
parallel=part # what 20 clients fetch at once
[ -z "${CHECK_LONG:-}" ] || parallel=big

nginx_conf() { # SENDFILE [WORKERS]
	cat >"$WORK/nginx.conf" <<-END
		worker_processes ${2-1};
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

nginx_start() { # SENDFILE [WORKERS]
	nginx_conf "$@"
	serve nginx nginx -c "$WORK/nginx.conf" -p "$WORK"
	server=$SPAWNED
	wait_for 10 "nginx" port_answers 80
	carried_begin
}

worker() { pgrep -P "$server"; }

both_serve() {
	[ "$(tasctl -i "$INSTANCE" flows --json | python3 -c 'import json, sys
print(len({f["pid"] for f in json.load(sys.stdin) if f["pid"] and f["bytes_sent"]}))')" = 2 ]
}

a_worker_after() { # PID
	[ "$(worker)" != "$1" ] && [ -n "$(worker)" ]
}

# Its checksum.
fetch() { # NAME
	curl_by in_cli --max-time 200 "http://$TASD_IP/$1" | sha256sum | cut -d' ' -f1
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
declare -A sum
for name in big part; do
	sum[$name]=$(sha256sum <"$WORK/www/$name" | cut -d' ' -f1)
done

ns_make
tasd_start
for sendfile in on off; do
	say "sendfile $sendfile: 100 MB, then the $parallel 20 times at once"
	nginx_start $sendfile
	assert_eq "100 MB by nginx" "$(fetch big)" "${sum[big]}"
	assert_eq "20 in parallel" "$(fetch_at_once 20 $parallel)" "20 ${sum[$parallel]}"
	assert_carried "$(moved)"
	stop "$server"
done

say "wrk, 200 connections, $seconds s"
nginx_start on
totals=$(wrk_load 2 200 $seconds "http://$TASD_IP/small")
cat "$WORK/wrk.log"
assert_carried "${totals##* }"

say "a worker that is killed is replaced, and the next one serves"
before=$(worker)
kill -KILL "$before"
wait_for 10 "the next worker" a_worker_after "$before"
carried_begin
assert_eq "10 MB by the next worker" "$(fetch part)" "${sum[part]}"
assert_carried "$(moved)"

say "a client that goes away in the midst of a file takes nothing with it"
carried_begin
for _ in 1 2 3 4 5; do
	curl_by in_cli --limit-rate 1M --max-time 0.2 "http://$TASD_IP/big" >/dev/null 2>&1 &&
		fail "100 MB in 0.2 s"
done
assert_eq "10 MB after that" "$(fetch part)" "${sum[part]}"
assert_carried "$(moved)"
stop "$server"

say "two workers that inherited one listening socket"
nginx_start on 2
for round in 1 2 3; do # who is not there yet when they come gets none of these connections
	carried_begin
	wrk_load 2 50 5 "http://$TASD_IP/small" >"$WORK/totals" &
	load=$!
	both=no
	! e2e_until 4 both_serve || both=yes
	wait "$load" || fail "wrk with two workers: $(cat "$WORK/wrk.log")"
	read -ra totals <"$WORK/totals"
	assert_carried "${totals[-1]}"
	[ $both = no ] || break
	[ $round -lt 3 ] || fail "one worker serves all"
done
stop "$server"
alive "$TASD" || fail "tasd is gone"
