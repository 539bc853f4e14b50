"""Anthropic's Message Batches: many requests at half the price, answered within a day."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator, Collection, Mapping
from decimal import Decimal
from typing import Any

from bot.errors import CadreError, DependencyFailed
from bot.model.client import AnthropicModel, ModelRejected, Prompt
from bot.model.reply import COUNTS, Reply

SHARE = Decimal("0.5")  # of the usual price
SKEW_S = 600.0  # by which the server's clock may be behind ours


class Batches:
    """The batch endpoint of the server that a model is at."""

    def __init__(self, model: AnthropicModel) -> None:
        self._api = model.batches

    async def create(self, prompts: Mapping[str, Prompt]) -> str:
        """Hand requests in under ids of our own; returns the batch's id. Raises DependencyFailed or ModelRejected."""
        requests = []
        for name, prompt in prompts.items():
            params = json.loads(prompt.body())
            del params["stream"]
            requests.append({"custom_id": name, "params": params})
        try:
            return str((await self._api.create(requests=requests)).id)
        except Exception as error:
            raise _told(error) from error

    async def find(self, names: Collection[str], since: float) -> str | None:
        """The batch that was handed in with requests of exactly these names at `since` or later, "" when there is
        none; None while one that it may be has not ended, because names are known only then."""
        try:
            maybe = False
            async for one in self._api.list(limit=100):
                if one.created_at.timestamp() < since - SKEW_S:
                    break
                counts = one.request_counts
                many = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
                if many != len(names):
                    continue
                if one.processing_status != "ended":
                    maybe = True
                elif await self._first(one.id) in names:
                    return str(one.id)
            return None if maybe else ""
        except Exception as error:
            raise _told(error) from error

    async def _first(self, batch: str) -> str:
        results = await self._api.results(batch)
        try:
            async for one in results:
                return str(one.custom_id)
            return ""
        finally:
            await results.close()

    async def ended(self, batch: str) -> bool:
        """Whether every request of a batch has ended."""
        try:
            return bool((await self._api.retrieve(batch)).processing_status == "ended")
        except Exception as error:
            raise _told(error) from error

    async def replies(self, batch: str) -> AsyncIterator[tuple[str, Reply | str]]:
        """The replies by our ids; words where a request has none."""
        try:
            async for one in await self._api.results(batch):
                told = one.result.model_dump(mode="json", exclude_none=True)
                yield one.custom_id, _reply(told["message"]) if told["type"] == "succeeded" else _words(told)
        except Exception as error:
            raise _told(error) from error

    async def cancel(self, batch: str) -> None:
        """Ask for no more answers; what is answered stays."""
        try:
            await self._api.cancel(batch)
        except Exception as error:
            raise _told(error) from error


def _reply(message: Mapping[str, Any]) -> Reply:
    usage = {ours: int(message["usage"].get(theirs) or 0) for theirs, ours in COUNTS.items()}
    return Reply(list(message["content"]), str(message["stop_reason"]), usage, str(message["model"]))


def _words(told: Mapping[str, Any]) -> str:
    error = told.get("error") or {}
    return str((error.get("error") or error).get("message") or f"the request was {told['type']}")


def _told(error: Exception) -> CadreError:
    """What an exception of the SDK means."""
    sdk: Any = importlib.import_module("anthropic")
    if isinstance(error, CadreError):
        return error
    if isinstance(error, sdk.APIStatusError) and 400 <= error.status_code < 500 and error.status_code != 429:
        return ModelRejected(f"The model's server did not take the batch: {str(error)[:300]}")
    return DependencyFailed(f"The model's batches do not answer properly: {type(error).__name__}")
