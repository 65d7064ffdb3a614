"""The system calls that are left to the decoding process: a seccomp filter, made by hand.

An allow-list: a decoder that has its file open needs few calls, and what nobody thought of is
refused. The refusal is an error and never a kill, so a library that tries something needless goes
on without it. Calls as new as clone3 (Linux 5.3) and later answer ENOSYS, as an older kernel
would: every libc then falls back to calls that are on the list. The rest answers EPERM.

The filter is classic BPF over `struct seccomp_data` of linux/seccomp.h; numbers are those of
asm/unistd_64.h and asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_ALLOW, _REFUSE, _KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT = 0x15, 0x35, 0x45
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32_BIT = 0x4000_0000
_FIRST_UNIFIED = 424
"""From pidfd_send_signal on, numbers are the same everywhere and mean Linux 5.1 or later."""

_SET_MODE_FILTER, _ALL_THREADS = 1, 1

_PLAIN = {
    "x86_64": """
        read:0 write:1 close:3 fstat:5 poll:7 lseek:8 munmap:11 brk:12 rt_sigaction:13
        rt_sigprocmask:14 rt_sigreturn:15 pread64:17 readv:19 writev:20 select:23 sched_yield:24
        mremap:25 madvise:28 dup:32 nanosleep:35 getpid:39 exit:60 uname:63 gettimeofday:96
        getrlimit:97 getrusage:98 sysinfo:99 times:100 getuid:102 getgid:104 geteuid:107
        getegid:108 getppid:110 sigaltstack:131 sched_getparam:143 sched_getscheduler:145
        sched_get_priority_max:146 sched_get_priority_min:147 gettid:186 time:201 futex:202
        sched_getaffinity:204 restart_syscall:219 clock_gettime:228 clock_getres:229
        clock_nanosleep:230 exit_group:231 pselect6:270 ppoll:271 set_robust_list:273 getcpu:309
        getrandom:318 membarrier:324 rseq:334
    """,
    "aarch64": """
        read:63 write:64 close:57 fstat:80 lseek:62 munmap:215 brk:214 rt_sigaction:134
        rt_sigprocmask:135 rt_sigreturn:139 pread64:67 readv:65 writev:66 sched_yield:124
        mremap:216 madvise:233 dup:23 nanosleep:101 getpid:172 exit:93 uname:160 gettimeofday:169
        getrlimit:163 getrusage:165 sysinfo:179 times:153 getuid:174 getgid:176 geteuid:175
        getegid:177 getppid:173 sigaltstack:132 sched_getparam:121 sched_getscheduler:120
        sched_get_priority_max:125 sched_get_priority_min:126 gettid:178 futex:98
        sched_getaffinity:123 restart_syscall:128 clock_gettime:113 clock_getres:114
        clock_nanosleep:115 exit_group:94 pselect6:72 ppoll:73 set_robust_list:99 getcpu:168
        getrandom:278 membarrier:283 rseq:293
    """,
}
"""None of these opens, connects, starts, or reaches another process."""


@dataclass(frozen=True)
class Architecture:
    """One machine's numbers: of itself, of the seccomp call, and of calls with a condition."""

    audit_number: int
    seccomp: int
    clone: int
    mmap: int
    mprotect: int
    prctl: int
    ioctl: int
    fcntl: int
    tgkill: int
    prlimit64: int
    newfstatat: int
    statx: int
    recvmsg: int
    plain: tuple[int, ...]
    has_x32: bool = False


def this_architecture() -> Architecture | None:
    """The numbers of the machine that this process runs on; None where we don't know them."""
    machine = platform.machine()
    if struct.calcsize("P") != 8 or machine not in _PLAIN:
        return None
    plain = tuple(int(entry.partition(":")[2]) for entry in _PLAIN[machine].split())
    if machine == "x86_64":
        return Architecture(
            0xC000_003E, 317, 56, 9, 10, 157, 16, 72, 234, 302, 262, 332, 47, plain, has_x32=True
        )
    return Architecture(0xC000_00B7, 277, 220, 222, 226, 167, 29, 25, 131, 261, 79, 291, 212, plain)


@dataclass(frozen=True)
class Condition:
    """A 32-bit word of an argument, masked, that must be one of some values."""

    argument: int
    mask: int
    values: tuple[int, ...]
    is_upper_word: bool = False


