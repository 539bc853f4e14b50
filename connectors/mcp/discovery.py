"""Where to sign in: what a refusing server, its metadata and its issuer say. Every address came from a server."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
from mcp.client.auth import utils as pure
from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata
from mcp.shared.auth_utils import check_resource_allowed, resource_url_from_server_url
from pydantic import ValidationError

from . import dpop
from .egress import NotAllowed
from .settings import OAuthConfig

_JSON = {"accept": "application/json"}


class OAuthFailure(Exception):
    """Signing in does not work; the message says where and why."""


class Refused(OAuthFailure):
    """The issuer turned the request down."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(OAuthFailure):
    """The issuer does not answer now; what was granted is still good."""


@dataclass(frozen=True)
class Challenge:
    """What a refusing answer said about signing in."""

    status: int
    scope: str | None
    metadata_url: str | None
    error: str | None
    nonce: str | None


@dataclass(frozen=True)
class Issuer:
    """An authorization server and what it offers.

    `vouched_by` is who said so: the issuer itself, or the server, where it answers in the issuer's place.
    """

    name: str
    vouched_by: str
    authorization_endpoint: str
    token_endpoint: str
    registration_endpoint: str | None
    resource: str | None
    scopes: str | None  # what the resource says it takes
    metadata: OAuthMetadata | None
    raw: Mapping[str, Any]

    @property
    def methods(self) -> list[str] | None:
        return self.metadata.token_endpoint_auth_methods_supported if self.metadata else None

    @property
    def binds_keys(self) -> bool:
        return dpop.ALGORITHM in (self.raw.get("dpop_signing_alg_values_supported") or ())


def challenge(response: httpx2.Response) -> Challenge:
    return Challenge(
        response.status_code,
        pure.extract_scope_from_www_auth(response),
        pure.extract_resource_metadata_from_www_auth(response),
        pure.extract_field_from_www_auth(response, "error"),
        response.headers.get("dpop-nonce"),
    )


async def discover(http: httpx2.AsyncClient, server_url: str, asked: Challenge) -> Issuer:
    """The issuer that the server names; a server that names none is its own."""
    resource = await _resource(http, server_url, asked.metadata_url)
    named = str(resource.authorization_servers[0]) if resource else None
    metadata, raw = await _metadata(http, server_url, named)
    scopes = " ".join(resource.scopes_supported) if resource and resource.scopes_supported else None
    wanted = resource_url_from_server_url(server_url)
    if resource is not None:
        wanted = str(resource.resource)
    base = "{0.scheme}://{0.netloc}".format(urlsplit(server_url))
    if metadata is not None:
        return Issuer(
            str(metadata.issuer),
            str(metadata.issuer) if named is not None else base,
            str(metadata.authorization_endpoint),
            str(metadata.token_endpoint),
            str(metadata.registration_endpoint) if metadata.registration_endpoint else None,
            wanted, scopes, metadata, raw,
        )  # fmt: skip
    if named is not None:
        raise OAuthFailure(f"{named} publishes nothing about how to sign in there")
    # The oldest servers answer at fixed places of their own origin.
    sign_in, token, register = (urljoin(base, place) for place in ("/authorize", "/token", "/register"))
    return Issuer(base, base, sign_in, token, register, wanted, scopes, None, {})


async def _resource(
    http: httpx2.AsyncClient, server_url: str, metadata_url: str | None
) -> ProtectedResourceMetadata | None:
    failed: int | None = None
    for url in pure.build_protected_resource_metadata_discovery_urls(metadata_url, server_url):
        status, body = await _get(http, url)
        if status >= 500 or status == 429:
            failed = status
        if status != 200:
            continue
        try:
            found = ProtectedResourceMetadata.model_validate(body)
        except ValidationError:
            continue
        expected = resource_url_from_server_url(server_url)
        if not check_resource_allowed(requested_resource=expected, configured_resource=str(found.resource)):
            raise OAuthFailure(f"the server says it is {found.resource}, which is not {expected}")
        return found
    if failed is not None:
        raise Unreachable(f"the server answers {failed} when asked where to sign in")
    return None


async def _metadata(
    http: httpx2.AsyncClient, server_url: str, named: str | None
) -> tuple[OAuthMetadata | None, Mapping[str, Any]]:
    for url in pure.build_oauth_authorization_server_metadata_discovery_urls(named, server_url):
        status, body = await _get(http, url)
        if status >= 500 or status == 429:
            raise Unreachable(f"{url} answers {status}")
        if status != 200:
            continue
        try:
            found = OAuthMetadata.model_validate(body)
        except ValidationError:
            continue
        if named is not None and str(found.issuer) != named:
            raise OAuthFailure(f"{named} calls itself {found.issuer}")
        methods = found.code_challenge_methods_supported
        if methods is not None and "S256" not in methods:
            raise OAuthFailure(f"{found.issuer} does not support PKCE with S256")
        return found, body
    return None, {}


async def _get(http: httpx2.AsyncClient, url: str) -> tuple[int, Any]:
    try:
        response = await http.get(url, headers=_JSON)
        return response.status_code, json.loads(response.content) if response.status_code == 200 else None
    except httpx2.TransportError as error:
        raise Unreachable(f"{url} does not answer: {error}") from error
    except (NotAllowed, httpx2.InvalidURL, httpx2.StreamError) as error:
        raise OAuthFailure(f"the server sends us to {url}, where we do not go: {error}") from error
    except ValueError:
        return 200, None


def scope_to_ask(asked: Challenge, issuer: Issuer, config: OAuthConfig, granted: str | None) -> str | None:
    """What to ask for: what the refusal names, else what the resource takes; never less than was granted."""
    missing = asked.scope if asked.status == 403 else None
    wanted = pure.union_scopes(config.scope, missing) or asked.scope or issuer.scopes
    offered = issuer.metadata.scopes_supported if issuer.metadata else None
    if wanted and offered and "offline_access" in offered and config.grant == "authorization_code":
        wanted = pure.union_scopes(wanted, "offline_access")
    return pure.union_scopes(granted, wanted)
