#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""dual - an echo server and clients of both families.

dual.py serve PORT v6only|dual       says to each client first who it is, as the server sees it, then echoes
dual.py ask ADDRESS PORT [BYTES]     prints what the server says and what its own socket says; echoes BYTES
dual.py errors ADDRESS...            what connect() to port 9 says of each
"""
import errno
import socket
import sys
import threading


def serve(port, dual):
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=dual, backlog=64) as server:
        while True:
            threading.Thread(target=echo, args=server.accept(), daemon=True).start()


def echo(connection, peer):
    with connection:
        here = connection.getsockname()
        assert connection.getpeername() == peer
        connection.sendall(f"{peer[0]} to {here[0]} {here[1]} of {len(here)} parts\n".encode())
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except ConnectionError:  # who only wanted to know whether we answer has not read
            pass


def ask(address, port, count):
    with socket.create_connection((address, port), 20) as s, s.makefile("rb") as reader:
        print(reader.readline().decode().strip())
        print("here", s.getsockname()[0], "there", *s.getpeername()[:2])
        data = bytes(i * 7 & 255 for i in range(count))
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        assert reader.read() == data, "the echo differs"
        sender.join()


def errors(addresses):
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as s:
            s.settimeout(10)
            try:
                s.connect((address, 9))
                print(address, "connected")
            except OSError as e:
                print(address, errno.errorcode.get(e.errno, e))


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]), sys.argv[3] == "dual")
elif sys.argv[1] == "ask":
    ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 100000)
else:
    errors(sys.argv[2:])
