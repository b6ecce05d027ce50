"""NIfTI headers, checked against the size of their file and turned into the engine's axis order."""

from __future__ import annotations

import math
import os
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from isal import isal_zlib
from isal.igzip_lib import IsalError
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from cmr_ssp.errors import ImageError

SUFFIXES = (".nii", ".nii.gz")
CINE_SIGNATURE = b"cmr-ssp cine"
"""Begins the description of a cine that we wrote; what was computed to make it follows, after semicolons."""
MAX_VOXELS = 2**30
"""More than any cine has (100 frames of 40 slices of 512 x 512); larger claims are refused unread."""

MAX_BYTES = 2**32
"""Of pixels on disk, inflated; such a cine has the most voxels in 32 bits."""

_LONGEST_HEADER = 540
_FIRST_READ = 4096
_MAX_EXPANSION = 1032  # what one byte of a deflate stream can expand to
_MM = {"meter": 1e3, "micron": 1e-3}  # mm where the header says mm or nothing
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
CINE_SPACING_S = (1e-3, 0.5)
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    zlib.error,
    cast(type[Exception], IsalError),  # its stub says that it is an instance
    ImageFileError,
    HeaderDataError,
)


Stamp = tuple[int, int, int]
"""Size, time of change and time of the change of its entry: another file under the name has another one."""


@dataclass(frozen=True, slots=True, eq=False)
class NiftiHeader:
    """What a NIfTI file says about its pixels, checked against the size of the file.

    Attributes
    ----------
    path : Path
        The file.
    shape : tuple of int
        Number of frames, slices, rows and columns; a 3D volume has one frame.
    dtype : numpy.dtype
        Of the pixels on disk, byte order included.
    offset : int
        Bytes before the first pixel.
    slope, intercept : float
        Linear scaling of the stored numbers; 1 and 0 where the file has none.
    affine : ndarray, shape (4, 4)
        Voxel-to-world matrix of (i, j, k); RAS+ in mm, whatever unit the file is in.
    pixdim_mm : tuple of float
        The header's own voxel size along i, j and k, which may contradict the affine.
    frame_spacing_s : float or None
        Time between frames, None where the header gives none that a cine can have.
    alterations : tuple of str
        What was computed to make the file, where we wrote it from DICOM.
    stamp : Stamp
        Of the file when its header was read.
    """

    path: Path
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    affine: NDArray[np.float64]
    pixdim_mm: tuple[float, float, float]
    frame_spacing_s: float | None
    alterations: tuple[str, ...] = ()
    stamp: Stamp = (0, 0, 0)

    @property
    def n_bytes(self) -> int:
        """Length of the uncompressed file up to the end of its pixels."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_gzip(self) -> bool:
        """Whether the file is compressed."""
        return self.path.name.lower().endswith(".gz")

    @property
    def is_scaled(self) -> bool:
        """Whether the stored numbers are not the values themselves."""
        return (self.slope, self.intercept) != (1.0, 0.0)


def is_nifti(path: Path) -> bool:
    """Tell by its name whether a file is a NIfTI image."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def stem_of(path: Path) -> str:
    """Return the name of a NIfTI file without its one or two suffixes."""
    name = path.name.removesuffix(path.suffix)
    return name.removesuffix(".nii") if path.suffix.lower() == ".gz" else name


def stamp(path: Path) -> Stamp:
    """Return what tells whether that which was read of a file is still true."""
    try:
        return stamp_of(path.stat())
    except OSError:
        return (0, 0, 0)  # whoever reads the file says so


def stamp_of(found: os.stat_result) -> Stamp:
    """Return the stamp of a file, open or not, by its status."""
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_header(path: Path) -> NiftiHeader:
    """Read a header, without pixels.

    Raises
    ------
    ImageError
        If the file is missing or no NIfTI file, or claims a size that it cannot have.
    """
    if not path.is_file():
        raise ImageError.of(path, "the file does not exist", "Check the path.")
    return _read_header(path, stamp(path))


