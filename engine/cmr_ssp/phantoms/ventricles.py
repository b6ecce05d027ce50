"""Outlines and labels of the beating ventricles in each slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Structure
from cmr_ssp.phantoms.anatomy import Heart
from cmr_ssp.phantoms.shapes import Field, coverage, ellipse, gaussian_field
from cmr_ssp.regions import largest_part

RV_WALL_MM = 3.0
"""Thickness of the RV free wall, which is not labelled."""
_BASE_MM = 4.0
"""Displacement of the base over which a slice changes from atrium to ventricle. It is smaller than the slice
thickness, so that the image shows whether a basal slice is labelled."""
_MIN_APEX_MM2 = 150.0
"""Smallest LV cross-section that is labelled; smaller ones at the apex are too blurred to draw."""
_MIN_AREA_MM2 = 40.0
"""Smallest part of a cavity that is labelled; an observer would not draw smaller ones."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Position of one slice relative to the heart.

    Attributes
    ----------
    x, y : ndarray, shape (row, column)
        In-plane position in heart coordinates, in mm.
    position, thickness, pixel : float
        Position along the stack, slice thickness and pixel size, in mm.
    contraction : ndarray, shape (frame, 1, 1)
        0 at end diastole to 1 at end systole.
    """

    x: Field
    y: Field
    position: float
    thickness: float
    pixel: float
    contraction: Field

    def noise(self, rng: np.random.Generator, sigma_mm: float) -> Field:
        """Draw a smooth random field over the slice, shape (row, column)."""
        sigma = sigma_mm / self.pixel
        return gaussian_field(rng, self.x.shape, (sigma, sigma))

    def flow(self, rng: np.random.Generator, sigma_mm: float) -> Field:
        """Draw a smooth random field that varies over frames, shape (frame, row, column)."""
        sigma = sigma_mm / self.pixel
        return gaussian_field(rng, (self.contraction.size, *self.x.shape), (1.5, sigma, sigma))


@dataclass(frozen=True, slots=True)
class Section:
    """Cross-section of a tapering chamber with a slice of finite thickness; arrays have shape (frame, 1, 1).

    Attributes
    ----------
    share : ndarray, shape (frame, row, column)
        Fraction of the slice thickness below the oblique base of the chamber, 0 to 1.
    radius : ndarray
        Radius of a disc with the mean area of the chamber within the slice, in mm.
    blur : ndarray
        Edge width caused by the taper, in mm.
    """

    share: Field
    radius: Field
    blur: Field


def cut(plane: Plane, base: Field, slope: Field, tip: float, radius: Field) -> Section:
    """Section a chamber that extends from `base` (plus in-plane `slope`) to `tip`, in mm along the stack."""
    depth = plane.position + plane.thickness * np.linspace(-0.5, 0.5, 9, dtype=np.float32)
    u = (depth - base) / (tip - base)  # (frame, 1, depth)
    radii = radius * np.sqrt(np.clip(1 - np.clip(u, 0, 1) ** 2.4, 0, 1))
    mean = np.sqrt((radii**2).mean(-1, keepdims=True))
    share = np.clip((np.float32(plane.position) - base - slope) / np.float32(_BASE_MM) + 0.5, 0, 1)
    blur = radii.max(-1, keepdims=True) - radii.min(-1, keepdims=True)
    return Section(share.astype(np.float32), mean.astype(np.float32), blur.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Outline:
    """Outlines of the chambers in a slice: signed distances in mm, shape (frame, row, column).

    Attributes
    ----------
    endocardium, epicardium, rv : ndarray
        Distances from the two LV contours and from the RV cavity.
    lv, rv_cut : Section
        The sections of both ventricles.
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
    """Compute the outlines of both ventricles in a slice for every frame."""
    c = plane.contraction
    lower = plane.position / heart.length
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
    """Compute the RV: an ellipse that starts inside the LV, which is drawn over it."""
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
    """Label the pixels that lie mostly in one structure, as an observer would.

    Papillary muscles and trabeculae are part of the cavities.
    """
    lv = _mostly(outlines.lv.share, outlines.epicardium, plane.pixel)
    cavity = lv & (outlines.endocardium < 0)
    rv = _mostly(outlines.rv_cut.share, outlines.rv, plane.pixel) & (outlines.rv_cut.radius > RV_WALL_MM)
    labels = np.zeros(lv.shape, np.uint8)
    least, apex = _MIN_AREA_MM2 / plane.pixel**2, _MIN_APEX_MM2 / plane.pixel**2
    for frame in range(len(labels)):
        ventricle = _largest(lv[frame], apex)
        labels[frame][ventricle] = Structure.MYO
        labels[frame][_largest(cavity[frame] & ventricle, least)] = Structure.LV
        labels[frame][_largest(rv[frame] & ~lv[frame], least)] = Structure.RV
    return labels


def _mostly(share: Field, distance: Field, pixel: float) -> NDArray[np.bool_]:
    """Return the mask inside an outline, in the frames in which most of it is below the base."""
    inside = coverage(distance, pixel)
    area = inside.sum((1, 2), keepdims=True) + 1e-6
    passed = (share * inside).sum((1, 2), keepdims=True) / area > 0.5
    mostly: NDArray[np.bool_] = (inside > 0.5) & passed
    return mostly


def _largest(region: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """Keep the largest connected component, or nothing if the region has fewer than `least` pixels."""
    return largest_part(region) if np.count_nonzero(region) >= least else np.zeros_like(region)
