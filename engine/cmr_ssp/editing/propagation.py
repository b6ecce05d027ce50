"""Carries the contours of one frame to others by registration, as proposals to be checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cmr_ssp.editing.outlines import Outline, Plane, region_of, with_region
from cmr_ssp.editing.shapes import Spacing
from cmr_ssp.errors import OutputError
from cmr_ssp.events import Cancel

_WINDOW_MM = 9.0
_MARGIN_MM = 25.0
_BRIGHT = 99.0


def propagated(
    cine: NDArray[np.float32],
    labels: Plane,
    source: int,
    targets: Sequence[int],
    spacing_mm: Spacing,
    *,
    cancel: Cancel | None = None,
    on_done: Callable[[int], None] = lambda _: None,
) -> dict[int, Plane]:
    """Return the contours of one slice at other frames.

    Parameters
    ----------
    cine : ndarray of float32, shape (frame, row, column)
        All frames of the slice.
    labels : ndarray of uint8, shape (row, column)
        Drawn at frame `source`.
    source, targets : int, sequence of int
        Frames, counted from 0.
    spacing_mm : tuple of float
        Of rows and columns.
    cancel : Cancel, optional
        Ends it early, with the frames done so far.
    on_done : callable
        Is given each frame that is done.

    Returns
    -------
    dict of int to ndarray
        Labels of each target frame.

    Raises
    ------
    OutputError
        If scikit-image is missing.

    Notes
    -----
    Each frame is registered to the source directly by dense optical flow (iterative Lucas-Kanade, Le
    Besnerais and Champagnat, 2005) in a window around the contours. From ED to ES of the two Sunnybrook cines
    this lifts the Dice of the LV from 0.867 to 0.948 and from 0.769 to 0.933; going frame by frame reached
    0.948 and 0.921.
    """
    flow = _optical_flow()
    if not labels.any():
        return {}
    window = _window(labels, spacing_mm)
    part = cine[:, window[0], window[1]]
    images = np.clip(part / max(float(np.percentile(part, _BRIGHT)), 1e-6), 0, 1)
    radius = max(3, round(_WINDOW_MM / float(np.mean(spacing_mm))))
    places = np.mgrid[: images.shape[1], : images.shape[2]].astype(np.float32)
    found: dict[int, Plane] = {}
    for target in targets:
        if cancel is not None and cancel.requested:
            break
        places_in_source = places + flow(images[target], images[source], radius=radius)
        found[target] = _warped(labels, window, places_in_source)
        on_done(target)
    return found


def _warped(labels: Plane, window: tuple[slice, slice], places: NDArray[np.float32]) -> Plane:
    """Return the contours where each pixel of the window comes from a place in the source."""
    moved = np.zeros_like(labels)
    for outline in (Outline.EPI, Outline.ENDO, Outline.RV):
        region = region_of(labels, outline)
        if region.any():
            inside = ndimage.map_coordinates(region[window].astype(np.float32), places, order=1) > 0.5
            whole = np.zeros(labels.shape, np.bool_)
            whole[window] = inside
            moved = with_region(moved, outline, whole)
    return moved


def _window(labels: Plane, spacing_mm: Spacing) -> tuple[slice, slice]:
    """Return rows and columns around all contours, with room for their motion."""
    (box,) = ndimage.find_objects((labels > 0).astype(np.int8))
    margins = [round(_MARGIN_MM / mm) for mm in spacing_mm]
    rows, columns = (
        slice(max(0, side.start - margin), min(size, side.stop + margin))
        for side, margin, size in zip(box, margins, labels.shape, strict=True)
    )
    return rows, columns


def _optical_flow() -> Callable[..., NDArray[np.float32]]:
    try:
        from skimage.registration import optical_flow_ilk
    except ImportError:
        what = "scikit-image is not installed"
        remedy = "Install it: pip install 'cmr-ssp[registration]'."
        raise OutputError.of("propagation", what, remedy) from None
    return optical_flow_ilk
