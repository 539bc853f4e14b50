"""What an app sends, judged by Slack's own SDK: argument names by its clients, blocks and views by its models."""

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from loopback.slack.blocks import message_problems, view_problems

# Refusals that say the call was badly made, whatever the workspace looks like.
_BADLY_MADE = (
    *("invalid_blocks", "invalid_blocks_format", "invalid_arguments", "invalid_chunks", "invalid_metadata_format"),
    *(
        "msg_too_long",
        "markdown_text_conflict",
        "no_text",
        "unknown_method",
        "missing_scope",
        "not_allowed_token_type",
    ),
)
# Sent besides the named parameters: by the SDK itself, or newer than its signatures.
_ALWAYS = {"team_id"}
_BESIDES: dict[str, set[str]] = {
    "api.test": {"foo"},
    "bookmarks.edit": {"type"},
    "chat.stopStream": {"session_status"},
}
_UNCHECKED = ("response_url", "acknowledgement")


def call_problems(method: str, args: Any) -> list[str]:
    """What Slack's SDK would not send with this method."""
    if not isinstance(args, dict):
        return []
    found = [] if method in _UNCHECKED else [f"argument {name}" for name in unknown_arguments(method, args)]
    blocks, view = args.get("blocks"), args.get("view")
    if isinstance(blocks, list):
        found += [f"{what} at {where}" for what, where in message_problems(blocks)]
        found += _model_problems(blocks)
    if isinstance(view, dict):
        found += [f"{what} at {where}" for what, where in view_problems(view)]
        found += list(_view_model_problems(view))
    return found


def refusal_problems(reply: Mapping[str, Any]) -> list[str]:
    """A call that Slack refuses because it was badly made is its author's mistake."""
    return [f"refused: {reply['error']}"] if reply.get("error") in _BADLY_MADE else []


def unknown_arguments(method: str, args: Mapping[str, Any]) -> list[str]:
    known = _parameters(method)
    return [] if known is None else sorted(args.keys() - known - _ALWAYS - _BESIDES.get(method, set()))


@cache
def _parameters(method: str) -> frozenset[str] | None:
    """The arguments that Slack's SDK names for a method, or None when it does not know it."""
    call = getattr(AsyncWebClient, method.replace(".", "_"), None)
    return frozenset(inspect.signature(call).parameters) if call is not None else None


def _model_problems(blocks: list[Any]) -> list[str]:
    found = []
    for number, block in enumerate(blocks):
        try:
            parsed = Block.parse(block)  # None for types that the models do not have yet
            if parsed is not None:
                parsed.to_dict()
        except (SlackObjectFormationError, TypeError) as error:
            found.append(f"{error} at /blocks/{number}")
    return found


def _view_model_problems(view: Mapping[str, Any]) -> Iterator[str]:
    try:
        View(**view).to_dict()
    except (SlackObjectFormationError, TypeError) as error:
        yield f"{error} in the view"
