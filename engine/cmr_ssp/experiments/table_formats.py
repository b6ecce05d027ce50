"""Tables of an experiment, and their form in Markdown, CSV, LaTeX and HTML."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from cmr_ssp.experiments.statistics import Spread

Value = str | int | float | Spread | None
_NONE = "n/a"
_SMALL = r"\scriptsize\setlength{\tabcolsep}{3pt}"
_ONE_LINE = len("+0.011 (+0.010 to +0.012)")
_WIDE = 7
"""More columns than this are set in small type."""
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
_LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"} | {"<": "$<$", ">": "$>$", "–": "--"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table to print.

    Attributes
    ----------
    key : str
        Name of its files, without extension.
    title : str
        What it shows, with units.
    columns : tuple of str
        Headers.
    rows : tuple of tuple of Value
        Cells; None where nothing was measured.
    notes : tuple of str
        Sentences below it.
    published : Table or None
        The corresponding figures of the paper.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()
    published: Table | None = None


def shown(value: Value) -> str:
    """Return a cell as text, such as ``0.871 ± 0.004``."""
    if value is None:
        return _NONE
    if isinstance(value, Spread):
        mean = f"{value.mean:.{value.digits}f}"
        return mean if value.sd is None else f"{mean} ± {value.sd:.{value.sd_digits}f}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def as_markdown(table: Table) -> str:
    """Format a table, its notes and the figures of the paper as Markdown."""
    lines = [f"**{table.title}**", "", *_markdown_rows(table)]
    lines += [line for note in table.notes for line in ("", note)]
    if table.published is not None:
        lines += ["", as_markdown(table.published).rstrip("\n")]
    return "\n".join(lines) + "\n"


def _markdown_rows(table: Table) -> list[str]:
    rows = [table.columns, *([shown(cell) for cell in row] for row in table.rows)]
    head, *body = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return [head, "|" + "---|" * len(table.columns), *body]


def as_csv(table: Table) -> str:
    """Format a table as CSV; beside a mean, its standard deviation and the number of seeds."""
    spreads = [
        any(isinstance(row[place], Spread) for row in table.rows) for place in range(len(table.columns))
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header: list[str] = []
    for name, wide in zip(table.columns, spreads, strict=True):
        header += [name, f"{name} SD", f"{name} n"] if wide else [name]
    writer.writerow(header)
    for row in table.rows:
        cells: list[str] = []
        for value, wide in zip(row, spreads, strict=True):
            cells += _numbers(value) if wide else [shown(value)]
        writer.writerow(cells)
    return text.getvalue()


def _numbers(value: Value) -> list[str]:
    if not isinstance(value, Spread):
        return [shown(value), "", ""]
    return [f"{value.mean:.5f}", "" if value.sd is None else f"{value.sd:.5f}", str(value.n)]


def as_latex(table: Table) -> str:
    """Format a table as a LaTeX float; it needs the package booktabs. The figures of the paper follow it."""
    columns = "l" * len(table.columns)
    lines = [
        r"\begin{table}",
        r"  \centering"
        if len(table.columns) <= _WIDE
        else r"  \centering\scriptsize\setlength{\tabcolsep}{3pt}",
        rf"  \caption{{{_latex(table.title)}}}",
        rf"  \label{{tab:{table.key}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {_latex_row(table.columns)}",
        r"    \midrule",
        *(f"    {_latex_row([shown(cell) for cell in row])}" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\footnotesize {_latex(note)}" for note in table.notes),
        r"\end{table}",
    ]
    text = "\n".join(lines) + "\n"
    return text if table.published is None else f"{text}\n{as_latex(table.published)}"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(text: str) -> str:
    return re.sub("|".join(map(re.escape, _LATEX)), lambda found: _LATEX[found[0]], text)


def as_html(table: Table) -> str:
    """Format a table as an HTML ``figure``, beside the figures of the paper if there are any."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    body = "\n".join(_html_row(row) for row in table.rows)
    notes = "".join(f"<p>{escape(note)}</p>" for note in table.notes)
    figure = (
        f'<figure id="{escape(table.key)}"><figcaption>{escape(table.title)}</figcaption>\n'
        f"<div><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>{notes}</figure>\n"
    )
    return (
        figure if table.published is None else f'<div class="pair">{figure}{as_html(table.published)}</div>\n'
    )


def _html_row(row: Iterable[Value]) -> str:
    texts = map(shown, row)
    return f"<tr>{''.join(f'<td{_kept(text)}>{escape(text)}</td>' for text in texts)}</tr>"


def _kept(text: str) -> str:
    """Return the class of a cell that stays on one line, such as a value with its interval."""
    return ' class="n"' if len(text) <= _ONE_LINE else ""


FORMATS: dict[str, Callable[[Table], str]] = {"csv": as_csv, "md": as_markdown, "tex": as_latex}
"""Functions that format a table, by extension of the file."""
