"""Which of several licences of data asks for most."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CREATIVE_COMMONS = re.compile(r"\bCC[ -]BY((?:-(?:NC|ND|SA))*)", re.IGNORECASE)
_FREE = re.compile(r"\bCC0|public domain", re.IGNORECASE)
_WEIGHTS = {"NC": 4, "ND": 2, "SA": 1}


def strictest(licences: Sequence[str]) -> str:
    """Return the licence that asks for most, empty if there is none.

    Of Creative Commons licences, the order is CC0, BY, BY-SA, BY-ND, BY-NC, BY-NC-SA, BY-NC-ND. Other terms
    may ask for anything, so they count as stricter; several such terms are all returned.
    """
    if not licences:
        return ""
    ranks = {licence: _rank(licence) for licence in licences}
    return "; ".join(licence for licence, rank in ranks.items() if rank == max(ranks.values()))


def _rank(licence: str) -> int:
    # One text may name the licences of several data sets
    found = _CREATIVE_COMMONS.findall(licence)
    parts = licence.split(";")
    if all(_CREATIVE_COMMONS.search(part) or _FREE.search(part) for part in parts):
        return max((1 + sum(_WEIGHTS[each] for each in _words(marks)) for marks in found), default=0)
    return 1 + sum(_WEIGHTS.values()) + 1


def _words(marks: str) -> list[str]:
    return [word for word in marks.upper().split("-") if word]
