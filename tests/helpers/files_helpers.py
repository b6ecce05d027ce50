"""Small synthetic files, in NIfTI's own index order (i, j, k[, t])."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (6, 5, 4)
"""Columns, rows, slices."""

DIAGONAL = np.diag([-1.5, -1.25, 10.0, 1.0])

# Columns of a patient's short axis: slices run from base to apex (left, forwards, down).
OBLIQUE = np.array(
    [
        [-0.9, 0.35, -5.8, 90.0],
        [-0.9, -0.40, 5.4, -40.0],
        [0.05, -1.10, -6.1, 120.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 1000, shape).astype(np.int16)


def save(path: Path, data: np.ndarray, affine: np.ndarray | None = DIAGONAL, **fields: object) -> Path:
    """Write a NIfTI file; `fields` are set in the header as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def edit_header(path: Path, **fields: object) -> Path:
    """Change header fields of a ``.nii.gz`` in place, pixels untouched, whatever that makes of it."""
    content = gzip.decompress(path.read_bytes())
    header = nib.Nifti1Header(content[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(gzip.compress(header.binaryblock + content[348:]))
    return path


def heart(
    columns: int = 12, rows: int = 12, slices: int = 6, radius: float = 4.0, numbering: str = "mnms"
) -> np.ndarray:
    """Return labels of a heart that narrows from slice 0 on: LV inside MYO, RV beside."""
    lv, myo, rv = (1, 2, 3) if numbering == "mnms" else (3, 2, 1)
    i, j = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    labels = np.zeros((columns, rows, slices), np.uint8)
    for k in range(slices):
        r = np.hypot(i - 6, j - 6) * (1 + 0.15 * k)
        labels[..., k][(r < radius + 2) & (i < 4)] = rv
        labels[..., k][r < radius] = myo
        labels[..., k][r < radius - 1.5] = lv
    return labels


def fingerprint(folder: Path) -> dict[str, str]:
    """Hash every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@contextmanager
def unchanged(folder: Path) -> Iterator[Path]:
    """Check at the end that no file of a folder changed."""
    before = fingerprint(folder)
    yield folder
    assert fingerprint(folder) == before, "a source file changed"
