# SPDX-License-Identifier: BSD-3-Clause
# What the peer of tests/e2e/heirs.c says and hears. Prints the bytes that went both ways.
#   peer_of_heirs.py KIND ADDRESS PORT [CONNECTIONS]
import select
import socket
import sys
import threading

PATIENCE = 20
kind, where = sys.argv[1], (sys.argv[2], int(sys.argv[3]))
total = 0
lock = threading.Lock()


def connect():
    s = socket.create_connection(where, PATIENCE)
    s.settimeout(PATIENCE)
    return s


def count(n):
    global total
    with lock:
        total += n


def hear(s, wanted):
    got = b""
    while len(got) < len(wanted):
        data = s.recv(len(wanted) - len(got))
        assert data, f"end of stream after {got!r}, not {wanted!r}"
        got += data
    assert got == wanted, f"{got[:100]!r}, not {wanted[:100]!r}"
    count(len(got))


def say(s, data):
    s.sendall(data)
    count(len(data))


def echoes(s, n, seed):
    data = bytes((i * 7 + seed) % 251 for i in range(n))
    sender = threading.Thread(target=say, args=(s, data))
    sender.start()
    hear(s, data)
    sender.join()


def ends(s):
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b"", "bytes behind the end"
    s.close()


def is_open(s, seconds):
    s.settimeout(seconds)
    try:
        assert s.recv(1) != b"", "the connection ended"
        raise AssertionError("bytes that nobody sent")
    except TimeoutError:
        s.settimeout(PATIENCE)


def one(seed):
    s = connect()
    echoes(s, 100, seed)
    echoes(s, 300000, seed + 1)
    ends(s)


def in_turn():
    s = connect()
    say(s, b"a\nb\nc\nd\ne\n")
    hear(s, b"child b\nparent c\nchild d\nparent e\n")
    echoes(s, 200000, 5)
    ends(s)


def killed():
    s = connect()
    say(s, b"x\n")
    hear(s, b"child x\nparent\n")
    echoes(s, 200000, 6)
    ends(s)


def unused():
    s = connect()
    say(s, b"x\n")
    hear(s, b"parent x\n")
    if kind == "kept":
        is_open(s, 0.3)
        print("open", flush=True)
    assert s.recv(1) == b"", "bytes behind the end"
    s.close()


def many(n):
    failed = []

    def run(i):
        try:
            one(i)
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed


# A worker serves one connection at a time: those that are answered first are kept until all three answered.
def workers():
    waiting, held, names = [connect() for _ in range(12)], [], set()
    while waiting:
        ready = select.select(waiting, [], [], PATIENCE)[0]
        assert ready, f"{len(waiting)} connections without an answer; {names} answered"
        for s in ready:
            names.add(s.recv(2))
            count(2)
            echoes(s, 20000, len(names))
            waiting.remove(s)
            held.append(s)
        while len(names) == 3 and held:
            ends(held.pop())
    assert names == {b"0\n", b"1\n", b"2\n"}, names


if kind == "workers":
    workers()
elif kind in ("turns", "polled"):
    in_turn()
elif kind == "killed":
    killed()
elif kind in ("unused", "kept"):
    unused()
else:
    many(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
print(total)
