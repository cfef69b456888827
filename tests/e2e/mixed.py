#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mixed - one program that serves and asks over everything at once, in one event loop.

mixed.py ADDRESS PORT UNIX_PATH

Serves echoes on 127.0.0.1:9001, 0.0.0.0:9000 and UNIX_PATH, and is at the same time a client of all these (the
second by 127.0.0.1) and of the echo server ADDRESS:PORT, with four connections each. Prints "all came back" and how
many bytes went to and from ADDRESS, and serves on."""
import asyncio
import random
import sys

ADDRESS, PORT, PATH = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ROUNDS = 100


async def echo(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def ask(opening, seed):
    draw, asked = random.Random(seed), 0
    reader, writer = await opening
    for _ in range(ROUNDS):
        question = draw.randbytes(draw.choice((1, 100, 1500, 100000)))
        writer.write(question)
        if await reader.readexactly(len(question)) != question:
            sys.exit("something else came back")
        asked += len(question)
    writer.close()
    await writer.wait_closed()
    return asked


async def main():
    servers = [await asyncio.start_server(echo, "127.0.0.1", 9001),
               await asyncio.start_server(echo, "0.0.0.0", 9000),
               await asyncio.start_unix_server(echo, PATH)]
    asked = await asyncio.gather(*(ask(opening, seed) for seed in range(4) for opening in (
        asyncio.open_connection("127.0.0.1", 9001), asyncio.open_connection("127.0.0.1", 9000),
        asyncio.open_unix_connection(PATH), asyncio.open_connection(ADDRESS, PORT))))
    print("all came back", 2 * sum(asked[3::4]), flush=True)
    await asyncio.gather(*(s.serve_forever() for s in servers))


asyncio.run(main())
