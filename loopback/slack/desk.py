"""What happens in the workspace: every change goes through here, becomes state, and is told to app and page."""

import copy
import secrets
from collections.abc import Mapping
from typing import Any

from loopback.slack import shapes
from loopback.slack.delivery import Delivery
from loopback.slack.errors import Refused
from loopback.slack.seed import APP_ID, BOT_ID, BOT_USER, AppDefinition
from loopback.slack.state import PROCESSING_S, STATUS_S, Channel, File, Message, Session, Workspace
from loopback.slack.timers import Timers
from loopback.slack.tokens import Tokens

CHANNEL_EVENTS = {
    "channel": "message.channels",
    "group": "message.groups",
    "im": "message.im",
    "mpim": "message.mpim",
}
UNDATED = ("tokens_revoked", "app_uninstalled")


class Desk:
    """The rules of the workspace for people and the app alike."""

    def __init__(self, space: Workspace, delivery: Delivery, timers: Timers, app: AppDefinition) -> None:
        self.space = space
        self.timers = timers
        self.delivery = delivery
        self.app = app
        self.tokens = Tokens(space, app)

    # ---- events

    def tell(self, event: Mapping[str, Any], subscription: str, channel: Channel | None = None) -> None:
        """Sends an event to the app if it subscribed to it; `channel` is where it happened."""
        if subscription not in self.app.events:
            return
        now = self.space.now()
        team = self.space.team["id"]
        told = copy.deepcopy(dict(event))
        if event["type"] not in UNDATED:
            told["event_ts"] = event.get("event_ts") or f"{now:.6f}"
        self.delivery.event(
            {
                "token": "local-verification-token",
                "team_id": team,
                "context_team_id": team,
                "context_enterprise_id": None,
                "api_app_id": APP_ID,
                "event": told,
                "type": "event_callback",
                "event_id": f"Ev{secrets.token_hex(5).upper()}",
                "event_time": int(now),
                "authorizations": [
                    {
                        "enterprise_id": None,
                        "team_id": team,
                        "user_id": BOT_USER,
                        "is_bot": True,
                        "is_enterprise_install": False,
                    }
                ],
                "is_ext_shared_channel": channel is not None and self.space.is_shared(channel),
                "event_context": f"4-{secrets.token_hex(12)}",
            }
        )

    def _tell_message(self, channel: Channel, event: Mapping[str, Any]) -> None:
        if BOT_USER in channel.members:
            said = {**event, "channel": channel.id, "channel_type": channel.type}
            self.tell(said, CHANNEL_EVENTS[channel.type], channel)

    # ---- membership

    def join(self, channel: Channel, user: str, inviter: str | None = None) -> None:
        if user in channel.members:
            return
        channel.members.append(user)
        self.space.feed.publish("member", channel=channel.id, user=user, joined=True)
        if BOT_USER in channel.members:
            event = {"type": "member_joined_channel", "user": user, "channel": channel.id}
            event |= {"channel_type": _letter(channel), "team": self.space.team["id"]}
            self.tell(event | ({"inviter": inviter} if inviter else {}), "member_joined_channel", channel)

    def leave(self, channel: Channel, user: str) -> None:
        if user not in channel.members:
            raise Refused("not_in_channel")
        told = BOT_USER in channel.members
        channel.members.remove(user)
        self.space.feed.publish("member", channel=channel.id, user=user, joined=False)
        if told:
            event = {"type": "member_left_channel", "user": user, "channel": channel.id}
            event |= {"channel_type": _letter(channel), "team": self.space.team["id"]}
            self.tell(event, "member_left_channel", channel)

    # ---- messages

    def authored(self, user: str) -> Message:
        """What every message by this person or app carries."""
        said: Message = {"type": "message", "user": user, "team": self.space.team["id"]}
        if user == BOT_USER:
            return said | {"bot_id": BOT_ID, "app_id": APP_ID, "bot_profile": shapes.bot_profile(self.space)}
        said["client_msg_id"] = secrets.token_hex(16)
        if self.space.is_outsider(user):
            home = self.space.users[user]["team_id"]
            profile = shapes.user_profile(self.space, user)
            said |= {"team": home, "user_team": home, "source_team": home, "user_profile": profile}
        return said

    def post(self, channel: Channel, user: str, content: Mapping[str, Any], thread_ts: str | None = None) -> Message:
        """Adds a message; raises Refused when the thread does not exist."""
        if thread_ts and thread_ts not in channel.messages:
            raise Refused("thread_not_found")
        if thread_ts:
            thread_ts = shapes.thread_of(channel.messages[thread_ts])
        said = {**self.authored(user), "text": "", **content, "ts": self.space.next_ts()}
        if thread_ts:
            said["thread_ts"] = thread_ts
            if said.get("subtype") != "thread_broadcast":
                said["parent_user_id"] = channel.messages[thread_ts].get("user", "")
        self.name_blocks(said.get("blocks"))
        self.space.keep(channel, said)
        if user == BOT_USER:
            self.space.statuses.pop((channel.id, thread_ts or said["ts"]), None)  # a reply ends "is thinking"
        self._published("message", channel, said)
        self._announce(channel, said)
        return said

    def _announce(self, channel: Channel, said: Message) -> None:
        event = {**said, "event_ts": said["ts"]}
        mentioned = f"<@{BOT_USER}>" in said["text"] and said["user"] != BOT_USER
        if mentioned and BOT_USER in channel.members and not channel.is_im:
            heard = {key: value for key, value in event.items() if key not in ("parent_user_id", "metadata")}
            self.tell({**heard, "type": "app_mention", "channel": channel.id}, "app_mention", channel)
        if said.get("subtype") == "thread_broadcast":
            root = shapes.message(channel, channel.messages[said["thread_ts"]])
            event["root"] = {key: value for key, value in root.items() if key not in ("reactions", "files")}
        seen = self.space.contexts.get(said["user"]) if channel.is_im else None
        self._tell_message(channel, {**event, "app_context": seen} if seen else event)

    def edit(self, channel: Channel, ts: str, changes: Mapping[str, Any], by: str) -> Message:
        """Changes a message; a person's edit and a plain text change are marked as edited."""
        said = channel.messages[ts]
        before = copy.deepcopy(shapes.message(channel, said))
        before.pop("reactions", None)
        said |= changes
        self.name_blocks(said.get("blocks"))
        if by != BOT_USER or not said.get("blocks"):
            said["edited"] = {"user": by, "ts": self.space.next_ts()}
        self._published("message_changed", channel, said)
        now = shapes.message(channel, said)
        fresh = f"<@{BOT_USER}>" in said["text"] and f"<@{BOT_USER}>" not in before["text"]
        if fresh and by != BOT_USER and BOT_USER in channel.members and not channel.is_im:
            mention = {**now, "type": "app_mention", "channel": channel.id, "event_ts": ts}
            self.tell(mention, "app_mention", channel)
        changed = {"type": "message", "subtype": "message_changed", "hidden": True, "ts": self.space.next_ts()}
        self._tell_message(channel, {**changed, "message": now, "previous_message": before})
        return said

    def delete(self, channel: Channel, ts: str) -> None:
        before = copy.deepcopy(shapes.message(channel, channel.messages[ts]))
        before.pop("reactions", None)
        self.space.drop(channel, ts)
        self._published("message_deleted", channel, before)
        deleted = {"type": "message", "subtype": "message_deleted", "hidden": True, "ts": self.space.next_ts()}
        self._tell_message(channel, {**deleted, "deleted_ts": ts, "previous_message": before})

    def whisper(
        self, channel: Channel, user: str, content: Mapping[str, Any], thread_ts: str | None = None
    ) -> Message:
        """A message from the app that one person sees and nobody else."""
        said = {**self.authored(BOT_USER), "text": "", **content, "ts": self.space.next_ts()}
        said |= {"ephemeral": True, "to": user, **({"thread_ts": thread_ts} if thread_ts else {})}
        self.name_blocks(said.get("blocks"))
        channel.ephemerals.append(said)
        self._published("ephemeral", channel, said)
        return said

    def unwhisper(self, channel: Channel, said: Message) -> None:
        channel.ephemerals.remove(said)
        self._published("ephemeral", channel, said)

    def streamed(self, channel: Channel, said: Message) -> None:
        """Tells the page that a streaming message grew; Slack sends the app nothing for that."""
        self._published("message_changed", channel, said)

    def _published(self, type: str, channel: Channel, said: Message) -> None:
        self.space.feed.publish(
            type,
            channel=channel.id,
            ts=said["ts"],
            thread_ts=said.get("thread_ts"),
            user=said.get("user"),
            message=said,
        )

    def name_blocks(self, blocks: Any) -> None:
        """Gives blocks and interactive elements the ids that their author left out."""
        for block in blocks or []:
            block.setdefault("block_id", self.space.new_id("b"))
            elements = block.get("elements") if block["type"] in ("actions", "context_actions") else None
            for element in [*(elements or []), block.get("accessory"), block.get("element")]:
                if isinstance(element, dict) and element.get("type") not in (None, "image"):
                    element.setdefault("action_id", self.space.new_id("a"))

    # ---- reactions, files, sessions

    def react(self, channel: Channel, ts: str, user: str, name: str, *, remove: bool = False) -> None:
        said = channel.messages.get(ts)
        if said is None:
            raise Refused("message_not_found")
        reactions = {one["name"]: list(one["users"]) for one in said.get("reactions", [])}
        users = reactions.setdefault(name, [])
        if remove == (user not in users):
            raise Refused("no_reaction" if remove else "already_reacted")
        if remove:
            users.remove(user)
        else:
            users.append(user)
        kept = [{"name": key, "users": ids, "count": len(ids)} for key, ids in reactions.items() if ids]
        said["reactions"] = kept
        if not kept:
            del said["reactions"]
        self._published("reaction", channel, said)
        if BOT_USER in channel.members:
            kind = "reaction_removed" if remove else "reaction_added"
            item = {"type": "message", "channel": channel.id, "ts": ts}
            event = {"type": kind, "user": user, "reaction": name, "item": item, "item_user": said.get("user", "")}
            self.tell({**event, "event_ts": self.space.next_ts()}, kind, channel)

    def share(
        self, channel: Channel, files: list[File], user: str, content: Mapping[str, Any], thread_ts: str | None
    ) -> Message:
        """Posts files into a channel as one message."""
        shared = {**content, "subtype": "file_share", "upload": True, "display_as_bot": False}
        shown = [shapes.file(self.space, one) for one in files]
        said = self.post(channel, user, {**shared, "files": shown}, thread_ts)
        for one in files:
            one.shares.append((channel.id, said["ts"]))
            event = {"type": "file_shared", "file_id": one.id, "user_id": user, "file": {"id": one.id}}
            if BOT_USER in channel.members:
                self.tell({**event, "channel_id": channel.id}, "file_shared", channel)
        return said

    def remove_file(self, file: File) -> None:
        """Deletes a file; messages keep a mark of it."""
        del self.space.files[file.id]
        for place, ts in file.shares:
            channel = self.space.channels[place]
            said = channel.messages.get(ts)
            if said is not None:
                gone = {"id": file.id, "mode": "tombstone"}
                said["files"] = [gone if one["id"] == file.id else one for one in said.get("files", [])]
                self._published("message_changed", channel, said)

    def session(self, channel_id: str, thread_ts: str) -> dict[str, str] | None:
        """The session of a thread as a page or tester sees it."""
        session = self.space.sessions.get((channel_id, thread_ts))
        if session is None:
            return None
        return {
            "channel": channel_id,
            "thread_ts": thread_ts,
            "status": session.seen(self.space.now()),
            "title": session.title,
            "initiator": session.initiator,
        }

    def set_session(self, channel_id: str, thread_ts: str, session: Session) -> None:
        """Changes a thread's session; "processing" fades when the app does not renew it."""
        self.space.sessions[(channel_id, thread_ts)] = session

        def tell() -> None:
            if self.space.sessions.get((channel_id, thread_ts)) is session:
                shown = self.session(channel_id, thread_ts)
                self.space.feed.publish("session", channel=channel_id, thread_ts=thread_ts, session=shown)

        tell()
        if session.status == "processing":
            self.timers.at(session.since + PROCESSING_S, tell)

    def set_status(self, channel_id: str, thread_ts: str, text: str) -> None:
        """Changes what the assistant is said to do, which fades when the app does not renew it."""
        now = self.space.now()
        self.space.statuses[(channel_id, thread_ts)] = (text, now)

        def tell() -> None:
            shown = self.space.status(channel_id, thread_ts)
            self.space.feed.publish("status", channel=channel_id, thread_ts=thread_ts, status=shown)

        tell()
        if text:
            self.timers.at(now + STATUS_S, tell)

    def stop(self, channel: Channel, thread_ts: str, user: str) -> None:
        """A person presses stop: running streams end, and the app is told; the status is the app's to change."""
        running = []
        for stream in self.space.streams.values():
            said = channel.messages.get(stream.ts) if stream.channel == channel.id else None
            if said is not None and thread_ts in (said["ts"], said.get("thread_ts")):
                stream.stopped_by_user = True
                running.append(stream.ts)
        event = {"type": "agent_session_stopped", "channel": channel.id, "user": user, "thread_ts": thread_ts}
        stamped = {**event, "streaming_message_ts": running, "event_ts": self.space.next_ts()}
        self.space.feed.publish("session", channel=channel.id, thread_ts=thread_ts, user=user, stopped=True)
        self.tell(stamped, "agent_session_stopped", channel)

    def retitle(self, channel: Channel, thread_ts: str, title: str, user: str) -> None:
        """A person gives a session another title; the app is told."""
        session = self.space.sessions.get((channel.id, thread_ts))
        if session is None:
            raise Refused("session_not_found")
        event = {"type": "agent_session_title_changed", "channel": channel.id, "user": user}
        event |= {"team_id": self.space.team["id"], "thread_ts": thread_ts, "title": title}
        event |= {"previous_title": session.title} if session.title else {}
        session.title = title
        shown = self.session(channel.id, thread_ts)
        self.space.feed.publish("session", channel=channel.id, thread_ts=thread_ts, session=shown)
        self.tell({**event, "event_ts": self.space.next_ts()}, "agent_session_title_changed", channel)

    def look(self, user: str, channel: Channel, ts: str = "", canvas: str = "") -> None:
        """A person looks at something beside the open agent; what the app may see is told, now and with messages."""
        team = self.space.team["id"]
        entities = []
        if BOT_USER in channel.members or not channel.is_private:
            entities.append({"type": "slack#/types/channel_id", "value": channel.id, "team_id": team})
            if ts:
                value = {"channel_id": channel.id, "message_ts": ts}
                entities.append({"type": "slack#/types/message_context", "value": value, "team_id": team})
            if canvas:
                entities.append({"type": "slack#/types/canvas_id", "value": canvas, "team_id": team})
        self.space.contexts[user] = {"entities": entities}
        event = {"type": "app_context_changed", "user": user, "channel": self.space.direct(user, BOT_USER).id}
        self.tell({**event, "context": {"entities": entities}}, "app_context_changed")


def _letter(channel: Channel) -> str:
    return "G" if channel.is_private else "C"
