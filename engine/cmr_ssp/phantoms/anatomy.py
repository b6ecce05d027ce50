"""Random anatomy of a phantom subject: heart, tissue signals and pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmr_ssp.phantoms.shapes import Field
from cmr_ssp.phantoms.style import (
    GROUPS,
    HEART_ROTATION_DEG,
    OFF_CENTRE_MM,
    PhantomStyle,
    draw,
)


@dataclass(frozen=True, slots=True)
class Heart:
    """Shape and motion of one heart, in mm.

    In plane, the LV axis is the origin and the RV lies towards negative x. Along the stack, 0 is the base of
    the LV at end diastole and `length` the tip of its cavity.

    Attributes
    ----------
    cavity, length, wall, septum : float
        Radius and length of the LV cavity, wall thickness, and relative extra thickness of the septum.
    systolic_cavity, systolic_epicardium : float
        Radii at the base at end systole.
    shortening, rv_shortening : float
        Displacement of the ventricular bases towards the apex.
    rv_depth, rv_ejection, rv_base, rv_length, rv_shear, rv_height : float
        Depth of the RV at its base, the fraction of it lost in systole, the positions of base and tip, shear,
        and height relative to the LV diameter.
    oval, tilt, drift : float and pairs of float
        Ovality, shift of the axis from base to apex, and in-plane motion of the LV.
    scar, scar_angle : float
        Fraction of the wall motion lost at the centre of an infarct, and its direction in radians.
    papillary : tuple of (float, float, float)
        Direction in radians, and distance from the axis and radius relative to the cavity, of each papillary
        muscle.
    fat : float
        Typical thickness of the epicardial fat.
    trabeculae : float
        Depth of the RV trabeculae.
    base_slope, rv_slope : pair of float and float
        Slope of the bases: of the LV along x and y, of the RV along y.
    atria : tuple of (float, float, float)
        Displacement and scale of each chamber or vessel above the base.
    """

    cavity: float
    length: float
    wall: float
    septum: float
    systolic_cavity: float
    systolic_epicardium: float
    shortening: float
    rv_shortening: float
    rv_depth: float
    rv_ejection: float
    rv_base: float
    rv_length: float
    rv_shear: float
    rv_height: float
    oval: float
    tilt: tuple[float, float]
    drift: tuple[float, float]
    scar: float
    scar_angle: float
    papillary: tuple[tuple[float, float, float], ...]
    fat: float
    trabeculae: float
    base_slope: tuple[float, float]
    rv_slope: float
    atria: tuple[tuple[float, float, float], ...]


def draw_heart(rng: np.random.Generator, group: str) -> Heart:
    """Draw a random heart; the myocardial volume is constant, so the wall thickens as the cavity empties."""
    traits = GROUPS[group]
    cavity, length, wall = (draw(rng, s) for s in (traits.cavity_mm, traits.length_mm, traits.wall_mm))
    shortening = draw(rng, traits.shortening_mm)
    shorter = length / (length - shortening)
    systolic = cavity * np.sqrt((1 - draw(rng, traits.ejection)) * shorter)
    epicardium = np.sqrt(systolic**2 + ((cavity + wall) ** 2 - cavity**2) * shorter)
    return Heart(
        cavity=cavity,
        length=length,
        wall=wall,
        septum=draw(rng, traits.septum),
        systolic_cavity=float(systolic),
        systolic_epicardium=float(epicardium),
        shortening=shortening,
        rv_shortening=shortening * rng.uniform(1.1, 1.6),
        rv_depth=draw(rng, traits.rv_depth_mm),
        rv_ejection=draw(rng, traits.rv_ejection),
        rv_base=rng.uniform(-8, 2),
        rv_length=length * rng.uniform(0.8, 0.96),
        rv_shear=rng.uniform(-0.15, 0.3),
        rv_height=rng.uniform(0.98, 1.18),
        oval=rng.uniform(-0.06, 0.06),
        tilt=(rng.uniform(-6, 6), rng.uniform(-6, 8)),
        drift=(rng.uniform(-3, 1), rng.uniform(-2, 2)),
        scar=draw(rng, traits.scar),
        scar_angle=rng.uniform(-np.pi, np.pi),
        papillary=_papillary(rng),
        fat=rng.uniform(1.5, 7),
        trabeculae=rng.uniform(2, 4.5),
        base_slope=(rng.uniform(-0.05, 0.03), rng.uniform(-0.04, 0.05)),
        rv_slope=rng.uniform(-0.02, 0.06),
        atria=tuple(
            (rng.uniform(-4, 4), rng.uniform(-4, 4), float(scale)) for scale in rng.uniform(0.85, 1.2, 4)
        ),
    )


def _papillary(rng: np.random.Generator) -> tuple[tuple[float, float, float], ...]:
    """Draw two groups of papillary muscles with one or two heads each."""
    heads = []
    for angle in (-0.9, 1.15):
        angle += rng.uniform(-0.3, 0.3)
        heads.append((angle, rng.uniform(0.55, 0.72), rng.uniform(0.17, 0.27)))
        if rng.uniform() < 0.5:
            heads.append((angle + rng.uniform(0.3, 0.6), rng.uniform(0.6, 0.8), rng.uniform(0.1, 0.16)))
    return tuple(heads)


@dataclass(frozen=True, slots=True)
class Signals:
    """Signal of each tissue of one subject, relative to LV blood before coil sensitivity."""

    rv_blood: float
    myocardium: float
    fat: float
    liver: float
    spleen: float
    muscle: float
    marrow: float
    lung: float
    stomach: float


def draw_signals(rng: np.random.Generator, style: PhantomStyle) -> Signals:
    """Draw random tissue signals; organs near the heart are about as bright as parts of the heart."""
    myocardium, muscle = draw(rng, style.myocardium), draw(rng, style.muscle)
    return Signals(
        rv_blood=rng.uniform(0.8, 1.05),
        myocardium=myocardium,
        fat=draw(rng, style.fat),
        liver=draw(rng, style.liver),
        spleen=myocardium * rng.uniform(0.8, 1.6),
        muscle=muscle,
        marrow=muscle * rng.uniform(1.1, 2),
        lung=draw(rng, style.lung),
        stomach=float(rng.choice([rng.uniform(0.04, 0.15), rng.uniform(0.3, 0.6), rng.uniform(0.7, 1.1)])),
    )


@dataclass(frozen=True, slots=True)
class Pose:
    """Position and build of the subject.

    Attributes
    ----------
    centre : tuple of float
        x and y of the heart relative to the centre of the field of view, in mm.
    body_turn, heart_turn : float
        Rotation of the body in the image and of the heart in the body, in radians.
    build : float
        Body size relative to the average.
    subcutaneous : float
        Thickness of the subcutaneous fat in mm.
    diaphragm : float
        Distance from the centre of the heart down to the diaphragm at the base, in mm.
    arm : bool
        Whether an arm is in the field of view.
    """

    centre: tuple[float, float]
    body_turn: float
    heart_turn: float
    build: float
    subcutaneous: float
    diaphragm: float
    arm: bool


def draw_pose(rng: np.random.Generator, style: PhantomStyle) -> Pose:
    """Draw a random pose with the heart within `OFF_CENTRE_MM` of the centre of the field of view."""
    distance, angle = OFF_CENTRE_MM * np.sqrt(rng.uniform()), rng.uniform(-np.pi, np.pi)
    return Pose(
        centre=(float(distance * np.cos(angle)), float(distance * np.sin(angle))),
        body_turn=np.deg2rad(draw(rng, style.rotation)),
        heart_turn=np.deg2rad(draw(rng, HEART_ROTATION_DEG)),
        build=rng.uniform(0.9, 1.15),
        subcutaneous=rng.uniform(6, 22),
        diaphragm=rng.uniform(48, 70),
        arm=bool(rng.uniform() < 0.35),
    )


def contraction(rng: np.random.Generator, n_frames: int) -> Field:
    """Return the contraction in each frame: 0 at end diastole, 1 at end systole.

    Systole takes about two fifths of the cardiac cycle; early rapid filling, diastasis and atrial contraction
    follow.
    """
    systole, offset = rng.uniform(0.34, 0.42), rng.uniform(-0.4, 0.4)
    time = ((np.arange(n_frames) + offset) / n_frames) % 1.0
    knots = [0, 0.3 * systole, 0.6 * systole, 0.85 * systole, systole, systole + 0.07]
    knots += [systole + 0.17, systole + 0.28, 0.86, 0.94, 1.0]
    values = [0, 0.22, 0.7, 0.95, 1, 0.93, 0.55, 0.25, 0.16, 0.05, 0]
    curve: Field = np.interp(time, knots, values).astype(np.float32)
    return curve
