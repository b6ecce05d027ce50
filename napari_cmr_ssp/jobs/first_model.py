"""Jobs that bring the first model: a run from elsewhere, or a starter model on a public data set."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_ssp.events import Cancel, OnEvent
from cmr_ssp.runs import BroughtIn

from napari_cmr_ssp.jobs.job import Job, Work
from napari_cmr_ssp.jobs.plans import FinetuningPlan
from napari_cmr_ssp.jobs.work import new_run_folder, training_job, use_threads
from napari_cmr_ssp.preferences import Preferences

if TYPE_CHECKING:
    from cmr_ssp.jobs import Starter


def bringing_in_job(place: Path, runs: Path, reserved: Collection[Path]) -> Job:
    """Return a job that copies a run into a folder of runs; its result is a `BroughtIn`, None if stopped.

    Folders that are `reserved` are those of waiting trainings.
    """

    def work(on_event: OnEvent, cancel: Cancel) -> BroughtIn | None:
        from cmr_ssp import jobs

        found = jobs.bring_in(place, runs, taken=reserved, on_event=on_event, cancel=cancel)
        if found is not None:
            size = f"{found.n_bytes / 1e6:.0f} MB, now the run {found.folder.name}"
            here = f"nothing was copied: it is here already, as {found.folder.name}"
            job.result, job.result_folder = size if found.is_new else here, found.folder
        return found

    job = Job(f"Bring in {place.name}", work)  # its work says in it where the run is
    return job


def planning_starter(folder: Path, preferences: Preferences) -> Work:
    """Plan a starter model on the data set of a folder; the result is a `Starter`."""

    def work(*_: object) -> Starter:
        from cmr_ssp import jobs

        use_threads(preferences)  # as the training will
        return jobs.plan_starter(folder, preferences.device)

    return work


def starter_job(starter: Starter, preferences: Preferences, reserved: Collection[Path]) -> Job:
    """Return the training of a starter model as a job for a new run, which keeps the licence of the data."""
    plan = FinetuningPlan(
        cohort=starter.cohort,
        split=starter.split,
        recipe=starter.recipe,
        run_folder=new_run_folder(preferences.runs, f"{starter.name}-starter", reserved),
        data_licence=f"{starter.cohort.layout}: {starter.licence}",
        ticks={name: frozenset(phases) for name, phases in starter.labels.items()},
    )
    return training_job(plan, preferences)
