#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# Without tasd, programs under tas-run run as ever, on the kernel's sockets: same answers, no error, one line
# of warning, and not noticeably slower. Servers listen on the wildcard: there libtas does the most.
#
#   client ---- 127.0.0.1 ---- server, plain and then under tas-run     (all in one namespace)
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

# The least share of the plain program's requests/s, in the best of some tries: the machine may be busy with
# other things, and what is meant to be caught is a server that spins or naps.
least_percent=25 tries=5

here() { in_srv timeout 60 "$@"; }

answers() { # PORT
	in_srv timeout 1 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1"
}

launch() { # plain|tas NAME PORT COMMAND...
	local launcher=()

	[ "$1" = plain ] || launcher=(tas-run -i "$INSTANCE" --)
	spawn "$SRV" "$2-$1" "${launcher[@]}" "${@:4}"
	server=$SPAWNED
	wait_for 10 "$2 ($1)" answers "$3"
}

# Of the program's log, which has its warnings: exactly one line of ours.
assert_one_warning() { # NAME
	assert_eq "warnings of $1" "$(grep -c '^\(tas-run\|libtas\): ' "$WORK/$1-tas.log")" 1
}

not_slower() { # WHAT
	local plain=${rate[$1-plain]} tas=${rate[$1-tas]}

	echo "    $1: $plain requests/s plain, $tas under tas-run"
	[ $((${tas%.*} * 100)) -ge $((${plain%.*} * least_percent)) ]
}

# A program in both ways, until it is not slower in one of them.
compare() { # FUNCTION WHAT...
	local try how what slow

	for ((try = 1; try <= tries; try++)); do
		for how in plain tas; do
			$1 $how
		done
		assert_one_warning "$2"
		slow=
		for what in "${@:2}"; do
			not_slower "$what" || slow=$what
		done
		[ -n "$slow" ] || return 0
	done
	fail "$slow is slower under tas-run"
}

declare -A rate

# --- redis

redis_rate() { # ARGUMENTS...
	here redis-benchmark -p 6379 "$@" --csv | tr -d '"' | awk -F, '$1 == "GET" { print $2 }'
}

redis_saved() { [ "$(here redis-cli info persistence | grep -c 'rdb_bgsave_in_progress:0')" = 1 ]; }

redis_load() { # plain|tas
	launch "$1" redis 6379 redis-server --port 6379 --save '' --protected-mode no --dir "$WORK"
	rate[redis-$1]=$(redis_rate -n 50000 -c 50 -t get)
	rate[pipeline-$1]=$(redis_rate -n 200000 -c 50 -P 16 -t get)
	here redis-cli bgsave >/dev/null
	wait_for 10 "BGSAVE ($1)" redis_saved
	assert_eq "after BGSAVE" "$(here redis-cli ping)" PONG
	stop "$server"
}

# --- memcached

memcached_load() { # plain|tas
	local result

	launch "$1" memcached 11211 memcached -t 4 -p 11211 -u nobody -l 0.0.0.0
	result=$(here "$BUILD/tests/e2e/reqload" memcached 127.0.0.1 11211 32 1 100)
	rate[memcached-$1]=$(awk '{ print $2 }' <<<"$result")
	stop "$server"
}

# --- nginx and python

nginx_conf() {
	cat >"$WORK/nginx.conf" <<-END
		worker_processes 2;
		daemon off;
		pid $WORK/nginx.pid;
		error_log $WORK/nginx-error.log;
		events { worker_connections 512; }
		http { access_log off; server { listen 8080; root $WORK/www; } }
	END
}

fetch() { # PORT: the file's checksum
	here curl -sS "http://127.0.0.1:$1/file" | sha256sum | cut -d' ' -f1
}

fetched_by() { # WHO: a client under tas-run
	here tas-run -i "$INSTANCE" -- "$@" 2>/dev/null | sha256sum | cut -d' ' -f1
}

nginx_load() { # plain|tas
	launch "$1" nginx 8080 nginx -c "$WORK/nginx.conf" -p "$WORK"
	assert_eq "a file by nginx ($1)" "$(fetch 8080)" "$sum"
	rate[nginx-$1]=$(here wrk -t 1 -c 50 -d 1 http://127.0.0.1:8080/small |
		awk '/Requests.sec/ { print $2 }')
	kill -HUP "$server"
	assert_eq "a file after the reload ($1)" "$(fetch 8080)" "$sum"
	stop "$server"
}

ns_make
mkdir "$WORK/www"
head -c 20000000 /dev/urandom >"$WORK/www/file"
head -c 1000 /dev/urandom >"$WORK/www/small"
sum=$(sha256sum <"$WORK/www/file" | cut -d' ' -f1)
nginx_conf

say "redis, memcached, nginx"
compare redis_load redis pipeline
compare memcached_load memcached
compare nginx_load nginx

say "python3 -m http.server, and clients under tas-run"
(cd "$WORK/www" && launch tas python 8081 python3 -m http.server 8081)
wait_for 10 "python" answers 8081
assert_eq "a file by python" "$(fetch 8081)" "$sum"
assert_eq "a file by curl" "$(fetched_by curl -s http://127.0.0.1:8081/file)" "$sum"
assert_eq "a file by python" "$(fetched_by python3 -c '
import sys, urllib.request
sys.stdout.buffer.write(urllib.request.urlopen("http://127.0.0.1:8081/file").read())')" "$sum"

say "tas-run says what it must, and gives the program's exit code"
code=0
here tas-run -i "$INSTANCE" -- sh -c 'exit 7' 2>"$WORK/said" || code=$?
assert_eq "exit code" $code 7
grep -q "no tasd answers" "$WORK/said" || fail "no word about tasd: $(cat "$WORK/said")"
code=0
here tas-run nosuchprogram 2>"$WORK/said" || code=$?
assert_eq "exit code of a missing program" $code 127
TAS_QUIET=1 here tas-run true 2>"$WORK/said"
assert_eq "words of a quiet one" "$(wc -l <"$WORK/said")" 0

say "tas-run finds programs as a shell does"
mkdir -p "$WORK/first/tool" "$WORK/second"
echo "echo tool \"\$1\"" >"$WORK/second/tool" # no first line that names an interpreter
chmod +x "$WORK/second/tool"
assert_eq "beside a directory of its name" \
	"$(PATH=$WORK/first:$WORK/second:$PATH here tas-run -- tool one 2>/dev/null)" "tool one"
assert_eq "in the directory where we are" \
	"$(cd "$WORK/second" && PATH=:$PATH here tas-run -- tool two 2>/dev/null)" "tool two"
code=0
PATH=$WORK/first:$PATH here tas-run -- tool 2>/dev/null || code=$?
assert_eq "exit code of a directory" $code 126
