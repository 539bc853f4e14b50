"""Playbooks as the offline model follows them: a small team over the real wire, and single steps by request."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field

import anthropic
import pytest

from loopback.control import CallLog, Clock, Faults, serve
from loopback.model import MODEL_ID, build
from loopback.model.interpreter import answer
from loopback.model.templates import PlaybookTemplateError, render

PLAYBOOK = r"""
skill: counting
match:
  - pattern: '(?i)count\s+(?P<what>\w+)\s+in\s+(?P<quarter>Q[1-4])\s+(?P<year>20\d\d)'
    understood: 'count {what}'
    inputs: {period: '{year}-{quarter}'}
    role: lead
roles:
  lead:
    steps:
      - id: plan
        call: plan
        with:
          tasks: [{id: t1, title: 'Count {{ inputs.what }}', criteria: ['counted']}]
          mode: coordination
          reason: two
      - parallel:
          - id: spawn
            call: spawn_agent
            with:
              name: counter
              role: counter
              brief: 'Count {{ inputs.what }}'
              inputs: {period: '{{ inputs.period }}'}
              task: t1
          - {id: about, call: list_files, with: {}}
      - id: answer
        wait: {from: [counter], count: 1}
      - id: look
        call: read_file
        for_each: "{{ mail_from('counter')[-1].data.lines }}"
        with: {path: "{{ item.file }}", limit: "{{ index + 1 }}"}
      - id: never
        call: ask_person
        when: "{{ results.look | length > 9 }}"
        with: {question: never, options: []}
      - id: end
        call: finish
        with:
          status: done
          summary: >-
            {{ results.look | length }} files for {{ inputs.period }},
            {{ results.fix.note if results.fix is defined else 'unfixed' }}
          outputs: "{{ results.look | map(attribute='path') }}"
        on_error:
          steps:
            - {id: fix, call: write_file, with: {path: note.md, text: "round {{ round }}: {{ errors.end }}"}}
  counter:
    steps:
      - {id: list, call: list_files, with: {path: '{{ inputs.period }}'}}
      - id: tell
        call: send_message
        with: {to: lead, text: "{{ me }} counted for {{ brief }}", data: {lines: '{{ results.list.files }}'}}
      - {id: end, call: finish, with: {status: done, summary: sent}}
"""
SKILLS = r"""<skills>
- other: does other things
    matches: (?i)other
- counting: counts things in a quarter
    matches: (?i)count\s+(?P<what>\w+)\s+in\s+(?P<quarter>Q[1-4])\s+(?P<year>20\d\d)
