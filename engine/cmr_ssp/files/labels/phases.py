"""Find the labelled frames of a 4D label file, and which of them is ED, from the pixels.

The tables of some data sets (M&Ms) have wrong frames for some subjects. A frame without label voxels is not
labelled, and of two labelled frames the one with more label voxels is ED.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from cmr_ssp.anatomy import Numbering, Phase, Structure
from cmr_ssp.errors import CmrSspError, LabelError, Problem
from cmr_ssp.files.formats.nifti import Stamp, read_header, stamp
from cmr_ssp.files.labels.reading import read_numbers, to_structures
from cmr_ssp.subjects import FrameSource, LabelSource, ed_and_es, voxel_counts


def find_phases(path: Path, claimed: Mapping[Phase, int]) -> tuple[dict[Phase, int], list[Problem]]:
    """Return the frames of ED and ES in a 4D label file, and warnings if `claimed` is wrong."""
    counts = labelled_voxels(path)
    frames = _choose(counts, claimed)
    if not counts:
        return frames, [Problem.warning(path, "none of its frames is labelled", "Check that it is right.")]
    if not frames:
        what = f"only frame {min(counts)} (counted from 0) is labelled, and its phase is unknown"
        return frames, [Problem.warning(path, what, "Add the frame of ED or ES to the cohort's table.")]
    if any(frames.get(phase) != frame for phase, frame in claimed.items()):
        what = (
            f"the cohort's table says {_listed(claimed)}, the label pixels {_listed(frames)}, which is used"
        )
        remedy = "Correct the table, or check the labels of these frames."
        return frames, [Problem.warning(path, what, remedy)]
    return frames, []


def labelled_voxels(path: Path) -> dict[int, int]:
    """Count the labelled voxels of each labelled frame.

    Raises
    ------
    LabelError
        If the file cannot be read.
    """
    return dict(_labelled_voxels(path, stamp(path)))


@lru_cache(maxsize=1024)
def _labelled_voxels(path: Path, _stamp: Stamp) -> dict[int, int]:
    try:
        numbers = read_numbers(read_header(path))
    except CmrSspError as error:
        raise LabelError(*error.problems) from error
    counts = np.count_nonzero(numbers.reshape(len(numbers), -1), axis=1)
    return {t: int(n) for t, n in enumerate(counts) if n}


def structure_voxels(path: Path, numbering: Numbering) -> dict[Structure, int]:
    """Count the voxels of each structure in a label file.

    Raises
    ------
    LabelError
        If the file cannot be read or contains an unknown number.
    """
    try:
        numbers = read_numbers(read_header(path))
    except CmrSspError as error:
        raise LabelError(*error.problems) from error
    labels = to_structures(numbers, numbering, str(path))
    return voxel_counts(labels)


def phases_by_size(voxels: Mapping[int, Mapping[Structure, int]]) -> dict[Phase, int]:
    """Return the frames of ED and ES (largest and smallest LV); of a single frame, the myocardium decides.

    If the myocardium is drawn in one frame only, this frame is ED.
    """
    if len(voxels) == 1:
        ((frame, drawn),) = voxels.items()
        return {Phase.ED if drawn[Structure.MYO] else Phase.ES: frame}
    return ed_and_es({frame: drawn[Structure.LV] for frame, drawn in voxels.items()})


def _choose(counts: Mapping[int, int], claimed: Mapping[Phase, int]) -> dict[Phase, int]:
    if len(counts) < 2:
        return {phase: frame for phase, frame in claimed.items() if frame in counts}
    named = {frame for frame in claimed.values() if frame in counts}
    return ed_and_es({frame: counts[frame] for frame in (named if len(named) == 2 else counts)})


def label_sources(path: Path, frames: Mapping[Phase, int], numbering: Numbering) -> list[LabelSource]:
    """Return sources of the labels of a 4D file at `frames`."""
    return [LabelSource(phase, frame, FrameSource(path, frame), numbering) for phase, frame in frames.items()]


def in_phase_order(labels: list[LabelSource]) -> list[LabelSource]:
    """Sort labels: ED first."""
    return sorted(labels, key=lambda label: list(Phase).index(label.phase))


def _listed(frames: Mapping[Phase, int]) -> str:
    return " and ".join(f"{phase} at frame {frame}" for phase, frame in sorted(frames.items()))
