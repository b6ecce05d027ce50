"""Interface of the module of a contour format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.subjects import CineStack


class ContourReader(Protocol):
    """Interface of the module of a contour format."""

    def contour_files(self, place: Path) -> list[Path]:
        """Return the sorted files from which contours are read."""

    def draw_contours(self, place: Path, stack: CineStack) -> Mapping[int, NDArray[np.uint8]]:
        """Rasterise contours on the grid of their cine.

        Returns
        -------
        Mapping of int to ndarray of uint8, shape (slice, row, column)
            By 0-based frame with contours: 0 or a `Structure` number, in the slice order of `stack`.

        Raises
        ------
        LabelError
            If the contours cannot be read or do not fit the cine.
        """
