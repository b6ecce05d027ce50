"""Offer to start a training again with settings that fit into memory, after it ran out of memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from cmr_ssp.errors import Problem, Severity
from cmr_ssp.events import Outcome
from cmr_ssp.recipes import Recipe
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_cmr_ssp.jobs.job import Job, JobResult
from napari_cmr_ssp.widgets.short_scroll import wrap_within
from napari_cmr_ssp.widgets.start_button import StartButton

START_AGAIN = "Start again with what fits"

_OPTION, _PREFERENCE = "--device cpu", "the device cpu under File > Preferences"


class RetryOffer(QWidget):
    """What would change, and a button; visible after a training that ran out of memory.

    The signal `accepted` has the failed job and the settings to change.
    """

    accepted = Signal(Job, object)  # a mapping; psygnal checks no generic types

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._offered: tuple[Job, Mapping[str, int]] | None = None
        self.about = QLabel()
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        wrap_within(self.about)
        self.button = StartButton(START_AGAIN)
        self.button.setToolTip("Start the same training as a new run, with the settings named above")
        self.button.clicked.connect(lambda _: self._accept())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.about)
        layout.addWidget(self.button)
        self.hide()

    def offer(self, job: Job, result: JobResult) -> None:
        """Offer a new start if a training ran out of memory and smaller settings exist."""
        settings = fitting_settings(result)
        if not settings or not _may_start_again(job) or job.recipe is None:
            return
        self._offered = job, settings
        self.about.setText(f"{job.title}: {describe_changes(job.recipe, settings)}")
        self.show()

    def _accept(self) -> None:
        self.hide()
        if self._offered is not None:
            self.accepted.emit(*self._offered)


def fitting_settings(result: JobResult) -> Mapping[str, int]:
    """Return the settings that the engine suggests for a job that ran out of memory; empty otherwise."""
    if result.outcome is not Outcome.FAILED:
        return {}
    errors = (problem for problem in result.problems if problem.severity is Severity.ERROR)
    return next((problem.suggestion for problem in errors if problem.suggestion), {})


def in_words_of_window(problems: Iterable[Problem], job: Job | None) -> list[Problem]:
    """Return problems of a job whose remedies about memory name what the window has, not the command line."""
    return [_in_words_of_window(problem, job) for problem in problems]


def _in_words_of_window(problem: Problem, job: Job | None) -> Problem:
    remedy = problem.remedy.replace(_OPTION, _PREFERENCE)
    if problem.suggestion:
        settings = " and ".join(
            f"{key.replace('_', ' ')} {value}" for key, value in problem.suggestion.items()
        )
        device = f", or {_PREFERENCE}" if _OPTION in problem.remedy else ""
        way = f"Choose {settings} under Train, which should fit"
        if problem.severity is Severity.ERROR and job is not None and _may_start_again(job):
            way = f"Press '{START_AGAIN}'"
        remedy = f"{way}, or use a smaller preset{device}."
    return replace(problem, remedy=remedy)


def _may_start_again(job: Job) -> bool:
    return job.smaller is not None and job.recipe is not None


def describe_changes(recipe: Recipe, settings: Mapping[str, int]) -> str:
    """Describe what the settings change, and what that means for the result."""
    changes = " and ".join(_change(recipe, key, value) for key, value in settings.items())
    size = recipe.batch_size
    if "batch_size" in settings:
        return f"a new run with {changes}. Its loss compares fewer slices than with batch size {size}."
    return f"a new run with {changes}. The batch size stays {size}; the training is only slower."


def _change(recipe: Recipe, key: str, value: int) -> str:
    before = getattr(recipe, key)
    field = type(recipe).model_fields[key]
    if before is None:
        before = f"the whole batch of {recipe.batch_size}"
    return f"{(field.title or key).lower()} {value} instead of {before}"
