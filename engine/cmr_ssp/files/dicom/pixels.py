"""Load the pixels of a frame table, reading and decoding every file once."""

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
"""For each file: slice, frame, plane and weight of each of its contributions."""


@dataclass(frozen=True, slots=True)
class RowLoader:
    """Callable that loads the pixels of a frame table; its repr shows nothing of the files.

    Attributes
    ----------
    rows : tuple of Row
        The frame table.
    where : str
        Name of the exam in errors.
    """

    rows: tuple[Row, ...] = field(repr=False)
    where: str = field(repr=False)

    def __call__(self) -> NDArray[np.float32]:
        """Load all pixels, rescaled, shape (frame, slice, row, column).

        Raises
        ------
        ImageError
            If a file is missing, damaged or changed since it was listed, or a pixel is not finite.
        """
        try:
            return self._read()
        except MemoryError:
            what = "its pixels need more memory than is available"
            raise ImageError.of(self.where, what, "Close other programs, or leave out the exam.") from None

    def _read(self) -> NDArray[np.float32]:
        first = self.rows[0][0][0][0]
        pixels = np.zeros((len(self.rows[0]), len(self.rows), *first.shape), np.float32)
        with reading() as reader:
            for ref, wanted in self._uses().items():
                stored = _decode(reader, ref, self.where)
                for k, t, plane, weight in wanted:
                    with np.errstate(over="ignore", invalid="ignore"):  # not finite: refused below
                        pixels[t, k] += _values(stored, plane, self.where) * np.float32(weight)
        if not np.isfinite(pixels).all():
            what = "some of its pixels are not finite numbers"
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
        what = f"the size of an image of series {plane.series_number} differs from its header"
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
        what = "one of its files changed after it was listed"
        raise ImageError.of(where, what, "Open the exam again when no program writes to it.") from None
    except Exception as error:  # pydicom and its decoders raise many exception types
        what = f"the pixels of one of its images cannot be read ({type(error).__name__})"
        raise ImageError.of(where, what, "Copy or export the exam again.") from error
    return stored


def _complete_encoding(image: FileDataset) -> None:
    """Set a missing transfer syntax, as in very old files without preamble."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if "TransferSyntaxUID" not in image.file_meta:
        implicit, little = image.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def decoder_problems(planes: Sequence[Plane], where: str) -> list[Problem]:
    """Report compressed pixels for which no decoder is installed, before they are loaded."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    problems = []
    for uid in sorted({plane.transfer_syntax for plane in planes} - {""}):
        name = UID(uid).name
        remedy = (
            'Install the decoders with pip install "napari-cmr-ssp[dicom]", or export the exam uncompressed.'
        )
        try:
            if not UID(uid).is_compressed or get_decoder(UID(uid)).is_available:
                continue
        except (ValueError, NotImplementedError):
            remedy = "Export the exam uncompressed."
        problems.append(
            Problem(
                where, f"its pixels are compressed with {name}, for which no decoder is installed", remedy
            )
        )
    return problems
