"""What happens in the workspace: every change goes through here, becomes state, and is told to app and page."""

import copy
import secrets
from collections.abc import Mapping
from typing import Any

from loopback.slack import shapes
from loopback.slack.delivery import Delivery
from loopback.slack.seed import APP_ID, BOT_ID, BOT_USER, AppDefinition
from loopback.slack.state import Channel, File, Message, Workspace

CHANNEL_EVENTS = {"channel": "message.channels", "group": "message.groups", "im": "message.im"}


class Refused(Exception):
    """A request Slack would refuse: the error name, and more fields for the reply."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.more = more


class Desk:
    """The rules of the workspace for people and the app alike."""

    def __init__(self, space: Workspace, delivery: Delivery, app: AppDefinition) -> None:
        self.space = space
        self.delivery = delivery
        self.app = app

    # ---- events

    def tell(self, event: Mapping[str, Any], subscription: str) -> None:
        """Sends an event to the app if it subscribed to it."""
        if subscription not in self.app.events:
            return
        now = self.space.now()
        team = self.space.team["id"]
        self.delivery.event(
            {
                "token": "local-verification-token",
                "team_id": team,
                "context_team_id": team,
                "context_enterprise_id": None,
                "api_app_id": APP_ID,
                "event": {**copy.deepcopy(dict(event)), "event_ts": event.get("event_ts") or f"{now:.6f}"},
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
                "is_ext_shared_channel": False,
                "event_context": f"4-{secrets.token_hex(12)}",
            }
        )

    def _tell_message(self, channel: Channel, event: Mapping[str, Any]) -> None:
        if BOT_USER in channel.members:
            said = {**event, "channel": channel.id, "channel_type": channel.type}
            self.tell(said, CHANNEL_EVENTS[channel.type])

    # ---- membership

    def join(self, channel: Channel, user: str, inviter: str | None = None) -> None:
        if user in channel.members:
            return
        channel.members.append(user)
        self.space.feed.publish("member", channel=channel.id, user=user, joined=True)
        if BOT_USER in channel.members:
            event = {"type": "member_joined_channel", "user": user, "channel": channel.id}
            event |= {"channel_type": _letter(channel), "team": self.space.team["id"]}
            self.tell(event | ({"inviter": inviter} if inviter else {}), "member_joined_channel")

    def leave(self, channel: Channel, user: str) -> None:
        if user not in channel.members:
            raise Refused("not_in_channel")
        told = BOT_USER in channel.members
        channel.members.remove(user)
        self.space.feed.publish("member", channel=channel.id, user=user, joined=False)
        if told:
            event = {"type": "member_left_channel", "user": user, "channel": channel.id}
            event |= {"channel_type": _letter(channel), "team": self.space.team["id"]}
            self.tell(event, "member_left_channel")

    # ---- messages

    def authored(self, user: str) -> Message:
        """What every message by this person or app carries."""
        said: Message = {"type": "message", "user": user, "team": self.space.team["id"]}
        if user == BOT_USER:
            return said | {"bot_id": BOT_ID, "app_id": APP_ID, "bot_profile": shapes.bot_profile(self.space)}
        return said | {"client_msg_id": secrets.token_hex(16)}

    def post(self, channel: Channel, user: str, content: Mapping[str, Any], thread_ts: str | None = None) -> Message:
        """Adds a message; raises Refused when the thread does not exist."""
        if thread_ts and thread_ts not in channel.messages:
            raise Refused("thread_not_found")
        if thread_ts:
            thread_ts = shapes.thread_of(channel.messages[thread_ts])
        said = {**self.authored(user), "text": "", **content, "ts": self.space.next_ts()}
        if thread_ts:
            said |= {"thread_ts": thread_ts, "parent_user_id": channel.messages[thread_ts].get("user", "")}
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
            self.tell({**heard, "type": "app_mention", "channel": channel.id}, "app_mention")
        self._tell_message(channel, event)

    def edit(self, channel: Channel, ts: str, changes: Mapping[str, Any], by: str) -> Message:
        """Changes a message; a person's edit and a plain text change are marked as edited."""
        said = channel.messages[ts]
        before = copy.deepcopy(shapes.message(channel, said))
        said |= changes
        self.name_blocks(said.get("blocks"))
        if by != BOT_USER or not said.get("blocks"):
            said["edited"] = {"user": by, "ts": self.space.next_ts()}
        self._published("message_changed", channel, said)
        now = shapes.message(channel, said)
        fresh = f"<@{BOT_USER}>" in said["text"] and f"<@{BOT_USER}>" not in before["text"]
        if fresh and by != BOT_USER and BOT_USER in channel.members and not channel.is_im:
            self.tell({**now, "type": "app_mention", "channel": channel.id, "event_ts": ts}, "app_mention")
        changed = {"type": "message", "subtype": "message_changed", "hidden": True, "ts": self.space.next_ts()}
        self._tell_message(channel, {**changed, "message": now, "previous_message": before})
        return said

    def delete(self, channel: Channel, ts: str) -> None:
        before = copy.deepcopy(shapes.message(channel, channel.messages[ts]))
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
            self.tell({**event, "event_ts": self.space.next_ts()}, kind)

    def share(
        self, channel: Channel, files: list[File], user: str, content: Mapping[str, Any], thread_ts: str | None
    ) -> Message:
        """Posts files into a channel as one message."""
        shared = {**content, "subtype": "file_share", "upload": True, "display_as_bot": False}
        shown = [shapes.file(self.space, one) for one in files]
        said = self.post(channel, user, {**shared, "files": shown}, thread_ts)
        for one in files:
            one.shares.append((channel.id, said["ts"]))
        return said

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
        self.tell(stamped, "agent_session_stopped")


def _letter(channel: Channel) -> str:
    return "G" if channel.is_private else "C"
