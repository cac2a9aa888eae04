# SPDX-License-Identifier: Apache-2.0
"""
A node and two pods of it as network namespaces, with Services' addresses translated as kube-proxy
does it.

    a 10.244.0.2 ---- 10.244.0.1 node 10.244.1.1 ---- 10.244.1.2 b

    10.96.0.1:P -> b:P + 8000                 the server's address is translated
    10.96.0.2:P -> b:P + 8000, masqueraded    the client's, too
    10.96.0.3:P -> a:P + 8000, masqueraded    back to where it came from

Nothing of it is seen outside of the namespaces, which end with the processes that hold them.
"""

import json
import subprocess
import sys

from .process import HERE, wait_until

PORTS = range(80, 90)
SERVICE, MASQUERADED, HAIRPIN = "10.96.0.1", "10.96.0.2", "10.96.0.3"
A, B = "10.244.0.2", "10.244.1.2"


class Unable(Exception):
    """This machine has no such namespaces, or translates no addresses."""


def _rules():
    yield "add table ip nat"
    yield "add chain ip nat pre { type nat hook prerouting priority dstnat; }"
    yield "add chain ip nat out { type nat hook output priority -100; }"
    yield "add chain ip nat post { type nat hook postrouting priority srcnat; }"
    for address, server in ((SERVICE, B), (MASQUERADED, B), (HAIRPIN, A)):
        for port in PORTS:
            to = f"ip daddr {address} tcp dport {port} dnat to {server}:{port + 8000}"
            yield f"add rule ip nat pre {to}"
            yield f"add rule ip nat out {to}"
        if address != SERVICE:
            yield f"add rule ip nat post ct original daddr {address} masquerade"


class Space:
    """One network namespace."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self.holder.stdout.readline() != "ready\n":
            raise Unable(self.holder.communicate()[1].strip())
        self.pid = self.holder.pid
        self.enter = ["nsenter", f"--net=/proc/{self.pid}/ns/net"]
        self.do("ip", "link", "set", "lo", "up")

    def do(self, *command, text=None):
        done = subprocess.run([*self.enter, *map(str, command)], input=text, text=True,
                              capture_output=True)  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def can(self, *command):
        """Unable, unless it can."""
        try:
            self.do(*command)
        except (AssertionError, FileNotFoundError) as error:
            raise Unable(str(error)) from error

    def accepts(self, host, port):
        command = ["bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}"]
        return subprocess.run([*self.enter, *command], capture_output=True).returncode == 0

    def wait_for(self, host, port):
        wait_until(lambda: self.accepts(host, port), 60, what=f"{host}:{port}")

    def start(self, bed, name, command, **options):
        return bed.start(name, [*self.enter, *command], **options)

    def call(self, bed, function, *args):
        """As bed.call()."""
        command = [sys.executable, HERE / "client.py", function, json.dumps(args)]
        return json.loads(bed.run([*self.enter, *command]))

    def end(self):
        self.holder.kill()
        self.holder.communicate()


class Node:
    """`node`, `a` and `b`; also a context manager. Unable: why there is none."""

    def __init__(self):
        self.spaces = []
        try:
            self.node, self.a, self.b = (self._space() for _ in range(3))
            self.a.can("ip", "link", "add", "probe", "type", "veth")
            self.a.can("ip", "link", "del", "probe")
            self.a.can("nft", "add table ip nat;"
                       "add chain ip nat post { type nat hook postrouting priority 100; };"
                       "add rule ip nat post masquerade; delete table ip nat")  # fmt: skip
            for pod, space, n in (("pod-a", self.a, 0), ("pod-b", self.b, 1)):
                self._wire(pod, space, f"10.244.{n}")
            self.node.do("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
            self.node.do("nft", "-f", "-", text="\n".join(_rules()) + "\n")
        except BaseException:
            self.end()
            raise

    def _space(self):
        self.spaces.append(Space())
        return self.spaces[-1]

    def _wire(self, pod, space, net):
        self.node.do("ip", "link", "add", pod, "type", "veth", "peer", "name", "eth0", "netns",
                     space.pid)  # fmt: skip
        self.node.do("ip", "address", "add", f"{net}.1/24", "dev", pod)
        self.node.do("ip", "link", "set", pod, "up")
        space.do("ip", "address", "add", f"{net}.2/24", "dev", "eth0")
        space.do("ip", "link", "set", "eth0", "up")
        space.do("ip", "route", "add", "default", "via", f"{net}.1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        for space in self.spaces:
            space.end()
