"""A list of subjects found in one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
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
    refused : tuple of Subject
        Those with an error; a DICOM exam has one frame here, which names its place.
    """

    root: Path
    layout: str
    subjects: tuple[Subject, ...]
    problems: tuple[Problem, ...] = ()
    refused: tuple[Subject, ...] = ()

    def with_subject(self, subject: Subject, problems: Iterable[Problem] = ()) -> Cohort:
        """Return the cohort with an exam opened in another way, whether it was refused or usable before.

        Parameters
        ----------
        subject : Subject
            As it is now; takes the place of the one with the same images' place.
        problems : iterable of Problem
            What is to be known of it; replaces what was said of it.

        Raises
        ------
        CohortError
            Where its id is that of a subject whose images lie elsewhere.
        """
        others = [each for each in self.subjects if each.place != subject.place]
        if any(each.id == subject.id for each in others):
            what = f"a second subject has the id '{subject.id}'"
            raise CohortError.of(self.root, what, "Rename one of the two exams.")
        kept = [problem for problem in self.problems if problem.where != f"subject {subject.id}"]
        return replace(
            self,
            subjects=tuple(sorted([*others, subject], key=lambda each: each.id)),
            problems=(*kept, *problems),
            refused=tuple(each for each in self.refused if each.place != subject.place),
        )

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
