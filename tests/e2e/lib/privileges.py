# SPDX-License-Identifier: Apache-2.0
"""Commands with few capabilities, and what a process holds."""

import sys
from pathlib import Path

NUMBERS = {
    "setpcap": 8, "net_bind_service": 10, "net_admin": 12, "sys_ptrace": 19, "sys_admin": 21,
    "sys_nice": 23, "sys_resource": 24, "dac_read_search": 2, "perfmon": 38, "bpf": 39,
}  # fmt: skip


def only(*names, user=None):
    """The prefix of a command that holds these capabilities alone; as another user than root they
    are ambient ones."""
    chosen = ",".join(["-all", *(f"+{name}" for name in names)])
    if user is None:
        return ["setpriv", "--bounding-set", chosen, "--inh-caps", "-all"]
    ambient = ["--ambient-caps", chosen] if names else []
    return ["setpriv", "--reuid", user, "--regid", "nogroup", "--clear-groups",
            "--bounding-set", chosen, "--inh-caps", chosen, *ambient]  # fmt: skip


def names(mask):
    """The names of a set; those that are not listed above by number."""
    known = {number: name for name, number in NUMBERS.items()}
    return {known.get(bit, bit) for bit in range(64) if mask >> bit & 1}


def held(pid):
    """The sets by name ("CapEff" ...), "NoNewPrivs" and "Seccomp" as numbers."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    found = {name: names(int(text, 16)) for name, text in fields.items() if name[:3] == "Cap"}
    return found | {name: int(fields[name]) for name in ("NoNewPrivs", "Seccomp")}


_FORBID = """
import ctypes, os, platform, struct, sys
number = {"x86_64": 321, "aarch64": 280}[platform.machine()]
code = b"".join(struct.pack("=HBBI", *step) for step in (
    (0x20, 0, 0, 0),            # the call's number
    (0x15, 0, 1, number),       # bpf()?
    (0x06, 0, 0, 0x00050001),   # EPERM
    (0x06, 0, 0, 0x7fff0000)))  # allowed
memory = ctypes.create_string_buffer(code, len(code))
program = struct.pack("@HP", 4, ctypes.addressof(memory))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.create_string_buffer(program, len(program)), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def without_bpf():
    """The prefix of a command for which a seccomp filter refuses bpf()."""
    return [sys.executable, "-c", _FORBID]
