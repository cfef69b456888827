#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""push.py ADDRESS PORT CONNECTIONS [again]

Sends without asking for an answer, a little at a time, whatever becomes of it. Prints "stuck" once none of its
connections takes any more, and "reset N" with the number of those that were reset when none is left. With
`again` a connection that ends is made anew, for ever, and nothing is printed.
"""
import socket
import sys
import time

TICK_S = 0.02
PIECE = bytes(16384)
QUIET_TICKS = 12


def connect(to):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    s.settimeout(5)
    try:
        s.connect(to)
    except OSError:
        s.close()
        return None
    s.setblocking(False)
    return s


def push(s):
    """How many bytes it took; -1 if it is gone."""
    try:
        try:
            s.recv(65536)
        except BlockingIOError:
            pass
        return s.send(PIECE)
    except BlockingIOError:
        return 0
    except OSError:
        s.close()
        return -1


def main():
    to, wanted, again = (sys.argv[1], int(sys.argv[2])), int(sys.argv[3]), sys.argv[4:] == ["again"]
    connections = [connect(to) for _ in range(wanted)]
    reset = quiet = 0
    while again or any(connections):
        took = [push(s) if s else -1 for s in connections]
        reset += sum(1 for s, n in zip(connections, took) if s and n < 0)
        connections = [s if n >= 0 else None for s, n in zip(connections, took)]
        quiet = 0 if any(n > 0 for n in took) else quiet + 1
        if quiet == QUIET_TICKS and any(connections):
            print("stuck", flush=True)
        if again:
            connections = [s or connect(to) for s in connections]
        time.sleep(TICK_S)
    print("reset", reset, flush=True)


main()
