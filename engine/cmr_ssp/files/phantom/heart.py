"""The beating heart, painted slice by slice into all frames at once, and its labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cmr_ssp.anatomy import Structure
from cmr_ssp.files.phantom.anatomy import Heart, Signals
from cmr_ssp.files.phantom.shapes import Field, coverage, ellipse, gaussian_field, paint, ring

_RV_WALL_MM = 3.0
_BASE_MM = 4.0
"""Movement of the base over which a slice turns from atrium to ventricle: sharper than the slice is thick,
so that the picture, not a coin, decides whether a basal slice is labelled."""
_MIN_AREA_MM2 = 40.0
"""Smaller specks of a cavity are nothing that an observer would draw."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice's view of the heart.

    Attributes
    ----------
    x, y : ndarray, shape (row, column)
        In-plane position in the heart's own frame, in mm.
    level, thickness, pixel : float
        Position along the stack, slice thickness and pixel size, in mm.
    contraction : ndarray, shape (frame, 1, 1)
        0 at end diastole to 1 at end systole.
    """

    x: Field
    y: Field
    level: float
    thickness: float
    pixel: float
    contraction: Field

    def noise(self, rng: np.random.Generator, sigma_mm: float) -> Field:
        """Draw smooth noise over the slice, shape (row, column)."""
        sigma = sigma_mm / self.pixel
        return gaussian_field(rng, self.x.shape, (sigma, sigma))

    def flow(self, rng: np.random.Generator, sigma_mm: float) -> Field:
        """Draw smooth noise over the slice that changes from frame to frame."""
        sigma = sigma_mm / self.pixel
        return gaussian_field(rng, (self.contraction.size, *self.x.shape), (1.5, sigma, sigma))


@dataclass(frozen=True, slots=True)
class Section:
    """A tapering chamber cut by a slice of finite thickness; other arrays of shape (frame, 1, 1).

    Attributes
    ----------
    share : ndarray, shape (frame, row, column)
        Part of the slice's thickness that lies below the chamber's oblique base, 0 to 1.
    radius : ndarray
        That of a disc with the chamber's mean area within the slice, in mm.
    blur : ndarray
        Width of the edge that the taper causes, in mm.
    """

    share: Field
    radius: Field
    blur: Field


def cut(plane: Plane, base: Field, slope: Field, tip: float, radius: Field) -> Section:
    """Cut a chamber that reaches from `base` (plus `slope` in the plane) to `tip`, in mm along the stack."""
    depth = plane.level + plane.thickness * np.linspace(-0.5, 0.5, 9, dtype=np.float32)
    u = (depth - base) / (tip - base)  # (frame, 1, depth)
    radii = radius * np.sqrt(np.clip(1 - np.clip(u, 0, 1) ** 2.4, 0, 1))
    mean = np.sqrt((radii**2).mean(-1, keepdims=True))
    share = np.clip((np.float32(plane.level) - base - slope) / np.float32(_BASE_MM) + 0.5, 0, 1)
    blur = radii.max(-1, keepdims=True) - radii.min(-1, keepdims=True)
    return Section(share.astype(np.float32), mean.astype(np.float32), blur.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Outline:
    """Where the chambers lie in a slice: signed distances in mm, shape (frame, row, column).

    Attributes
    ----------
    endocardium, epicardium, rv : ndarray
        Distances from the LV's two outlines and from the RV's cavity.
    lv, rv_cut : Section
        The cuts behind them.
    x, y : ndarray
        In-plane position relative to the moving LV axis.
    """

    endocardium: Field
    epicardium: Field
    rv: Field
    lv: Section
    rv_cut: Section
    x: Field
    y: Field


def outline(heart: Heart, plane: Plane) -> Outline:
    """Place both ventricles' outlines in a slice, for every frame."""
    c = plane.contraction
    lower = plane.level / heart.length
    x = plane.x - np.float32(heart.tilt[0] * lower) - np.float32(heart.drift[0]) * c
    y = plane.y - np.float32(heart.tilt[1] * lower) - np.float32(heart.drift[1]) * c
    u, v = x / np.float32(1 + heart.oval), y / np.float32(1 - heart.oval)
    rho = np.sqrt(u * u + v * v) + np.float32(1e-3)
    cavity = heart.cavity + (heart.systolic_cavity - heart.cavity) * c
    epicardium = heart.cavity + heart.wall + (heart.systolic_epicardium - heart.cavity - heart.wall) * c
    base = np.float32(heart.shortening) * c
    slope = np.float32(heart.base_slope[0]) * plane.x + np.float32(heart.base_slope[1]) * plane.y
    inner = cut(plane, base, slope, heart.length, cavity)
    outer = cut(plane, base, slope, heart.length + 0.7 * heart.wall, epicardium)
    cos, sin = u / rho, v / rho
    toward = cos * np.float32(np.cos(heart.scar_angle)) + sin * np.float32(np.sin(heart.scar_angle))
    scar = np.float32(heart.scar) * np.exp(3 * (toward - 1))
    wall = (outer.radius - inner.radius) * (1 + np.float32(heart.septum) * ((1 - cos) / 2) ** 2)
    thickening = np.float32(heart.wall) / (epicardium - cavity)
    wall *= 1 - scar * (1 - np.float32(0.75) * thickening)
    endocardium = rho - inner.radius * (1 + scar * (np.float32(heart.cavity) / cavity - 1))
    rv, rv_cut = _rv(heart, plane, x, y, outer.radius)
    return Outline(endocardium, endocardium - wall, rv, outer, rv_cut, x, y)


