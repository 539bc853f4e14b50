"""The command line as its user has it: arguments in, words or JSON out, and an exit code."""

from __future__ import annotations

import asyncio
import json
import tarfile

import pytest
from typer.testing import CliRunner

from bot.app import SKILLS, open_store
from bot.cli import app
from bot.coordinator import schedules
from bot.coordinator.recurring import parse
from bot.errors import CadreError
from bot.local import Options, ask_once
from bot.settings import load
from bot.types import Request

REAL = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "ANTHROPIC_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS")


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in REAL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CADRE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def cadre(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    if isinstance(done.exception, CadreError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


def recurring(tx, text="every weekday at 9:00 digest this channel"):
    request = Request(team="T", channel="C", thread="", key="", kind="mention", user="U", text=text)
    schedules.add(tx, request, parse(text), "Europe/Brussels")


def with_store(work):
    db, clock = open_store(load())
    try:
        return db.write_now(work)
    finally:
        db.close()
        clock.close()


def test_a_home_is_made_once_and_its_settings_are_told_with_secrets_masked(home, monkeypatch):
    cadre("init")
    kept = home / "cadre.env"
    kept.write_text("CADRE_ZONE=Europe/Brussels\nSLACK_BOT_TOKEN=xoxb-very-secret\n")
    cadre("init")
    assert "Europe/Brussels" in kept.read_text()
    monkeypatch.setenv("CADRE_MODEL", "offline")
    told = {row["name"]: row for row in json.loads(cadre("settings", "--json"))}
    assert (told["CADRE_ZONE"]["value"], told["CADRE_ZONE"]["source"]) == ("Europe/Brussels", "file")
    assert told["CADRE_MODEL"]["source"] == "environment"
    assert told["SLACK_BOT_TOKEN"]["value"] == "***"
    assert "very-secret" not in cadre("settings")


def test_the_doctor_names_what_is_missing_and_how_to_mend_it(home, monkeypatch):
    cadre("init")
    monkeypatch.setenv("CADRE_MCP_SERVERS", json.dumps({"gone": {"command": "no-such-program"}}))
    told = json.loads(cadre("doctor", "--json", code=1))
    checks = {one["name"]: one for one in told["checks"]}
    assert checks["database"]["ok"] and checks["home"]["ok"]
    assert "SLACK_BOT_TOKEN" in checks["slack"]["fix"]
    assert not checks["mcp"]["ok"] and "gone" in checks["mcp"]["detail"]


def test_a_backup_brings_everything_back_and_a_damaged_one_changes_nothing(home, tmp_path):
    cadre("init")
    with_store(recurring)
    (home / "runs" / "run-1").mkdir(parents=True)
    (home / "runs" / "run-1" / "report.md").write_text("kept")
    file = tmp_path / "backup.tar.gz"
    cadre("backup", file)

    (home / "runs" / "run-1" / "report.md").write_text("changed since")
    with_store(recurring)
    with pytest.raises(CadreError, match="--force replaces"):
        cadre("restore", file)
    with tarfile.open(file, "r:gz") as packed:
        packed.extractall(tmp_path / "bad", filter="data")
    (tmp_path / "bad" / "runs" / "run-1" / "report.md").write_text("altered")
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "bad", ".")
    with pytest.raises(CadreError, match=r"damaged at runs/run-1/report.md; nothing was changed"):
        cadre("restore", tmp_path / "bad.tar.gz", "--force")
    assert (home / "runs" / "run-1" / "report.md").read_text() == "changed since"

    cadre("restore", file, "--force")
    assert (home / "runs" / "run-1" / "report.md").read_text() == "kept"
    assert len(json.loads(cadre("schedules", "list", "--json"))) == 1


def test_recurring_requests_are_listed_held_and_asked_for_at_once(home):
    with_store(recurring)
    (row,) = json.loads(cadre("schedules", "list", "--json"))
    times = json.loads(cadre("schedules", "next", row["id"], "--count", 6, "--json"))
    assert all(time[11:16] == "09:00" for time in times)
    cadre("schedules", "pause", row["id"])
    assert json.loads(cadre("schedules", "list", "--json"))[0]["status"] == "paused"
    cadre("schedules", "resume", row["id"])
    cadre("schedules", "run", row["id"])
    kept = with_store(lambda tx: [r.text for r in schedules_asked(tx)])
    assert kept == ["digest this channel"]
    words = "every day at 9 digest this channel in a canvas"
    added = json.loads(cadre("schedules", "add", words, "--channel", "C", "--as", "U", "--json"))
    assert (added["request"], added["canvas"]) == ("digest this channel", True)
    assert "digest this channel (in a canvas)\n" in cadre("schedules", "list")
    with pytest.raises(CadreError, match="cadre schedules list"):
        cadre("schedules", "pause", "auto-none")
    cadre("schedules", "add", "now and then", "--channel", "C", "--as", "U", code=2)


def schedules_asked(tx):
    from bot.coordinator.intake import untaken

    return untaken(tx)


def test_a_run_is_worked_again_with_the_replies_its_model_gave(home):
    done = asyncio.run(ask_once("digest this channel", Options(keep=home)))
    assert done["run"]["status"] == "done"
    told = json.loads(cadre("runs", "replay", done["run"]["id"], "--json"))
    assert told["differs"] == {}
    assert told["again"]["run"]["status"] == "done"


def test_a_recording_that_is_none_is_refused_by_name(home, tmp_path):
    with pytest.raises(CadreError, match="There is no run run-none"):
        cadre("runs", "export", "run-none")


def test_skills_are_listed_found_and_shown(home):
    listed = json.loads(cadre("skills", "list", "--json"))
    assert "quarterly-close" in [one["name"] for one in listed]
    assert (
        json.loads(cadre("skills", "search", "quarterly close of the books", "--json"))[0]["name"]
        == "quarterly-close"
    )
    told = json.loads(cadre("skills", "show", "quarterly-close", "--json"))
    assert "check_tie_out.py" in told["checks"] and "analyst" in told["roles"] and "Q" in told["text"]
    cadre("skills", "show", "none", code=2)


def test_every_skill_of_the_product_can_be_used_and_a_broken_one_is_told_by_place(home, tmp_path):
    for place in SKILLS.iterdir():
        assert "can be used" in cadre("skills", "validate", place)
    cadre("skills", "validate", tmp_path, code=1)
    (tmp_path / "roles").mkdir()
    (tmp_path / "SKILL.md").write_text("---\nname: broken\n---\nText.")
    (tmp_path / "roles" / "lead.md").write_text("---\nname: lead\ntools: []\n---\nLead.")
    (tmp_path / "playbook.yml").write_text('match: [{pattern: "("}]\nchecks: [{script: none.py}]\n')
    found = json.loads(cadre("skills", "validate", tmp_path, "--json", code=1))["problems"]
    for words in (
        "without a description",
        "'(' is no regular expression",
        "purpose: Field required",
        "no script 'none.py'",
    ):
        assert any(words in one for one in found), found
    assert len(found) == 4
