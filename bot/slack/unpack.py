"""An attached archive as the files in it, unpacked behind walls and within bounds."""

from __future__ import annotations

from bot.errors import DependencyFailed
from connectors.documents import confined
from connectors.errors import Unavailable, Unreadable


class NotUnpacked(Exception):
    """The archive cannot be opened; the message says why, for people."""


def is_archive(name: str, data: bytes) -> bool:
    """Whether a file is an archive of files; documents that are archives inside are not."""
    return name.lower().endswith(".zip") and data[:4] in (b"PK\x03\x04", b"PK\x05\x06")


async def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of an archive by path. Raises NotUnpacked, or DependencyFailed when nothing can be unpacked now."""
    try:
        return await confined.unpack("the archive", data)
    except Unreadable as error:
        raise NotUnpacked(str(error).rstrip(".")) from error
    except Unavailable as error:
        raise DependencyFailed(str(error)) from error
