#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""connect - what connect() says about destinations that are there, closed, silent, or unreachable.

connect.py ADDRESS NOBODY NOWHERE

ADDRESS has port 80 open; 81 silent; 82, 83, 84 answered by ICMP (unreachable.py); 86 closed. NOBODY is a
neighbour that does not exist, to NOWHERE there is no route. Prints the same lines on every stack that behaves like
Linux's."""
import concurrent.futures
import errno
import os
import select
import socket
import sys
import time

ADDRESS, NOBODY, NOWHERE = sys.argv[1:4]
OPEN = (ADDRESS, 80)
TARGETS = {
    "open": OPEN,
    "silent": (ADDRESS, 81),
    "host-unreachable": (ADDRESS, 82),
    "port-unreachable": (ADDRESS, 83),
    "prohibited": (ADDRESS, 84),
    "closed": (ADDRESS, 86),
    "nobody": (NOBODY, 80),
    "nowhere": (NOWHERE, 80),
}


def name(number):
    return errno.errorcode.get(number, "0")


def outcome(call, *args):
    try:
        call(*args)
        return "0"
    except OSError as e:
        return name(e.errno)


def events(fd, timeout_ms):
    """Linux notes an error first, and then that the socket is closed: who looks between sees only ERR."""
    p = select.poll()
    p.register(fd, select.POLLIN | select.POLLOUT | select.POLLRDHUP)
    found, begin = p.poll(timeout_ms), time.monotonic()
    while found and found[0][1] == select.POLLERR and time.monotonic() - begin < 1:
        found = p.poll(0)
    names = ["IN", "OUT", "ERR", "HUP", "RDHUP"]
    return " ".join(n for n in names if found and found[0][1] & getattr(select, "POLL" + n)) or "-"


def seconds(begin):
    """Rough enough for a busy machine."""
    return "at once" if time.monotonic() - begin < 2 else "later"


def blocking(to):
    with socket.socket() as s:
        begin = time.monotonic()
        first = outcome(s.connect, to)
        return [f"{first} {seconds(begin)}",
                f"getpeername {outcome(s.getpeername)}",
                f"SO_ERROR {name(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))}",
                f"to an open port then {outcome(s.connect, OPEN)}",
                f"send {outcome(s.send, b'x')}"]


def nonblocking(to):
    with socket.socket() as s:
        s.setblocking(False)
        lines = [outcome(s.connect, to)]
        if lines[0] == "EINPROGRESS":
            lines += [f"poll {events(s, 20000)}",
                      f"SO_ERROR {name(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))}",
                      # without ERR: Linux keeps what ICMP said in the error queue, too, which nobody reads
                      f"poll again {events(s, 0).replace(' ERR', '')}"]
        lines += [f"getpeername {outcome(s.getpeername)}"]
        return lines


def impatient(to):
    """In the midst of the attempt."""
    with socket.socket() as s:
        s.setblocking(False)
        return [outcome(s.connect, to), f"again {outcome(s.connect, to)}", f"poll {events(s, 0)}",
                f"recv {outcome(s.recv, 1)}", f"send {outcome(s.send, b'x')}",
                f"shutdown {outcome(s.shutdown, socket.SHUT_RDWR)}",
                f"shutdown again {outcome(s.shutdown, socket.SHUT_RDWR)}", f"connect then {outcome(s.connect, OPEN)}"]


def limited(to):
    """SO_SNDTIMEO is for connect, too."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, (0).to_bytes(8, "little") + (200000).to_bytes(8, "little"))
        begin = time.monotonic()
        return [f"{outcome(s.connect, to)} {seconds(begin)}"]


def twice():
    with socket.socket() as s:
        return [outcome(s.connect, OPEN), f"again {outcome(s.connect, OPEN)}", f"listen {outcome(s.listen)}"]


def bound():
    """Of two sockets the second gets its own port; a port that was chosen is used."""
    with socket.socket() as s, socket.socket() as t:
        s.bind(("", 0))
        port = s.getsockname()[1]
        s.connect(OPEN)
        t.connect(OPEN)
        return [f"port kept {s.getsockname()[1] == port}", f"another port {t.getsockname()[1] != port}"]


def main():
    cases = {f"{how.__name__} {which}": (how, to) for which, to in TARGETS.items() for how in (blocking, nonblocking)}
    cases |= {"impatient": (impatient, TARGETS["silent"]), "limited": (limited, TARGETS["silent"]),
              "twice": (twice, None), "bound": (bound, None)}
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        runs = {case: pool.submit(how, *([to] if to else [])) for case, (how, to) in cases.items()}
        for case, run in runs.items():
            for line in run.result():
                print(f"{case}: {line}")


main()
