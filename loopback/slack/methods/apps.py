"""What concerns the app itself: installing, tokens, manifests, custom steps."""

import copy
import json
from typing import Any

from loopback.slack.api import Call, method
from loopback.slack.errors import Refused
from loopback.slack.seed import APP_ID, BOT_USER, CLIENT_ID, CLIENT_SECRET

NAME_CHARS = 35


def _client(call: Call) -> None:
    if call.text("client_id") != CLIENT_ID:
        raise Refused("invalid_client_id")
    if call.text("client_secret") != CLIENT_SECRET:
        raise Refused("bad_client_secret")


@method("oauth.v2.access", token="none")
def access(call: Call) -> dict[str, Any]:
    _client(call)
    kind = call.text("grant_type", "authorization_code")
    if kind == "refresh_token":
        return call.desk.tokens.refresh(call.text("refresh_token"))
    if kind != "authorization_code":
        raise Refused("invalid_grant_type")
    return call.desk.tokens.exchange(call.text("code"), call.text("redirect_uri"))


@method("oauth.v2.exchange", token="none", tier=3)
def exchange(call: Call) -> dict[str, Any]:
    _client(call)
    return call.desk.tokens.rotating(call.token)


@method("auth.revoke", tier=3)
def revoke(call: Call) -> dict[str, Any]:
    if not call.flag("test"):
        call.desk.tokens.revoke(call.token)
        who = "bot" if call.caller.is_bot else "oauth"
        call.desk.tell({"type": "tokens_revoked", "tokens": {who: [call.caller.user]}}, "tokens_revoked")
    return {"revoked": not call.flag("test")}


@method("apps.uninstall", tier=1)
def uninstall(call: Call) -> dict[str, Any]:
    _client(call)
    call.desk.tokens.revoke(call.token)
    call.desk.tell({"type": "app_uninstalled"}, "app_uninstalled")
    return {}


@method("apps.event.authorizations.list", required=("event_context",), token="app", tier=4)
def authorizations(call: Call) -> dict[str, Any]:
    one = {"enterprise_id": None, "team_id": call.team, "user_id": BOT_USER}
    return {"authorizations": [{**one, "is_bot": True, "is_enterprise_install": False}]}


@method("functions.completeSuccess", required=("function_execution_id", "outputs"), tier=3)
def complete_success(call: Call) -> dict[str, Any]:
    return {}


@method("functions.completeError", required=("function_execution_id", "error"), tier=3)
def complete_error(call: Call) -> dict[str, Any]:
    return {}


# ---- manifests


def _manifest(call: Call) -> dict[str, Any]:
    given = call.args.get("manifest")
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if not isinstance(given, dict):
        raise Refused("invalid_manifest")
    name = given.get("display_information", {}).get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_CHARS:
        problem = f"must have 1 to {NAME_CHARS} characters"
        raise Refused("invalid_manifest", errors=[{"message": problem, "pointer": "/display_information/name"}])
    return copy.deepcopy(given)


@method("apps.manifest.validate", required=("manifest",), token="user", tier=3)
def validate(call: Call) -> dict[str, Any]:
    _manifest(call)
    return {"errors": []}


@method("apps.manifest.create", required=("manifest",), token="user", tier=1)
def create(call: Call) -> dict[str, Any]:
    id = call.space.new_id("A")
    call.space.manifests[id] = _manifest(call)
    given = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "verification_token": "", "signing_secret": ""}
    address = f"{call.space.url}/oauth/v2/authorize?client_id={CLIENT_ID}"
    return {"app_id": id, "credentials": given, "oauth_authorize_url": address}


def _app(call: Call) -> str:
    if call.text("app_id") not in (*call.space.manifests, APP_ID):
        raise Refused("invalid_app_id")
    return call.text("app_id")


@method("apps.manifest.update", required=("app_id", "manifest"), token="user", tier=1)
def update(call: Call) -> dict[str, Any]:
    id, given = _app(call), _manifest(call)
    before = call.space.manifests.get(id, {}).get("oauth_config")
    call.space.manifests[id] = given
    return {"app_id": id, "permissions_updated": before != given.get("oauth_config")}


@method("apps.manifest.export", required=("app_id",), token="user", tier=3)
def export(call: Call) -> dict[str, Any]:
    return {"manifest": call.space.manifests.get(_app(call), {})}


@method("apps.manifest.delete", required=("app_id",), token="user", tier=1)
def delete(call: Call) -> dict[str, Any]:
    call.space.manifests.pop(_app(call), None)
    return {}
