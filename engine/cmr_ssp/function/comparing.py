"""Volumes and ejection fraction of a segmentation beside those of its reference, and their tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import ScoreError
from cmr_ssp.evaluation import ResultMetadata, SubjectRole
from cmr_ssp.evaluation.scores import NO_METADATA, SPACING_COLUMNS, spacing_cells
from cmr_ssp.function.body import heart_rate
from cmr_ssp.function.choices import FunctionChoices, Scan
from cmr_ssp.function.slices import SliceMeasures
from cmr_ssp.function.summary import MYOCARDIUM_G_ML, cardiac_function
from cmr_ssp.subjects import CineStack, Segmentation

COMPARISONS_BEGIN = "subject,quantity,unit,predicted,reference,role"
"""First characters of every table of comparisons."""
COMPARISON_COLUMNS = (
    *COMPARISONS_BEGIN.split(","),
    "vendor",
    "heart_rate_bpm",
    *SPACING_COLUMNS,
    "cine",
    "run",
    "checkpoint",
)
_UNKNOWN = "n/a"
_LEAST_FRAMES = 10
"""Frames from which on a cine is taken to cover the whole cardiac cycle."""


class Quantity(StrEnum):
    """A measure of a ventricle; LV mass is that of its myocardium at ED."""

    LV_EDV = "LV EDV"
    LV_ESV = "LV ESV"
    LV_SV = "LV SV"
    LV_EF = "LV EF"
    LV_MASS = "LV mass"
    RV_EDV = "RV EDV"
    RV_ESV = "RV ESV"
    RV_SV = "RV SV"
    RV_EF = "RV EF"

    @property
    def unit(self) -> str:
        """Unit of its values: mL, g or %."""
        return {"EF": "%", "mass": "g"}.get(self.split()[1], "mL")


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a cine was acquired, as far as it is known; unknown values are None."""

    vendor: str | None = None
    spacing_mm: tuple[float, float, float] | None = None
    heart_rate_bpm: float | None = None

    @classmethod
    def of(cls, stack: CineStack, vendor: str | None = None) -> Conditions:
        """Take them from a stack; `vendor` is that of the cohort, if it names one.

        Without a heart rate in the file, it follows from the duration of a cine of at least ten frames, which
        is taken to cover one cardiac cycle.
        """
        acquired = stack.acquisition
        header_bpm = acquired.heart_rate_bpm if acquired is not None else None
        n_frames = stack.n_frames if stack.n_frames >= _LEAST_FRAMES else 1
        rate = heart_rate(None, header_bpm, stack.frame_spacing_s, n_frames)
        spacing_mm = ResultMetadata.of(stack.grid.spacing_mm).spacing_mm
        vendor = vendor or (acquired.vendor if acquired is not None else None)
        return cls(vendor, spacing_mm, rate.bpm if rate is not None else None)


