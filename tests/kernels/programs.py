# SPDX-License-Identifier: Apache-2.0
"""The BPF programs in the kernel, as bpf(2) tells: bpftool does not show what we want to know."""

import ctypes
import os
import struct
from contextlib import suppress
from pathlib import Path

_SYSCALL = 321  # x86-64
_NEXT_ID, _FD_BY_ID, _INFO_BY_FD = 11, 13, 15
_INFO_SIZE = 224  # struct bpf_prog_info up to verified_insns; older kernels leave its end 0
_XLATED, _NAME, _MISSES, _VERIFIED = 20, 64, 208, 216

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    """The result, or None on ENOENT; what the kernel answers is in `attributes` afterwards."""
    result = _libc.syscall(_SYSCALL, command, attributes, len(attributes))
    if result < 0:
        number = ctypes.get_errno()
        if number == 2:
            return None
        raise OSError(number, f"bpf({command}): {os.strerror(number)}")
    return result


def _describe(fd):
    info = ctypes.create_string_buffer(_INFO_SIZE)
    request = struct.pack("=IIQ", fd, _INFO_SIZE, ctypes.addressof(info))
    _bpf(_INFO_BY_FD, ctypes.create_string_buffer(request, len(request)))
    number = struct.unpack_from("=I", info, _VERIFIED)[0]
    return {
        "name": info[_NAME : _NAME + 16].split(b"\0")[0].decode(),
        # Told since 5.16; 0 before.
        "verified": number,
        "instructions": struct.unpack_from("=I", info, _XLATED)[0] // 8,
        "missed": struct.unpack_from("=Q", info, _MISSES)[0],
    }


def owned(pid):
    """The ids of the programs that a process has open."""
    found = set()
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):
            words = path.read_text(encoding="ascii").split()
            if "prog_type:" in words:
                found.add(int(words[words.index("prog_id:") + 1]))
    return found


def loaded():
    """All programs by id: name, instructions, how many the verifier looked at, runs missed."""
    programs = {}
    attributes = ctypes.create_string_buffer(12)
    while _bpf(_NEXT_ID, attributes) is not None:
        number = struct.unpack_from("=I", attributes, 4)[0]
        request = struct.pack("=III", number, 0, 0)
        fd = _bpf(_FD_BY_ID, ctypes.create_string_buffer(request, len(request)))
        if fd is not None:
            programs[number] = _describe(fd)
            os.close(fd)
        attributes = ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 12)
    return programs
