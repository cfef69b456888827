#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Socket options that a program sets reach the wire.

options.py peer SOCKET DEVICE        in the client's namespace: does what it is told over a unix socket, and
                                     notes down the segments that arrive on DEVICE
options.py subject SOCKET LOCAL PEER TASCTL
                                     under tas-run: sets options on its sockets and looks at what came of it

Nothing waits for a time: what is to be seen is awaited. What must not be seen is asked for when something
that comes later was.
"""
import array
import errno
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time

PATIENCE = 20
SYN, RST, ACK, ECE, CWR = 2, 4, 16, 64, 128
IP_MTU_DISCOVER, IP_RECVERR, PMTUDISC_DONT = 10, 11, 0
TCP_NOTSENT_LOWAT, SO_MAX_PACING_RATE, SIOCOUTQNSD = 25, 47, 0x894B


# --- the peer


def parse(frame):
    """A TCP segment over IPv4, or None."""
    if len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return None
    ip = frame[14:]
    at = (ip[0] & 15) * 4
    tcp = ip[at:]
    head = (tcp[12] >> 4) * 4
    mss, options = 0, tcp[20:head]
    while options and options[0] != 0:
        size = 1 if options[0] == 1 else options[1]
        if options[0] == 2:
            mss = struct.unpack("!H", options[2:4])[0]
        options = options[size:]
    return {
        "from": struct.unpack("!H", tcp[0:2])[0],
        "to": struct.unpack("!H", tcp[2:4])[0],
        "tos": ip[1],
        "ttl": ip[8],
        "df": bool(ip[6] & 0x40),
        "id": struct.unpack("!H", ip[4:6])[0],
        "flags": tcp[13],
        "window": struct.unpack("!H", tcp[14:16])[0],
        "mss": mss,
        "length": struct.unpack("!H", ip[2:4])[0] - at - head,
    }


class Peer:
    def __init__(self, device):
        self.packets, self.socks, self.listener = [], {}, None
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.wire.bind((device, 0x0800))
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            frame, address = self.wire.recvfrom(65536)
            segment = parse(frame) if address[2] != socket.PACKET_OUTGOING else None
            if segment is not None:
                self.packets.append(segment)

    def listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.listener.bind(("0.0.0.0", 0))
        self.listener.listen(5)
        return self.listener.getsockname()[1]

    def accept(self, name):
        self.socks[name] = self.listener.accept()[0]

    def connect(self, name, host, port):
        self.socks[name] = socket.create_connection((host, port), PATIENCE)
        return self.socks[name].getsockname()[1]

    def send(self, name, n):
        self.socks[name].sendall(b"x" * n)

    def recv(self, name, n):
        got = 0
        while got < n:
            piece = len(self.socks[name].recv(min(n - got, 65536)))
            if piece == 0:
                break
            got += piece
        return got

    def seen(self, port):
        """Segments that have this port at either end."""
        return [p for p in list(self.packets) if port in (p["from"], p["to"])]

    def run(self, *command):
        subprocess.run(command, check=True)

    def close(self, name):
        self.socks.pop(name).close()


def peer_main(path, device):
    peer = Peer(device)
    control = socket.socket(socket.AF_UNIX)
    control.bind(path)
    control.listen(1)
    stream = control.accept()[0].makefile("rw")
    for line in stream:
        command = json.loads(line)
        try:
            answer = getattr(peer, command[0])(*command[1:])
        except OSError as error:
            answer = "%s: %s" % (command, error)
        stream.write(json.dumps(answer) + "\n")
        stream.flush()


# --- the subject


class Subject:
    def __init__(self, path, local, peer):
        self.local, self.peer_host = local, peer
        control = socket.socket(socket.AF_UNIX)
        control.connect(path)
        self.stream = control.makefile("rw")

    def peer(self, *command):
        self.stream.write(json.dumps(command) + "\n")
        self.stream.flush()
        return json.loads(self.stream.readline())

    def await_segment(self, what, port, wanted):
        """The first segment of this port of which `wanted` is true."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for segment in self.peer("seen", port):
                if wanted(segment):
                    return segment
            time.sleep(0.01)
        sys.exit("%s: no such segment among %s" % (what, self.peer("seen", port)[-10:]))

    def opened(self, *options):
        """A connection to the peer (its socket a), with options set before, and our port."""
        port = self.peer("listen")
        s = socket.socket()
        for option in options:
            s.setsockopt(*option)
        s.connect((self.peer_host, port))
        assert self.peer("accept", "a") is None
        return s, s.getsockname()[1]

    def listening(self, *options):
        l = socket.socket()
        for option in options:
            l.setsockopt(*option)
        l.bind((self.local, 0))
        l.listen(5)
        return l, l.getsockname()[1]


