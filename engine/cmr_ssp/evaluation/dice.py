"""Overlap of two segmentations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure


def dice(prediction: NDArray[np.uint8], reference: NDArray[np.uint8], structure: Structure) -> float:
    """Return the Dice coefficient of one structure over whole volumes.

    Parameters
    ----------
    prediction, reference : ndarray, same shape
        0 or a `Structure` number.
    structure : Structure
        Which one. Absent from both counts 1, from one 0; whether the reference was drawn at all is the
        caller's to know.
    """
    found, drawn = prediction == structure, reference == structure
    total = int(found.sum()) + int(drawn.sum())
    return 2 * int((found & drawn).sum()) / total if total else 1.0
