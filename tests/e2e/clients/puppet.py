# SPDX-License-Identifier: Apache-2.0
"""
Sockets by remote control, each step a line of JSON that is answered by a line:

	["open", name, where]      `where`: a port on loopback or the path of a Unix socket
	["accept", name, port]     the next connection to a port, which is listened on from then on
	["listen", port]
	["send", name, text]       bytes as latin-1; all of them in one write
	["read", name, size]       exactly so many bytes
	["until", name, text]      up to the text
	["kinds", name, wanted]    PostgreSQL's messages up to one of the kinds wanted: their kinds
	["close", name]
"""

import json
import socket
import struct
import sys

from speakers import Speaker

lines, listeners = {}, {}


class Accepted(Speaker):
    @staticmethod
    def _connect(where):
        made, _ = where.accept()
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(20)
        return made


def open_(name, where):
    lines[name] = Speaker(where, None)


def listen(port):
    listeners[port] = socket.create_server(("127.0.0.1", port))


def accept(name, port):
    lines[name] = Accepted(listeners[port], None)


def send(name, text):
    lines[name].socket.sendall(text.encode("latin-1"))


def read(name, size):
    return lines[name].take(size).decode("latin-1")


def until(name, text):
    return lines[name].until(text.encode("latin-1")).decode("latin-1")


def kinds(name, wanted):
    found = ""
    while found[-1:] not in wanted or not found:
        head = lines[name].take(5)
        lines[name].take(struct.unpack("!i", head[1:])[0] - 4)
        found += head[:1].decode()
    return found


def close(name):
    lines.pop(name).socket.close()


STEPS = {"open": open_, "listen": listen, "accept": accept, "send": send, "read": read,
         "until": until, "kinds": kinds, "close": close}  # fmt: skip


def main():
    print("null", flush=True)
    for line in sys.stdin:
        name, *args = json.loads(line)
        print(json.dumps(STEPS[name](*args)), flush=True)


if __name__ == "__main__":
    main()
