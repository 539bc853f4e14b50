"""OAuth as the protocol asks for it: as which client to sign in, and tokens. Nothing is kept here.

Every function speaks over the HTTP client it is given, which decides where a server may send us.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import jwt
from mcp.client.auth import utils as pure

from . import dpop
from .discovery import Issuer, OAuthFailure, Refused, Unreachable
from .egress import NotAllowed, is_loopback
from .ports import Attempt, Grant, GrantStore, Registration
from .settings import OAuthConfig

_ATTEMPT_S = 600.0
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_TOKEN_TYPE = "urn:ietf:params:oauth:token-type"
_JSON = {"accept": "application/json"}
UNKNOWN_CLIENT = ("invalid_client", "unauthorized_client")
_FOR_NOW = ("temporarily_unavailable", "server_error", "slow_down")  # an issuer that means "later"


@dataclass(frozen=True)
class SignIn:
    """Cadre as issuers see it."""

    redirect_uri: str
    client_metadata_url: str | None = None  # where the document describing Cadre is published
    name: str = "Cadre"


# ---- as whom


async def entrust(store: GrantStore, alias: str, server_url: str, issuer: Issuer, config: OAuthConfig) -> None:
    """Raises where the entry's credentials would go to another issuer than they are for.

    It is the one that the entry names, else the first that the server named: a server must not pick who gets them.
    That first one is remembered among the registrations, under the server's address.
    """
    now = issuer.vouched_by
    if config.issuer is not None:
        if not pure.issuers_match(config.issuer, now):
            raise OAuthFailure(f"what is set for this server belongs to {config.issuer}, not to {now}")
    elif config.has_credentials:
        place = f"first of {server_url}"
        first = await store.registration(alias, place)
        if first is None:
            await store.keep_registration(alias, Registration(place, now))
        elif first.client_id != now:
            raise OAuthFailure(
                f"the server names {now}, and what is set for it belongs to {first.client_id}, which it named "
                f"before; if {now} is right, set oauth.issuer to it"
            )


async def register(
    http: httpx2.AsyncClient, issuer: Issuer, us: SignIn, config: OAuthConfig, known: Registration | None
) -> Registration:
    """Cadre as a client of this issuer: set up before, by published document, known from before, or new."""
    if config.client_id is not None:
        return configured(issuer, config, us.redirect_uri)
    if pure.should_use_client_metadata_url(issuer.metadata, us.client_metadata_url) and us.client_metadata_url:
        return Registration(issuer.name, us.client_metadata_url, redirect_uri=us.redirect_uri)
    if known is not None and known.client_id and known.redirect_uri == us.redirect_uri:
        return known
    if issuer.registration_endpoint is None:
        raise OAuthFailure(f"{issuer.name} registers no clients by itself; set oauth.clientId for this server")
    method = _preferred(issuer.methods)
    asked = {
        "client_name": us.name,
        "redirect_uris": [us.redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "native" if is_loopback(urlsplit(us.redirect_uri).hostname or "") else "web",
        **({"token_endpoint_auth_method": method} if method else {}),
    }
    body = await _post(http, issuer.registration_endpoint, {}, json_body=asked)
    client_id, secret = body.get("client_id"), body.get("client_secret") or None
    if not isinstance(client_id, str) or not client_id:
        raise OAuthFailure(f"{issuer.name} registered Cadre without giving it an id")
    given = body.get("token_endpoint_auth_method") or method or _preferred(issuer.methods, secret)
    if given not in ("none", "client_secret_post", "client_secret_basic"):
        raise OAuthFailure(f"{issuer.name} wants Cadre to identify itself by {given}, which it cannot")
    if given != "none" and secret is None:
        raise OAuthFailure(f"{issuer.name} wants a client secret and gave none")
    return Registration(issuer.name, client_id, secret, given, us.redirect_uri)


def configured(issuer: Issuer, config: OAuthConfig, redirect_uri: str | None) -> Registration:
    """The client that the entry names; `entrust` has looked whether it belongs to this issuer."""
    assert config.client_id is not None
    if config.private_key is not None:
        return Registration(issuer.name, config.client_id, None, "private_key_jwt", redirect_uri)
    method = _preferred(issuer.methods, config.client_secret) if config.client_secret else "none"
    return Registration(issuer.name, config.client_id, config.client_secret, method or "none", redirect_uri)


def _preferred(supported: list[str] | None, secret: str | None = None) -> str | None:
    """How to identify ourselves; None leaves it to the issuer."""
    if secret is None and supported is not None and "none" in supported:
        return "none"
    for method in ("client_secret_basic", "client_secret_post"):
        if supported is None or method in supported:
            return method if supported is not None or secret is not None else None
    return None


# ---- by a person


def begin(
    issuer: Issuer, registration: Registration, *, server: str, server_url: str, principal: str, scope: str | None
) -> Attempt:
    """The address for a person to sign in at, and what the callback will need."""
    if not (issuer.authorization_endpoint.startswith("https://") or _is_local(issuer.authorization_endpoint)):
        raise OAuthFailure(f"{issuer.authorization_endpoint} is not an https address")
    verifier = secrets.token_urlsafe(64)
    state = secrets.token_urlsafe(32)
    hashed = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": registration.client_id,
        "redirect_uri": registration.redirect_uri,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(hashed).decode().rstrip("="),
        "code_challenge_method": "S256",
        "resource": issuer.resource,
        "scope": scope,
        "prompt": "consent" if scope and "offline_access" in scope.split() else None,
    }
    glue = "&" if urlsplit(issuer.authorization_endpoint).query else "?"
    url = issuer.authorization_endpoint + glue + urlencode({k: v for k, v in query.items() if v})
    key = dpop.new_key() if issuer.binds_keys else None
    grant = Grant(
        server_url, issuer.name, issuer.token_endpoint, registration, "", resource=issuer.resource, dpop_key=key
    )
    promised = bool(issuer.metadata and issuer.metadata.authorization_response_iss_parameter_supported)
    return Attempt(state, server, principal, url, verifier, grant, scope, time.time() + _ATTEMPT_S, promised)


async def finish(
    http: httpx2.AsyncClient, attempt: Attempt, config: OAuthConfig, code: str, iss: str | None
) -> Grant:
    """The grant for the code that the callback brought; `iss` is what it says about who sent it."""
    if iss != attempt.grant.issuer and (iss is not None or attempt.iss_promised):
        raise OAuthFailure(f"the answer comes from {iss or 'nobody it names'}, not from {attempt.grant.issuer}")
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": attempt.grant.registration.redirect_uri,
        "code_verifier": attempt.verifier,
        "resource": attempt.grant.resource,
    }
    return await _tokens(http, replace(attempt.grant, scope=attempt.scope), config, form)


async def refresh(http: httpx2.AsyncClient, grant: Grant, config: OAuthConfig) -> Grant:
    """The grant with new tokens; only ever asked of the issuer that gave it.

    A person's is refused only where the issuer itself says that the grant, or the client, is no longer good.
    """
    form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token, "resource": grant.resource}
    try:
        return await _tokens(http, grant, config, form)
    except Refused as error:
        by_machine = config.grant != "authorization_code"  # which gets itself another
        if by_machine or error.code in ("invalid_grant", *UNKNOWN_CLIENT):
            raise
        raise Unreachable(str(error)) from error


# ---- without a person


async def by_machine(
    http: httpx2.AsyncClient, issuer: Issuer, server_url: str, config: OAuthConfig, scope: str | None
) -> Grant:
    """A grant by the credentials that the entry names."""
    registration = configured(issuer, config, None) if config.client_id else Registration(issuer.name, "")
    key = dpop.new_key() if issuer.binds_keys else None
    grant = Grant(
        server_url, issuer.name, issuer.token_endpoint, registration, "",
        scope=scope, resource=issuer.resource, dpop_key=key,
    )  # fmt: skip
    if config.grant == "client_credentials":
        form: dict[str, str | None] = {"grant_type": config.grant}
    else:
        own = await _identity(http, issuer, config) if config.grant == "identity_assertion" else _workload(config)
        form = {"grant_type": _JWT_BEARER, "assertion": own}
    return await _tokens(http, grant, config, {**form, "scope": scope, "resource": issuer.resource})


async def _identity(http: httpx2.AsyncClient, issuer: Issuer, config: OAuthConfig) -> str:
    """What the company's identity provider says about the person, for this issuer and this resource only."""
    if config.idp_token_endpoint is None or config.id_token is None:
        raise OAuthFailure("oauth.idpTokenEndpoint and oauth.idToken are needed for identity_assertion")
    form = {
        "grant_type": _TOKEN_EXCHANGE,
        "requested_token_type": f"{_TOKEN_TYPE}:id-jag",
        "subject_token": config.id_token,
        "subject_token_type": f"{_TOKEN_TYPE}:id_token",
        "audience": issuer.name,
        "resource": issuer.resource,
        "client_id": config.idp_client_id,
    }
    body = await _post(http, config.idp_token_endpoint, {k: v for k, v in form.items() if v})
    if not isinstance(body.get("access_token"), str):
        raise OAuthFailure(f"{config.idp_token_endpoint} gave no assertion")
    return str(body["access_token"])


