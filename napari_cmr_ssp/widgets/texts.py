"""Problems as rich text for a `ToneLabel`, short enough for a panel."""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path

from cmr_ssp.errors import Problem, Severity

from napari_cmr_ssp.widgets.tones import style_of

_SHOWN = 6


def problem_html(problems: Iterable[Problem], most: int = _SHOWN) -> str:
    """Return where, what and what to do of the first problems, errors before warnings."""
    ordered = sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR)
    lines = [_line(problem) for problem in ordered[:most]]
    if len(ordered) > most:
        lines.append(f"... and {len(ordered) - most} more")
    return "<br>".join(lines)


def coloured(text: str, severity: Severity) -> str:
    """Return plain text as rich text in the colour of a severity."""
    return f"<span {style_of(severity)}>{html.escape(text)}</span>"


def _line(problem: Problem) -> str:
    where = html.escape(Path(problem.where).name or problem.where)
    what, remedy = html.escape(problem.what), html.escape(problem.remedy)
    return f"<span {style_of(problem.severity)}><b>{where}</b>: {what}.</span> {remedy}"
