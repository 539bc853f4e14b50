"""One directory per run and one below it per agent; an agent's file tools cannot leave theirs."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from bot.errors import Fenced, ModelMustRetry

FILE_BYTES = 64 * 1024**2  # a file read or written whole
DEEPEST = 16
NAMES = 10_000
_OF_THE_PATH = (errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Workspace:
    """The files of one agent. Paths are relative, with `/`; inbox/<message>/ holds what colleagues sent.

    No file is reached over a symbolic link or under a second name: each step of a path is opened from the one before.
    """

    def __init__(self, home: Path, run_id: str, agent_name: str, epoch: int = 0) -> None:
        """`epoch` is the activation's; 0 is for whoever works beside the agent."""
        self.root = home / "runs" / run_id / agent_name
        self._epoch, self._held = epoch, self.root.with_name(f".{agent_name}.epoch")

    def made(self) -> Path:
        """The directory itself, for a child process to work in. Raises Fenced when a later activation works here."""
        self.root.mkdir(parents=True, exist_ok=True)
        if self._epoch:
            self._hold()
        return self.root

    def _hold(self) -> None:
        """Files have no transaction: a worker that slept through its lease must not write over what came after it."""
        try:
            held = int(self._held.read_text())
        except (FileNotFoundError, ValueError):
            held = 0
        if held > self._epoch:
            raise Fenced()
        if held < self._epoch:
            partial = self._held.with_suffix(f".{secrets.token_hex(8)}")
            partial.write_text(str(self._epoch))
            partial.replace(self._held)

    def path(self, name: str) -> Path:
        """The place of a file, whether it is there or not. Raises ModelMustRetry for one outside."""
        return self.root.joinpath(*self._parts(name))

    def existing(self, name: str) -> Path:
        """Like `path`, for a file that is there. Raises ModelMustRetry with what is."""
        os.close(self._open(name))
        return self.path(name)

    def read(self, name: str) -> bytes:
        """The whole file. Raises ModelMustRetry when there is none or it is too large."""
        with open(self._open(name), "rb") as file:
            data = file.read(FILE_BYTES + 1)
        if len(data) > FILE_BYTES:
            raise ModelMustRetry(f"{name!r} is larger than {FILE_BYTES >> 20} MB; use query_table or a script.")
        return data

    def text(self, name: str) -> str:
        """The whole file as text; bytes that are none are replaced."""
        return self.read(name).decode("utf-8", "replace")

    def write(self, name: str, data: bytes) -> str:
        """Write a whole file or nothing; returns its relative name. Raises Fenced, or ModelMustRetry."""
        *folders, last = self._parts(name)
        if len(data) > FILE_BYTES:
            raise ModelMustRetry(f"{name!r} would be larger than {FILE_BYTES >> 20} MB and was not written.")
        self.made()
        with _said(name), self._folder(folders, make=True) as folder:
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISREG(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode):
                    raise ModelMustRetry(f"{name!r} is a folder or something else than a file.")
            partial = f".{secrets.token_hex(8)}.part"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                with open(os.open(partial, flags, 0o644, dir_fd=folder), "wb") as file:
                    file.write(data)
                os.replace(partial, last, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(partial, dir_fd=folder)
                raise
        return "/".join((*folders, last))

    def names(self) -> list[str]:
        """Every file's relative name, sorted; what hides behind a dot is left out."""
        return sorted(name for name, _ in self.files())

    def files(self) -> list[tuple[str, os.stat_result]]:
        """Every file of the workspace with what the system says of it."""
        found: list[tuple[str, os.stat_result]] = []
        for folder, entry in _walk(self.root):
            if entry.is_file(follow_symlinks=False) and len(found) < NAMES:
                with contextlib.suppress(OSError):
                    found.append((f"{folder}{entry.name}", entry.stat(follow_symlinks=False)))
        return found

    def _parts(self, name: str) -> list[str]:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        wrong = name.startswith("/") or ".." in parts or "\0" in name or not parts
        if wrong or any(len(os.fsencode(part)) > 240 for part in parts) or len(parts) > DEEPEST:
            raise ModelMustRetry(f"{name[:200]!r} is outside your workspace; use a relative path such as notes.md.")
        return parts

    def _open(self, name: str) -> int:
        *folders, last = self._parts(name)
        try:
            with self._folder(folders) as folder:
                file = os.open(last, _FILE, dir_fd=folder)
        except OSError:
            known = ", ".join(self.names()[:20]) or "nothing"
            raise ModelMustRetry(f"There is no file {name!r} in your workspace. It holds: {known}.") from None
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
            os.close(file)
            raise ModelMustRetry(f"{name!r} is not a plain file of your workspace.")
        return file

    @contextlib.contextmanager
    def _folder(self, parts: list[str], *, make: bool = False) -> Iterator[int]:
        """A folder of the workspace, opened step by step."""
        at = os.open(self.root, _FOLDER)
        try:
            for part in parts:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, dir_fd=at)
                below = os.open(part, _FOLDER, dir_fd=at)
                os.close(at)
                at = below
            yield at
        finally:
            os.close(at)


@contextlib.contextmanager
def _said(name: str) -> Iterator[None]:
    """What the system says against a path, as a sentence for the model."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_PATH:
            raise
        raise ModelMustRetry(f"{name!r} cannot be written: {error.strerror}.") from error


def _walk(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below a directory with the folder it is in; links are not followed, hidden folders not entered."""
    open_ = [""]
    while open_:
        folder = open_.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    yield folder, entry
                    if entry.is_dir(follow_symlinks=False) and folder.count("/") < DEEPEST:
                        open_.append(f"{folder}{entry.name}/")
        except OSError:
            continue


def size_of(root: Path) -> int:
    """The bytes that a directory takes on the disk, hidden files included."""
    total = 0
    for folder, _, files in os.walk(root):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


def safe_name(text: str) -> str:
    """A file name made of letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._")[:80] or "file"
