"""Reconstruct hidden patches of a subject's slices with a pretrained network."""

from __future__ import annotations

from collections.abc import Sequence

from cmr_ssp.devices import choose_device
from cmr_ssp.events import Cancel, Noticed, OnEvent, Outcome, Preparing, ignore_events
from cmr_ssp.files import open_stack
from cmr_ssp.jobs.lifecycle import run_job
from cmr_ssp.jobs.notices import heart_warning, report_problems
from cmr_ssp.methods.mim.reconstruct import Reconstruction, check_choice, load_rebuilder, rebuild
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Subject


def reconstruct(
    run: Run,
    subject: Subject,
    frame: int,
    slices: Sequence[int] | None = None,
    *,
    seed: int = 0,
    hidden: float | None = None,
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Reconstruction | None:
    """Reconstruct hidden patches with the network of a run; None if the job was cancelled.

    Parameters
    ----------
    run : Run
        A run of masked image modelling; its last checkpoint is used.
    subject : Subject
        Subject whose cine is used; its labels are not read.
    frame, slices, seed, hidden
        As for `cmr_ssp.methods.mim.reconstruct.rebuild`.
    device, on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    CmrSspError
        If the run is of another method, or the cine cannot be read or lacks the frame or slices.
    """
    cancel = cancel or Cancel()
    found: list[Reconstruction] = []

    def work() -> Outcome:
        rebuilder = load_rebuilder(run.last, choose_device(device))
        report_problems(rebuilder.problems, on_event)
        stack = open_stack(subject)
        shape = stack.n_frames, *stack.grid.shape
        chosen = range(shape[1]) if slices is None else slices
        check_choice(subject.id, shape, frame, chosen)  # before the pixels are read
        pixels = None if cancel.requested else stack.load()
        if pixels is None or cancel.requested:
            return Outcome.STOPPED
        in_plane = stack.grid.spacing_mm[1:]
        rebuilt = rebuild(rebuilder, pixels, in_plane, frame, chosen, seed=seed, hidden=hidden)
        if rebuilder.recipe.crop.centre == "motion" and not rebuilt.heart_sure:
            on_event(Noticed(heart_warning(subject.id)))
        on_event(Preparing("slices rebuilt", len(chosen), len(chosen)))
        found.append(rebuilt)
        return Outcome.FINISHED

    run_job(work, on_event)
    return found[0] if found else None
