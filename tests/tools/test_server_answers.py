"""What an agent gets of a server's answer, also of one that was kept for a colleague."""

from __future__ import annotations

import pytest

from bot.tools.mcp.answers import outcome, packed, unpacked
from connectors.mcp import CallResult, ToolInfo
from tests.tools.harness import context, store

INFO = ToolInfo("mcp__crm__find", "crm", "find", "", {}, None, True, False, True, False)


@pytest.mark.parametrize(("structured", "key"), [({"count": 6}, "text"), ({"text": "six"}, "said")])
def test_what_a_server_says_beside_its_data_reaches_the_agent(tmp_path, structured, key):
    answer = CallResult(structured, "all of it", False, beside="3 of 9 were skipped")
    with store(tmp_path) as db:
        ctx = context(db, tmp_path)
        for one in (answer, unpacked(packed(answer))):
            shown = outcome(ctx, INFO, one, trusted=True).content
            assert shown == {"ok": True, **structured, key: "3 of 9 were skipped"}
