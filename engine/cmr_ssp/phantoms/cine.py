"""The labelled cine of one phantom subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import CohortError
from cmr_ssp.phantoms.anatomy import (
    Heart,
    Pose,
    Signals,
    contraction,
    draw_heart,
    draw_pose,
    draw_signals,
)
from cmr_ssp.phantoms.heart import paint_heart
from cmr_ssp.phantoms.scanner import acquire, bands, sensitivity
from cmr_ssp.phantoms.shapes import Field, gaussian_field, rotate
from cmr_ssp.phantoms.style import (
    BREATH_HOLD_MM,
    GROUPS,
    STYLES,
    THROUGH_PLANE_MM,
    WARP_MM,
    PhantomStyle,
)
from cmr_ssp.phantoms.thorax import Surroundings, paint_thorax
from cmr_ssp.phantoms.ventricles import Plane, heart_labels

_WINDOW_MM = 92.0
"""Half the side of the square in which the heart is drawn."""
_SLICES = (8, 12)
"""Minimum and maximum number of slices."""
_TOWARDS_APEX = np.array([-0.6, 0.55, -0.58])
"""Typical direction of the long axis from base to apex, in RAS+ world coordinates."""


@dataclass(frozen=True, slots=True, eq=False)
class PhantomCine:
    """A synthetic short-axis cine, base first, with labels in every frame.

    Attributes
    ----------
    pixels : ndarray of float32, shape (frame, slice, row, column)
        Magnitude image in the vendor's arbitrary units.
    labels : ndarray of uint8, same shape
        0 or a `Structure` number.
    spacing_mm : tuple of float
        Distance between slice centres, rows and columns.
    end_diastole, end_systole : int
        0-based frames with the largest and the smallest LV cavity.
    vendor, group : str
        Keys of `STYLES` and `GROUPS`.
    affine : ndarray, shape (4, 4)
        Voxel (column, row, slice) to RAS+ world, oblique as in patients.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    end_diastole: int
    end_systole: int
    vendor: str
    group: str
    affine: NDArray[np.float64]


def make_phantom(
    seed: int, vendor: str | None = None, n_frames: int = 12, group: str | None = None
) -> PhantomCine:
    """Create one phantom subject; the same arguments give the same subject.

    Parameters
    ----------
    seed : int
        Random seed.
    vendor : str, optional
        One of `STYLES`; random by default.
    n_frames : int
        Number of frames, at least 4.
    group : str, optional
        One of `GROUPS`; random by default.

    Raises
    ------
    CohortError
        For an unknown vendor or group, or too few frames.

    Examples
    --------
    >>> from cmr_ssp.phantoms import make_phantom
    >>> heart = make_phantom(seed=0, n_frames=4)
    >>> heart.pixels.shape == heart.labels.shape
    True
    """
    rng = np.random.default_rng([0xC14E, seed])
    drawn = str(rng.choice(sorted(STYLES))), str(rng.choice(sorted(GROUPS)))
    vendor, group = vendor or drawn[0], group or drawn[1]
    _check(vendor, group, n_frames)
    style = STYLES[vendor]
    heart, signals, pose = draw_heart(rng, group), draw_signals(rng, style), draw_pose(rng, style)
    beat = contraction(rng, n_frames)
    image, labels = _paint(heart, signals, pose, style, beat, rng)
    pixels = acquire(image, rng, style) * np.float32(rng.uniform(*style.gain))
    cavity = np.count_nonzero(labels == Structure.LV, axis=(1, 2, 3))
    spacing = (style.slice_mm, style.pixel_mm, style.pixel_mm)
    return PhantomCine(
        pixels=pixels,
        labels=labels,
        spacing_mm=spacing,
        end_diastole=int(cavity.argmax()),
        end_systole=int(cavity.argmin()),
        vendor=vendor,
        group=group,
        affine=_affine(pose, spacing, labels.shape),
    )


def _check(vendor: str, group: str, n_frames: int) -> None:
    """Check the arguments of `make_phantom`."""
    for value, known, word in ((vendor, STYLES, "vendor"), (group, GROUPS, "group")):
        if value not in known:
            raise CohortError.of("phantom", f"unknown {word} '{value}'", f"Choose one of {', '.join(known)}.")
    if n_frames < 4:
        raise CohortError.of(
            "phantom", f"{n_frames} frames are too few for a cardiac cycle", "Use at least 4."
        )