def _workload(config: OAuthConfig) -> str:
    if config.assertion_file is not None:
        try:
            return Path(config.assertion_file).read_text().strip()
        except OSError as error:
            raise OAuthFailure(f"the assertion cannot be read: {error}") from error
    if config.assertion is None:
        raise OAuthFailure("oauth.assertion or oauth.assertionFile is needed for workload")
    return config.assertion


# ---- tokens


async def _tokens(
    http: httpx2.AsyncClient, grant: Grant, config: OAuthConfig, form: Mapping[str, str | None]
) -> Grant:
    sent = {k: v for k, v in form.items() if v}
    headers = _identified(sent, grant, config)
    body = await _post(http, grant.token_endpoint, sent, headers=headers, dpop_key=grant.dpop_key)
    token, kind = body.get("access_token"), str(body.get("token_type") or "Bearer").lower()
    if not isinstance(token, str) or not token:
        raise OAuthFailure(f"{grant.issuer} gave no token")
    if kind not in ("bearer", "dpop"):
        raise OAuthFailure(f"{grant.issuer} gave a token of type {kind}, which Cadre cannot use")
    return replace(
        grant,
        access_token=token,
        token_type="DPoP" if kind == "dpop" else "Bearer",
        refresh_token=body.get("refresh_token") or grant.refresh_token,
        expires_at=_expiry(body.get("expires_in")),
        scope=body.get("scope") or grant.scope,
        dpop_key=grant.dpop_key if kind == "dpop" else None,
    )


