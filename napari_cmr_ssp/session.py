"""State of the window: cohort, split, ticked labels and displayed exam. Independent of Qt and viewer."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import Problem
from cmr_ssp.evaluation import Score
from cmr_ssp.files.layouts import dicom_exams
from cmr_ssp.runs import RunSummary
from cmr_ssp.subjects import Cohort, Role, Split, Subject
from cmr_ssp.subjects.split import DEFAULT_TEST_FRACTION, draw_split, draw_subjects
from psygnal import Signal, SignalGroupDescriptor

from napari_cmr_ssp.scene.exams import Exam

Ticks = Mapping[str, frozenset[Phase]]
"""The labelled phases to train on, by subject id; no empty entries."""


@dataclass(frozen=True, slots=True)
class RunScores:
    """Scores by the selected run, and the name of the run with its checkpoint."""

    run: str
    scores: tuple[Score, ...]


@dataclass(eq=False)
class Session:
    """State that the panels share; ``session.events.<name>`` fires when an attribute gets a new value.

    Attributes
    ----------
    cohort : Cohort or None
        The open cohort.
    split : Split
        Role of every subject.
    ticks : Mapping
        Labels to train on.
    exam : Exam or None
        The exam in the viewer.
    phases : Mapping of Phase to int
        Frame of each phase of the shown exam: as labelled, as found in a segmentation, or as the user chose.
    selected : tuple of str
        Ids of the subjects selected in the table.
    runs : tuple of RunSummary or None
        Runs of the workspace, newest first; None until they are listed.
    scores : RunScores or None
        Scores by the selected run; None if none is selected.
    tab : str
        Title of the tab in front.
    labels_saving : Signal
        Contours are about to be saved as label versions: their draft is written first, so that it is older.
    labels_kept : Signal
        Id of a subject of which a draft or label versions were written.
    """

    volume_requested = Signal(str, Phase)
    drawing_requested = Signal()
    labels_saving = Signal()
    labels_kept = Signal(str)

    cohort: Cohort | None = None
    split: Split = field(default_factory=lambda: Split({}))
    ticks: Ticks = field(default_factory=dict)
    exam: Exam | None = None
    phases: Mapping[Phase, int] = field(default_factory=dict)
    selected: tuple[str, ...] = ()
    runs: tuple[RunSummary, ...] | None = None
    scores: RunScores | None = None
    tab: str = ""
    _phases_chosen: bool = False
    _drawn: Ticks = field(default_factory=dict)
    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor(
        warn_on_no_fields=False,
        equality_operators={"runs": operator.is_},  # a new list is a change
    )

    def open(self, cohort: Cohort) -> None:
        """Set the cohort, with a new split and no ticks."""
        self.ticks, self._drawn = {}, {}
        self.exam, self.selected = None, ()
        self.split = draw_split(cohort.subjects, test=DEFAULT_TEST_FRACTION)
        self.cohort = cohort

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The cohort's subjects."""
        return self.cohort.subjects if self.cohort is not None else ()

    @property
    def refused(self) -> tuple[Subject, ...]:
        """Subjects of the cohort that cannot be used with their current options."""
        return self.cohort.refused if self.cohort is not None else ()

    @property
    def holds_exams(self) -> bool:
        """Whether the cohort consists of DICOM exams, which can be sorted with other options."""
        return self.cohort is not None and self.cohort.layout == dicom_exams.NAME

    @property
    def has_roles(self) -> bool:
        """Whether subjects have roles; a single exam without labels was not opened for training or tests."""
        return len(self.subjects) > 1 or any(subject.labels for subject in self.subjects)

    def role(self, subject_id: str) -> Role | None:
        """Return what a subject is used for, None if it has no role."""
        return self.split.role(subject_id) if self.has_roles else None

    def add_sorted(self, subject: Subject, problems: Iterable[Problem]) -> None:
        """Add or replace an exam that was opened with chosen options; one that was refused gets a role.

        Raises
        ------
        CohortError
            If its id is already used.
        """
        if self.cohort is None:
            return
        cohort = self.cohort.with_subject(subject, problems)
        if self.split.role(subject.id) is None:
            self.split = Split({**self.split.roles, subject.id: Role.TRAIN}, self.split.seed)
        self.cohort = cohort

    def request_volume(self, subject_id: str, phase: Phase) -> None:
        """Ask for the exam of a subject, at a phase."""
        self.volume_requested.emit(subject_id, phase)

    def request_drawing(self) -> None:
        """Ask for empty contours of the shown exam, to draw by hand."""
        self.drawing_requested.emit()

    def reset_phases(self) -> None:
        """Take ED and ES from the labels of the shown exam."""
        exam = self.exam
        self._phases_chosen = bool(exam is not None and exam.references)
        references = exam.references if exam is not None else {}
        self.phases = {phase: reference.frame for phase, reference in references.items()}

    def choose_phase(self, phase: Phase, frame: int) -> None:
        """Make a frame of the shown exam ED or ES, as the user chose."""
        self._phases_chosen = True
        others = {p: t for p, t in self.phases.items() if p is not phase and t != frame}
        self.phases = {**others, phase: frame}

    def suggest_phases(self, phases: Mapping[Phase, int]) -> None:
        """Take ED and ES as found in a segmentation, unless they are labelled or the user chose them."""
        if not self._phases_chosen:
            self.phases = phases

    def may_train(self, subject: Subject, phase: Phase | None = None) -> bool:
        """Whether a subject has labels (of a phase) that training may use."""
        labelled = phase in subject.phases if phase is not None else bool(subject.phases)
        return labelled and self.split.role(subject.id) is Role.TRAIN

    def tick(self, subject_id: str, phase: Phase, *, on: bool) -> None:
        """Tick or untick a labelled phase."""
        phases = self.ticks.get(subject_id, frozenset())
        self._set_ticks({**self.ticks, subject_id: phases | {phase} if on else phases - {phase}})

    @property
    def is_ticked_by_hand(self) -> bool:
        """Whether there are ticks that do not come from the last draw."""
        return any(phases - self._drawn.get(name, frozenset()) for name, phases in self.ticks.items())

    def tick_drawn(
        self, n: int, seed: int, phases: Iterable[Phase] = tuple(Phase), *, keep: bool = False
    ) -> None:
        """Tick the labels of `n` training subjects drawn with `seed`, as on the command line.

        They replace earlier ticks, or are added to them if `keep` is set.
        """
        wanted = frozenset(phases)
        pool = [s for s in self.subjects if self.may_train(s) and wanted & set(s.phases)]
        drawn = draw_subjects((s.id for s in pool), n, seed)
        by_id = {s.id: frozenset(s.phases) for s in pool}
        before = self.ticks if keep else {}
        self._drawn = {name: wanted & by_id[name] for name in drawn}
        both = {
            **before,
            **{name: found | before.get(name, frozenset()) for name, found in self._drawn.items()},
        }
        self._set_ticks(both)

    def clear_ticks(self) -> None:
        """Remove all ticks."""
        self.ticks = {}

    def draw_split(self, test_percent: int, seed: int) -> None:
        """Draw new test subjects."""
        self.use_split(draw_split(self.subjects, test=test_percent / 100, seed=seed))

    def set_role(self, ids: Iterable[str], role: Role) -> None:
        """Set the role of subjects."""
        self.use_split(Split({**self.split.roles, **dict.fromkeys(ids, role)}))

    def use_split(self, split: Split, ticks: Ticks | None = None) -> None:
        """Set the split and, if given, the ticks; remove ticks of subjects that are not for training."""
        self.split = split
        self._set_ticks(self.ticks if ticks is None else ticks)

    def _set_ticks(self, ticks: Ticks) -> None:
        by_id = {subject.id: subject for subject in self.subjects}
        allowed = {
            name: frozenset(phase for phase in phases if self.may_train(by_id[name], phase))
            for name, phases in ticks.items()
            if name in by_id
        }
        self.ticks = {name: phases for name, phases in sorted(allowed.items()) if phases}
