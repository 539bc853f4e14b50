"""What concerns the team: user groups, do not disturb, profiles, presence, preferences, emoji, reminders, calls."""

from typing import Any

from loopback.slack import shapes
from loopback.slack.api import Call, method
from loopback.slack.errors import Refused, bad_argument

# ---- user groups


def _group(call: Call, *, users: bool, id: str = "") -> dict[str, Any]:
    one = call.space.groups[id or call.text("usergroup")]
    now = int(one.get("updated", 1_700_000_000))
    told: dict[str, Any] = {
        "id": one["id"],
        "team_id": call.team,
        "is_usergroup": True,
        "is_subteam": True,
        "name": one["name"],
        "description": one.get("description", ""),
        "handle": one["handle"],
        "is_external": False,
        "date_create": int(one.get("created", 1_700_000_000)),
        "date_update": now,
        "date_delete": now if one.get("off") else 0,
        "auto_provision": False,
        "created_by": one.get("created_by", ""),
        "updated_by": one.get("updated_by", ""),
        "prefs": {"channels": one.get("channels", []), "groups": []},
    }
    return told | ({"users": one["users"]} if users else {})


def _changed(call: Call, type: str) -> dict[str, Any]:
    one = call.space.groups[call.text("usergroup")]
    one |= {"updated": call.space.now(), "updated_by": call.caller.user}
    shown = _group(call, users=True)
    call.space.feed.publish("usergroup", usergroup=one["id"])
    call.desk.tell({"type": type, "subteam": shown}, type)
    return {"usergroup": shown}


def _known(call: Call) -> dict[str, Any]:
    found = call.space.groups.get(call.text("usergroup"))
    if found is None:
        raise Refused("no_such_subteam")
    return found


@method("usergroups.list", scope="usergroups:read", tier=2)
def list_groups(call: Call) -> dict[str, Any]:
    users = call.flag("include_users")
    shown = [one for one in call.space.groups.values() if call.flag("include_disabled") or not one.get("off")]
    counted = [_group(call, users=users, id=one["id"]) | {"user_count": len(one["users"])} for one in shown]
    return {"usergroups": counted}


@method("usergroups.create", required=("name",), scope="usergroups:write", tier=2)
def create_group(call: Call) -> dict[str, Any]:
    name = call.text("name")
    handle = call.text("handle") or name.lower().replace(" ", "-")
    if any(name == one["name"] for one in call.space.groups.values()):
        raise Refused("name_already_exists")
    if call.space.group(handle) or call.space.user(handle):
        raise Refused("handle_already_exists")
    id, now = call.space.new_id("S"), call.space.now()
    made = {"id": id, "name": name, "handle": handle, "description": call.text("description"), "users": []}
    call.space.groups[id] = {**made, "created": now, "updated": now, "created_by": call.caller.user}
    shown = _group(call, users=True, id=id)
    call.desk.tell({"type": "subteam_created", "subteam": shown}, "subteam_created")
    return {"usergroup": shown}


@method("usergroups.update", required=("usergroup",), scope="usergroups:write", tier=2)
def update_group(call: Call) -> dict[str, Any]:
    found = _known(call)
    found |= {key: call.text(key) for key in ("name", "handle", "description") if call.text(key)}
    return _changed(call, "subteam_updated")


@method("usergroups.disable", required=("usergroup",), scope="usergroups:write", tier=2)
def disable_group(call: Call) -> dict[str, Any]:
    _known(call)["off"] = True
    return _changed(call, "subteam_updated")


@method("usergroups.enable", required=("usergroup",), scope="usergroups:write", tier=2)
def enable_group(call: Call) -> dict[str, Any]:
    _known(call)["off"] = False
    return _changed(call, "subteam_updated")


@method("usergroups.users.list", required=("usergroup",), scope="usergroups:read", tier=2)
def group_users(call: Call) -> dict[str, Any]:
    return {"users": list(_known(call)["users"])}


@method("usergroups.users.update", required=("usergroup", "users"), scope="usergroups:write", tier=2)
def update_group_users(call: Call) -> dict[str, Any]:
    users = call.listed("users")
    if any(one not in call.space.users for one in users):
        raise Refused("invalid_users")
    _known(call)["users"] = users
    return _changed(call, "subteam_updated")


