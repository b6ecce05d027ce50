"""Pixels of a frame table: every file is read and decoded once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError, Problem
from cmr_ssp.files.dicom.planes import Plane
from cmr_ssp.files.dicom.reader import ChangedError, Reader, reading
from cmr_ssp.files.dicom.sources import FileRef
from cmr_ssp.files.dicom.table import Row
from cmr_ssp.files.formats.nifti import MAX_VOXELS

if TYPE_CHECKING:
    from pydicom import FileDataset

Uses = dict[FileRef, list[tuple[int, int, Plane, float]]]
"""By file: slice, frame, plane and weight of everything that it gives."""


@dataclass(frozen=True, slots=True)
class RowLoader:
    """Reads the pixels of a table; nothing of the files shows when it is printed.

    Attributes
    ----------
    rows : tuple of Row
        The table.
    where : str
        What errors call the exam.
    """

    rows: tuple[Row, ...] = field(repr=False)
    where: str = field(repr=False)

    def __call__(self) -> NDArray[np.float32]:
        """Read all pixels, rescaled, shape (frame, slice, row, column).

        Raises
        ------
        ImageError
            If a file is gone, damaged or changed since it was listed, or a pixel is not a number.
        """
        try:
            return self._read()
        except MemoryError:
            what = "reading its pixels needs more memory than there is"
            raise ImageError.of(self.where, what, "Close other programs, or leave the exam out.") from None

    def _read(self) -> NDArray[np.float32]:
        first = self.rows[0][0][0][0]
        pixels = np.zeros((len(self.rows[0]), len(self.rows), *first.shape), np.float32)
        with reading() as reader:
            for ref, wanted in self._uses().items():
                stored = _decode(reader, ref, self.where)
                for k, t, plane, weight in wanted:
                    with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is refused below
                        pixels[t, k] += _values(stored, plane, self.where) * np.float32(weight)
        if not np.isfinite(pixels).all():
            what = "some of its pixels are not a number"
            raise ImageError.of(self.where, what, "Export the exam again.")
        return pixels

    def _uses(self) -> Uses:
        uses: Uses = defaultdict(list)
        for k, row in enumerate(self.rows):
            for t, mix in enumerate(row):
                for plane, weight in mix:
                    uses[plane.ref].append((k, t, plane, weight))
        return uses


def _values(stored: NDArray[Any], plane: Plane, where: str) -> NDArray[np.float32]:
    stored = stored.reshape(-1, *stored.shape[-2:])
    index = plane.index or 0
    if index >= len(stored) or stored[index].shape != plane.shape:
        what = f"an image of series {plane.series_number} has another size than its header said"
        raise ImageError.of(where, what, "Copy the exam again.")
    values: NDArray[np.float32] = stored[index].astype(np.float32)
    if (plane.slope, plane.intercept) != (1.0, 0.0):
        values = values * np.float32(plane.slope) + np.float32(plane.intercept)
    return values


def _decode(reader: Reader, ref: FileRef, where: str) -> NDArray[Any]:
    from pydicom import dcmread

    try:
        with reader.whole(ref) as file:
            image = dcmread(file, force=True)
            n_pixels = int(image.Rows) * int(image.Columns) * int(image.get("NumberOfFrames") or 1)
            if n_pixels > MAX_VOXELS:
                raise ValueError("the header claims more pixels than any cine has")
            _complete_encoding(image)
            stored: NDArray[Any] = image.pixel_array
    except MemoryError:
        raise
    except ChangedError:
        what = "one of its files is not the one that was listed"
        raise ImageError.of(where, what, "Open the exam again, when nothing writes to it.") from None
    except Exception as error:  # pydicom and its decoders raise nearly everything on damaged files
        what = f"the pixels of one of its images cannot be read ({type(error).__name__})"
        raise ImageError.of(where, what, "Copy or export the exam again.") from error
    return stored


def _complete_encoding(image: FileDataset) -> None:
    """Say how the pixels are stored where the file does not, as very old ones without a preamble."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if "TransferSyntaxUID" not in image.file_meta:
        implicit, little = image.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def decoder_problems(planes: Sequence[Plane], where: str) -> list[Problem]:
    """Report compressions that nothing installed can undo, before anybody waits for pixels."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    problems = []
    for uid in sorted({plane.transfer_syntax for plane in planes} - {""}):
        name = UID(uid).name
        remedy = 'Install the decoders with pip install "napari-cmr-ssp[dicom]", or export uncompressed.'
        try:
            if not UID(uid).is_compressed or get_decoder(UID(uid)).is_available:
                continue
        except (ValueError, NotImplementedError):
            remedy = "Export the exam uncompressed."
        problems.append(
            Problem(where, f"its pixels are compressed as {name}, which nothing here reads", remedy)
        )
    return problems