def conditions(numbers: Architecture, pid: int) -> list[tuple[int, list[Condition]]]:
    """The calls that are allowed in one form alone; values are those of the kernel's headers."""
    thread = 0x0001_0000 | 0x0000_0800 | 0x0000_0100  # CLONE_THREAD, _SIGHAND, _VM
    namespaces = 0x7E02_0080  # CLONE_NEW*
    executable = Condition(2, 0x4, (0,))  # PROT_EXEC: nothing new may become code
    return [
        (numbers.clone, [Condition(0, thread | namespaces, (thread,))]),
        (numbers.mmap, [executable]),
        (numbers.mprotect, [executable]),
        # PR_SET_NAME and PR_SET_VMA, by which threads and memory get names.
        (numbers.prctl, [Condition(0, 0xFFFF_FFFF, (15, 0x5356_4D41))]),
        (numbers.ioctl, [Condition(1, 0xFFFF_FFFF, (0x5401,))]),  # TCGETS, which isatty asks
        # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
        (numbers.fcntl, [Condition(1, 0xFFFF_FFFF, (0, 1, 2, 3, 4, 1030))]),
        (numbers.tgkill, [Condition(0, 0xFFFF_FFFF, (pid,))]),
        # Limits may be read, of this process only: no new limit is given.
        (
            numbers.prlimit64,
            [
                Condition(0, 0xFFFF_FFFF, (0,)),
                Condition(2, 0xFFFF_FFFF, (0,)),
                Condition(2, 0xFFFF_FFFF, (0,), is_upper_word=True),
            ],
        ),
        # AT_EMPTY_PATH: libc writes fstat so.
        (numbers.newfstatat, [Condition(3, 0x1000, (0x1000,))]),
        (numbers.statx, [Condition(2, 0x1000, (0x1000,))]),
    ]


def receiving(numbers: Architecture) -> tuple[int, list[Condition]]:
    """The call by which a process that decodes many files is handed each: on its stdin alone."""
    return numbers.recvmsg, [Condition(0, 0xFFFF_FFFF, (0,))]


def program(numbers: Architecture, pid: int, *, receives_files: bool = False) -> bytes:
    """Return the filter as an array of `struct sock_filter`, for the process of that id."""
    conditional = conditions(numbers, pid)
    if receives_files:
        conditional.append(receiving(numbers))
    code = [
        _step(_LOAD, _ARCHITECTURE_AT),
        _step(_IF_EQUAL, numbers.audit_number, then=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
    ]
    if numbers.has_x32:
        code += [_step(_IF_ANY_BIT, _X32_BIT, otherwise=1), _step(_RETURN, _REFUSE | errno.EPERM)]
    for number in numbers.plain:
        code += [_step(_IF_EQUAL, number, otherwise=1), _step(_RETURN, _ALLOW)]
    for number, tests in conditional:
        checked = [step for test in tests for step in _check(test)]
        checked.append(_step(_RETURN, _ALLOW))
        code += [_step(_IF_EQUAL, number, otherwise=len(checked)), *checked]
    code += [
        _step(_IF_AT_LEAST, _FIRST_UNIFIED, otherwise=1),
        _step(_RETURN, _REFUSE | errno.ENOSYS),
        _step(_RETURN, _REFUSE | errno.EPERM),
    ]
    return b"".join(code)


def install(libc: ctypes.CDLL, *, receives_files: bool = False) -> bool:
    """Put the filter on every thread of this process; says False where the kernel refuses."""
    numbers = this_architecture()
    if numbers is None:
        return False
    code = program(numbers, os.getpid(), receives_files=receives_files)
    steps = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a count of steps, and after its padding where they are.
    described = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(steps))
    pointer = ctypes.create_string_buffer(described, len(described))
    answer = libc.syscall(
        ctypes.c_long(numbers.seccomp),
        ctypes.c_long(_SET_MODE_FILTER),
        ctypes.c_long(_ALL_THREADS),
        pointer,
    )
    return bool(answer == 0)


def _check(test: Condition) -> Iterable[bytes]:
    """Load and compare one argument; falls through where it fits, else refuses."""
    at = _ARGUMENTS_AT + 8 * test.argument + 4 * test.is_upper_word
    yield _step(_LOAD, at)
    yield _step(_AND, test.mask)
    last = len(test.values) - 1
    for index, value in enumerate(test.values):
        # Past the comparisons that are left, and past the refusal.
        yield _step(_IF_EQUAL, value, then=last - index + 1)
    yield _step(_RETURN, _REFUSE | errno.EPERM)


def _step(code: int, operand: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, operand)
