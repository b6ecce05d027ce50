"""Files of an exam that are left out: why, and what to call them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from cmr_ssp.errors import Problem, Severity

_MOST_NAMED = 5
_SAYS_NOTHING = re.compile(r"(IM|IMG|IMAGE|MR|I|FILE)?[-_]?\d{1,5}([-_]\d{1,5})*(\.dcm|\.ima)?", re.I)
"""Names as scanners give them; any other name may be that of a person, or a number of one."""


class Fault(StrEnum):
    """Why a file is left out, as one says it of several."""

    DAMAGED = "are damaged or cut off"
    ENCRYPTED = "are encrypted"
    TOO_LARGE = "are larger than any image"
    IRREGULAR = "are links that lead nowhere, pipes or devices"
    FORBIDDEN = "may not be read"
    UNSAFE = "have names that lead out of the archive"


_REMEDIES = {
    Fault.DAMAGED: "Copy these files again.",
    Fault.ENCRYPTED: "Unpack the archive with its password, and name the folder.",
    Fault.TOO_LARGE: "Copy the exam again, without them.",
    Fault.IRREGULAR: "Copy the exam again if slices or frames are missing.",
    Fault.FORBIDDEN: "Allow yourself to read them.",
    Fault.UNSAFE: "Ask where the archive comes from.",
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that is not read.

    Attributes
    ----------
    fault : Fault
        Why.
    name : str
        What to call it: its place in the order of names, and its name where that says nothing of a person.
    """

    fault: Fault
    name: str


def name_of(name: str, number: int, n_files: int) -> str:
    """Return what to call a file of an exam, counted from 1."""
    base = PurePosixPath(name.replace("\\", "/")).name
    return f"file {number} of {n_files}" + (f" ({base})" if _SAYS_NOTHING.fullmatch(base) else "")


def left_out_problems(
    left_out: Sequence[LeftOut], where: str, severity: Severity = Severity.WARNING
) -> list[Problem]:
    """Say of each fault how many files have it, and which ones."""
    problems = []
    for fault in Fault:
        names = [each.name for each in left_out if each.fault is fault]
        if names:
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            named = ", ".join(names[:_MOST_NAMED]) + more
            what = f"{len(names)} of its files left out, because they {fault}: {named}"
            problems.append(Problem(where, what, _REMEDIES[fault], severity))
    return problems
