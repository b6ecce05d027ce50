"""Flags that need several frames: ED and ES, or the whole cardiac cycle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.function import limits
from cmr_ssp.function.flags import Flag, FlagCode, Gravity, Judged

LV, MYO, RV = Structure


def cine_flags(judged: Judged) -> Iterator[Flag]:
    """Yield the flags of the whole cine, and of frames that do not fit their neighbours in time."""
    if len(judged.phases) == len(Phase):
        yield from _ejection(judged)
        yield from _stroke_volumes(judged)
        yield from _mass(judged)
    if judged.facts.n_frames >= limits.LEAST_CYCLE_FRAMES:
        yield from _times(judged)
        if judged.has(LV).all():
            yield from _curve(judged)
        if judged.has(LV, MYO).all():
            yield from _slices_in_time(judged)


def _at_phases(judged: Judged, structure: Structure) -> tuple[float, float] | None:
    """Return the volumes at ED and ES in ml, or None if it is not labelled at both."""
    frames = [judged.phases[phase] for phase in Phase]
    if not judged.has(structure)[frames].all():
        return None
    end_diastole, end_systole = judged.ml(structure)[frames]
    return float(end_diastole), float(end_systole)


def _ejection(judged: Judged) -> Iterator[Flag]:
    ml = _at_phases(judged, LV)
    if ml is None or not ml[0]:
        return
    share = 1 - ml[1] / ml[0]
    if not limits.LEAST_EF <= share <= limits.MOST_EF:
        sentence = f"The ejection fraction of the LV is {share:.0%}."
        yield Flag(FlagCode.EJECTION_FRACTION, Gravity.CHECK, sentence, share, "", structure=LV)


def _stroke_volumes(judged: Judged) -> Iterator[Flag]:
    left, right = _at_phases(judged, LV), _at_phases(judged, RV)
    if left is None or right is None:
        return
    volumes = left[0] - left[1], right[0] - right[1]
    difference = abs(volumes[0] - volumes[1]) / max(*volumes, 1.0)
    if difference > limits.MOST_SV_DIFFERENCE:
        sentence = f"The stroke volumes of LV ({volumes[0]:.0f} ml) and RV ({volumes[1]:.0f} ml) disagree."
        yield Flag(FlagCode.STROKE_VOLUMES, Gravity.CHECK, sentence, difference)


def _mass(judged: Judged) -> Iterator[Flag]:
    ml = _at_phases(judged, MYO)
    if ml is None or not any(ml):
        return
    difference = abs(ml[0] - ml[1]) / (sum(ml) / 2)
    if difference > limits.MOST_MASS_DIFFERENCE:
        sentence = f"The mass of the myocardium differs by {difference:.0%} between ED and ES."
        yield Flag(FlagCode.MASS, Gravity.CHECK, sentence, difference, structure=MYO)


def _times(judged: Judged) -> Iterator[Flag]:
    """Yield an ES that comes too early or late after ED; a cine may begin anywhere in the cycle."""
    if len(judged.phases) < len(Phase):
        return
    n_frames = judged.facts.n_frames
    share = (judged.phases[Phase.ES] - judged.phases[Phase.ED]) % n_frames / n_frames
    if not limits.EARLIEST_ES <= share <= limits.LATEST_ES:
        sentence = f"ES is {share:.0%} of the cardiac cycle after ED."
        yield Flag(FlagCode.ES_TIME, Gravity.CHECK, sentence, share, frame=judged.phases[Phase.ES])


def _curve(judged: Judged) -> Iterator[Flag]:
    jumps = _jumps(judged.ml(LV))
    for frame in np.flatnonzero(jumps > limits.LARGEST_JUMP).tolist():
        sentence = "The volume of the LV does not fit that of the frames before and after."
        yield Flag(FlagCode.VOLUME_JUMP, Gravity.CHECK, sentence, float(jumps[frame]), "", frame, None, LV)


def _slices_in_time(judged: Judged) -> Iterator[Flag]:
    """Yield slices that fit their neighbours in time badly; those at the ends come and go with the beat."""
    areas = judged.facts.heart_pixels().astype(float)
    jumps = _jumps(areas)
    jumps[:, (areas == 0).any(axis=0)] = 0
    for frame, slice_index in np.argwhere(jumps > limits.LARGEST_SLICE_JUMP).tolist():
        share = float(jumps[frame, slice_index])
        sentence = "The area of the LV with its wall does not fit that of the frames before and after."
        yield Flag(FlagCode.SLICE_JUMP, Gravity.CHECK, sentence, share, "", frame, slice_index)


def _jumps(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each frame from the median of it and its neighbours, over the largest."""
    middle = np.median([np.roll(sizes, 1, axis=0), sizes, np.roll(sizes, -1, axis=0)], axis=0)
    return np.asarray(np.abs(sizes - middle) / np.maximum(sizes.max(axis=0), 1e-9))
