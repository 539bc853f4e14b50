"""People at work: what `/_local/act` does in somebody's name, and what a person or tester sees."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from loopback.slack import shapes
from loopback.slack.desk import Desk
from loopback.slack.envelopes import NotAnswered
from loopback.slack.errors import Refused
from loopback.slack.interactions import Interactions, elements_of
from loopback.slack.seed import BOT_USER
from loopback.slack.state import Channel, File, Message
from loopback.slack.typed import typed

Body = Mapping[str, Any]

_OPTION_OF = {"static_select": "selected_option", "radio_buttons": "selected_option", "overflow": "selected_option"}
_VALUE_OF = {
    "users_select": "selected_user",
    "conversations_select": "selected_conversation",
    "channels_select": "selected_channel",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}
_CHOSEN = ("selected_options", "selected_users", "selected_conversations", "selected_channels")


class People:
    """Acts for people and shows them their workspace."""

    def __init__(self, desk: Desk, interactions: Interactions) -> None:
        self._desk = desk
        self._space = desk.space
        self._interactions = interactions
        self._acts: dict[str, Callable[[str, Body], Awaitable[dict[str, Any]]]] = {
            "post": self._post,
            "slash": self._slash,
            "click": self._click,
            "submit": self._submit,
            "react": self._react,
            "edit": self._edit,
            "delete": self._delete,
            "upload": self._upload,
            "home": self._home,
            "stop": self._stop,
            "join": self._join,
            "leave": self._leave,
            "shortcut": self._shortcut,
            "suggest": self._suggest,
            "look": self._look,
            "rename": self._rename,
            "read": self._read,
        }

    async def act(self, body: Body) -> dict[str, Any]:
        """Does one thing as a person and tells what happened; a refusal is `{"ok": false, "error": …}`."""
        user = self._space.user(str(body.get("as", "")))
        do = self._acts.get(str(body.get("do", "")))
        if user is None:
            return {"ok": False, "error": "user_not_found", "message": f"Nobody is called {body.get('as')!r}."}
        if do is None:
            return {"ok": False, "error": "unknown_act", "message": f"do is one of {', '.join(self._acts)}."}
        try:
            return await do(user, body)
        except Refused as refused:
            return {"ok": False, "error": refused.error, **refused.more}
        except NotAnswered as error:
            return {"ok": False, "error": str(error), "message": "The app did not answer in time."}

    # ---- what a person can do

    async def _post(self, user: str, body: Body) -> dict[str, Any]:
        channel = self._channel(user, body)
        text = typed(str(body.get("text", "")), self._space)
        if not text.strip():
            raise Refused("no_text")
        content: Message = {"text": text}
        if body.get("thread_ts") and body.get("broadcast"):
            content["subtype"] = "thread_broadcast"
        said = self._desk.post(channel, user, content, body.get("thread_ts"))
        link = shapes.permalink(self._space, channel.id, said["ts"], said.get("thread_ts"))
        return {"ok": True, "channel": channel.id, "ts": said["ts"], "text": text, "permalink": link}

    async def _slash(self, user: str, body: Body) -> dict[str, Any]:
        if body.get("thread_ts"):
            raise Refused("slash_commands_not_supported_in_threads")
        command, _, rest = str(body.get("command") or body.get("text", "")).strip().partition(" ")
        text = str(body.get("text", "")) if body.get("command") else rest
        if body.get("command") and rest:
            text = f"{rest} {text}".strip()
        known = [name for name, _ in self._desk.app.commands]
        if command not in known:
            raise Refused("unknown_command", message=f"{command} is not a command here; there is {', '.join(known)}.")
        channel = self._channel(user, body)
        return await self._interactions.slash(user, channel, command, typed(text, self._space))

    async def _click(self, user: str, body: Body) -> dict[str, Any]:
        state = body.get("state") or {}
        if body.get("view_id"):
            view = self._view(user, str(body["view_id"]))
            return await self._interactions.click_view(user, _chosen(view["blocks"], body), state, view)
        channel = self._channel(user, body)
        place = self._place(user, channel, body)
        action = _chosen(place.get("blocks"), body)
        return await self._interactions.click(user, action, state or {"values": {}}, place, channel)

    async def _submit(self, user: str, body: Body) -> dict[str, Any]:
        stack = self._space.modals.get(user, [])
        view = self._view(user, str(body["view_id"])) if body.get("view_id") else stack[-1] if stack else None
        if view is None:
            raise Refused("view_not_found")
        if body.get("cancel"):
            return await self._interactions.dismiss(user, view)
        given = body.get("values") or (body.get("state") or {}).get("values") or {}
        return await self._interactions.submit(user, view, _values(view["blocks"], given))

    async def _react(self, user: str, body: Body) -> dict[str, Any]:
        channel = self._channel(user, body)
        name = str(body.get("name") or body.get("reaction") or body.get("value") or "").strip(":")
        if not name:
            raise Refused("invalid_name")
        self._desk.react(channel, str(body.get("ts", "")), user, name, remove=bool(body.get("remove")))
        return {"ok": True}

    async def _edit(self, user: str, body: Body) -> dict[str, Any]:
        channel, said = self._own(user, body)
        text = typed(str(body.get("text", "")), self._space)
        self._desk.edit(channel, said["ts"], {"text": text}, user)
        return {"ok": True, "ts": said["ts"], "text": text}

    async def _delete(self, user: str, body: Body) -> dict[str, Any]:
        channel, said = self._own(user, body)
        self._desk.delete(channel, said["ts"])
        return {"ok": True, "ts": said["ts"]}

    async def _upload(self, user: str, body: Body) -> dict[str, Any]:
        """One file, or several as `files`, with a message."""
        channel = self._channel(user, body)
        files = [self._keep(user, one) for one in body.get("files") or [body]]
        text = {"text": typed(str(body.get("text", "")), self._space)}
        said = self._desk.share(channel, files, user, text, body.get("thread_ts"))
        shown = [shapes.file(self._space, file) for file in files]
        return {"ok": True, "channel": channel.id, "ts": said["ts"], "file": shown[0], "files": shown}

    def _keep(self, user: str, body: Body) -> File:
        name = str(body.get("filename") or body.get("name") or "file.txt")
        if "content_b64" in body:
            content = base64.b64decode(body["content_b64"])
        else:
            content = str(body.get("content", "")).encode()
        title = str(body.get("title") or name)
        file = File(self._space.new_id("F"), name, title, user, int(self._space.now()), content, uploaded=True)
        self._space.files[file.id] = file
        return file

    async def _home(self, user: str, body: Body) -> dict[str, Any]:
        channel = self._space.direct(user, BOT_USER)
        home = self._space.homes.get(user)
        event: dict[str, Any] = {"type": "app_home_opened", "user": user, "channel": channel.id}
        event |= {"tab": body.get("tab", "home"), "event_ts": self._space.next_ts()}
        self._desk.tell(event | ({"view": home} if home else {}), "app_home_opened")
        return {"ok": True, "channel": channel.id, "view": home}

    async def _stop(self, user: str, body: Body) -> dict[str, Any]:
        channel = self._channel(user, body)
        ts = str(body.get("thread_ts") or body.get("ts") or "")
        said = channel.messages.get(ts)
        if said is None:
            raise Refused("thread_not_found")
        self._desk.stop(channel, shapes.thread_of(said), user)
        return {"ok": True, "thread_ts": shapes.thread_of(said)}

    async def _join(self, user: str, body: Body) -> dict[str, Any]:
        channel = self._visible(user, body)
        who = self._space.user(str(body["user"])) if body.get("user") else user
        if who is None:
            raise Refused("user_not_found")
        self._desk.join(channel, who, inviter=user if who != user else None)
        return {"ok": True, "channel": channel.id}

    async def _leave(self, user: str, body: Body) -> dict[str, Any]:
        channel = self._visible(user, body)
        who = self._space.user(str(body["user"])) if body.get("user") else user
        self._desk.leave(channel, who or user)
        return {"ok": True, "channel": channel.id}

    async def _shortcut(self, user: str, body: Body) -> dict[str, Any]:
        """A shortcut by its `callback_id`: of a message when `channel` and `ts` name one, else the global one."""
        kind = "message" if body.get("ts") else "global"
        known = [one.callback_id for one in self._desk.app.shortcuts if one.type == kind]
        callback_id = str(body.get("callback_id", ""))
        if callback_id not in known:
            raise Refused("unknown_shortcut", message=f"{kind} shortcuts here: {', '.join(known) or 'none'}.")
        if kind == "global":
            return await self._interactions.shortcut(user, callback_id, None)
        channel = self._channel(user, body)
        return await self._interactions.shortcut(user, callback_id, (channel, self._said(channel, body)))

    async def _suggest(self, user: str, body: Body) -> dict[str, Any]:
        """Types `value` into an external select of a message or a modal; the reply has the app's options."""
        if body.get("view_id"):
            view = self._view(user, str(body["view_id"]))
            blocks, place = view["blocks"], {"container": {"type": "view", "view_id": view["id"]}, "view": view}
        else:
            channel = self._channel(user, body)
            said = self._place(user, channel, body)
            container = {"type": "message", "message_ts": said["ts"], "channel_id": channel.id, "is_ephemeral": False}
            shown = {"channel": {"id": channel.id, "name": channel.name}, "message": shapes.message(channel, said)}
            blocks, place = said.get("blocks"), {"container": container, **shown}
        found = _matching(blocks, {"action_id": body.get("action_id"), "block_id": body.get("block_id")})
        if not found:
            raise Refused("action_not_found")
        block_id, element = found[0]
        asked = {"action_id": element["action_id"], "block_id": block_id, "value": str(body.get("value", ""))}
        return await self._interactions.suggest(user, asked, place)

    async def _look(self, user: str, body: Body) -> dict[str, Any]:
        """Looks at a channel, a message or a canvas beside the open agent; the app hears of it."""
        channel = self._visible(user, body)
        self._desk.look(user, channel, str(body.get("ts", "")), str(body.get("canvas", "")))
        return {"ok": True, "channel": channel.id}

    async def _rename(self, user: str, body: Body) -> dict[str, Any]:
        """Gives an agent's session another title."""
        channel = self._channel(user, body)
        title = str(body.get("title", ""))
        self._desk.retitle(channel, shapes.thread_of(self._said(channel, body)), title, user)
        return {"ok": True, "title": title}

    async def _read(self, user: str, body: Body) -> dict[str, Any]:
        """Marks a channel as read, up to `ts` or to its end."""
        channel = self._channel(user, body)
        channel.last_read[user] = str(body.get("ts") or max(channel.messages, default="0"))
        return {"ok": True, "last_read": channel.last_read[user]}

    # ---- finding what is meant

    def _said(self, channel: Channel, body: Body) -> Message:
        said = channel.messages.get(str(body.get("ts") or body.get("thread_ts") or ""))
        if said is None:
            raise Refused("message_not_found")
        return said

    def _visible(self, user: str, body: Body) -> Channel:
        wanted = str(body.get("channel", ""))
        channel = self._space.channel(wanted)
        if channel is None and (other := self._space.user(wanted)):
            channel = self._space.direct(user, other)
        if channel is None or not self._space.may_see(channel, user):
            raise Refused("channel_not_found", message=f"There is no channel {wanted!r} for this person.")
        return channel

    def _channel(self, user: str, body: Body) -> Channel:
        channel = self._visible(user, body)
        if user not in channel.members:
            raise Refused("not_in_channel", message=f"This person is not in #{channel.name}.")
        if channel.is_archived:
            raise Refused("is_archived", message=f"#{channel.name} is archived.")
        return channel

    def _own(self, user: str, body: Body) -> tuple[Channel, Message]:
        channel = self._channel(user, body)
        said = channel.messages.get(str(body.get("ts", "")))
        if said is None:
            raise Refused("message_not_found")
        if said.get("user") != user:
            raise Refused("not_your_message")
        return channel, said

    def _view(self, user: str, id: str) -> dict[str, Any]:
        for view in (*self._space.modals.get(user, []), self._space.homes.get(user, {})):
            if view.get("id") == id:
                return view
        raise Refused("view_not_found")

    def _place(self, user: str, channel: Channel, body: Body) -> Message:
        """The message with the element: by `ts`, else the latest that has it, in the thread when one is named."""
        whispers = [one for one in channel.ephemerals if one["to"] == user]
        everything = [*channel.messages.values(), *whispers]
        if body.get("ts"):
            found = next((one for one in everything if one["ts"] == body["ts"]), None)
            if found is None:
                raise Refused("message_not_found")
            return found
        thread = body.get("thread_ts")
        for said in sorted(everything, key=lambda one: one["ts"], reverse=True):
            if thread in (None, said["ts"], said.get("thread_ts")) and _matching(said.get("blocks"), body):
                return said
        raise Refused("action_not_found")


