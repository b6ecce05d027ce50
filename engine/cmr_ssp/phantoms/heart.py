"""Draw the beating heart, one slice with all its frames at a time."""

from __future__ import annotations

import numpy as np

from cmr_ssp.phantoms.anatomy import Heart, Signals
from cmr_ssp.phantoms.shapes import Field, coverage, ellipse, paint, ring
from cmr_ssp.phantoms.ventricles import RV_WALL_MM, Outline, Plane, outline


def paint_heart(
    canvas: Field, heart: Heart, signals: Signals, plane: Plane, rng: np.random.Generator
) -> Outline:
    """Draw the heart of one slice over `canvas` (frame, row, column) and return its outlines."""
    shape = outline(heart, plane)
    fine, grain = plane.noise(rng, 2.5), plane.noise(rng, 5.0)
    blood = 1 + 0.07 * plane.flow(rng, 9) + 0.05 * plane.flow(rng, 3.5)
    _paint_fat(canvas, heart, signals, plane, shape, rng)
    _paint_atria(canvas, heart, signals, plane, shape, blood)
    muscle = signals.myocardium * (1 + 0.08 * grain + 0.05 * fine)
    edge = np.sqrt(plane.pixel**2 + shape.rv_cut.blur**2 * 0.25)
    paint(canvas, shape.rv_cut.share * coverage(shape.rv - RV_WALL_MM, edge), muscle)
    rough = heart.trabeculae * np.clip(fine, 0, None)
    cavity = coverage(shape.rv + rough, edge)
    streaks = 0.45 * np.clip(plane.noise(rng, 1.8) - 0.8, 0, 1) * coverage(-8 - shape.rv, 8)
    paint(canvas, shape.rv_cut.share * cavity * (1 - streaks), signals.rv_blood * blood)
    _paint_lv(canvas, heart, plane, shape, muscle, blood, fine)
    return shape


def _paint_fat(
    canvas: Field, heart: Heart, signals: Signals, plane: Plane, shape: Outline, rng: np.random.Generator
) -> None:
    """Draw fat of uneven thickness around the ventricles and in the grooves, and the pericardium."""
    groove = np.float32(9)
    rv = shape.rv - RV_WALL_MM + (1 - shape.rv_cut.share) * 6
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
    """Draw the structures above the ventricles: both atria, the aortic root and the RV outflow tract.

    They touch each other: each pixel belongs to the nearest one, and thin walls separate them.
    """
    above, above_rv = 1 - shape.lv.share, 1 - shape.rv_cut.share
    fill = 1 + 0.12 * plane.contraction
    size = heart.cavity + heart.wall
    side = -(size + 0.4 * heart.rv_depth)
    narrow = 1 - 0.4 * np.clip(-plane.position / 60, 0, 1)
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
    """Draw wall, blood, papillary muscles and the systolic jet."""
    share, c = shape.lv.share, plane.contraction
    edge = np.sqrt(plane.pixel**2 + 0.25 * shape.lv.blur**2)
    paint(canvas, share * coverage(shape.epicardium, edge), muscle)
    lower = float(np.clip(plane.position / heart.length, 0, 1))
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
