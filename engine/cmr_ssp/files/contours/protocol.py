"""What the module of a contour format offers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.subjects import CineStack


class ContourReader(Protocol):
    """What the module of a contour format offers."""

    def contour_files(self, place: Path) -> list[Path]:
        """Return the files that the contours at a place are read from, sorted."""

    def draw_contours(self, place: Path, stack: CineStack) -> Mapping[int, NDArray[np.uint8]]:
        """Draw contours on the grid of their cine.

        Returns
        -------
        Mapping of int to ndarray of uint8, shape (slice, row, column)
            By 0-based frame that somebody drew on: 0 or a `Structure` number, in the slice order of `stack`.

        Raises
        ------
        LabelError
            If the contours cannot be read or do not fit the cine.
        """
