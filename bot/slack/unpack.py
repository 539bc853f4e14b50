"""An attached archive as the files in it, within bounds."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath

MOST = 1_000  # files of one archive
UNPACKED_BYTES = 256 * 1024**2
HIDDEN = ("__MACOSX", ".")


class NotUnpacked(Exception):
    """The archive cannot be opened; the message says why, for people."""


def is_archive(name: str, data: bytes) -> bool:
    """Whether a file is an archive of files; documents that are archives inside are not."""
    return name.lower().endswith(".zip") and data[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of an archive by path. Raises NotUnpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inside = [one for one in archive.infolist() if not one.is_dir() and _shown(one.filename)]
            if len(inside) > MOST:
                raise NotUnpacked(f"the archive holds more than {MOST:,} files")
            if sum(one.file_size for one in inside) > UNPACKED_BYTES:
                raise NotUnpacked(f"the archive unpacks to more than {UNPACKED_BYTES >> 20} MB")
            if any(one.flag_bits & 1 for one in inside):
                raise NotUnpacked("the archive is protected by a password")
            return {one.filename: archive.read(one) for one in inside}
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise NotUnpacked("the archive is damaged or of a kind that I cannot open") from error


def _shown(path: str) -> bool:
    return not any(part.startswith(HIDDEN) for part in PurePosixPath(path).parts)
