"""Cardiac function on one page, as PDF."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from cmr_ssp import __version__
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.atomic import write_bytes
from cmr_ssp.errors import OutputError
from cmr_ssp.function.body import plausible_frame_s
from cmr_ssp.function.choices import PapillarySide
from cmr_ssp.function.cines import MeasuredCine
from cmr_ssp.function.slices import LEAST_SURROUNDED, SliceRule
from cmr_ssp.function.wall_summary import WallSummary
from cmr_ssp.reports.bullseye import draw_bullseye
from cmr_ssp.reports.encapsulated import write_encapsulated
from cmr_ssp.reports.plots import INSTALL, Picture, as_png, contour_pictures, volume_curve

DISCLAIMER = "Research use only. Not a medical device; not for diagnosis or treatment decisions."
_ENDINGS = (".pdf", ".dcm")
_AUTHOR = "cmr-ssp"
_MARGIN_MM, _WIDTH_MM = 15.0, 180.0
_COLUMNS = 4
_LEAST_CURVE_FRAMES = 6
_BULLSEYE_MM = 62.0
_FLAG_LINES = 8


@dataclass(frozen=True, slots=True)
class ReportText:
    """What stands on the page beside the numbers.

    Attributes
    ----------
    title : str
        Names the cine; no patient's name unless the user asks for it.
    flags : tuple of str
        What looks doubtful, in a sentence each.
    intervals : tuple of str
        How sure EDV, ESV and EF are, in a sentence each.
    walls : WallSummary
        Wall thickness and thickening.
    """

    title: str
    flags: tuple[str, ...] = ()
    intervals: tuple[str, ...] = ()
    walls: WallSummary = field(default_factory=WallSummary)


def require_report(path: Path) -> None:
    """Check that a report can be written: the ending, and what is in the way.

    Raises
    ------
    OutputError
        If the ending is neither ``.pdf`` nor ``.dcm``, or another program's file has this name.
    """
    if path.suffix.lower() not in _ENDINGS:
        what = f"a report cannot end in '{path.suffix}'"
        raise OutputError.of(path, what, f"Choose a name that ends in {' or '.join(_ENDINGS)}.")
    try:
        is_ours = _AUTHOR.encode() in path.read_bytes()
    except FileNotFoundError:
        return
    except OSError:
        is_ours = False
    if not is_ours:
        what = "it exists, but is not a report of this program"
        raise OutputError.of(path, what, "Choose another name, or move that file away.")


def write_report(path: Path, found: MeasuredCine, text: ReportText) -> None:
    """Write the page as PDF, or as an encapsulated PDF if the name ends in ``.dcm``.

    Parameters
    ----------
    path : Path
        File to write, atomically; see `require_report`.
    found : MeasuredCine
        Results, and the labels and pixels that are shown.
    text : ReportText
        What else it says.

    Raises
    ------
    OutputError
        If reportlab or matplotlib is not installed, or the file cannot be written.
    """
    pdf = report_pdf(found, text)
    if path.suffix.lower() == _ENDINGS[1]:
        write_encapsulated(path, pdf, f"Cardiac function: {text.title}")
    else:
        write_bytes(path, pdf)


def report_pdf(found: MeasuredCine, text: ReportText) -> bytes:
    """Return the page as PDF."""
    try:
        from reportlab.lib.pagesizes import A4
        from reportlab.lib.units import mm
        from reportlab.platypus import KeepInFrame, SimpleDocTemplate
    except ImportError as error:
        what = "a report needs the package reportlab, which is not installed"
        raise OutputError.of("report", what, f"Install it with: {INSTALL}") from error
    content = io.BytesIO()
    document = SimpleDocTemplate(
        content,
        pagesize=A4,
        leftMargin=_MARGIN_MM * mm,
        rightMargin=_MARGIN_MM * mm,
        topMargin=12 * mm,
        bottomMargin=16 * mm,
        title=f"Cardiac function: {text.title}",
        author=f"{_AUTHOR} {__version__}",
        subject=DISCLAIMER,
        invariant=True,  # the same results give the same bytes
    )
    # What does not fit, such as a long list of flags, is made smaller rather than put on a second page.
    page = KeepInFrame(document.width, document.height - 1, _story(found, text), mode="shrink")
    document.build([page], onFirstPage=_footer)
    return content.getvalue()


def _footer(canvas: Any, document: Any) -> None:
    canvas.saveState()
    canvas.setFont("Helvetica-Bold", 8)
    canvas.drawCentredString(document.pagesize[0] / 2, 24, DISCLAIMER)
    canvas.restoreState()


def _story(found: MeasuredCine, text: ReportText) -> list[Any]:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.platypus import Image, Paragraph, Spacer, Table

    body = ParagraphStyle("body", fontName="Helvetica", fontSize=7.5, leading=9.5)
    head = ParagraphStyle(
        "head", parent=body, fontName="Helvetica-Bold", fontSize=9.5, leading=12, spaceBefore=4
    )
    title = ParagraphStyle("title", head, fontSize=14, leading=18)

    def said(sentences: Sequence[str]) -> list[Any]:
        return [Paragraph(escape(each), body) for each in sentences]

    pictures = as_png(contour_pictures(_pictures(found), (_WIDTH_MM, _WIDTH_MM / _COLUMNS * 2)))
    story: list[Any] = [
        Paragraph(escape(f"Cardiac function from cine MR: {text.title}"), title),
        Image(io.BytesIO(pictures), _WIDTH_MM * mm, _WIDTH_MM / _COLUMNS * 2 * mm),
    ]
    curve = _curve(found)
    beside = [Image(io.BytesIO(curve), 88 * mm, 52 * mm)] if curve else said(("No curve: ED and ES alone.",))
    story.append(
        Table(
            [[_numbers(found), beside]],
            colWidths=[90 * mm, 90 * mm],
            style=[("VALIGN", (0, 0), (-1, -1), "TOP")],
        )
    )
    story += _walls(text.walls, said)
    story += [Paragraph("How sure", head), *said(text.intervals)] if text.intervals else []
    flags = text.flags[:_FLAG_LINES] or ("None of the checks found anything doubtful.",)
    more = len(text.flags) - _FLAG_LINES
    story += [Paragraph("Quality", head), *said(flags), *said((f"... and {more} more.",) if more > 0 else ())]
    story += [Paragraph("Method", head), *said([*_method(found), found.origin, *found.function.notes])]
    return [*story, Spacer(1, 2 * mm)]


def _walls(walls: WallSummary, said: Callable[[Sequence[str]], list[Any]]) -> list[Any]:
    """Return two bull's-eyes side by side, or why there are none."""
    from reportlab.lib.units import mm
    from reportlab.platypus import Image, Table

    if not walls.thickness:
        return said([f"Segments: {walls.reason}"]) if walls.reason else []
    both = ((walls.thickness, "Wall thickness at ED"), (walls.thickening, "Wall thickening"))
    pictures = [as_png(draw_bullseye(values, title)) for values, title in both if values]
    side = _BULLSEYE_MM * mm
    images = [Image(io.BytesIO(each), side, side, kind="proportional") for each in pictures]
    return [Table([images], colWidths=[90 * mm] * len(images))]


