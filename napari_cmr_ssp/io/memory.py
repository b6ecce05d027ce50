"""What the window remembers in the workspace: what was opened, and the state to continue with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.anatomy import Phase
from cmr_ssp.atomic import write_text
from cmr_ssp.errors import Problem, is_text
from cmr_ssp.subjects import Role
from pydantic import BaseModel, ConfigDict, Field, ValidationError

FILE = "window.json"
MAX_RECENT = 10


class LastState(BaseModel):
    """The state of the window when it was last used; it names people only as the cohort does.

    Attributes
    ----------
    place : Path
        What the user opened: a folder, archive or file.
    exam : str or None
        Id of the subject that was shown.
    tab : str
        Title of the tab.
    seed : int or None
        Seed of the split, see `Split`.
    roles : Mapping of str to Role
        Role by subject id.
    ticks : Mapping of str to tuple of Phase
        Labelled phases to train on, by subject id.
    """

    model_config = ConfigDict(frozen=True)

    place: Path
    exam: str | None = None
    tab: str = ""
    seed: int | None = None
    roles: Mapping[str, Role] = Field(default_factory=dict)
    ticks: Mapping[str, tuple[Phase, ...]] = Field(default_factory=dict)


class Memory(BaseModel):
    """Content of the file: what was opened, newest first, and the last state."""

    model_config = ConfigDict(frozen=True)

    recent: tuple[Path, ...] = ()
    last: LastState | None = None


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory that was compared with the disk.

    Attributes
    ----------
    recent : tuple of Path
        What was opened and still exists, newest first.
    last : LastState or None
        The last state, if its place still exists.
    problems : tuple of Problem
        Why there is no last state although something was stored.
    """

    recent: tuple[Path, ...]
    last: LastState | None
    problems: tuple[Problem, ...]


def recall(workspace: Path, opened: Sequence[Path] = ()) -> Recalled:
    """Read the memory of a workspace, without what is gone.

    Parameters
    ----------
    workspace : Path
        The workspace.
    opened : sequence of Path
        What was opened in this window, newest first; may not have been written yet.
    """
    memory, problems = _read(workspace)
    recent = tuple(place for place in _newest(opened, memory.recent) if os.path.exists(place))  # noqa: PTH110
    last = memory.last
    if last is not None and not os.path.exists(last.place):  # noqa: PTH110 - never raises
        what, remedy = "was opened last and does not exist any more", "Open another folder or file."
        problems = (*problems, Problem.warning(last.place, what, remedy))
        last = None
    return Recalled(recent, last, problems)


def remember(workspace: Path, opened: Sequence[Path], last: LastState | None) -> None:
    """Add to the memory of a workspace; other windows may have added to it, too.

    Parameters
    ----------
    workspace : Path
        The workspace; it is created if needed.
    opened : sequence of Path
        What was opened in this window, newest first.
    last : LastState or None
        The new state; None keeps the stored one.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    before, _ = _read(workspace)
    storable = [place for place in opened if is_text(str(place))]
    kept = last if last is not None and is_text(str(last.place)) else before.last
    memory = Memory(recent=_newest(storable, before.recent), last=kept)
    if memory != before:
        write_text(workspace / FILE, memory.model_dump_json(indent=1))


def _newest(first: Iterable[Path], then: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys([*first, *then]))[:MAX_RECENT]


def _read(workspace: Path) -> tuple[Memory, tuple[Problem, ...]]:
    file = workspace / FILE
    try:
        return Memory.model_validate_json(file.read_bytes()), ()
    except (FileNotFoundError, NotADirectoryError):
        return Memory(), ()
    except (OSError, ValidationError):
        what = "it cannot be read, so it is unknown what was open last"
        return Memory(), (Problem.warning(file, what, "Open your data again; this file is then replaced."),)
