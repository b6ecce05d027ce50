"""Parameters of the phantom: image appearance by vendor, and heart shape and motion by diagnostic group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

Range = tuple[float, float]
"""Lower and upper bound of a uniform distribution."""


def draw(rng: np.random.Generator, span: Range) -> float:
    """Draw one number uniformly from `span`."""
    return float(rng.uniform(*span))


@dataclass(frozen=True, slots=True)
class PhantomStyle:
    """Image appearance of one vendor; signals are relative to blood before coil sensitivity.

    Attributes
    ----------
    name : str
        Name of the vendor.
    shape : tuple of int
        Rows and columns.
    pixel_mm, slice_mm, thickness_mm : float
        Pixel size, distance between slice centres and thickness of a slice.
    myocardium, fat, liver, muscle, lung : Range
        Signal of each tissue.
    noise : Range
        Standard deviation of the noise in each of the two channels.
    resolution : tuple of float
        Acquired fraction of k-space along rows and columns; the rest is zero-filled.
    shading : Range
        Logarithmic decrease of the coil sensitivity over 100 mm of depth.
    banding : float
        Probability of banding artefacts.
    gain : Range
        Stored value of a signal of 1.
    rotation : Range
        Rotation of the body in the image, in degrees.
    """

    name: str
    shape: tuple[int, int]
    pixel_mm: float
    slice_mm: float
    thickness_mm: float
    myocardium: Range
    fat: Range
    liver: Range
    muscle: Range
    lung: Range
    noise: Range
    resolution: tuple[float, float]
    shading: Range
    banding: float
    gain: Range
    rotation: Range


STYLES: Mapping[str, PhantomStyle] = MappingProxyType(
    {
        "A": PhantomStyle(
            name="Siemens",
            shape=(144, 160),
            pixel_mm=1.5,
            slice_mm=10.0,
            thickness_mm=8.0,
            myocardium=(0.26, 0.36),
            fat=(0.9, 1.2),
            liver=(0.28, 0.42),
            muscle=(0.2, 0.3),
            lung=(0.04, 0.08),
            noise=(0.02, 0.035),
            resolution=(0.85, 1.0),
            shading=(0.5, 0.9),
            banding=0.15,
            gain=(250, 400),
            rotation=(-25, 15),
        ),
        "B": PhantomStyle(
            name="Philips",
            shape=(160, 160),
            pixel_mm=1.35,
            slice_mm=10.0,
            thickness_mm=8.0,
            myocardium=(0.38, 0.52),
            fat=(0.95, 1.25),
            liver=(0.4, 0.6),
            muscle=(0.3, 0.42),
            lung=(0.08, 0.14),
            noise=(0.03, 0.05),
            resolution=(0.9, 0.8),
            shading=(0.1, 0.4),
            banding=0.1,
            gain=(500, 900),
            rotation=(0, 50),
        ),
        "C": PhantomStyle(
            name="GE",
            shape=(160, 144),
            pixel_mm=1.6,
            slice_mm=10.0,
            thickness_mm=8.0,
            myocardium=(0.3, 0.42),
            fat=(1.05, 1.35),
            liver=(0.3, 0.5),
            muscle=(0.22, 0.34),
            lung=(0.05, 0.1),
            noise=(0.03, 0.05),
            resolution=(0.75, 0.85),
            shading=(0.5, 0.9),
            banding=0.35,
            gain=(900, 1600),
            rotation=(-15, 35),
        ),
        "D": PhantomStyle(
            name="Canon",
            shape=(128, 128),
            pixel_mm=1.85,
            slice_mm=10.0,
            thickness_mm=9.0,
            myocardium=(0.42, 0.54),
            fat=(0.6, 0.9),
            liver=(0.5, 0.7),
            muscle=(0.34, 0.48),
            lung=(0.06, 0.14),
            noise=(0.035, 0.055),
            resolution=(0.9, 0.95),
            shading=(0.3, 0.7),
            banding=0.25,
            gain=(4000, 7000),
            rotation=(-40, 5),
        ),
    }
)
"""Styles by vendor letter, as in M&Ms."""


@dataclass(frozen=True, slots=True)
class GroupTraits:
    """Parameters of the hearts of one diagnostic group.

    Attributes
    ----------
    cavity_mm, length_mm : Range
        Radius at the base and length of the LV cavity at end diastole.
    wall_mm, septum : Range
        Thickness of the LV wall, and relative extra thickness of the septum.
    ejection : Range
        Ejection fraction of an LV without infarct.
    shortening_mm : Range
        Displacement of the LV base towards the apex.
    rv_depth_mm, rv_ejection : Range
        Distance from the septum to the RV free wall at the base, and the fraction of it lost in systole.
    scar : Range
        Fraction of the wall motion lost at the centre of an infarct.
    """

    cavity_mm: Range
    length_mm: Range
    wall_mm: Range
    septum: Range
    ejection: Range
    shortening_mm: Range
    rv_depth_mm: Range
    rv_ejection: Range
    scar: Range = (0.0, 0.0)


GROUPS: Mapping[str, GroupTraits] = MappingProxyType(
    {
        "NOR": GroupTraits(
            cavity_mm=(23, 28),
            length_mm=(70, 86),
            wall_mm=(7.5, 10),
            septum=(0, 0.2),
            ejection=(0.52, 0.66),
            shortening_mm=(10, 15),
            rv_depth_mm=(28, 36),
            rv_ejection=(0.26, 0.4),
        ),
        "DCM": GroupTraits(
            cavity_mm=(28, 34),
            length_mm=(76, 88),
            wall_mm=(7, 9),
            septum=(-0.1, 0.1),
            ejection=(0.24, 0.4),
            shortening_mm=(3, 8),
            rv_depth_mm=(26, 38),
            rv_ejection=(0.12, 0.3),
        ),
        "HCM": GroupTraits(
            cavity_mm=(20, 25),
            length_mm=(66, 80),
            wall_mm=(11.5, 16),
            septum=(0.1, 0.6),
            ejection=(0.56, 0.68),
            shortening_mm=(7, 12),
            rv_depth_mm=(23, 32),
            rv_ejection=(0.26, 0.4),
        ),
        "MINF": GroupTraits(
            cavity_mm=(25, 31),
            length_mm=(70, 86),
            wall_mm=(7.5, 10),
            septum=(-0.1, 0.2),
            ejection=(0.36, 0.52),
            shortening_mm=(5, 10),
            rv_depth_mm=(26, 36),
            rv_ejection=(0.2, 0.34),
            scar=(0.6, 1.0),
        ),
        "RV": GroupTraits(
            cavity_mm=(22, 27),
            length_mm=(68, 82),
            wall_mm=(7, 9.5),
            septum=(-0.1, 0.1),
            ejection=(0.44, 0.6),
            shortening_mm=(8, 13),
            rv_depth_mm=(38, 50),
            rv_ejection=(0.1, 0.22),
        ),
    }
)
"""Parameters by diagnostic group, named as in ACDC."""

OFF_CENTRE_MM = 32.0
"""Largest distance of the heart from the centre of the field of view."""
HEART_ROTATION_DEG: Range = (5, 50)
"""Direction from the LV to the RV: from straight left in the image (0) towards the chest wall (90)."""
BREATH_HOLD_MM = 1.4
"""Standard deviation of the heart's position between slices, along each in-plane axis."""
THROUGH_PLANE_MM = 0.8
"""The same along the stack."""
WARP_MM = 2.2
"""Standard deviation of the smooth deformation that makes hearts irregular."""
ORGAN_WARP_MM = 6.0
"""The same for the surrounding organs."""
