"""Read segmentations that 3D Slicer saved as NRRD files."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from cmr_ssp.errors import LabelError
from cmr_ssp.files.formats.nifti import MAX_VOXELS, UNREADABLE

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SUFFIX = ".nrrd"

_MAX_HEADER = 1 << 20
_MAX_FILE = 1 << 30
_REMEDY = "Save the segmentation again from 3D Slicer, as .seg.nrrd."
_TYPES = {
    "unsigned char": "u1",
    "uchar": "u1",
    "uint8": "u1",
    "uint8_t": "u1",
    "signed char": "i1",
    "int8": "i1",
    "short": "i2",
    "signed short": "i2",
    "int16": "i2",
    "unsigned short": "u2",
    "ushort": "u2",
    "uint16": "u2",
    "int": "i4",
    "signed int": "i4",
    "int32": "i4",
    "unsigned int": "u4",
    "uint": "u4",
    "uint32": "u4",
}


@dataclass(frozen=True, slots=True, eq=False)
class SlicerSegmentation:
    """The content of a ``.seg.nrrd`` file.

    Attributes
    ----------
    voxels : ndarray, shape (layer, slice, row, column)
        Label values; overlapping segments are in separate layers.
    affine : ndarray, shape (4, 4)
        Voxel-to-world matrix of (column, row, slice), RAS+ in mm; Slicer may have cropped the volume.
    segments : tuple of tuple
        Id, name, label value and layer of each segment.
    """

    voxels: NDArray[Any]
    affine: NDArray[np.float64]
    segments: tuple[tuple[str, str, int, int], ...]


def read_slicer(path: Path) -> SlicerSegmentation:
    """Read a ``.seg.nrrd`` file.

    Raises
    ------
    LabelError
        If it is missing, damaged, too large, or in an encoding that Slicer does not write.
    """
    try:
        if path.stat().st_size > _MAX_FILE:
            raise LabelError.of(path, "it is larger than any segmentation", _REMEDY)
        content = path.read_bytes()
        head, blank, data = content.partition(b"\n\n")
        if not content.startswith(b"NRRD000") or not blank or len(head) > _MAX_HEADER:
            raise LabelError.of(path, "it is not an NRRD file with attached data", _REMEDY)
        fields = _fields(head.decode("utf-8", errors="replace"))
        return _segmentation(fields, data)
    except LabelError:
        raise
    except (*UNREADABLE, KeyError, TypeError) as error:
        raise LabelError.of(path, f"it cannot be read as a segmentation ({error})", _REMEDY) from None


def _fields(head: str) -> dict[str, str]:
    """Return the fields of the header; those added by Slicer are written with ``:=``."""
    fields: dict[str, str] = {}
    for line in head.splitlines()[1:]:
        match = re.match(r"([^#:][^:]*):[= ]?\s*(.*)", line)
        if match:
            fields[match[1].strip()] = match[2].strip()
    return fields


def _segmentation(fields: dict[str, str], data: bytes) -> SlicerSegmentation:
    sizes = [int(size) for size in fields["sizes"].split()]
    dtype = np.dtype(_TYPES[fields["type"]])
    if fields.get("endian") == "big":
        dtype = dtype.newbyteorder(">")
    if len(sizes) not in (3, 4) or min(sizes) < 1 or math.prod(sizes) > MAX_VOXELS:
        raise ValueError(f"sizes {fields['sizes']}")
    voxels = np.frombuffer(_decoded(fields, data, math.prod(sizes) * dtype.itemsize), dtype)
    # NRRD lists the fastest axis first; layers, if any, are the fastest axis
    volume = voxels.reshape(sizes[::-1])
    layers = np.moveaxis(volume, 3, 0) if volume.ndim == 4 else volume[None]
    return SlicerSegmentation(layers, _affine(fields), _segments(fields))


def _decoded(fields: dict[str, str], data: bytes, n_bytes: int) -> bytes:
    """Decompress exactly `n_bytes`, and nothing after them."""
    encoding = fields.get("encoding", "raw")
    if encoding in ("gzip", "gz"):
        data = isal_zlib.decompressobj(wbits=31).decompress(data, n_bytes)
    elif encoding != "raw":
        raise ValueError(f"encoding {encoding}")
    if len(data) < n_bytes:
        raise ValueError(f"it ends after {len(data)} of {n_bytes} bytes")
    return data[:n_bytes]


def _affine(fields: dict[str, str]) -> NDArray[np.float64]:
    sign = {"left-posterior-superior": RAS_TO_LPS, "LPS": RAS_TO_LPS}.get(fields["space"])
    if sign is None and fields["space"] not in ("right-anterior-superior", "RAS"):
        raise ValueError(f"space {fields['space']}")
    affine = np.eye(4)
    affine[:3, :3] = np.array(_vectors(fields["space directions"])).T
    affine[:3, 3] = _vectors(fields["space origin"])[0]
    return affine if sign is None else sign @ affine


def _vectors(text: str) -> list[list[float]]:
    return [[float(value) for value in found.split(",")] for found in re.findall(r"\(([^()]*)\)", text)]


def _segments(fields: dict[str, str]) -> tuple[tuple[str, str, int, int], ...]:
    places = sorted({int(match[1]) for key in fields if (match := re.match(r"Segment(\d+)_", key))})
    return tuple(
        (
            fields[f"Segment{place}_ID"],
            fields.get(f"Segment{place}_Name", ""),
            int(fields.get(f"Segment{place}_LabelValue", "1")),
            int(fields.get(f"Segment{place}_Layer", "0")),
        )
        for place in places
    )
