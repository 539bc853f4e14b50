"""The drill at points: the same small work again and again, killed at one point or several of each run."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bot.drill.trial import Trial, Work, import_everything, stand_ins
from bot.errors import RunFailed
from bot.types import Json

WORKS = {
    "close": Work("finance", "maya", ("close Q3 2026",)),
    "launch": Work(
        "launch", "elena", ("launch Brook 3", "change the key message to: Clean water, at a glance"),
    ),
}  # fmt: skip


@dataclass
class Report:
    """What a drill came to."""

    points: int
    trials: int = 0
    killed: int = 0
    differing: list[str] = field(default_factory=list)
    swept: int = 0  # wakes that only the sweep found in the undisturbed run; none should be

    def as_json(self) -> Json:
        return {
            "points": self.points,
            "trials": self.trials,
            "killed": self.killed,
            "swept_undisturbed": self.swept,
            "differing": self.differing,
            "equal": self.trials - len(self.differing),
        }


def kill_drill(
    *, trials: int | None, seed: int, say: Callable[[str], None], work: str = "close", kills: int = 1
) -> Report:
    """Work undisturbed once, then once per chosen point with a kill there; all must end alike.

    `trials` None takes every point. With more `kills` each run is killed at so many of the points, one life after the
    other. Raises RunFailed when the undisturbed run itself does not end well.
    """
    home = Path(tempfile.mkdtemp(prefix="cadre-drill-"))
    try:
        with stand_ins(home, "--small", "--seed", str(seed)) as ready:
            return _drill(ready, home, WORKS[work], trials, seed, say, kills)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _drill(
    ready: Json, home: Path, work: Work, trials: int | None, seed: int, say: Callable[[str], None], kills: int
) -> Report:
    import_everything()
    calm = Trial(ready, home / "calm", work).run()
    if calm.status != "done":
        raise RunFailed("drill", f"The undisturbed work ended {calm.status}: {calm.error}")
    names = [line.split("\t")[0] for line in calm.trace()]
    report = Report(points=len(names), swept=calm.swept)
    chosen = list(range(1, len(names) + 1))
    if trials is not None and trials < len(chosen):
        chosen = sorted(random.Random(seed).sample(chosen, trials))
    runs = -(-len(chosen) // kills)
    for deal in range(runs):
        places = tuple(chosen[deal::runs])
        told = f"point {', '.join(f'{place} ({names[place - 1]})' for place in places)}"
        trial = Trial(ready, home / f"kill-{deal}", work).run(kill_at=places)
        report.trials += 1
        report.killed += trial.kills
        wrong = calm.differences(trial)
        if wrong:
            report.differing.append(f"{told}: {'; '.join(wrong)}")
        say(f"{report.trials}/{runs} {told}: {'; '.join(wrong) or 'equal'}")
        shutil.rmtree(home / f"kill-{deal}", ignore_errors=True)
    return report
