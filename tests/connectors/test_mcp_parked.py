"""Calls that wait for a person or a long job: kept as JSON, gone on with in another process, of both protocols."""

import asyncio
import os
import signal
import sys

import pytest

from connectors.mcp import (
    Answer,
    Caller,
    InputRequired,
    McpHost,
    ProtocolFailure,
    QuestionLost,
    StillWorking,
    UnknownOutcome,
)
from tests.connectors.mcp_stub import Stub, hinted, text, through_json

ASKED = Caller(run="run-1", interactive=True)
FORM = {
    "message": "Which period?",
    "requestedSchema": {"type": "object", "properties": {"period": {"type": "string", "default": "Q3"}}},
}
QUESTION = {"method": "elicitation/create", "params": FORM}

OLD = """
import json, os, sys

ASK = json.loads(sys.argv[1])
HINTS = {"ask": {"readOnlyHint": False}, "look": {"readOnlyHint": True}, "visit": {}, "where": {}}
waiting, visited = {}, []

def send(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

def answer(id, said):
    send(id=id, result={"content": [{"type": "text", "text": said}]})

for line in sys.stdin:
    message = json.loads(line)
    id, method = message.get("id"), message.get("method")
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}}
        send(id=id, result={"protocolVersion": "2025-06-18", "capabilities": capabilities,
                            "serverInfo": {"name": "old", "version": "1"}})
    elif method == "tools/list":
        names = [*HINTS, *(["late"] if visited else [])]
        send(id=id, result={"tools": [{"name": n, "inputSchema": {"type": "object"}, "annotations": HINTS.get(n, {})}
                                      for n in names]})
    elif method == "tools/call" and message["params"]["name"] in ("ask", "look"):
        waiting[f"q{id}"] = id
        send(id=f"q{id}", method="elicitation/create", params=ASK)
    elif method == "tools/call" and message["params"]["name"] == "where":
        waiting[f"r{id}"] = id
        send(id=f"r{id}", method="roots/list")
    elif method == "tools/call" and not visited:
        visited.append(1)
        send(method="notifications/tools/list_changed")
        data = {"elicitations": [{"mode": "url", "elicitationId": "1", "url": "https://pay.example/1", "message": "Pay"}]}
        send(id=id, error={"code": -32042, "message": "visit first", "data": data})
    elif method == "tools/call":
        answer(id, f"visited, by {os.getpid()}")
    elif id in waiting:
        answer(waiting.pop(id), f"{os.getpid()} {json.dumps(message.get('result'))}")
    elif id is not None:
        send(id=id, error={"code": -32601, "message": "Method not found"})
"""


@pytest.fixture
def old(tmp_path):
    import json

    script = tmp_path / "old.py"
    script.write_text(OLD)
    return lambda **ours: {
        "mcpServers": {"crm": {"command": sys.executable, "args": [str(script), json.dumps(FORM)], "x-cadre": ours}}
    }


def run(main):
    asyncio.run(main())


def modern(stub):
    return McpHost({"mcpServers": {"crm": stub.entry()}})


# ---- rounds of the modern protocol


async def close(params, _who):
    """Asks for a period, then for a confirmation."""
    given = params.get("inputResponses") or {}
    if params.get("requestState") == "two":
        return text(f"closed {params['arguments']['book']}: {given['sure']['action']}")
    if "period" in given:
        assert params["requestState"] == "one"
        return {"resultType": "input_required", "requestState": "two", "inputRequests": {"sure": QUESTION}}
    return {"resultType": "input_required", "requestState": "one", "inputRequests": {"period": QUESTION}}


def test_a_question_is_answered_from_another_process_and_the_call_goes_on_round_by_round():
    async def main():
        async with Stub({"close": close}) as stub:
            async with modern(stub) as before:
                with pytest.raises(InputRequired) as first:
                    await before.call("mcp__crm__close", {"book": "main"}, caller=ASKED)
            parked = through_json(first.value.parked)
            (question,) = parked.questions
            assert (question.key, question.mode, question.message) == ("period", "form", "Which period?")
            async with modern(stub) as after:
                with pytest.raises(InputRequired) as second:
                    await after.resume(parked, {"period": Answer("accept", {})}, caller=ASKED)
                sent = stub.log[-1][1]["inputResponses"]["period"]
                assert sent["content"] == {"period": "Q3"}  # the form's own default
                parked = through_json(second.value.parked)
                result = await after.resume(parked, {"sure": Answer("decline")}, caller=ASKED)
            assert result.text == "closed main: decline"

    run(main)


def test_where_nobody_can_be_asked_the_call_says_so():
    async def main():
        async with Stub({"close": close}) as stub, modern(stub) as host:
            with pytest.raises(ProtocolFailure, match="here nobody can be asked"):
                await host.call("mcp__crm__close", {"book": "main"}, caller=Caller())

    run(main)