# ---- the team


@method("team.info", scope="team:read", tier=3)
def team_info(call: Call) -> dict[str, Any]:
    team = call.space.team
    icon = {"image_default": True}
    url = f"{call.space.url}/"
    domain = f"{team['domain']}.example"
    told = {"id": team["id"], "name": team["name"], "url": url, "domain": team["domain"], "email_domain": domain}
    return {"team": {**told, "icon": icon}}


@method("team.billing.info", scope="team.billing:read", tier=3)
def billing_info(call: Call) -> dict[str, Any]:
    return {"plan": call.space.team.get("plan", "plus")}


@method("team.preferences.list", scope="team.preferences:read", tier=3)
def preferences(call: Call) -> dict[str, Any]:
    return {
        "msg_edit_window_mins": -1,
        "allow_message_deletion": True,
        "display_real_names": True,
        "disable_file_uploads": "allow_all",
        "who_can_post_general": "ra",
    }


@method("team.profile.get", scope="users.profile:read", tier=3)
def team_profile(call: Call) -> dict[str, Any]:
    return {"profile": {"fields": [], "sections": []}}


@method("emoji.list", scope="emoji:read", tier=2)
def emoji(call: Call) -> dict[str, Any]:
    return {"emoji": {}, "cache_ts": f"{call.space.now():.6f}"}


# ---- one person


def _person(call: Call) -> str:
    user = call.text("user", call.caller.user)
    if user not in call.space.users:
        raise Refused("user_not_found")
    return user


@method("users.profile.get", scope="users.profile:read", tier=4)
def get_profile(call: Call) -> dict[str, Any]:
    profile = shapes.user(call.space, _person(call))["profile"]
    return {"profile": {key: value for key, value in profile.items() if key not in ("team", "bot_id", "api_app_id")}}


@method("users.profile.set", token="user", tier=3)
def set_profile(call: Call) -> dict[str, Any]:
    given = call.args.get("profile") or {call.text("name"): call.args.get("value")}
    if not isinstance(given, dict):
        raise Refused("invalid_profile")
    kept = {key: str(value or "") for key, value in given.items() if key in ("real_name", "title", "email")}
    call.space.users[call.caller.user] |= kept
    return get_profile(call)


@method("users.setPhoto", required=("image",), token="user", tier=2)
def set_photo(call: Call) -> dict[str, Any]:
    sizes = (24, 32, 48, 72, 192, 512)
    return {"profile": {f"image_{size}": f"{call.space.url}/web/icon.svg" for size in sizes}}


@method("users.getPresence", scope="users:read", tier=3)
def get_presence(call: Call) -> dict[str, Any]:
    return {"presence": call.space.users[_person(call)].get("presence", "active")}


@method("users.setPresence", required=("presence",), scope="users:write", tier=2)
def set_presence(call: Call) -> dict[str, Any]:
    if call.text("presence") not in ("auto", "away"):
        raise Refused("invalid_presence")
    call.space.users[call.caller.user]["presence"] = "away" if call.text("presence") == "away" else "active"
    return {}


@method("users.identity", token="user", tier=3)
def identity(call: Call) -> dict[str, Any]:
    one = call.space.users[call.caller.user]
    mail = shapes.email(call.space, one["name"])
    team = {"id": call.team, "name": call.space.team["name"]}
    return {"user": {"name": one["real_name"], "id": one["id"], "email": mail}, "team": team}


def _do_not_disturb(call: Call, user: str) -> dict[str, Any]:
    until = int(call.space.users[user].get("snoozed", 0))
    now = int(call.space.now())
    return {"dnd_enabled": until > now, "next_dnd_start_ts": now if until > now else 1, "next_dnd_end_ts": until or 1}


@method("dnd.info", scope="dnd:read", tier=3)
def dnd_info(call: Call) -> dict[str, Any]:
    return _do_not_disturb(call, _person(call))


@method("dnd.teamInfo", required=("users",), scope="dnd:read", tier=2)
def dnd_team(call: Call) -> dict[str, Any]:
    users = [one for one in call.listed("users") if one in call.space.users]
    return {"users": {one: _do_not_disturb(call, one) for one in users}}


