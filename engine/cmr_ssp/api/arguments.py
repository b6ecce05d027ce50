"""Convert the arguments of users to those of jobs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_ssp.anatomy import Phase, phase_named

if TYPE_CHECKING:
    from cmr_ssp.runs import Run

PathLike = str | os.PathLike[str]
Subjects = int | Iterable[str] | Mapping[str, Sequence[Phase | str]]
"""Number of labelled subjects, their ids, or their ids and phases."""

BOTH_PHASES = (Phase.ED, Phase.ES)


def as_run(place: PathLike | Run) -> Run:
    """Return the run in a folder."""
    from cmr_ssp.runs import Run

    return place if isinstance(place, Run) else Run(Path(place))


def as_phases(names: Iterable[Phase | str]) -> list[Phase]:
    """Return phases by their names; a single name counts as a list of one."""
    listed = [names] if isinstance(names, str) else names
    return [phase_named(name) for name in listed]


def as_subjects(
    wanted: Subjects | None,
) -> int | Sequence[str] | Mapping[str, Sequence[Phase]] | None:
    """Return the subjects of a label budget; a single id counts as a list of one."""
    if wanted is None or isinstance(wanted, int):
        return wanted
    if isinstance(wanted, Mapping):
        return {name: as_phases(phases) for name, phases in wanted.items()}
    return [wanted] if isinstance(wanted, str) else list(wanted)