def _numbers(found: MeasuredCine) -> Any:
    """Return the table of quantities, LV beside RV."""
    from reportlab.lib import colors
    from reportlab.platypus import Table

    rows = [("", "LV", "RV", "")]
    for name in dict.fromkeys(q.name for q in found.function.quantities):
        cells = [q for q in found.function.quantities if q.name == name]
        if any(q.value is not None for q in cells):
            by_structure = {q.structure: q.text for q in cells}
            both = by_structure.get("body"), by_structure.get("RV", "")
            rows.append(
                (name, both[0] or by_structure.get("LV", ""), both[1], cells[0].unit.replace("m2", "m\u00b2"))
            )
    style = [
        ("FONT", (0, 0), (-1, -1), "Helvetica", 7.5),
        ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 7.5),
        ("ALIGN", (1, 0), (2, -1), "RIGHT"),
        ("TOPPADDING", (0, 0), (-1, -1), 0.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
    ]
    return Table(rows, style=style, hAlign="LEFT")


def _curve(found: MeasuredCine) -> bytes | None:
    function = found.function
    if len(function.curves[Structure.LV]) < _LEAST_CURVE_FRAMES:
        return None
    shown = function.lv or function.rv
    phases = shown.phases if shown is not None else {}
    frame_s = plausible_frame_s(found.scan.frame_spacing_s)
    return as_png(volume_curve(function.curves, phases, frame_s, (88.0, 52.0)))


