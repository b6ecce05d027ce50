"""Plots of reports.

matplotlib is imported only to draw, and its global state is never used, so that threads may draw.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_ssp.anatomy import COLOURS, Phase, Structure
from cmr_ssp.errors import OutputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INSTALL = 'pip install "cmr-ssp[report]"'
_GREY = "#444444"
_LINE_PT, _PERCENTILES = 1.2, (1, 99.5)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One slice with its labels, both of shape (row, column), and a title."""

    title: str
    labels: NDArray[np.uint8]
    image: NDArray[np.float32] | None = None


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """Return an empty figure.

    Raises
    ------
    OutputError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        what = "drawing needs the package matplotlib, which is not installed"
        raise OutputError.of("report", what, f"Install it with: {INSTALL}") from error
    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout="constrained")


def as_png(figure: Any, dpi: int = 200) -> bytes:
    """Return a figure as PNG."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    return content.getvalue()


def plain_axes(axes: Any) -> Any:
    """Remove what is not data, and return the axes."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7, colors=_GREY)
    axes.xaxis.label.set_size(7)
    axes.yaxis.label.set_size(7)
    return axes


def volume_curve(
    curves: Mapping[Structure, Sequence[float | None]],
    phases: Mapping[Phase, int],
    frame_spacing_s: float | None,
    size_mm: tuple[float, float] = (85.0, 50.0),
) -> Any:
    """Draw the volumes of LV and RV over the cardiac cycle, with lines at ED and ES.

    Parameters
    ----------
    curves : Mapping of Structure to sequence of float or None
        Volume in ml at each frame.
    phases : Mapping of Phase to int
        0-based frames.
    frame_spacing_s : float or None
        Without it, the axis counts frames.
    size_mm : tuple of float
        Width and height.
    """
    figure = new_figure(*size_mm)
    axes = plain_axes(figure.subplots())
    factor = 1000 * frame_spacing_s if frame_spacing_s is not None else 1.0
    for structure in (Structure.LV, Structure.RV):
        ml = np.array([np.nan if value is None else value for value in curves[structure]], np.float64)
        if np.isfinite(ml).any():
            axes.plot(factor * np.arange(len(ml)), ml, "o-", ms=2, lw=_LINE_PT, color=COLOURS[structure])
            axes.plot([], [], color=COLOURS[structure], label=structure.name)
    for phase, frame in phases.items():
        axes.axvline(factor * frame, color=_GREY, lw=0.7, ls=":")
        axes.annotate(
            phase, (factor * frame, 1), xycoords=("data", "axes fraction"), fontsize=7, ha="left", va="top"
        )
    axes.set(ylim=(0, None), ylabel="volume (mL)", xlabel="time (ms)" if frame_spacing_s else "frame")
    axes.legend(frameon=False, fontsize=7)
    return figure


def contour_pictures(rows: Sequence[Sequence[Picture]], size_mm: tuple[float, float]) -> Any:
    """Draw slices in rows, cropped to the heart, with endocardium, epicardium and RV as lines.

    Parameters
    ----------
    rows : sequence of sequences of Picture
        Of equal length; at least one.
    size_mm : tuple of float
        Width and height of the whole.
    """
    figure = new_figure(*size_mm)
    grid = figure.subplots(len(rows), max(map(len, rows)), squeeze=False)
    window = _heart_window([picture.labels for row in rows for picture in row])
    for axes, picture in zip(grid.flat, [each for row in rows for each in row], strict=True):
        _draw(axes, picture, window)
    return figure


def _draw(axes: Any, picture: Picture, window: tuple[slice, slice]) -> None:
    labels = picture.labels[window]
    axes.set_axis_off()
    axes.set_title(picture.title, fontsize=7, color=_GREY, pad=2)
    if picture.image is None:
        axes.imshow(np.zeros(labels.shape), cmap="gray", vmin=0, vmax=1)
    else:
        low, high = np.percentile(picture.image[window], _PERCENTILES)
        axes.imshow(picture.image[window], cmap="gray", vmin=low, vmax=high, interpolation="bicubic")
    regions = {
        Structure.LV: labels == Structure.LV,
        Structure.MYO: (labels == Structure.LV) | (labels == Structure.MYO),
        Structure.RV: labels == Structure.RV,
    }
    for structure, region in regions.items():
        if region.any() and (labels == structure).any():
            axes.contour(region, [0.5], colors=[COLOURS[structure]], linewidths=_LINE_PT)


def _heart_window(labels: Sequence[NDArray[np.uint8]], margin: float = 0.25) -> tuple[slice, slice]:
    """Return the square around everything that is drawn, with a margin."""
    drawn = np.any([each > 0 for each in labels], axis=0)
    if not drawn.any():
        return slice(None), slice(None)
    edges = [np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0)]
    side = int((1 + 2 * margin) * max(edge[-1] - edge[0] + 1 for edge in edges))
    starts = [max(0, int(edge[0] + edge[-1] - side) // 2) for edge in edges]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)