NO_CONDITIONS = Conditions()


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity of one subject as a run measured it and as the reference has it.

    `predicted` is None if the segmentation does not allow it, such as an EF without a cavity. `metadata` has
    the identifiers of cine, run and checkpoint, and the spacing.
    """

    subject: str
    quantity: Quantity
    predicted: float | None
    reference: float
    role: SubjectRole
    vendor: str | None = None
    heart_rate_bpm: float | None = None
    metadata: ResultMetadata = NO_METADATA

    @property
    def conditions(self) -> Conditions:
        """How the cine was acquired."""
        return Conditions(self.vendor, self.metadata.spacing_mm, self.heart_rate_bpm)


def quantities(
    labels: Mapping[Phase, Segmentation], spacing_mm: tuple[float, float, float]
) -> dict[Quantity, float]:
    """Measure the quantities that the labelled phases and structures allow.

    Parameters
    ----------
    labels : mapping of Phase to Segmentation
        Labels (slice, row, column) of the phases.
    spacing_mm : tuple of float
        Distance between the centres of slices, rows and columns.

    Returns
    -------
    dict of Quantity to float
        In the unit of the quantity; without those whose phase or structure is not labelled.
    """
    frames = {phase: frame for frame, phase in enumerate(labels)}
    volumes = np.stack([labels[phase].labels for phase in frames]) if frames else None
    ml: dict[tuple[Structure, Phase], float] = {}
    if volumes is not None:
        measures = SliceMeasures.of(volumes, spacing_mm)
        curves = cardiac_function(measures, Scan(spacing_mm), FunctionChoices(phases=frames)).curves
        # What is labelled but has no voxel is empty; what is not labelled is unknown.
        ml = {(s, p): curves[s][t] or 0.0 for p, t in frames.items() for s in labels[p].drawn}
    found: dict[Quantity, float] = {}
    for side, structure in (("LV", Structure.LV), ("RV", Structure.RV)):
        edv, esv = ml.get((structure, Phase.ED)), ml.get((structure, Phase.ES))
        if edv is not None:
            found[Quantity(f"{side} EDV")] = edv
        if esv is not None:
            found[Quantity(f"{side} ESV")] = esv
        if edv is not None and esv is not None:
            found[Quantity(f"{side} SV")] = edv - esv
            if edv > 0:
                found[Quantity(f"{side} EF")] = 100 * (edv - esv) / edv
    if (myocardium := ml.get((Structure.MYO, Phase.ED))) is not None:
        found[Quantity.LV_MASS] = MYOCARDIUM_G_ML * myocardium
    return found


def compare_function(
    predicted: Mapping[Phase, NDArray[np.uint8]],
    references: Mapping[Phase, Segmentation],
    subject: str,
    role: SubjectRole,
    conditions: Conditions,
    metadata: ResultMetadata,
) -> list[Comparison]:
    """Compare the quantities of a segmentation, at the phases of the references, with theirs.

    Parameters
    ----------
    predicted : mapping of Phase to ndarray of uint8, shape (slice, row, column)
        0 or a `Structure` number.
    references : mapping of Phase to Segmentation
        Only structures that are drawn here are compared.
    subject, role
        As in `Comparison`.
    conditions : Conditions
        How the cine was acquired.
    metadata : ResultMetadata
        Identifiers, and the spacing; without a spacing there is nothing to compare.
    """
    if metadata.spacing_mm is None:
        return []
    found = {p: Segmentation(predicted[p], r.frame, r.drawn) for p, r in references.items()}
    measured = quantities(found, metadata.spacing_mm)
    acquired = (conditions.vendor, conditions.heart_rate_bpm, metadata)
    return [
        Comparison(subject, quantity, measured.get(quantity), value, role, *acquired)
        for quantity, value in quantities(references, metadata.spacing_mm).items()
    ]


def comparisons_csv(rows: Iterable[Comparison]) -> str:
    """Format comparisons as CSV: ``n/a`` if nothing could be measured, empty if a condition is unknown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COMPARISON_COLUMNS)
    for row in rows:
        metadata, rate = row.metadata, row.heart_rate_bpm
        predicted = _UNKNOWN if row.predicted is None else f"{row.predicted:.3f}"
        cells = [row.subject, row.quantity, row.quantity.unit, predicted, f"{row.reference:.3f}", row.role]
        cells += [row.vendor or "", "" if rate is None else f"{rate:.1f}"]
        writer.writerow(
            [*cells, *spacing_cells(metadata.spacing_mm), metadata.cine, metadata.run, metadata.checkpoint]
        )
    return text.getvalue()


def read_comparisons(path: Path) -> tuple[Comparison, ...]:
    """Read a table written by `comparisons_csv`; values have three decimals.

    Raises
    ------
    ScoreError
        If the file is missing or a row is invalid.
    """
    remedy = "Move the file away and score the run again."
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file, strict=True)
        if tuple(header) != COMPARISON_COLUMNS:
            raise ValueError("its header is another one")
        return tuple(_comparison(*row) for row in rows)
    except (OSError, TypeError, ValueError, csv.Error) as error:
        what = f"cannot be read as a table of heart function ({error})"
        raise ScoreError.of(path, what, remedy) from None


def _comparison(
    subject: str, name: str, unit: str, predicted: str, reference: str, role: str, *further: str
) -> Comparison:
    quantity = Quantity(name)
    vendor, rate, *spacing, cine, run, checkpoint = further
    if unit != quantity.unit or len(spacing) != len(SPACING_COLUMNS):
        raise ValueError(f"a row of {name} in {unit}")
    slices, rows, columns = (float(cell) if cell else None for cell in spacing)
    known = (slices, rows, columns) if slices and rows and columns else None
    return Comparison(
        subject,
        quantity,
        None if predicted == _UNKNOWN else _finite(predicted),
        _finite(reference),
        SubjectRole(role),
        vendor or None,
        _finite(rate) if rate else None,
        ResultMetadata(known, cine, run, checkpoint),
    )


def _finite(cell: str) -> float:
    value = float(cell)
    if not np.isfinite(value):
        raise ValueError(f"a value of {cell}")
    return value
