"""Format problems as short rich text for a `ToneLabel`."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from cmr_ssp.errors import Problem, Severity

from napari_cmr_ssp.widgets.tones import style_of

_SHOWN = 6
_PLACES = 3


def problem_html(problems: Iterable[Problem], limit: int = _SHOWN) -> str:
    """Format the first problems, errors before warnings, with place, cause and remedy; merge equal ones."""
    ordered = sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR)
    alike: dict[tuple[str, str, Severity], list[Problem]] = {}
    for problem in ordered:
        alike.setdefault((problem.what, problem.remedy, problem.severity), []).append(problem)
    lines = [_line(same) for same in list(alike.values())[:limit]]
    if len(alike) > limit:
        lines.append(f"... and {len(alike) - limit} more")
    return "<br>".join(lines)


def coloured(text: str, severity: Severity) -> str:
    """Format plain text as rich text in the colour of a severity."""
    return f"<span {style_of(severity)}>{html.escape(text)}</span>"


def _line(same: Sequence[Problem]) -> str:
    """Format problems that differ only in their place as one line with the first places."""
    problem = same[0]
    places = list(dict.fromkeys(Path(each.where).name or each.where for each in same))
    more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
    where = html.escape(", ".join(places[:_PLACES]) + more)
    what, remedy = html.escape(problem.what), html.escape(problem.remedy)
    return f"<span {style_of(problem.severity)}><b>{where}</b>: {what}.</span> {remedy}"
