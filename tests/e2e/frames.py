#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""frames - numbered Ethernet frames over a link, and what became of them.

frames.py receive DEVICE COUNT               says "ready"; at the end "GOT TWICE OVERTAKEN LEAST MEDIAN TOOK":
                                             how many, how many again, how many after a later one; delay and
                                             time from the first to the last in microseconds
frames.py send DEVICE COUNT SIZE GAP-US      frames of SIZE bytes, one each GAP-US; then frames that end the
                                             receiver, until this is ended

Both ends are on one machine: they have one clock.
"""
import socket
import statistics
import struct
import sys
import time

TYPE = 0x88b5  # for experiments (IEEE 802)
HEAD = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + struct.pack("!H", TYPE)
SO_RCVBUFFORCE = 33
LATE_S = 0.01
QUIET_S = 0.05  # after which everything that was late has come


def opened(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(TYPE))
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    s.bind((device, TYPE))
    return s


def send(device, count, size, gap_us):
    link, began = opened(device), time.monotonic()
    for i in range(count):
        while (rest := began + i * gap_us / 1e6 - time.monotonic()) > 0:
            time.sleep(rest)
        if rest < -LATE_S:  # what went all at once would overflow the kernel's backlog
            began -= rest
        link.send((HEAD + struct.pack("!Id", i, time.monotonic())).ljust(size, b"\0"))
    while True:
        time.sleep(QUIET_S)
        link.send((HEAD + struct.pack("!Id", count, 0)).ljust(60, b"\0"))


def receive(device, count):
    link, seen, delays = opened(device), set(), []
    twice = overtaken = first = last = 0
    top = -1
    print("ready", flush=True)
    while True:
        i, sent = struct.unpack("!Id", link.recv(65536)[14:26])
        if i >= count:
            break
        last = time.monotonic()
        first = first or last
        delays.append((last - sent) * 1e6)
        twice += i in seen
        overtaken += i < top and i not in seen
        top = max(top, i)
        seen.add(i)
    times = (min(delays), statistics.median(delays), (last - first) * 1e6) if delays else (0, 0, 0)
    print(len(seen), twice, overtaken, *(int(t) for t in times))


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
    receive(sys.argv[2], int(sys.argv[3]))
