"""Hearts of rings whose wall thickness is known."""

from __future__ import annotations

import numpy as np
from cmr_ssp.anatomy import Structure

SHAPE = (200, 200)


def ring(
    spacing_mm: tuple[float, float],
    inner_mm: float,
    outer_mm: float,
    *,
    centre_mm: tuple[float, float] = (0.0, 0.0),
    offset_mm: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Return the labels of a ring around the middle of the image, with the cavity off its centre."""
    middle = (np.array(SHAPE) - 1) / 2
    rows, columns = (
        (np.arange(n) - half) * mm - centre
        for n, half, mm, centre in zip(SHAPE, middle, spacing_mm, centre_mm, strict=True)
    )
    labels = np.zeros(SHAPE, np.uint8)
    labels[np.hypot(rows[:, None], columns) < outer_mm] = Structure.MYO
    labels[np.hypot(rows[:, None] - offset_mm[0], columns - offset_mm[1]) < inner_mm] = Structure.LV
    return labels


def with_rv(
    labels: np.ndarray, spacing_mm: tuple[float, float], outer_mm: float, start_deg: float, arc_deg: float
) -> np.ndarray:
    """Add an RV that touches a centred ring from one direction over an arc, clockwise on the screen."""
    middle = (np.array(SHAPE) - 1) / 2
    rows, columns = (
        (np.arange(n) - half) * mm for n, half, mm in zip(SHAPE, middle, spacing_mm, strict=True)
    )
    angle = np.rad2deg(np.arctan2(rows[:, None], columns))
    radius = np.hypot(rows[:, None], columns)
    labels = labels.copy()
    labels[(radius >= outer_mm) & (radius < outer_mm + 20) & ((angle - start_deg) % 360 < arc_deg)] = (
        Structure.RV
    )
    return labels


def stack_of_rings(
    n_frames: int = 2, n_slices: int = 9, spacing_mm: tuple[float, float, float] = (8.0, 1.4, 1.4)
) -> np.ndarray:
    """Return labels (frame, slice, row, column): at ED 8 mm thick, at ES 12 mm.

    The RV lies left, its insertions are at 240 (top left) and 120 degrees (bottom left); the last slice has
    wall without cavity, the first one neither.
    """
    labels = np.zeros((n_frames, n_slices, *SHAPE), np.uint8)
    for frame in range(n_frames):
        inner, outer = (26.0, 34.0) if frame == 0 else (20.0, 32.0)
        lv = ring(spacing_mm[1:], inner, outer, centre_mm=(0.3, 0.2))
        plane = with_rv(lv, spacing_mm[1:], outer + 0.4, 120, 120)
        labels[frame, 1:-1] = plane
        labels[frame, -1] = np.where(ring(spacing_mm[1:], 0, 12) > 0, Structure.MYO, 0)
    return labels
