"""What the system holds a plugin's process to. Formats: prctl(2), seccomp(2), linux/bpf_common.h."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from typing import NamedTuple

from yumen.children import PR_SET_PDEATHSIG

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000
# Load a word of `struct seccomp_data`; jump where it equals, where it has a bit; return.
LOAD, EQUAL, HAS, RETURN = 0x20, 0x15, 0x45, 0x06
# Of the first argument, its lower half, which comes first on both machines.
NUMBER_AT, ARCH_AT, FIRST_AT = 0, 4, 16
CLONE_THREAD = 0x00010000
REFUSE = (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM)
ALLOW = (RETURN, 0, 0, SECCOMP_RET_ALLOW)


class Machine(NamedTuple):
    """Its number, and those of its system calls.

    `never`: fork and vfork where there are such, execve, execveat, ptrace, process_vm_readv, process_vm_writev,
    pidfd_getfd, pidfd_send_signal. `own`, whose first argument must be this process: kill, tkill, tgkill, rt_sigqueueinfo,
    rt_tgsigqueueinfo.
    """

    arch: int
    clone: int
    clone3: int
    prctl: int
    never: tuple[int, ...]
    own: tuple[int, ...]
    # System calls of the other width on the same machine, which have other numbers; 0 where there are none.
    other_bit: int = 0


MACHINES = {
    "x86_64": Machine(
        0xC000003E, 56, 435, 157, (57, 58, 59, 322, 101, 310, 311, 438, 424), (62, 200, 234, 129, 297), 0x40000000
    ),
    "aarch64": Machine(0xC00000B7, 220, 435, 167, (221, 281, 117, 270, 271, 438, 424), (129, 130, 131, 138, 240)),
}


def bound(memory_bytes: int) -> None:
    """So much memory, no picture of it on a disk, and, on Linux, no other processes; threads it may have."""
    # Not every system counts memory so; where the parent is held to less, so is this.
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = memory_bytes if most == resource.RLIM_INFINITY else min(memory_bytes, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        alone()


def alone() -> bool:
    """Have the system refuse this process (EPERM) others of its own, and to signal, read or write those of others.

    Nor may it outlive its parent. Returns whether the system does so. It cannot be undone.
    """
    known = MACHINES.get(platform.machine())
    if known is None:
        return False
    program = [
        (LOAD, 0, 0, ARCH_AT),
        (EQUAL, 1, 0, known.arch),
        REFUSE,
        (LOAD, 0, 0, NUMBER_AT),
        # The kernel hands out what its libraries fall back from: they ask by `clone` then, whose flags can be looked at.
        (EQUAL, 0, 1, known.clone3),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.ENOSYS),
    ]
    if known.other_bit:
        program += [(HAS, 0, 1, known.other_bit), REFUSE]
    for number in known.never:
        program += [(EQUAL, 0, 1, number), REFUSE]
    for number in known.own:
        program += [(EQUAL, 0, 4, number), (LOAD, 0, 0, FIRST_AT), (EQUAL, 1, 0, os.getpid()), REFUSE, ALLOW]
    program += [(EQUAL, 0, 4, known.prctl), (LOAD, 0, 0, FIRST_AT), (EQUAL, 0, 1, PR_SET_PDEATHSIG), REFUSE, ALLOW]
    program += [(EQUAL, 0, 4, known.clone), (LOAD, 0, 0, FIRST_AT), (HAS, 1, 0, CLONE_THREAD), REFUSE, ALLOW]
    program.append(ALLOW)
    lines = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_void_p))

    libc = ctypes.CDLL(None, use_errno=True)
    made = Program(len(program), ctypes.addressof(lines))
    # Without the first, only root may do the second.
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(made), 0, 0) == 0)
