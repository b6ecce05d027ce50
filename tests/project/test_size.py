"""Files and functions stay of a size that can be read at a glance."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT

SOURCES = [
    path
    for package in ("engine/cmr_ssp", "napari_cmr_ssp")
    for path in sorted((ROOT / package).rglob("*.py"))
]
LINES, PARAMETERS, STATEMENTS = 300, 8, 50

MORE_PARAMETERS = {
    "cmr_ssp.cli": "every option of a command is a parameter",
    "cmr_ssp.api": "every setting that a script may give is a parameter",
    "cmr_ssp.jobs": "stages take what the command line and the window may give",
    "cmr_ssp.exports.nnunet": "every option of the command is a parameter",
    "cmr_ssp.prediction.segment": "a cine in a bank is an array and four numbers; labels may stay in place",
    "cmr_ssp.samples.views": "the one place that makes samples: from what, how, and on which device",
    "cmr_ssp.training.loop": "the one loop: what it trains, on whom, where, who listens and who may stop it",
}
"""Packages and modules whose functions may take more, and why."""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removeprefix("engine.")


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    yield from (n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.FunctionDef))


def parameters_of(function: ast.FunctionDef) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return len([each for each in named if each.arg not in ("self", "cls")])


def statements_of(function: ast.FunctionDef) -> int:
    """Return how many lines a function has apart from its head and its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0


def test_there_is_something_to_measure() -> None:
    assert len(SOURCES) > 200
    assert sum(1 for path in SOURCES for _ in functions(path)) > 1000


def test_no_file_is_long() -> None:
    lengths = {module_of(path): path.read_text("utf-8").count("\n") for path in SOURCES}
    assert {name: n for name, n in lengths.items() if n > LINES} == {}


def test_no_function_takes_many_parameters() -> None:
    many = [
        f"{module_of(path)}.{function.name}: {parameters_of(function)}"
        for path in SOURCES
        for function in functions(path)
        if parameters_of(function) > PARAMETERS
    ]
    assert [name for name in many if not name.startswith(tuple(MORE_PARAMETERS))] == []


@pytest.mark.parametrize("package", MORE_PARAMETERS)
def test_no_exception_is_left_without_need(package: str) -> None:
    paths = [path for path in SOURCES if module_of(path).startswith(package)]
    assert any(parameters_of(function) > PARAMETERS for path in paths for function in functions(path))


def test_no_function_is_long() -> None:
    long = [
        f"{module_of(path)}.{function.name}: {statements_of(function)}"
        for path in SOURCES
        for function in functions(path)
        if statements_of(function) > STATEMENTS
    ]
    assert long == []
