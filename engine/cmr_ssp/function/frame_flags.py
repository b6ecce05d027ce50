"""Flags of the slices of one frame taken together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import TITLES, Structure
from cmr_ssp.function import limits
from cmr_ssp.function.flags import Flag, FlagCode, Gravity, Judged

LV, MYO, RV = Structure


def frame_flags(judged: Judged) -> Iterator[Flag]:
    """Yield the flags of all frames."""
    for frame in range(judged.facts.n_frames):
        drawn = [structure for structure in Structure if judged.drawn[frame, structure - 1]]
        yield from _stacks(judged, frame, drawn)
        if LV in drawn:
            yield from _few_slices(judged, frame)
        if LV in drawn and RV in drawn:
            yield from _right_ventricle(judged, frame)
        if LV in drawn and MYO in drawn:
            yield from _steadiness(judged, frame)
            if judged.base_first:
                yield from _taper(judged, frame)


def _stacks(judged: Judged, frame: int, drawn: list[Structure]) -> Iterator[Flag]:
    """Yield structures that are missing altogether, or in a slice between others."""
    for structure in drawn:
        title, present = TITLES[structure], np.flatnonzero(judged.facts.count(structure)[frame])
        if not len(present):
            sentence = f"The {title} is missing in all slices."
            yield Flag(FlagCode.MISSING, Gravity.WRONG, sentence, 0, "slices", frame, None, structure)
            continue
        for slice_index in sorted(set(range(present[0], present[-1])) - set(present.tolist())):
            sentence = f"The {title} is missing here, but not in slices on both sides."
            yield Flag(
                FlagCode.STACK_GAP, Gravity.WRONG, sentence, 0, "pixels", frame, slice_index, structure
            )


def _few_slices(judged: Judged, frame: int) -> Iterator[Flag]:
    """Yield a cavity that is too short; a stack with few slices cannot be judged."""
    n = int((judged.facts.count(LV)[frame] > 0).sum())
    if 0 < n < limits.LEAST_LV_SLICES <= judged.facts.n_slices:
        sentence = f"The LV cavity is labelled in {n} slices only."
        yield Flag(FlagCode.FEW_SLICES, Gravity.CHECK, sentence, n, "slices", frame, None, LV)


def _right_ventricle(judged: Judged, frame: int) -> Iterator[Flag]:
    """Yield slices in the middle third of the LV without an RV, whichever end the base is."""
    left = np.flatnonzero(judged.facts.count(LV)[frame])
    right = judged.facts.count(RV)[frame]
    if not right.any():
        return  # reported as missing
    for slice_index in _middle(left):
        if not right[slice_index]:
            sentence = "The RV cavity is missing at mid level."
            yield Flag(FlagCode.RV_MISSING, Gravity.CHECK, sentence, 0, "pixels", frame, slice_index, RV)


def _middle(slices: NDArray[np.intp]) -> list[int]:
    third = len(slices) // 3
    return slices[third : len(slices) - third].tolist() if third else []


def _steadiness(judged: Judged, frame: int) -> Iterator[Flag]:
    """Yield slices whose LV lies apart from that of a neighbour, or is larger or smaller than both."""
    areas = judged.facts.heart_pixels()[frame].astype(float)
    shifts = np.linalg.norm(np.diff(judged.facts.heart_mm[frame], axis=0), axis=1)
    for slice_index in np.flatnonzero(shifts > limits.FARTHEST_SHIFT_MM).tolist():
        mm = float(shifts[slice_index])
        sentence = f"The LV lies {mm:.0f} mm beside that in the next slice."
        yield Flag(FlagCode.SHIFT, Gravity.CHECK, sentence, mm, "mm", frame, slice_index)
    if len(areas) < 3 or not areas.any():
        return
    middle = np.median([areas[:-2], areas[1:-1], areas[2:]], axis=0)
    steps = np.abs(areas[1:-1] - middle) / areas.max()
    for before in np.flatnonzero((steps > limits.LARGEST_STEP) & (areas[1:-1] > 0)).tolist():
        share = float(steps[before])
        sentence = "The area of the LV with its wall does not fit that of the neighbouring slices."
        yield Flag(FlagCode.AREA_STEP, Gravity.CHECK, sentence, share, "", frame, before + 1)


def _taper(judged: Judged, frame: int) -> Iterator[Flag]:
    """Yield a ventricle that is wider in its apical than in its basal third."""
    areas = judged.facts.heart_pixels()[frame]
    areas = areas[areas > 0]
    third = len(areas) // 3
    if not third:
        return
    ratio = float(np.median(areas[-third:]) / np.median(areas[:third]))
    if ratio > 1:
        sentence = "The LV is wider at the apex than at the base."
        yield Flag(FlagCode.WIDER_APEX, Gravity.CHECK, sentence, ratio, "", frame, None)