def _matching(blocks: Any, body: Body) -> list[tuple[str, dict[str, Any]]]:
    """The elements that a click may mean; a value tells buttons with the same action apart."""
    named = [
        (block_id, one)
        for block_id, one in elements_of(blocks)
        if one["action_id"] == body.get("action_id") and body.get("block_id") in (None, "", block_id)
    ]
    wanted = body.get("value")
    return [(id, one) for id, one in named if one["type"] != "button" or wanted in (None, one.get("value"))]


def _chosen(blocks: Any, body: Body) -> dict[str, Any]:
    """The action as block_actions tells it: the element, and what was chosen in it."""
    found = _matching(blocks, body)
    if not found:
        raise Refused("action_not_found")
    block_id, element = found[0]
    action = {"type": element["type"], "action_id": element["action_id"], "block_id": block_id}
    kept = ("text", "value", "style", "url", "placeholder")
    action |= {key: element[key] for key in kept if key in element}
    return action | _given(element, body)


def _given(element: Mapping[str, Any], body: Body) -> dict[str, Any]:
    """What a person put into an element, from the full form or from a bare `value`."""
    kind, value = element["type"], body.get("value")
    full = (*_OPTION_OF.values(), *_VALUE_OF.values(), *_CHOSEN, "rich_text_value")
    told = {key: body[key] for key in full if key in body}
    if told:
        return told
    options = {one["value"]: one for one in element.get("options", []) if isinstance(one, dict)}
    if kind in _OPTION_OF:
        if value not in options:
            raise Refused("option_not_found", message=f"{value!r} is not one of {', '.join(options)}.")
        return {"selected_option": options[value]}
    if kind == "checkboxes" or kind == "multi_static_select":
        wanted = value if isinstance(value, list) else [value]
        return {"selected_options": [options[one] for one in wanted if one in options]}
    if kind in _VALUE_OF:
        return {_VALUE_OF[kind]: value}
    if kind == "feedback_buttons":
        buttons = [element["positive_button"], element["negative_button"]]
        button = next((one for one in buttons if one.get("value") == value), None)
        return {"value": value, **({"text": button["text"]} if button else {})}
    return {"value": value} if kind != "button" and value is not None else {}


def _values(blocks: Any, given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A modal's state: as given in Slack's form, or from `{action_id or block_id: value}`; the rest at its start."""
    values: dict[str, dict[str, Any]] = {}
    for block in blocks:
        element = block.get("element") or block.get("accessory")
        if not isinstance(element, dict) or "action_id" not in element:
            continue
        id, action = block["block_id"], element["action_id"]
        told = given.get(id, given.get(action))
        if isinstance(told, dict) and isinstance(told.get(action), dict):
            shown = {"type": element["type"], **told[action]}
        elif told is not None and element["type"].endswith("_input"):
            shown = {"type": element["type"], "value": told}
        elif told is not None:
            shown = {"type": element["type"], **_given(element, {"value": told})}
        else:
            shown = {"type": element["type"], **_initial(element)}
        values.setdefault(id, {})[action] = shown
    return values


def _initial(element: Mapping[str, Any]) -> dict[str, Any]:
    if element["type"].endswith("_input"):
        return {"value": element.get("initial_value")}
    starts = {key.removeprefix("initial_"): value for key, value in element.items() if key.startswith("initial_")}
    return {f"selected_{key}": value for key, value in starts.items()}
