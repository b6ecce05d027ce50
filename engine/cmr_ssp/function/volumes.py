"""Volumes of structures over a cine, and its ED and ES frames by the volume of the LV cavity.

A volume is the number of voxels times the distances between the centres of slices, rows and columns, so gaps
between slices are included.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.evaluation.scores import NO_METADATA, SPACING_COLUMNS, ResultMetadata, spacing_cells
from cmr_ssp.subjects import ed_and_es, voxel_counts

_FIRST_COLUMNS = ("subject", "frame", "phase", *(f"{structure.name}_ml" for structure in Structure))
VOLUMES_BEGIN = ",".join(_FIRST_COLUMNS)
"""First characters of every table of volumes, including those of earlier versions."""
VOLUME_COLUMNS = (*_FIRST_COLUMNS, *SPACING_COLUMNS, "cine", "checkpoint")
_UNDRAWN = "n/a"
_MM3_PER_ML = 1000.0
_LEAST_SHARE = 0.1
_NOISE = 0.1
_LEAST_FRAMES = 6


@dataclass(frozen=True, slots=True)
class FrameVolumes:
    """Volumes of one frame (counted from 0) in ml; None if a structure is not labelled.

    `metadata` identifies grid, cine and checkpoint as far as they are known.
    """

    subject: str
    frame: int
    ml: Mapping[Structure, float | None]
    phase: Phase | None = None
    metadata: ResultMetadata = NO_METADATA


def voxel_ml(spacing_mm: tuple[float, float, float]) -> float:
    """Return the volume of a voxel in ml from the distances between slices, rows and columns."""
    return float(np.prod(spacing_mm)) / _MM3_PER_ML


def frame_volumes(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float, float],
    subject: str,
    drawn: Sequence[frozenset[Structure]] | None = None,
    *,
    cine: str = "",
    checkpoint: str = "",
) -> list[FrameVolumes]:
    """Compute the volumes of every frame and mark the ED and ES frames that `find_ed_es` finds.

    Parameters
    ----------
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    spacing_mm : tuple of float
        Distance between the centres of slices, rows and columns; not the slice thickness.
    subject : str
        Subject id.
    drawn : sequence of frozenset, optional
        Structures labelled in each frame; by default those with at least one voxel.
    cine, checkpoint : str
        Origin of the labels, as in `ResultMetadata`.
    """
    ml_per_voxel = voxel_ml(spacing_mm)
    metadata = ResultMetadata.of(spacing_mm, cine, checkpoint=checkpoint)
    measured = []
    for frame, volume in enumerate(labels):
        counts = voxel_counts(volume)
        here = drawn[frame] if drawn is not None else {s for s in Structure if counts[s]}
        ml = {s: counts[s] * ml_per_voxel if s in here else None for s in Structure}
        measured.append(FrameVolumes(subject, frame, ml, metadata=metadata))
    phases = {frame: phase for phase, frame in find_ed_es([row.ml[Structure.LV] for row in measured]).items()}
    return [replace(row, phase=phases.get(row.frame)) for row in measured]


def find_ed_es(lv_ml: Sequence[float | None]) -> dict[Phase, int]:
    """Find ED and ES: the frames with the largest and the smallest plausible LV cavity.

    A frame is implausible if its cavity is smaller than a tenth of the largest, or if, in a cine, it differs
    from the median of itself and its two neighbours in the cardiac cycle by more than a tenth of the
    largest and twice what the turning points of a sine with as many frames do.

    Parameters
    ----------
    lv_ml : sequence of float or None
        LV volume of each frame; None if it is not labelled.

    Returns
    -------
    dict of Phase to int
        Frame of each phase; empty if fewer than two different volumes remain.
    """
    known = {frame: ml for frame, ml in enumerate(lv_ml) if ml}
    if len(known) >= _LEAST_FRAMES:
        known = _without_jumps(known)
    largest = max(known.values(), default=0.0)
    known = {frame: ml for frame, ml in known.items() if ml >= _LEAST_SHARE * largest}
    if len(set(known.values())) < 2:
        return {}
    return ed_and_es(known)


def _without_jumps(known: Mapping[int, float]) -> dict[int, float]:
    ml = np.array(list(known.values()))
    middle = np.median([np.roll(ml, 1), ml, np.roll(ml, -1)], axis=0)
    # Twice what a sine of this range differs from its neighbours at its turning points: hearts turn faster.
    turn = np.ptp(middle) * (1 - np.cos(2 * np.pi / len(ml)))
    steady = np.abs(ml - middle) <= _NOISE * middle.max() + turn
    return {frame: size for frame, size, keep in zip(known, known.values(), steady, strict=True) if keep}


def volumes_csv(rows: Iterable[FrameVolumes]) -> str:
    """Format volumes as CSV with one row per subject and frame; ``n/a`` if a structure is not labelled."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(VOLUME_COLUMNS)
    for row in rows:
        cells = [_UNDRAWN if (ml := row.ml[s]) is None else f"{ml:.2f}" for s in Structure]
        metadata = row.metadata
        cells += [*spacing_cells(metadata.spacing_mm), metadata.cine, metadata.checkpoint]
        writer.writerow([row.subject, row.frame, row.phase or "", *cells])
    return text.getvalue()
