"""Cohorts: the subjects of one folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import CohortError, Problem
from cmr_ssp.subjects.subject import Subject

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_ROWS = 20  # in a notebook


@dataclass(frozen=True, slots=True, repr=False)
class Cohort:
    """The subjects of one folder; has a length and can be iterated over.

    Attributes
    ----------
    root : Path
        The folder.
    layout : str
        Name of the recognised layout.
    subjects : tuple of Subject
        Usable subjects, sorted by id.
    problems : tuple of Problem
        All problems found while listing, including warnings.
    refused : tuple of Subject
        Subjects with an error; a DICOM exam among them has a single frame that holds its path.

    Examples
    --------
    >>> cohort = cmr_ssp.open_cohort("FOLDER")
    >>> [subject.id for subject in cohort.select(["b", "a"])]
    ['a', 'b']
    >>> cohort.to_dataframe().loc["a", "frames"]
    np.int64(4)
    """

    root: Path
    layout: str
    subjects: tuple[Subject, ...]
    problems: tuple[Problem, ...] = ()
    refused: tuple[Subject, ...] = ()

    def __len__(self) -> int:
        return len(self.subjects)

    def __bool__(self) -> bool:
        """Return True, also for a cohort without subjects."""
        return True

    def __iter__(self) -> Iterator[Subject]:
        return iter(self.subjects)

    def __repr__(self) -> str:
        return f"<Cohort {str(self.root)!r}: {self._summary}>"

    @property
    def _summary(self) -> str:
        n_labelled = sum(bool(subject.labels) for subject in self)
        counts = f"{len(self)} subjects, {n_labelled} labelled, {len(self.problems)} problems"
        return f"{self.layout}, {counts}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table of the subjects as a pandas data frame.

        Returns
        -------
        DataFrame
            Indexed by ``subject``; columns ``frames``, ``ED`` and ``ES`` (labelled frame, counted from 0;
            missing if not labelled or known only from the pixels), ``vendor`` and ``group``.
        """
        import pandas as pd

        rows = [_row(subject) for subject in self]
        table = pd.DataFrame(rows, columns=["subject", "frames", *Phase, "vendor", "group"])
        return table.astype(dict.fromkeys(Phase, "Int64")).set_index("subject")

    def _repr_html_(self) -> str:
        """Return an HTML table of the first subjects for notebooks."""
        heads = "".join(f"<th>{name}</th>" for name in ("subject", "frames", *Phase, "vendor", "group"))
        rows = "".join(_html_row(_row(subject)) for subject in self.subjects[:_SHOWN_ROWS])
        more = f"<p>and {len(self) - _SHOWN_ROWS} more</p>" if len(self) > _SHOWN_ROWS else ""
        about = f"<p>{escape(str(self.root))}: {escape(self._summary)}</p>"
        return f"{about}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{more}"

    def with_subject(self, subject: Subject, problems: Iterable[Problem] = ()) -> Cohort:
        """Return a cohort in which an exam, refused or not, is replaced.

        Parameters
        ----------
        subject : Subject
            Replaces the subject whose images have the same path.
        problems : iterable of Problem
            Problems of the new subject; they replace those of the old one.

        Raises
        ------
        CohortError
            If another subject has the same id.
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
            If the cohort has no subject with that id.
        """
        return self.select([subject_id]).subjects[0]

    def select(self, ids: Iterable[str]) -> Cohort:
        """Return a cohort with only the named subjects.

        Raises
        ------
        CohortError
            If ids are missing; the error names all of them.
        """
        wanted = list(ids)
        known = {subject.id: subject for subject in self.subjects}
        missing = [name for name in wanted if name not in known]
        if missing:
            remedy = f"Choose from the {len(known)} subjects listed by `cmr-ssp cohort check`."
            raise CohortError(*(Problem(str(self.root), f"no subject '{m}'", remedy) for m in missing))
        chosen = tuple(known[name] for name in sorted(set(wanted)))
        return Cohort(self.root, self.layout, chosen, self.problems)


def _row(subject: Subject) -> tuple[Any, ...]:
    frames = {label.phase: label.stated_frame for label in subject.labels}
    labelled = (frames.get(phase) for phase in Phase)
    return (subject.id, len(subject.frames), *labelled, subject.vendor, subject.group)


def _html_row(cells: tuple[Any, ...]) -> str:
    shown = ("" if cell is None else escape(str(cell)) for cell in cells)
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in shown) + "</tr>"
