"""A verifier for scripted models: it finds every criterion of its inputs as promised."""

from __future__ import annotations

import re

from loopback.model.scripted import call


def asked(body):
    """The ids of the criteria and sampled answers that a verifier is asked about."""
    words = "".join(block.get("text", "") for block in body["messages"][0]["content"])
    listed = words.partition('"criteria":')[2].partition('"checks":')[0]
    found = [*re.findall(r'"id":"([^"]+)"', listed), *re.findall(r'"id":"(sample\.\d+)"', words)]
    return list(dict.fromkeys(found))


def judged(body, passed=True, left_out=()):
    """The finish of a verifier that gives every criterion the same verdict."""
    verdicts = [{"name": name, "passed": passed} for name in asked(body) if name not in left_out]
    return [call("finish", {"status": "done", "summary": "I looked at the files.", "verdicts": verdicts})]


def with_fresh_eyes(script):
    """The script, with a verifier that agrees."""

    def played(body):
        name = body["metadata"]["user_id"].split("/")[-1]
        return judged(body) if name.startswith("verifier") else script(body)

    return played
