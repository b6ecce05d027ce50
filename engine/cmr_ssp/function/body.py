"""What volumes are related to: the size of the body and the rate of the heart."""

from __future__ import annotations

import math
from dataclasses import dataclass

_CM_KG = 3600.0
"""Of Mosteller's formula."""

HEIGHT_CM, WEIGHT_KG, RATE_BPM = (30.0, 250.0), (1.0, 350.0), (25.0, 230.0)
"""What is taken for a height, a weight and a heart rate; other figures are mistakes or other units."""

FRAME_MS = (5.0, 150.0)
"""Plausible time between frames: data sets also store 0, or 1 s for *unknown*."""


@dataclass(frozen=True, slots=True)
class HeartRate:
    """Beats per minute, and where they come from."""

    bpm: float
    origin: str


def body_surface_area_m2(height_cm: float | None, weight_kg: float | None) -> float | None:
    """Return the body surface area (Mosteller, 1987, doi 10.1056/NEJM198710223171717).

    Parameters
    ----------
    height_cm, weight_kg : float or None
        Of the person; None if unknown, and so is the area.
    """
    if height_cm is None or weight_kg is None:
        return None
    return math.sqrt(height_cm * weight_kg / _CM_KG)


def plausible_frame_s(frame_spacing_s: float | None) -> float | None:
    """Return the time between frames in seconds, None if it is unknown or implausible."""
    low, high = FRAME_MS
    is_plausible = frame_spacing_s is not None and low <= 1000 * frame_spacing_s <= high
    return frame_spacing_s if is_plausible else None


def heart_rate(
    asked_bpm: float | None, header_bpm: float | None, frame_spacing_s: float | None, n_frames: int
) -> HeartRate | None:
    """Return the heart rate from the best source, None if there is none.

    Parameters
    ----------
    asked_bpm : float or None
        What a person entered.
    header_bpm : float or None
        From the DICOM header.
    frame_spacing_s : float or None
        Time between frames. A cine covers one beat if it was gated retrospectively; prospective gating leaves
        out its end, so that a rate from frames is an upper bound.
    n_frames : int
        Number of frames.
    """
    if asked_bpm is not None:
        return HeartRate(asked_bpm, "entered")
    low, high = RATE_BPM
    if header_bpm is not None and low <= header_bpm <= high:
        return HeartRate(header_bpm, "from the DICOM header")
    spacing_s = plausible_frame_s(frame_spacing_s)
    if spacing_s is None or n_frames < 2 or not low <= 60 / (n_frames * spacing_s) <= high:
        return None
    return HeartRate(60 / (n_frames * spacing_s), "from the duration of the frames")
