"""Whose rights Google is used with: each person's own where that is possible, else one account for all.

- the stand-in knows people by name;
- a service account with delegation acts as the person, by e-mail address (`subject`);
- with the file of an OAuth client, each person signs in themselves;
- a person's own credentials or a service account without delegation are one account for everybody.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from google.auth.credentials import Credentials
from google.oauth2 import service_account

from connectors.errors import SignInNeeded
from connectors.google.signin import client_of, signing_in
from connectors.google.transport import load_credentials
from connectors.google.workspace import GoogleWorkspace
from connectors.mcp import AuthorizationRequired, GrantStore

LOCAL_TOKEN = "ya29.local-"  # and the name of a person of the stand-in; it is no secret
LOCAL_ACCOUNT = "cadre"
MOST_OPEN = 200


class Accounts:
    """Workspaces by person, opened when they are first asked for."""

    def __init__(
        self,
        *,
        base_url: str = "",
        credentials_file: str = "",
        delegate: bool = False,
        grants: GrantStore | None = None,
        callback: str = "",
    ) -> None:
        """`grants` and the address of `callback` are needed where people sign in themselves."""
        self._base = base_url
        self._sign_in = None
        if credentials_file and grants is not None and client_of(credentials_file):
            self._sign_in = signing_in(credentials_file, grants, callback)
            credentials_file = ""
        self._credentials = load_credentials(credentials_file) if credentials_file else None
        self._delegate = delegate
        if delegate and not isinstance(self._credentials, service_account.Credentials):
            raise SignInNeeded("Delegation needs the file of a service account in GOOGLE_APPLICATION_CREDENTIALS.")
        self._open: OrderedDict[str, GoogleWorkspace] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def personal(self) -> bool:
        """Whether each person is somebody else here."""
        return self._delegate or self._credentials is None

    @property
    def signs_in(self) -> bool:
        """Whether each person signs in themselves."""
        return self._sign_in is not None

    async def of(self, email: str, principal: str = "") -> GoogleWorkspace:
        """The workspace of a person, by e-mail address or by who they are here.

        Raises SignInNeeded when Google cannot know them, AuthorizationRequired when they have to sign in first.
        """
        if self._delegate and not email:
            raise SignInNeeded("Google is used with each person's own rights, and this person has no e-mail address.")
        who = email.casefold() if self.personal else ""
        credentials = None
        if self._sign_in is not None:
            who = principal
            with self._lock:
                known = who in self._open
            if not known:
                credentials = await self._sign_in.credentials(principal, email)
        with self._lock:
            if who not in self._open:
                self._open[who] = self._opened(who, credentials)
            self._open.move_to_end(who)
            while len(self._open) > MOST_OPEN:
                _, oldest = self._open.popitem(last=False)
                oldest.close()
            return self._open[who]

    async def sign_in_again(self, email: str, principal: str) -> AuthorizationRequired:
        """Google takes a person's account no more: forget it, and where they sign in anew."""
        assert self._sign_in is not None
        with self._lock:
            stale = self._open.pop(principal, None)
        if stale is not None:
            stale.close()
        await self._sign_in.forget(principal)
        return await self._sign_in.begin(principal, email)

    def _opened(self, email: str, personal: Credentials | None) -> GoogleWorkspace:
        if personal is not None:
            return GoogleWorkspace(personal, base_url=self._base or None)
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
