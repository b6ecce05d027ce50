"""Segment cines: every frame, in the source's geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cmr_ssp.anatomy import NUMBERINGS
from cmr_ssp.devices import choose_device
from cmr_ssp.errors import CmrSspError, ImageError, Problem
from cmr_ssp.events import Cancel, OnEvent, Outcome, ignore_events
from cmr_ssp.files import open_cine, write_segmentation
from cmr_ssp.jobs.lifecycle import guarded
from cmr_ssp.jobs.notices import WHERE_SEGMENTING_DOES_NOT_FIT, tell
from cmr_ssp.jobs.segmenting import one_by_one, segment_whole
from cmr_ssp.jobs.targets import planned, set_aside
from cmr_ssp.prediction import load_segmenter
from cmr_ssp.runs import Run, file_digest
from cmr_ssp.subjects import CineStack


@dataclass(frozen=True, slots=True)
class SegmentedFiles:
    """What `segment` wrote.

    Attributes
    ----------
    outcome : Outcome
        Stopped where it was cancelled, so that files are missing.
    files : tuple of (Path, Path)
        Each cine that is done, as it was given, and its segmentation.
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
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> SegmentedFiles:
    """Segment NIfTI cines or DICOM exams and write one 4D label file each.

    Parameters
    ----------
    run : Run
        A fine-tuning run or one from scratch; its last checkpoint is used.
    cines : sequence of Path
        NIfTI files, or folders or zip archives of DICOM. All frames are segmented; a 3D file has one.
    output : Path
        A folder, which gets ``<name>_seg.nii.gz`` (of DICOM ``<exam_id>_seg.nii.gz``), or for a single
        cine a NIfTI file.
    numbering : str
        Numbers of the structures in the files: ``mnms`` (LV 1, MYO 2, RV 3) or ``acdc``.
    replace : bool
        Write over segmentations of other exams, and over those that were edited or drawn; a copy of the old
        file stays beside it as ``.bak``. An earlier prediction of the same cine is replaced without.
    device, on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    ImageError
        Naming every file that is no cine, before the first is segmented; at the end, naming every one whose
        pixels are damaged. The others are done then.
    OutputError
        Naming every file that is in the way, before the first is written.
    """
    cancel = cancel or Cancel()
    written: list[tuple[Path, Path]] = []

    def work() -> Outcome:
        if not cines:
            raise ImageError.of(output, "no cine was named that it could be made from", "Name at least one.")
        stacks = _opened(cines)
        targets = planned(cines, stacks, output, replace=replace)
        segmenter, checkpoint = load_segmenter(run.last, choose_device(device)), file_digest(run.last)
        tell(segmenter.problems, on_event)

        def segment_one(cine: tuple[Path, CineStack, Path]) -> None:
            source, stack, target = cine
            found = segment_whole(segmenter, source, stack, on_event, cancel)
            tell(set_aside(target, stack, found.digest) if replace else (), on_event)
            write_segmentation(
                target,
                found.labels,
                stack,
                NUMBERINGS[numbering],
                cine=found.digest,
                checkpoint=checkpoint,
                replace=replace,
            )
            written.append((source, target))

        listed = list(zip(cines, stacks, targets, strict=True))
        one_by_one(listed, segment_one, "cines segmented", on_event, cancel)
        return Outcome.FINISHED

    outcome = guarded(work, on_event, out_of_memory=WHERE_SEGMENTING_DOES_NOT_FIT)
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
