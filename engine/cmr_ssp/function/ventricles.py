"""Volumes and ejection fraction of the ventricles from the measures of slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.function.choices import FunctionChoices, PapillarySide, Scan
from cmr_ssp.function.slices import LEAST_SURROUNDED, SliceMeasures, SliceRule
from cmr_ssp.function.volumes import find_ed_es, voxel_ml

Curve = tuple[float | None, ...]
"""Volume in ml at each frame, None where the structure is not drawn."""

_COLUMN = {structure: column for column, structure in enumerate(Structure)}


@dataclass(frozen=True, slots=True)
class Ventricle:
    """Volumes of one ventricle; None where the frame is unknown or not drawn.

    Attributes
    ----------
    phases : Mapping of Phase to int
        0-based frames at which it was measured.
    edv_ml, esv_ml : float or None
        End-diastolic and end-systolic volume.
    """

    phases: Mapping[Phase, int]
    edv_ml: float | None
    esv_ml: float | None

    @property
    def sv_ml(self) -> float | None:
        """Stroke volume."""
        if self.edv_ml is None or self.esv_ml is None:
            return None
        return self.edv_ml - self.esv_ml

    @property
    def ef_percent(self) -> float | None:
        """Ejection fraction."""
        return 100 * self.sv_ml / self.edv_ml if self.sv_ml is not None and self.edv_ml else None


@dataclass(frozen=True, slots=True)
class CountedSlice:
    """Whether a drawn slice counts, and what it does to the ejection fraction.

    Attributes
    ----------
    phase, structure, slice : Phase, Structure, int
        Phase, LV or RV, and slice counted from 0.
    ml : float
        Volume of the slice.
    counts : bool
        Whether it is part of the volume.
    reason : str
        Why, in a few words.
    ef_otherwise_percent : float or None
        Ejection fraction if this slice were treated the other way.
    """

    phase: Phase
    structure: Structure
    slice: int
    ml: float
    counts: bool
    reason: str
    ef_otherwise_percent: float | None


class VentricleMeasures:
    """Volumes of all slices in ml, and which of them count.

    Parameters
    ----------
    measures : SliceMeasures
        Of a cine.
    scan : Scan
        Its geometry.
    choices : FunctionChoices
        How to measure.
    """

    def __init__(self, measures: SliceMeasures, scan: Scan, choices: FunctionChoices) -> None:
        self.measures, self.choices = measures, choices
        self._ml = measures.pixels * voxel_ml(scan.spacing_mm)
        self._papillary_ml = np.maximum(measures.papillary, 0) * voxel_ml(scan.spacing_mm)
        self.knows_papillary = bool((measures.papillary >= 0).any())
        self._has_wall = np.asarray(measures.pixels[..., _COLUMN[Structure.MYO]].any(axis=1))
        self._moves_papillary = choices.papillary_side is PapillarySide.WALL and self.knows_papillary
        if self._moves_papillary:
            self._ml[..., _COLUMN[Structure.LV]] -= self._papillary_ml
            self._ml[..., _COLUMN[Structure.MYO]] += self._papillary_ml
        drawn = np.asarray(measures.pixels > 0)
        self._is_drawn = np.asarray(drawn.any(axis=1))
        self._counts = drawn.copy()
        self._counts[..., _COLUMN[Structure.LV]] = measures.counting(choices.rule)
        self.phases = self._phases(Structure.LV, choices.phases)
        self.rv_phases = self._phases(Structure.RV, {}) if self._measures_rv_alone else self.phases
        for (phase, structure, slice_), counts in choices.counted.items():
            frame = self._phases_of(structure).get(phase)
            if frame is not None and slice_ < self._counts.shape[1]:
                self._counts[frame, slice_, _COLUMN[structure]] = counts
        # The wall counts with its cavity; the apical cap has none.
        cavity = drawn[..., _COLUMN[Structure.LV]]
        self._counts[..., _COLUMN[Structure.MYO]] &= ~cavity | self._counts[..., _COLUMN[Structure.LV]]

    @property
    def _measures_rv_alone(self) -> bool:
        return self.choices.rv_has_own_phases or not self.phases

    def curve(self, structure: Structure) -> Curve:
        """Return the volume at each frame.

        Papillary muscles cannot be told from blood in a frame without any wall, so that its LV without them
        is not known: with them, it would be compared with frames that have it without.
        """
        curve = self._drawn_curve(structure)
        if structure is Structure.LV and self._moves_papillary:
            curve = tuple(ml if has else None for ml, has in zip(curve, self._has_wall, strict=True))
        return curve

    def _drawn_curve(self, structure: Structure) -> Curve:
        column = _COLUMN[structure]
        ml = (self._ml[..., column] * self._counts[..., column]).sum(axis=1).tolist()
        return tuple(v if drawn else None for v, drawn in zip(ml, self._is_drawn[:, column], strict=True))

    def ventricle(self, structure: Structure) -> Ventricle | None:
        """Return the volumes of LV or RV, None if it is drawn nowhere."""
        curve, phases = self.curve(structure), self._phases_of(structure)
        if all(ml is None for ml in curve):
            return None
        edv_ml, esv_ml = (curve[phases[p]] if p in phases else None for p in (Phase.ED, Phase.ES))
        return Ventricle(phases, edv_ml, esv_ml)

    def papillary_ml(self) -> float | None:
        """Return the volume of papillary muscles at ED in the slices that count."""
        frame = self.phases.get(Phase.ED)
        if frame is None or not self.knows_papillary:
            return None
        counts = self._counts[frame, :, _COLUMN[Structure.LV]]
        return float(self._papillary_ml[frame][counts].sum())

    def slices(self, structure: Structure) -> tuple[CountedSlice, ...]:
        """Return the drawn slices of LV or RV at ED and ES, and whether they count."""
        if self.ventricle(structure) is None:  # not measured in any frame
            return ()
        drawn = self.measures.pixels[..., _COLUMN[structure]] > 0
        return tuple(
            self._slice(phase, frame, structure, int(slice_))
            for phase, frame in self._phases_of(structure).items()
            for slice_ in np.flatnonzero(drawn[frame])
        )

    def _slice(self, phase: Phase, frame: int, structure: Structure, slice_: int) -> CountedSlice:
        counts = bool(self._counts[frame, slice_, _COLUMN[structure]])
        ml = float(self._ml[frame, slice_, _COLUMN[structure]])
        now = self.ventricle(structure)
        assert now is not None  # as `slices` has made sure
        change = -ml if counts else ml
        edv_ml, esv_ml = now.edv_ml, now.esv_ml
        if phase is Phase.ED and edv_ml is not None:
            edv_ml += change
        if phase is Phase.ES and esv_ml is not None:
            esv_ml += change
        otherwise = replace(now, edv_ml=edv_ml, esv_ml=esv_ml).ef_percent
        reason = self._reason((phase, structure, slice_), frame)
        return CountedSlice(phase, structure, slice_, ml, counts, reason, otherwise)

    def _reason(self, choice: tuple[Phase, Structure, int], frame: int) -> str:
        _, structure, slice_ = choice
        if choice in self.choices.counted:
            return "by hand"
        if structure is Structure.LV and self.choices.rule is SliceRule.HALF_WALL:
            if not self._has_wall[frame]:
                return "no wall is drawn in this frame"
            share = self.measures.surrounded[frame, slice_]
            return f"wall around {share:.0%}, {LEAST_SURROUNDED:.0%} needed"
        return "drawn"

    def _phases_of(self, structure: Structure) -> Mapping[Phase, int]:
        return self.rv_phases if structure is Structure.RV else self.phases

    def _phases(self, structure: Structure, chosen: Mapping[Phase, int]) -> dict[Phase, int]:
        """Return ED and ES by one rule for the whole software, except for those that were chosen."""
        found = find_ed_es(self._drawn_curve(structure)) if len(chosen) < len(Phase) else {}
        return {phase: frame for phase in Phase if (frame := chosen.get(phase, found.get(phase))) is not None}


def peak_rates_ml_s(curve: Sequence[float | None], frame_spacing_s: float) -> tuple[float, float] | None:
    """Return the peak ejection and the peak filling rate, both positive; None without a whole curve.

    Parameters
    ----------
    curve : sequence of float or None
        LV volume in ml at each frame of one beat.
    frame_spacing_s : float
        Time between frames.

    Notes
    -----
    The slope of parabolas through five neighbours (Savitzky and Golay, 1964), as single differences would
    mostly measure the segmentation's noise.
    """
    from scipy.signal import savgol_filter

    if len(curve) < _LEAST_FRAMES or any(ml is None for ml in curve):
        return None
    ml: NDArray[np.float64] = np.array(curve, np.float64)
    slope = savgol_filter(ml, _WINDOW, 2, deriv=1, delta=frame_spacing_s, mode="wrap")
    return float(-slope.min()), float(slope.max())


_LEAST_FRAMES, _WINDOW = 12, 5
