"""Small pictures of subjects for lists."""

from __future__ import annotations

import logging

import numpy as np
from cmr_ssp.anatomy import Phase
from cmr_ssp.files.stacks import read_middle_slice
from cmr_ssp.subjects import Subject
from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)

PICTURE_PX = 80
"""Height and width of a picture."""

_HEART_MM = 180.0  # contains both ventricles and what helps to recognise the view
_GREYS_PERCENT = (1.0, 99.5)


def picture_of(subject: Subject) -> NDArray[np.uint8]:
    """Read the middle slice of a subject at end diastole, or in frame 0 if that is not known from the lists.

    Returns
    -------
    ndarray of uint8, shape (PICTURE_PX, PICTURE_PX)
        A square around the middle of the image, as stacks are planned around the heart.

    Raises
    ------
    ImageError
        If the images cannot be used.
    """
    from skimage.transform import resize  # not when the window opens

    label = subject.label(Phase.ED)
    frame = label.stated_frame if label is not None else None
    slice_, spacing_mm = read_middle_slice(subject, frame or 0)
    side_mm = min(_HEART_MM, *(n * mm for n, mm in zip(slice_.shape, spacing_mm, strict=True)))
    rows, columns = (_middle(n, side_mm / mm) for n, mm in zip(slice_.shape, spacing_mm, strict=True))
    shape = (PICTURE_PX, PICTURE_PX)
    levels = resize(slice_[rows, columns], shape, anti_aliasing=True)  # type: ignore[no-untyped-call]
    low, high = np.percentile(levels, _GREYS_PERCENT)
    greys = (levels - low) * (255 / max(high - low, 1e-6))
    return np.ascontiguousarray(greys.clip(0, 255).astype(np.uint8))


def picture_or_none(subject: Subject) -> NDArray[np.uint8] | None:
    """Return the picture of a subject as `picture_of` does, None if its images cannot be read."""
    try:
        return picture_of(subject)
    except Exception as error:  # the exam reports it when it is opened
        _LOG.debug("no picture of a subject: %s", type(error).__name__)
        return None


def _middle(n: int, length: float) -> slice:
    """Return the middle pixels of a row or column with `n` of them."""
    used = max(1, min(n, round(length)))
    start = (n - used) // 2
    return slice(start, start + used)
