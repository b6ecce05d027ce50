"""Write cines as NIfTI files whose header has only geometry, frame spacing and alterations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cmr_ssp.files.formats.nifti import CINE_SIGNATURE
from cmr_ssp.files.labels.writing import check_target, write_grid, write_nifti
from cmr_ssp.subjects import CineStack


def write_cine(path: Path, stack: CineStack) -> None:
    """Write a cine as a 4D NIfTI file: int16 if all pixels are integers, otherwise float32.

    The header's description lists what was interpolated or left out (`CineStack.alterations`); reading the
    file gives warnings about it. The file is written atomically.

    Parameters
    ----------
    path : Path
        Ends in ``.nii`` or ``.nii.gz``.
    stack : CineStack
        Cine to write.

    Raises
    ------
    OutputError
        If the file cannot be written, or exists and was not written by this function.
    ImageError
        If the pixels cannot be read.
    """
    check_target(path, stack.sources, CINE_SIGNATURE, "cine", "converted")
    pixels = _smallest(stack.load())
    if stack.grid.slices_reversed:
        pixels = pixels[:, ::-1]
    header = nib.Nifti1Header()
    header.set_data_dtype(pixels.dtype)
    header.set_data_shape(pixels.shape[::-1])
    write_grid(header, stack)
    header.set_qform(stack.grid.affine, code="scanner", strip_shears=True)
    header["descrip"] = CINE_SIGNATURE + b"".join(b"; " + each.encode() for each in stack.alterations)
    write_nifti(path, header, pixels)


def _smallest(pixels: NDArray[np.float32]) -> NDArray[Any]:
    """Convert integers to int16 if they fit."""
    limits = np.iinfo(np.int16)
    if pixels.min() < limits.min or pixels.max() > limits.max:
        return pixels
    whole = pixels.astype(np.int16)
    return whole if np.array_equal(whole, pixels) else pixels
