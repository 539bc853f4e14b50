"""Google's services as client objects, and one way to call them with errors as our own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import googleapiclient
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from connectors.errors import (
    AmbiguousOutcome,
    BadInput,
    ConflictError,
    ConnectorError,
    Forbidden,
    NotFound,
    RateLimited,
    SignInNeeded,
    TooLarge,
    Unavailable,
)
from connectors.google.transport import MOST_BYTES, Lost, NotReached, Transport

_DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
_APIS = {
    "drive": "drive.v3",
    "docs": "docs.v1",
    "sheets": "sheets.v4",
    "slides": "slides.v1",
    "calendar": "calendar.v3",
    "gmail": "gmail.v1",
}
_SLOW_DOWN = ("rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "sharingRateLimitExceeded")
Request = Callable[[Any], Any]


class Services:
    """Builds each client object once, from the discovery document that the package ships."""

    def __init__(self, transports: Callable[[str], Transport], base_url: str) -> None:
        self._transports = transports
        self._base = base_url
        self._built: dict[str, Any] = {}
        self._lock = threading.Lock()

    def _service(self, name: str) -> Any:
        with self._lock:
            if name not in self._built:
                document = _without_prose(json.loads((_DOCUMENTS / f"{_APIS[name]}.json").read_text("utf-8")))
                if self._base:  # everything, batch and upload paths too, and not only the endpoint
                    document["rootUrl"] = document["mtlsRootUrl"] = f"{self._base}/"
                    document["baseUrl"] = f"{self._base}/{document['servicePath']}"
                self._built[name] = discovery.build_from_document(document, http=self._transports(name))
            return self._built[name]

    async def read(self, name: str, request: Request, what: str) -> Any:
        """Runs a reading request off the event loop; `what` names the target in messages."""
        return await asyncio.to_thread(self._run, name, request, what, False)

    async def write(self, name: str, request: Request, what: str) -> Any:
        """Runs a writing request once; an outcome that cannot be known raises AmbiguousOutcome."""
        return await asyncio.to_thread(self._run, name, request, what, True)

    def _run(self, name: str, request: Request, what: str, wrote: bool) -> Any:
        try:
            return request(self._service(name)).execute(num_retries=0)
        except HttpError as error:
            raise _translated(error, what, wrote) from error
        except TooLarge as error:
            size = MOST_BYTES // 1024**2
            raise TooLarge(f"{what} is larger than {size} MB and was not read.", name=what) from error
        except NotReached as error:
            raise Unavailable(f"Google cannot be reached for {what}: {error}") from error
        except Lost as error:
            kind = AmbiguousOutcome if wrote else Unavailable
            raise kind(f"The connection to Google was lost at {what}: {error}") from error


def _without_prose(document: dict[str, Any]) -> dict[str, Any]:
    """The document with flat schemas: the client writes pages of help out of nested ones, and that takes seconds.

    Its requests are made without them; only the names of properties matter, to find the next page of a list.
    """
    for schema in document["schemas"].values():
        schema["properties"] = {name: {"type": "string"} for name in schema.get("properties", ())}
    return document


def _translated(error: HttpError, what: str, wrote: bool) -> ConnectorError:
    code, reason, message = int(error.resp.status), "", str(error.reason or "").strip()
    details = error.error_details if isinstance(error.error_details, list) else []
    if details and isinstance(details[0], dict):
        reason = str(details[0].get("reason", ""))
    text = f"Google on {what}: {message or code}"
    if code == 429 or (code == 403 and reason in _SLOW_DOWN):
        return RateLimited(text, retry_after=_seconds(error.resp.get("retry-after")))
    if code == 408 or (code >= 500 and code != 501):
        return AmbiguousOutcome(text) if wrote else Unavailable(text)
    kinds: dict[int, type[ConnectorError]] = {
        401: SignInNeeded,
        403: Forbidden,
        404: NotFound,
        409: ConflictError,
        412: ConflictError,
    }
    return kinds.get(code, BadInput)(text)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None