@method("dnd.setSnooze", required=("num_minutes",), token="user", tier=2)
def snooze(call: Call) -> dict[str, Any]:
    seconds = call.number("num_minutes", 0) * 60
    end = int(call.space.now()) + seconds
    call.space.users[call.caller.user]["snoozed"] = end
    return {
        "snooze_enabled": True,
        "snooze_endtime": end,
        "snooze_remaining": seconds,
        "snooze_is_indefinite": False,
    }


@method("dnd.endSnooze", token="user", tier=2)
def end_snooze(call: Call) -> dict[str, Any]:
    call.space.users[call.caller.user].pop("snoozed", None)
    return _do_not_disturb(call, call.caller.user)


# ---- reminders


@method("reminders.add", required=("text", "time"), token="user", tier=2)
def add_reminder(call: Call) -> dict[str, Any]:
    given = call.number("time", 0)
    at = given if given > 10**9 else int(call.space.now()) + given
    if at <= call.space.now():
        raise Refused("time_in_past")
    id, me = call.space.new_id("Rm"), call.caller.user
    reminder = {"id": id, "creator": me, "user": call.text("user", me), "text": call.text("text")}
    call.space.reminders[id] = {**reminder, "recurring": False, "time": at, "complete_ts": 0}
    return {"reminder": call.space.reminders[id]}


def _reminder(call: Call) -> dict[str, Any]:
    found = call.space.reminders.get(call.text("reminder"))
    if found is None:
        raise Refused("not_found")
    return found


@method("reminders.list", token="user", tier=2)
def list_reminders(call: Call) -> dict[str, Any]:
    return {"reminders": [one for one in call.space.reminders.values() if one["user"] == call.caller.user]}


@method("reminders.info", required=("reminder",), token="user", tier=2)
def reminder_info(call: Call) -> dict[str, Any]:
    return {"reminder": _reminder(call)}


@method("reminders.complete", required=("reminder",), token="user", tier=2)
def complete_reminder(call: Call) -> dict[str, Any]:
    _reminder(call)["complete_ts"] = int(call.space.now())
    return {}


@method("reminders.delete", required=("reminder",), token="user", tier=2)
def delete_reminder(call: Call) -> dict[str, Any]:
    del call.space.reminders[_reminder(call)["id"]]
    return {}


# ---- calls


def _ongoing(call: Call) -> dict[str, Any]:
    found = call.space.calls.get(call.text("id"))
    if found is None:
        raise Refused("call_not_found")
    return found


@method("calls.add", required=("external_unique_id", "join_url"), scope="calls:write", tier=2)
def add_call(call: Call) -> dict[str, Any]:
    id = call.space.new_id("R")
    call.space.calls[id] = {
        "id": id,
        "date_start": call.number("date_start", int(call.space.now())),
        "external_unique_id": call.text("external_unique_id"),
        "join_url": call.text("join_url"),
        "external_display_id": call.text("external_display_id"),
        "title": call.text("title"),
        "users": call.objects("users") if call.args.get("users") else [],
    }
    return {"call": call.space.calls[id]}


@method("calls.info", required=("id",), scope="calls:read", tier=2)
def call_info(call: Call) -> dict[str, Any]:
    return {"call": _ongoing(call)}


@method("calls.update", required=("id",), scope="calls:write", tier=2)
def update_call(call: Call) -> dict[str, Any]:
    found = _ongoing(call)
    found |= {key: call.text(key) for key in ("title", "join_url") if call.text(key)}
    return {"call": found}


@method("calls.end", required=("id",), scope="calls:write", tier=2)
def end_call(call: Call) -> dict[str, Any]:
    del call.space.calls[_ongoing(call)["id"]]
    return {}


@method("calls.participants.add", required=("id", "users"), scope="calls:write", tier=2)
def add_participants(call: Call) -> dict[str, Any]:
    _ongoing(call)["users"] += call.objects("users")
    return {}


@method("calls.participants.remove", required=("id", "users"), scope="calls:write", tier=2)
def remove_participants(call: Call) -> dict[str, Any]:
    found, gone = _ongoing(call), call.objects("users")
    if not gone:
        raise bad_argument("must have at least one person [json-pointer:/users]")
    ids = [one.get("external_id") or one.get("slack_id") for one in gone]
    found["users"] = [one for one in found["users"] if (one.get("external_id") or one.get("slack_id")) not in ids]
    return {}
