"""Export one NIfTI volume per frame, and the label descriptions for ITK-SNAP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import TITLES, Structure, rgb
from cmr_ssp.atomic import write_text
from cmr_ssp.exports.moments import Moment, check_targets, planned
from cmr_ssp.files import write_segmentation
from cmr_ssp.subjects import CineStack

LABELS_NAME = "labels.txt"
_OPACITY = 0.45
_HEAD = (
    "################################################\n"
    "# ITK-SnAP Label Description File\n"
    "# File format: \n"
    "# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL\n"
    "# Fields: \n"
    "#    IDX:   Zero-based index \n"
    "#    -R-:   Red color component (0..255)\n"
    "#    -G-:   Green color component (0..255)\n"
    "#    -B-:   Blue color component (0..255)\n"
    "#    -A-:   Label transparency (0.00 .. 1.00)\n"
    "#    VIS:   Label visibility (0 or 1)\n"
    "#    MSH:   Label mesh visibility (0 or 1)\n"
    "#  LABEL:   Label description \n"
    "################################################\n"
)


def write_frames(
    folder: Path,
    name: str,
    labels: NDArray[np.uint8],
    stack: CineStack,
    moments: Sequence[Moment],
    *,
    images: bool = False,
    replace: bool = False,
) -> list[Path]:
    """Write one 3D label file per frame with the geometry of the source.

    Parameters
    ----------
    folder, name : Path, str
        Files are named ``<name>_<frame07_ES>_seg.nii.gz``.
    labels : ndarray of uint8, shape (frame, slice, row, column)
        0 or a `Structure` number, in the slice order of `stack`.
    stack : CineStack
        Cine of the labels.
    moments : sequence of Moment
        Frames to write.
    images : bool
        Also write the image of each frame, as ``<name>_<frame07_ES>.nii.gz``.
    replace : bool
        Overwrite existing files.

    Returns
    -------
    list of Path
        Written label files.

    Raises
    ------
    OutputError
        If a frame is missing or a file is in the way; nothing is written then.
    """
    from cmr_ssp.files.labels.writing import write_image

    endings = ["_seg.nii.gz", ".nii.gz"] if images else ["_seg.nii.gz"]
    written, *pictures = planned(folder, name, moments, stack, endings, replace=replace)
    for moment, path in zip(moments, written, strict=True):
        write_segmentation(path, labels[moment.frame], stack, replace=replace)
    if pictures:
        pixels = stack.load()
        for moment, path in zip(moments, pictures[0], strict=True):
            write_image(path, pixels[moment.frame], stack)
    return written


def write_itksnap_labels(path: Path, *, replace: bool = False) -> None:
    """Write the names and colours of the structures as label description file of ITK-SNAP.

    Raises
    ------
    OutputError
        If the file exists or cannot be written.
    """
    check_targets([path], replace=replace)
    rows = [_row(0, (0, 0, 0), 0.0, "Clear Label")]
    rows += [_row(structure, rgb(structure), _OPACITY, TITLES[structure]) for structure in Structure]
    write_text(path, _HEAD + "".join(rows))


def _row(number: int, colour: tuple[int, int, int], opacity: float, title: str) -> str:
    red, green, blue = colour
    shown = int(number > 0)
    return f'{number:5d} {red:5d} {green:4d} {blue:4d} {opacity:9.2g} {shown:2d} {shown:2d}    "{title}"\n'
