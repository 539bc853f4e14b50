"""A model that only repeats: each agent's replies as a run's export kept them, in their order."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .interpreter import Forget, Reply
from .wire import ApiError


class Recording:
    """The brain of `python -m loopback.model --replay FILE`; FILE is what `cadre runs export` prints."""

    def __init__(self, file: Path) -> None:
        """Raises ValueError when the file holds no replies."""
        self._turns: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        try:
            turns = json.loads(file.read_text("utf-8"))["turns"]
            for turn in turns:
                self._turns[turn["agent"]].append(turn)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} is not the export of a run: {error}") from error

    def __call__(self, body: Mapping[str, Any], _forget: Forget) -> Reply:
        agent = str((body.get("metadata") or {}).get("user_id") or "").rpartition("/")[2]
        number = sum(message["role"] == "assistant" for message in body["messages"])
        turns = self._turns.get(agent, [])
        if number >= len(turns):
            raise ApiError(
                400, f"The recording has {len(turns)} replies of {agent or 'nobody'}, and this asks for one more."
            )
        return Reply([dict(block) for block in turns[number]["content"]], turns[number]["stop_reason"])
