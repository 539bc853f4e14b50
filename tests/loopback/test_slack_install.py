"""Installing an app: the page, the tokens, their rotation; with Bolt's own OAuth flow."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_harness import run, signed_http
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import FileInstallationStore
from slack_sdk.oauth.state_store import FileOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient

from loopback.slack.seed import CLIENT_ID, CLIENT_SECRET, SIGNING_SECRET, AppDefinition

# The SDK authenticates its token calls in a way that aiohttp is retiring.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated"),
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated"),
]

APP = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
BACK = "http://127.0.0.1:1/slack/oauth_redirect"


async def asked(stage, answer="allow", who="UMAYA", **query):
    """Fills in the install page; what the app gets back."""
    query = {"client_id": CLIENT_ID, "scope": "chat:write,commands", "redirect_uri": BACK, "state": "s1", **query}
    address = f"{stage.running.url}/oauth/v2/authorize"
    form = {"as": who, "answer": answer}
    async with stage.http.post(address, params=query, data=form, allow_redirects=False) as reply:
        assert reply.status == 302, await reply.text()
        return {key: value[0] for key, value in parse_qs(urlsplit(reply.headers["Location"]).query).items()}


async def refusal(call):
    with pytest.raises(SlackApiError) as refused:
        await call
    return refused.value.response["error"]


def test_the_page_says_what_the_app_asks_for_and_by_whom():
    async def scenario(stage):
        query = {"client_id": CLIENT_ID, "scope": "chat:write", "user_scope": "search:read", "redirect_uri": BACK}
        page = await (await stage.http.get(f"{stage.running.url}/oauth/v2/authorize", params=query)).text()
        assert "Cadre is asking to be installed in Local workspace" in page
        assert re.findall(r"<li>(.*?)</li>", page) == ["chat:write", "search:read"]
        assert "Maya Lindqvist" in page
        assert "Olga Novak" not in page  # belongs to another workspace
        for wrong in ({"client_id": "x"}, {"scope": "no:such"}, {"redirect_uri": "javascript:alert(1)"}):
            reply = await stage.http.get(f"{stage.running.url}/oauth/v2/authorize", params=query | wrong)
            assert reply.status == 400

    run(scenario)


@pytest.mark.sends_wrong
def test_a_code_is_good_once_and_its_token_has_the_scopes_that_were_allowed():
    async def scenario(stage):
        assert await asked(stage, "cancel") == {"error": "access_denied", "state": "s1"}
        back = await asked(stage, user_scope="search:read")
        assert back["state"] == "s1"
        nobody = AsyncWebClient(base_url=stage.api_url)
        told = await nobody.oauth_v2_access(**APP, code=back["code"], redirect_uri=BACK)
        assert (told["scope"], told["authed_user"]["id"], told["team"]["id"]) == (
            "chat:write,commands", "UMAYA", "T0LOCAL",
        )  # fmt: skip
        assert told["authed_user"]["access_token"].startswith("xoxp-")
        installed = AsyncWebClient(token=told["access_token"], base_url=stage.api_url)
        await installed.chat_postMessage(channel="CFINANCE", text="installed")
        assert await refusal(installed.users_list()) == "missing_scope"
        again = nobody.oauth_v2_access(**APP, code=back["code"], redirect_uri=BACK)
        assert await refusal(again) == "code_already_used"
        await installed.auth_revoke()
        assert await refusal(installed.auth_test()) == "token_revoked"

    run(scenario)


def test_without_an_address_to_return_to_the_manifests_first_is_used():
    async def scenario(stage):
        query = {"client_id": CLIENT_ID, "scope": "chat:write"}
        address, form = f"{stage.running.url}/oauth/v2/authorize", {"as": "UMAYA", "answer": "allow"}
        async with stage.http.post(address, params=query, data=form, allow_redirects=False) as reply:
            assert reply.headers["Location"].startswith(f"{BACK}?code=")
        other = query | {"redirect_uri": "http://elsewhere.example/"}
        assert (await stage.http.get(address, params=other)).status == 400

    run(scenario, definition=AppDefinition(redirect_urls=(BACK,)))


def test_tokens_expire_and_are_refreshed_once():
    async def scenario(stage):
        back = await asked(stage)
        nobody = AsyncWebClient(base_url=stage.api_url)
        told = await nobody.oauth_v2_access(**APP, code=back["code"], redirect_uri=BACK)
        assert (told["expires_in"], told["refresh_token"][:5]) == (43200, "xoxe-")
        first = AsyncWebClient(token=told["access_token"], base_url=stage.api_url)
        await first.auth_test()
        stage.clock.advance(43201)
        assert await refusal(first.auth_test()) == "token_expired"
        fresh = await nobody.oauth_v2_access(**APP, grant_type="refresh_token", refresh_token=told["refresh_token"])
        await AsyncWebClient(token=fresh["access_token"], base_url=stage.api_url).auth_test()
        used = nobody.oauth_v2_access(**APP, grant_type="refresh_token", refresh_token=told["refresh_token"])
        assert await refusal(used) == "invalid_refresh_token"

    run(scenario, definition=AppDefinition(rotates_tokens=True))


def test_bolts_own_flow_installs_and_then_answers_with_the_installed_token(tmp_path):
    async def scenario(stage):
        store = FileInstallationStore(base_dir=str(tmp_path / "installations"), client_id=CLIENT_ID)
        states = FileOAuthStateStore(expiration_seconds=60, base_dir=str(tmp_path / "states"), client_id=CLIENT_ID)
        settings = AsyncOAuthSettings(
            **APP,
            scopes=["app_mentions:read", "chat:write"],
            installation_store=store,
            state_store=states,
            redirect_uri=BACK,
            authorization_url=f"{stage.running.url}/oauth/v2/authorize",
        )
        client = AsyncWebClient(base_url=stage.api_url)
        app = AsyncApp(client=client, signing_secret=SIGNING_SECRET, oauth_settings=settings)
        app.oauth_flow.client.base_url = stage.api_url

        @app.event("app_mention")
        async def answer(event, say, context):
            stage.heard.put_nowait(context.bot_token)
            await say("Installed and listening")

        @app.event("message")
        async def ignore():
            """Mentions come as messages too."""

        async with signed_http(stage, app) as url:
            root = url.removesuffix("/slack/events")
            start = await stage.http.get(f"{root}/slack/install")
            link = re.search(r'href="(http[^"]+)"', await start.text()).group(1).replace("&amp;", "&")
            cookie = {"Cookie": start.headers["Set-Cookie"].partition(";")[0]}  # for https only, says Bolt
            back = await stage.http.post(link, data={"as": "UMAYA", "answer": "allow"}, allow_redirects=False)
            assert back.status == 302, await back.text()
            target = urlsplit(back.headers["Location"])
            done = await stage.http.get(f"{root}/slack/oauth_redirect?{target.query}", headers=cookie)
            assert done.status == 200, await done.text()
            await stage.act("maya", "post", channel="finance", text="@cadre are you there?")
            assert (await stage.next()).startswith("xoxb-")

    run(scenario)
