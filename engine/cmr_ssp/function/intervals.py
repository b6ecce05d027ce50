"""Split conformal intervals for measured heart function, from subjects that the run has not seen.

The differences between measurement and reference in scored subjects say how far a new measurement may be off.
If a new cine is like those of these subjects, an interval contains the reference with the stated probability.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from cmr_ssp.errors import Problem, ScoreError
from cmr_ssp.evaluation import SubjectRole
from cmr_ssp.function.comparing import Comparison, Conditions, Quantity
from cmr_ssp.function.summary import CardiacFunction

LEAST_SUBJECTS = 20
UNSEEN = (SubjectRole.TEST, SubjectRole.POOL)
"""Roles of subjects that no part of the training has used."""
_TOLERANCE = 0.02
"""Share by which a spacing or a heart rate may exceed the range of the calibration: rounding in headers."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured value with the range that should contain the reference.

    Attributes
    ----------
    quantity : Quantity
        What was measured; all values are in its unit.
    value, low, high : float
        Measurement, and both ends of the interval.
    level : float
        Intended share of intervals that contain the reference, such as 0.9.
    n : int
        Number of calibration subjects.
    outside : tuple of str
        Why the cine is not like those of the calibration subjects; empty if it is.
    unchecked : tuple of str
        What could not be compared with them, since it is not known.
    """

    quantity: Quantity
    value: float
    low: float
    high: float
    level: float
    n: int
    outside: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def validated(self) -> bool:
        """Whether the level holds for this cine as far as is known."""
        return not self.outside

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        name, unit = self.quantity, self.quantity.unit
        text = f"{name} {self.value:.0f} {unit}, "
        text += f"{self.level:.0%} interval {self.low:.0f} to {self.high:.0f} {unit}"
        if self.outside:
            return f"{text}, not validated here: {', '.join(self.outside)}."
        checked = f" (not compared: {', '.join(self.unchecked)})" if self.unchecked else ""
        return f"{text}, from {self.n} subjects{checked}."


@dataclass(frozen=True, slots=True)
class Calibration:
    """Differences between measurement and reference of unseen subjects, for one quantity.

    Attributes
    ----------
    quantity : Quantity
        What was measured.
    residuals : tuple of float
        Sorted sizes of the differences, in the unit of the quantity; infinite if nothing could be measured.
    conditions : tuple of Conditions
        How the cines of the subjects were acquired.
    """

    quantity: Quantity
    residuals: tuple[float, ...]
    conditions: tuple[Conditions, ...]

    @classmethod
    def of(cls, comparisons: Iterable[Comparison], quantity: Quantity) -> Self:
        """Calibrate with the unseen subjects among `comparisons`.

        Raises
        ------
        ScoreError
            If there are fewer than 20.
        """
        rows = [row for row in comparisons if row.quantity is quantity and row.role in UNSEEN]
        if len(rows) < LEAST_SUBJECTS:
            what = f"{len(rows)} unseen subjects have a reference; an interval needs {LEAST_SUBJECTS}"
            raise ScoreError.of(quantity, what, "Score the run on more labelled subjects.")
        residuals = sorted(_residual(row) for row in rows)
        return cls(quantity, tuple(residuals), tuple(row.conditions for row in rows))

    def width(self, level: float) -> float:
        """Return the residual that a new subject exceeds with a probability of at most 1 - `level`.

        It is the value of rank ceil((n + 1) `level`), which holds for any number of subjects.

        Raises
        ------
        ScoreError
            If so high a level needs more subjects, or an unseen subject of this rank could not be measured.
        """
        rank = math.ceil((len(self.residuals) + 1) * level - 1e-9)
        if not 0 < level < 1 or rank > len(self.residuals) or math.isinf(self.residuals[rank - 1]):
            what = f"{len(self.residuals)} subjects give no interval of {level:.0%}"
            raise ScoreError.of(self.quantity, what, "Choose a lower level, or score more subjects.")
        return self.residuals[rank - 1]

    def interval(self, value: float, conditions: Conditions, level: float = 0.9) -> Interval:
        """Return the interval around a new measurement, within what is possible for its quantity.

        Parameters
        ----------
        value : float
            Measurement by the run of the calibration, in the unit of the quantity.
        conditions : Conditions
            How its cine was acquired.
        level : float
            Share of intervals that should contain the reference.

        Raises
        ------
        ScoreError
            As for `width`.
        """
        half = self.width(level)
        highest = 100.0 if self.quantity.unit == "%" else math.inf
        low, high = (min(max(0.0, end), highest) for end in (value - half, value + half))
        outside, unchecked = self.unlike(conditions)
        return Interval(self.quantity, value, low, high, level, len(self.residuals), outside, unchecked)

    def unlike(self, conditions: Conditions) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return how a cine differs from those of the calibration, and what is unknown."""
        outside, unchecked = [], []
        vendors = {known.vendor for known in self.conditions} - {None}
        if conditions.vendor is None or not vendors:
            unchecked.append("vendor")
        elif conditions.vendor not in vendors:
            outside.append(f"no calibration subject was scanned with {conditions.vendor}")
        each = [_ranged(known) for known in self.conditions]
        for (name, unit), value in _ranged(conditions).items():
            known = [v for one in each if (v := one[name, unit]) is not None]
            if value is None or not known:
                unchecked.append(name)
            elif not min(known) * (1 - _TOLERANCE) <= value <= max(known) * (1 + _TOLERANCE):
                span = f"{min(known):.3g} to {max(known):.3g}"
                outside.append(f"the {name} is {value:.3g} {unit}, the calibration subjects have {span}")
        return tuple(outside), tuple(unchecked)


def calibrate(comparisons: Sequence[Comparison]) -> tuple[dict[Quantity, Calibration], tuple[Problem, ...]]:
    """Calibrate every quantity that enough unseen subjects have; the problems say why others are missing."""
    found: dict[Quantity, Calibration] = {}
    problems: list[Problem] = []
    for quantity in dict.fromkeys(row.quantity for row in comparisons):
        try:
            found[quantity] = Calibration.of(comparisons, quantity)
        except ScoreError as error:
            problems += error.problems
    return found, tuple(problems)


def lv_intervals(
    found: CardiacFunction, calibrations: Mapping[Quantity, Calibration], conditions: Conditions
) -> tuple[str, ...]:
    """Return how sure EDV, ESV and EF of the LV are, a sentence each, as far as there are calibrations."""
    if found.lv is None:
        return ()
    values = {
        Quantity.LV_EDV: found.lv.edv_ml,
        Quantity.LV_ESV: found.lv.esv_ml,
        Quantity.LV_EF: found.lv.ef_percent,
    }
    return tuple(
        calibrations[quantity].interval(value, conditions).sentence
        for quantity, value in values.items()
        if value is not None and quantity in calibrations
    )


def _residual(row: Comparison) -> float:
    if row.predicted is None:
        return math.inf  # a failure counts as the worst error, not as none
    return abs(row.reference - row.predicted)


def _ranged(known: Conditions) -> dict[tuple[str, str], float | None]:
    """Return the conditions that have a range, by name and unit."""
    slices, rows, columns = known.spacing_mm or (None, None, None)
    pixels = max(rows, columns) if rows and columns else None
    rate = known.heart_rate_bpm
    return {
        ("slice spacing", "mm"): slices,
        ("pixel spacing", "mm"): pixels,
        ("heart rate", "per minute"): rate,
    }
