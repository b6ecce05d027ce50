"""Segment changed versions of cines and measure how much volumes and EF change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import ImageError
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.function.repeatability import Repeatability, Repetition
from cmr_ssp.jobs.lifecycle import run_job
from cmr_ssp.jobs.notices import SEGMENTING_MEMORY_REMEDY
from cmr_ssp.jobs.segmenting import for_each, load_chosen
from cmr_ssp.prediction import Segmenter, segment_stack
from cmr_ssp.runs import CheckpointName, Run
from cmr_ssp.samples.repeats import Repeat, repeats
from cmr_ssp.subjects import CineStack

DEFAULT_SNR = 20.0


@dataclass(frozen=True, slots=True)
class Repeated:
    """Result of `repeat`; STOPPED if the job was cancelled, so that cines are missing."""

    cines: tuple[Repeatability, ...]
    outcome: Outcome = Outcome.FINISHED


def repeat(
    run: Run,
    cines: Mapping[str, CineStack],
    *,
    snr: float = DEFAULT_SNR,
    checkpoint: CheckpointName = "last",
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Repeated:
    """Segment every cine unchanged and in eight changed versions: with noise, shifted and turned.

    Parameters
    ----------
    run : Run
        A fine-tuning run or one from scratch.
    cines : mapping of str to CineStack
        Cines by name, with at least two frames.
    snr : float
        Mean signal of the LV cavity, as segmented in the unchanged cine, over the standard deviation of the
        added noise.
    checkpoint : str
        As for `cmr_ssp.jobs.segment`.
    device, on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    CmrSspError
        If the run cannot be used; at the end, if cines could not be read or have no LV cavity.
    """
    cancel = cancel or Cancel()
    found: list[Repeatability] = []

    def work() -> Outcome:
        segmenter, _ = load_chosen(run, checkpoint, device, on_event)

        def one(name: str) -> None:
            found.append(_repeat(segmenter, name, cines[name], snr, cancel))

        for_each(list(cines), one, "cines repeated", on_event, cancel)
        return Outcome.FINISHED

    outcome = run_job(work, on_event, out_of_memory=SEGMENTING_MEMORY_REMEDY)
    return Repeated(tuple(found), outcome)


def _repeat(segmenter: Segmenter, name: str, stack: CineStack, snr: float, cancel: Cancel) -> Repeatability:
    if stack.n_frames < 2:
        raise ImageError.of(name, "has a single frame and no EF", "Give a cine, or its ED and ES frames.")
    pixels = stack.pixels

    def labels_of(version: Repeat) -> NDArray[np.uint8]:
        in_plane = version.spacing_mm[1:]
        return segment_stack(
            segmenter.network,
            version.pixels,
            in_plane,
            segmenter.recipe,
            on_progress=lambda *_: cancel.check(),
        ).labels

    unchanged = Repeat("unchanged", pixels, stack.grid.spacing_mm)
    labels = labels_of(unchanged)
    cavity = labels == Structure.LV
    if not cavity.any():
        raise ImageError.of(name, "no LV cavity was found in it", "Use a run that can segment it.")
    noise_sd = float(pixels[cavity].mean() - pixels.min()) / snr
    measured = [Repetition.of(unchanged.name, labels, unchanged.spacing_mm)]
    measured += [
        Repetition.of(version.name, labels_of(version), version.spacing_mm)
        for version in repeats(pixels, stack.grid.spacing_mm, noise_sd)
    ]
    return Repeatability(name, tuple(measured))
