"""What commands print: for people by default, for programs with ``--json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cmr_ssp.errors import Problem, Severity
from cmr_ssp.team import process_number

_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}


class Terminal:
    """Prints notes, results and problems where they belong.

    Results and notes go to standard output. With `as_json`, standard output holds one JSON object, which
    `finish` writes, and everything else goes to standard error. Of several processes that train together, the
    first one alone prints.

    Parameters
    ----------
    quiet : bool
        Print results and problems only.
    verbose : bool
        Print details too.
    as_json : bool
        Print results for programs.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, as_json: bool = False) -> None:
        silent = process_number() > 0
        self.quiet, self.verbose, self.as_json = quiet, verbose, as_json
        self.console = Console(stderr=as_json, quiet=quiet or silent, highlight=False)
        self._results = Console(quiet=as_json or silent, highlight=False)
        self._errors = Console(stderr=True, quiet=silent, highlight=False)
        self._data: dict[str, Any] = {}
        self._problems: list[Problem] = []
        self._silent = silent

    @property
    def can_ask(self) -> bool:
        """Whether somebody can be asked a question."""
        return not (self.quiet or self.as_json) and sys.stdin is not None and sys.stdin.isatty()

    def note(self, text: str) -> None:
        """Print what goes on; not with ``--quiet``."""
        self.console.print(plain(text), soft_wrap=True)

    def detail(self, text: str) -> None:
        """Print what only ``--verbose`` shows."""
        if self.verbose:
            self.note(text)

    def show(self, shown: str | RenderableType) -> None:
        """Print a result for people."""
        text = isinstance(shown, str)
        self._results.print(plain(shown) if isinstance(shown, str) else shown, soft_wrap=text)

    def give(self, **data: Any) -> None:
        """Add to the result for programs: plain JSON types and paths."""
        self._data |= data

    def problem(self, problem: Problem) -> None:
        """Print a warning or a fault that was found."""
        self._print_problem(self._errors if self.quiet else self.console, problem)

    def error(self, problem: Problem) -> None:
        """Print an error that ends the command, on standard error."""
        self._print_problem(self._errors, problem)

    def finish(self, *, ok: bool) -> None:
        """Write the JSON object, if one was asked for."""
        if self.as_json and not self._silent:
            problems = [
                {"severity": p.severity, "where": p.where, "what": p.what, "remedy": p.remedy}
                for p in self._problems
            ]
            whole = {"ok": ok, "result": self._data, "problems": problems}
            sys.stdout.write(json.dumps(whole, default=str) + "\n")

    def _print_problem(self, console: Console, problem: Problem) -> None:
        self._problems.append(problem)
        severity = Text(problem.severity, style=_COLOURS[problem.severity])
        console.print(severity, plain(str(problem)), soft_wrap=True)


def plain(text: str) -> Text:
    """Return text that is shown as it is: no markup, and no control character reaches the terminal."""
    return Text("".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def make_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> Table:
    """Return a table whose cells are shown as they are."""
    table = Table(*columns, title=plain(title) if title else None)
    for row in rows:
        table.add_row(*map(plain, row))
    return table
