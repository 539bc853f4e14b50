"""Signing in at a server: once per person, kept over restarts, renewed once by whoever comes first."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from connectors.mcp import (
    Attempt,
    AuthorizationRequired,
    Caller,
    Grant,
    McpHost,
    MemoryGrants,
    ServerDown,
    SignIn,
    SignInFailed,
)
from connectors.mcp.egress import NotAllowed, sign_in_client
from tests.connectors.mcp_stub import Stub, meeting, text, visit

ANN, BOB = Caller("user:T1:ANN"), Caller("user:T1:BOB")
US = SignIn("http://127.0.0.1:1/oauth/mcp/callback")


async def whoami(_params, who):
    return text(f"you are {who}")


def host(stub, grants, **ours):
    return McpHost({"mcpServers": {"crm": stub.entry(performer="user", **ours)}}, grants=grants, sign_in=US)


async def signed_in(host, stub, caller, person):
    with pytest.raises(AuthorizationRequired) as needed:
        await host.tools("crm", caller=caller)
    stub.person = person
    return await visit(host, needed.value)


def run(main):
    asyncio.run(main())


def test_two_people_sign_in_and_never_see_each_others_data():
    async def main():
        async with Stub({"whoami": whoami}, signed=True) as stub, host(stub, MemoryGrants()) as ours:
            assert (await signed_in(ours, stub, ANN, "ann")).principal == ANN.principal
            assert (await ours.call("mcp__crm__whoami", {}, caller=ANN)).text == "you are ann"
            with pytest.raises(AuthorizationRequired) as needed:
                await ours.call("mcp__crm__whoami", {}, caller=BOB)
            assert (needed.value.principal, needed.value.host) == (BOB.principal, "127.0.0.1")
            stub.person = "bob"
            await visit(ours, needed.value)
            both = await asyncio.gather(*(ours.call("mcp__crm__whoami", {}, caller=c) for c in (ANN, BOB, ANN)))
            assert [r.text for r in both] == ["you are ann", "you are bob", "you are ann"]
            assert stub.times("/register") == 1  # Cadre is one client, whoever signs in

    run(main)


def test_calls_of_one_person_run_beside_each_other():
    async def main():
        async with Stub({"meet": meeting(5)}, signed=True) as stub, host(stub, MemoryGrants()) as ours:
            await signed_in(ours, stub, ANN, "ann")
            answers = await asyncio.gather(*(ours.call("mcp__crm__meet", {}, caller=ANN) for _ in range(5)))
            assert [a.text for a in answers] == ["met ann"] * 5

    run(main)


def test_after_a_restart_an_expired_token_is_renewed_once_and_nobody_is_asked():
    async def main():
        grants = MemoryGrants()
        async with Stub({"meet": meeting(6)}, signed=True) as stub:
            async with host(stub, grants) as before:
                await signed_in(before, stub, ANN, "ann")
                await before.tools("crm", caller=ANN)
            stub.expire()
            # Two processes begin at the same time, with calls that all meet the refusal.
            async with host(stub, grants) as one, host(stub, grants) as other:
                calls = [h.call("mcp__crm__meet", {}, caller=ANN) for h in (one, other) for _ in range(3)]
                assert {a.text for a in await asyncio.gather(*calls)} == {"met ann"}
            assert stub.times("/token", grant_type="refresh_token") == 1
            assert stub.times("/authorize") == 1

    run(main)


def test_a_token_near_its_end_is_renewed_before_it_is_used():
    async def main():
        async with Stub({"whoami": whoami}, signed=True) as stub, host(stub, MemoryGrants()) as ours:
            stub.life_s = 30
            await signed_in(ours, stub, ANN, "ann")
            stub.life_s = 3600
            await asyncio.gather(*(ours.call("mcp__crm__whoami", {}, caller=ANN) for _ in range(4)))
            assert stub.times("/token", grant_type="refresh_token") == 1

    run(main)


def test_an_issuer_that_is_down_costs_no_grant():
    async def main():
        async with Stub({"whoami": whoami}, signed=True) as stub, host(stub, MemoryGrants()) as ours:
            await signed_in(ours, stub, ANN, "ann")
            await ours.tools("crm", caller=ANN)
            stub.expire()
            stub.issuer_is_down = True
            with pytest.raises(ServerDown, match="answers 503"):
                await ours.call("mcp__crm__whoami", {}, caller=ANN)
            stub.issuer_is_down = False
            assert (await ours.call("mcp__crm__whoami", {}, caller=ANN)).text == "you are ann"
            assert stub.times("/authorize") == 1

    run(main)


@pytest.mark.parametrize(
    "answer",
    [
        (403, "<html>blocked by proxy, try later</html>"),
        (404, ""),
        (400, '{"error": "invalid_request"}'),
        (400, '{"error": {"code": "invalid_grant"}}'),
        (407, "invalid_grant"),
    ],
)
def test_no_refusal_but_the_issuers_own_word_on_a_grant_costs_it(answer):
    async def main():
        async with Stub({"whoami": whoami}, signed=True) as stub, host(stub, MemoryGrants()) as ours:
            await signed_in(ours, stub, ANN, "ann")
            await ours.tools("crm", caller=ANN)
            stub.expire()
            stub.refresh_answers = answer
            with pytest.raises(ServerDown, match=str(answer[0]) if answer[0] != 400 else "refused"):
                await ours.call("mcp__crm__whoami", {}, caller=ANN)
            stub.refresh_answers = None
            assert (await ours.call("mcp__crm__whoami", {}, caller=ANN)).text == "you are ann"
            assert stub.times("/authorize") == 1

    run(main)


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client"])
def test_an_issuer_that_forgot_cadre_registers_it_anew_and_the_grant_is_kept_until_then(code):
    async def main():
        grants = MemoryGrants()
        async with Stub({"whoami": whoami}, signed=True) as stub, host(stub, grants) as ours:
            await signed_in(ours, stub, ANN, "ann")
            await ours.tools("crm", caller=ANN)
            stub.expire()
            stub.refresh_answers = (401, f'{{"error": "{code}"}}')
            for _ in range(2):
                with pytest.raises(AuthorizationRequired) as needed:
                    await ours.call("mcp__crm__whoami", {}, caller=ANN)
            assert stub.times("/token", grant_type="refresh_token") == 1 and stub.times("/register") == 2
            assert (await grants.grant("crm", ANN.principal)).grant.refresh_token
            await visit(ours, needed.value)
            assert (await ours.call("mcp__crm__whoami", {}, caller=ANN)).text == "you are ann"

    run(main)


def test_what_the_issuer_no_longer_renews_is_asked_for_again_with_one_link_for_all_calls():
    async def main():
        async with Stub({"whoami": whoami}, signed=True) as stub, host(stub, MemoryGrants()) as ours:
            await signed_in(ours, stub, ANN, "ann")
            await ours.tools("crm", caller=ANN)
            stub.expire()
            stub.refreshes.clear()
            calls = [ours.call("mcp__crm__whoami", {}, caller=ANN) for _ in range(3)]
            needed = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(n, AuthorizationRequired) for n in needed)
            assert len({n.url for n in needed}) == 1
            await visit(ours, needed[0])
            assert (await ours.call("mcp__crm__whoami", {}, caller=ANN)).text == "you are ann"

    run(main)


def test_a_link_works_once_and_only_as_what_it_was_made_for():
    async def main():
        async with Stub({"whoami": whoami}, signed=True) as stub, host(stub, MemoryGrants()) as ours:
            with pytest.raises(AuthorizationRequired) as needed:
                await ours.tools("crm", caller=ANN)
            with pytest.raises(SignInFailed, match="comes from https://evil"):
                await ours.finish_sign_in(needed.value.state, code="x", iss="https://evil.example")
            with pytest.raises(SignInFailed, match="used already"):
                await ours.finish_sign_in(needed.value.state, code="x")
            with pytest.raises(AuthorizationRequired) as again:
                await ours.tools("crm", caller=ANN)
            with pytest.raises(SignInFailed, match="access_denied"):
                await ours.finish_sign_in(again.value.state, error="access_denied")
            assert stub.times("/token") == 0

    run(main)


def test_more_access_is_asked_for_beside_what_was_granted():
    async def main():
        async with Stub({"whoami": whoami, "write": whoami}, signed=True) as stub, host(stub, MemoryGrants()) as ours:
            stub.needs["write"] = "write"
            await signed_in(ours, stub, ANN, "ann")
            with pytest.raises(AuthorizationRequired) as needed:
                await ours.call("mcp__crm__write", {}, caller=ANN)
            assert needed.value.scope == "read write"
            await visit(ours, needed.value)
            assert (await ours.call("mcp__crm__write", {}, caller=ANN)).text == "you are ann"
            stub.needs["write"] = "write"
            stub.tokens = {token: (who, ("read",)) for token, (who, _) in stub.tokens.items()}
            with pytest.raises(SignInFailed, match="still refuses, although access to write was granted"):
                await ours.call("mcp__crm__write", {}, caller=ANN)

    run(main)


def test_tokens_stay_with_the_address_they_were_given_for():
    async def main():
        grants = MemoryGrants()
        async with Stub({"whoami": whoami}, signed=True) as stub, Stub({"whoami": whoami}, signed=True) as other:
            async with host(stub, grants) as ours:
                await signed_in(ours, stub, ANN, "ann")
            async with host(other, grants) as moved:
                with pytest.raises(AuthorizationRequired):
                    await moved.tools("crm", caller=ANN)
            assert other.times("/token") == 0

    run(main)


def test_signing_out_forgets_the_grant():
    async def main():
        async with Stub({"whoami": whoami}, signed=True) as stub, host(stub, MemoryGrants()) as ours:
            await signed_in(ours, stub, ANN, "ann")
            await ours.tools("crm", caller=ANN)
            await ours.sign_out("crm", ANN.principal)
            with pytest.raises(AuthorizationRequired):
                await ours.call("mcp__crm__whoami", {}, caller=ANN)

    run(main)


def test_a_server_cannot_lead_a_sign_in_into_the_network():
    async def main():
        async with Stub({"whoami": whoami}, signed=True) as stub, host(stub, MemoryGrants()) as ours:
            named = stub.base
            stub.base = "http://169.254.169.254"
            with pytest.raises(ServerDown, match=r"where we do not go: .*:80 is not an https"):
                await ours.tools("crm", caller=ANN)
            stub.base = named

    run(main)


def machine(stub, client):
    entry = stub.entry() | {
        "oauth": {"grant": "client_credentials", "clientId": client, "clientSecret": "s3cret-word"}
    }
    return McpHost({"mcpServers": {"crm": entry}}, environ={})


def keeping(stub, grants, **oauth):
    return McpHost({"mcpServers": {"crm": stub.entry() | {"oauth": oauth}}}, environ={}, grants=grants, sign_in=US)


SECRETS = [
    {"grant": "client_credentials", "clientId": "robot", "clientSecret": "s3cret-word"},
    {"grant": "workload", "assertion": "eyJ.WORKLOAD.JWT"},
    {"clientId": "robot", "clientSecret": "s3cret-word"},
]


@pytest.mark.parametrize("oauth", SECRETS)
def test_credentials_stay_with_the_first_issuer_until_the_entry_names_another(oauth):
    async def main():
        grants = MemoryGrants()
        async with Stub({"whoami": whoami}, signed=True) as stub, Stub({}, signed=True) as evil:
            async with keeping(stub, grants, **oauth) as ours:
                # Whether the first issuer grants anything is not the question here.
                with contextlib.suppress(SignInFailed, AuthorizationRequired, ServerDown):
                    await ours.tools("crm")
            if (granted := await grants.grant("crm", "service")) is not None:
                await grants.forget("crm", "service", expected=granted.version)
            stub.names = evil.base
            async with keeping(stub, grants, **oauth) as ours:
                with pytest.raises(ServerDown) as told:
                    await ours.tools("crm")
                for part in (stub.base, evil.base, "set oauth.issuer"):
                    assert part in str(told.value)
            assert evil.times("/token") == 0
            async with keeping(stub, grants, **oauth, issuer=stub.base) as ours:
                with pytest.raises(ServerDown, match=f"belongs to {stub.base}, not to {evil.base}"):
                    await ours.tools("crm")
            async with keeping(stub, grants, **oauth, issuer=evil.base) as ours:
                with pytest.raises((AuthorizationRequired, ServerDown)) as told:
                    await ours.tools("crm")
                assert "belongs to" not in str(told.value)

    run(main)


def test_a_server_that_only_says_to_be_the_issuer_gets_none_of_its_credentials():
    async def main():
        async with Stub({"whoami": whoami}, signed=True) as stub:
            stub.speaks_for = "https://login.example.com"
            async with keeping(stub, MemoryGrants(), **SECRETS[0], issuer=stub.speaks_for) as ours:
                with pytest.raises(ServerDown, match=f"belongs to {stub.speaks_for}, not to {stub.base}"):
                    await ours.tools("crm")
            assert stub.times("/token") == 0

    run(main)


def test_a_machine_signs_itself_in_and_again_when_its_token_ends():
    async def main():
        async with Stub({"whoami": whoami}, signed=True) as stub, machine(stub, "cadre") as ours:
            for _ in range(2):
                both = await asyncio.gather(*(ours.call("mcp__crm__whoami", {}) for _ in range(3)))
                assert {r.text for r in both} == {"you are cadre"}
                stub.expire()
            assert stub.times("/token") == 2

    run(main)


def test_credentials_that_an_issuer_does_not_know_are_named_and_not_tried_on_and_on():
    async def main():
        async with Stub({"whoami": whoami}, signed=True) as stub, machine(stub, "unknown") as ours:
            with pytest.raises(ServerDown, match="refused: invalid_client"):
                await ours.tools("crm")
            assert stub.times("/token") == 1

    run(main)


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/token",
        "https://127.0.0.1/token",
        "https://10.1.2.3/token",
        "https://169.254.169.254/latest",
        "https://[::1]/token",
        "https://[::ffff:127.0.0.1]/token",
        "https://[64:ff9b::7f00:1]/token",
        "https://0.0.0.0/token",
    ],
)
def test_what_a_server_out_there_names_is_dialled_only_where_everybody_may_go(url):
    async def main():
        async with sign_in_client("https://crm.example/mcp") as http:
            with pytest.raises(NotAllowed):
                await http.post(url)

    run(main)


def test_grants_and_attempts_survive_as_json_and_show_no_secret():
    async def main():
        grants = MemoryGrants()
        async with Stub({"whoami": whoami}, signed=True) as stub, host(stub, grants) as ours:
            with pytest.raises(AuthorizationRequired) as needed:
                await ours.tools("crm", caller=ANN)
            attempt = await grants.take_attempt(needed.value.state)
            assert Attempt.from_json(attempt.to_json()) == attempt
            assert attempt.verifier not in repr(attempt) and attempt.url not in repr(attempt)
            await grants.keep_attempt(attempt)
            await visit(ours, needed.value)
            stored = await grants.grant("crm", ANN.principal)
            assert Grant.from_json(stored.grant.to_json()) == stored.grant
            assert stored.grant.access_token not in repr(stored) and stored.grant.refresh_token not in repr(stored)
            assert not await grants.keep("crm", ANN.principal, replace(stored.grant), expected=stored.version - 1)

    run(main)
