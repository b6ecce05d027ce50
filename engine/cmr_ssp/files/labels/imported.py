"""Import labels from other programs by phase, or for all frames of a cine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Numbering, Phase
from cmr_ssp.errors import LabelError
from cmr_ssp.files.labels.importing import import_labels
from cmr_ssp.files.labels.phases import phases_by_size
from cmr_ssp.subjects import CineStack, ResolvedSubject, Segmentation, voxel_counts


def import_phases(
    path: Path,
    subject: ResolvedSubject,
    *,
    phase: Phase | None = None,
    frame: int | None = None,
    numbering: Numbering | None = None,
) -> dict[Phase, Segmentation]:
    """Read labels of a subject that were edited in another program, by phase.

    Parameters
    ----------
    path, frame, numbering
        As for `import_labels`.
    subject : ResolvedSubject
        Subject of the labels.
    phase : Phase, optional
        Phase, if neither known frames nor the file name define it. Of two unnamed frames, the one with the
        larger LV is ED.

    Raises
    ------
    LabelError
        If the file cannot be used, contains no label, or its phase is unknown.
    """
    found = import_labels(path, subject, frame=frame, numbering=numbering)
    _require_labels(path, found)
    known = {label.frame: label.phase for label in subject.labels}
    by_frame = {known[each.frame]: each for each in found if each.frame in known}
    if len(found) == 1:
        named = phase or next(iter(by_frame), None) or _named_phase(path)
        if named:
            return {named: found[0]}
    elif phase is None and len(found) == 2 and len(by_frame) < 2:
        return _by_size(found)
    elif by_frame and (phase is None or phase in by_frame):
        return by_frame if phase is None else {phase: by_frame[phase]}
    listed = ", ".join(str(each.frame) for each in found)
    what = f"the phase at frame {listed} is unknown"
    raise LabelError.of(path, what, "Use --phase, and --frame if there are several frames.")


def import_volumes(path: Path, stack: CineStack, numbering: Numbering | None = None) -> NDArray[np.uint8]:
    """Read labels of all frames of a cine, shape (frame, slice, row, column).

    Raises
    ------
    LabelError
        If the file cannot be used (see `import_labels`) or contains no label.
    """
    found = import_labels(path, stack, numbering=numbering)
    _require_labels(path, found, "Choose a segmentation.")
    volumes = np.zeros((stack.n_frames, *stack.grid.shape), np.uint8)
    for segmentation in found:
        volumes[segmentation.frame] = segmentation.labels
    return volumes


def _require_labels(
    path: Path, found: Sequence[Segmentation], remedy: str = "Draw labels, or choose another file."
) -> None:
    if not found:
        raise LabelError.of(path, "it has no labelled voxel", remedy)


def _named_phase(path: Path) -> Phase | None:
    """Return the phase in a file name, None if it has none or both."""
    named = [each for each in Phase if f"_{each}" in path.name.upper()]
    return named[0] if len(named) == 1 else None


def _by_size(found: Sequence[Segmentation]) -> dict[Phase, Segmentation]:
    sizes = {each.frame: voxel_counts(each.labels) for each in found}
    frames = phases_by_size(sizes)
    return {phase: next(s for s in found if s.frame == frame) for phase, frame in frames.items()}
