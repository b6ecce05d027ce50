"""Pictures of segmentations over their images, as PNG or as anonymous DICOM secondary captures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cmr_ssp.anatomy import Structure, rgb
from cmr_ssp.atomic import replacing, write_bytes
from cmr_ssp.exports.dicom_parts import MANUFACTURER, MODEL, load_highdicom, software_version
from cmr_ssp.exports.moments import Moment, planned
from cmr_ssp.files.formats.geometry import placed_affine
from cmr_ssp.files.formats.nrrd import RAS_TO_LPS
from cmr_ssp.subjects import CineStack, Grid

OPACITY = 0.4
_PERCENTILES = (1, 99.5)


def overlay(
    image: NDArray[np.float32], labels: NDArray[np.uint8] | None, limits: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Blend the colours of structures over a grey image; return RGB, shape (..., row, column, 3).

    Parameters
    ----------
    image : ndarray of float32, shape (..., row, column)
        Pixels.
    labels : ndarray of uint8, same shape, or None
        0 or a `Structure` number.
    limits : tuple of float, optional
        Values shown as black and white; by default percentiles of the image.
    """
    low, high = limits or np.percentile(image, _PERCENTILES)
    grey = np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255
    colour = np.repeat(grey[..., None], 3, axis=-1)
    for structure in Structure if labels is not None else ():
        here = labels == structure
        colour[here] = (1 - OPACITY) * colour[here] + OPACITY * np.array(rgb(structure))
    return colour.astype(np.uint8)


def write_captures(
    folder: Path,
    name: str,
    labels: NDArray[np.uint8],
    stack: CineStack,
    moments: Sequence[Moment],
    *,
    dicom: bool = False,
    replace: bool = False,
) -> list[Path]:
    """Write one picture per slice and frame, optionally also as a DICOM secondary capture.

    The DICOM files name no patient and belong to a new study, without any link to the source.

    Parameters
    ----------
    folder, name : Path, str
        Files are named ``<name>_<frame07_ES>_slice03``; slices are counted from 0, base first if known.
    labels, stack, moments, replace
        As for `cmr_ssp.exports.write_frames`.
    dicom : bool
        Also write DICOM files; needs highdicom.

    Returns
    -------
    list of Path
        Written files.

    Raises
    ------
    OutputError
        If a frame is missing, a file is in the way, or highdicom is not installed; nothing is written then.
    """
    highdicom = load_highdicom(name) if dicom else None
    kinds = (".png", ".dcm") if dicom else (".png",)
    slices = range(stack.grid.shape[0])
    endings = [f"_slice{k:02d}{kind}" for k in slices for kind in kinds]
    by_ending = planned(folder, name, moments, stack, endings, replace=replace)
    pixels = stack.load()
    series = _Series(highdicom, stack.grid) if highdicom else None
    written: list[Path] = []
    for moment, files in zip(moments, zip(*by_ending, strict=True), strict=True):
        volume = pixels[moment.frame]
        low, high = (float(value) for value in np.percentile(volume, _PERCENTILES))
        for k in slices:
            mine = files[k * len(kinds) : (k + 1) * len(kinds)]
            picture = overlay(volume[k], labels[moment.frame, k], (low, high))
            _write_picture(mine[0], picture)
            if series:
                with replacing(mine[1]) as temporary:
                    series.capture(picture, mine[1].stem.removeprefix(f"{name}_")).save_as(temporary)
        written += files
    return written


def _write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    write_bytes(path, content.getvalue())


class _Series:
    """Secondary captures of one series in a new, anonymous study."""

    def __init__(self, highdicom: Any, grid: Grid) -> None:
        self._highdicom = highdicom
        self._study, self._series = highdicom.UID(), highdicom.UID()
        self._spacing = tuple(float(f"{size:.6g}") for size in grid.spacing_mm[1:])  # a DS has 16 characters
        affine = RAS_TO_LPS @ placed_affine(grid)
        self._orientation = (_towards(affine[:3, 0]), _towards(affine[:3, 1]))
        self._number = 0

    def capture(self, picture: NDArray[np.uint8], comment: str) -> Any:
        """Create the next secondary capture as a pydicom dataset."""
        self._number += 1
        image = self._highdicom.sc.SCImage(
            pixel_array=picture,
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            study_instance_uid=self._study,
            series_instance_uid=self._series,
            series_number=1,
            sop_instance_uid=self._highdicom.UID(),
            instance_number=self._number,
            manufacturer=MANUFACTURER,
            patient_orientation=self._orientation,
            pixel_spacing=self._spacing,
        )
        image.ManufacturerModelName = MODEL
        image.SoftwareVersions = software_version()
        image.BodyPartExamined = "HEART"  # otherwise the laterality would be required
        image.BurnedInAnnotation = "NO"
        image.PatientIdentityRemoved = "YES"
        image.DeidentificationMethod = "created from pixels and labels only"
        image.ImageComments = f"{comment}; research use only"
        return image


def _towards(direction: NDArray[np.float64]) -> str:
    """Return the DICOM letter of the side of the patient that a direction (LPS) points to."""
    axis = int(np.abs(direction).argmax())
    return ("RL", "AP", "FH")[axis][int(direction[axis] > 0)]
