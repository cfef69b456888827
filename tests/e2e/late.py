#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""late - a server that listens, and accepts when it is told to; clients that do not wait for it.

late.py serve PORT DIR            accepts once DIR/go is there; DIR/listening says that it listens
late.py fork PORT DIR             the same, but listens in a process that never accepts, and then forks one that does
late.py client ADDRESS PORT DIR   comes, sends, and only then makes DIR/go; all must be received and answered

The server answers the end of what it gets by its length and its sum. `client` prints nothing but what is wrong.
"""
import fcntl
import hashlib
import os
import select
import socket
import struct
import sys
import termios
import time

FIN_WAIT_2 = 5
WINDOW = 60000  # what a server's kernel is sure to take before anybody accepts
CLIENTS = 4


def until(what, condition):
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"{what}: not within 20 s")
        time.sleep(0.01)


def touch(*path):
    open(os.path.join(*path), "w").close()


def read_all(s):
    parts = []
    while part := s.recv(65536):
        parts.append(part)
    return b"".join(parts)


def summary(data):
    return b"%d %s" % (len(data), hashlib.sha256(data).hexdigest().encode())


def accept_all(listener):
    for _ in range(CLIENTS):
        s, _ = listener.accept()
        with s:
            try:
                s.sendall(summary(read_all(s)))
            except OSError:
                print("one has gone", flush=True)


def serve(port, directory, forks=False):
    listener = socket.create_server(("", int(port)), backlog=16)
    touch(directory, "listening")
    until("go", lambda: os.path.exists(os.path.join(directory, "go")))
    if not forks:
        accept_all(listener)
        return
    child = os.fork()
    if child == 0:
        accept_all(listener)
        os._exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def unacknowledged(s):
    return struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, b"    "))[0]


def state(s):
    return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def pour(s, data):
    """As much as its buffers take; returns the rest."""
    while data and select.select([], [s], [], 0.2)[1]:
        data = data[s.send(data):]
    return data


def client(address, port, directory):
    to = address, int(port)
    data = [os.urandom(n) for n in (1000, 2000, 3000, 1000000)]
    sends, shuts, closes, pours = [socket.create_connection(to) for _ in range(CLIENTS)]
    sends.sendall(data[0])
    shuts.sendall(data[1])
    shuts.shutdown(socket.SHUT_WR)
    closes.sendall(data[2])
    until("1000 bytes", lambda: unacknowledged(sends) == 0)
    until("2000 bytes and the end", lambda: state(shuts) == FIN_WAIT_2)
    until("3000 bytes", lambda: unacknowledged(closes) == 0)
    closes.close()
    pours.setblocking(False)
    rest = pour(pours, data[3])
    sent = len(data[3]) - len(rest)
    until("a window", lambda: sent - unacknowledged(pours) >= WINDOW)
    touch(directory, "go")
    sends.shutdown(socket.SHUT_WR)
    pours.setblocking(True)
    pours.sendall(rest)
    pours.shutdown(socket.SHUT_WR)
    for s, what in ((sends, data[0]), (shuts, data[1]), (pours, data[3])):
        s.settimeout(20)
        if read_all(s) != summary(what):
            sys.exit(f"{len(what)} bytes: the server got others")


what, *rest = sys.argv[1:]
if what == "client":
    client(*rest)
else:
    serve(*rest, forks=what == "fork")