def _rv(heart: Heart, plane: Plane, x: Field, y: Field, epicardium: Field) -> tuple[Field, Section]:
    """Place the RV: an ellipse that starts inside the LV, which is painted over it."""
    c = plane.contraction
    depth = np.float32(heart.rv_depth) * (1 - np.float32(heart.rv_ejection) * c)
    base = np.float32(heart.rv_base) + np.float32(heart.rv_shortening) * c
    slope = np.float32(heart.rv_slope) * plane.y
    section = cut(plane, base, slope, heart.rv_length, depth)
    far = epicardium + section.radius
    half, centre = (far - 0.1 * epicardium) / 2 + 0.5, -(far + 0.1 * epicardium) / 2
    fullness = section.radius / depth
    height = epicardium * np.float32(heart.rv_height) * (0.5 + 0.5 * fullness) + 1
    v = y + np.float32(heart.rv_shear) * (x - centre) + np.float32(0.1) * epicardium * fullness
    return ellipse(x - centre, v, half, height), section


def heart_labels(outlines: Outline, plane: Plane) -> NDArray[np.uint8]:
    """Label the pixels that lie mostly in one structure, as an observer would draw it.

    Papillary muscles and trabeculae belong to the cavities.
    """
    lv = _mostly(outlines.lv.share, outlines.epicardium, plane.pixel)
    cavity = lv & (outlines.endocardium < 0)
    rv = _mostly(outlines.rv_cut.share, outlines.rv, plane.pixel) & (outlines.rv_cut.radius > _RV_WALL_MM)
    labels = np.zeros(lv.shape, np.uint8)
    least = _MIN_AREA_MM2 / plane.pixel**2
    for frame in range(len(labels)):
        labels[frame][_largest(lv[frame], least)] = Structure.MYO
        labels[frame][_largest(cavity[frame], least)] = Structure.LV
        labels[frame][_largest(rv[frame] & ~lv[frame], least)] = Structure.RV
    return labels


def _mostly(share: Field, distance: Field, pixel: float) -> NDArray[np.bool_]:
    """Return the inside of an outline in those frames where the base has passed most of it."""
    inside = coverage(distance, pixel)
    area = inside.sum((1, 2), keepdims=True) + 1e-6
    passed = (share * inside).sum((1, 2), keepdims=True) / area > 0.5
    mostly: NDArray[np.bool_] = (inside > 0.5) & passed
    return mostly


