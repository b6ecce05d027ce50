"""Work of the jobs that panels start; slow imports happen in the worker's thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cmr_ssp.errors import CmrSspError
from cmr_ssp.events import Cancel, OnEvent, Preparing
from cmr_ssp.files import open_cohort
from cmr_ssp.files.dicom import DicomFolder, SortOptions
from cmr_ssp.files.layouts.dicom_exams import list_series, reopen_exam
from cmr_ssp.recipes import Recipe
from cmr_ssp.runs import CheckpointName, Run, RunSummary, list_runs, read_records, stored_scores
from cmr_ssp.subjects import Cohort, Subject

from napari_cmr_ssp.io.memory import recall
from napari_cmr_ssp.io.opening import cohort_at
from napari_cmr_ssp.io.results import Result, find_newest
from napari_cmr_ssp.io.sample_data import phantom_cohort_folder
from napari_cmr_ssp.jobs.job import Job, Work
from napari_cmr_ssp.jobs.plans import FinetuningPlan, PretrainingPlan, TrainingPlan
from napari_cmr_ssp.preferences import Preferences
from napari_cmr_ssp.scene.exams import Exam, read_exam, subject_at

if TYPE_CHECKING:
    from cmr_ssp.jobs import SegmentedSubject


def opening_cohort(place: Path) -> Work:
    """List the cohort of a folder or archive, or the subject of a NIfTI file."""
    return lambda *_: cohort_at(place)


def opening_phantoms() -> Work:
    """List the phantom cohort; create it if needed."""

    def work(on_event: OnEvent, _: Cancel) -> Cohort:
        def report(done: int, total: int) -> None:
            on_event(Preparing("phantoms made", done, total))

        return open_cohort(phantom_cohort_folder(report))

    return work


def recalling(workspace: Path, opened: Sequence[Path]) -> Work:
    """Read what was opened in a workspace and still exists."""
    return lambda *_: recall(workspace, opened)


def reading_exam(subject: Subject) -> Work:
    """Read an exam."""
    return lambda *_: read_exam(subject)


def reading_dropped(place: Path) -> Work:
    """Read the exam of a file, folder or archive that was dropped on the canvas."""
    return lambda *_: read_exam(subject_at(place))


def reading_result(result: Result, exam: Exam) -> Work:
    """Read the segmentation of an exam from its file."""
    return lambda *_: result.read(exam)


def finding_result(runs: Sequence[RunSummary], exam: Exam) -> Work:
    """Find the newest segmentation of an exam in the folders of runs."""
    return lambda *_: find_newest(runs, exam)


def listing_series(subject: Subject, options: SortOptions | None = None) -> Work:
    """List the series of a DICOM exam, sorted with `options`; the result has only problems if this fails."""

    def work(*_: object) -> DicomFolder | None:
        try:
            return list_series(subject, options)
        except CmrSspError as error:
            return DicomFolder((), (), error.problems)

    return work


def sorting_exam(subject: Subject, options: SortOptions) -> Work:
    """Open the exam of a subject with chosen options."""
    return lambda *_: reopen_exam(subject, options)


def listing_runs(folder: Path) -> Work:
    """List the runs in a folder."""
    return lambda *_: list_runs(folder)


def reading_scores(run: Path, checkpoint: CheckpointName = "last") -> Work:
    """Read the scores of a run by one of its checkpoints; none if it was not scored."""
    return lambda *_: stored_scores(Run(run), checkpoint)


def reading_records(run: Path) -> Work:
    """Read the records of a run."""
    return lambda *_: read_records(Run(run))


def training(plan: TrainingPlan, preferences: Preferences) -> Work:
    """Pretrain, train on the ticked labels, or resume either: here, or on a worker of the scheduler."""

    def work(on_event: OnEvent, cancel: Cancel) -> object:
        from cmr_ssp import jobs
        from cmr_ssp.jobs.remote import train_remotely

        run, is_remote = Run(plan.run_folder), bool(preferences.scheduler)
        threads = None if is_remote else preferences.threads  # a worker knows its own
        settings = jobs.JobSettings(preferences.device, plan.max_minutes, threads=threads)
        options: dict[str, Any] = {
            "split": plan.split,
            "settings": replace(settings, data_licence=plan.data_licence),
            "resume": plan.resumes,
            "on_event": on_event,
            "cancel": cancel,
        }
        stage: Literal["pretrain", "finetune"] = "pretrain"
        if not isinstance(plan, PretrainingPlan):
            stage = "finetune"
            ticks = {name: sorted(phases) for name, phases in plan.ticks.items()}
            pretrained = Run(plan.pretrained) if plan.pretrained is not None else None
            options |= {"pretrained": pretrained, "budget": jobs.LabelBudget(ticks)}
        if is_remote:
            return train_remotely(preferences.scheduler, stage, plan.cohort, plan.recipe, run, **options)
        return getattr(jobs, stage)(plan.cohort, plan.recipe, run, **options)

    return work


def training_job(plan: TrainingPlan, preferences: Preferences) -> Job:
    """Return a training, or its continuation, as a job."""
    verb = "Pretrain" if isinstance(plan, PretrainingPlan) else "Train"
    where = " on the cluster" if preferences.scheduler else ""
    title = f"{'Resume' if plan.resumes else verb} {plan.run_folder.name}{where}"
    job = Job(title, training(plan, preferences), plan.run_folder, plan.resumes, recipe=plan.recipe)
    if plan.recipe is not None:
        job.reads = plan.pretrained if isinstance(plan, FinetuningPlan) else None
        job.smaller = partial(_smaller_training, plan, plan.recipe, preferences)
    return job


def _smaller_training(
    plan: TrainingPlan,
    recipe: Recipe,
    preferences: Preferences,
    settings: Mapping[str, int],
    reserved: Collection[Path],
) -> Job:
    """Return a training with changed settings as a job for a new run beside that of the plan."""
    before = plan.run_folder
    folder = new_run_folder(before.parent, re.sub(r"-\d+$", "", before.name), reserved)
    changed: Any = type(recipe).model_validate(recipe.model_dump() | dict(settings))
    return training_job(replace(plan, recipe=changed, run_folder=folder), preferences)


def segmenting(
    run: Path,
    subjects: Sequence[Subject],
    preferences: Preferences,
    on_segmented: Callable[[SegmentedSubject], None],
    output: Path | None = None,
    checkpoint: CheckpointName = "last",
    near: tuple[int, int] | None = None,
) -> Work:
    """Segment all frames of subjects, those near a shown frame and slice first.

    `on_segmented` is called in the worker's thread.
    """

    def work(on_event: OnEvent, cancel: Cancel) -> object:
        from cmr_ssp import jobs

        use_threads(preferences)
        return jobs.segment_subjects(
            Run(run),
            subjects,
            checkpoint=checkpoint,
            device=preferences.device,
            output=output,
            near=near,
            on_found=on_segmented,
            on_event=on_event,
            cancel=cancel,
        )

    return work


def scoring(run: Path, cohort: Cohort, preferences: Preferences, checkpoint: CheckpointName = "last") -> Work:
    """Score a run on every labelled subject of a cohort."""

    def work(on_event: OnEvent, cancel: Cancel) -> object:
        from cmr_ssp import jobs

        use_threads(preferences)
        return jobs.evaluate(
            Run(run),
            cohort,
            checkpoint=checkpoint,
            device=preferences.device,
            on_event=on_event,
            cancel=cancel,
        )

    return work


def reconstructing(
    run: Path,
    subject: Subject,
    frame: int,
    seed: int,
    hidden: float,
    preferences: Preferences,
) -> Work:
    """Hide patches of one frame and reconstruct them with a pretrained network."""

    def work(on_event: OnEvent, cancel: Cancel) -> object:
        from cmr_ssp import jobs

        use_threads(preferences)
        return jobs.reconstruct(
            Run(run),
            subject,
            frame,
            seed=seed,
            hidden=hidden,
            device=preferences.device,
            on_event=on_event,
            cancel=cancel,
        )

    return work


def use_threads(preferences: Preferences) -> None:
    """Set the number of CPU threads."""
    import torch

    torch.set_num_threads(preferences.threads)


def new_run_folder(runs: Path, method: str, reserved: Collection[Path] = ()) -> Path:
    """Return the first of ``method-1``, ``method-2`` ... that neither exists nor is reserved by a job."""
    number = 1
    while (runs / f"{method}-{number}").exists() or runs / f"{method}-{number}" in reserved:
        number += 1
    return runs / f"{method}-{number}"
