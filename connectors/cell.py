"""Builds walls around its own process, and runs one script in it when it is started itself. Imports nothing of ours.

Walls, each for itself: limits of resources; a file system that holds the workspace and what a script needs to run,
and nothing else; no capabilities; Landlock rules; a filter of system calls (no process, no network, no signal, no
change of another's file). A wall that the system does not offer is named on standard error.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import signal
import stat
import struct
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

MARK = "cadre-cell:"  # begins a line on standard error about a wall that is missing
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")

_libc = ctypes.CDLL(None, use_errno=True)
_NEWNS, _NEWIPC, _NEWUSER = 0x00020000, 0x08000000, 0x10000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE, _MS_SLAVE = 1, 32, 4096, 16384, 1 << 18, 1 << 19
_MNT_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SET_DEATH_SIGNAL, _SET_SECCOMP, _SET_NO_NEW_PRIVILEGES = 1, 22, 38


class WallMissing(Exception):
    """The system does not offer this wall."""


def _call(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


# --- a file system of its own


def _alone(order: dict[str, Any]) -> None:
    """Leave the host's file system for one that holds what is needed under the same paths."""
    number = _PIVOT_ROOT.get(platform.machine())
    uid, gid = os.getuid(), os.getgid()
    if number is None or _libc.unshare(_NEWUSER | _NEWNS | _NEWIPC) < 0:
        raise WallMissing("no file system of its own: the system allows no user namespaces")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    if _libc.mount(None, b"/", None, _MS_SLAVE | _MS_REC, None) < 0:
        raise WallMissing("no file system of its own: the system allows no mounts in user namespaces")
    base = b"/tmp"
    _call(_libc.mount(b"tmpfs", base, b"tmpfs", 6, b"size=1m"), "tmpfs")
    os.chdir(base)
    os.mkdir("new")
    os.mkdir("old")
    _call(_libc.mount(b"new", b"new", None, _MS_BIND | _MS_REC, None), "bind new")
    _call(_libc.syscall(number, base, b"old"), "pivot_root")
    os.chdir("/")
    for path in (*order["see"], *DEVICES):
        _show(path, writable=False)
    if "work" in order:
        _show(order["work"], writable=True)
    _call(_libc.mount(b"old", b"old", None, _MS_PRIVATE | _MS_REC, None), "private old")
    _call(_libc.umount2(b"old", _MNT_DETACH), "umount old")
    os.chdir("new")
    _call(_libc.syscall(number, b".", b"."), "pivot_root")
    _call(_libc.umount2(b".", _MNT_DETACH), "umount")
    os.chdir(order.get("work", "/"))


def _show(path: str, writable: bool) -> None:
    """Bind one path of the host below /new; symbolic links on the way are made again."""
    seen, parts = "", path.strip("/").split("/")
    for i, part in enumerate(parts):
        seen = f"{seen}/{part}"
        old, new = f"/old{seen}", f"/new{seen}"
        if os.path.islink(old):
            target = os.readlink(old)
            if not os.path.lexists(new):
                os.symlink(target, new)
            rest = "/".join(parts[i + 1 :])
            _show(os.path.normpath(os.path.join(os.path.dirname(seen), target, rest)), writable)
            return
        if not os.path.lexists(old):
            return
        if i < len(parts) - 1 and not os.path.isdir(new):
            os.mkdir(new)
    if os.path.isdir(old):
        os.makedirs(new, exist_ok=True)
    elif not os.path.exists(new):
        os.close(os.open(new, os.O_CREAT | os.O_WRONLY, 0o600))
    source, target_path = os.fsencode(old), os.fsencode(new)
    _call(_libc.mount(source, target_path, None, _MS_BIND | _MS_REC, None), f"bind {path}")
    if not writable:
        flags = os.statvfs(new).f_flag & 0xF  # what the host has locked must stay set
        _libc.mount(None, target_path, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | flags, None)


# --- no capabilities


def _powerless(_order: dict[str, Any]) -> None:
    _call(_libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no new privileges")
    header = struct.pack("=Ii", 0x20080522, 0)
    _call(_libc.capset(header, bytes(24)), "capset")


# --- Landlock

_EXECUTE, _WRITE, _READ, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE, _MAKE_DIR, _MAKE_FILE, _REFER, _TRUNCATE = 3 << 4, 1 << 7, 1 << 8, 1 << 13, 1 << 14
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}


