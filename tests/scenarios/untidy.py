"""A capable but untidy model: its own order, parallel calls, a wrong argument, a forgotten check, text where a call
belongs, a premature finish, a needless question. It reads conversations as any model does and keeps nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from loopback.model.scripted import call, text

SKILL = "quarterly-close"
PERIOD = "2026-Q3"


@dataclass
class Talk:
    """One agent's conversation."""

    turns: int = 0
    calls: list[dict[str, Any]] = field(default_factory=list)  # {"name", "input", "result", "error"}
    mail: list[dict[str, Any]] = field(default_factory=list)

    def done(self, name: str, **wanted: Any) -> list[dict[str, Any]]:
        """Successful calls of a tool with these arguments."""
        return [
            c
            for c in self.calls
            if c["name"] == name and c["result"] and not c["error"] and wanted.items() <= c["input"].items()
        ]

    def failed(self, name: str) -> list[dict[str, Any]]:
        return [c for c in self.calls if c["name"] == name and c["error"]]

    def sent(self, to: str) -> list[dict[str, Any]]:
        return self.done("send_message", to=to)

    def heard(self, sender: str) -> list[dict[str, Any]]:
        return [m for m in self.mail if m["from"] == sender]


def read(body: dict[str, Any]) -> Talk:
    talk, known = Talk(), {}
    for message in body["messages"]:
        talk.turns += message["role"] == "assistant"
        for block in message["content"]:
            if block["type"] == "tool_use":
                known[block["id"]] = {"name": block["name"], "input": block["input"], "result": None, "error": False}
                talk.calls.append(known[block["id"]])
            elif block["type"] == "tool_result":
                known[block["tool_use_id"]]["result"] = json.loads(block["content"][0]["text"])
                known[block["tool_use_id"]]["error"] = block.get("is_error", False)
            elif block["type"] == "text":
                talk.mail += [
                    json.loads(m) for m in re.findall(r"<message>(.*?)</message>", block["text"], re.DOTALL)
                ]
    return talk


def untidy(body: dict[str, Any]) -> list[Any]:
    name = body["metadata"]["user_id"].split("/")[-1]
    talk = read(body)
    role = {"boss": lead, "lead": lead, "books": actuals, "plans": forecast, "thinker": analyst, "pen": writer}
    return role.get(name, verifier)(talk)


def wait(*names: str) -> list[Any]:
    return [call("wait", {"from": list(names)})]


def lead(talk: Talk) -> list[Any]:
    if talk.turns == 0:
        return [text("A quarterly close. I know how that goes, let me think about who should do what.")]
    if not talk.done("skill_open"):
        return [call("skill_open", {"name": SKILL}), call("skill_search", {"query": "close"})]
    if not talk.calls or not [c for c in talk.calls if c["name"] == "ask_person"]:
        return [
            call("ask_person", {"question": "Do you like tables or prose better?", "options": ["Tables", "Prose"]})
        ]
    if not talk.done("plan"):
        tasks = [{"id": "variance", "title": "The close", "owner": "thinker", "criteria": ["it ties out"]}]
        if not talk.failed("plan"):
            tasks = [{"id": "variance", "title": "The close"}]  # forgets the criteria
        return [call("plan", {"tasks": tasks, "reason": "one thing after another"})]
    if not talk.done("spawn_agent"):
        brief = {"skill": SKILL, "inputs": {"period": PERIOD}}
        people = [("pen", "writer"), ("thinker", "analyst"), ("plans", "forecast"), ("books", "actuals")]
        return [
            call("spawn_agent", {"name": n, "role": r, "brief": f"the {r} part of {PERIOD}", **brief})
            for n, r in people
        ]
    if not talk.done("assign"):
        return [call("assign", {"task": "variance", "agent": "thinker"})]
    if not talk.failed("finish"):  # nobody has answered yet
        return [call("finish", {"status": "done", "summary": "done", "reply": "Closed. Revenue was 1,000,000."})]
    ready = [m for m in talk.heard("pen") if "reply" in m["data"]]
    reports = [m for m in talk.mail if m["data"].get("report")]
    if not ready or len(reports) < 4:
        return wait()
    if len(talk.failed("finish")) == 2:  # the checks miss what the analyst forgot
        if not talk.sent("thinker"):
            return [call("send_message", {"to": "thinker", "text": "Please hand in the sources, too."})]
        if len(talk.heard("thinker")) < 2:
            return wait("thinker")
    return [call("finish", {"status": "done", "summary": "closed", "reply": ready[-1]["data"]["reply"]})]


