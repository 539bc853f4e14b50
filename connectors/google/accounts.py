"""Whose rights Google is used with: each person's own where that is possible, else one account for all.

- the stand-in knows people by name;
- a service account with delegation acts as the person, by e-mail address (`subject`);
- a person's own credentials or a service account without delegation are one account for everybody.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from google.oauth2 import service_account

from connectors.errors import SignInNeeded
from connectors.google.transport import load_credentials
from connectors.google.workspace import GoogleWorkspace

LOCAL_TOKEN = "ya29.local-"  # and the name of a person of the stand-in; it is no secret
LOCAL_ACCOUNT = "cadre"
MOST_OPEN = 200


class Accounts:
    """Workspaces by person, opened when they are first asked for."""

    def __init__(self, *, base_url: str = "", credentials_file: str = "", delegate: bool = False) -> None:
        self._base = base_url
        self._credentials = load_credentials(credentials_file) if credentials_file else None
        self._delegate = delegate
        if delegate and not isinstance(self._credentials, service_account.Credentials):
            raise SignInNeeded("Delegation needs the file of a service account in GOOGLE_APPLICATION_CREDENTIALS.")
        self._open: OrderedDict[str, GoogleWorkspace] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def personal(self) -> bool:
        """Whether each person is somebody else here."""
        return self._delegate or (self._credentials is None and bool(self._base))

    def of(self, email: str) -> GoogleWorkspace:
        """The workspace of the person with that e-mail address. Raises SignInNeeded when Google cannot know them."""
        if self._delegate and not email:
            raise SignInNeeded("Google is used with each person's own rights, and this person has no e-mail address.")
        who = email.casefold() if self.personal else ""
        with self._lock:
            if who not in self._open:
                self._open[who] = self._opened(who)
            self._open.move_to_end(who)
            while len(self._open) > MOST_OPEN:
                _, oldest = self._open.popitem(last=False)
                oldest.close()
            return self._open[who]

    def _opened(self, email: str) -> GoogleWorkspace:
        if self._credentials is None:
            name = email.partition("@")[0] or LOCAL_ACCOUNT
            return GoogleWorkspace.open(base_url=self._base, access_token=f"{LOCAL_TOKEN}{name}")
        credentials = self._credentials
        if self._delegate:
            credentials = credentials.with_subject(email)  # type: ignore[attr-defined]
        return GoogleWorkspace(credentials, base_url=self._base or None)

    def close(self) -> None:
        """Closes all connections."""
        with self._lock:
            for workspace in self._open.values():
                workspace.close()
            self._open.clear()