def is_data(segment):
    return segment["length"] > 0


def is_syn(segment):
    return segment["flags"] & SYN


def same(what, got, wanted):
    if got != wanted:
        sys.exit("%s: %s, not %s" % (what, got, wanted))


TCP, IP, SOCKET = socket.IPPROTO_TCP, socket.IPPROTO_IP, socket.SOL_SOCKET
HEADERS = (
    (IP, socket.IP_TOS, 0x48),
    (IP, socket.IP_TTL, 33),
    (TCP, socket.TCP_MAXSEG, 1000),
    (TCP, socket.TCP_WINDOW_CLAMP, 8000),
)


def check_first_headers(u, port):
    syn = u.await_segment("a SYN", port, is_syn)
    for field, wanted in (("tos", 0x48), ("ttl", 33), ("mss", 1000), ("df", True)):
        same("%s of the SYN" % field, syn[field], wanted)
    if syn["window"] > 8000:
        sys.exit("window of the SYN: %d" % syn["window"])


def headers_of_connect(u):
    s, port = u.opened(*HEADERS)
    check_first_headers(u, port)
    s.sendall(b"x" * 5000)
    data = u.await_segment("data", port, is_data)
    same("tos of data", data["tos"], 0x48)
    same("ttl of data", data["ttl"], 33)
    if max(p["length"] for p in u.peer("seen", port)) > 988:
        sys.exit("a segment is larger than TCP_MAXSEG allows")
    s.setsockopt(IP, socket.IP_TOS, 0xB8)
    s.setsockopt(IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
    s.sendall(b"x")
    u.await_segment("data of another class", port, lambda p: is_data(p) and p["tos"] == 0xB8)
    u.await_segment("data without DF", port, lambda p: is_data(p) and not p["df"])
    s.close()


def headers_of_accept(u):
    l, port = u.listening(*HEADERS)
    u.peer("connect", "a", u.local, port)
    check_first_headers(u, port)
    s = l.accept()[0]
    same("IP_TOS of an accepted connection", s.getsockopt(IP, socket.IP_TOS), 0x48)
    s.sendall(b"x")
    same("tos of data", u.await_segment("data", port, is_data)["tos"], 0x48)
    l.setsockopt(IP, socket.IP_TTL, 44)
    u.peer("connect", "b", u.local, port)
    u.await_segment("a SYN-ACK after the listener changed", port, lambda p: is_syn(p) and p["ttl"] == 44)
    l.close()
    s.close()


def accept_with_data(u):
    l, port = u.listening((TCP, socket.TCP_DEFER_ACCEPT, 30))
    other, other_port = u.listening()
    u.peer("connect", "a", u.local, port)
    u.peer("connect", "b", u.local, other_port)
    other.accept()[0].close()  # whose handshake ended later
    l.setblocking(False)
    try:
        l.accept()
        sys.exit("a connection without data was accepted")
    except BlockingIOError:
        pass
    u.peer("send", "a", 10)
    if not select.select([l], [], [], PATIENCE)[0]:
        sys.exit("a connection with data was not accepted")
    s = l.accept()[0]
    s.setblocking(True)
    same("its data", s.recv(100), b"x" * 10)
    s.close()
    l.close()
    other.close()


def close_without_lingering(u):
    s, port = u.opened((TCP, socket.TCP_LINGER2, -1))
    s.close()
    u.await_segment("RST after our FIN was acknowledged", port, lambda p: p["flags"] & RST)


def is_stuck(s):
    """The peer, which reads nothing, takes nothing more."""
    info = s.getsockopt(TCP, socket.TCP_INFO, 232)
    unacked, window = struct.unpack("I", info[24:28])[0], struct.unpack("I", info[228:232])[0]
    return unacked == 0 and window < 1460


def stuff(s):
    """Writes until the peer takes nothing more, and the socket neither. How many bytes."""
    s.setblocking(False)
    total, end = 0, time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if select.select([], [s], [], 0.01)[1]:
            total += s.send(b"x" * 65536)
        elif is_stuck(s):
            return total
    sys.exit("the peer goes on taking what it does not read")


def little_unsent(u):
    s, _ = u.opened()
    s.setsockopt(TCP, TCP_NOTSENT_LOWAT, 4096)
    total = stuff(s)
    unsent = array.array("i", [0])
    fcntl.ioctl(s, SIOCOUTQNSD, unsent)
    if not 2048 <= unsent[0] <= 4096 + 1460:
        sys.exit("%d of %d bytes are unsent" % (unsent[0], total))
    s.close()


def slow(u):
    s, _ = u.opened((SOCKET, SO_MAX_PACING_RATE, 200000))
    s.setblocking(False)
    taken = 0
    begin = time.monotonic()
    while taken < 100000:
        select.select([], [s], [], PATIENCE)
        taken += s.send(b"x" * (100000 - taken))
    same("bytes received", u.peer("recv", "a", 100000), 100000)
    if time.monotonic() - begin < 0.4:
        sys.exit("100,000 bytes at 200,000 a second took %.3f s" % (time.monotonic() - begin))
    s.close()


def what_fits(u, size):
    """Bytes that the socket takes while the peer reads nothing."""
    s, _ = u.opened()
    if size:
        s.setsockopt(SOCKET, socket.SO_SNDBUF, size)
    total = stuff(s)
    s.close()
    return total


def buffers_of_an_open_connection(u):
    usual, large, small = what_fits(u, 0), what_fits(u, 200000), what_fits(u, 4096)
    if large < usual + 60000 or small > usual - 60000:
        sys.exit("%d bytes fit usually, %d into a larger buffer, %d into a smaller" % (usual, large, small))


def another_congestion_control(u):
    s, port = u.opened((TCP, socket.TCP_CONGESTION, b"dctcp"))
    syn = u.await_segment("a SYN", port, is_syn)
    same("flags of dctcp's SYN", syn["flags"], SYN | ECE | CWR)
    same("ECN of dctcp's SYN", syn["tos"], 2)
    same("TCP_CONGESTION", s.getsockopt(TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0"), b"dctcp")
    s.setsockopt(TCP, socket.TCP_CONGESTION, b"reno")
    same("TCP_CONGESTION", s.getsockopt(TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0"), b"reno")
    s.close()


def congestion_of(s):
    return s.getsockopt(TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0")


def congestion_control_of_the_peer(u):
    """tasd.conf says newreno for the peer's address, and the usual one for others."""
    s, port = u.opened()
    same("TCP_CONGESTION of a connection", congestion_of(s), b"reno")
    flows = json.loads(subprocess.check_output(u.tasctl + ["flows", "--json"]))
    same("tasctl flows", [f["congestion"] for f in flows if f["local"].endswith(":%d" % port)], ["newreno"])
    s.setsockopt(TCP, socket.TCP_CONGESTION, b"dctcp")
    same("TCP_CONGESTION once it is chosen", congestion_of(s), b"dctcp")
    s.close()
    for chosen, wanted in (((), b"reno"), (((TCP, socket.TCP_CONGESTION, b"cubic"),), b"cubic")):
        l, port = u.listening(*chosen)
        u.peer("connect", "a", u.local, port)
        s = l.accept()[0]
        same("TCP_CONGESTION of an accepted connection", congestion_of(s), wanted)
        l.close()
        s.close()


def errors_that_end_nothing(u):
    s, port = u.opened((IP, IP_RECVERR, 1))
    u.peer("run", "nft", "add table ip errors; add chain ip errors in { type filter hook input priority 0; }; "
           "add rule ip errors in tcp sport %d reject with icmp type host-unreachable" % port)
    s.sendall(b"x" * 10)
    poll = select.poll()
    poll.register(s, select.POLLIN)
    events = poll.poll(PATIENCE * 1000)
    same("events", [e for _, e in events], [select.POLLERR])
    same("SO_ERROR", s.getsockopt(SOCKET, socket.SO_ERROR), errno.EHOSTUNREACH)
    u.peer("run", "nft", "delete table ip errors")
    same("bytes that came after all", u.peer("recv", "a", 10), 10)
    s.close()


def listeners_queue(u):
    l, port = u.listening()
    u.peer("connect", "a", u.local, port)
    select.select([l], [], [], PATIENCE)
    info = l.getsockopt(TCP, socket.TCP_INFO, 104)
    same("state of a listener", info[0], 10)
    same("connections that wait", struct.unpack("I", info[24:28])[0], 1)
    l.close()


def subject_main(path, local, peer, tasctl):
    u = Subject(path, local, peer)
    u.tasctl = tasctl.split()
    for check in (
        headers_of_connect,
        headers_of_accept,
        accept_with_data,
        close_without_lingering,
        little_unsent,
        slow,
        buffers_of_an_open_connection,
        another_congestion_control,
        congestion_control_of_the_peer,
        errors_that_end_nothing,
        listeners_queue,
    ):
        print(check.__name__, flush=True)
        check(u)
    print("end", flush=True)
    os._exit(0)


if __name__ == "__main__":
    {"peer": peer_main, "subject": subject_main}[sys.argv[1]](*sys.argv[2:])
