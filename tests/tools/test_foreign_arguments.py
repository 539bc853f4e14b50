"""Arguments against the schema of a connected server's tool."""

from __future__ import annotations

import pytest

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.tools.base import Tool


def tool(schema):
    return Tool("mcp__crm__find", "Find.", Effect.OTHER, None, schema=schema)


@pytest.mark.timeout(30)
def test_what_does_not_fit_is_named_and_the_servers_own_patterns_are_left_to_it():
    schema = {"type": "object", "required": ["q"], "properties": {"q": {"type": "string", "pattern": "(a+)+$"}}}
    hostile = {"q": "a" * 40 + "!"}
    assert tool(schema).parse(hostile) == hostile
    with pytest.raises(ModelMustRetry, match="'q' is a required property"):
        tool(schema).parse({})
