"""Pictures of what people see: the thread, document and sheet of a close, and the pages of reviews, in both themes.

Needs a Chromium on the path (Debian: chromium). Writes PNG files to screenshots/.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bot.local import Options, stage

OUT = Path("screenshots")
REVIEWS = {
    "contracts": "review the contracts in Supplier contracts",
    "meeting": "turn the transcript of the steering meeting into a page",
    "filing": "check the annual report against the policy for yearly reports",
    "survey": "survey report 2026 against 2025",
    "five-reviews": "five reviews of the berth pricing proposal",
    "diligence": "due diligence of Data room Veldkamp",
}
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=6000",
)  # fmt: skip
PRINTED = 'pdf:writer_pdf_Export:{"ExportNotes":{"type":"boolean","value":"true"}}'  # comments as pins
DARK = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0")  # for pages that follow the system


async def main() -> int:
    """Run the close, approve it, take the pictures; returns the exit code."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("No Chromium found; on Debian: apt-get install chromium", file=sys.stderr)
        return 1
    OUT.mkdir(exist_ok=True)
    options = Options(approve="all")
    with tempfile.TemporaryDirectory(prefix="cadre-") as home:
        async with stage(options, Path(home)) as here:
            run_id = await here.mention("close Q3 2026", options)
            await here.follow(run_id, options)
            run = await here.result(run_id)
            web = here.ready["slack"]["web_url"].rstrip("/")
            place = f"channel={run['run']['channel']}&thread={run['run']['thread_ts']}&as=maya&live=0"
            pages = {"thread": f"{web}/?{place}", "channel": f"{web}/?channel={run['run']['channel']}&as=maya&live=0"}
            for artifact in run["artifacts"]:
                if artifact["url"]:
                    pages["sheet" if "spreadsheets" in artifact["url"] else "doc"] = artifact["url"]
            for name, text in REVIEWS.items():
                run_id = await here.mention(text, options)
                await here.follow(run_id, options)
                review = await here.result(run_id)
                made = next(a for a in reversed(review["artifacts"]) if a["name"].endswith(".html"))
                pages[name] = Path(made["path"]).as_uri()
                for redline in (
                    a for a in review["artifacts"] if "/redline/" in a["name"] and a["path"].endswith(".docx")
                ):
                    await asyncio.to_thread(_print, Path(redline["path"]), f"{name}-redline")
                thread = f"channel={review['run']['channel']}&thread={review['run']['thread_ts']}&as=maya&live=0"
                pages[f"{name}-thread"] = f"{web}/?{thread}"
            for name, url in pages.items():
                for theme in ("light", "dark"):
                    mark = "&" if "?" in url else "?"
                    head, _, fragment = url.partition("#")
                    address = f"{head}{mark}theme={theme}" + (f"#{fragment}" if fragment else "")
                    await asyncio.to_thread(_shoot, browser, address, OUT / f"{name}-{theme}.png", theme == "dark")
    print("\n".join(str(p) for p in sorted(OUT.glob("*.png"))))
    return 0


def _print(document: Path, name: str) -> None:
    """The pages of a Word file with its tracked changes and comments, as LibreOffice shows them."""
    office, images = shutil.which("soffice"), shutil.which("pdftoppm")
    if office is None or images is None:
        print("No LibreOffice or pdftoppm found; on Debian: apt-get install libreoffice-writer poppler-utils")
        return
    with tempfile.TemporaryDirectory() as place:
        settings = f"-env:UserInstallation=file://{place}/settings"
        convert = [office, settings, "--headless", "--convert-to", PRINTED, "--outdir", place, str(document)]
        subprocess.run(convert, check=True, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (pdf,) = Path(place).glob("*.pdf")
        subprocess.run([images, "-r", "90", "-png", str(pdf), str(OUT / name)], check=True, timeout=60)


def _shoot(browser: str, url: str, target: Path, dark: bool = False) -> None:
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            *FLAGS,
            *(DARK if dark else ()),
            f"--user-data-dir={profile}",
            "--window-size=1400,2200",
            f"--screenshot={target}",
            url,
        ]
        subprocess.run(command, check=True, timeout=90, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
