#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# python3 -m http.server, unmodified, under tas-run: a thread for each connection. The topology is in lib.sh.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

mkdir "$WORK/www"
head -c 5000000 /dev/urandom >"$WORK/www/file"
want=$(sha256sum <"$WORK/www/file")
ns_make
tasd_start
serve http sh -c "cd '$WORK/www' && exec python3 -m http.server 8000"
server=$SPAWNED
wait_for 20 "http.server" port_answers 8000
carried_begin
for _ in 1 2 3 4 5; do
	assert_eq "5 MB" "$(curl_by in_cli --max-time 30 "http://$TASD_IP:8000/file" | sha256sum)" "$want"
done
assert_carried "$(moved)"

carried_begin
curl_by in_cli "http://$TASD_IP:8000/none" >"$WORK/none"
grep -q "Error code: 404" "$WORK/none" || fail "a missing file: $(cat "$WORK/none")"
assert_carried "$(moved)"
stop "$server"
alive "$TASD" || fail "tasd is gone"
