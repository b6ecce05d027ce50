"""Segment and evaluate."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from cmr_ssp import jobs
from cmr_ssp.anatomy import Phase
from cmr_ssp.api.arguments import BOTH_PHASES, PathLike, as_phases, as_run
from cmr_ssp.api.arrays import SpacingMm, stack_of
from cmr_ssp.errors import OutputError
from cmr_ssp.events import Cancel, OnEvent, ignore_events
from cmr_ssp.jobs import Evaluation
from cmr_ssp.runs import CheckpointName, Run
from cmr_ssp.subjects import CineStack, Cohort

Labels = NDArray[np.uint8]


@overload
def segment(
    run: PathLike | Run,
    cines: PathLike | Iterable[PathLike],
    output: PathLike,
    *,
    numbering: str = ...,
    replace: bool = ...,
    checkpoint: CheckpointName = ...,
    device: str = ...,
    on_event: OnEvent = ...,
    cancel: Cancel | None = ...,
) -> tuple[Path, ...]: ...


@overload
def segment(
    run: PathLike | Run,
    cines: CineStack,
    *,
    checkpoint: CheckpointName = ...,
    device: str = ...,
    on_event: OnEvent = ...,
    cancel: Cancel | None = ...,
) -> Labels: ...


@overload
def segment(
    run: PathLike | Run,
    cines: NDArray[Any],
    *,
    spacing_mm: SpacingMm,
    checkpoint: CheckpointName = ...,
    device: str = ...,
    on_event: OnEvent = ...,
    cancel: Cancel | None = ...,
) -> Labels: ...


def segment(
    run: PathLike | Run,
    cines: PathLike | Iterable[PathLike] | CineStack | NDArray[Any],
    output: PathLike | None = None,
    *,
    spacing_mm: SpacingMm | None = None,
    numbering: str = "mnms",
    replace: bool = False,
    checkpoint: CheckpointName = "last",
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> tuple[Path, ...] | Labels:
    """Segment every frame of cines: files to label files, a stack or an array to an array.

    Parameters
    ----------
    run : str, path or Run
        From `finetune`.
    cines : str, path, iterable of them, CineStack, or ndarray
        NIfTI files, or folders or zip archives of DICOM; or one cine in memory. An array has the shape
        (frame, slice, row, column), or (slice, row, column) for a single frame.
    output : str or path
        For files: a folder, or a ``.nii.gz`` file for a single cine.
    spacing_mm : tuple of float
        For an array: the distance between the centres of slices, rows and columns, in mm.
    numbering : str
        Numbers in the files: ``mnms`` (LV 1, MYO 2, RV 3) or ``acdc``.
    replace : bool
        Replace segmentations of other exams and edited ones; a copy is kept as ``.bak``.
    checkpoint : str
        ``last``, or ``best``: the one with the best validation. Without validation it is the one with the
        lowest training loss, and `on_event` receives a warning.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    on_event : callable, optional
        Called with events; ``print`` shows them.
    cancel : Cancel, optional
        Lets another thread stop the job.

    Returns
    -------
    tuple of Path, or ndarray of uint8
        For files, the label files in the order of the cines, each with the geometry of its source. For a
        stack or an array, labels of the same shape: 0, LV 1, MYO 2, RV 3.

    Raises
    ------
    CmrSspError
        If files cannot be segmented; raised before the first one, with all of them. If the run has no best
        checkpoint.
    Cancelled
        If `cancel` was requested, for a stack or an array; finished files are kept.

    Examples
    --------
    >>> cmr_ssp.segment("runs/tuned", "CINE.nii.gz", "segmented")[0].name
    'CINE_seg.nii.gz'

    >>> pixels = cmr_ssp.open_cine("CINE.nii.gz").pixels
    >>> labels = cmr_ssp.segment("runs/tuned", pixels, spacing_mm=(8.0, 1.5, 1.6))
    >>> labels.shape == pixels.shape
    True
    """
    if isinstance(cines, CineStack | np.ndarray):
        _require_no_file(output, numbering, replace=replace)
        stack = cines if isinstance(cines, CineStack) else stack_of(cines, spacing_mm)
        labels = jobs.segment_in_memory(
            as_run(run), stack, checkpoint=checkpoint, device=device, on_event=on_event, cancel=cancel
        )
        return labels.reshape(cines.shape)
    if output is None:
        raise OutputError.of(
            "output", "the output for the label files is missing", "Give a folder or a file."
        )
    listed = [cines] if isinstance(cines, str | os.PathLike) else cines
    done = jobs.segment(
        as_run(run),
        [Path(cine) for cine in listed],
        Path(output),
        numbering=numbering,
        replace=replace,
        checkpoint=checkpoint,
        device=device,
        on_event=on_event,
        cancel=cancel,
    )
    return tuple(file for _, file in done.files)


def evaluate(
    run: PathLike | Run,
    cohort: Cohort,
    *,
    phases: Iterable[Phase | str] = BOTH_PHASES,
    checkpoint: CheckpointName = "last",
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Evaluation:
    """Evaluate a run by 3D Dice on the voxel grids of the images.

    Parameters
    ----------
    run : str, path or Run
        From `finetune`.
    cohort : Cohort
        Labelled subjects.
    phases : iterable of str
        Labelled phases to score: ``ED``, ``ES``.
    checkpoint : str
        ``last``, or ``best``: the one with the best validation. Without validation it is the one with the
        lowest training loss, and `on_event` receives a warning.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    on_event : callable, optional
        Called with events; ``print`` shows them.
    cancel : Cancel, optional
        Lets another thread stop the job.

    Returns
    -------
    Evaluation
        `reported` has the scores of subjects that the run has not seen.

    Raises
    ------
    CmrSspError
        If no subject is labelled, or files cannot be used; the error names all of them. If the run has no
        best checkpoint.

    Examples
    --------
    >>> evaluation = cmr_ssp.evaluate("runs/tuned", cohort)
    >>> table = evaluation.to_dataframe()
    >>> list(table.columns[:4])
    ['subject', 'phase', 'structure', 'dice']
    """
    return jobs.evaluate(
        as_run(run),
        cohort,
        phases=as_phases(phases),
        checkpoint=checkpoint,
        device=device,
        on_event=on_event,
        cancel=cancel,
    )


def _require_no_file(output: PathLike | None, numbering: str, *, replace: bool) -> None:
    """Reject arguments that are only for files."""
    if output is not None or numbering != "mnms" or replace:
        what = "no file is written for an array or a stack"
        remedy = "Omit output, numbering and replace, or give the path of the cine."
        raise OutputError.of("output" if output is None else output, what, remedy)
