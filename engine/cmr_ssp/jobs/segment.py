"""Segment cines: every frame, in the source's geometry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cmr_ssp.anatomy import NUMBERINGS
from cmr_ssp.devices import choose_device
from cmr_ssp.errors import CmrSspError, ImageError, OutputError, Problem
from cmr_ssp.events import Cancel, Noticed, OnEvent, Outcome, Preparing, ignore_events
from cmr_ssp.files import exam_id, open_cine, write_segmentation
from cmr_ssp.files.dicom import may_be_exam
from cmr_ssp.files.nifti import SUFFIXES, stem_of
from cmr_ssp.jobs.lifecycle import guarded
from cmr_ssp.jobs.notices import unsure_of_heart
from cmr_ssp.jobs.segmenting import counting_frames
from cmr_ssp.prediction import load_segmenter, segment_stack
from cmr_ssp.runs import Run
from cmr_ssp.subjects import CineStack


def segment(
    run: Run,
    cines: Sequence[Path],
    output: Path,
    *,
    numbering: str = "mnms",
    device: str = "auto",
    on_event: OnEvent = ignore_events,
    cancel: Cancel | None = None,
) -> Outcome:
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
    device, on_event, cancel
        As for `cmr_ssp.jobs.pretrain`.

    Raises
    ------
    ImageError
        Naming every file that cannot be segmented, before the first is.
    """
    cancel = cancel or Cancel()

    def work() -> Outcome:
        if not cines:
            raise ImageError.of(output, "no cine was named that it could be made from", "Name at least one.")
        targets = _targets(cines, output)
        stacks = _opened(cines)
        segmenter = load_segmenter(run.last, choose_device(device))
        for done, (source, stack, target) in enumerate(zip(cines, stacks, targets, strict=True)):
            cancel.check()
            for problem in stack.problems:
                on_event(Noticed(problem))
            network, recipe, in_plane = segmenter.network, segmenter.recipe, stack.grid.spacing_mm[1:]
            tell = counting_frames(stack, on_event, cancel)
            found = segment_stack(network, stack.load(), in_plane, recipe, on_progress=tell)
            write_segmentation(target, found.labels, stack, NUMBERINGS[numbering])
            if not found.heart_sure:
                on_event(Noticed(unsure_of_heart(source)))
            on_event(Preparing("cines segmented", done + 1, len(stacks)))
        return Outcome.FINISHED

    return guarded(work, on_event)


def _targets(cines: Sequence[Path], output: Path) -> list[Path]:
    """Return where each segmentation goes; two cines of the same name would overwrite one another."""
    if len(cines) == 1 and output.name.endswith(SUFFIXES):
        return [output]
    if output.name.endswith(SUFFIXES):
        raise OutputError.of(output, f"is one file for {len(cines)} cines", "Give a folder.")
    targets = [output / f"{_name(cine)}_seg.nii.gz" for cine in cines]
    if len(set(targets)) < len(targets):
        raise OutputError.of(output, "several cines have the same name", "Segment them one by one.")
    return targets


def _name(cine: Path) -> str:
    """Return what to call a cine; the folder of a DICOM exam may be named after a person."""
    return exam_id(cine) if may_be_exam(cine) else stem_of(cine)


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
