# SPDX-License-Identifier: BSD-3-Clause
# last_words.py HOW ADDRESS PORT GO N - accepts a connection, waits until the file GO is there, writes N bytes to
# it, one at a time, and
#   exit      ends
#   close     closes the connection, then ends
#   thread    does so in a thread that ends, and waits outside of any socket until GO is gone
# The first byte is written before that: what the thread needs of tasd it has then.
import os
import socket
import sys
import threading
import time

how, address, port, go, n = sys.argv[1:]


def write(connection):
    connection.send(b"\0")
    print("accepted", flush=True)
    while not os.path.exists(go):
        time.sleep(0.01)
    for i in range(1, int(n)):
        connection.send(bytes([i & 255]))


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address, int(port)))
listener.listen()
print("listening", flush=True)
connection = listener.accept()[0]
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
if how == "thread":
    thread = threading.Thread(target=write, args=[connection])
    thread.start()
    thread.join()
    print("written", flush=True)
    while os.path.exists(go):
        time.sleep(0.01)
else:
    write(connection)
    if how == "close":
        connection.close()
os._exit(0)
