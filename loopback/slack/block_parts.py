"""What blocks are made of: texts, images and interactive elements, and Slack's limits for them."""

from collections.abc import Iterator, Mapping
from typing import Any

Problem = tuple[str, str]  # what is wrong, and the JSON pointer to it
Problems = Iterator[Problem]

ELEMENTS = {
    "actions": (
        *("button", "overflow", "checkboxes", "radio_buttons", "datepicker", "timepicker", "datetimepicker"),
        *("static_select", "external_select", "users_select", "conversations_select", "channels_select"),
        *("multi_static_select", "multi_external_select", "multi_users_select", "workflow_button"),
        *("multi_conversations_select", "multi_channels_select", "icon_button"),
    ),
    "context_actions": ("feedback_buttons", "icon_button"),
    "context": ("image", "plain_text", "mrkdwn"),
}


def text_problems(text: Any, at: str, most: int, *, plain: bool = False) -> Problems:
    """A text object of at most `most` characters."""
    if not isinstance(text, dict):
        yield "missing required field or not a text object", at
        return
    if text.get("type") not in (("plain_text",) if plain else ("plain_text", "mrkdwn")):
        yield "must be plain_text" if plain else "must be plain_text or mrkdwn", f"{at}/type"
    for key in text.keys() - {"type", "text", "emoji", "verbatim"}:
        yield f"invalid additional property: {key}", at
    yield from word_problems(text.get("text"), f"{at}/text", most)


def word_problems(text: Any, at: str, most: int) -> Problems:
    """A string that is not empty and not too long."""
    if not isinstance(text, str) or not text:
        yield "must be more than 0 characters", at
    elif len(text) > most:
        yield f"must be less than {most + 1} characters", at


def image_problems(block: Mapping[str, Any], at: str) -> Problems:
    """An image block or element."""
    if not (block.get("image_url") or block.get("slack_file")):
        yield "missing required field: image_url", at
    yield from word_problems(block.get("alt_text"), f"{at}/alt_text", 2000)


def element_problems(element: Any, at: str, kinds: tuple[str, ...]) -> Problems:
    """An interactive element of one of these kinds."""
    if not isinstance(element, dict) or element.get("type") not in kinds:
        yield "unsupported element type", f"{at}/type"
        return
    if len(str(element.get("action_id", ""))) > 255:
        yield "must be less than 256 characters", f"{at}/action_id"
    kind = element["type"]
    if kind == "button":
        yield from text_problems(element.get("text"), f"{at}/text", 75, plain=True)
        for key, most in (("value", 2000), ("url", 3000), ("accessibility_label", 75)):
            if key in element:
                yield from word_problems(element[key], f"{at}/{key}", most)
        if element.get("style", "primary") not in ("primary", "danger"):
            yield "must be primary or danger", f"{at}/style"
    elif kind == "image":
        yield from image_problems(element, at)
    elif kind == "feedback_buttons":
        for key in ("positive_button", "negative_button"):
            if not isinstance(element.get(key), dict):
                yield f"missing required field: {key}", at
    options = element.get("options")
    most = 5 if kind == "overflow" else 10 if kind in ("checkboxes", "radio_buttons") else 100
    if options is not None and (not isinstance(options, list) or not 1 <= len(options) <= most):
        yield f"must have 1 to {most} items", f"{at}/options"
