"""``cmr-ssp experiment report``: files, the page, and the same bytes again."""

from __future__ import annotations

import csv
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cell_helpers import record_of, write_cell, write_experiment
from cmr_ssp.cli import main


class Page(HTMLParser):
    """Collects elements, ids and references, and checks that elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("src", "href", "xlink:href") and value:
                self.references.append(value)
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def report(*words: object) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main([str(word) for word in words])


def test_page_and_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_experiment(tmp_path / "small & new")
    (folder / "environment.txt").write_text("numpy==2.3\n")
    report("--json", "experiment", "report", folder)
    result = json.loads(capsys.readouterr().out)["result"]
    assert Path(result["report"]) == folder / "report.html"
    kinds = [path.suffix for path in sorted((folder / "tables").iterdir())]
    assert (kinds.count(".csv"), kinds.count(".md"), kinds.count(".tex")) == (9, 8, 8)
    page, text = Page(), (folder / "report.html").read_text(encoding="utf-8")
    page.feed(text)
    assert "script" not in page.tags and page.tags.count("svg") == 4
    assert len(page.ids) == len(set(page.ids))
    assert all(each[0] == "#" and each[1:] in page.ids for each in page.references)
    assert "<h1>small &amp; new</h1>" in text
    for said in (
        "arXiv:2409.18100",
        "torch 2.13.0",
        "AVX512",
        "Holm",
        "8 test subjects (4 A, 4 B)",
        "channels:",
        "<pre>numpy==2.3",
    ):
        assert said in text
    with (folder / "tables" / "scores-per-subject.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 70 * 8 * 6
    assert {row["training_seed"] for row in rows if row["cell"] == "mim-n10-s2"} == {"2"}


def test_report_is_the_same_from_a_copy_of_the_small_files(tmp_path: Path) -> None:
    first = write_experiment(tmp_path / "one" / "experiment")
    second = tmp_path / "two" / "experiment"
    shutil.copytree(first, second)
    for folder in (first, second, second):
        report("--quiet", "experiment", "report", folder)
    for path in [first / "report.html", *(first / "tables").iterdir()]:
        assert (second / path.relative_to(first)).read_bytes() == path.read_bytes()


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cell(tmp_path, record_of("mim-s0", "mim", 0, 5))
    write_cell(tmp_path, record_of("mim-s1", "mim", 1, 5, outcome="failed"))
    report("experiment", "report", tmp_path)
    assert "the cell is 'failed' and in no table" in " ".join(capsys.readouterr().out.split())
    assert "the cell is &#x27;failed&#x27;" in (tmp_path / "report.html").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match=r"^1$"):
        main(["experiment", "report", str(tmp_path / "nothing")])
    assert "Run it first" in " ".join(capsys.readouterr().err.split())
