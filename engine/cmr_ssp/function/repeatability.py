"""How much volumes and EF change if the same cine is segmented again with small changes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.function.choices import FunctionChoices, Scan
from cmr_ssp.function.slices import SliceMeasures
from cmr_ssp.function.summary import cardiac_function

REPEATABILITY_BEGIN = "subject,repetition,edv_ml"
"""First characters of every table of repetitions."""
AIM_PERCENT = 4.2
"""Largest coefficient of variation of EF that we aim at."""
_COLUMNS = (*REPEATABILITY_BEGIN.split(","), "esv_ml", "ef_percent")
_UNKNOWN = "n/a"


@dataclass(frozen=True, slots=True)
class Repetition:
    """LV volumes in ml and EF in % of one version of a cine; None without an LV cavity at two frames."""

    name: str
    edv_ml: float | None
    esv_ml: float | None

    @property
    def ef_percent(self) -> float | None:
        """Ejection fraction in %."""
        if not self.edv_ml or self.esv_ml is None:
            return None
        return 100 * (self.edv_ml - self.esv_ml) / self.edv_ml

    @classmethod
    def of(cls, name: str, labels: NDArray[np.uint8], spacing_mm: tuple[float, float, float]) -> Repetition:
        """Measure labels, shape (frame, slice, row, column), at the ED and ES that are found in them."""
        measures = SliceMeasures.of(labels, spacing_mm)
        lv = cardiac_function(measures, Scan(spacing_mm), FunctionChoices()).lv
        return cls(name, None, None) if lv is None else cls(name, lv.edv_ml, lv.esv_ml)


@dataclass(frozen=True, slots=True)
class Repeatability:
    """All repetitions of one cine, the unchanged one first."""

    subject: str
    repetitions: tuple[Repetition, ...]

    @property
    def cv_percent(self) -> float | None:
        """Coefficient of variation of EF in %; None if a repetition has no EF."""
        return _cv_percent([each.ef_percent for each in self.repetitions])

    @property
    def ef_sd(self) -> float | None:
        """Standard deviation of EF in percentage points; None if a repetition has no EF."""
        cv, known = self.cv_percent, [ef for each in self.repetitions if (ef := each.ef_percent) is not None]
        return None if cv is None else float(np.std(known, ddof=1))

    @property
    def edv_cv_percent(self) -> float | None:
        """Coefficient of variation of EDV in %; None if a repetition has none."""
        return _cv_percent([each.edv_ml for each in self.repetitions])

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        n, cv = len(self.repetitions), self.cv_percent
        if cv is None:
            failed = sum(each.ef_percent is None for each in self.repetitions)
            return f"{self.subject}: {failed} of {n} repetitions gave no EF."
        known = [ef for each in self.repetitions if (ef := each.ef_percent) is not None]
        extent = f"EF {min(known):.1f} to {max(known):.1f} %"
        return f"{self.subject}: {extent} in {n} repetitions, coefficient of variation {cv:.1f} %."


def pooled_cv_percent(found: Sequence[Repeatability]) -> float | None:
    """Return the within-subject coefficient of variation of EF in %: the root mean square over the cines."""
    return _root_mean_square(each.cv_percent for each in found)


def pooled_ef_sd(found: Sequence[Repeatability]) -> float | None:
    """Return the within-subject standard deviation of EF in percentage points: not inflated by a low EF."""
    return _root_mean_square(each.ef_sd for each in found)


def _root_mean_square(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.sqrt(np.mean(np.square(known)))) if known else None


def repeatability_csv(found: Sequence[Repeatability]) -> str:
    """Format all repetitions as CSV; ``n/a`` where there is no value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for cine in found:
        for each in cine.repetitions:
            values = (each.edv_ml, each.esv_ml, each.ef_percent)
            cells = [_UNKNOWN if value is None else f"{value:.2f}" for value in values]
            writer.writerow([cine.subject, each.name, *cells])
    return text.getvalue()


def _cv_percent(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else 0.0
    if len(known) < max(2, len(values)) or mean <= 0:
        return None
    return 100 * float(np.std(known, ddof=1)) / mean
