"""Warn about ids that seem to name a person, since splits, runs, checkpoints and results contain them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from cmr_ssp.errors import Problem

_DAY, _MONTH, _YEAR = "(0[1-9]|[12][0-9]|3[01])", "(0[1-9]|1[0-2])", "(19|20)[0-9]{2}"
_GAP = "[-_. ]?"
_DATES = "|".join((_GAP.join((_YEAR, _MONTH, _DAY)), _GAP.join((_DAY, _MONTH, _YEAR))))
_DATE = re.compile(f"(?<![0-9])({_DATES})(?![0-9])")
_SIGNS = re.compile(r"[\^,\s]")  # between the parts of a name
_CAMEL = re.compile(r"(?<=[a-z]{2})(?=[A-Z][a-z]{2})")
_LEAST_LETTERS = 3


def may_name_a_person(name: str) -> bool:
    """Return whether an id contains a date, or consecutive capitalised words as in ``Doe_Jane``."""
    if _DATE.search(name) or _SIGNS.search(name):
        return True
    words = re.split(r"[_.\-]+", _CAMEL.sub("_", name))
    capital = [_is_capital(word) for word in words]
    return any(one and other for one, other in pairwise(capital))


def _is_capital(word: str) -> bool:
    return word.isalpha() and len(word) >= _LEAST_LETTERS and (word.istitle() or word.isupper())


def personal_problems(folder: Path, ids: Iterable[str]) -> list[Problem]:
    """Warn about ids that seem to name people, without repeating them."""
    n = sum(map(may_name_a_person, ids))
    what = f"{n} ids look like names or dates of people; splits, runs and results will contain them"
    remedy = "Rename the files to codes, unless they are codes."
    return [Problem.warning(folder, what, remedy)] if n else []
