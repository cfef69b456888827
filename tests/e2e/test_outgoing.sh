#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 180
# Clients, unmodified, under tas-run, towards servers on Linux. The topology of lib.sh with the roles changed:
#
#   curl, redis-benchmark, iperf3 -c, python <== shared memory ==> tasd ---- veth ---- servers (Linux)
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

asks=(in_cli redis-cli -h 127.0.0.1) # the server, without tasd

listens() { in_cli timeout 1 bash -c "exec 3<>/dev/tcp/$CLI_IP/$1"; } # PORT

mkdir "$WORK/www"
head -c 20000000 /dev/urandom >"$WORK/www/file"
want=$(sha256sum <"$WORK/www/file" | cut -d' ' -f1)
ns_make
tasd_start
spawn "$CLI" http sh -c "cd '$WORK/www' && exec python3 -m http.server 8000"
spawn "$CLI" redis redis-server --port 6379 --save '' --protected-mode no --dir "$WORK"
spawn "$CLI" iperf3 iperf3 -s --forceflush
for port in 8000 6379; do
	wait_for 20 "the server of port $port" listens $port
done

say "curl: 20 MB, and a file that is not there"
carried_begin
got=$(curl_by under_tas --max-time 60 "http://$CLI_IP:8000/file" | sha256sum | cut -d' ' -f1)
assert_eq "20 MB" "$got" "$want"
assert_carried "$(moved)"
carried_begin
curl_by under_tas "http://$CLI_IP:8000/none" >"$WORK/none"
grep -q "Error code: 404" "$WORK/none" || fail "no file: $(cat "$WORK/none")"
assert_carried "$(moved)"

say "redis-benchmark with 50 connections, and values of 100 KB"
carried_begin
before=$(redis_bytes "${asks[@]}")
for arguments in "-n 20000 -c 50 -d 64" "-n 1000 -c 10 -d 100000"; do
	read -ra words <<<"$arguments"
	under_tas timeout 120 \
		redis-benchmark -h $CLI_IP "${words[@]}" -t set,get --csv >"$WORK/bench.log" 2>&1 ||
		fail "redis-benchmark $arguments: it failed"
	! grep -i error "$WORK/bench.log" || fail "redis-benchmark $arguments: errors"
	grep '^"[SG]ET' "$WORK/bench.log" | cut -d, -f1,2
done
assert_carried $(($(redis_bytes "${asks[@]}") - before))

say "redis-cli pipes a value in and out"
carried_begin
head -c 3000000 /dev/urandom >"$WORK/value"
under_tas redis-cli -h $CLI_IP -x set blob <"$WORK/value" >/dev/null
under_tas redis-cli -h $CLI_IP --raw get blob | head -c 3000000 | cmp - "$WORK/value"
assert_carried $((2 * 3000000))

say "iperf3 in both directions, one and four streams"
for arguments in "-n 50M" "-n 50M -R" "-n 50M -P 4" "-n 50M -P 4 -R"; do
	read -ra words <<<"$arguments"
	iperf3_ready iperf3
	carried_begin
	under_tas timeout 60 iperf3 -c $CLI_IP -J "${words[@]}" >"$WORK/iperf.json" ||
		fail "iperf3 $arguments: $(cat "$WORK/iperf.json")"
	bytes=$(python3 -c '
import json, sys
print(json.load(open(sys.argv[1]))["end"]["sum_received"]["bytes"])' "$WORK/iperf.json")
	[ "$bytes" -ge 40000000 ] || fail "iperf3 $arguments: only $bytes bytes"
	assert_carried "$bytes"
done

say "python: 8 threads, each with connections one after another"
carried_begin
under_tas timeout 60 python3 - "http://$CLI_IP:8000/file" "$want" <<'END'
import concurrent.futures, hashlib, sys, urllib.request

def fetch(_):
    with urllib.request.urlopen(sys.argv[1], timeout=30) as response:
        return hashlib.sha256(response.read()).hexdigest()

with concurrent.futures.ThreadPoolExecutor(8) as pool:
    wrong = [s for s in pool.map(fetch, range(16)) if s != sys.argv[2]]
sys.exit(f"{len(wrong)} of 16 files are wrong" if wrong else 0)
END
assert_carried $((16 * 20000000))
alive "$TASD" || fail "tasd is gone"
