"""Cardiac function: the quantities that a reader works with, each with its unit."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.function.body import HeartRate, body_surface_area_m2, heart_rate, plausible_frame_s
from cmr_ssp.function.choices import FunctionChoices, PapillarySide, Scan
from cmr_ssp.function.slices import SliceMeasures
from cmr_ssp.function.ventricles import CountedSlice, Curve, Ventricle, VentricleMeasures, peak_rates_ml_s

MYOCARDIUM_G_ML = 1.05
"""Density of the myocardium."""

NOT_AVAILABLE = "not available"
FUNCTION_COLUMNS = ("structure", "quantity", "unit", "value")
FUNCTION_BEGINS = ",".join(FUNCTION_COLUMNS)
"""First characters of every table of function."""

_DIGITS = {"mL": 1, "mL/m2": 1, "%": 1, "g": 1, "g/m2": 1, "L/min": 2, "L/min/m2": 2, "m2": 2}


@dataclass(frozen=True, slots=True)
class MeasuredQuantity:
    """One measured quantity; `value` is None if it is not available."""

    structure: str
    name: str
    unit: str
    value: float | None

    @property
    def text(self) -> str:
        """The value with as many digits as make sense."""
        return NOT_AVAILABLE if self.value is None else f"{self.value:.{_DIGITS.get(self.unit, 0)}f}"


@dataclass(frozen=True, slots=True)
class CardiacFunction:
    """Function of the heart as measured on labels.

    Attributes
    ----------
    lv, rv : Ventricle or None
        None if it is drawn nowhere.
    mass_g : float or None
        Mass of the LV myocardium at ED.
    papillary_ml : float or None
        Papillary muscles and trabeculae at ED, None without an image.
    papillary_side : PapillarySide
        Where they are counted in these results.
    bsa_m2 : float or None
        Body surface area.
    rate : HeartRate or None
        Heart rate.
    peak_rates_ml_s : tuple of float or None
        Peak ejection and filling rate of the LV.
    curves : Mapping of Structure to tuple of float or None
        Volume in ml at each frame.
    slices : tuple of CountedSlice
        Drawn slices of LV and RV at ED and ES.
    notes : tuple of str
        What could not be measured and why, and what else a reader must know.
    """

    lv: Ventricle | None
    rv: Ventricle | None
    mass_g: float | None
    papillary_ml: float | None
    papillary_side: PapillarySide
    bsa_m2: float | None
    rate: HeartRate | None
    peak_rates_ml_s: tuple[float, float] | None
    curves: Mapping[Structure, Curve]
    slices: tuple[CountedSlice, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def quantities(self) -> tuple[MeasuredQuantity, ...]:
        """All quantities, in the order of a report."""
        return tuple(self._quantities())

    def value(self, structure: str, name: str) -> float | None:
        """Return one quantity, such as ``("LV", "EF")``."""
        return next((q.value for q in self._quantities() if (q.structure, q.name) == (structure, name)), None)

    def _quantities(self) -> Iterator[MeasuredQuantity]:
        for name, ventricle in (("LV", self.lv), ("RV", self.rv)):
            yield from self._of_ventricle(name, ventricle)
            if name == "LV":
                yield from self._of_wall()
        yield MeasuredQuantity("body", "BSA", "m2", self.bsa_m2)
        yield MeasuredQuantity("body", "heart rate", "bpm", self.rate.bpm if self.rate is not None else None)

    def _of_ventricle(self, name: str, ventricle: Ventricle | None) -> Iterator[MeasuredQuantity]:
        found = ventricle or Ventricle({}, None, None)
        volumes = {"EDV": found.edv_ml, "ESV": found.esv_ml, "SV": found.sv_ml}
        output = self._output_l_min(found)
        yield from (MeasuredQuantity(name, each, "mL", ml) for each, ml in volumes.items())
        yield MeasuredQuantity(name, "EF", "%", found.ef_percent)
        yield MeasuredQuantity(name, "CO", "L/min", output)
        yield from (
            MeasuredQuantity(name, f"{each}i", "mL/m2", self._indexed(ml)) for each, ml in volumes.items()
        )
        yield MeasuredQuantity(name, "CI", "L/min/m2", self._indexed(output))

    def _of_wall(self) -> Iterator[MeasuredQuantity]:
        ejection, filling = self.peak_rates_ml_s or (None, None)
        yield MeasuredQuantity("LV", "mass", "g", self.mass_g)
        yield MeasuredQuantity("LV", "mass index", "g/m2", self._indexed(self.mass_g))
        yield MeasuredQuantity("LV", "papillary muscles", "mL", self.papillary_ml)
        yield MeasuredQuantity("LV", "peak ejection rate", "mL/s", ejection)
        yield MeasuredQuantity("LV", "peak filling rate", "mL/s", filling)

    def _output_l_min(self, ventricle: Ventricle) -> float | None:
        if self.rate is None or ventricle.sv_ml is None:
            return None
        return ventricle.sv_ml * self.rate.bpm / 1000

    def _indexed(self, value: float | None) -> float | None:
        return value / self.bsa_m2 if value is not None and self.bsa_m2 is not None else None


def cardiac_function(measures: SliceMeasures, scan: Scan, choices: FunctionChoices) -> CardiacFunction:
    """Compute function from the measures of slices, in well under a millisecond a slice.

    Parameters
    ----------
    measures : SliceMeasures
        Of the labels of a cine, or of ED and ES alone.
    scan : Scan
        Geometry and time.
    choices : FunctionChoices
        How to measure.
    """
    found = VentricleMeasures(measures, scan, choices)
    curves = {structure: found.curve(structure) for structure in Structure}
    lv, rv = found.ventricle(Structure.LV), found.ventricle(Structure.RV)
    frame_s, n_frames = plausible_frame_s(scan.frame_spacing_s), len(curves[Structure.LV])
    end_diastole = found.phases.get(Phase.ED)
    wall_ml = curves[Structure.MYO][end_diastole] if end_diastole is not None else None
    side = choices.papillary_side if found.knows_papillary else PapillarySide.CAVITY
    rate = heart_rate(choices.heart_rate_bpm, scan.heart_rate_bpm, scan.frame_spacing_s, n_frames)
    return CardiacFunction(
        lv=lv,
        rv=rv,
        mass_g=wall_ml * MYOCARDIUM_G_ML if wall_ml is not None else None,
        papillary_ml=found.papillary_ml(),
        papillary_side=side,
        bsa_m2=body_surface_area_m2(choices.height_cm, choices.weight_kg),
        rate=rate,
        peak_rates_ml_s=peak_rates_ml_s(curves[Structure.LV], frame_s) if frame_s is not None else None,
        curves=curves,
        slices=(*found.slices(Structure.LV), *found.slices(Structure.RV)),
        notes=tuple(_notes(found, scan, choices, rate)),
    )


def function_csv(found: CardiacFunction) -> str:
    """Format function as CSV with one row per quantity, such as ``LV,EDV,mL,142.1``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FUNCTION_COLUMNS)
    writer.writerows([q.structure, q.name, q.unit, q.text] for q in found.quantities)
    return text.getvalue()


def _notes(
    found: VentricleMeasures, scan: Scan, choices: FunctionChoices, rate: HeartRate | None
) -> Iterator[str]:
    for structure, name in ((Structure.LV, "LV"), (Structure.RV, "RV")):
        ventricle = found.ventricle(structure)
        if ventricle is None:
            yield f"The {name} is not labelled."
            continue
        missing = [phase for phase in Phase if phase not in ventricle.phases]
        if missing:
            yield f"The frame of {' and '.join(missing)} of the {name} is not known."
        undrawn = [p for p, frame in ventricle.phases.items() if found.curve(structure)[frame] is None]
        if undrawn:
            yield f"The {name} is not drawn at {' and '.join(undrawn)}."
    if scan.frame_spacing_s is not None and plausible_frame_s(scan.frame_spacing_s) is None:
        yield f"The time between frames, {1000 * scan.frame_spacing_s:g} ms, is implausible and was not used."
    if rate is None:
        yield "The heart rate is not known, so there is no cardiac output."
    if choices.papillary_side is PapillarySide.WALL and not found.knows_papillary:
        yield "Papillary muscles are counted in the cavity: telling them apart needs the image."
