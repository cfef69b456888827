#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""malformed - a host of its own on a device, made of frames written byte by byte, most of them wrong.

malformed.py DEVICE INSTANCE ADDRESS PORT PEER FRAGMENTS

FRAGMENTS says who puts fragments together: "tasd", or the "kernel", which shows AF_PACKET whole packets only.

To an echo server at ADDRESS PORT of tasd INSTANCE it keeps one connection open as PEER, an address that no kernel
has. After each wrong frame the counter that names it, and no other, must have gone up, and the connection must echo
what it is sent. Whatever else tasd sends to PEER at any time is an error. Prints each case; exits with 1 at the first
error.
"""
import json
import random
import socket
import struct
import subprocess
import sys
import time

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
WINDOW = 65535
DROPS = ["rx_bad_checksum", "rx_bad_header", "rx_fragments", "rx_martian", "rx_ignored"]
CUT_SHORT = {
    "timestamps of which four bytes are there": b"\x02\x04\x05\xb4\x08\x0a\x00\x00",
    "an option without its length": b"\x01\x01\x01\x08",
    "a length of nothing": b"\x08\x00\x00\x00",
    "a length of one": b"\x03\x01\x07\x00",
    "an unknown kind with a length of nothing": b"\xfe\x00\x00\x00",
    "an unknown kind longer than the header": b"\xfe\x28\x00\x00",
    "lengths that are wrong for their kinds": b"\x02\x03\x05\x03\x04\x07\x00\x04\x03\x00\x01\x01",
    "a segment size of nothing": b"\x02\x04\x00\x00",
    "a window scale of 255": b"\x03\x03\xff\x01",
    "forty times the same": b"\xff" * 40,
    "forty times nothing": b"\x01" * 40,
}

DEVICE, INSTANCE, ADDRESS, PORT, PEER, FRAGMENTS = sys.argv[1:]
PORT = int(PORT)
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
link.bind((DEVICE, 0x0800))
link.settimeout(0.2)
connections = {}
ports = iter(range(20000, 60000))


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def hardware_addresses():
    """Ours, and tasd's as the kernel found it."""
    text = subprocess.run(["ip", "neigh", "show", ADDRESS], capture_output=True, text=True, check=True).stdout
    of_tasd = text.split("lladdr ")[1].split()[0]
    return bytes.fromhex(of_tasd.replace(":", "")), link.getsockname()[4]


TASD_MAC, OUR_MAC = hardware_addresses()


def tcp(port, seq, ack, flags, opts=b"", data=b"", *, to_port=PORT, doff=None, bad_sum=0, src=PEER, dst=ADDRESS):
    doff = (20 + len(opts)) // 4 if doff is None else doff
    head = struct.pack("!HHIIBBH", port, to_port, seq % 2**32, ack % 2**32, doff << 4, flags, WINDOW)
    segment = head + bytes(4) + opts + data
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, 6, len(segment))
    return head + struct.pack("!HH", checksum(pseudo + segment) ^ bad_sum, 0) + opts + data


def frame(segment, *, version=4, ihl=5, total=None, number=0, fragment=0x4000, bad_sum=0, src=PEER, dst=ADDRESS,
          to=None):
    """Lengths and sums are right but for what is named."""
    total = 20 + len(segment) if total is None else total
    head = struct.pack("!BBHHHBB", version << 4 | ihl, 0, total, number, fragment, 64, 6)
    tail = socket.inet_aton(src) + socket.inet_aton(dst)
    ip = head + struct.pack("!H", checksum(head + bytes(2) + tail) ^ bad_sum) + tail
    return (to or TASD_MAC) + OUR_MAC + b"\x08\x00" + ip + segment


def fail(what):
    sys.exit(f"malformed: {what}")


def receive():
    """The next segment of tasd to PEER, taken by its connection. False: none for a while."""
    try:
        got = link.recv(65535)
    except TimeoutError:
        return False
    ip = got[14:]
    if ip[12:16] != socket.inet_aton(ADDRESS) or ip[16:20] != socket.inet_aton(PEER):
        return True
    segment = ip[20:struct.unpack("!H", ip[2:4])[0]]
    if ip[9] != 6:
        fail(f"protocol {ip[9]}, of which nothing was asked")
    from_port, port, seq, ack, doff, flags = struct.unpack("!HHIIBB", segment[:14])
    if checksum(ip[:20]) or checksum(ip[12:20] + struct.pack("!BBH", 0, 6, len(segment)) + segment):
        fail("a wrong checksum")
    if port not in connections:
        fail(f"a segment to port {port}, where nothing was asked: flags {flags:#x}")
    connections[port].take(from_port, seq, ack, flags, segment[(doff >> 4) * 4:])
    return True


def until(what, condition, again=lambda: None):
    end = time.monotonic() + 20
    while not condition():
        if not receive():
            again()
        if time.monotonic() > end:
            fail(f"{what}: not within 20 s")


