"""Money per model call, from its usage and a maintained price list."""

from __future__ import annotations

import importlib
from decimal import Decimal

from bot.model.client import OFFLINE_MODEL, Reply


def price(reply: Reply) -> Decimal:
    """USD for one reply; 0 for the offline model and for models the price list does not know."""
    if reply.model == OFFLINE_MODEL:
        return Decimal(0)
    prices = importlib.import_module("genai_prices")
    usage = prices.Usage(
        input_tokens=reply.usage["input"] + reply.usage["cache_read"] + reply.usage["cache_write"],
        output_tokens=reply.usage["output"],
        cache_read_tokens=reply.usage["cache_read"],
        cache_write_tokens=reply.usage["cache_write"],
    )
    try:
        return Decimal(prices.calc_price(usage, model_ref=reply.model, provider_id="anthropic").total_price)
    except LookupError:
        return Decimal(0)