def _landlock(order: dict[str, Any]) -> None:
    """Rules of the kernel: read what is needed, write into the workspace, make nothing but files and folders."""
    version = _libc.syscall(444, None, 0, 1)
    if version < 1:
        raise WallMissing("no Landlock")
    handled = (1 << _RIGHTS_BY_VERSION.get(version, 16)) - 1
    rules = struct.pack("=QQQ", handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _call(_libc.syscall(444, rules, size, 0), "landlock ruleset")
    for path in order["see"]:
        _allow(ruleset, path, _READ | _READ_DIR)
    for path in DEVICES:
        _allow(ruleset, path, _READ | (_WRITE if path == "/dev/null" else 0))
    own = _READ | _READ_DIR | _WRITE | _REMOVE | _MAKE_DIR | _MAKE_FILE | _REFER | _TRUNCATE
    if "work" in order:
        _allow(ruleset, order["work"], own & handled)
    _call(_libc.syscall(446, ruleset, 0), "landlock restrict")
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= _READ | _WRITE | _EXECUTE | _TRUNCATE
    _call(_libc.syscall(445, ruleset, 1, struct.pack("=Qi", rights, place), 0), f"landlock rule for {path}")
    os.close(place)


# --- system calls

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Numbers on x86_64 and aarch64; -1 where there is none.
_REFUSED = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, -1), "vfork": (58, -1),
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "inotify_init": (253, -1), "inotify_init1": (294, 26), "fanotify_init": (300, 262),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193),
    "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "mq_open": (240, 180),
    "setpriority": (141, 140), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274), "ioprio_set": (251, 30), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "symlink": (88, -1), "symlinkat": (266, 36), "mknod": (133, -1), "mknodat": (259, 33),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "setxattrat": (463, 463), "removexattrat": (466, 466),
}  # fmt: skip
# Owner, mode and times of files, which rules on paths do not cover: nothing happens and nothing is said, so that
# copying a file with its attributes goes on working.
_IGNORED = {
    "chmod": (90, -1), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, -1), "lchown": (94, -1),
    "fchownat": (260, 54), "utime": (132, -1), "utimes": (235, -1), "futimesat": (261, -1), "utimensat": (280, 88),
}  # fmt: skip
_ABSENT = {"clone3": (435, 435)}  # the C library then makes its threads with clone, whose flags can be seen
_CLONE, _TGKILL, _PRLIMIT, _AFFINITY = (56, 220), (234, 131), (302, 261), (203, 122)
_THREAD = 0x00010000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38


def _filter(_order: dict[str, Any]) -> None:
    """Refuse system calls that reach other processes, the network or attributes of files."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise WallMissing(f"no filter of system calls for {machine}")
    column = list(_ARCHITECTURES).index(machine)
    program = [
        (_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _ARCHITECTURES[machine]), (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0), (_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _ERRNO | _ENOSYS),
    ]  # fmt: skip
    for numbers, answer in ((_REFUSED, _EPERM), (_IGNORED, 0), (_ABSENT, _ENOSYS)):
        for pair in numbers.values():
            if pair[column] >= 0:
                program += [(_EQUAL, 0, 1, pair[column]), (_RETURN, 0, 0, _ERRNO | answer)]
    # Threads yes, processes no; a signal only to itself; limits and processors only of itself.
    program += _unless(_CLONE[column], (_ANY_BIT, 1, 0, _THREAD))
    program += _unless(_TGKILL[column], (_EQUAL, 1, 0, os.getpid()))
    program += _unless(_PRLIMIT[column], (_EQUAL, 1, 0, 0))
    program += _unless(_AFFINITY[column], (_EQUAL, 1, 0, 0))
    program += [(_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    filter_ = struct.pack("@HP", len(program), ctypes.addressof(code))
    _call(_libc.prctl(_SET_SECCOMP, 2, filter_, 0, 0), "seccomp")


def _unless(number: int, test: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """Refuse a system call unless its first argument passes a test."""
    load = (_LOAD, 0, 0, 16)
    return [(_EQUAL, 0, 4, number), load, test, (_RETURN, 0, 0, _ERRNO | _EPERM), (_RETURN, 0, 0, _ALLOW)]


# --- the way in


def _limits(order: dict[str, Any]) -> None:
    for name, most in order["limits"].items():
        limit = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(limit)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most, most))


def _dies_with(order: dict[str, Any]) -> None:
    """End when the process that started this one ends, however it ends."""
    if sys.platform == "linux":
        _call(_libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0), "death signal")
        if os.getppid() not in (order["parent"], 0):
            os._exit(1)


def confine(order: dict[str, Any]) -> list[str]:
    """Raise all walls; returns what is missing of them."""
    _limits(order)
    return _raised(order, (_alone, _powerless, _landlock, _dies_with, _filter))


def enclose(order: dict[str, Any]) -> list[str]:
    """Raise the walls that processes started from this one inherit; it goes on starting some."""
    return _raised(order, (_alone, _powerless, _landlock, _dies_with))


def confine_one(order: dict[str, Any]) -> list[str]:
    """In a process started from an enclosed one: raise what is missing to all walls."""
    _limits(order)
    return _raised(order, (_dies_with, _filter))


def python_paths() -> tuple[str, ...]:
    """Where Python and its libraries lie."""
    paths = sysconfig.get_paths()
    own = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo"]
    single = ["/etc/ld.so.cache", "/etc/localtime"]
    return tuple(dict.fromkeys([*own, f"{sys.base_prefix}/lib", *system, *single]))


def _raised(order: dict[str, Any], walls: tuple[Callable[[dict[str, Any]], None], ...]) -> list[str]:
    if sys.platform != "linux":
        return [f"no walls but limits on {sys.platform}"]
    missing = []
    for wall in walls:
        try:
            wall(order)
        except WallMissing as error:
            missing.append(str(error))
    return missing


def main() -> None:
    """Confine this process as the order in its first argument says, then be the script."""
    order = json.loads(sys.argv[1])
    for line in confine(order):
        print(MARK, line, file=sys.stderr, flush=True)
    script = order["script"]
    sys.argv[:] = [script]
    sys.path[:0] = [os.path.dirname(script), order["kit"]]
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec")
    module = type(sys)("__main__")
    module.__dict__["__file__"] = script
    sys.modules["__main__"] = module
    exec(code, module.__dict__)


if __name__ == "__main__":
    main()
