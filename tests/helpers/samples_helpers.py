"""A tiny cohort on disk, and slice batches without any bank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from cmr_ssp.files import open_cohort
from cmr_ssp.samples.resampling import Placement, SliceBatch
from cmr_ssp.subjects import Cohort
from files_helpers import heart, save

BORDER = 2
"""Zero columns and rows around the cine of subject ``cine``."""


def write_cohort(folder: Path) -> Cohort:
    """Write subjects ``cine`` (4 frames, ED 0, ES 2), ``pair`` (ED, ES) and ``unlabelled``, on other grids.

    The pair's RV is drawn by nobody.
    """
    rng = np.random.default_rng(1)
    cine = rng.integers(1, 1000, (12, 14, 3, 4)).astype(np.int16)
    drawing = heart(12, 14, 3)
    for axis in (0, 1):
        cine, drawing = np.moveaxis(cine, axis, 0), np.moveaxis(drawing, axis, 0)
        cine[:BORDER] = cine[-BORDER:] = drawing[:BORDER] = drawing[-BORDER:] = 0
        cine, drawing = np.moveaxis(cine, 0, axis), np.moveaxis(drawing, 0, axis)
    save(folder / "cine.nii.gz", cine, np.diag([1.5, 1.25, 8.0, 1.0]))
    save(folder / "cine_ED_gt.nii.gz", drawing)
    save(folder / "cine_ES_gt.nii.gz", np.where(drawing == 1, 2, drawing).astype(np.uint8))
    for phase in ("ED", "ES"):
        labels = heart(17, 11, 2)
        save(folder / f"pair_{phase}.nii.gz", rng.integers(1, 50, (17, 11, 2)).astype(np.int16))
        save(folder / f"pair_{phase}_gt.nii.gz", np.where(labels == 3, 0, labels).astype(np.uint8))
    save(folder / "unlabelled.nii.gz", rng.integers(1, 9, (9, 20, 2, 2)).astype(np.int16))
    (folder / "subjects.csv").write_text("id,ed_frame,es_frame\ncine,0,2\n")
    return open_cohort(folder)


def batch_of(
    image: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    spacing_mm: tuple[float, float] = (1.0, 1.0),
    centre_px: tuple[float, float] | None = None,
    mean: float = 0.0,
    n: int = 1,
) -> SliceBatch:
    """Return `n` times one slice, shape (row, column), centred on its middle unless told otherwise."""

    def repeated(values: object) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.float32)).expand(n, *np.shape(values)).clone()

    centre = centre_px or tuple((side - 1) / 2 for side in image.shape)
    return SliceBatch(
        repeated(image)[:, None],
        None if labels is None else repeated(labels)[:, None],
        repeated(centre),
        repeated(spacing_mm),
        repeated(mean),
    )


def placed(
    translation_px: tuple[float, float] = (0.0, 0.0),
    degrees: float = 0.0,
    scale: float = 1.0,
    flip: tuple[float, float] = (1.0, 1.0),
) -> Placement:
    """Return the placement of one crop."""
    return Placement(
        torch.tensor([translation_px]),
        torch.deg2rad(torch.tensor([degrees])),
        torch.tensor([scale]),
        torch.tensor([flip]),
    )


def disc(
    shape: tuple[int, int], offset_mm: tuple[float, float], radius_mm: float, spacing_mm: tuple[float, float]
) -> np.ndarray:
    """Return a soft-edged disc whose middle lies `offset_mm` (row, column) from the image's middle."""
    places = [
        (np.arange(n) - (n - 1) / 2) * mm - offset
        for n, mm, offset in zip(shape, spacing_mm, offset_mm, strict=True)
    ]
    distance = np.hypot(places[0][:, None], places[1][None, :])
    return np.clip((radius_mm - distance) / 2 + 0.5, 0, 1).astype(np.float32)


def centroid(image: np.ndarray | torch.Tensor) -> tuple[float, float]:
    """Return the centre of mass (row, column), counted from the image's middle."""
    image = np.asarray(image, dtype=float)
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in image.shape)
    return float((image.sum(1) @ rows) / image.sum()), float((image.sum(0) @ columns) / image.sum())
