"""Pictures of what people see after a close: the thread, the document and the sheet, in both themes.

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
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=6000",
)  # fmt: skip


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
            for name, url in pages.items():
                for theme in ("light", "dark"):
                    mark = "&" if "?" in url else "?"
                    head, _, fragment = url.partition("#")
                    address = f"{head}{mark}theme={theme}" + (f"#{fragment}" if fragment else "")
                    await asyncio.to_thread(_shoot, browser, address, OUT / f"{name}-{theme}.png")
    print("\n".join(str(p) for p in sorted(OUT.glob("*.png"))))
    return 0


def _shoot(browser: str, url: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            *FLAGS,
            f"--user-data-dir={profile}",
            "--window-size=1400,2200",
            f"--screenshot={target}",
            url,
        ]
        subprocess.run(command, check=True, timeout=90, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
