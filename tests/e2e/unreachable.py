#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""unreachable - answers SYNs to port 82, 83, 84 by ICMP host, port and administratively unreachable, after 30 ms.

A firewall on the same machine would answer while the system call that sent the SYN still runs, and then Linux takes
the answer for a passing trouble. No router is so fast."""
import socket
import struct
import threading

CODES = {82: 1, 83: 3, 84: 13}


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def refuse(out, packet, code, to):
    icmp = struct.pack("!BBHI", 3, code, 0, 0) + packet[:28]
    out.sendto(icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:], (to, 0))


def main():
    frames = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    while True:
        packet, address = frames.recvfrom(2000)
        if address[2] != socket.PACKET_HOST or packet[0] != 0x45 or packet[9] != socket.IPPROTO_TCP:
            continue
        code = CODES.get(struct.unpack("!H", packet[22:24])[0])
        if code is not None and packet[33] & 0x12 == 0x02:
            threading.Timer(0.03, refuse, (out, packet, code, socket.inet_ntoa(packet[12:16]))).start()


main()