class Connection:
    """What tasd says to it must be what an echo server says. Positions count from our first byte on."""

    def __init__(self, opts=b"", data=b"", to_port=PORT):
        self.port, self.to_port = next(ports), to_port
        self.isn, self.irs = random.randrange(2**32), None
        self.sent, self.got, self.reset, self.ended = b"", 0, False, False
        connections[self.port] = self
        self.syn = frame(tcp(self.port, self.isn, 0, SYN, opts, data, to_port=to_port))
        link.send(self.syn)

    def frame(self, flags=ACK, opts=b"", data=b"", **how):
        """The next segment, of which nothing is remembered."""
        of_ip = {k: how.pop(k) for k in ("version", "ihl", "total", "fragment", "to") if k in how}
        of_ip["bad_sum"] = how.pop("bad_ip_sum", 0)
        return frame(tcp(self.port, self.isn + 1 + len(self.sent), self.irs + 1 + self.got, flags, opts, data, **how),
                     **of_ip)

    def opened(self):
        until("a SYN-ACK", lambda: self.irs is not None, lambda: link.send(self.syn))
        link.send(self.frame())
        return self

    def take(self, from_port, seq, ack, flags, data):
        acknowledged = (ack - self.isn - 1) % 2**32
        if self.irs is None and flags == RST | ACK and acknowledged == 0 and from_port != PORT:
            self.reset = True
            return
        if self.irs is None and flags & (SYN | ACK | RST | FIN) == SYN | ACK and acknowledged == 0 and not data:
            self.irs = seq
        at = (seq - self.irs - 1) % 2**32 if self.irs is not None else 0
        if flags & SYN and seq == self.irs and acknowledged == 0:
            return
        if self.irs is None or flags & (SYN | RST | FIN) or acknowledged > len(self.sent):
            fail(f"port {self.port}: flags {flags:#x}, acknowledged {acknowledged} of {len(self.sent)}")
        if at > len(self.sent) or self.sent[at:at + len(data)] != data:
            fail(f"port {self.port}: {data} at {at} is no echo")
        if at <= self.got < at + len(data):
            self.got = at + len(data)
        if data and not self.ended:
            link.send(self.frame())

    def echoes(self, data=b"good morning", opts=b""):
        what = self.frame(PSH | ACK, opts, data)
        self.sent += data
        link.send(what)
        until("an echo", lambda: self.got == len(self.sent), lambda: link.send(what))

    def ends(self):
        """What tasd sent before it heard of that may still come."""
        link.send(self.frame(RST | ACK))
        self.ended = True


def drops():
    out = subprocess.run(["tasctl", "-i", INSTANCE, "stats", "--json"], capture_output=True, text=True, check=True)
    counters = json.loads(out.stdout)
    return {name: counters[name] for name in DROPS}


def dropped(connection, what, counter, *frames):
    """Each of the frames is counted there (None: wherever), and nothing else happens."""
    before = drops()
    for f in frames:
        link.send(f)
    end = time.monotonic() + 20
    while True:
        more = {name: n - before[name] for name, n in drops().items() if n != before[name]}
        if sum(more.values()) >= len(frames):
            break
        if time.monotonic() > end:
            fail(f"{what}: counted {more} of {len(frames)}")
    if sum(more.values()) != len(frames) or (counter and more != {counter: len(frames)}):
        fail(f"{what}: counted {more}, not {len(frames)} as {counter}")
    connection.echoes()
    print(f"    {what}: {more}", flush=True)


def wrong_sums(c):
    evil = {"flags": PSH | ACK, "data": b"evil " * 4}
    dropped(c, "a wrong TCP checksum", "rx_bad_checksum", c.frame(**evil, bad_sum=1))
    dropped(c, "a wrong IP checksum", "rx_bad_checksum", c.frame(**evil, bad_ip_sum=0x100))
    dropped(c, "a total length that cuts the payload", "rx_bad_checksum", c.frame(**evil, total=50))


def wrong_lengths(c):
    evil = {"flags": PSH | ACK, "data": b"evil " * 4}
    whole = c.frame(**evil)
    for total in (61, 1500, 65535):
        dropped(c, f"a total length of {total} for 60", "rx_bad_header", c.frame(**evil, total=total))
    for total in (0, 19, 20, 39):
        dropped(c, f"a total length of {total}", "rx_bad_header", c.frame(**evil, total=total))
    for length in (14, 15, 33, 34, 53):
        dropped(c, f"a frame of {length} bytes", "rx_bad_header", whole[:length])
    for ihl in (0, 4, 15):
        dropped(c, f"an IP header of {ihl * 4} bytes", "rx_bad_header", c.frame(ihl=ihl))
    dropped(c, "version 5", "rx_bad_header", c.frame(**evil, version=5))
    for doff in (0, 4, 15):
        dropped(c, f"a TCP header of {doff * 4} bytes", "rx_bad_header", c.frame(**evil, doff=doff))


