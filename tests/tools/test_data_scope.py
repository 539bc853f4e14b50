"""What a role may read of the Drive: files by name, or everything below a folder; the rest is not even listed."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import ModelMustRetry
from bot.tools.google import GoogleTools
from bot.tools.google_accounts import connect
from tests.loopback.google_harness import running, seed
from tests.tools.harness import context, run_row, store, use


@pytest.fixture
def drive(tmp_path):
    """Reads with Google's tools as an agent whose role has these data."""
    with running(seed(tmp_path / "drive")) as google, store(tmp_path) as db:
        run_row(db, "run-a")
        workspace = connect(google.url, "")
        tools = {tool.name: tool for tool in GoogleTools(workspace, "").tools()}

        def go(data, name, **args):
            named = {k: google.named(v) if k == "file_id" else v for k, v in args.items()}
            ctx = context(db, tmp_path, call_id=f"toolu_{abs(hash((data, name, str(args))))}", data=data)
            return asyncio.run(use(tools, ctx, f"google__{name}", **named)).content

        yield go
        workspace.close()


def names(content):
    return {file["name"] for file in content["files"]}


def test_without_a_scope_everything_is_listed_and_with_one_only_what_lies_in_it(drive):
    everything = names(drive(None, "drive_list"))
    assert {"Plan", "Rules", "people.csv"} <= everything
    assert names(drive(("google",), "drive_list")) == everything
    assert names(drive(("google:Team",), "drive_list")) == {"Team", "people.csv", "Notes.md"} & everything
    assert names(drive(("google:Pl*",), "drive_list")) == {"Plan"}
    assert names(drive(("google:Plan",), "drive_search", query="harbour")) == set()


def test_a_file_outside_the_scope_is_refused_by_name_and_one_inside_is_read(drive):
    assert drive(("google:Team",), "drive_read", file_id="people.csv")["ok"]
    for tool, file in (("sheets_read", "Plan"), ("docs_read", "Rules"), ("drive_read", "Plan")):
        with pytest.raises(ModelMustRetry, match=f"{file} is outside the data of your role: google:Team"):
            drive(("google:Team",), tool, file_id=file)
