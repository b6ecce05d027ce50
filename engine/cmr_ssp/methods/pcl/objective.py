"""Positional contrastive learning: slices from alike heights of the heart belong together (method page)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.methods.contrastive.objective import ContrastiveObjective
from cmr_ssp.methods.pcl.recipe import PclRecipe

_LARGEST_DENOMINATOR = 10_000  # of the threshold, whose decimals are exact so


def alike_positions(
    slices: NDArray[np.int64], n_slices: NDArray[np.int64], threshold: float, *, exact: bool
) -> NDArray[np.bool_]:
    """Return which relative positions differ by less than a threshold, shape (n, n).

    Parameters
    ----------
    slices, n_slices : ndarray of int, shape (n,)
        Slice index, 0 at the base, and how many slices its stack has.
    threshold : float
        0.1 in the paper.
    exact : bool
        Compare whole numbers. Else 32-bit floats, whose rounding decides between neighbours of a stack of
        ten slices, as in the authors' code.
    """
    if not exact:
        position = slices.astype(np.float32) / n_slices.astype(np.float32)
        return np.asarray(np.abs(position[:, None] - position) < np.float32(threshold))
    limit = Fraction(threshold).limit_denominator(_LARGEST_DENOMINATOR)
    mine, theirs = slices[:, None] * n_slices, slices * n_slices[:, None]
    whole = n_slices[:, None] * n_slices
    return np.asarray(np.abs(mine - theirs) * limit.denominator < limit.numerator * whole)


class PclObjective(ContrastiveObjective[PclRecipe]):
    """Trains the encoder to tell from which height of the heart a slice is."""

    def positives(self, samples: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which views are of alike places, of whichever subjects."""
        records = self.bank.index[samples]
        slices, n_slices = (records[name].astype(np.int64) for name in ("slice", "n_slices"))
        exact = self.recipe.positions == "exact"
        return alike_positions(slices, n_slices, self.recipe.threshold, exact=exact)
