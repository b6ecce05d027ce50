"""Papillary muscles and trabeculae: what is as dark as the wall inside the endocardium."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure

DEFAULT_THRESHOLD = 0.5
"""Halfway between wall and blood."""

_LEAST_PIXELS = 10
"""A median of fewer pixels says nothing about wall or blood."""


def papillary_pixels(
    labels: NDArray[np.uint8], image: NDArray[np.float32], threshold: float = DEFAULT_THRESHOLD
) -> NDArray[np.bool_]:
    """Return which pixels of the LV cavity are papillary muscle or trabeculae.

    Parameters
    ----------
    labels : ndarray of uint8, shape (row, column)
        Of one slice, with the papillary muscles inside the endocardium.
    image : ndarray of float32, same shape
        Its pixels.
    threshold : float
        Between 0, as dark as the wall, and 1, as bright as the blood: darker pixels of the cavity are muscle.
        Wall is the median of the myocardium, blood that of the brighter half of the cavity, both of this
        slice, so that the coil's sensitivity matters little.

    Returns
    -------
    ndarray of bool, shape (row, column)
        Nowhere if the slice has hardly any wall or cavity, or the blood is not brighter than the wall.
    """
    cavity, wall = labels == Structure.LV, labels == Structure.MYO
    if cavity.sum() < _LEAST_PIXELS or wall.sum() < _LEAST_PIXELS:
        return np.zeros(labels.shape, np.bool_)
    inside = image[cavity]
    muscle, blood = float(np.median(image[wall])), float(np.median(inside[inside >= np.median(inside)]))
    if blood <= muscle:
        return np.zeros(labels.shape, np.bool_)
    return np.asarray(cavity & (image < muscle + threshold * (blood - muscle)))
