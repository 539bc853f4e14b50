"""The connectors' error tree. Each class says who must act; its docstring is the default sentence a person reads.

ConnectorError
├── BadInput           the caller: the request cannot be meant; correct it
│   └── Misplaced      the caller: a change does not say clearly which words it replaces
├── NotFound           the requester: no such file, or it is not shared with this account
├── Forbidden          the requester: somebody must grant access
├── SignInNeeded       whoever runs Cadre, or the person whose account it is: credentials are missing or expired
├── ConflictError      the requester: the target changed since the preview, a new preview is needed
├── RateLimited        nobody: wait `retry_after` seconds; nothing was changed
├── Unavailable        nobody: try again later; nothing was changed
├── AmbiguousOutcome   the caller: a write may or may not have happened; look it up before anything else
└── Unreadable         whoever gave the file: it is damaged or of a kind that is not read; give it in another form
    ├── Encrypted      whoever gave the file: it needs a password; give it without
    ├── Empty          whoever gave the file: it holds no text
    └── TooLarge       whoever gave the file: it is over a bound; give it in parts
"""

from __future__ import annotations


class ConnectorError(Exception):
    """A connected service could not do this."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class BadInput(ConnectorError):
    """The service did not accept this request."""


class Misplaced(BadInput):
    """The words to be changed are not in the document, or stand there more than once."""

    def __init__(self, message: str | None = None, *, quote: str = "", places: int = 0) -> None:
        super().__init__(message)
        self.quote = quote
        self.places = places  # how often the words were found


class NotFound(ConnectorError):
    """There is no such file, or it is not shared with this account."""


class Forbidden(ConnectorError):
    """This account may not do that; somebody has to grant access."""


class SignInNeeded(ConnectorError):
    """The credentials are missing or no longer valid."""


class ConflictError(ConnectorError):
    """The target was changed since it was previewed."""


class RateLimited(ConnectorError):
    """The service asks to slow down."""

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(ConnectorError):
    """The service does not answer; nothing was changed."""


class AmbiguousOutcome(ConnectorError):
    """The connection was lost after sending, so the change may or may not have happened."""


class Unreadable(ConnectorError):
    """This file cannot be read."""

    def __init__(self, message: str | None = None, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class Encrypted(Unreadable):
    """This file is protected by a password."""


class Empty(Unreadable):
    """This file holds no text."""


class TooLarge(Unreadable):
    """This file is larger than what is read."""
