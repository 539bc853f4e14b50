"""Tries every way it knows to reach a victim's file; answers with what each attempt came to."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import glob
import io
import json
import mmap
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile

GIVEN = json.loads(sys.stdin.read())
SECRET, VICTIM, HOME, PARENT = GIVEN["secret"], GIVEN["victim"], GIVEN["home"], GIVEN["parent"]
PORT, SOCKET = GIVEN["port"], GIVEN["socket"]
LIBC = ctypes.CDLL(None, use_errno=True)
ATTEMPTS = {}


def attempt(work):
    """Registers an attempt; what it returns is what it got."""
    ATTEMPTS[work.__name__] = work
    return work


def content(path):
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "replace")


def call(name, number, *args):
    result = LIBC.syscall(number, *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
    return result


# --- reading


@attempt
def absolute_path():
    return content(VICTIM)


@attempt
def path_upwards():
    return content(os.path.relpath(VICTIM))


@attempt
def many_upwards():
    return content("../" * 40 + VICTIM.lstrip("/"))


@attempt
def stat_of_the_victim():
    return str(os.stat(VICTIM).st_size)


@attempt
def listing_of_the_home():
    return " ".join(os.listdir(HOME))


@attempt
def listing_of_the_root():
    return " ".join(os.listdir("/"))


@attempt
def globbing():
    return " ".join(glob.glob("/tmp/**/secret.txt", recursive=True) + glob.glob("../../*/*"))


@attempt
def change_of_directory():
    os.chdir(os.path.dirname(VICTIM))
    return content(os.path.basename(VICTIM))


@attempt
def symbolic_link():
    os.symlink(VICTIM, "link.txt")
    return content("link.txt")


@attempt
def symbolic_link_to_the_folder():
    os.symlink(os.path.dirname(VICTIM), "folder")
    return content("folder/secret.txt")


@attempt
def hard_link():
    os.link(VICTIM, "hard.txt")
    return content("hard.txt")


@attempt
def hard_link_over_a_descriptor():
    place = os.open(VICTIM, os.O_PATH)
    os.link(f"/proc/self/fd/{place}", "hard2.txt", follow_symlinks=True)
    return content("hard2.txt")


@attempt
def moving_it_here():
    os.rename(VICTIM, "moved.txt")
    return content("moved.txt")


@attempt
def exchange_of_names():
    pathlib.Path("mine.txt").write_text("x")
    call("renameat2", 316, -100, b"mine.txt", -100, VICTIM.encode(), 2)
    return content("mine.txt")


@attempt
def tar_with_links():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as made:
        for name, kind, target in (
            ("s", tarfile.SYMTYPE, VICTIM), ("h", tarfile.LNKTYPE, VICTIM), ("../../up", tarfile.REGTYPE, ""),
            ("/tmp/cadre-absolute", tarfile.REGTYPE, ""),
        ):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            made.addfile(info)
    data.seek(0)
    with tarfile.open(fileobj=data) as packed:
        for member in packed.getmembers():
            with contextlib.suppress(OSError, KeyError, tarfile.TarError):
                packed.extract(member, filter="fully_trusted")
    return "".join(content(n) for n in ("s", "h", "../../up", "/tmp/cadre-absolute") if os.path.exists(n))


@attempt
def zip_upwards():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        made.writestr("../../../zip-escape.txt", "x")
    data.seek(0)
    with zipfile.ZipFile(data) as packed:
        pathlib.Path("../../../zip-escape.txt").write_bytes(packed.read("../../../zip-escape.txt"))
    return "written"


@attempt
def through_proc_root():
    return content(f"/proc/self/root{VICTIM}")


@attempt
def through_the_parents_root():
    return content(f"/proc/{PARENT}/root{VICTIM}")


@attempt
def through_the_parents_directory():
    return " ".join(os.listdir(f"/proc/{PARENT}/cwd"))


@attempt
def environment_of_the_parent():
    return content(f"/proc/{PARENT}/environ")


@attempt
def own_environment():
    return " ".join(v for k, v in os.environ.items() if "TOKEN" in k or "SECRET" in k or "KEY" in k)


@attempt
def inherited_descriptors():
    got = ""
    for number in range(3, 300):
        with contextlib.suppress(OSError):
            os.lseek(number, 0, 0)
            got += os.read(number, 1000).decode("utf-8", "replace")
        with contextlib.suppress(OSError):
            got += content(f"/dev/fd/{number}")
    return got


@attempt
def memory_of_the_parent():
    return content(f"/proc/{PARENT}/mem")[:10]


@attempt
def memory_of_the_parent_by_call():
    local, remote = ctypes.create_string_buffer(8), struct.pack("@PN", 0x400000, 8)
    mine = struct.pack("@PN", ctypes.addressof(local), 8)
    return str(call("process_vm_readv", 310, PARENT, mine, 1, remote, 1, 0))


@attempt
def tracing_the_parent():
    return "traced" if LIBC.ptrace(16, PARENT, 0, 0) == 0 else _no()


@attempt
def descriptor_of_the_parent():
    place = call("pidfd_open", 434, PARENT, 0)
    return str(call("pidfd_getfd", 438, place, 0, 0))


@attempt
def handle_of_a_file():
    handle = struct.pack("=Ii", 128, 0) + bytes(128)
    mount = ctypes.c_int()
    return str(call("name_to_handle_at", 303, -100, VICTIM.encode(), handle, ctypes.byref(mount), 0))


@attempt
def io_uring():
    return str(call("io_uring_setup", 425, 4, ctypes.create_string_buffer(120)))


@attempt
def mapping_the_memory_device():
    with open("/dev/mem", "rb") as file:
        return str(len(mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ)))


@attempt
def raw_disks():
    return " ".join(
        name for name in ("/dev/vda", "/dev/sda", "/dev/nvme0n1") if os.path.exists(name) and content(name)
    )


@attempt
def user_list_of_the_host():
    return content("/etc/passwd") + content("/etc/hostname")


@attempt
def database_of_the_bot():
    with sqlite3.connect(f"file:{HOME}/cadre.db?mode=ro", uri=True) as db:
        return str(db.execute("select * from sqlite_master").fetchall())


@attempt
def duckdb_reads():
    import duckdb

    return "".join(f"{row}" for row in duckdb.sql(f"select content from read_text('{VICTIM}')").fetchall())


@attempt
def source_of_the_product():
    return content(GIVEN["product"])


@attempt
def watching_folders():
    return "watched" if LIBC.inotify_init1(0) >= 0 else _no()


# --- writing and changing


@attempt
def writing_into_the_victim():
    pathlib.Path(VICTIM).write_text("changed")
    return "written"


@attempt
def truncating_the_victim():
    os.truncate(VICTIM, 0)
    return "truncated"


@attempt
def deleting_the_victim():
    os.unlink(VICTIM)
    return "deleted"


@attempt
def new_file_beside_the_victim():
    pathlib.Path(VICTIM + ".new").write_text("x")
    return "made"


@attempt
def file_in_tmp():
    pathlib.Path("/tmp/cadre-hostile").write_text("x")
    return "made"


@attempt
def copying_out():
    pathlib.Path("out.txt").write_text("x")
    shutil.copyfile("out.txt", "../out.txt")
    return "copied"


@attempt
def change_of_the_skill():
    with open(__file__, "ab"):
        return "opened for writing"


@attempt
def compiled_file_in_the_skill():
    place = pathlib.Path(__file__).parent / "__pycache__"
    place.mkdir()
    return "made"


@attempt
def change_of_the_interpreter():
    with open(os.__file__, "ab"):
        return "opened for writing"


@attempt
def named_pipe():
    os.mkfifo("pipe")
    return "made"


@attempt
def device_file():
    os.mknod("device", 0o600 | 0o020000, os.makedev(1, 1))
    return "made"


@attempt
def attribute_on_the_victim():
    os.setxattr(VICTIM, "user.x", b"1")
    return "set"


# --- processes, network, power


@attempt
def child_process():
    return str(os.fork())


@attempt
def another_program():
    return subprocess.run(["/bin/cat", VICTIM], capture_output=True, text=True, check=True).stdout


@attempt
def another_program_in_place():
    os.execv("/bin/cat", ["cat", VICTIM])
    return "never here"


@attempt
def spawn_without_fork():
    return str(os.posix_spawn("/bin/true", ["true"], {}))


@attempt
def signal_to_the_parent():
    os.kill(PARENT, signal.SIGUSR1)
    return "sent"


@attempt
def signal_to_everybody():
    os.kill(-1, 0)
    return "sent"


@attempt
def network():
    with socket.create_connection(("127.0.0.1", PORT), 2) as line:
        return line.recv(100).decode()


@attempt
def network_by_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.sendto(b"x", ("127.0.0.1", PORT))
        return "sent"


@attempt
def local_socket():
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(SOCKET)
        return line.recv(100).decode()


@attempt
def network_by_a_loop():
    async def go():
        reader, _ = await asyncio.open_connection("127.0.0.1", PORT)
        return (await reader.read(100)).decode()

    return asyncio.run(go())


@attempt
def shared_memory():
    return str(call("shmget", 29, 4242, 4096, 0o1666))


@attempt
def another_namespace():
    return str(call("unshare", 272, 0x10000000))


@attempt
def mounting():
    return str(call("mount", 165, b"/", b".", None, 4096, None))


@attempt
def another_root():
    os.chroot(".")
    return "changed"


@attempt
def limits_of_the_parent():
    import resource

    return str(resource.prlimit(PARENT, resource.RLIMIT_NOFILE))


@attempt
def raising_own_limits():
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return "raised"


@attempt
def nicer_than_others():
    os.setpriority(os.PRIO_PROCESS, PARENT, os.getpriority(os.PRIO_PROCESS, PARENT))
    return "set"


@attempt
def kernel_program():
    return str(call("bpf", 321, 0, bytes(128), 128))


@attempt
def becoming_somebody():
    os.setuid(1)
    return str(os.getuid())


@attempt
def from_a_thread():
    got = []
    thread = threading.Thread(target=lambda: got.append(tried(absolute_path)))
    thread.start()
    thread.join()
    return got[0] or _no()


def _no():
    raise PermissionError("refused")


def tried(work):
    """What an attempt got, None when it was refused."""
    try:
        return str(work()) or None
    except (OSError, ValueError, LookupError, RuntimeError, ImportError, sqlite3.Error, subprocess.SubprocessError):
        return None
    except Exception as error:
        if type(error).__module__.startswith(("duckdb", "_duckdb")):
            return None
        raise


def quiet_changes():
    """Calls that are answered with silence: nothing may have come of them."""
    with contextlib.suppress(OSError):
        os.chmod(VICTIM, 0)
    with contextlib.suppress(OSError):
        os.utime(VICTIM, (0, 0))
    with contextlib.suppress(OSError):
        os.chown(VICTIM, 1, 1)


WORK = os.getcwd()
results = {}
for name in GIVEN.get("only") or ATTEMPTS:
    os.chdir(WORK)
    if name in GIVEN.get("but", ()):
        continue
    results[name] = tried(ATTEMPTS[name])
os.chdir(WORK)
if "only" not in GIVEN:
    quiet_changes()
pathlib.Path("own.txt").write_text("kept")
pathlib.Path("sub").mkdir(exist_ok=True)
os.replace("own.txt", "sub/own.txt")
shutil.copy2("sub/own.txt", "copy.txt")
print(json.dumps({"ok": True, "got": {k: v for k, v in results.items() if v}, "tried": len(results)}))
