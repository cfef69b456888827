#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""exact - bytes both sides know, one way or the other; every one of them is compared.

exact.py serve PORT [dual]                serves the others, many at a time; dual: in both families
exact.py put ADDRESS PORT BYTES           sends BYTES; the server says whether they were the ones
exact.py get ADDRESS PORT BYTES [FILE]    fetches BYTES; with FILE it reads nothing before that exists

put and get print nothing and exit with 1 if anything differs.
"""
import os
import random
import socket
import sys
import threading
import time


def stream(count):
    return random.Random(count).randbytes(count)


def read_all(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def answer(connection):
    with connection, connection.makefile("rb") as reader:
        what, _, count = reader.readline().partition(b" ")
        if what == b"":  # it only wanted to know whether we answer
            return
        if what == b"get":
            connection.sendall(stream(int(count)))
        else:
            same = reader.read() == stream(int(count))
            connection.sendall(b"same" if same else b"differs")


def serve(port, dual=None):
    family = socket.AF_INET6 if dual else socket.AF_INET
    listener = socket.create_server(("", int(port)), family=family, backlog=128, dualstack_ipv6=dual is not None)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def put(address, port, count):
    with socket.create_connection((address, int(port))) as connection:
        connection.sendall(b"put %d\n" % int(count) + stream(int(count)))
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection) == b"same"


def get(address, port, count, file=None):
    with socket.create_connection((address, int(port))) as connection:
        connection.sendall(b"get %d\n" % int(count))
        while file is not None and not os.path.exists(file):
            time.sleep(0.05)
        return read_all(connection) == stream(int(count))


if __name__ == "__main__":
    sys.exit({"serve": serve, "put": put, "get": get}[sys.argv[1]](*sys.argv[2:]) is False)