def actuals(talk: Talk) -> list[Any]:
    tables = {"mcp__ledger__trial_balance": {"period": PERIOD}, "mcp__ledger__chart_of_accounts": {}}
    if not talk.calls:
        return [call("mcp__ledger__trial_balance", {"period": "third quarter"}), call("mcp__ledger__periods", {})]
    missing = [(n, a) for n, a in tables.items() if not talk.done(n)]
    if missing:
        return [call(n, a) for n, a in missing]
    balances = talk.done("mcp__ledger__trial_balance")[0]["result"]
    chart = talk.done("mcp__ledger__chart_of_accounts")[0]["result"]
    if not talk.sent("thinker"):
        files = {"trial_balance": balances["file"], "accounts": chart["accounts"]["file"]}
        if balances.get("imbalances"):
            files["imbalances"] = balances["imbalances"]["file"]
        return [
            call("send_message", {"to": "thinker", "text": "The books.", "files": list(files.values()),
                                  "data": {"kinds": list(files)}})
        ]  # fmt: skip
    asked = talk.heard("thinker")
    if not asked:
        return wait("thinker")
    lines = asked[0]["data"]["lines"]
    activity = talk.done("mcp__ledger__account_activity")
    if not activity:
        return [
            call("mcp__ledger__account_activity", {"account": x["account"], "department": x["department"] or "-"})
            for x in lines
        ]
    if len(talk.sent("thinker")) < 2:
        files = [c["result"]["file"] for c in activity if "file" in c["result"]]
        return [call("send_message", {"to": "thinker", "text": "The entries you asked for.", "files": files})]
    if len(asked) < 2:
        return wait("thinker")
    parties = talk.done("mcp__ledger__search_entries")
    if not parties and asked[1]["data"]["counterparties"]:
        return [
            call("mcp__ledger__search_entries", {"counterparty": p, "limit": 1000})
            for p in asked[1]["data"]["counterparties"]
        ]
    if len(talk.sent("thinker")) < 3:
        files = [c["result"]["file"] for c in parties if "file" in c["result"]]
        return [call("send_message", {"to": "thinker", "text": "All about these parties.", "files": files})]
    return [call("finish", {"status": "done", "summary": "handed over", "outputs": [balances["file"]]})]


def forecast(talk: Talk) -> list[Any]:
    listed = talk.done("google__drive_list")
    if not listed:
        return [call("google__drive_list", {})]
    files = listed[0]["result"]["files"]
    if not talk.done("google__sheets_read"):
        sheets = [f for f in files if f["mime_type"].endswith("spreadsheet")]
        docs = [f for f in files if f["mime_type"].endswith("document")]
        return [call("google__docs_read", {"file_id": f["id"]}) for f in docs] + [
            call("google__sheets_read", {"file_id": f["id"]}) for f in sheets
        ]
    tabs = [tab for c in talk.done("google__sheets_read") for tab in c["result"]["files"]]
    picked = talk.done("run_script")
    if not picked:
        args = {
            "period": PERIOD,
            "readings": tabs,
            "documents": [c["result"]["file"] for c in talk.done("google__docs_read")],
        }
        return [call("run_script", {"skill": SKILL, "script": "pick_tables.py", "args": args})]
    pick = picked[0]["result"]
    if not talk.sent("thinker"):
        data = {"kinds": pick["kinds"], "workbook": pick["workbook"]}
        return [call("send_message", {"to": "thinker", "text": "Plans.", "files": pick["chosen"], "data": data})]
    return [call("finish", {"status": "done", "summary": "handed over", "outputs": pick["chosen"]})]


