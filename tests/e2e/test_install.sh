#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What `meson install` puts in place is complete and works from there: tasd reads its example, tas-run finds
# its library, and a program of one's own is compiled and linked by what pkg-config says and echoes over tasd.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

unset TAS_LIB # the installed library is to be found

say "the installed files, and no others"
meson install -C "$BUILD" --no-rebuild --quiet --destdir "$WORK/root"
module=$(find "$WORK/root" -name tas.pc)
root=$(dirname "$(find "$WORK/root" -path '*/sbin/tasd')")/..
library=$(cd "$(dirname "$module")/.." && pwd)
diff - <(cd "$root" && find . ! -type d |
	sed "s|^\./||; s|^${library#"$(realpath "$root")/"}/|LIB/|" | sort) <<-T
	LIB/libtas.so
	LIB/pkgconfig/tas.pc
	bin/tas-bench
	bin/tas-run
	bin/tasctl
	include/tasd/include/net/addr.h
	include/tasd/include/tas/tas.h
	sbin/tasd
	share/doc/tasd/sockets.md
	share/doc/tasd/tasd.conf
	share/doc/tasd/tasd.conf.md
T
PATH=$root/bin:$root/sbin:$PATH

say "the example passes the check"
assert_eq "tasd --check" "$(tasd -c "$root/share/doc/tasd/tasd.conf" --check)" ok

say "tas-run preloads the library of its own installation"
preloaded=$(TAS_QUIET=1 tas-run -i "$INSTANCE" -- grep -o '/.*/libtas\.so' /proc/self/maps | sort -u)
assert_eq "the library" "$preloaded" "$library/libtas.so"

say "a program on tas.h is compiled and linked as pkg-config says"
export PKG_CONFIG_PATH=${module%/*} PKG_CONFIG_SYSROOT_DIR=$WORK/root
read -ra flags <<<"$(pkg-config --cflags --libs tas)"
sed 's|"include/tas/tas.h"|<tas/tas.h>|' "$e2e_root/tests/e2e/low_echo.c" >"$WORK/echo.c"
(cd "$WORK" && gcc -std=gnu11 -Wall -Wextra -Werror -fvisibility=hidden -o echo echo.c "${flags[@]}")

say "and its connections go through tasd"
ns_make
tasd_start
mkfifo "$WORK/stdin"
export TAS_SOCKET=/run/tasd/$INSTANCE.sock
spawn "$SRV" echo env LD_LIBRARY_PATH="$library" sh -c "exec '$WORK/echo' 7 <>'$WORK/stdin'"
wait_for 5 "the echo server" port_answers 7
carried_begin
result=$(in_cli "$BUILD/tests/e2e/reqload" echo $TASD_IP 7 20 1 64)
echo "$result"
assert_carried "${result##* }"
assert_eq "attached programs" "$(tasctl -i "$INSTANCE" apps --json | grep -c '"program"')" 1