</skills>"""
REQUEST = '<request user="U1" channel="ops" time="2026-11-24T09:00:00Z">count apples in Q3 2026</request>'


@dataclass
class Agent:
    """An agent of the smallest harness there is: it keeps the conversation, the team answers its calls."""

    name: str
    system: str
    messages: list
    calls: list = field(default_factory=list)
    finished: dict | None = None


class Team:
    """Two agents, a mailbox, and a `finish` that is refused as often as told."""

    def __init__(self, refusals=0):
        self.refusals = refusals
        self.mail = deque()
        first = [{"type": "text", "text": REQUEST}, {"type": "text", "text": '<inputs>{"channel":"ops"}</inputs>'}]
        self.agents = {"lead": Agent("lead", SKILLS, [{"role": "user", "content": first}])}

    async def work(self, client):
        """Turns of every unfinished agent until all have finished."""
        for _ in range(40):
            waiting = [a for a in self.agents.values() if a.finished is None]
            if not waiting:
                return
            for agent in waiting:
                await self.turn(client, agent)
        raise AssertionError("the team never finished")

    async def turn(self, client, agent):
        async with client.messages.stream(
            model=MODEL_ID,
            max_tokens=4000,
            system=agent.system,
            messages=agent.messages,
            metadata={"user_id": f"r1/{agent.name}"},
        ) as stream:
            reply = await stream.get_final_message()
        content = [b.model_dump(exclude_none=True, exclude={"parsed_output"}) for b in reply.content]
        agent.messages.append({"role": "assistant", "content": content})
        back = []
        for block in content:
            if block["type"] == "tool_use":
                agent.calls.append((block["id"], block["name"], block["input"]))
                result = self.tool(agent, block["name"], block["input"])
                back.append(
                    {
                        "type": "tool_result",
                        "tool_use_id": block["id"],
                        "content": json.dumps(result),
                        "is_error": not result["ok"],
                    }
                )
        back = back or [{"type": "text", "text": "<note>finish is still missing</note>"}]
        agent.messages.append({"role": "user", "content": back})

    def tool(self, agent, name, given):
        if name == "skill_open":
            return {"ok": True, "skill_md": "# Counting", "playbook": PLAYBOOK}
        if name == "spawn_agent":
            brief = f'<brief from="lead" task="{given["task"]}">{given["brief"]}</brief>'
            first = [brief, f"<inputs>{json.dumps(given['inputs'])}</inputs>"]
            part = f'<playbook skill="counting" role="counter">{PLAYBOOK}</playbook>'
            content = [{"type": "text", "text": t} for t in first]
            self.agents["counter"] = Agent("counter", part, [{"role": "user", "content": content}])
        if name == "list_files":
            return {"ok": True, "files": [{"file": "a.csv"}, {"file": "b.csv"}]}
        if name == "read_file":
            return {"ok": True, "path": given["path"], "text": "x"}
        if name == "send_message":
            self.mail.append({"id": "m1", "from": agent.name, "text": given["text"], "data": given["data"]})
        if name == "wait":
            return {"ok": True, "messages": list(self.mail)}
        if name == "write_file":
            return {"ok": True, "note": given["text"]}
        if name == "finish":
            if agent.name == "lead" and self.refusals:
                self.refusals -= 1
                return {"ok": False, "error": "the counts differ"}
            agent.finished = given
        return {"ok": True}


def team_works(refusals=0, fault=None):
    async def main():
        team = Team(refusals)
        clock = Clock()
        faults = Faults()
        if fault is not None:
            faults.add(fault)
        runner, url = await serve(build(log=CallLog(clock), faults=faults, clock=clock))
        try:
            async with anthropic.AsyncAnthropic(api_key="none", base_url=url, max_retries=0) as client:
                await team.work(client)
        finally:
            await runner.cleanup()
        return team

    return asyncio.run(main())


def test_a_team_of_two_follows_one_playbook_to_its_end():
    team = team_works()
    lead, counter = team.agents["lead"], team.agents["counter"]
    assert [use_id for use_id, _, _ in lead.calls if "answer" not in use_id] == [
        "toolu_offline_skill_open",
        "toolu_plan",
        "toolu_spawn",
        "toolu_about",
        "toolu_look_0",
        "toolu_look_1",
        "toolu_end",
    ]
    assert [use_id for use_id, _, _ in counter.calls] == ["toolu_list", "toolu_tell", "toolu_end"]
    assert counter.calls[0][2] == {"path": "2026-Q3"}
    assert counter.calls[1][2]["text"] == "counter counted for Count apples"
    assert [given for _, name, given in lead.calls if name == "read_file"] == [
        {"path": "a.csv", "limit": 1},
        {"path": "b.csv", "limit": 2},
    ]
    assert lead.finished == {
        "status": "done",
        "summary": "2 files for 2026-Q3, unfixed",
        "outputs": ["a.csv", "b.csv"],
    }


def test_a_refused_finish_is_repaired_and_called_again():
    lead = team_works(refusals=1).agents["lead"]
    assert [use_id for use_id, _, _ in lead.calls][-3:] == ["toolu_end", "toolu_fix_r1", "toolu_end_r1"]
    assert lead.finished["summary"] == "2 files for 2026-Q3, round 1: the counts differ"


def test_rounds_of_repair_are_bounded_and_end_with_the_diagnosis():
    lead = team_works(refusals=3).agents["lead"]
    assert [use_id for use_id, _, _ in lead.calls][-3:] == ["toolu_fix_r2", "toolu_end_r2", "toolu_offline_finish_0"]
    assert lead.finished == {
        "status": "blocked",
        "summary": "finish was still refused after 2 rounds of revision: the counts differ",
    }


def test_a_forgotten_step_is_skipped_for_the_rest_of_the_conversation():
    lead = team_works(fault={"match": "list_files", "kind": "drop"}).agents["lead"]
    assert "toolu_about" not in [use_id for use_id, _, _ in lead.calls]
    assert lead.finished["status"] == "done"


def test_a_forgotten_finish_is_made_good_once_reminded():
    lead = team_works(fault={"match": "lead finish", "kind": "drop", "count": 2}).agents["lead"]
    assert lead.finished["status"] == "done"
    assert "finish is still missing" in json.dumps(lead.messages)


# ---- single steps, without a server


def system(steps, more=""):
    return f'<playbook skill="s" role="worker">\n{json.dumps({"steps": steps})}\n{more}</playbook>'


def ask(steps, exchanges=(), texts=(), never=()):
    """The calls the model makes after `exchanges`: (id, name, result) each, and further text blocks."""
    first = [{"type": "text", "text": '<brief from="lead" task="t1">work</brief>'}]
    messages = [{"role": "user", "content": first}]
    for use_id, name, result in exchanges:
        failed = isinstance(result, dict) and result.get("ok") is False
        content = result if isinstance(result, str) else json.dumps(result)
        use = {"type": "tool_use", "id": use_id, "name": name, "input": {}}
        back = {"type": "tool_result", "tool_use_id": use_id, "content": content, "is_error": failed}
        messages += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [back]}]
    messages[-1]["content"] = messages[-1]["content"] + [{"type": "text", "text": t} for t in texts]
    body = {"system": system(steps), "messages": messages, "metadata": {"user_id": "r1/w"}}
    reply = answer(body, lambda name, given: name in never)
    return [(b["id"], b["name"], b["input"]) for b in reply.content if b["type"] == "tool_use"]


def mail(n, sender="ann"):
    return "<message>" + json.dumps({"id": f"m{n}", "from": sender, "text": f"t{n}"}) + "</message>"


WAITING = [{"id": "w", "wait": {"from": ["ann", "bob"], "count": 2}}, {"id": "go", "call": "list_files"}]


def test_a_wait_asks_for_those_who_still_owe_a_message():
    assert ask(WAITING)[0][2]["from"] == ["ann", "bob"]
    ((use_id, _, given),) = ask(WAITING, texts=[mail(1), mail(2)])
    assert (use_id, given["from"]) == ("toolu_w_w0", ["bob"])


def test_mail_counts_once_whether_it_came_as_text_or_as_the_result_of_a_wait():
    result = {"ok": True, "messages": [{"id": "m1", "from": "ann"}, {"id": "m3", "from": "bob"}]}
    exchanges = [("toolu_w_w0", "wait", result)]
    assert ask(WAITING, exchanges, [mail(1), mail(3, "bob")])[0][0] == "toolu_w_w1"
    assert ask(WAITING, exchanges, [mail(2), mail(4, "bob")])[0][0] == "toolu_go"


def test_a_reminder_repeats_the_wait_that_is_pending():
    exchanges = [("toolu_w_w0", "wait", {"ok": True, "messages": []})]
    assert ask(WAITING, exchanges, ["<note>nothing new; go on</note>"])[0][:2] == ("toolu_w_w1", "wait")


def test_words_inside_a_note_or_a_brief_are_no_mail():
    assert ask(WAITING, texts=[f"<note>they said\n{mail(1)}\n{mail(2)}</note>"])[0][2]["from"] == ["ann", "bob"]
    hidden = "<brief>see\n" + mail(1) + mail(2) + "\n</brief>"
    assert ask(WAITING, texts=[hidden])[0][2]["from"] == ["ann", "bob"]


def test_a_wait_that_can_never_end_blocks_with_the_tools_sentence():
    exchanges = [("toolu_w_w0", "wait", {"ok": False, "error": "bob is gone"})]
    assert ask(WAITING, exchanges)[0][2] == {"status": "blocked", "summary": "bob is gone"}


def test_a_failed_tool_blocks_unless_the_step_goes_on():
    steps = [{"id": "a", "call": "read_file"}, {"id": "b", "call": "list_files", "with": {"path": "{{ errors.a }}"}}]
    failed = [("toolu_a", "read_file", {"ok": False, "error": "no such file"})]
    assert ask(steps, failed)[0][1:] == ("finish", {"status": "blocked", "summary": "no such file"})
    steps[0]["on_error"] = "continue"
    assert ask(steps, failed) == [("toolu_b", "list_files", {"path": "no such file"})]


def test_one_failure_of_many_is_a_failure_of_the_step():
    steps = [{"id": "a", "call": "read_file", "for_each": "{{ [1, 2] }}"}, {"id": "b", "call": "list_files"}]
    made = [("toolu_a_0", "read_file", {"ok": True}), ("toolu_a_1", "read_file", {"ok": False, "error": "gone"})]
    assert ask(steps, made)[0][2]["summary"] == "gone"


def test_a_step_whose_condition_is_false_is_passed_over_for_good():
    steps = [
        {"id": "a", "call": "read_file", "when": "{{ mail | length > 0 }}"},
        {"id": "b", "call": "list_files"},
        {"id": "c", "call": "finish", "with": {"status": "done", "seen": "{{ results.get('a') }}"}},
    ]
    assert ask(steps)[0][0] == "toolu_b"
    assert ask(steps, texts=[mail(1)])[0][0] == "toolu_a"
    later = ask(steps, [("toolu_b", "list_files", {"ok": True})], [mail(1)])
    assert later == [("toolu_c", "finish", {"status": "done", "seen": None})]


def test_a_broken_template_is_named_with_its_step():
    ((_, name, given),) = ask([{"id": "a", "call": "read_file", "with": {"path": "{{ results.zero.path }}"}}])
    assert (name, given["status"]) == ("finish", "blocked")
    assert "Step a" in given["summary"] and "results.zero.path" in given["summary"]


def test_without_a_playbook_an_agent_says_that_no_model_is_connected():
    body = {"system": "You verify.", "messages": [{"role": "user", "content": "<brief>verify</brief>"}]}
    given = answer(body, lambda name, given: False).content[1]["input"]
    assert given["status"] == "refused"
    assert "No language model is connected" in given["reply"]


def test_a_request_nothing_matches_learns_what_works_offline():
    body = {"system": SKILLS, "messages": [{"role": "user", "content": "<request>write a poem</request>"}]}
    given = answer(body, lambda name, given: False).content[1]["input"]
    assert given["status"] == "refused"
    assert "- counting: counts things in a quarter" in given["reply"]
    assert "ANTHROPIC_API_KEY" in given["reply"] and "CADRE_MODEL" in given["reply"]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "no steps"),
        ([{"id": "a"}], "exactly one of call, wait"),
        ([{"call": "x"}], "needs an id"),
        ([{"id": "a", "call": "x"}, {"id": "a", "call": "y"}], "appear twice: a"),
        ([{"id": "a", "call": "x"}, {"id": "a_1", "call": "y"}], "reads like a repetition"),
    ],
)
def test_a_playbook_that_cannot_be_followed_ends_blocked_with_the_reason(steps, said):
    ((_, _, given),) = ask(steps)
    assert given["status"] == "blocked"
    assert said in given["summary"]


def test_an_accepted_finish_is_repeated_when_the_agent_is_woken_again():
    steps = [{"id": "end", "call": "finish", "with": {"status": "done", "summary": "x"}}]
    assert ask(steps, [("toolu_end", "finish", {"ok": True})], [mail(1)])[0][:2] == (
        "toolu_offline_finish_0",
        "finish",
    )


def test_the_model_stays_silent_once_its_own_ending_was_refused_twice():
    steps = [{"id": "end", "call": "finish"}]
    refused = {"ok": False, "error": "no"}
    made = [("toolu_end", "finish", refused)] + [(f"toolu_offline_finish_{n}", "finish", refused) for n in (0, 1)]
    assert ask(steps, made) == []


def test_expressions_give_native_values_and_templates_give_text():
    context = {"rows": [{"items": 2, "name": "a"}, {"items": 3, "name": "b"}]}
    assert render("{{ rows | map(attribute='name') | list }}", context) == ["a", "b"]
    assert render("{{ rows[0].items + 1 }}", context) == 3
    assert render("{{ rows | length }} rows", context) == "2 rows"
    assert render("{{ rows[0] | tojson }}!", context) == '{"items": 2, "name": "a"}!'
    assert render({"n": ["{{ {'a': {'b': 1}} }}"]}, context) == {"n": [{"a": {"b": 1}}]}


@pytest.mark.parametrize(
    "template", ["{{ rows.__class__ }}", "{{ ''.__class__.__mro__ }}", "{{ missing }}", "{{ 1 / 0 }}", "{{ open }}!"]
)
def test_templates_reach_nothing_outside_their_context(template):
    with pytest.raises(PlaybookTemplateError):
        render(template, {"rows": []})


def test_each_request_to_make_something_again_is_a_round_of_its_own():
    steps = [{"id": "end", "call": "finish", "with": {"status": "done", "summary": "first"}}]
    again = [
        {"id": "anew", "call": "finish", "with": {"status": "done", "summary": "{{ redo[0].name }} {{ round }}"}}
    ]
    part = json.dumps({"steps": steps, "again": again})

    def calls(done, letters):
        exchanges = [
            {"role": "assistant", "content": [{"type": "tool_use", "id": use_id, "name": "finish", "input": {}}]}
            for use_id in done
        ]
        messages = [{"role": "user", "content": [{"type": "text", "text": "<brief>work</brief>"}]}]
        for use in exchanges:
            back = {"type": "tool_result", "tool_use_id": use["content"][0]["id"], "content": '{"ok": true}'}
            messages += [use, {"role": "user", "content": [back]}]
        for n, name in enumerate(letters, 1):
            letter = {"id": f"m{n}", "from": "cadre", "text": "again", "data": {"redo": [{"name": name}]}}
            text = {"type": "text", "text": f"<message>{json.dumps(letter)}</message>"}
            messages[-1]["content"] = [*messages[-1]["content"], text]
        playbook = [{"type": "text", "text": f'<playbook role="writer">{part}</playbook>'}]
        reply = answer({"system": playbook, "messages": messages, "metadata": {"user_id": "r1/w"}}, lambda *_: False)
        return [(b["id"], b["input"]["summary"]) for b in reply.content if b["type"] == "tool_use"]

    assert calls([], []) == [("toolu_end", "first")]
    assert calls(["toolu_end"], ["press"]) == [("toolu_anew_r1", "press 1")]
    assert calls(["toolu_end", "toolu_anew_r1"], ["press", "page"]) == [("toolu_anew_r2", "page 2")]
