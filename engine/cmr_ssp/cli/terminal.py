"""Output of commands: text by default, JSON with ``--json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cmr_ssp.errors import Problem, Severity
from cmr_ssp.process_group import process_rank

_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}


class Terminal:
    """Prints notes, results and problems to standard output or standard error.

    Results and notes go to standard output. With `as_json`, standard output receives one JSON object, written
    by `finish`, and everything else goes to standard error. In distributed training only rank 0 prints.

    Parameters
    ----------
    quiet : bool
        Print only results and problems.
    verbose : bool
        Also print details.
    as_json : bool
        Print results as JSON.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, as_json: bool = False) -> None:
        silent = process_rank() > 0
        self.quiet, self.verbose, self.as_json = quiet, verbose, as_json
        self.console = Console(stderr=as_json, quiet=quiet or silent, highlight=False)
        self._results = Console(quiet=as_json or silent, highlight=False)
        self._errors = Console(stderr=True, quiet=silent, highlight=False)
        self._data: dict[str, Any] = {}
        self._problems: list[Problem] = []
        self._silent = silent

    @property
    def can_ask(self) -> bool:
        """Whether the user can be asked a question."""
        return not (self.quiet or self.as_json) and sys.stdin.isatty()

    def note(self, text: str) -> None:
        """Print a note about progress, unless ``--quiet`` is given."""
        self.console.print(plain(text), soft_wrap=True)

    def detail(self, text: str) -> None:
        """Print a detail if ``--verbose`` is given."""
        if self.verbose:
            self.note(text)

    def show(self, shown: str | RenderableType) -> None:
        """Print a result as text."""
        text = isinstance(shown, str)
        self._results.print(plain(shown) if isinstance(shown, str) else shown, soft_wrap=text)

    def give(self, **data: Any) -> None:
        """Add plain JSON types and paths to the JSON result."""
        self._data |= data

    def problem(self, problem: Problem) -> None:
        """Print a problem that does not end the command."""
        self._print_problem(self._errors if self.quiet else self.console, problem)

    def error(self, problem: Problem) -> None:
        """Print an error that ends the command to standard error."""
        self._print_problem(self._errors, problem)

    def finish(self, *, ok: bool) -> None:
        """Write the JSON object if ``--json`` is given."""
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
    """Return text without markup and with control characters escaped."""
    return Text("".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def make_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> Table:
    """Create a table of plain text cells without markup."""
    table = Table(*columns, title=plain(title) if title else None)
    for row in rows:
        table.add_row(*map(plain, row))
    return table
