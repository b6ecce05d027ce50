"""A list of subjects found in one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.subjects.subject import Subject


@dataclass(frozen=True, slots=True)
class Cohort:
    """Subjects found under one folder.

    Attributes
    ----------
    root : Path
        The folder.
    layout : str
        Name of the data set convention that was recognised.
    subjects : tuple of Subject
        Usable subjects, sorted by id.
    problems : tuple of Problem
        Everything that was found wrong while listing, warnings included.
    """

    root: Path
    layout: str
    subjects: tuple[Subject, ...]
    problems: tuple[Problem, ...] = ()

    def subject(self, subject_id: str) -> Subject:
        """Return one subject.

        Raises
        ------
        CohortError
            Where the cohort has no subject of that id.
        """
        return self.select([subject_id]).subjects[0]

    def select(self, ids: Iterable[str]) -> Cohort:
        """Return the cohort of the named subjects only.

        Raises
        ------
        CohortError
            Naming every id that the cohort lacks.
        """
        wanted = list(ids)
        known = {subject.id: subject for subject in self.subjects}
        missing = [name for name in wanted if name not in known]
        if missing:
            remedy = f"Choose among the {len(known)} subjects that `cmr-ssp cohort check` lists."
            raise CohortError(*(Problem(str(self.root), f"no subject '{m}'", remedy) for m in missing))
        chosen = tuple(known[name] for name in sorted(set(wanted)))
        return Cohort(self.root, self.layout, chosen, self.problems)
