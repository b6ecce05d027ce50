"""Segment every frame of cines, in the geometry of their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.anatomy import NUMBERINGS
from cmr_ssp.errors import CmrSspError, ImageError, Problem
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.files import open_cine, write_segmentation
from cmr_ssp.jobs.lifecycle import run_job
from cmr_ssp.jobs.notices import SEGMENTING_MEMORY_REMEDY, report_problems
from cmr_ssp.jobs.segmenting import for_each, load_chosen, segment_all_frames
from cmr_ssp.jobs.targets import back_up, plan_targets
from cmr_ssp.runs import CheckpointName, Run
from cmr_ssp.subjects import CineStack


@dataclass(frozen=True, slots=True)
class SegmentedFiles:
    """Result of `segment`.

    Attributes
    ----------
    outcome : Outcome
        STOPPED if the job was cancelled, so that files are missing.
    files : tuple of (Path, Path)
        Path of each finished cine and of its segmentation.
    """

    outcome: Outcome
    files: tuple[tuple[Path, Path], ...]


def segment(
    run: Run,
    cines: Sequence[Path],
    output: Path,
    *,
    numbering: str = "mnms",
    replace: bool = False,
    checkpoint: CheckpointName = "last",
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> SegmentedFiles:
    """Segment NIfTI cines or DICOM exams and write one 4D label file for each.

    Parameters
    ----------
    run : Run
        A fine-tuning run or one from scratch.
    cines : sequence of Path
        NIfTI files, or folders or zip archives of DICOM. All frames are segmented; a 3D file has one.
    output : Path
        Folder for ``<name>_seg.nii.gz`` (DICOM: ``<exam_id>_seg.nii.gz``), or, for a single cine, a NIfTI
        file.
    numbering : str
        Numbers of the structures in the files: ``mnms`` (LV 1, MYO 2, RV 3) or ``acdc``.
    replace : bool
        Overwrite segmentations of other exams and edited or drawn ones; the old file is kept as ``.bak``.
        Unedited predictions of the same cine are always overwritten.
    checkpoint : str
        ``last``, or ``best``: the one with the best validation. Without validation it is the one with the
        lowest training loss, which is a warning.
    device, on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    ImageError
        Before segmenting, if files are not cines; at the end, if pixels are damaged, after the other files
        were segmented. The error names all of them.
    RunError
        If the run has no best checkpoint.
    OutputError
        If files are in the way; the error names all of them, and nothing is written.
    """
    cancel = cancel or Cancel()
    written: list[tuple[Path, Path]] = []

    def work() -> Outcome:
        if not cines:
            raise ImageError.of(output, "no cine was given", "Give at least one.")
        stacks = _opened(cines)
        targets = plan_targets(cines, stacks, output, replace=replace)
        segmenter, digest = load_chosen(run, checkpoint, device, on_event)

        def segment_one(cine: tuple[Path, CineStack, Path]) -> None:
            source, stack, target = cine
            found = segment_all_frames(segmenter, source, stack, on_event, cancel)
            report_problems(back_up(target, stack, found.digest) if replace else (), on_event)
            write_segmentation(
                target,
                found.labels,
                stack,
                NUMBERINGS[numbering],
                cine=found.digest,
                checkpoint=digest,
                replace=replace,
            )
            written.append((source, target))

        listed = list(zip(cines, stacks, targets, strict=True))
        for_each(listed, segment_one, "cines segmented", on_event, cancel)
        return Outcome.FINISHED

    outcome = run_job(work, on_event, out_of_memory=SEGMENTING_MEMORY_REMEDY)
    return SegmentedFiles(outcome, tuple(written))


def _opened(cines: Sequence[Path]) -> list[CineStack]:
    stacks: list[CineStack] = []
    problems: list[Problem] = []
    for cine in cines:
        try:
            stacks.append(open_cine(cine))
        except CmrSspError as error:
            problems += error.problems
    if problems:
        raise ImageError(*problems)
    return stacks