def _paint(
    heart: Heart,
    signals: Signals,
    pose: Pose,
    style: PhantomStyle,
    beat: Field,
    rng: np.random.Generator,
) -> tuple[Field, NDArray[np.uint8]]:
    """Draw all slices; return the signal, including coil sensitivity, and the labels."""
    pixel, positions = style.pixel_mm, _slice_positions(heart, style, rng)
    x, y = _pixel_positions(pose, style, len(positions), rng)
    lower = np.clip(positions / heart.length, -0.3, 1.3)[:, None, None].astype(np.float32)
    around = paint_thorax(x, y, lower, pixel, pose, signals, rng)
    image = _over_time(around, beat, rng)
    labels = np.zeros(image.shape, np.uint8)
    bend = [WARP_MM * gaussian_field(rng, x.shape, (3, 22 / pixel, 22 / pixel)) for _ in range(2)]
    u, v = rotate(x + bend[0], y + bend[1], pose.body_turn + pose.heart_turn)
    u = u - np.float32(0.45 * heart.rv_depth)  # the pose's centre lies between the ventricles
    for k, position in enumerate(positions):
        rows = np.flatnonzero(np.abs(y[k, :, 0]) < _WINDOW_MM)
        columns = np.flatnonzero(np.abs(x[k, 0]) < _WINDOW_MM)
        window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        plane = Plane(
            u[k][window], v[k][window], float(position), style.thickness_mm, pixel, beat[:, None, None]
        )
        canvas = image[:, k][(slice(None), *window)]
        outlines = paint_heart(canvas, heart, signals, plane, rng)
        labels[:, k][(slice(None), *window)] = heart_labels(outlines, plane)
    image *= sensitivity(rng, style, around.depth, pixel) * bands(rng, style, np.hypot(x, y), pixel)
    return image, labels


def _slice_positions(heart: Heart, style: PhantomStyle, rng: np.random.Generator) -> NDArray[np.float64]:
    """Place the slices from above the base to about the apex, with shifts between breath-holds."""
    first = -style.slice_mm * rng.uniform(0.4, 1.0)
    tip = heart.length + 0.7 * heart.wall
    n = int(np.clip(np.ceil((tip + 1 - first) / style.slice_mm) + 1, *_SLICES))
    positions: NDArray[np.float64] = (
        first + style.slice_mm * np.arange(n) + rng.normal(0, THROUGH_PLANE_MM, n)
    )
    return positions


def _pixel_positions(
    pose: Pose, style: PhantomStyle, n_slices: int, rng: np.random.Generator
) -> tuple[Field, Field]:
    """Return x and y of each pixel relative to the heart, in mm, shape (slice, row, column)."""
    rows, columns = style.shape
    shift = rng.normal(0, BREATH_HOLD_MM, (2, n_slices, 1, 1))
    x = (np.arange(columns) - (columns - 1) / 2) * style.pixel_mm - pose.centre[0] - shift[0]
    y = (np.arange(rows)[:, None] - (rows - 1) / 2) * style.pixel_mm - pose.centre[1] - shift[1]
    x, y = np.broadcast_arrays(x, y)
    return x.astype(np.float32), y.astype(np.float32)


def _over_time(around: Surroundings, beat: Field, rng: np.random.Generator) -> Field:
    """Repeat the surroundings for every frame; the signal of the aorta changes with its flow."""
    flow = -rng.uniform(0.1, 0.35) * beat[:, None, None, None]
    return around.image + around.aorta * flow.astype(np.float32)


def _affine(pose: Pose, spacing: tuple[float, float, float], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the voxel-to-world matrix, rotated with the body and with the heart near the isocentre."""
    axis = _TOWARDS_APEX / np.linalg.norm(_TOWARDS_APEX)
    right = np.cross([0.0, 0.0, 1.0], axis)
    right /= np.linalg.norm(right)
    down = np.cross(right, axis)
    cos, sin = np.cos(pose.body_turn), np.sin(pose.body_turn)
    column, row = cos * right - sin * down, cos * down + sin * right
    affine = np.eye(4)
    affine[:3, :3] = np.stack([column, row, axis], axis=1) * np.array(spacing)[[2, 1, 0]]
    middle = (np.array(shape)[[3, 2, 1]] - 1) / 2
    affine[:3, 3] = -affine[:3, :3] @ middle + np.array([*pose.centre, 0.0])
    return affine
