"""A demo removes the files of an earlier demo, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cmr_ssp.cli import demo as command
from cmr_ssp.cli import demo_folder
from cmr_ssp.cli.terminal import Terminal
from cmr_ssp.errors import OutputError
from files_helpers import fingerprint


def made(folder: Path) -> Path:
    """Write the files of a finished demo."""
    (folder / "runs" / "mim").mkdir(parents=True)
    (folder / "runs" / "mim" / "last.safetensors").write_bytes(b"weights")
    (folder / "cohort").mkdir()
    (folder / "cohort" / "a.nii.gz").write_bytes(b"pixels")
    (folder / "scores.csv").write_text("method\n")
    demo_folder.write_list(folder)
    return folder


def test_an_earlier_demo_is_removed(tmp_path: Path) -> None:
    folder = made(tmp_path / "demo")
    demo_folder.clear(folder)
    assert list(folder.iterdir()) == []
    demo_folder.clear(folder)
    demo_folder.clear(tmp_path / "missing")


@pytest.mark.parametrize("text", ["", "mine\n", "Made by `cmr-ssp demo`, which may remove this folder.\n"])
def test_a_mark_of_any_other_content_protects_nothing_and_loses_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("years of work")
    (tmp_path / "demo.txt").write_text(text)
    before = fingerprint(tmp_path)
    with pytest.raises(OutputError, match="not hold an earlier demo"):
        demo_folder.clear(tmp_path)
    assert fingerprint(tmp_path) == before


def test_the_mark_of_another_demo_does_not_make_a_folder_one(tmp_path: Path) -> None:
    list_of_demo = (made(tmp_path / "demo") / "demo.txt").read_bytes()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "demo.txt").write_bytes(list_of_demo)
    (mine / "scores.csv").write_text("my scores")
    before = fingerprint(mine)
    with pytest.raises(OutputError, match=r"scores\.csv: it was changed"):
        demo_folder.clear(mine)
    assert fingerprint(mine) == before


def add_file(folder: Path) -> Path:
    (folder / "notes.txt").write_text("mine")
    return folder / "notes.txt"


def add_file_to_a_run(folder: Path) -> Path:
    (folder / "runs" / "mim" / "a_seg.nii.gz").write_text("corrected")
    return folder / "runs" / "mim" / "a_seg.nii.gz"


def change_file(folder: Path) -> Path:
    (folder / "scores.csv").write_text("methoD\n")
    return folder / "scores.csv"


def add_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def link_file(folder: Path) -> Path:
    path = folder / "scores.csv"
    path.rename(folder.parent / "elsewhere.csv")
    path.symlink_to(folder.parent / "elsewhere.csv")
    return path


def link_folder(folder: Path) -> Path:
    (folder.parent / "mine").mkdir()
    (folder.parent / "mine" / "a.txt").write_text("mine")
    (folder / "linked").symlink_to(folder.parent / "mine")
    return folder / "linked"


CHANGES = [add_file, add_file_to_a_run, change_file, add_folder, link_file, link_folder]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_is_foreign_or_was_changed_stops_it_before_anything_is_removed(tmp_path: Path, change) -> None:
    folder = made(tmp_path / "demo")
    path = change(folder)
    before = fingerprint(tmp_path)
    with pytest.raises(OutputError) as caught:
        demo_folder.clear(folder)
    assert str(path) in {problem.where for problem in caught.value.problems}
    assert fingerprint(tmp_path) == before


def test_what_lay_beside_a_demo_while_it_ran_is_not_taken_for_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    made(folder)
    with pytest.raises(OutputError, match=r"notes\.txt: it was not written by an earlier demo"):
        demo_folder.clear(folder)


def test_names_that_are_no_utf_8_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    (folder / "runs").mkdir(parents=True)
    try:
        Path(os.fsdecode(os.fsencode(folder / "runs") + b"/\xff")).write_text("x")
    except OSError:
        pytest.skip("this file system has no such names")
    demo_folder.write_list(folder)
    demo_folder.clear(folder)
    assert list(folder.iterdir()) == []


def test_a_demo_that_failed_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OutputError.of("demo", "it failed", "Try again.")

    monkeypatch.setattr(command, "_train_and_score", fails)
    monkeypatch.setattr(command, "_SUBJECTS", 1)
    for _ in range(2):
        with pytest.raises(OutputError, match="it failed"):
            command.demo(headless=True, out=tmp_path / "demo", terminal=Terminal())
