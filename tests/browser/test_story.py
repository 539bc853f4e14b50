"""The story as a person lives it in the browser: read, look, mention, watch, approve, open the document, stop."""

from __future__ import annotations

import asyncio
import re
import shutil

import pytest

from bot.local import Options, stage

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if BROWSER is None:
    pytest.skip("no Chromium on the path; on Debian: apt-get install chromium", allow_module_level=True)
playwright = pytest.importorskip(
    "playwright.async_api", reason="no browser driver; `make test` installs it beside Chromium"
)
axe = pytest.importorskip("axe_playwright_python.async_playwright")

pytestmark = pytest.mark.timeout(300)
PATIENCE_MS = 60_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]
WIDER = """() => {
  const page = document.documentElement;
  const hangs = [...document.querySelectorAll("main *, aside *, nav *, dialog *")].filter((one) => {
    const box = one.getBoundingClientRect();
    if (!box.width || !box.height || box.right <= page.clientWidth + 1) return false;
    for (let at = one.parentElement; at; at = at.parentElement) {
      if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(at).overflowX) && at.tagName !== "BODY") return false;
    }
    return true;
  });
  return [page.scrollWidth > page.clientWidth ? "the page" : "", ...hangs.map((one) => one.outerHTML.slice(0, 120))].filter(Boolean);
}"""


class Person:
    """A page, and what is looked at wherever the story stops."""

    def __init__(self, page, shots):
        self.page, self.shots = page, shots

    async def look(self, name):
        """Nothing hangs over and everything can be read, in both themes."""
        for theme in ("light", "dark"):
            await self.page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            await self.page.screenshot(path=self.shots / f"{name}-{theme}.png")
            assert await self.page.evaluate(WIDER) == [], f"{name}, {theme}"
            found = await axe.Axe().run(self.page)
            wrong = [
                f"{one['id']}: {node['target']} {node.get('failureSummary', '')[:300]}"
                for one in found.response["violations"]
                for node in one["nodes"]
            ]
            assert not wrong, f"{name}, {theme}: " + "\n".join(wrong)

    async def say(self, words, place="main"):
        box = self.page.locator(f"#{place} textarea")
        await box.fill(words)
        await box.press("Escape")
        await box.press("Enter")

    async def thread_of(self, words):
        """Open the thread below the last message of these words."""
        message = self.page.locator("#main article", has_text=words).last
        await message.locator(".thread-summary").click(timeout=PATIENCE_MS)
        return self.page.locator("#thread")


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    return tmp_path_factory.mktemp("shots")


def test_a_person_reads_asks_watches_approves_opens_the_document_and_stops_a_second_run(tmp_path, shots):
    async def story(page, here):
        expect = playwright.expect
        expect.set_options(timeout=PATIENCE_MS)
        maya = Person(page, shots)
        await page.goto(f"{here.ready['slack']['web_url'].rstrip('/')}/?channel=finance&as=maya")
        await expect(page.locator("#main article").first).to_be_visible()
        await maya.look("channel")

        await page.get_by_role("button", name="Cadre", exact=True).click()
        await expect(page.locator(".prompts button").first).to_be_visible()
        await page.get_by_role("tab", name="Home").click()
        await expect(page.get_by_role("heading", name="Needs you")).to_be_visible()
        await maya.look("home")
        await page.get_by_role("button", name="finance").first.click()

        await page.locator("#main article").last.hover()
        await page.locator("#main article").last.get_by_role("button", name="Delegate this").click()
        form = page.locator("dialog")
        await expect(form.get_by_role("button", name="Delegate")).to_be_visible()
        await maya.look("form")
        await form.get_by_role("button", name="Cancel").click()
        await expect(form).to_have_count(0)

        await maya.say("@Cadre close Q3 2026")
        thread = await maya.thread_of("close Q3 2026")
        await expect(thread.locator(".plan").first).to_be_visible()
        await maya.look("working")

        approve = thread.get_by_role("button", name="Approve")
        await expect(approve).to_be_visible()
        await maya.look("approval")
        await approve.click()
        await expect(thread.get_by_text("is ready for review")).to_be_visible()
        await maya.look("result")

        async with page.context.expect_page() as opened:
            await thread.get_by_role("link", name="Variance report Q3 2026").last.click()
        document = await opened.value
        await expect(document.get_by_role("heading", name=re.compile("Variance report")).first).to_be_visible()
        await document.close()

        await maya.say("@Cadre close Q2 2026")
        second = await maya.thread_of("close Q2 2026")
        await second.get_by_role("button", name="Stop").first.click(timeout=PATIENCE_MS)
        await expect(second.get_by_text("Stopped", exact=False).first).to_be_visible()

        await page.get_by_role("button", name="Show calls and events").click()
        await page.locator("#inspector").get_by_role("button", name="chat.postMessage").last.click()
        await expect(page.locator("#inspector pre").first).to_contain_text("thread_ts")
        await maya.look("inspector")

    asyncio.run(_played(story, tmp_path))


def test_a_report_in_a_canvas_opens_from_its_post_and_from_the_channel_and_follows_what_changes(tmp_path, shots):
    async def story(page, here):
        expect = playwright.expect
        expect.set_options(timeout=PATIENCE_MS)
        maya = Person(page, shots)
        await page.goto(f"{here.ready['slack']['web_url'].rstrip('/')}/?channel=finance&as=maya")
        await maya.say("@Cadre digest this channel in a canvas")
        await expect(page.locator(".canvas-tab")).to_be_visible()
        thread = await maya.thread_of("digest this channel")
        await maya.look("channel-with-canvas")
        for link in (page.locator(".canvas-tab"), thread.get_by_role("link", name="Digest this channel")):
            async with page.context.expect_page() as opened:
                await link.click()
            document = await opened.value
            await expect(document.get_by_role("heading", name="Digest this channel")).to_be_visible()
        await expect(document.get_by_text("offline playbook, no language model")).to_be_visible()
        await Person(document, shots).look("canvas")

        token = {"Authorization": f"Bearer {here.ready['slack']['bot_token']}"}
        text = {"type": "markdown", "markdown": "## All berths are free"}
        change = {
            "canvas_id": document.url.split("/")[-1].partition("?")[0],
            "changes": [{"operation": "replace", "document_content": text}],
        }
        api = here.ready["slack"]["api_url"].rstrip("/")
        await page.request.post(f"{api}/canvases.edit", data=change, headers=token)
        await expect(document.get_by_role("heading", name="All berths are free")).to_be_visible()

    asyncio.run(_played(story, tmp_path))


async def _played(story, home):
    options = Options(approve="none")
    async with stage(options, home) as here, playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1400, "height": 900})
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        try:
            await story(page, here)
        finally:
            await browser.close()
        assert problems == []
