"""Positional contrastive learning: slices at similar positions are positive pairs (see docs/methods.md)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.methods.contrastive.objective import ContrastiveObjective
from cmr_ssp.methods.pcl.recipe import PclRecipe

_LARGEST_DENOMINATOR = 10_000  # thresholds with up to 4 decimals are exact


def similar_positions(
    slices: NDArray[np.int64], n_slices: NDArray[np.int64], threshold: float, *, exact: bool
) -> NDArray[np.bool_]:
    """Return the pairs whose relative positions differ by less than a threshold, shape (n, n).

    Parameters
    ----------
    slices, n_slices : ndarray of int, shape (n,)
        Slice index, 0 at the base, and number of slices of its stack.
    threshold : float
        0.1 in the paper.
    exact : bool
        Compare integers. Otherwise 32-bit floats as in the authors' code, whose rounding decides about
        neighbours in a stack of ten slices.
    """
    if not exact:
        position = slices.astype(np.float32) / n_slices.astype(np.float32)
        return np.asarray(np.abs(position[:, None] - position) < np.float32(threshold))
    limit = Fraction(threshold).limit_denominator(_LARGEST_DENOMINATOR)
    mine, theirs = slices[:, None] * n_slices, slices * n_slices[:, None]
    whole = n_slices[:, None] * n_slices
    return np.asarray(np.abs(mine - theirs) * limit.denominator < limit.numerator * whole)


class PclObjective(ContrastiveObjective[PclRecipe]):
    """Trains the encoder to find slices at similar positions along the heart."""

    def positives(self, samples: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the pairs of views at similar positions, in any subjects."""
        entries = self.bank.index[samples]
        slices, n_slices = (entries[name].astype(np.int64) for name in ("slice", "n_slices"))
        exact = self.recipe.positions == "exact"
        return similar_positions(slices, n_slices, self.recipe.threshold, exact=exact)
