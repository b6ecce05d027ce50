"""The one family of named errors: which file or setting, what is wrong with it, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import PureWindowsPath
from typing import Self

_PATH = re.compile(r"""(?<![^\s'"(=])(?:[A-Za-z]:)?[\\/](?:[^\\/\n'"]*[\\/])+[^\s'":;,)]*""")
_SAYS_NOTHING = re.compile(r".+\.(nii|nii\.gz|nrrd|csv|json|ya?ml|safetensors|bin|npy)", re.I)
"""Files named by the user as subjects are, or by us; exams and folders may be named after people."""


class Severity(StrEnum):
    """Whether a problem stops the work or only has to be known."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes
    ----------
    where : str
        The file, folder, subject or setting.
    what : str
        What is wrong with it, in one clause.
    remedy : str
        What the user can do about it, as an imperative sentence.
    severity : Severity
        A warning lets the work go on.
    suggestion : Mapping of str to int
        Settings of a recipe with which it should work; empty where there are none to name.
    """

    where: str
    what: str
    remedy: str
    severity: Severity = Severity.ERROR
    suggestion: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("where", "what", "remedy"):  # file names that are not UTF-8 can stand in no file
            object.__setattr__(self, name, escaped(getattr(self, name)))

    @classmethod
    def warning(cls, where: object, what: str, remedy: str) -> Self:
        """Make a problem that lets the work go on."""
        return cls(str(where), what, remedy, Severity.WARNING)

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"

    def without_paths(self) -> Problem:
        """Return it as it may be kept: without folders, which may be named after people."""
        where = _named(self.where) if set(self.where) & set("/\\") else self.where
        what, remedy = (_PATH.sub(lambda found: _named(found[0]), text) for text in (self.what, self.remedy))
        return replace(self, where=where, what=what, remedy=remedy)


def is_text(name: str) -> bool:
    """Tell whether a file name is text: Python gives bytes that are not UTF-8 as surrogates."""
    return name == escaped(name)


def escaped(name: str) -> str:
    """Return a file name as text, with escapes for what is not UTF-8."""
    return name.encode(errors="backslashreplace").decode()


def _named(path: str) -> str:
    """Return the name of a file, where it can be one of ours."""
    name = PureWindowsPath(path).name  # knows both separators
    return name if _SAYS_NOTHING.fullmatch(name) else "a file or folder"


class CmrSspError(Exception):
    """Base of all errors that this package raises on purpose; carries every problem found.

    Examples
    --------
    >>> try:
    ...     cmr_ssp.open_cohort("no-such-folder")
    ... except cmr_ssp.CmrSspError as error:
    ...     print(error.problems[0].what)
    the folder does not exist
    """

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    @classmethod
    def of(cls, where: object, what: str, remedy: str) -> Self:
        """Make an error of a single problem."""
        return cls(Problem(str(where), what, remedy))


class ImageError(CmrSspError):
    """An image file cannot be read, or its pixels or geometry make no sense."""


class LabelError(CmrSspError):
    """A label file cannot be read, does not fit its image, or holds an unknown structure."""


class CohortError(CmrSspError):
    """A folder is no usable cohort, or subjects that were asked for are not in it."""


class RecipeError(CmrSspError):
    """A recipe has unknown, contradictory or impossible settings."""


class RunError(CmrSspError):
    """A run directory cannot be used as asked."""


class CheckpointError(CmrSspError):
    """A checkpoint cannot be read or does not fit the network."""


class ScoreError(CmrSspError):
    """A table of scores cannot be read."""


class OutputError(CmrSspError):
    """A result cannot be written where it was asked for."""


class CacheError(CmrSspError):
    """The cache cannot be written to, or what lies in it is damaged."""


class DeviceError(CmrSspError):
    """The device that was asked for is missing or has too little memory."""
