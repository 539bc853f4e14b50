"""Who is who: `api.test`, `auth.test`, `apps.connections.open`, users and bots."""

from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, method
from loopback.slack.blocks import message_problems
from loopback.slack.errors import Refused
from loopback.slack.methods.conversations import paged
from loopback.slack.seed import APP_ID, BOT_ID, BOT_USER


@method("api.test", token="none", tier=4)
def api_test(call: Call) -> dict[str, Any]:
    if call.text("error"):
        raise Refused(call.text("error"), args=dict(call.args))
    return {"args": {key: str(value) for key, value in call.args.items()}}


@method("auth.test")
def auth_test(call: Call) -> dict[str, Any]:
    team = call.space.team
    told = {
        "url": f"{call.space.url}/",
        "team": team["name"],
        "user": call.space.users[call.caller.user]["name"],
        "team_id": team["id"],
        "user_id": call.caller.user,
        "is_enterprise_install": False,
    }
    return told | ({"bot_id": BOT_ID} if call.caller.is_bot else {})


@method("apps.connections.open", token="app")
def connections_open(call: Call) -> dict[str, Any]:
    host = call.space.url.removeprefix("http://")
    return {"url": f"ws://{host}/link/?ticket={call.desk.delivery.sockets.ticket()}&app_id={APP_ID}"}


@method("blocks.validate", token="none")
def blocks_validate(call: Call) -> dict[str, Any]:
    problems = message_problems(call.args.get("blocks"))
    return {"errors": [{"code": "invalid_blocks", "message": what, "pointer": where} for what, where in problems]}


@method("users.info", required=("user",), scope="users:read", tier=4)
def users_info(call: Call) -> dict[str, Any]:
    if call.text("user") not in call.space.users:
        raise Refused("user_not_found")
    shown = shapes.user(call.space, call.text("user"))
    return {"user": shown | {"is_stranger": True} if call.space.is_outsider(call.text("user")) else shown}


@method("users.list", scope="users:read", tier=2)
def users_list(call: Call) -> dict[str, Any]:
    page, more = paged(call, list(call.space.users), default=1000, most=1000)
    members = [shapes.user(call.space, id) for id in page]
    return {"members": members, "cache_ts": int(call.space.now()), "response_metadata": more}


@method("users.lookupByEmail", required=("email",), scope="users:read.email", tier=3)
def lookup_by_email(call: Call) -> dict[str, Any]:
    for id in call.space.users:
        shown = shapes.user(call.space, id)
        if shown["profile"].get("email") == call.text("email"):
            return {"user": shown}
    raise Refused("users_not_found")


@method("bots.info", scope="users:read", tier=3)
def bots_info(call: Call) -> dict[str, Any]:
    if call.text("bot", BOT_ID) != BOT_ID:
        raise Refused("bot_not_found")
    profile = shapes.bot_profile(call.space)
    kept = {key: profile[key] for key in ("id", "deleted", "name", "updated", "app_id", "icons")}
    return {"bot": {**kept, "user_id": BOT_USER}}