def _largest(region: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """Keep the largest connected part, or nothing where it has fewer than `least` pixels."""
    if np.count_nonzero(region) < least:
        return np.zeros_like(region)
    parts, n = ndimage.label(region)
    if n == 1:
        return region
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    largest: NDArray[np.bool_] = parts == sizes.argmax()
    return largest


def paint_heart(
    canvas: Field, heart: Heart, signals: Signals, plane: Plane, rng: np.random.Generator
) -> Outline:
    """Paint the heart of one slice over `canvas` (frame, row, column) and return its outlines."""
    shape = outline(heart, plane)
    fine, grain = plane.noise(rng, 2.5), plane.noise(rng, 5.0)
    blood = 1 + 0.07 * plane.flow(rng, 9) + 0.05 * plane.flow(rng, 3.5)
    _paint_fat(canvas, heart, signals, plane, shape, rng)
    _paint_atria(canvas, heart, signals, plane, shape, blood)
    muscle = signals.myocardium * (1 + 0.08 * grain + 0.05 * fine)
    edge = np.sqrt(plane.pixel**2 + shape.rv_cut.blur**2 * 0.25)
    paint(canvas, shape.rv_cut.share * coverage(shape.rv - _RV_WALL_MM, edge), muscle)
    rough = heart.trabeculae * np.clip(fine, 0, None)
    cavity = coverage(shape.rv + rough, edge)
    streaks = 0.45 * np.clip(plane.noise(rng, 1.8) - 0.8, 0, 1) * coverage(-8 - shape.rv, 8)
    paint(canvas, shape.rv_cut.share * cavity * (1 - streaks), signals.rv_blood * blood)
    _paint_lv(canvas, heart, plane, shape, muscle, blood, fine)
    return shape


def _paint_fat(
    canvas: Field, heart: Heart, signals: Signals, plane: Plane, shape: Outline, rng: np.random.Generator
) -> None:
    """Wrap the ventricles in fat of uneven thickness, which fills the grooves, and in the pericardium."""
    groove = np.float32(9)
    rv = shape.rv - _RV_WALL_MM + (1 - shape.rv_cut.share) * 6
    both = -groove * np.log(np.exp(-shape.epicardium / groove) + np.exp(-rv / groove))
    near = 1 - 0.5 * np.clip(shape.x / np.float32(heart.cavity), -1, 1)
    margin = np.clip(heart.fat * near * (0.7 + 0.6 * plane.noise(rng, 14)), 0.3, None)
    beyond = np.clip(np.maximum(shape.lv.share, shape.rv_cut.share), 0, 1)
    fat = signals.fat * (0.85 + 0.1 * plane.noise(rng, 4))
    paint(canvas, beyond * ring(both - margin, 1.2, 1.8, plane.pixel), signals.muscle * 0.6)
    paint(canvas, beyond * coverage(both - margin, plane.pixel), fat)
    paint(canvas, beyond * 0.5 * ring(both, 0.4, 1.2, plane.pixel), signals.muscle * 0.4)


def _paint_atria(
    canvas: Field, heart: Heart, signals: Signals, plane: Plane, shape: Outline, blood: Field
) -> None:
    """Paint what lies above the ventricles: both atria, the aortic root and the outflow of the RV.

    They press against each other, so each pixel belongs to the nearest and thin walls part them.
    """
    above, above_rv = 1 - shape.lv.share, 1 - shape.rv_cut.share
    fill = 1 + 0.12 * plane.contraction
    size = heart.cavity + heart.wall
    side = -(size + 0.4 * heart.rv_depth)
    narrow = 1 - 0.4 * np.clip(-plane.level / 60, 0, 1)
    chambers = (
        (above, (0.25 * size, 0.3 * size), (0.9 * size * fill * narrow, 0.66 * size * fill * narrow), 1.0),
        (above_rv, (side, 0.3 * size), (0.64 * heart.rv_depth * fill, 0.75 * size * fill), signals.rv_blood),
        (above_rv, (-0.7 * size, -0.75 * size), (18, 14), signals.rv_blood),
        (above, (-0.35 * size, -0.25 * size), (15, 14), 1.02),
    )
    nearest, second = np.full_like(canvas, 1e3), np.full_like(canvas, 1e3)
    share, signal = np.zeros_like(canvas), np.ones_like(canvas)
    for (part, centre, axes, value), (u, v, scale) in zip(chambers, heart.atria, strict=True):
        x, y = shape.x - np.float32(centre[0] + u), shape.y - np.float32(centre[1] + v)
        distance = ellipse(x, y, np.float32(scale) * axes[0], np.float32(scale) * axes[1])
        closer = distance < nearest
        second = np.where(closer, nearest, np.minimum(second, distance))
        nearest = np.minimum(nearest, distance)
        share, signal = np.where(closer, part, share), np.where(closer, np.float32(value), signal)
    paint(canvas, share * coverage(nearest - 7, 5), signals.fat * 0.75)
    paint(canvas, 0.8 * share * coverage(nearest - 4.2, plane.pixel), signals.myocardium)
    partition = ring((second - nearest) / 2, 0, 1.3, plane.pixel)
    paint(canvas, share * coverage(nearest - 3, plane.pixel) * (1 - 0.6 * partition), signal * blood)


def _paint_lv(
    canvas: Field, heart: Heart, plane: Plane, shape: Outline, muscle: Field, blood: Field, fine: Field
) -> None:
    """Paint wall, blood, papillary muscles and the jet of systole."""
    share, c = shape.lv.share, plane.contraction
    edge = np.sqrt(plane.pixel**2 + 0.25 * shape.lv.blur**2)
    paint(canvas, share * coverage(shape.epicardium, edge), muscle)
    lower = float(np.clip(plane.level / heart.length, 0, 1))
    jet = np.float32(0.14) * c * (1 - lower)
    inside = share * coverage(shape.endocardium + (1.2 + lower) * np.clip(fine, 0, None), edge)
    paint(canvas, inside, blood * (1 - jet))
    present = np.clip(min((lower - 0.15) / 0.1, (0.85 - lower) / 0.1), 0, 1)
    cavity = heart.cavity + (heart.systolic_cavity - heart.cavity) * c
    for angle, away, scale in heart.papillary:
        distance = cavity * np.float32(away + 0.12 * lower)
        u = shape.x - distance * np.float32(np.cos(angle))
        v = shape.y - distance * np.float32(np.sin(angle))
        size = np.float32(scale) * (0.6 * np.float32(heart.cavity) + 0.4 * cavity)
        blob = coverage(ellipse(u, v, size, 0.8 * size) + 0.8 * fine, plane.pixel * 1.3)
        paint(canvas, share * present * np.float32(0.9) * blob * coverage(shape.endocardium, edge), muscle)