def test_a_state_that_ran_out_at_the_server_begins_the_call_again_without_asking_twice():
    forgotten = []

    async def tool(params, _who):
        if "requestState" in params and not forgotten:
            forgotten.append(1)
            return {"error": {"code": -32602, "message": "Invalid or expired requestState"}}
        if "inputResponses" in params:
            return text("done")
        return {"resultType": "input_required", "requestState": "s", "inputRequests": {"again": QUESTION}}

    async def main():
        async with Stub({"close": tool}) as stub, modern(stub) as host:
            with pytest.raises(InputRequired) as asked:
                await host.call("mcp__crm__close", {}, caller=ASKED)
            answers = {"again": Answer("accept", {"period": "Q2"})}
            assert (await host.resume(asked.value.parked, answers, caller=ASKED)).text == "done"
            assert stub.log[-1][1]["inputResponses"]["again"]["content"] == {"period": "Q2"}

    run(main)


def test_a_server_that_only_says_come_back_is_come_back_to():
    times = []

    async def tool(params, _who):
        times.append(params.get("requestState"))
        return text("done") if len(times) == 3 else {"resultType": "input_required", "requestState": f"{len(times)}"}

    async def main():
        async with Stub({"close": tool}) as stub, modern(stub) as host:
            assert (await host.call("mcp__crm__close", {}, caller=Caller())).text == "done"
            assert times == [None, "1", "2"]

    run(main)


# ---- jobs


class Job:
    """A tool that goes on as a task: it works, asks, and is done."""

    def __init__(self):
        self.states = ["working", "input_required", "working", "completed"]
        self.answers = []
        self.cancelled = []
        self.tools = {
            "report": self.begin, "tasks/get": self.look, "tasks/update": self.update, "tasks/cancel": self.cancel,
        }  # fmt: skip

    async def begin(self, params, _who):
        assert "io.modelcontextprotocol/tasks" in str(params["_meta"])
        return {"resultType": "task", "taskId": "t-1", "status": "working", "ttlMs": 60_000, "pollIntervalMs": 2500}

    async def look(self, params, _who):
        status = self.states.pop(0)
        more = {
            "input_required": {"inputRequests": {"period": QUESTION}},
            "completed": {"result": text(f"report of {self.answers}")},
        }
        return {"taskId": params["taskId"], "status": status, "statusMessage": f"is {status}", **more.get(status, {})}

    async def update(self, params, _who):
        self.answers.append(params["inputResponses"]["period"]["content"]["period"])
        return {}

    async def cancel(self, params, _who):
        self.cancelled.append(params["taskId"])
        return {}


def test_a_long_job_is_followed_and_answered_by_whichever_process_is_there():
    async def main():
        job = Job()
        async with Stub(job.tools) as stub:

            async def in_a_new_process(work):
                async with modern(stub) as host:
                    with pytest.raises((StillWorking, InputRequired)) as later:
                        await work(host)
                    return later.value, through_json(later.value.parked)

            _, parked = await in_a_new_process(lambda h: h.call("mcp__crm__report", {}, caller=ASKED))
            assert (parked.task_id, parked.poll_s) == ("t-1", 2.5)
            later, parked = await in_a_new_process(lambda h: h.resume(parked, caller=ASKED))
            assert isinstance(later, StillWorking) and str(later) == "is working"
            later, parked = await in_a_new_process(lambda h: h.resume(parked, caller=ASKED))
            assert isinstance(later, InputRequired) and parked.questions[0].key == "period"
            answers = {"period": Answer("accept", {"period": "Q1"})}
            later, parked = await in_a_new_process(lambda h: h.resume(parked, answers, caller=ASKED))
            assert isinstance(later, StillWorking)
            async with modern(stub) as host:
                assert (await host.resume(parked, caller=ASKED)).text == "report of ['Q1']"
            assert stub.times("tools/call", name="report") == 1

    run(main)


def test_a_job_that_nobody_waits_for_is_cancelled_at_its_server():
    async def main():
        job = Job()
        async with Stub(job.tools) as stub, modern(stub) as host:
            with pytest.raises(StillWorking) as later:
                await host.call("mcp__crm__report", {}, caller=ASKED)
            await host.give_up(later.value.parked, caller=ASKED)
            assert job.cancelled == ["t-1"]

    run(main)


# ---- the older protocol, which holds the call open


def test_an_open_question_costs_no_time_and_is_answered_into_the_same_call(old):
    async def main():
        async with McpHost(old()) as host:
            with pytest.raises(InputRequired) as asked:
                await host.call("mcp__crm__ask", {}, caller=ASKED, idle_timeout=5, total_timeout=5)
            parked = asked.value.parked
            assert (parked.kind, parked.questions[0].message) == ("held", "Which period?")
            # Meanwhile another run of the same person asks the same server, and each gets its own answer.
            other = Caller(run="run-2", interactive=True)
            with pytest.raises(InputRequired) as theirs:
                await host.call("mcp__crm__ask", {}, caller=other)
            key = parked.questions[0].key
            for caller, mine, period in ((other, theirs.value.parked, "Q2"), (ASKED, parked, "Q1")):
                answered = await host.resume(mine, {key: Answer("accept", {"period": period})}, caller=caller)
                assert f'"content": {{"period": "{period}"}}' in answered.text

    run(main)


