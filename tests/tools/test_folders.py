"""The folders of a Drive are followed to the end, and what is too much is named."""

from __future__ import annotations

from bench.google.standin import standing
from bot.tools import bulk


def test_files_nine_folders_down_are_found(tmp_path):
    place = tmp_path / "drive"
    for number in range(9):
        place = place / f"level{number}"
        place.mkdir(parents=True)
        (place / f"contract{number}.txt").write_text(f"contract {number}")
    with standing(tmp_path / "drive") as standin:
        files, left = standin.run(lambda g: bulk.below(g, standin.named("level0")))
    assert [name.rsplit("/", 1)[-1] for name, _ in files] == [f"contract{number}.txt" for number in range(9)]
    assert left == []


def test_folders_beyond_the_bound_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "FOLDERS", 2)
    for name in ("a", "b", "c"):
        (tmp_path / "drive" / "top" / name).mkdir(parents=True)
        (tmp_path / "drive" / "top" / name / "x.txt").write_text(name)
    with standing(tmp_path / "drive") as standin:
        files, left = standin.run(lambda g: bulk.below(g, standin.named("top")))
    assert ([name for name, _ in files], [name for name, _ in left]) == (["a/x.txt"], ["b/", "c/"])
