"""Draw the surroundings of the heart: chest wall, lung, spine, aorta and abdominal organs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmr_ssp.phantoms.anatomy import Pose, Signals
from cmr_ssp.phantoms.shapes import Field, coverage, ellipse, gaussian_field, paint, ring, rotate
from cmr_ssp.phantoms.style import ORGAN_WARP_MM

_BODY = (42.0, 45.0, 134.0)
"""Centre of the body relative to the heart, and its radius, in mm."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The static part of all slices.

    Attributes
    ----------
    image : ndarray, shape (slice, row, column)
        Signal without the heart.
    aorta : ndarray, same shape
        Fraction of each pixel in the aorta, where the signal pulsates.
    depth : ndarray, same shape
        Distance from the skin in mm, negative outside the body.
    """

    image: Field
    aorta: Field
    depth: Field


@dataclass(frozen=True, slots=True)
class _Body:
    """Body coordinates: positions in mm relative to the heart; `lower` is 0 at the base and 1 at the apex."""

    x: Field
    y: Field
    lower: Field
    pixel: float
    coarse: Field
    fine: Field


def paint_thorax(
    x: Field, y: Field, lower: Field, pixel: float, pose: Pose, signals: Signals, rng: np.random.Generator
) -> Surroundings:
    """Draw the surroundings of the heart.

    Parameters
    ----------
    x, y : ndarray, shape (slice, row, column)
        Position relative to the heart, in mm along columns and rows.
    lower : ndarray, shape (slice, 1, 1)
        0 at the base of the heart to 1 at the apex.
    pixel : float
        Pixel size in mm.
    pose, signals : Pose, Signals
        Of the subject.
    rng : numpy.random.Generator
        Source of randomness.
    """
    shape = np.broadcast_shapes(x.shape, lower.shape)

    def noise(sigma_mm: float, slices: float = 1.5) -> Field:
        return gaussian_field(rng, shape, (slices, sigma_mm / pixel, sigma_mm / pixel))

    warp = [ORGAN_WARP_MM * noise(28, 2.5) for _ in range(2)]
    u, v = rotate(x, y, pose.body_turn)
    body = _Body(
        (u + warp[0]) / np.float32(pose.build),
        (v + warp[1]) / np.float32(pose.build),
        lower,
        pixel,
        noise(9),
        noise(2.2, 0.8),
    )
    depth = _depth(body, 5 * noise(45, 4))
    image = np.full(shape, 0.01, np.float32)
    if pose.arm:
        _paint_arm(image, body, signals, pose)
    _paint_wall(image, body, depth, pose, signals, noise(16))
    inner = depth - pose.subcutaneous - 15
    inside = coverage(-inner, pixel)
    chest = _lung(body, signals, noise(2.0, 0.6))
    pad = ellipse(body.x + 62, body.y - rng.uniform(5, 40), rng.uniform(8, 30), rng.uniform(15, 40))
    paint(chest, coverage(pad + 5 * body.coarse, 2), signals.fat * (0.85 + 0.12 * body.coarse))
    spine = (rng.uniform(-14, 10), rng.uniform(84, 98))
    _paint_hilum(chest, body, signals, spine, rng)
    _paint_abdomen(chest, body, signals, pose, rng)
    aorta = _paint_spine(chest, body, signals, spine, rng)
    paint(image, inside, chest)
    return Surroundings(image, aorta * inside, depth)


def _depth(body: _Body, uneven: Field) -> Field:
    """Return the distance from the skin; the body narrows towards the apex of the heart."""
    narrow = 1 - 0.1 * body.lower
    return uneven - ellipse(body.x - _BODY[0], body.y - _BODY[1], _BODY[2] * narrow, _BODY[2] * narrow)


def _paint_arm(image: Field, body: _Body, signals: Signals, pose: Pose) -> None:
    """Draw the left arm beside the chest."""
    arm = ellipse(body.x - 128, body.y + 60, 34, 46)
    paint(image, coverage(arm, body.pixel), signals.fat)
    paint(image, coverage(arm + 0.6 * pose.subcutaneous, body.pixel), signals.muscle)
    paint(image, ring(arm, -28, 5, body.pixel), 0.05)


def _paint_wall(image: Field, body: _Body, depth: Field, pose: Pose, signals: Signals, noise: Field) -> None:
    """Draw subcutaneous fat and, below it, muscle with ribs."""
    pixel = body.pixel
    paint(image, coverage(-depth, pixel), signals.fat * (0.9 + 0.07 * body.coarse))
    muscle = depth - pose.subcutaneous * (1 + 0.3 * noise)
    paint(image, coverage(-muscle, pixel), signals.muscle * (1 + 0.12 * body.fine + 0.1 * body.coarse))
    paint(image, 0.7 * ring(muscle, 0, 1.4, pixel), 0.05)
    angle = np.arctan2(body.y - _BODY[1], body.x - _BODY[0]) * 11 + 5 * body.lower
    rib = ring(muscle, 8, 8, 2.5) * coverage(0.1 - np.sin(angle), 0.35)
    paint(image, rib, signals.marrow * (1.2 + 0.15 * body.fine))
    paint(image, ring(muscle, 13.5, 2.5, 2) * (0.5 + 0.4 * np.sin(angle)), signals.fat * 0.7)


def _lung(body: _Body, signals: Signals, fine: Field) -> Field:
    """Return dark lung with bright vessels, denser near the heart."""
    hilum = np.exp(-(body.x**2 + (body.y - 10) ** 2) / (2 * 75.0**2))
    vessels = np.clip(fine + 0.35 * body.coarse - 2.4 + 1.1 * hilum, 0, 0.9)
    lung: Field = signals.lung * (1 + 0.25 * body.coarse + 0.2 * body.fine) + vessels
    return lung


def _paint_hilum(
    chest: Field, body: _Body, signals: Signals, spine: tuple[float, float], rng: np.random.Generator
) -> None:
    """Draw fatty tissue from heart to spine and, near the base, the pulmonary veins."""
    x, y, pixel = body.x, body.y, body.pixel
    along = np.clip(y / np.float32(spine[1]), 0, 1)
    tissue = np.abs(x - spine[0] * along) - (14 + 24 * along**2) + 7 * body.coarse
    fatty = coverage(-body.coarse - 0.6 * body.fine, 0.8)
    soft = signals.muscle + (0.9 * signals.fat - signals.muscle) * fatty
    paint(chest, coverage(tissue, 3) * coverage(-y, 10), soft)
    for _ in range(6):
        vein = ellipse(
            x - rng.uniform(-45, 55), y - rng.uniform(25, 75), rng.uniform(4, 9), rng.uniform(3, 7)
        )
        here = np.clip(rng.uniform(0.1, 0.7) - body.lower, 0, 0.2) * 5
        paint(chest, here * coverage(vein - 1.2, pixel), signals.muscle)
        paint(chest, here * coverage(vein, pixel), 0.95)


def _paint_spine(
    chest: Field, body: _Body, signals: Signals, spine: tuple[float, float], rng: np.random.Generator
) -> Field:
    """Draw the spine, its muscles, the oesophagus and the aorta; return the coverage of the aorta."""
    x, y, pixel = body.x, body.y, body.pixel
    spine_x, spine_y = spine
    back = signals.muscle * (1 + 0.15 * body.fine)
    paint(chest, coverage(ellipse(x - spine_x, y - spine_y - 22, 62, 26) + 3 * body.coarse, 2), back)
    vertebra = ellipse(x - spine_x, y - spine_y, 20, 16)
    paint(chest, coverage(vertebra - 1.5, pixel), 0.08)
    paint(chest, coverage(vertebra, pixel), signals.marrow * (1 + 0.18 * body.fine))
    canal = ellipse(x - spine_x, y - spine_y - 26, 9, 8)
    paint(chest, coverage(canal - 1.5, pixel), 0.1)
    paint(chest, coverage(canal, pixel), 0.95)
    paint(chest, coverage(canal + 4, pixel), signals.muscle * 1.4)
    size = rng.uniform(9, 13)
    vessel = ellipse(x - spine_x - rng.uniform(16, 24), y - spine_y + rng.uniform(20, 28), size, size)
    oesophagus = ellipse(x - spine_x + 2, y - spine_y + 30, 8, 6)
    paint(chest, coverage(oesophagus, pixel), signals.muscle * 1.2)
    paint(chest, coverage(vessel - 1.8, pixel), signals.muscle)
    aorta = coverage(vessel, pixel)
    paint(chest, aorta, 1.05)
    return aorta


def _paint_abdomen(chest: Field, body: _Body, signals: Signals, pose: Pose, rng: np.random.Generator) -> None:
    """Draw the abdomen; the diaphragm rises towards the apex, where the heart rests on it."""
    x, pixel = body.x, body.pixel
    dome = pose.diaphragm - rng.uniform(36, 54) * body.lower + 0.003 * (x - 15) ** 2
    y = body.y - dome
    below = coverage(-y, pixel)
    abdomen = signals.fat * (0.75 + 0.12 * body.coarse + 0.06 * body.fine)
    vessels = np.clip(1.4 * body.fine + 0.5 * body.coarse - 2.2, 0, 0.7)
    bowel = ellipse(x - rng.uniform(40, 70), y - rng.uniform(50, 70), 20, 16)
    paint(abdomen, coverage(bowel + 2 * body.coarse, pixel), signals.muscle)
    paint(abdomen, coverage(bowel + 5 + 2 * body.coarse, pixel), rng.uniform(0.05, 0.9))
    spleen = ellipse(x - rng.uniform(70, 88), y - rng.uniform(24, 40), 26, 36)
    paint(abdomen, coverage(spleen, pixel), signals.spleen * (1 + 0.06 * body.fine))
    kidney = ellipse(x - rng.uniform(48, 64), y - rng.uniform(64, 84), 22, 26)
    paint(abdomen, coverage(kidney, pixel), signals.spleen * 1.15)
    paint(abdomen, coverage(kidney + 13, 5), 0.9)
    stomach = ellipse(
        x - rng.uniform(22, 48), y - rng.uniform(20, 34), rng.uniform(18, 32), rng.uniform(16, 24)
    )
    folds = stomach + 1.2 * body.fine
    paint(abdomen, coverage(stomach - 4.5, pixel), signals.myocardium * 1.1)
    paint(abdomen, coverage(folds, pixel), signals.stomach * (1 + 0.15 * body.coarse))
    reach = rng.uniform(-4, 26)
    liver = ellipse(x - reach + 72, y - 52, 74, 56)
    paint(
        abdomen,
        coverage(liver, pixel),
        signals.liver * (1 + 0.06 * body.coarse + 0.04 * body.fine) + vessels,
    )
    paint(chest, 0.9 * ring(y, -1, 2.5, pixel), signals.muscle)
    paint(chest, below, abdomen)
