"""The page about experiments: its commands can be given, and its example is an experiment."""

from __future__ import annotations

import re
import shlex

import pytest
from cmr_ssp.cli.app import app
from cmr_ssp.experiments.cells import cells_of
from cmr_ssp.experiments.file import load_experiment, parse_experiment, shipped_names
from places import ROOT

PAGE = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^cmr-ssp (.+?)(?: >.*)?$", PAGE, re.MULTILINE)


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) == 8


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_can_be_given(command: str) -> None:
    words = shlex.split(command)
    app.parse_args(words, exit_on_error=False, print_error=False)
    if words[2] in shipped_names():
        names = {word.partition("=")[0] for word in words if "=" in word}
        wanted = set(load_experiment(words[2]).names)
        assert words[1] in ("show", "plan") or "phantom" in words or names == wanted


def test_the_example_is_an_experiment() -> None:
    found = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (text,) = (each for each in found if "grids:" in each)
    cells = cells_of(parse_experiment(text, "the page"))
    assert sum(cell.kind == "pretrain" for cell in cells) == 1 and len(cells) == 1 + 2 * 3 * 3 + 2


def test_the_table_counts_the_cells() -> None:
    for name in shipped_names():
        (row,) = re.findall(rf"^\| `{name}` \|.*\| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
        cells = cells_of(load_experiment(name))
        kinds = [(cell.kind, bool(cell.control)) for cell in cells]
        counted = (("pretrain", False), ("finetune", False), ("finetune", True))
        assert tuple(map(int, row)) == tuple(map(kinds.count, counted)), name