def _pictures(found: MeasuredCine) -> list[list[Picture]]:
    """Return slices from base to apex at ED and at ES, the same at both."""
    ventricle = found.function.lv or found.function.rv
    phases = ventricle.phases if ventricle is not None else {}
    frames = {str(phase): phases[phase] for phase in Phase if phase in phases} or {"": 0}
    drawn = np.flatnonzero(found.labels[list(frames.values())].any(axis=(0, 2, 3)))
    chosen = _spread(drawn, _COLUMNS) if len(drawn) else [0] * _COLUMNS
    return [
        [_picture(found, f"{phase} frame {frame}, slice {k}".strip(), frame, k) for k in chosen]
        for phase, frame in frames.items()
    ]


def _spread(drawn: NDArray[np.intp], n: int) -> list[int]:
    """Return slices at equal distances between the second and the last but one, where there are enough."""
    inner = drawn[1:-1] if len(drawn) >= n + 2 else drawn
    return [int(inner[round(place)]) for place in np.linspace(0, len(inner) - 1, n)]


def _picture(found: MeasuredCine, title: str, frame: int, slice_: int) -> Picture:
    image = found.pixels[frame, slice_] if found.pixels is not None else None
    return Picture(title, found.labels[frame, slice_], image)


def _tidied(found: MeasuredCine) -> str:
    steps = ", ".join(sorted(found.choices.tidying))
    return f" Post-processing ({steps}) changed {len(found.changes)} contours." if steps else ""


def _method(found: MeasuredCine) -> list[str]:
    choices, (slice_mm, row_mm, column_mm) = found.choices, found.scan.spacing_mm
    rules = {
        SliceRule.AS_DRAWN: "every slice in which the LV is drawn counts",
        SliceRule.HALF_WALL: f"LV slices count if wall surrounds {LEAST_SURROUNDED:.0%} of the cavity",
    }
    sides = {PapillarySide.CAVITY: "cavity", PapillarySide.WALL: "wall"}
    frames = {
        name: ", ".join(f"{phase} frame {frame}" for phase, frame in ventricle.phases.items())
        for name, ventricle in (("LV", found.function.lv), ("RV", found.function.rv))
        if ventricle is not None
    }
    by_hand = sum(each.reason == "by hand" for each in found.function.slices)
    return [
        f"Volumes are area times the distance between slice centres ({slice_mm:.3g} mm; pixels "
        f"{row_mm:.3g} x {column_mm:.3g} mm); {rules[choices.rule]}; slices chosen by hand: {by_hand}. "
        "Mass is the myocardium at ED times 1.05 g/mL. Papillary muscles and trabeculae are counted in the "
        f"{sides[found.function.papillary_side]}. Frames from 0: "
        + "; ".join(f"{name} {text}" for name, text in frames.items())
        + ". Frames that were not chosen have the largest and the smallest plausible LV. Body surface area: "
        f"Mosteller.{_tidied(found)} cmr-ssp {__version__}."
    ]
