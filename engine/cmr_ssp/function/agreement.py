"""Agreement of measured heart function with references over a cohort."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.errors import ScoreError
from cmr_ssp.function.comparing import Comparison, Quantity

Values = Mapping[tuple[str, Quantity], float]
"""Values by subject and quantity, in the unit of the quantity."""
AGREEMENT_BEGIN = "quantity,unit,n,bias"
"""First characters of every table of agreement."""
_COLUMNS = (*AGREEMENT_BEGIN.split(","), "sd", "lower", "upper", "mean_absolute", "r", "icc")
_LIMIT = 1.96
_LEAST = 3
_NOT_GIVEN = {"", "n/a", "not available"}


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Agreement of one quantity with its references.

    Attributes
    ----------
    quantity : Quantity
        What was measured; bias, `sd`, limits and `mean_absolute` are in its unit.
    subjects : tuple of str
        Subjects that have both values.
    found, reference : ndarray of float64, shape (subject,)
        Their values.
    """

    quantity: Quantity
    subjects: tuple[str, ...]
    found: NDArray[np.float64]
    reference: NDArray[np.float64]

    @property
    def n(self) -> int:
        """Number of subjects."""
        return len(self.subjects)

    @property
    def differences(self) -> NDArray[np.float64]:
        """Measured minus reference, shape (subject,)."""
        return self.found - self.reference

    @property
    def bias(self) -> float:
        """Mean difference: above 0, the measurement is larger than the reference."""
        return float(self.differences.mean())

    @property
    def mean_absolute(self) -> float:
        """Mean size of the differences."""
        return float(np.abs(self.differences).mean())

    @property
    def sd(self) -> float | None:
        """Standard deviation of the differences; None for one subject."""
        return float(self.differences.std(ddof=1)) if self.n > 1 else None

    @property
    def limits(self) -> tuple[float, float] | None:
        """Limits of agreement: bias -/+ 1.96 standard deviations."""
        return None if self.sd is None else (self.bias - _LIMIT * self.sd, self.bias + _LIMIT * self.sd)

    @property
    def r(self) -> float | None:
        """Pearson's correlation; None for fewer than three subjects or constant values."""
        if self.n < _LEAST or not (np.ptp(self.found) and np.ptp(self.reference)):
            return None
        return float(np.corrcoef(self.found, self.reference)[0, 1])

    @property
    def icc(self) -> float | None:
        """Intraclass correlation of single measurements, absolute agreement: ICC(A,1)."""
        if self.n < _LEAST:
            return None
        values, n = np.stack([self.found, self.reference], axis=1), self.n
        subjects = 2 * values.mean(axis=1).var(ddof=1)
        methods = n * values.mean(axis=0).var(ddof=1)
        rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
        error = (rest**2).sum() / (n - 1)
        whole = subjects + error + 2 * (methods - error) / n
        return float((subjects - error) / whole) if whole > 0 else None

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        unit, subjects = self.quantity.unit, f"{self.n} subject{'s' if self.n > 1 else ''}"
        text = f"{self.quantity} in {subjects}: bias {self.bias:+.1f} {unit}"
        if self.limits is not None:
            text += f", limits of agreement {self.limits[0]:+.1f} to {self.limits[1]:+.1f} {unit}"
        return f"{text}." if self.r is None else f"{text}, r {self.r:.3f}."


def agreements(found: Values, references: Values) -> list[Agreement]:
    """Compare two sets of values; quantities that no subject has in both are left out."""
    measured = []
    for quantity in Quantity:
        subjects = sorted(s for s, q in found if q is quantity and (s, q) in references)
        if subjects:
            both = (np.array([each[s, quantity] for s in subjects]) for each in (found, references))
            measured.append(Agreement(quantity, tuple(subjects), *both))
    return measured


def values_of(comparisons: Iterable[Comparison]) -> tuple[Values, Values]:
    """Return the measured values and the references of comparisons."""
    rows = list(comparisons)
    found = {(row.subject, row.quantity): row.predicted for row in rows if row.predicted is not None}
    return found, {(row.subject, row.quantity): row.reference for row in rows}


def read_values(path: Path) -> Values:
    """Read values from a table with the columns subject, quantity and value, and perhaps structure and unit.

    A quantity is named ``LV EF``, or ``EF`` beside the structure ``LV``. Other quantities and missing values
    are ignored.

    Raises
    ------
    ScoreError
        If the file is not such a table, gives a value twice or in another unit, or has no such quantity.
    """
    remedy = "Give a table with the columns subject, quantity and value, such as: anna,LV EF,61.5"
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
        values: dict[tuple[str, Quantity], float] = {}
        for row in rows:
            quantity, cell = _quantity(row), row["value"].strip()
            if quantity is None or cell.lower() in _NOT_GIVEN:
                continue
            if (unit := row.get("unit") or quantity.unit) != quantity.unit:
                raise ValueError(f"{quantity} of {row['subject']} is in {unit}, not in {quantity.unit}")
            if (key := (row["subject"], quantity)) in values:
                raise ValueError(f"{quantity} of {row['subject']} is given twice")
            values[key] = float(cell)
        if not values:
            raise ValueError("it has none of " + ", ".join(Quantity))
    except KeyError as error:
        raise ScoreError.of(path, f"has no column {error.args[0]}", remedy) from None
    except (AttributeError, OSError, ValueError, csv.Error) as error:
        raise ScoreError.of(path, f"cannot be read as a table of values ({error})", remedy) from None
    return values


_NAMES = {quantity.upper(): quantity for quantity in Quantity} | {"MYO MASS": Quantity.LV_MASS}


def _quantity(row: Mapping[str, str]) -> Quantity | None:
    name, structure = row["quantity"].strip().upper(), (row.get("structure") or "").strip().upper()
    return _NAMES.get(name) or _NAMES.get(f"{structure} {name}")


def agreement_csv(rows: Sequence[Agreement]) -> str:
    """Format agreements as CSV; cells are empty where too few subjects have the quantity."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        lower, upper = row.limits or (None, None)
        values = (row.bias, row.sd, lower, upper, row.mean_absolute, row.r, row.icc)
        cells = ["" if value is None else f"{value:.3f}" for value in values]
        writer.writerow([row.quantity, row.quantity.unit, row.n, *cells])
    return text.getvalue()
