"""Files of an exam that are skipped: the reason, and a name that identifies nobody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from cmr_ssp.errors import Problem, Severity

_MOST_NAMED = 5
_SAYS_NOTHING = re.compile(r"(IM|IMG|IMAGE|MR|I|FILE)?[-_]?\d{1,5}([-_]\d{1,5})*(\.dcm|\.ima)?", re.I)
"""File names as scanners write them; any other name may identify a person."""


class Fault(StrEnum):
    """Reason why files are skipped, as the end of a sentence."""

    DAMAGED = "are damaged or truncated"
    ENCRYPTED = "are encrypted"
    TOO_LARGE = "are larger than any image"
    IRREGULAR = "are broken links, pipes or devices"
    FORBIDDEN = "cannot be read without permission"
    UNSAFE = "have paths outside of the archive"


_REMEDIES = {
    Fault.DAMAGED: "Copy these files again.",
    Fault.ENCRYPTED: "Unpack the archive with its password, and open the folder.",
    Fault.TOO_LARGE: "Copy the exam again without these files.",
    Fault.IRREGULAR: "Copy the exam again if slices or frames are missing.",
    Fault.FORBIDDEN: "Ask for permission to read these files.",
    Fault.UNSAFE: "Check the source of the archive.",
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that is skipped.

    Attributes
    ----------
    fault : Fault
        The reason.
    name : str
        Its position in the sorted list of files, with its name if that cannot identify a person.
    """

    fault: Fault
    name: str


def name_of(name: str, number: int, n_files: int) -> str:
    """Return a description of a file of an exam; `number` is counted from 1."""
    base = PurePosixPath(name.replace("\\", "/")).name
    return f"file {number} of {n_files}" + (f" ({base})" if _SAYS_NOTHING.fullmatch(base) else "")


def left_out_problems(
    left_out: Sequence[LeftOut], where: str, severity: Severity = Severity.WARNING
) -> list[Problem]:
    """Return one problem for each fault, with the number and names of its files."""
    problems = []
    for fault in Fault:
        names = [each.name for each in left_out if each.fault is fault]
        if names:
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            named = ", ".join(names[:_MOST_NAMED]) + more
            what = f"{len(names)} of its files were left out because they {fault}: {named}"
            problems.append(Problem(where, what, _REMEDIES[fault], severity))
    return problems
