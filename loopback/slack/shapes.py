"""People, channels, messages and files in the words of Slack's Web API."""

import mimetypes
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from loopback.slack.seed import APP_ID, BOT_ID, BOT_USER
from loopback.slack.state import Channel, File, Message, Workspace

_HIDDEN = ("metadata",)
PREVIEW_LINES, PREVIEW_CHARS = 5, 500


def user(space: Workspace, id: str) -> dict[str, Any]:
    one = space.users[id]
    team = one.get("team_id", space.team["id"])
    zone = one.get("tz", "UTC")
    bot = bool(one.get("is_bot"))
    profile = {
        "title": one.get("title", ""),
        "real_name": one["real_name"],
        "real_name_normalized": one["real_name"],
        "display_name": one["name"],
        "display_name_normalized": one["name"],
        "email": one.get("email", email(space, one["name"])),
        "team": team,
    }
    if bot:
        del profile["email"]
        profile |= {"bot_id": BOT_ID, "api_app_id": APP_ID} if id == BOT_USER else {}
    now = datetime.fromtimestamp(space.now(), ZoneInfo(zone))
    return {
        "id": id,
        "team_id": team,
        "name": one["name"],
        "deleted": False,
        "color": "4d6a8f",
        "real_name": one["real_name"],
        "tz": zone,
        "tz_label": now.tzname() or zone,
        "tz_offset": int((now.utcoffset() or now - now).total_seconds()),
        "profile": profile,
        "is_admin": bool(one.get("is_admin")),
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": bool(one.get("is_restricted")),
        "is_ultra_restricted": bool(one.get("is_ultra_restricted")),
        "is_bot": bot,
        "is_app_user": False,
        "updated": 1_700_000_000,
        "is_email_confirmed": not bot,
        "who_can_share_contact_card": "EVERYONE",
    }


def user_profile(space: Workspace, id: str) -> dict[str, Any]:
    """An outsider's profile as their messages carry it."""
    one = space.users[id]
    return {
        "name": one["name"],
        "first_name": one["real_name"].partition(" ")[0],
        "real_name": one["real_name"],
        "display_name": one["name"],
        "team": one.get("team_id", space.team["id"]),
        "is_restricted": bool(one.get("is_restricted")),
        "is_ultra_restricted": bool(one.get("is_ultra_restricted")),
        "avatar_hash": "",
        "image_72": "",
    }


def email(space: Workspace, name: str) -> str:
    return f"{name}@{space.team['domain']}.example"


def channel(space: Workspace, one: Channel, seen_by: str) -> dict[str, Any]:
    if one.is_im:
        other = next((id for id in one.members if id != seen_by), seen_by)
        return {
            "id": one.id,
            "created": one.created,
            "is_im": True,
            "is_org_shared": False,
            "user": other,
            "is_user_deleted": False,
            "is_archived": False,
            "priority": 0,
            "context_team_id": space.team["id"],
        }
    shared = space.is_shared(one)
    return {
        "id": one.id,
        "name": one.name,
        "name_normalized": one.name,
        "created": one.created,
        "creator": one.creator,
        "is_channel": not one.is_private,
        "is_group": one.is_private and not one.is_mpim,
        "is_im": False,
        "is_mpim": one.is_mpim,
        "is_private": one.is_private,
        "is_archived": one.is_archived,
        "is_general": one.name == "general",
        "is_shared": shared,
        "is_ext_shared": shared,
        "is_org_shared": False,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "unlinked": 0,
        "is_member": seen_by in one.members,
        "topic": {"value": one.topic, "creator": "", "last_set": 0},
        "purpose": {"value": one.purpose, "creator": "", "last_set": 0},
        "previous_names": one.previous_names,
        "num_members": len(one.members),
        "context_team_id": space.team["id"],
        "updated": one.created * 1000,
    }


