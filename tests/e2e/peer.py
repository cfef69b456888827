#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""peer - the Linux side of tests, over the kernel's TCP:

peer.py echo ADDRESS PORT          a server that sends back what it gets, and closes when the client does
peer.py hold ADDRESS PORT N        N connections that send a little now and then, and come again when they end
peer.py flood ADDRESS PORT N       N connections that send all they can, and come again when they end
peer.py idle ADDRESS PORT N        N connections that do nothing, not even close
peer.py slow ADDRESS PORT BYTES    takes BYTES a..z a..z slowly, and then the end; prints "all"
"""
import asyncio
import socket
import sys
import time


async def echo(address, port):
    async def serve(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()
        except OSError:
            pass

    server = await asyncio.start_server(serve, address, port, backlog=1024)
    await server.serve_forever()


async def come_again(address, port, talk):
    while True:
        try:
            reader, writer = await asyncio.open_connection(address, port)
            await talk(reader, writer)
            writer.close()
        except OSError:
            await asyncio.sleep(0.05)


async def trickle(reader, writer):
    while True:
        writer.write(b"good morning\n")
        await writer.drain()
        try:
            if not await asyncio.wait_for(reader.read(65536), 0.1):
                return
        except asyncio.TimeoutError:
            pass


async def pour(reader, writer):
    while True:
        writer.write(bytes(65536))
        await writer.drain()


async def many(address, port, n, talk):
    await asyncio.gather(*(come_again(address, port, talk) for _ in range(n)))


def idle(address, port, n):
    connections = [socket.create_connection((address, port)) for _ in range(n)]
    print("connected", len(connections), flush=True)
    time.sleep(3600)


def slow(address, port, length):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect((address, port))
    time.sleep(0.5)
    got = b""
    while piece := connection.recv(3000):
        got += piece
        time.sleep(0.001)
    wanted = (b"abcdefghijklmnopqrstuvwxyz" * (length // 26 + 1))[:length]
    if got != wanted:
        sys.exit(f"got {len(got)} bytes of {length}, or wrong ones")
    print("all")


def main():
    what, address, port, *rest = sys.argv[1:]
    n = int(rest[0]) if rest else 0
    if what == "echo":
        asyncio.run(echo(address, int(port)))
    elif what == "hold":
        asyncio.run(many(address, int(port), n, trickle))
    elif what == "flood":
        asyncio.run(many(address, int(port), n, pour))
    elif what == "idle":
        idle(address, int(port), n)
    elif what == "slow":
        slow(address, int(port), n)


main()
