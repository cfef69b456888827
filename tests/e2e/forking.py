# SPDX-License-Identifier: BSD-3-Clause
# An echo server of Python's library that forks for each connection.
import socketserver
import sys


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            data = self.request.recv(65536)
            if not data:
                return
            self.request.sendall(data)


class Server(socketserver.ForkingTCPServer):
    allow_reuse_address = True
    request_queue_size = 64


with Server(("", int(sys.argv[1])), Echo) as server:
    server.serve_forever()
