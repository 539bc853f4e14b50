"""What an app and a person exchange besides messages: triggers, response addresses, modals, clicks and commands."""

import copy
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from loopback.control import CallLog
from loopback.slack import shapes
from loopback.slack.blocks import message_problems, view_problems
from loopback.slack.desk import Desk
from loopback.slack.errors import Refused
from loopback.slack.seed import APP_ID, BOT_ID, BOT_USER
from loopback.slack.state import Channel, Message

TRIGGER_S = 3.0
RESPONSE_S = 1800.0
RESPONSE_USES = 5
MODALS = 3


@dataclass
class _Trigger:
    user: str
    at: float
    used: bool = False


@dataclass
class _ResponseUrl:
    """Where an app may answer an interaction, five times within half an hour."""

    user: str
    channel: str
    at: float
    message: Message | None = None
    uses: int = 0


class Interactions:
    """Slash commands, clicks and modals on their way to the app and what comes back."""

    def __init__(self, desk: Desk, log: CallLog) -> None:
        self._desk = desk
        self._space = desk.space
        self._log = log
        self.reset()

    def reset(self) -> None:
        self._triggers: dict[str, _Trigger] = {}
        self._addresses: dict[str, _ResponseUrl] = {}

    # ---- triggers and views

    def trigger(self, user: str) -> str:
        """A single-use permission to open a modal, good for three seconds."""
        id = f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        self._triggers[id] = _Trigger(user, self._space.now())
        return id

    def use_trigger(self, id: str) -> str:
        """The person who caused the trigger; raises as Slack does when it cannot be used."""
        trigger = self._triggers.get(id)
        if trigger is None:
            raise Refused("invalid_trigger_id")
        if trigger.used:
            raise Refused("exchanged_trigger_id")
        if self._space.now() - trigger.at > TRIGGER_S:
            raise Refused("expired_trigger_id")
        trigger.used = True
        return trigger.user

    def new_view(self, given: Mapping[str, Any], previous: dict[str, Any] | None = None) -> dict[str, Any]:
        """A view as Slack tells it; `previous` is the one below it on the stack."""
        self._desk.name_blocks(given["blocks"])
        id = self._space.new_id("V")
        team = self._space.team["id"]
        return {
            "id": id,
            "team_id": team,
            "type": given["type"],
            "title": given.get("title"),
            "submit": given.get("submit"),
            "close": given.get("close"),
            "blocks": given["blocks"],
            "private_metadata": given.get("private_metadata", ""),
            "callback_id": given.get("callback_id", ""),
            "external_id": given.get("external_id", ""),
            "state": {"values": {}},
            "hash": f"{int(self._space.now())}.{secrets.token_hex(4)}",
            "clear_on_close": bool(given.get("clear_on_close")),
            "notify_on_close": bool(given.get("notify_on_close")),
            "root_view_id": previous["root_view_id"] if previous else id,
            "previous_view_id": previous["id"] if previous else None,
            "app_id": APP_ID,
            "app_installed_team_id": team,
            "bot_id": BOT_ID,
        }

    def push(self, user: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Puts a view on top of the person's stack."""
        stack = self._space.modals.setdefault(user, [])
        if len(stack) >= MODALS:
            raise Refused("push_limit_reached")
        if self._space.modal(given.get("external_id") or ""):
            raise Refused("duplicate_external_id")
        view = self.new_view(given, stack[-1] if stack else None)
        stack.append(view)
        self._changed(user)
        return view

    def update(self, user: str, view: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Changes an open view in place."""
        kept = ("id", "root_view_id", "previous_view_id", "external_id")
        view |= {key: value for key, value in self.new_view(given).items() if key not in kept}
        self._changed(user)
        return view

    def close(self, user: str, *, all: bool = False) -> None:
        """Takes the top view, or the whole stack, away from a person."""
        stack = self._space.modals.get(user, [])
        del stack[0 if all else -1 :]
        self._changed(user)

    def _changed(self, user: str) -> None:
        self._space.feed.publish("view", user=user, views=self._space.modals.get(user, []))

    async def submit(self, user: str, view: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """Submits a modal and does what the app answers: errors, update, push, clear, or close."""
        view["state"] = {"values": dict(values)}
        payload = {**self._common(user), "type": "view_submission", "view": copy.deepcopy(view)}
        payload["response_urls"] = list(self._response_urls(user, view))
        answer = await self._desk.delivery.ask("interactive", "view_submission", payload)
        action = answer.get("response_action") if isinstance(answer, dict) else None
        if action == "errors":
            return {"ok": True, "errors": answer.get("errors", {})}
        if action in ("update", "push"):
            problems = view_problems(answer.get("view"))
            if problems:
                return {"ok": False, "error": "invalid_view", "problems": [list(one) for one in problems]}
            shown = self.update(user, view, answer["view"]) if action == "update" else self.push(user, answer["view"])
            return {"ok": True, "response_action": action, "view": shown}
        below = [one for one in self._space.modals.get(user, []) if one is not view]
        self.close(user, all=action == "clear")
        if action == "clear":
            for one in below:
                await self._tell_closed(user, one, cleared=True)
        return {"ok": True, "response_action": action or "close"}

    def _response_urls(self, user: str, view: Mapping[str, Any]) -> Iterator[dict[str, str]]:
        """An address for each conversation chosen in a field that asks for one."""
        for block in view["blocks"]:
            element = block.get("element") or {}
            if not element.get("response_url_enabled"):
                continue
            given = view["state"]["values"].get(block["block_id"], {}).get(element["action_id"], {})
            chosen = given.get("selected_conversation") or given.get("selected_channel")
            if chosen in self._space.channels:
                where = {"block_id": block["block_id"], "action_id": element["action_id"], "channel_id": chosen}
                yield {**where, "response_url": self.address(user, chosen, None)}

    async def dismiss(self, user: str, view: dict[str, Any]) -> dict[str, Any]:
        """Closes a modal without submitting; the app hears of it when it asked to."""
        self.close(user)
        await self._tell_closed(user, view, cleared=False)
        return {"ok": True}

    async def _tell_closed(self, user: str, view: dict[str, Any], *, cleared: bool) -> None:
        if view["notify_on_close"]:
            payload = {**self._common(user), "type": "view_closed", "view": view, "is_cleared": cleared}
            del payload["trigger_id"]
            await self._desk.delivery.ask("interactive", "view_closed", payload)

    # ---- clicks and commands

    async def click(
        self, user: str, action: dict[str, Any], state: Mapping[str, Any], place: Message, channel: Channel
    ) -> dict[str, Any]:
        """A person uses an element of a message."""
        ephemeral = bool(place.get("ephemeral"))
        said = shapes.message(channel, place, metadata=True)
        shown = {key: value for key, value in said.items() if key not in ("ephemeral", "to")}
        container = {
            "type": "message",
            "message_ts": place["ts"],
            "channel_id": channel.id,
            "is_ephemeral": ephemeral,
            **({"thread_ts": place["thread_ts"]} if place.get("thread_ts") else {}),
        }
        payload = {
            **self._common(user),
            "type": "block_actions",
            "container": container,
            "channel": {"id": channel.id, "name": "directmessage" if channel.is_im else channel.name},
            "message": copy.deepcopy(shown),
            "state": dict(state),
            "response_url": self.address(user, channel.id, place),
            "actions": [{**action, "action_ts": self._space.next_ts()}],
        }
        await self._desk.delivery.ask("interactive", "block_actions", payload)
        return {"ok": True, "action": action}

    async def click_view(
        self, user: str, action: dict[str, Any], state: Mapping[str, Any], view: dict[str, Any]
    ) -> dict[str, Any]:
        """A person uses an element of a modal or of the home tab."""
        view["state"] = dict(state) or view["state"]
        payload = {
            **self._common(user),
            "type": "block_actions",
            "container": {"type": "view", "view_id": view["id"]},
            "view": copy.deepcopy(view),
            "actions": [{**action, "action_ts": self._space.next_ts()}],
        }
        await self._desk.delivery.ask("interactive", "block_actions", payload)
        return {"ok": True, "action": action}

    async def slash(self, user: str, channel: Channel, command: str, text: str) -> dict[str, Any]:
        """A person gives a slash command; the app's acknowledgement may answer at once."""
        name = "directmessage" if channel.is_im else "privategroup" if channel.is_private else channel.name
        address = self.address(user, channel.id, None)
        payload = {
            "token": "local-verification-token",
            "team_id": self._space.team["id"],
            "team_domain": self._space.team["domain"],
            "channel_id": channel.id,
            "channel_name": name,
            "user_id": user,
            "user_name": self._space.users[user]["name"],
            "command": command,
            "text": text,
            "api_app_id": APP_ID,
            "is_enterprise_install": "false",
            "response_url": address,
            "trigger_id": self.trigger(user),
        }
        answer = await self._desk.delivery.ask("slash_commands", command, payload)
        told = {"text": answer} if isinstance(answer, str) else answer
        if told.get("text") or told.get("blocks"):
            said = self._respond(user, channel, told)
            return {"ok": True, "ack": told, "ts": said["ts"]}
        return {"ok": True, "ack": told}

    async def shortcut(self, user: str, callback_id: str, place: tuple[Channel, Message] | None) -> dict[str, Any]:
        """A person picks a shortcut, from a message's menu when there is a `place`."""
        common = {**self._common(user), "callback_id": callback_id, "action_ts": self._space.next_ts()}
        del common["api_app_id"]
        if place is None:
            await self._desk.delivery.ask("interactive", "shortcut", {**common, "type": "shortcut"})
            return {"ok": True}
        channel, said = place
        payload = {
            **common,
            "type": "message_action",
            "user": {key: value for key, value in common["user"].items() if key != "username"},
            "channel": {"id": channel.id, "name": "directmessage" if channel.is_im else channel.name},
            "message_ts": said["ts"],
            "message": copy.deepcopy(shapes.message(channel, said, metadata=True)),
            "response_url": self.address(user, channel.id, None),
        }
        await self._desk.delivery.ask("interactive", "message_action", payload)
        return {"ok": True}

    async def suggest(self, user: str, asked: Mapping[str, Any], place: Mapping[str, Any]) -> dict[str, Any]:
        """A person types into a select whose options the app gives; `asked` names the element and what was typed."""
        common = self._common(user)
        del common["trigger_id"]
        payload = {**common, "type": "block_suggestion", **asked, **copy.deepcopy(dict(place))}
        answer = await self._desk.delivery.ask("interactive", "block_suggestion", payload)
        told = answer if isinstance(answer, dict) else {}
        return {"ok": True, "options": told.get("options", []), "option_groups": told.get("option_groups", [])}

    def _common(self, user: str) -> dict[str, Any]:
        team = {"id": self._space.team["id"], "domain": self._space.team["domain"]}
        return {
            "team": team,
            "user": shapes.person(self._space, user),
            "api_app_id": APP_ID,
            "token": "local-verification-token",
            "trigger_id": self.trigger(user),
            "enterprise": None,
            "is_enterprise_install": False,
        }

    # ---- response addresses

    def address(self, user: str, channel: str, message: Message | None) -> str:
        key = f"{self._space.team['id']}/{secrets.token_hex(12)}"
        self._addresses[key] = _ResponseUrl(user, channel, self._space.now(), message)
        return f"{self._space.url}/response/{key}"

    async def responded(self, request: web.Request) -> web.Response:
        """POST to a response address."""
        body = json.loads(await request.read() or b"{}")
        self._log.append({"server": "slack", "kind": "request", "name": "response_url", "as": BOT_USER, "body": body})
        address = self._addresses.get(f"{request.match_info['team']}/{request.match_info['id']}")
        error = self._unusable(address)
        if error or address is None:
            return web.json_response({"ok": False, "error": error}, status=404)
        address.uses += 1
        problems = message_problems(body["blocks"]) if body.get("blocks") else []
        channel = self._space.channels[address.channel]
        try:
            if problems:
                raise Refused("invalid_blocks")
            if address.message is not None and (body.get("replace_original") or body.get("delete_original")):
                self._replace(channel, address.message, body)
            elif body.get("text") or body.get("blocks"):
                self._respond(address.user, channel, body)
            else:
                raise Refused("no_text")
        except Refused as refused:
            return web.json_response({"ok": False, "error": refused.error}, status=400)
        return web.Response(text="ok")

    def _unusable(self, address: _ResponseUrl | None) -> str:
        if address is None:
            return "invalid_url"
        if self._space.now() - address.at > RESPONSE_S:
            return "expired_url"
        return "used_url" if address.uses >= RESPONSE_USES else ""

    def _respond(self, user: str, channel: Channel, body: Mapping[str, Any]) -> Message:
        content = {key: body[key] for key in ("text", "blocks", "attachments", "metadata") if body.get(key)}
        if body.get("response_type") == "in_channel":
            return self._desk.post(channel, BOT_USER, content, body.get("thread_ts"))
        return self._desk.whisper(channel, user, content, body.get("thread_ts"))

    def _replace(self, channel: Channel, message: Message, body: Mapping[str, Any]) -> None:
        content = {key: body[key] for key in ("text", "blocks", "attachments", "metadata") if key in body}
        if message.get("ephemeral"):
            if message in channel.ephemerals:
                self._desk.unwhisper(channel, message)
            if not body.get("delete_original"):
                self._desk.whisper(channel, message["to"], content, message.get("thread_ts"))
        elif message["ts"] not in channel.messages:
            raise Refused("message_not_found")
        elif body.get("delete_original"):
            self._desk.delete(channel, message["ts"])
        else:
            self._desk.edit(channel, message["ts"], content, BOT_USER)


def elements_of(blocks: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every interactive element with the id of its block, also inside containers."""
    for block in blocks or []:
        inside = [
            *(block.get("elements") or []),
            block.get("accessory"),
            block.get("element"),
            *block.get("actions", []),
        ]
        for element in inside:
            if isinstance(element, dict) and "action_id" in element:
                yield block.get("block_id", ""), element
        for key in ("blocks", "cards", "children", "tasks"):
            if isinstance(block.get(key), list):
                yield from elements_of([one for one in block[key] if isinstance(one, dict)])
