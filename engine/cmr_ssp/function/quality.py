"""All quality flags of a cine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.function.cine_flags import cine_flags
from cmr_ssp.function.estimate import unsure_flags
from cmr_ssp.function.flags import Flag, Judged
from cmr_ssp.function.frame_flags import frame_flags
from cmr_ssp.function.slice_flags import slice_flags


@dataclass(frozen=True, slots=True)
class QualityFlags:
    """What is implausible about a cine.

    Attributes
    ----------
    frames : tuple of Flag
        Each concerns one frame, and most of them one slice; judged from this frame alone.
    cine : tuple of Flag
        From several frames; those with a frame say which one fits badly.
    """

    frames: tuple[Flag, ...]
    cine: tuple[Flag, ...]

    def of_frame(self, frame: int) -> tuple[Flag, ...]:
        """Return all flags that name a frame, also those of its place in the cine."""
        return tuple(flag for flag in (*self.frames, *self.cine) if flag.frame == frame)


def find_flags(judged: Judged, certainty: NDArray[np.float32] | None = None) -> QualityFlags:
    """Find all flags of a cine.

    Parameters
    ----------
    judged : Judged
        After an edit, make it anew from `ShapeFacts.remeasured`: that measures one slice only.
    certainty : ndarray of float32, shape (frame, slice, structure, 2), optional
        Of the network, for its segmentation as it is (`cmr_ssp.prediction.SegmentedStack`); not after edits.

    Examples
    --------
    >>> from cmr_ssp.function import Judged, find_flags, measure_shapes
    >>> from cmr_ssp.phantoms import make_phantom
    >>> heart = make_phantom(seed=0, n_frames=4)
    >>> find_flags(Judged.of(measure_shapes(heart.labels, heart.spacing_mm))).cine
    ()
    """
    unsure = () if certainty is None else unsure_flags(judged, certainty)
    frames = (*slice_flags(judged), *frame_flags(judged))
    return QualityFlags(frames, (*cine_flags(judged), *unsure))
