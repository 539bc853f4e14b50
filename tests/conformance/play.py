"""What the suite's client does in a scenario, through the production host.

Everything between the configuration and the wire is the product. What stands here is what the bot does around it: a
person who visits sign-in links and answers questions, and a choice of what to call.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from connectors.mcp import (
    Answer,
    AuthorizationRequired,
    Caller,
    CallResult,
    InputRequired,
    McpFailure,
    McpHost,
    Parked,
    ProtocolFailure,
    SignIn,
    SkillMismatch,
    StillWorking,
    ToolInfo,
)

T = TypeVar("T")

ALIAS = "suite"
PERSON = Caller("user:T1:U1", run="conformance", interactive=True)
US = SignIn("http://localhost:3000/callback", "https://conformance-test.local/client-metadata.json")
SIGN_INS = 3


def entry(url: str, scenario: str, context: dict, version: str | None) -> dict:
    """The server as somebody would write it into `.mcp.json`."""
    mode = "auto" if version is None else version if version in MODERN_PROTOCOL_VERSIONS else "legacy"
    oauth: dict = {"clientId": context.get("client_id"), "clientSecret": context.get("client_secret")}
    if "private_key_pem" in context:
        oauth |= {"privateKey": context["private_key_pem"], "algorithm": context["signing_algorithm"]}
    if scenario.startswith("auth/client-credentials"):
        oauth |= {"grant": "client_credentials"}
    if "idp_id_token" in context:
        oauth |= {
            "grant": "identity_assertion",
            "idpTokenEndpoint": context["idp_token_endpoint"],
            "idpClientId": context["idp_client_id"],
            "idToken": context["idp_id_token"],
        }
    if "valid_jwt" in context:
        oauth |= {"grant": "workload", "assertion": context["valid_jwt"]}
    if "issuer" in context:
        oauth |= {"issuer": context["issuer"]}
    given = {key: value for key, value in oauth.items() if value}
    return {"url": url, "oauth": given, "x-cadre": {"performer": "user", "mode": mode}}


async def visit(host: McpHost, needed: AuthorizationRequired) -> None:
    """A person who agrees: the link leads straight back to the callback."""
    async with httpx2.AsyncClient(follow_redirects=False) as browser:
        answer = await browser.get(needed.url)
    brought = {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    await host.finish_sign_in(
        brought["state"], code=brought.get("code"), iss=brought.get("iss"), error=brought.get("error")
    )


async def signed_in(host: McpHost, work: Callable[[], Awaitable[T]]) -> T:
    for _ in range(SIGN_INS):
        try:
            return await work()
        except AuthorizationRequired as needed:
            await visit(host, needed)
    return await work()


async def begun(host: McpHost, tool: str, arguments: dict) -> Parked | CallResult:
    try:
        return await signed_in(host, lambda: host.call(tool, arguments, caller=PERSON))
    except (InputRequired, StillWorking) as parked:
        return parked.parked
    except ProtocolFailure as error:
        # A call that its server turns down is the model's to read, not the end of the session.
        return CallResult(None, str(error), is_error=True)


async def finished(host: McpHost, parked: Parked) -> CallResult:
    """Answers everything that is asked, as somebody who agrees and leaves the rest as it is."""
    # What a bot would keep in its database meanwhile.
    kept = Parked.from_json(json.loads(json.dumps(parked.to_json())))
    answers = {q.key: Answer("accept", filled(dict(q.schema))) for q in kept.questions}
    try:
        return await host.resume(kept, answers, caller=PERSON)
    except (InputRequired, StillWorking) as again:
        if isinstance(again, StillWorking):
            await asyncio.sleep(again.parked.poll_s)
        return await finished(host, again.parked)


def filled(schema: dict) -> dict:
    """Arguments that a schema accepts; what has a default is left out."""
    samples = {"number": 2, "integer": 2, "boolean": True, "string": "text", "array": [], "object": {}}
    fields = {k: v for k, v in (schema.get("properties") or {}).items() if "default" not in v}
    return {name: samples.get(spec.get("type"), "text") for name, spec in fields.items()}


def planned(tools: tuple[ToolInfo, ...], context: dict) -> list[tuple[str, dict]]:
    """What to call: what the scenario says, else everything once."""
    names = {tool.tool: tool for tool in tools}
    if "toolCalls" in context:
        return [(names[c["name"]].name, c["arguments"]) for c in context["toolCalls"] if c["name"] in names]
    calls = []
    for tool in tools:
        if tool.ours:  # the scenario is about the server's own
            continue
        arguments = filled(dict(tool.input_schema))
        if tool.tool == "json_schema_echo":
            arguments = {"schema": next(t.input_schema for t in tools if t is not tool)}
        calls.append((tool.name, arguments))
    return calls


async def skills(host: McpHost, is_used: bool) -> None:
    for skill in await host.skills(ALIAS, caller=PERSON):
        if not is_used:
            continue
        await host.read_skill(ALIAS, skill, caller=PERSON)
        for file in skill.files:
            await host.read_skill(ALIAS, skill, file.uri, caller=PERSON)


async def played(host: McpHost, scenario: str, context: dict) -> None:
    tools = await signed_in(host, lambda: host.tools(ALIAS, caller=PERSON))
    if scenario.startswith("sep-2640"):
        await skills(host, is_used="no-prefetch" not in scenario)
    begun_calls = [await begun(host, name, arguments) for name, arguments in planned(tools, context)]
    for outcome in begun_calls:
        if isinstance(outcome, Parked):
            await finished(host, outcome)


async def play(url: str) -> int:
    scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    told = os.environ.get("CADRE_CONFORMANCE_ERA") == "told"
    version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION") if told else None
    config = {"mcpServers": {ALIAS: entry(url, scenario, context, version)}}
    async with McpHost(config, environ={}, sign_in=US) as host:
        for problem in host.problems:
            print(problem, file=sys.stderr)
        try:
            await played(host, scenario, context)
        except (McpFailure, SkillMismatch) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
    return 0
