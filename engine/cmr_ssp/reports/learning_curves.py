"""Learning curves: Dice against labelled subjects or minutes, with a point for every seed."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean
from typing import TYPE_CHECKING

from cmr_ssp.reports.plots import new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE_MM = (150.0, 90.0)
_STYLES = {
    "Scratch": ("#555555", "o"),
    "SimCLR": ("#0072B2", "s"),
    "PCL": ("#009E73", "D"),
    "DINO": ("#CC79A7", "^"),
    "MIM": ("#D55E00", "v"),
}
"""Colours and markers of the methods in every plot; from the colour-blind safe palette of Okabe and Ito."""
_OTHER_COLOURS, _OTHER_MARKERS = ("#56B4E9", "#E69F00", "#000000"), "P*X"
_HEAD = re.compile(r"\A.*?(?=<svg)", re.DOTALL)
_IDS = re.compile(r'id="([^"]+)"')
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)


Points = tuple[tuple[float, float], ...]
"""Place on the horizontal axis and Dice of trainings that differ only in seeds."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Dice of one method.

    Attributes
    ----------
    name : str
        What the legend says.
    groups : tuple of Points
        One for each label budget or length of training; none is empty.
    """

    name: str
    groups: tuple[Points, ...]

    @property
    def means(self) -> list[tuple[float, float]]:
        """Means of the groups, from left to right."""
        return sorted((fmean(x for x, _ in group), fmean(dice for _, dice in group)) for group in self.groups)


def draw_learning_curves(curves: Sequence[Curve], label: str, *, at_places: bool = False) -> Figure:
    """Draw Dice on a logarithmic axis: a point for each seed, and a line through the means.

    Parameters
    ----------
    curves : sequence of Curve
        At least one.
    label : str
        What the horizontal axis shows, with its unit.
    at_places : bool
        Put the ticks where the points are, instead of at round numbers.

    Raises
    ------
    OutputError
        If matplotlib is not installed.
    """
    figure = new_figure(*_SIZE_MM)
    from matplotlib.ticker import LogLocator

    axes = plain_axes(figure.subplots())
    axes.set_xscale("log")
    axes.set(xlabel=label, ylabel="Dice")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for curve in curves:
        colour, marker = _style(curve.name, [each.name for each in curves])
        points = [point for group in curve.groups for point in group]
        axes.scatter(*zip(*points, strict=True), color=colour, marker=marker, s=14, alpha=0.7, linewidths=0)
        if len(curve.means) > 1:
            axes.plot(*zip(*curve.means, strict=True), color=colour, lw=1.2)
        axes.plot([], [], color=colour, lw=1.2, marker=marker, ms=4, label=curve.name)
    if at_places:
        places = sorted({x for curve in curves for group in curve.groups for x, _ in group})
        axes.set_xticks(places, [f"{place:g}" for place in places])
    else:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=7)
    return figure


def _style(name: str, names: Sequence[str]) -> tuple[str, str]:
    """Return colour and marker: those of the method, or one that is not used by a method."""
    if name in _STYLES:
        return _STYLES[name]
    place = [each for each in names if each not in _STYLES].index(name)
    return _OTHER_COLOURS[place % len(_OTHER_COLOURS)], _OTHER_MARKERS[place % len(_OTHER_MARKERS)]


def as_inline_svg(figure: Figure, name: str, title: str) -> str:
    """Return a figure as an ``svg`` element for an HTML page, the same text for the same figure.

    Parameters
    ----------
    figure : Figure
        What to draw.
    name : str
        Prefix of the ids in it, different for each figure of a page.
    title : str
        What a screen reader says.
    """
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    text = _METADATA.sub("", _HEAD.sub("", content.getvalue()))
    # matplotlib draws some ids at random, and gives others in every figure
    for number, old in enumerate(dict.fromkeys(_IDS.findall(text))):
        text = re.sub(rf'(?<=["#]){re.escape(old)}(?=[")])', f"{name}-{number}", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(title, quote=True)}"', 1)
