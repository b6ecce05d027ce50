"""Contours as labels of a cine; ED is the frame with the larger LV."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cmr_ssp.anatomy import NUMBERINGS
from cmr_ssp.errors import CmrSspError, Problem
from cmr_ssp.files.contours import READERS
from cmr_ssp.files.contours.cvi42 import SUFFIX, read_cvi42
from cmr_ssp.files.formats.folders import entries, is_folder, is_regular
from cmr_ssp.files.labels.phases import phases_by_size
from cmr_ssp.subjects import CineStack, ContourFormat, ContourSource, LabelSource, voxel_counts

Labels = tuple[tuple[LabelSource, ...], list[Problem]]


def contour_labels(source: ContourSource, stack: CineStack) -> Labels:
    """Rasterise contours and return sources for ED and ES; warn about contours of other frames.

    Raises
    ------
    LabelError
        If the contours cannot be read or do not fit the cine.
    """
    volumes = READERS[source.format].draw_contours(source.path, stack)
    phases = phases_by_size({frame: voxel_counts(volume) for frame, volume in volumes.items()})
    labels = tuple(
        LabelSource(phase, frame, source, NUMBERINGS["mnms"])  # rasterised in the engine's numbers
        for phase, frame in phases.items()
    )
    unused = sorted(set(volumes) - set(phases.values()))
    what = f"contours of frame {', '.join(map(str, unused))} are neither ED nor ES, and are not used"
    problem = Problem.warning(source.path, what, "Check that it is right.")
    return labels, [problem] if unused else []


def workspace_labels(exam: Path, stack: CineStack, where: str) -> Labels:
    """Return sources for the labels of an exam in a cvi42 workspace, in its folder or beside it.

    Problems name the subject, since paths may name a person.

    Parameters
    ----------
    exam : Path
        The folder, archive or file.
    stack : CineStack
        Cine of the exam.
    where : str
        Name of the exam in problems.
    """
    labels: tuple[LabelSource, ...] = ()
    problems: list[Problem] = []
    for path in _workspaces(exam):
        try:
            workspace = read_cvi42(path)
            if not workspace.draws_on(stack):
                continue
            if labels:
                what = "a second cvi42 workspace has contours of it, which are not used"
                problems.append(Problem.warning(where, what, "Keep one workspace beside each exam."))
                continue
            labels, found = contour_labels(ContourSource(path, ContourFormat.CVI42), stack)
            problems += [*workspace.problems, *found]
        except CmrSspError as error:
            problems += error.problems
    return labels, [replace(problem, where=where) for problem in problems]


def _workspaces(exam: Path) -> list[Path]:
    """Return the workspaces in the folder of an exam and beside it."""
    here = [*(entries(exam) if is_folder(exam) else []), *entries(exam.parent)]
    return [path for path in here if path.suffix.lower() == SUFFIX and is_regular(path)]
