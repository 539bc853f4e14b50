"""The transport under google-api-python-client: one request goes out once.

The client's usual transport sends a request again when the connection closes before the answer, which doubles
writes; this one never does, follows no redirects, and says whether a failed request can have been received.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httplib2  # type: ignore[import-untyped]  # ships no types
import httpx2
from google.auth import exceptions as auth_errors
from google.auth import transport as auth_transport
from google.auth.credentials import Credentials
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account

from connectors.errors import SignInNeeded, TooLarge

SCOPES = (
    "https://www.googleapis.com/auth/drive",
    "https://www.googleapis.com/auth/documents",
    "https://www.googleapis.com/auth/spreadsheets",
)
MORE_SCOPES = {  # asked for when they are needed, so that nobody has to grant them for the rest
    "calendar": ("https://www.googleapis.com/auth/calendar.readonly",),
    "gmail": ("https://www.googleapis.com/auth/gmail.compose",),
}
MOST_BYTES = 64 * 1024 * 1024  # of an answer, unpacked; files that are read are smaller
NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


class NotReached(Exception):
    """The request did not leave this machine."""


class Lost(Exception):
    """The request was sent, or partly, and no whole answer came back."""


def load_credentials(file: str) -> Credentials:
    """Credentials from a service account's or a person's file."""
    try:
        kind = json.loads(Path(file).read_text("utf-8")).get("type")
        if kind == "service_account":
            made: Credentials = service_account.Credentials.from_service_account_file(file, scopes=SCOPES)  # type: ignore[no-untyped-call]
        elif kind == "authorized_user":
            made = user_credentials.Credentials.from_authorized_user_file(file, scopes=SCOPES)  # type: ignore[no-untyped-call]
        else:
            raise SignInNeeded(f"The Google credentials file is of an unknown type {kind!r}.")
    except (OSError, ValueError, auth_errors.GoogleAuthError) as error:
        raise SignInNeeded(f"The Google credentials file cannot be used: {error}") from error
    return made


def _whole(answer: httpx2.Response) -> bytes:
    data = bytearray()
    for part in answer.iter_bytes():
        data += part
        if len(data) > MOST_BYTES:
            raise TooLarge()
    return bytes(data)


class _TokenResponse(auth_transport.Response):
    """What google-auth wants of an answer when it fetches a token."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def data(self) -> bytes:
        return self._response.content


class Transport:
    """Shaped as httplib2.Http for the client; also fetches tokens for google-auth when called."""

    def __init__(
        self, *, credentials: Credentials | None, access_token: str | None, timeout: float, local: bool
    ) -> None:
        self._credentials = credentials
        self._token = access_token
        # A local endpoint is never reached through a proxy of the environment.
        self._client = httpx2.Client(timeout=timeout, follow_redirects=False, trust_env=not local)

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        redirections: int = 0,
        connection_type: Any = None,
    ) -> tuple[httplib2.Response, bytes]:
        """One request, sent once. Raises NotReached or Lost when there is no answer, TooLarge when it has no end."""
        sent = dict(headers or {})
        self._authorize(sent, method, uri)
        try:
            with self._client.stream(method, uri, content=body, headers=sent) as answer:
                content = _whole(answer)
        except NOT_SENT as error:
            raise NotReached(str(error)) from error
        except httpx2.TransportError as error:
            raise Lost(str(error) or type(error).__name__) from error
        kept = {k.lower(): v for k, v in answer.headers.items() if k.lower() != "content-encoding"}
        response = httplib2.Response({**kept, "status": str(answer.status_code)})
        response.reason = answer.reason_phrase
        return response, content

    def _authorize(self, headers: dict[str, str], method: str, uri: str) -> None:
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        elif self._credentials is not None:
            try:
                self._credentials.before_request(self, method, uri, headers)  # type: ignore[no-untyped-call]
            except auth_errors.RefreshError as error:
                raise SignInNeeded(f"Google no longer accepts the credentials: {error}") from error
            except auth_errors.TransportError as error:
                raise NotReached(str(error)) from error

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _TokenResponse:
        """A request of google-auth for a token."""
        try:
            answer = self._client.request(method, url, content=body, headers=headers)
        except httpx2.TransportError as error:
            raise auth_errors.TransportError(error) from error  # type: ignore[no-untyped-call]
        return _TokenResponse(answer)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