@lru_cache(maxsize=8192)
def _read_header(path: Path, seen: Stamp) -> NiftiHeader:
    """Read a header once for as long as its file stays as it is: listing and opening ask several times."""
    try:
        raw = _parse(_first_bytes(path))
        shape = _engine_shape(path, raw.get_data_shape())
        slope, intercept = raw.get_slope_inter()
        to_mm = _MM.get(raw.get_xyzt_units()[0], 1.0)
        affine = np.array(raw.get_best_affine(), dtype=np.float64)
        affine[:3] *= to_mm
        affine.setflags(write=False)  # it is shared by all who ask
        header = NiftiHeader(
            path=path,
            shape=shape,
            dtype=raw.get_data_dtype(),
            offset=int(raw.get_data_offset()),
            slope=1.0 if slope is None else float(slope),
            intercept=0.0 if intercept is None else float(intercept),
            affine=affine,
            pixdim_mm=_pixdim(raw, to_mm),
            frame_spacing_s=_frame_spacing(raw),
            alterations=_alterations(raw),
            stamp=seen,
        )
    except (*UNREADABLE, AttributeError) as error:
        raise unreadable(path, error) from error
    _check_pixel_type(header)
    _check_size(header)
    return header


def _first_bytes(path: Path) -> bytes:
    """Read as much of a file, decompressed, as the longest header needs; `nibabel.load` opens it twice."""
    with path.open("rb") as file:
        content = file.read(_FIRST_READ)
    if path.name.lower().endswith(".gz"):
        return isal_zlib.decompressobj(wbits=31).decompress(content, _LONGEST_HEADER)
    return content[:_LONGEST_HEADER]


def _parse(content: bytes) -> Any:
    """Parse and check a header of either version and byte order."""
    sizes = {int.from_bytes(content[:4], order) for order in ("little", "big")}
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if kind.sizeof_hdr in sizes:
            if len(content) < kind.sizeof_hdr:
                raise EOFError("the file ends within its header")
            return kind(content[: kind.sizeof_hdr])
    raise ImageFileError("it does not begin with a NIfTI header")


def unreadable(path: Path, error: Exception) -> ImageError:
    """Turn what a library raised into a named error."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ImageError.of(
        path, f"it cannot be read as NIfTI ({reason})", "Copy or convert the file again from its source."
    )


def _engine_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Turn NIfTI's (i, j[, k[, t]]) into (frame, slice, row, column)."""
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        what = f"its dimensions are {' x '.join(map(str, shape))}, not those of a volume or a cine"
        raise ImageError.of(path, what, "Give a 3D volume or a 4D cine with time as the last axis.")
    columns, rows, slices, frames = (*(int(n) for n in shape), 1, 1)[:4]
    return frames, slices, rows, columns


def _pixdim(raw: Any, to_mm: float) -> tuple[float, float, float]:
    i, j, k = (abs(float(size)) * to_mm for size in raw["pixdim"][1:4])
    return i, j, k


def _frame_spacing(raw: Any) -> float | None:
    unit = _SECONDS.get(raw.get_xyzt_units()[1])
    seconds = float(raw["pixdim"][4]) * unit if unit else math.nan
    return seconds if CINE_SPACING_S[0] <= seconds <= CINE_SPACING_S[1] else None


def _alterations(raw: Any) -> tuple[str, ...]:
    signature, *alterations = bytes(raw["descrip"].item()).split(b"; ")
    return (
        tuple(text.decode("ascii", "replace") for text in alterations) if signature == CINE_SIGNATURE else ()
    )


def _check_pixel_type(header: NiftiHeader) -> None:
    if header.dtype.kind not in "iuf":
        what = f"its pixels are of type {header.dtype}"
        raise ImageError.of(header.path, what, "Give one real number a pixel (magnitude images).")


def _check_size(header: NiftiHeader) -> None:
    """Refuse, before anything is allocated, sizes that the file cannot hold."""
    voxels = math.prod(header.shape)
    too_many = voxels > MAX_VOXELS or header.n_bytes > MAX_BYTES
    on_disk = header.path.stat().st_size
    possible = on_disk * _MAX_EXPANSION if header.is_gzip else on_disk
    if too_many or header.n_bytes > possible:
        claim = " x ".join(str(n) for n in reversed(header.shape))
        what = f"the header claims {claim} pixels, which a file of {on_disk} bytes cannot hold"
        if header.n_bytes <= possible:
            size = f"{header.n_bytes / 2**30:.1f} GiB"
            what = f"the header claims {claim} pixels ({size}), more than any cine has"
        raise ImageError.of(header.path, what, "The file is damaged or truncated: copy it again.")