def _expiry(seconds: Any) -> float | None:
    try:
        return time.time() + float(seconds)
    except (TypeError, ValueError):
        return None


def _identified(form: dict[str, str], grant: Grant, config: OAuthConfig) -> dict[str, str]:
    """Adds who we are to a token request, the way the registration says."""
    client = grant.registration
    if client.client_id:  # beside a header too: servers of the SDK find the client by it
        form["client_id"] = client.client_id
    if client.auth_method == "client_secret_basic" and client.client_secret:
        pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
        return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if client.auth_method == "client_secret_post" and client.client_secret:
        form["client_secret"] = client.client_secret
    if client.auth_method == "private_key_jwt":
        if config.private_key is None:
            raise OAuthFailure("oauth.privateKey is needed to identify Cadre")
        now = int(time.time())
        claims = {
            "iss": client.client_id, "sub": client.client_id, "aud": grant.issuer,
            "iat": now, "exp": now + 300, "jti": secrets.token_urlsafe(16),
        }  # fmt: skip
        form["client_assertion"] = jwt.encode(claims, config.private_key, algorithm=config.algorithm)
        form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return {}


async def _post(
    http: httpx2.AsyncClient,
    url: str,
    form: Mapping[str, str],
    *,
    json_body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    dpop_key: str | None = None,
) -> Mapping[str, Any]:
    nonce: str | None = None
    for last in (False, True):
        sent = {**_JSON, **(headers or {})}
        if dpop_key is not None:
            sent["dpop"] = dpop.proof(dpop_key, "POST", url, nonce=nonce)
        try:
            if json_body is not None:
                response = await http.post(url, json=json_body, headers=sent)
            else:
                response = await http.post(url, data=form, headers=sent)
            body = _mapping(response.content)
        except httpx2.TransportError as error:
            raise Unreachable(f"{url} does not answer: {error}") from error
        except (NotAllowed, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise OAuthFailure(f"{url} cannot be used: {error}") from error
        nonce = response.headers.get("dpop-nonce")
        if not (body.get("error") == "use_dpop_nonce" and nonce and not last):
            break
    # Some issuers answer 200 with an error inside.
    if response.status_code >= 400 or "error" in body:
        code = str(body.get("error") or response.status_code)
        if response.status_code >= 500 or response.status_code == 429 or code in _FOR_NOW:
            raise Unreachable(f"{url} answers {response.status_code}")
        said = body.get("error_description") or ""
        raise Refused(f"{urlsplit(url).hostname} refused: {code} {said}".strip()[:500], code)
    return body


def _mapping(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _is_local(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def covers(granted: str | None, wanted: str | None) -> bool:
    """Whether everything wanted was granted."""
    return set(_words(wanted)) <= set(_words(granted))


def _words(scope: str | None) -> Iterable[str]:
    return (scope or "").split()
