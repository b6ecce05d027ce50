"""Exceptions of this package; each names a file or setting, what is wrong with it, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import PureWindowsPath
from typing import Self

_PATH = re.compile(r"""(?<![^\s'"(=])(?:[A-Za-z]:)?[\\/](?:[^\\/\n'"]*[\\/])+[^\s'":;,)]*""")
_SAYS_NOTHING = re.compile(r".+\.(nii|nii\.gz|nrrd|csv|json|ya?ml|safetensors|bin|npy)", re.I)
"""Names of files that may be kept; names of DICOM files and folders may identify a person."""


class Severity(StrEnum):
    """Whether a problem stops the work or is only a warning."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: its place, its cause and its remedy.

    Attributes
    ----------
    where : str
        The file, folder, subject or setting.
    what : str
        What is wrong with it, in one clause.
    remedy : str
        What the user can do about it, as an imperative sentence.
    severity : Severity
        The work continues after a warning.
    suggestion : Mapping of str to int
        Recipe settings that should avoid the problem; empty if there are none.
    """

    where: str
    what: str
    remedy: str
    severity: Severity = Severity.ERROR
    suggestion: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("where", "what", "remedy"):  # names that are not UTF-8 cannot be written to files
            object.__setattr__(self, name, escaped(getattr(self, name)))

    @classmethod
    def warning(cls, where: object, what: str, remedy: str) -> Self:
        """Make a problem that lets the work go on."""
        return cls(str(where), what, remedy, Severity.WARNING)

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"

    def without_paths(self) -> Problem:
        """Return a copy that is safe to store: without folder names, which may identify a person."""
        where = _named(self.where) if set(self.where) & set("/\\") else self.where
        what, remedy = (_PATH.sub(lambda found: _named(found[0]), text) for text in (self.what, self.remedy))
        return replace(self, where=where, what=what, remedy=remedy)


def is_text(name: str) -> bool:
    """Return whether a file name is valid UTF-8; Python represents other bytes as surrogates."""
    return name == escaped(name)


def escaped(name: str) -> str:
    """Return a file name as text, with bytes that are not UTF-8 escaped."""
    return name.encode(errors="backslashreplace").decode()


def _named(path: str) -> str:
    """Return the name of a file if it may be kept, otherwise a neutral description."""
    name = PureWindowsPath(path).name  # knows both separators
    return name if _SAYS_NOTHING.fullmatch(name) else "a file or folder"


class CmrSspError(Exception):
    """Base class of all errors of this package; carries every problem found.

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
        """Create an error with a single problem."""
        return cls(Problem(str(where), what, remedy))


class ImageError(CmrSspError):
    """An image file cannot be read, or its pixels or geometry are invalid."""


class LabelError(CmrSspError):
    """A label file cannot be read, does not fit its image, or holds an unknown structure."""


class CohortError(CmrSspError):
    """A folder is not a usable cohort, or requested subjects are missing from it."""


class RecipeError(CmrSspError):
    """A recipe has unknown, contradictory or impossible settings."""


class RunError(CmrSspError):
    """A run folder cannot be used as requested."""


class CheckpointError(CmrSspError):
    """A checkpoint cannot be read or does not fit the network."""


class ScoreError(CmrSspError):
    """A table of scores cannot be read."""


class OutputError(CmrSspError):
    """A result cannot be written to the requested place."""


class CacheError(CmrSspError):
    """The cache cannot be written, or its content is damaged."""


class DeviceError(CmrSspError):
    """The requested device is missing or has too little memory."""
