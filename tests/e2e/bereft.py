#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""bereft - a client whose connections end beneath it.

bereft.py ADDRESS PORT

Uses an echo server by connections that wait in recv, poll and epoll, that send without end, and that do nothing.
Prints "ready", then of each what ended it and when, in seconds since 1970, then "all ended"; and "again" when
it has found the server anew."""
import errno
import select
import socket
import sys
import threading
import time


def name(call, *args):
    try:
        got = call(*args)
        return "the end" if got == b"" else f"{got}"
    except OSError as e:
        return errno.errorcode[e.errno]


def waits_in_recv(s):
    return name(s.recv, 1)


def waits_in_poll(s):
    p = select.poll()
    p.register(s, select.POLLIN)
    flags = p.poll(60000)[0][1]
    return f"{name(s.recv, 1)} with {'HUP' if flags & select.POLLHUP else 'no HUP'}"


def waits_in_epoll(s):
    p = select.epoll()
    p.register(s, select.EPOLLIN | select.EPOLLET)
    flags = p.poll(60)[0][1]
    return f"{name(s.recv, 1)} with {'HUP' if flags & select.EPOLLHUP else 'no HUP'}"


def sends(s):
    threading.Thread(target=reads, args=(s,), daemon=True).start()
    while True:
        result = name(s.send, b"x" * 10000)
        if not result.isdigit():
            return result if result in ("ECONNRESET", "EPIPE") else f"wrong: {result}"


def reads(s):
    try:
        while s.recv(65536):
            pass
    except OSError:
        pass


def does_nothing(s):
    while select.select([], [], [s], 0)[2] or name(s.recv, 1, socket.MSG_DONTWAIT) == "EAGAIN":
        time.sleep(0.1)
    return f"then {name(s.send, b'x')}"


def served_again():
    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as s:
            s.sendall(b"again")
            return s.recv(5) == b"again"
    except OSError:
        return False


def bereave(way, s):
    end = way(s)
    sys.stdout.write(f"{way.__name__}: {end} at {time.time():.3f}\n")


def main():
    ways = (waits_in_recv, waits_in_poll, waits_in_epoll, sends, does_nothing)
    sockets = [socket.create_connection((sys.argv[1], int(sys.argv[2]))) for _ in ways]
    threads = [threading.Thread(target=bereave, args=(way, s)) for way, s in zip(ways, sockets)]
    for t in threads:
        t.start()
    print("ready", flush=True)
    for t in threads:
        t.join()
        sys.stdout.flush()
    print("all ended", flush=True)
    while not served_again():
        time.sleep(0.1)
    print("again", flush=True)


main()
