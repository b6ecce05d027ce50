"""DICOM segmentations of several frames of a cine, a file each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import OutputError
from cmr_ssp.exports.dicom_seg import MadeBy, write_dicom_seg
from cmr_ssp.exports.instances import frame_instances
from cmr_ssp.exports.moments import Moment, check_targets
from cmr_ssp.subjects import CineStack


@dataclass(frozen=True, slots=True)
class SourceImages:
    """What a DICOM segmentation refers to, and what it says of its making.

    Attributes
    ----------
    folder : Path or None
        Of the DICOM images of the cine.
    with_identity : bool
        Has to be True: patient's name, id, birth date and study are copied from the images.
    made_by : MadeBy
        Who drew.
    """

    folder: Path | None
    with_identity: bool = False
    made_by: MadeBy = MadeBy.AUTOMATIC


def write_dicom_seg_cine(
    folder: Path,
    name: str,
    labels: NDArray[np.uint8],
    stack: CineStack,
    moments: Sequence[Moment],
    images: SourceImages,
    *,
    replace: bool = False,
) -> list[Path]:
    """Write one DICOM SEG object for each moment, ``NAME_frame07_ES_seg.dcm``.

    Parameters
    ----------
    folder, name : Path, str
        Where to, and what the files' names begin with.
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    stack : CineStack
        The cine that the labels lie on.
    moments : sequence of Moment
        Which frames.
    images : SourceImages
        The DICOM images that the objects refer to.
    replace : bool
        Write over the files of an earlier export.

    Raises
    ------
    OutputError
        If there are no such images, identity is not agreed to, or a file is in the way.
    """
    source = images.folder
    if source is None or not source.is_dir():
        what = "DICOM segmentations refer to the DICOM images of the cine"
        raise OutputError.of(source or "--dicom", what, "Name their folder with --dicom.")
    written = [folder / f"{name}_{moment.name}_seg.dcm" for moment in moments]
    check_targets(written, source.rglob("*"), replace=replace)
    for moment, path in zip(moments, written, strict=True):
        write_dicom_seg(
            path,
            labels[moment.frame],
            stack.grid,
            frame_instances(source, stack.grid, moment.frame) if images.with_identity else [],
            with_identity=images.with_identity,
            made_by=images.made_by,
            replace=replace,
        )
    return written
