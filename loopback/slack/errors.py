"""What the local Slack says no to."""

from typing import Any


class Refused(Exception):
    """A request Slack would refuse: the error name, and more fields for the reply."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.more = more


def bad_argument(*messages: str) -> Refused:
    return Refused("invalid_arguments", response_metadata={"messages": [f"[ERROR] {one}" for one in messages]})
