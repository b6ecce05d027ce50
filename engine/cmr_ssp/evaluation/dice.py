"""The Dice coefficient of two segmentations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure


def dice(prediction: NDArray[np.uint8], reference: NDArray[np.uint8], structure: Structure) -> float:
    """Compute the Dice coefficient of one structure over whole volumes.

    Parameters
    ----------
    prediction, reference : ndarray, same shape
        0 or a `Structure` number.
    structure : Structure
        Structure to compare. The caller must know that it was drawn in the reference.

    Returns
    -------
    float
        0 to 1; 1 if both volumes lack the structure.
    """
    found, drawn = prediction == structure, reference == structure
    total = int(found.sum()) + int(drawn.sum())
    return 2 * int((found & drawn).sum()) / total if total else 1.0
