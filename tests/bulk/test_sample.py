"""Fresh eyes on bulk work: what was sent back on the way, and a few answers at random, with what stands around them."""

from __future__ import annotations

import asyncio
import json

import yaml

from tests.bulk.harness import FORM, both, by_patterns, contract, lead, told, worker
from tests.team.fresh_eyes import asked, judged
from tests.team.test_operations import who

FILES = {f"c{n:02}.txt": contract(n) for n in range(1, 13)}
HARD = "c07.txt"
RULES = {"type": "text", "text": f"<offline>{json.dumps(yaml.safe_load(FORM)['offline'])}</offline>"}


def played(tmp_path, verdict):
    """Bulk work in which one document's first answer invents a quote; gives the run and what the verifier was asked."""
    leading, seen, bent = lead(FILES), [], set()

    def agents(body):
        if not who(body).startswith("verifier"):
            return leading(body)
        seen.append("".join(block.get("text", "") for block in body["messages"][0]["content"]))
        return verdict(body)

    def items(body):
        answer = by_patterns({**body, "system": [*body["system"], RULES]})
        if told(body)["name"].endswith(HARD) and HARD not in bent:
            bent.add(HARD)
            text = json.dumps(answer).replace("a fee of EUR 107.50", "a fee of EUR 999.50")
            return json.loads(text)
        return answer

    async def scenario():
        async with worker(tmp_path, both(agents, items), model_name="scripted-1") as here:
            return await here.ended(await here.ask())

    return asyncio.run(scenario()), seen


def test_the_verifier_gets_what_was_sent_back_and_a_few_more_with_their_passages(tmp_path):
    view, seen = played(tmp_path, judged)
    assert (view.run.status, view.run.error) == ("done", None)
    sample = json.JSONDecoder().raw_decode(seen[0].partition('"sample":')[2])[0]
    assert len(sample) == 7 and any(one["document"].endswith(HARD) for one in sample)
    for one in sample:
        number = int(one["document"][-6:-4])
        assert one["quote"] in one["passage"] and one["passage"].strip() in contract(number)
    assert sum(check.name.startswith("verifier: sampled answer") for check in view.verified) == 7


def test_an_answer_that_does_not_follow_from_its_passage_sends_the_result_back(tmp_path):
    view, _ = played(tmp_path, lambda body: judged(body, passed=False))
    assert (view.run.status, view.run.error["kind"]) == ("failed", "verification")
    assert "sampled answer on" in view.run.error["message"]


def test_a_sampled_answer_without_a_verdict_is_never_a_pass(tmp_path):
    view, _ = played(tmp_path, lambda body: judged(body, left_out=asked(body)[-1:]))
    assert (view.run.status, view.run.error["kind"]) == ("failed", "verification")
    assert "did not judge every criterion (sample." in view.run.error["message"]