def joined(c, what, number, order):
    """The next segment in two pieces, in this order."""
    segment = c.frame(PSH | ACK, data=what)[34:]
    pieces = frame(segment[:24], fragment=0x2000, number=number), frame(segment[24:], fragment=3, number=number)
    c.sent += what
    until("an echo", lambda: c.got == len(c.sent), lambda: [link.send(pieces[i]) for i in order])


def fragments(c):
    evil = {"flags": PSH | ACK, "data": b"evil " * 4}
    alone = {"first": 0x2000, "middle": 0x2001, "last": 0x0003}
    if FRAGMENTS == "tasd":
        for what, field in alone.items():
            dropped(c, f"a {what} fragment", "rx_fragments", c.frame(**evil, fragment=field))
    print("    fragments that do not make a packet, and some that do", flush=True)
    for field in alone.values():
        link.send(c.frame(**evil, fragment=field))
        c.echoes()
    joined(c, b"in two pieces", 7, (0, 1))
    joined(c, b"the last one first", 8, (1, 0))
    print("    fragments that overlap", flush=True)
    segment = c.frame(PSH | ACK, data=b"evil " * 4)[34:]
    link.send(frame(segment[:24], fragment=0x2000, number=9))
    link.send(frame(segment[16:], fragment=2, number=9))
    c.echoes()
    if FRAGMENTS == "tasd":
        print("    5000 first fragments of 50 hosts", flush=True)
        for i in range(5000):
            link.send(frame(segment[:24], fragment=0x2000, number=i, src="10.77.0.%d" % (10 + i % 50)))
        c.echoes()
        joined(c, b"among many", 10, (0, 1))


def strangers(c):
    for src in (ADDRESS, "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"):
        dropped(c, f"a SYN from {src}", "rx_martian", frame(tcp(PORT, 7, 0, SYN, src=src), src=src))
    dropped(c, "a SYN to all", "rx_martian", frame(tcp(next(ports), 7, 0, SYN), to=b"\xff" * 6))
    nobody = ADDRESS.rsplit(".", 1)[0] + ".77"
    dropped(c, f"a SYN to {nobody}", "rx_ignored", frame(tcp(next(ports), 7, 0, SYN, dst=nobody), dst=nobody))
    dropped(c, "another protocol", "rx_ignored", c.frame()[:12] + b"\x12\x34" + bytes(46))


def at_random(c):
    rnd = random.Random(1)
    ethernet = c.frame()[:14]
    dropped(c, "100 frames of random bytes", None, *(ethernet + rnd.randbytes(rnd.randrange(300)) for _ in range(100)))
    whole = c.frame(PSH | ACK, data=b"evil " * 4)
    bits = [n for n in range(14 * 8, len(whole) * 8) if n // 8 not in (20, 21)]  # a fragment may not arrive
    flipped = []
    for bit in rnd.sample(bits, 100):
        f = bytearray(whole)
        f[bit // 8] ^= 1 << bit % 8
        flipped.append(bytes(f))
    dropped(c, "100 frames with one bit wrong", None, *flipped)


def padding(c):
    """What follows the packet in its frame is not its payload."""
    print("    bytes behind the packet", flush=True)
    whole = c.frame(PSH | ACK, data=b"good")
    c.sent += b"good"
    link.send(whole + b"evil " * 10)
    until("an echo", lambda: c.got == len(c.sent), lambda: link.send(whole + b"evil " * 10))


def options():
    rnd = random.Random(2)
    yield from CUT_SHORT.items()
    for i in range(20):
        yield f"{(n := 4 * rnd.randrange(1, 11))} random bytes, {i}", rnd.randbytes(n)


def spoilt_options(c):
    """They say nothing; the segment is one like any other."""
    for what, opts in options():
        print(f"    options: {what}", flush=True)
        c.echoes(b"hello", opts)
        new = Connection(opts).opened()
        new.echoes(b"x" * 600)
        new.ends()
        c.echoes()


def spoilt_syns(c):
    print("    SYNs with other flags, no flags, FIN: no answer", flush=True)
    for flags in (SYN | FIN, SYN | FIN | PSH, SYN | RST, 0, FIN, FIN | PSH, RST, SYN | FIN | RST):
        link.send(frame(tcp(next(ports), 7, 9, flags, data=b"evil")))
        c.echoes()
    print("    a SYN with payload", flush=True)
    new = Connection(data=b"evil " * 20).opened()
    new.echoes()
    new.ends()
    print("    a SYN with spoilt options to a closed port", flush=True)
    closed = Connection(b"\x02\x00\x00\x00", to_port=PORT + 1)
    until("a RST", lambda: closed.reset, lambda: link.send(closed.syn))


def main():
    c = Connection().opened()
    c.echoes()
    for case in (wrong_sums, wrong_lengths, fragments, strangers, at_random, padding, spoilt_options, spoilt_syns):
        print(f"--- {case.__name__.replace('_', ' ')}", flush=True)
        case(c)
    Connection().opened().echoes()  # whatever came before it was dealt with
    c.echoes()


main()
