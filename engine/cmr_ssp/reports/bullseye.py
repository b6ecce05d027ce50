"""The AHA bull's-eye: apex in the middle, base outside, anterior at the top, the septum left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_ssp.function.aha import SegmentValue
from cmr_ssp.function.segments import APEX, SEGMENT_NAMES, Level, level_of
from cmr_ssp.reports.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOUR_MAP = "viridis"
"""From dark violet to yellow: its brightness grows steadily, so it survives a black-and-white printer."""

MISSING_COLOUR = "#ffffff"

_RADII = {
    Level.APEX: (0.0, 0.25),
    Level.APICAL: (0.25, 0.5),
    Level.MID: (0.5, 0.75),
    Level.BASAL: (0.75, 1.0),
}
_SIDES = {"anterior": (0.0, 1.0), "septal": (-1.0, 0.0), "inferior": (0.0, -1.0), "lateral": (1.0, 0.0)}
_DARK_INK, _LIGHT_INK = "#000000", "#ffffff"
_MIDDLE = 0.18
"""Relative luminance (WCAG 2) at which black and white have the same contrast."""


@dataclass(frozen=True, slots=True)
class Wedge:
    """Where a segment is drawn in a bull's-eye of radius 1.

    Attributes
    ----------
    segment : int
        AHA number.
    inner, outer : float
        Radii.
    start_deg, span_deg : float
        First direction and extent, counterclockwise from the right.
    """

    segment: int
    inner: float
    outer: float
    start_deg: float
    span_deg: float

    @property
    def middle(self) -> tuple[float, float]:
        """Where its number is written: x to the right and y upwards, from -1 to 1."""
        if self.segment == APEX:
            return (0.0, 0.0)
        angle = np.deg2rad(self.start_deg + self.span_deg / 2)
        radius = (self.inner + self.outer) / 2
        return (float(radius * np.cos(angle)), float(radius * np.sin(angle)))


def _wedge(segment: int) -> Wedge:
    level = level_of(segment)
    if level is Level.APEX:
        return Wedge(segment, *_RADII[level], 0, 360)
    number, n = (segment - 13, 4) if level is Level.APICAL else ((segment - 1) % 6, 6)
    span = 360 / n
    return Wedge(segment, *_RADII[level], (90 - span / 2 + number * span) % 360, span)


WEDGES: Mapping[int, Wedge] = {segment: _wedge(segment) for segment in SEGMENT_NAMES}
"""Place of each segment: 1 at the top, the numbers counterclockwise."""


def text_of(value: SegmentValue | None) -> str:
    """Return what is written into a segment: millimetres with one digit, percent with none, or ``n/a``."""
    if value is None or value.value is None:
        return "n/a"
    rounded = round(value.value, 1 if value.unit == "mm" else 0) + 0.0  # no "-0"
    return f"{rounded:.1f}" if value.unit == "mm" else f"{rounded:.0f}"


def value_range(values: Sequence[SegmentValue]) -> tuple[float, float]:
    """Return the values at the ends of the colour map: the smallest and the largest, rounded outwards."""
    known = [each.value for each in values if each.value is not None]
    if not known:
        return (0.0, 1.0)
    step = 1.0 if values[0].unit == "mm" else 10.0
    low, high = np.floor(min(known) / step) * step, np.ceil(max(known) / step) * step
    return (float(low), float(max(high, low + step)))


def ink_on(red: float, green: float, blue: float) -> str:
    """Return black or white, whichever can be read on a colour of components from 0 to 1."""
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return _DARK_INK if luminance > _MIDDLE else _LIGHT_INK


def draw_bullseye(
    values: Sequence[SegmentValue], title: str = "", limits: tuple[float, float] | None = None
) -> Figure:
    """Draw one bull's-eye, 100 mm wide.

    Parameters
    ----------
    values : sequence of SegmentValue
        One quantity. Segments without a value are hatched; without a value for segment 17, 16 are drawn.
    title : str
        Written above.
    limits : tuple of float, optional
        Values at the ends of the colour map, to compare bull's-eyes; by default `value_range`.

    Raises
    ------
    OutputError
        If matplotlib is not installed.
    """
    figure = new_figure(100, 105)
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = figure.add_subplot()
    low, high = limits or value_range(values)
    shades = ScalarMappable(Normalize(low, high), colormaps[COLOUR_MAP])
    by_segment = {each.segment: each for each in values}
    for segment, wedge in WEDGES.items():
        value = by_segment.get(segment)
        if segment != APEX or (value is not None and value.value is not None):
            _draw_segment(axes, wedge, value, shades)
    for side, (x, y) in _SIDES.items():
        turn = 90 * x if y == 0 else 0
        axes.text(1.08 * x, 1.08 * y, side, ha="center", va="center", rotation=-turn, fontsize=8)
    axes.set(xlim=(-1.18, 1.18), ylim=(-1.18, 1.18), aspect="equal", title=title)
    axes.set_axis_off()
    unit = values[0].unit if values else ""
    quantity = values[0].quantity if values else ""
    bar = figure.colorbar(shades, ax=axes, orientation="horizontal", shrink=0.6, aspect=30)
    bar.set_label(f"{quantity} ({unit})", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure


def _draw_segment(axes: Any, wedge: Wedge, value: SegmentValue | None, shades: Any) -> None:
    from matplotlib.patches import Wedge as Patch

    known = value is not None and value.value is not None
    colour = shades.to_rgba(value.value)[:3] if value is not None and known else MISSING_COLOUR
    end = wedge.start_deg + wedge.span_deg
    style = {"facecolor": colour, "edgecolor": "black", "linewidth": 0.8, "hatch": "" if known else "////"}
    width = wedge.outer - wedge.inner
    axes.add_patch(Patch((0, 0), wedge.outer, wedge.start_deg, end, width=width, **style))
    ink = ink_on(*colour) if known else _DARK_INK
    x, y = wedge.middle
    box = None if known else {"facecolor": MISSING_COLOUR, "edgecolor": "none", "pad": 1.5}
    label = f"{wedge.segment}\n{text_of(value)}"
    axes.text(x, y, label, ha="center", va="center", fontsize=8, color=ink, bbox=box, linespacing=1.1)
