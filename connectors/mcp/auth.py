"""The sign-in of one principal at one server, as part of that server's HTTP transport.

No lock is held while a request is under way: only one refresh at a time, across processes, is waited for. What cannot
be solved without a person becomes an error of the one request that met it, and `Session.required` says what to do.
"""

import asyncio
import time
from urllib.parse import urlsplit

import httpx2

from . import discovery, dpop, oauth
from .discovery import Challenge, OAuthFailure, Refused, Unreachable
from .egress import sign_in_client
from .errors import AuthorizationRequired
from .http import NOT_SENT, PerRequestFailures, failed
from .oauth import SignIn
from .ports import Attempt, Grant, GrantStore, Registration, StoredGrant
from .settings import ServerConfig

NEEDS_SIGN_IN = -32095
SIGN_IN_FAILED = -32094

_CONNECT_S = 10.0
_MOST_TRIES = 5
_MOST_OF_SSE = 1024 * 1024  # the SDK's own limit for an event of the oldest transport, where it has no setting
_EARLY_S = 60.0  # a token this close to its end is refreshed before it is used
_LINK_LEFT_S = 60.0  # an open sign-in with less time than this is not handed out again
_AGAIN_S = 30.0  # how long a refusal of our own credentials is taken as the answer


class Session:
    """Hands out the principal's token, and gets another when that one is refused."""

    def __init__(self, config: ServerConfig, principal: str, store: GrantStore, us: SignIn) -> None:
        assert config.url is not None
        self._config = config
        self._url = config.url
        self._principal = principal
        self._store = store
        self._us = us
        self._http = sign_in_client(config.url)
        self._lock = asyncio.Lock()
        self._held: StoredGrant | None = None
        self._unusable: int | None = None  # the version of a grant whose client its issuer no longer knows
        self._nonces: dict[str, str] = {}
        self._failed: tuple[float, OAuthFailure] | None = None
        self.required: AuthorizationRequired | None = None

    async def aclose(self) -> None:
        await self._http.aclose()

    # ---- a token for a request

    async def current(self) -> StoredGrant | None:
        """The grant to use now; one that is about to end is refreshed first."""
        held = self._held
        if held is None:
            held = self._held = await self._stored()
        if held is None or held.grant.expires_at is None or held.grant.expires_at - time.time() > _EARLY_S:
            return held
        try:
            async with self._lock:
                return await self._renewed(held)
        except Unreachable:
            if held.grant.expires_at > time.time():
                return held
            raise

    def sign(self, request: httpx2.Request, used: StoredGrant | None) -> None:
        if used is None:
            return
        grant = used.grant
        request.headers["authorization"] = f"{grant.token_type} {grant.access_token}"
        if grant.token_type == "DPoP" and grant.dpop_key is not None:
            url = str(request.url)
            nonce = self._nonces.get(urlsplit(url).netloc)
            request.headers["dpop"] = dpop.proof(
                grant.dpop_key, request.method, url, nonce=nonce, token=grant.access_token
            )

    def heard(self, request: httpx2.Request, response: httpx2.Response) -> None:
        """Notes the nonce that the next proof must carry."""
        if nonce := response.headers.get("dpop-nonce"):
            self._nonces[urlsplit(str(request.url)).netloc] = nonce

    # ---- a refusal

    async def refused(self, response: httpx2.Response, used: StoredGrant | None, tried: set[int]) -> bool:
        """Whether the request can be sent again, with what `current` then gives; `tried` was refused for it.

        Raises AuthorizationRequired where only a person helps.
        """
        asked = discovery.challenge(response)
        if asked.error == "use_dpop_nonce" and asked.nonce:
            return True
        if response.status_code == 403 and asked.error != "insufficient_scope":
            return False
        async with self._lock:
            latest = await self._stored()
            if latest is not None and latest.version not in tried:
                self._held = latest
                return True
            self._held = latest
            if response.status_code == 401 and latest is not None and used is not None:
                # A grant that is fresh and still refused is of no use at this server.
                if len(tried) == 1 and latest.grant.refresh_token and await self._renewed(latest):
                    return True
                latest = self._held
            if response.status_code == 403 and used is not None and oauth.covers(used.grant.scope, asked.scope):
                wanted = asked.scope or "what it was asked for"
                raise OAuthFailure(f"the server still refuses, although access to {wanted} was granted")
            await self._granted_anew(asked, used, tried)
            return True

    async def _granted_anew(self, asked: Challenge, used: StoredGrant | None, tried: set[int]) -> None:
        """Another grant where that takes no person; raises AuthorizationRequired where it does."""
        if self._failed is not None and self._failed[0] > time.monotonic():
            raise self._failed[1]
        try:
            issuer = await discovery.discover(self._http, self._url, asked)
            await oauth.entrust(self._store, self._config.alias, self._url, issuer, self._config.oauth)
            granted = used.grant.scope if used is not None and asked.status == 403 else None
            scope = discovery.scope_to_ask(asked, issuer, self._config.oauth, granted)
            if self._config.oauth.grant == "authorization_code":
                raise await self._sign_in(issuer, scope)
            if len(tried) > 1 and asked.status == 401:
                raise OAuthFailure(f"the server refuses what {issuer.name} has just granted")
            grant = await oauth.by_machine(self._http, issuer, self._url, self._config.oauth, scope)
        except OAuthFailure as error:
            if not isinstance(error, Unreachable):
                self._failed = (time.monotonic() + _AGAIN_S, error)
            raise
        await self._store.keep(self._config.alias, self._principal, grant, expected=None)
        self._held = await self._stored()

    async def _sign_in(self, issuer: discovery.Issuer, scope: str | None) -> AuthorizationRequired:
        """What to tell the person: the sign-in that is open already, or a new one."""
        alias = self._config.alias
        attempt = await self._store.attempt(alias, self._principal)
        if attempt is None or not self._serves(attempt, issuer, scope):
            known = await self._store.registration(alias, issuer.name)
            client = await oauth.register(self._http, issuer, self._us, self._config.oauth, known)
            if client != known and self._config.oauth.client_id is None:
                await self._store.keep_registration(alias, client)
            attempt = oauth.begin(
                issuer, client, server=alias, server_url=self._url, principal=self._principal, scope=scope
            )
            await self._store.keep_attempt(attempt)
        self.required = AuthorizationRequired(alias, self._principal, attempt.url, attempt.state, attempt.scope)
        return self.required

    def _serves(self, attempt: Attempt, issuer: discovery.Issuer, scope: str | None) -> bool:
        fits = attempt.grant.issuer == issuer.name and attempt.grant.server_url == self._url
        left = attempt.expires_at - time.time() > _LINK_LEFT_S
        same_place = attempt.grant.registration.redirect_uri == self._us.redirect_uri
        return fits and left and same_place and oauth.covers(attempt.scope, scope)

    # ---- grants

    async def _stored(self) -> StoredGrant | None:
        stored = await self._store.grant(self._config.alias, self._principal)
        # An entry that was pointed elsewhere does not take its old tokens along.
        if stored is None or stored.grant.server_url != self._url or stored.version == self._unusable:
            return None
        return stored

    async def _renewed(self, held: StoredGrant) -> StoredGrant | None:
        """The grant after at most one refresh by anybody; None when the issuer does not renew it any more."""
        alias, principal = self._config.alias, self._principal
        async with self._store.refreshing(alias, principal):
            latest = await self._stored()
            if latest is None or latest.version != held.version:
                self._held = latest
                return latest
            if latest.grant.refresh_token is None:
                return held if held.grant.expires_at and held.grant.expires_at > time.time() else None
            try:
                grant = await oauth.refresh(self._http, latest.grant, self._config.oauth)
            except Refused as error:
                await self._lost(latest, error)
                return None
            await self._store.keep(alias, principal, grant, expected=latest.version)
            self._held = await self._stored()
            return self._held

    async def _lost(self, stored: StoredGrant, error: Refused) -> None:
        """A grant that is not renewed any more is forgotten; one whose client is unknown is kept but not used."""
        alias = self._config.alias
        if error.code in oauth.UNKNOWN_CLIENT:
            if self._config.oauth.client_id is not None:
                raise error  # whoever runs Cadre can mend the entry, and the person need not sign in again
            await forget_client(self._store, alias, stored.grant)
            self._unusable = stored.version
        else:
            await self._store.forget(alias, self._principal, expected=stored.version)
        self._held = None