def message(one: Channel, said: Message, metadata: bool = False) -> Message:
    """A message as `history` tells it, with its thread's summary; metadata only when asked for."""
    shown = {key: value for key, value in said.items() if metadata or key not in _HIDDEN}
    replies = one.replies.get(said["ts"])
    if replies:
        people = list(dict.fromkeys(one.messages[ts].get("user", "") for ts in replies))
        shown |= {
            "thread_ts": said["ts"],
            "reply_count": len(replies),
            "reply_users": people,
            "reply_users_count": len(people),
            "latest_reply": replies[-1],
            "is_locked": False,
            "subscribed": False,
        }
    elif said.get("thread_ts") == said["ts"]:
        del shown["thread_ts"]  # its replies are gone
    return shown


def bot_profile(space: Workspace) -> dict[str, Any]:
    return {
        "id": BOT_ID,
        "deleted": False,
        "name": space.users[BOT_USER]["real_name"],
        "updated": 1_700_000_000,
        "app_id": APP_ID,
        "icons": {"image_36": "", "image_48": "", "image_72": ""},
        "team_id": space.team["id"],
    }


def file(space: Workspace, one: File) -> dict[str, Any]:
    suffix = one.name.rpartition(".")[2].lower() if "." in one.name else "text"
    url = f"{space.url}/files-pri/{space.team['id']}-{one.id}"
    shares: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for place, ts in (share for share in one.shares if space.settled(share[1])):
        kind = "private" if space.channels[place].is_private else "public"
        shares.setdefault(kind, {}).setdefault(place, []).append(
            {"ts": ts, "channel_name": space.channels[place].name}
        )
    places = {place for place, _ in one.shares}
    of_type = {kind: [id for id in places if space.channels[id].type == kind] for kind in ("channel", "group", "im")}
    of_type["group"] += [id for id in places if space.channels[id].is_mpim]
    remote = {"external_id": one.external_id, "external_url": one.external_url} if one.external_id else {}
    return (
        remote
        | _preview(one)
        | {
            "id": one.id,
            "created": one.created,
            "timestamp": one.created,
            "name": one.name,
            "title": one.title,
            "mimetype": mimetypes.guess_type(one.name)[0] or "application/octet-stream",
            "filetype": suffix,
            "pretty_type": suffix.upper(),
            "user": one.user,
            "user_team": space.team["id"],
            "editable": False,
            "size": len(one.content),
            "mode": "external" if remote else "hosted",
            "is_external": bool(remote),
            "external_type": "app" if remote else "",
            "is_public": "public" in shares,
            "public_url_shared": one.public,
            "display_as_bot": False,
            "username": "",
            "url_private": one.external_url or f"{url}/{one.name}",
            "url_private_download": f"{url}/download/{one.name}",
            "permalink": f"{space.url}/files/{one.user}/{one.id}/{one.name}",
            "comments_count": 0,
            "is_starred": False,
            "shares": shares,
            "channels": of_type["channel"],
            "groups": of_type["group"],
            "ims": of_type["im"],
            "has_rich_preview": False,
            "file_access": "visible",
        }
    )


def _preview(one: File) -> dict[str, Any]:
    """The first lines of a text file."""
    if not (mimetypes.guess_type(one.name)[0] or "").startswith("text/") or one.external_id:
        return {}
    try:
        lines = one.content.decode().splitlines()
    except UnicodeDecodeError:
        return {}
    shown, more = lines[:PREVIEW_LINES], max(0, len(lines) - PREVIEW_LINES)
    return {"preview": "\n".join(shown)[:PREVIEW_CHARS], "lines": len(lines), "lines_more": more}


def permalink(space: Workspace, channel_id: str, ts: str, thread_ts: str | None) -> str:
    link = f"{space.url}/archives/{channel_id}/p{ts.replace('.', '')}"
    return f"{link}?thread_ts={thread_ts}&cid={channel_id}" if thread_ts and thread_ts != ts else link


def person(space: Workspace, id: str) -> dict[str, str]:
    """A person as interaction payloads name them."""
    name = space.users[id]["name"]
    team = space.users[id].get("team_id", space.team["id"])
    return {"id": id, "username": name, "name": name, "team_id": team}


def thread_of(said: Mapping[str, Any]) -> str:
    """The thread a message belongs to or would start."""
    return str(said.get("thread_ts") or said["ts"])