def analyst(talk: Talk) -> list[Any]:
    books, plans = talk.heard("books"), talk.heard("plans")
    if not books or not plans:
        return wait()
    have = dict(zip(books[0]["data"]["kinds"], books[0]["files"], strict=True))
    have |= dict(zip(plans[0]["data"]["kinds"], plans[0]["files"], strict=True))
    given = {
        "period": PERIOD, "trial_balance": have["trial_balance"], "accounts": have["accounts"],
        "forecast": have["forecast"], "conventions": have.get("conventions", ""), "currency": "EUR",
    }  # fmt: skip
    if not talk.done("run_script", script="variance.py"):
        return [call("run_script", {"skill": SKILL, "script": "variance.py", "args": given})]
    variance = talk.done("run_script", script="variance.py")[-1]["result"]
    if not talk.sent("books"):
        return [
            call("send_message", {"to": "books", "text": "Entries, please.", "data": {"lines": variance["lines"]}})
        ]
    entries = [m for m in books[1:] if not m["data"].get("report")]
    if not entries:
        return wait("books")
    if not talk.done("run_script", script="follow_up.py"):
        args = {"period": PERIOD, "variance": "variance.csv", "activity": entries[0]["files"]}
        return [call("run_script", {"skill": SKILL, "script": "follow_up.py", "args": args})]
    more = talk.done("run_script", script="follow_up.py")[0]["result"]["counterparties"]
    if len(talk.sent("books")) < 2:
        return [call("send_message", {"to": "books", "text": "And these.", "data": {"counterparties": more}})]
    if len(entries) < 2:
        return wait("books")
    if not talk.done("run_script", script="causes.py"):
        args = {
            **given, "variance": "variance.csv", "activity": entries[0]["files"],
            "counterparties": entries[1]["files"], "drivers": have.get("drivers", ""),
            "imbalances": [have["imbalances"]] if "imbalances" in have else [],
        }  # fmt: skip
        for extra in ("trial_balance", "forecast"):
            args.pop(extra)
        return [call("run_script", {"skill": SKILL, "script": "causes.py", "args": args})]
    causes = talk.done("run_script", script="causes.py")[0]["result"]
    own = ["variance.csv", "causes.csv", "cause_entries.csv", "decomposition.csv"]
    if not talk.sent("pen"):
        data = {"workbook": plans[0]["data"]["workbook"], "notes": []}
        return [call("send_message", {"to": "pen", "text": "Here.", "files": own, "data": data})]
    outputs = own  # forgets the sources until the lead asks
    if any("sources" in m["text"] for m in talk.heard("lead")):
        outputs = [*own, *variance["sources"], *causes["sources"]]
    return [call("finish", {"status": "done", "summary": "explained", "outputs": list(dict.fromkeys(outputs))})]


def writer(talk: Talk) -> list[Any]:
    given = talk.heard("thinker")
    if not given:
        return wait("thinker")
    if not talk.done("run_script"):
        args = {"period": PERIOD, "variance": given[0]["files"][0], "causes": given[0]["files"][1], "notes": []}
        return [call("run_script", {"skill": SKILL, "script": "write_up.py", "args": args})]
    texts = talk.done("run_script")[0]["result"]
    if not talk.failed("google__docs_create"):  # a number of its own, which nothing backs
        if not talk.done("write_file"):
            return [call("write_file", {"path": "draft.md", "text": "# Close\n\nRevenue was roughly 1,234,567.89."})]
        return [call("google__docs_create", {"title": texts["title"], "file": "draft.md"})]
    if not talk.done("google__docs_create"):
        return [
            call("google__sheets_write", {"file_id": given[0]["data"]["workbook"], "tab": texts["tab"], "file": "sheet.csv"}),
            call("google__docs_create", {"title": texts["title"], "file": "report.md"}),
        ]  # fmt: skip
    if not talk.sent("lead"):
        return [call("send_message", {"to": "lead", "text": "Written.", "data": {"reply": texts["summary"]}})]
    return [
        call("finish", {"status": "done", "summary": "written", "outputs": ["report.md", "sheet.csv", "summary.md"]})
    ]


def verifier(talk: Talk) -> list[Any]:
    scripts = ["check_tie_out.py", "check_decomposition.py", "check_signs.py", "check_unexplained.py",
               "check_provenance.py"]  # fmt: skip
    if not talk.calls:
        return [call("run_script", {"skill": SKILL, "script": s, "args": {}}) for s in scripts]
    verdicts = [check for c in talk.done("run_script") for check in c["result"]["checks"]]
    return [call("finish", {"status": "done", "summary": "judged", "verdicts": verdicts})]