def test_after_a_restart_only_what_does_no_harm_is_called_again_and_gets_the_answer_it_had_asked_for(old):
    async def main():
        parked = {}
        async with McpHost(old()) as before:
            for tool in ("ask", "look"):
                with pytest.raises(InputRequired) as asked:
                    await before.call(f"mcp__crm__{tool}", {}, caller=ASKED)
                parked[tool] = through_json(asked.value.parked)
        async with McpHost(old()) as after:
            answers = {q.key: Answer("accept", {"period": "Q4"}) for q in parked["look"].questions}
            found = await after.resume(parked["look"], answers, caller=ASKED)
            assert '"period": "Q4"' in found.text
            with pytest.raises(QuestionLost, match="may have been done in part"):
                await after.resume(parked["ask"], answers, caller=ASKED)

    run(main)


def test_a_server_that_dies_while_it_is_waited_for_loses_only_its_own_call(old):
    async def main():
        async with McpHost(old()) as host:
            with pytest.raises(InputRequired) as asked:
                await host.call("mcp__crm__ask", {}, caller=ASKED)
            with pytest.raises(InputRequired) as look:
                await host.call("mcp__crm__look", {}, caller=ASKED)
            answers = {q.key: Answer("accept", {}) for q in look.value.parked.questions}
            pid = int((await host.resume(look.value.parked, answers, caller=ASKED)).text.split()[0])
            os.kill(pid, signal.SIGKILL)
            with pytest.raises((QuestionLost, UnknownOutcome)):
                await host.resume(asked.value.parked, answers, caller=ASKED)
            with pytest.raises(InputRequired):
                await host.call("mcp__crm__ask", {}, caller=ASKED)

    run(main)


def test_an_answer_later_than_the_hold_finds_the_question_lost(old):
    async def main():
        async with McpHost(old(question_hold=0.05)) as host:
            with pytest.raises(InputRequired) as asked:
                await host.call("mcp__crm__ask", {}, caller=ASKED)
            held = next(iter(host._servers.values()))._connection.held
            await next(iter(held.values())).sending  # the server was told "cancel" and is done
            with pytest.raises(QuestionLost):
                await host.resume(asked.value.parked, {}, caller=ASKED)

    run(main)


def test_an_address_to_visit_is_a_question_and_the_call_is_made_again_afterwards(old):
    async def main():
        async with McpHost(old()) as host:
            with pytest.raises(InputRequired) as asked:
                await host.call("mcp__crm__visit", {}, caller=ASKED)
            (question,) = asked.value.parked.questions
            assert (question.mode, question.url, question.message) == ("url", "https://pay.example/1", "Pay")
            parked = through_json(asked.value.parked)
            assert "visited" in (await host.resume(parked, {question.key: Answer("accept")}, caller=ASKED)).text
            # What it changed about its tools meanwhile was heard.
            assert "late" in {t.tool for t in await host.tools("crm", caller=ASKED)}

    run(main)


def test_a_server_of_one_run_is_told_that_runs_workspace_and_no_other(old, tmp_path):
    async def main():
        async with McpHost(old(scope="run")) as host:
            for name in ("a", "b"):
                (tmp_path / name).mkdir()
                caller = Caller(run=name, workspace=tmp_path / name)
                said = (await host.call("mcp__crm__where", {}, caller=caller)).text
                assert (tmp_path / name).as_uri() in said and said.count("file://") == 1
        async with McpHost(old()) as host:
            said = (await host.call("mcp__crm__where", {}, caller=Caller(run="a", workspace=tmp_path))).text
            assert said.endswith("null")

    run(main)


def test_a_call_that_takes_long_is_left_under_way_and_its_answer_fetched_later():
    begun = []

    async def slow(_params, _who):
        begun.append(asyncio.Event())
        await begun[-1].wait()
        return text(f"done by {len(begun)}")

    async def main():
        async with Stub({"slow": slow}) as stub:
            config = {"mcpServers": {"crm": stub.entry(park_after=0.05)}}
            async with McpHost(config) as host:
                with pytest.raises(StillWorking, match="slow of crm is still at work") as later:
                    await host.call("mcp__crm__slow", {}, caller=ASKED)
                parked = through_json(later.value.parked)
                with pytest.raises(StillWorking):
                    await host.resume(parked, caller=ASKED)
                begun[0].set()
                assert (await host.resume(parked, caller=ASKED)).text == "done by 1"
                with pytest.raises(StillWorking) as later:
                    await host.call("mcp__crm__slow", {}, caller=ASKED)
            begun[1].set()
            async with McpHost(config) as after:
                with pytest.raises(QuestionLost, match="was under way when Cadre stopped"):
                    await after.resume(through_json(later.value.parked), caller=ASKED)

    run(main)


@hinted(readOnlyHint=True)
async def sloppy(_params, _who):
    return {"resultType": ..., "content": [{"type": "text", "text": "fine"}]}


def test_a_result_that_does_not_say_so_is_complete():
    async def main():
        async with Stub({"sloppy": sloppy}) as stub, modern(stub) as host:
            assert (await host.call("mcp__crm__sloppy", {})).text == "fine"

    run(main)
