"""Tokens and whom they stand for: the app's own, people's, and those that OAuth issued, which may expire."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from loopback.slack.errors import Refused
from loopback.slack.seed import APP_ID, APP_TOKEN, BOT_TOKEN, BOT_USER, AppDefinition
from loopback.slack.state import Workspace

ROTATION_S = 43_200.0
CODE_S = 600.0


@dataclass(frozen=True)
class Caller:
    """Who a token stands for: the app's bot, a person, or the app itself for Socket Mode; and what it may do."""

    kind: str
    user: str
    scopes: frozenset[str] = frozenset()

    @property
    def is_bot(self) -> bool:
        return self.kind == "bot"


@dataclass(frozen=True)
class Grant:
    """What a person allowed on the install page, until the app fetches its tokens with the code."""

    user: str
    bot_scopes: frozenset[str]
    user_scopes: frozenset[str]
    redirect_uri: str
    at: float


@dataclass(frozen=True)
class _Issued:
    caller: Caller
    expires: float | None


class Tokens:
    """Every token of the workspace."""

    def __init__(self, space: Workspace, app: AppDefinition) -> None:
        self._space = space
        self._app = app
        self.reset()

    def reset(self) -> None:
        self._issued: dict[str, _Issued] = {}
        self._refresh: dict[str, Caller] = {}
        self._codes: dict[str, Grant] = {}
        self._used: set[str] = set()
        self._revoked: set[str] = set()

    def caller(self, token: str) -> Caller | None:
        """Who calls; raises Refused for a token that was good once."""
        if token in self._revoked:
            raise Refused("token_revoked")
        if token == BOT_TOKEN:
            return Caller("bot", BOT_USER, self._app.scopes)
        if token == APP_TOKEN:
            return Caller("app", BOT_USER)
        issued = self._issued.get(token)
        if issued is not None:
            if issued.expires is not None and self._space.now() >= issued.expires:
                raise Refused("token_expired")
            return issued.caller
        user = self._space.user(token[len("xoxp-") :]) if token.startswith("xoxp-") else None
        return Caller("user", user) if user and user != BOT_USER else None

    def revoke(self, token: str) -> None:
        self._issued.pop(token, None)
        self._revoked.add(token)

    # ---- OAuth

    def code(self, grant: Grant) -> str:
        """A single-use code for an installation, good for ten minutes."""
        code = f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**12)}.{secrets.token_hex(32)}"
        self._codes[code] = grant
        return code

    def exchange(self, code: str, redirect_uri: str) -> dict[str, Any]:
        """The reply of `oauth.v2.access` for a code."""
        grant = self._codes.get(code)
        if code in self._used:
            raise Refused("code_already_used")
        if grant is None:
            raise Refused("invalid_code")
        if self._space.now() - grant.at > CODE_S:
            raise Refused("code_expired")
        if redirect_uri != grant.redirect_uri and (redirect_uri or grant.redirect_uri):
            raise Refused("bad_redirect_uri")
        self._used.add(code)
        reply = self._reply()
        if grant.bot_scopes:
            reply |= self._token(Caller("bot", BOT_USER, grant.bot_scopes), "bot")
        person: dict[str, Any] = {"id": grant.user}
        if grant.user_scopes:
            person |= self._token(Caller("user", grant.user, grant.user_scopes), "user")
        return reply | {"authed_user": person}

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        """New tokens for a refresh token, which is used up by that."""
        caller = self._refresh.pop(refresh_token, None)
        if caller is None:
            raise Refused("invalid_refresh_token")
        return self._reply() | self._token(caller, caller.kind)

    def rotating(self, token: str) -> dict[str, Any]:
        """The reply of `oauth.v2.exchange`: an expiring token for a long-lived one, which stops working."""
        caller = self.caller(token)
        if caller is None:
            raise Refused("invalid_token")
        self.revoke(token)
        return self._reply() | self._token(caller, caller.kind, rotate=True)

    def _reply(self) -> dict[str, Any]:
        team = {"id": self._space.team["id"], "name": self._space.team["name"]}
        return {"app_id": APP_ID, "team": team, "enterprise": None, "is_enterprise_install": False}

    def _token(self, caller: Caller, type: str, *, rotate: bool = False) -> dict[str, Any]:
        prefix = "xoxb" if caller.is_bot else "xoxp"
        rotate = rotate or self._app.rotates_tokens
        token = f"{'xoxe.' if rotate else ''}{prefix}-{secrets.token_hex(24)}"
        expires = self._space.now() + ROTATION_S if rotate else None
        self._issued[token] = _Issued(caller, expires)
        told: dict[str, Any] = {"access_token": token, "token_type": type, "scope": listed(caller.scopes)}
        if caller.is_bot:
            told["bot_user_id"] = BOT_USER
        if rotate:
            refresh = f"xoxe-1-{secrets.token_hex(24)}"
            self._refresh[refresh] = caller
            told |= {"refresh_token": refresh, "expires_in": int(ROTATION_S)}
        return told


def listed(scopes: Iterable[str]) -> str:
    return ",".join(sorted(scopes))
