"""Every kind of Google write: done once whatever is lost, never over a person's change, undone to what it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.google.drill import Count, in_between, once
from bench.google.kinds import KINDS, Kind, seed
from bench.google.standin import Standin, standing
from connectors.google import GoogleWorkspace, SheetCells


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with standing(seed(tmp_path_factory.mktemp("drive"))) as standin:
        yield standin


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_write_and_its_undo_happen_once_when_answers_are_lost(google: Standin, kind: Kind):
    count = Count()
    once(google, kind, "op-1", [(name, "accept_then_drop") for name in kind.calls], count)
    assert count.clean


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_a_person_changed_in_between_is_left_alone(google: Standin, kind: Kind):
    count = Count()
    in_between(google, kind, "op-1", count)
    assert (count.overwritten, count.conflicts) == (0, 2 if kind.guarded else 1)


def test_a_written_cell_keeps_its_looks_and_note_and_undo_leaves_a_newer_note(google: Standin):
    google.post("reset")
    plan = google.named("Plan")
    euro, red = {"type": "CURRENCY", "pattern": "€#,##0.00"}, {"red": 1}
    change = SheetCells(plan, "Costs", "B2", (("12.5", "1.75"),))

    async def lay(workspace: GoogleWorkspace, cell: dict[str, object], fields: str) -> None:
        gid = (await workspace.sheet_tabs(plan))[0].id
        at = {"sheetId": gid, "startRowIndex": 1, "endRowIndex": 2, "startColumnIndex": 1, "endColumnIndex": 2}
        body = {"requests": [{"repeatCell": {"range": at, "cell": cell, "fields": fields}}]}
        await workspace._services.write(
            "sheets", lambda s: s.spreadsheets().batchUpdate(spreadsheetId=plan, body=body), "the looks"
        )

    def looks(cell: str) -> object:
        return google.state()["sheets"][plan]["tabs"][0]["cells"].get(cell)

    laid = {"userEnteredFormat": {"numberFormat": euro, "backgroundColor": red}, "note": "checked"}
    google.run(lambda g: lay(g, laid, "userEnteredFormat,note"))
    preview = google.run(lambda g: g.preview(change))
    done = google.run(lambda g: g.apply(change, "op-looks", preview.revision))
    assert looks("B2") == [{"numberFormat": euro, "backgroundColor": red}, "checked"]
    assert looks("C2") == [{"numberFormat": {"type": "NUMBER", "pattern": "#,##0.00"}}, None]
    google.run(lambda g: lay(g, {"note": "newer"}, "note"))
    google.run(lambda g: g.undo(change, "op-looks", done, preview.pre_image))
    assert looks("B2") == [{"numberFormat": euro, "backgroundColor": red}, "newer"]
    assert looks("C2") is None
