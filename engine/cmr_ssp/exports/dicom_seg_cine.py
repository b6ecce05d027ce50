"""DICOM segmentations of several frames of a cine, one file each."""

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
    """Source images and algorithm type of DICOM segmentations.

    Attributes
    ----------
    folder : Path or None
        Folder of the DICOM images of the cine.
    with_identity : bool
        Must be True to confirm that the patient's name, id, birth date and study are copied.
    made_by : MadeBy
        Type of algorithm.
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
        Output folder, and start of the file names.
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number.
    stack : CineStack
        Cine of the labels.
    moments : sequence of Moment
        Frames to write.
    images : SourceImages
        DICOM images of the cine.
    replace : bool
        Overwrite existing files.

    Raises
    ------
    OutputError
        If there are no such images, identity is not confirmed, or a file is in the way.
    """
    source = images.folder
    if source is None or not source.is_dir():
        what = "DICOM segmentations refer to the DICOM images of the cine"
        raise OutputError.of(source or "--dicom", what, "Give their folder with --dicom.")
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
