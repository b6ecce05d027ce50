"""NIfTI headers, checked against the file size and converted to the engine's axis order."""

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
"""Start of the description in cines written by this package; alterations follow, separated by semicolons."""
MAX_VOXELS = 2**30
"""Number of voxels that no cine exceeds (100 frames of 40 slices of 512 x 512); larger files are refused."""

MAX_BYTES = 2**32
"""Limit of the uncompressed pixels: the most voxels with 32 bits each."""

_LONGEST_HEADER = 540
_FIRST_READ = 4096
_MAX_EXPANSION = 1032  # maximum expansion of one byte of a deflate stream
_MM = {"meter": 1e3, "micron": 1e-3}  # mm if the header says mm or nothing
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
CINE_SPACING_S = (1e-3, 0.5)
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    zlib.error,
    cast(type[Exception], IsalError),  # its type stub requires an instance
    ImageFileError,
    HeaderDataError,
)


Stamp = tuple[int, int, int]
"""Size, modification time and change time, which identify one version of a file."""


@dataclass(frozen=True, slots=True, eq=False)
class NiftiHeader:
    """The content of a NIfTI header, checked against the size of the file.

    Attributes
    ----------
    path : Path
        The file.
    shape : tuple of int
        Number of frames, slices, rows and columns; a 3D volume has one frame.
    dtype : numpy.dtype
        Type of the pixels on disk, including byte order.
    offset : int
        Bytes before the first pixel.
    slope, intercept : float
        Linear scaling of the stored numbers; 1 and 0 if there is none.
    affine : ndarray, shape (4, 4)
        Voxel-to-world matrix of (i, j, k); RAS+ in mm, whatever the unit of the file.
    pixdim_mm : tuple of float
        Voxel size along i, j and k according to pixdim, which may contradict the affine.
    frame_spacing_s : float or None
        Time between frames, None if the header has no plausible value.
    alterations : tuple of str
        What was computed when this package made the file from DICOM.
    stamp : Stamp
        Stamp of the file when its header was read.
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
        """Whether the stored numbers have to be scaled."""
        return (self.slope, self.intercept) != (1.0, 0.0)


def is_nifti(path: Path) -> bool:
    """Return whether a file is a NIfTI image, by its name."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def stem_of(path: Path) -> str:
    """Return the name of a NIfTI file without its suffixes."""
    name = path.name.removesuffix(path.suffix)
    return name.removesuffix(".nii") if path.suffix.lower() == ".gz" else name


def stamp(path: Path) -> Stamp:
    """Return the stamp of a file, which changes with its content."""
    try:
        return stamp_of(path.stat())
    except OSError:
        return (0, 0, 0)  # reading the file will raise the error


def stamp_of(found: os.stat_result) -> Stamp:
    """Return the stamp of a file from its status."""
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_header(path: Path) -> NiftiHeader:
    """Read a header without the pixels.

    Raises
    ------
    ImageError
        If the file is missing or not a NIfTI file, or claims an impossible size.
    """
    if not path.is_file():
        raise ImageError.of(path, "the file does not exist", "Check the path.")
    return _read_header(path, stamp(path))


@lru_cache(maxsize=8192)
def _read_header(path: Path, seen: Stamp) -> NiftiHeader:
    """Read a header, cached while its file is unchanged."""
    try:
        raw = _parse(_first_bytes(path))
        shape = _engine_shape(path, raw.get_data_shape())
        slope, intercept = raw.get_slope_inter()
        to_mm = _MM.get(raw.get_xyzt_units()[0], 1.0)
        affine = np.array(raw.get_best_affine(), dtype=np.float64)
        affine[:3] *= to_mm
        affine.setflags(write=False)  # it is shared by all callers
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
    """Read as many decompressed bytes as the longest header has; `nibabel.load` opens the file twice."""
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
    """Convert an exception of a library to an `ImageError`."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ImageError.of(
        path, f"it cannot be read as NIfTI ({reason})", "Copy or convert the file again from its source."
    )


def _engine_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Convert the shape (i, j[, k[, t]]) of NIfTI to (frame, slice, row, column)."""
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
        raise ImageError.of(header.path, what, "Use magnitude images with one real number per pixel.")


def _check_size(header: NiftiHeader) -> None:
    """Reject impossible sizes before anything is allocated."""
    voxels = math.prod(header.shape)
    too_many = voxels > MAX_VOXELS or header.n_bytes > MAX_BYTES
    on_disk = header.path.stat().st_size
    possible = on_disk * _MAX_EXPANSION if header.is_gzip else on_disk
    if too_many or header.n_bytes > possible:
        claim = " x ".join(str(n) for n in reversed(header.shape))
        what = f"the header claims {claim} pixels, too many for a file of {on_disk} bytes"
        if header.n_bytes <= possible:
            size = f"{header.n_bytes / 2**30:.1f} GiB"
            what = f"the header claims {claim} pixels ({size}), more than any cine has"
        raise ImageError.of(header.path, what, "The file is damaged or truncated: copy it again.")
