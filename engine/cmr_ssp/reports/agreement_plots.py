"""Bland-Altman and scatter plots of the agreement with references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_ssp.anatomy import COLOURS, Structure
from cmr_ssp.atomic import replacing
from cmr_ssp.function.agreement import Agreement
from cmr_ssp.reports.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE_MM = (203.0, 97.0)
_DPI = 150
_GREY = "#555555"


def draw_agreement(agreement: Agreement) -> Figure:
    """Draw the measurements against the references, and the differences against the means.

    Raises
    ------
    OutputError
        If matplotlib is not installed.
    """
    figure = new_figure(*_SIZE_MM)
    scatter, bland_altman = figure.subplots(1, 2)
    _draw_scatter(scatter, agreement)
    _draw_differences(bland_altman, agreement)
    return figure


def write_agreement_plot(agreement: Agreement, path: Path) -> None:
    """Write `draw_agreement` as a PNG file; an existing one is replaced.

    Raises
    ------
    OutputError
        If matplotlib is not installed, or the file cannot be written.
    """
    figure = draw_agreement(agreement)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=_DPI)


def _draw_scatter(axes: Axes, agreement: Agreement) -> None:
    name, unit = agreement.quantity, agreement.quantity.unit
    axes.scatter(agreement.reference, agreement.found, **_points(agreement))
    ends = [min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])]
    axes.plot(ends, ends, color=_GREY, linewidth=1)
    axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel=f"reference, {unit}", ylabel=f"measured, {unit}")
    r = "" if agreement.r is None else f", r = {agreement.r:.3f}"
    axes.set_title(f"{name}, n = {agreement.n}{r}", fontsize="medium")


def _draw_differences(axes: Axes, agreement: Agreement) -> None:
    unit, means = agreement.quantity.unit, (agreement.found + agreement.reference) / 2
    axes.scatter(means, agreement.differences, **_points(agreement))
    lines = [(agreement.bias, "-", "bias")]
    lines += [(limit, "--", "limit") for limit in agreement.limits or ()]
    for value, style, name in lines:
        axes.axhline(value, color=_GREY, linewidth=1, linestyle=style)
        axes.annotate(
            f"{name} {value:+.1f}",
            (1, value),
            xycoords=("axes fraction", "data"),
            xytext=(-3, 3),
            textcoords="offset points",
            horizontalalignment="right",
            fontsize="small",
            color=_GREY,
        )
    axes.margins(y=0.15)
    axes.set(xlabel=f"mean of both, {unit}", ylabel=f"measured - reference, {unit}")
    axes.set_title("Bland-Altman", fontsize="medium")


def _points(agreement: Agreement) -> dict[str, Any]:
    structure = Structure[agreement.quantity.split()[0]]
    return {"color": COLOURS[structure], "edgecolor": _GREY, "linewidth": 0.5, "s": 22}
