"""Money per model call, from its usage and a maintained price list."""

from __future__ import annotations

import datetime
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from bot.model.client import OFFLINE_MODEL
from bot.model.reply import Reply

NEW_TOKENS = 500  # what results and mail usually add to the next request
UNPRICED: set[str] = set()  # models the list was asked for in vain
OUTPUT_TOKENS = 300  # and what is usually written at least


def price(reply: Reply, price_as: str = "") -> Decimal:
    """USD for one reply; 0 for a model without a price. The offline model costs what `price_as` would."""
    return _usd(_model(reply, price_as), reply.usage)


def following(reply: Reply, price_as: str = "") -> Decimal:
    """USD that the agent's next request will likely cost: all it holds read from the cache, and a little more."""
    used = reply.usage
    usage = {
        "input": 0,
        "output": max(used["output"], OUTPUT_TOKENS),
        "cache_read": used["input"] + used["cache_read"] + used["cache_write"],
        "cache_write": used["output"] + NEW_TOKENS,
    }
    return _usd(_model(reply, price_as), usage)


def known(model: str) -> bool:
    """Whether the price list has this model. Asking it first also loads the list, which takes a moment."""
    return bool(model) and _usd(model, {"input": 1_000, "output": 1_000, "cache_read": 0, "cache_write": 0}) > 0


@dataclass(frozen=True)
class Rates:
    """USD per token of each kind, for requests of fewer than `below` tokens read."""

    per_token: dict[str, Decimal]
    below: int


@lru_cache(maxsize=64)
def _rates(model: str, _day: datetime.date) -> Rates | None:
    """A model's rates on a day, out of the list: asking the list for each reply costs as much as a small turn."""
    prices: Any = importlib.import_module("genai_prices")
    try:
        listed = prices.calc_price(prices.Usage(input_tokens=1), model_ref=model, provider_id="anthropic").model_price
    except LookupError:
        return None
    found: dict[str, Decimal] = {}
    below = 10**12
    for kind in ("input", "output", "cache_read", "cache_write"):
        rate = getattr(listed, f"{kind}_mtok")
        if tiers := getattr(rate, "tiers", ()):
            below, rate = min(below, *(tier.start for tier in tiers)), rate.base
        if not isinstance(rate, Decimal):
            return None
        found[kind] = rate / 1_000_000
    return Rates(found, below)


def _model(reply: Reply, price_as: str) -> str:
    return price_as if reply.model == OFFLINE_MODEL else reply.model


def _usd(model: str, used: Mapping[str, int]) -> Decimal:
    if not model or model in UNPRICED:
        return Decimal(0)
    rates = _rates(model, datetime.date.today())
    if rates and used["input"] + used["cache_read"] + used["cache_write"] < rates.below:
        return sum((used[kind] * rate for kind, rate in rates.per_token.items()), Decimal(0))
    prices: Any = importlib.import_module("genai_prices")
    usage = prices.Usage(
        input_tokens=used["input"] + used["cache_read"] + used["cache_write"],
        output_tokens=used["output"],
        cache_read_tokens=used["cache_read"],
        cache_write_tokens=used["cache_write"],
    )
    try:
        return Decimal(prices.calc_price(usage, model_ref=model, provider_id="anthropic").total_price)
    except LookupError:
        UNPRICED.add(model)
        return Decimal(0)