async def finish(
    http: httpx2.AsyncClient, store: GrantStore, attempt: Attempt, config: ServerConfig, code: str, iss: str | None
) -> Grant:
    """Turns the callback of a sign-in into a kept grant."""
    try:
        grant = await oauth.finish(http, attempt, config.oauth, code, iss)
    except Refused as error:
        if error.code in oauth.UNKNOWN_CLIENT:
            await forget_client(store, attempt.server, attempt.grant)
        raise
    await store.keep(attempt.server, attempt.principal, grant, expected=None)
    return grant


async def forget_client(store: GrantStore, server: str, grant: Grant) -> None:
    """Cadre is no longer known to this issuer; the next sign-in registers it anew."""
    await store.keep_registration(server, Registration(grant.issuer, ""))


def http_client(config: ServerConfig, session: Session | None) -> httpx2.AsyncClient:
    """A client for one server; how long a call may take is decided by the call, not here."""
    timeout = httpx2.Timeout(_CONNECT_S, read=None, pool=None)
    limit = config.max_message_bytes
    if config.transport == "sse":
        limit = min(limit, _MOST_OF_SSE)
    transport: httpx2.AsyncBaseTransport = PerRequestFailures(limit)
    if session is not None:
        transport = SignedIn(transport, session)
    # What is not compressed is as large as it says, and events can be told apart while they come.
    headers = {"accept-encoding": "identity", **config.headers}
    return httpx2.AsyncClient(headers=headers, timeout=timeout, transport=transport)


class SignedIn(httpx2.AsyncBaseTransport):
    """Signs every request with the session's token and settles refusals before anybody sees them."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, session: Session) -> None:
        self._inner = inner
        self._session = session

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        tried: set[int] = set()
        for _ in range(_MOST_TRIES):
            try:
                used = await self._session.current()
                self._session.sign(request, used)
                response = await self._inner.handle_async_request(request)
                self._session.heard(request, response)
                if response.status_code not in (401, 403):
                    return response
                if used is not None:
                    tried.add(used.version)
                again = await self._session.refused(response, used, tried)
            except AuthorizationRequired as needed:
                return failed(request, NEEDS_SIGN_IN, str(needed))
            except Unreachable as error:
                return failed(request, NOT_SENT, str(error))
            except OAuthFailure as error:
                return failed(request, SIGN_IN_FAILED, str(error))
            await response.aclose()
            if not again:
                break
        return failed(request, SIGN_IN_FAILED, f"the server refuses this account ({response.status_code})")

    async def aclose(self) -> None:
        await self._inner.aclose()
        await self._session.aclose()
