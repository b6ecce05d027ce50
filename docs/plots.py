"""Draw the plots in ``docs/images`` from the tables in ``docs/results``: ``python docs/plots.py``.

The SVG files are generated without a plotting library.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).parent
WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 616, 78, 306
COLOURS = {
    "scratch": "#555555",
    "MIM": "#D55E00",
    "SimCLR": "#0072B2",
    "PCL": "#009E73",
    "DINO": "#CC79A7",
}
"""From the colour-blind safe palette of Okabe and Ito."""
NAMES = {"scratch": "scratch", "mim": "MIM", "simclr": "SimCLR", "pcl": "PCL", "dino": "DINO"}

Series = Mapping[str, Mapping[str, Sequence[float]]]
"""Values of all repetitions, by name of the series and label of the x axis."""


def text(
    x: float, y: float, words: str, *, anchor: str = "middle", size: int = 13, colour: str = "#222"
) -> str:
    """Return a line of text."""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">'
        f"{escape(words)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    """Return a straight line."""
    ends = f'x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width:g}"/>'


def height_of(value: float, lowest: float, highest: float) -> float:
    """Return the y coordinate of a value between the lowest and the highest tick."""
    return round(BOTTOM - (value - lowest) / (highest - lowest) * (BOTTOM - TOP), 1)


def axes(title: str, x_title: str, labels: Sequence[str], ticks: Sequence[float]) -> list[str]:
    """Return frame, title, grid lines and labels of both axes."""
    parts = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#ffffff"/>',
        text(WIDTH / 2, 24, title, size=15),
        text((LEFT + RIGHT) / 2, HEIGHT - 14, x_title),
        text(LEFT - 44, TOP - 14, "Dice", anchor="start"),
    ]
    for tick in ticks:
        y = height_of(tick, ticks[0], ticks[-1])
        parts += [line(LEFT, y, RIGHT, y, "#dddddd"), text(LEFT - 8, y + 4, f"{tick:.2f}", anchor="end")]
    for x, label in zip(places(len(labels)), labels, strict=True):
        parts.append(text(x, BOTTOM + 20, label))
    return parts


def places(n: int) -> list[float]:
    """Return the x coordinates of the centres of `n` columns."""
    step = (RIGHT - LEFT) / n
    return [round(LEFT + step * (column + 0.5), 1) for column in range(n)]


def legend(names: Sequence[str], colours: Mapping[str, str]) -> list[str]:
    """Return the legend: colours and names of the series."""
    parts = []
    for name, x in zip(names, (LEFT + 10 + 110 * place for place in range(len(names))), strict=True):
        parts += [line(x, 46, x + 18, 46, colours[name], 3), text(x + 24, 50, name, anchor="start")]
    return parts


def chart(
    title: str,
    x_title: str,
    found: Series,
    ticks: Sequence[float],
    *,
    colours: Mapping[str, str] = COLOURS,
    joined: bool = True,
) -> str:
    """Return a plot: a dot for each repetition, and a line through the means of each series."""
    labels = list(next(iter(found.values())))
    parts = [*axes(title, x_title, labels, ticks), *legend(list(found), colours)]
    for name, by_label in found.items():
        colour, columns = colours[name], list(zip(places(len(labels)), labels, strict=True))
        if joined:
            means = [
                (x, height_of(statistics.fmean(by_label[label]), ticks[0], ticks[-1])) for x, label in columns
            ]
            path = " ".join(f"{x:g},{y:g}" for x, y in means)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, label in columns:
            for value in by_label[label]:
                y = height_of(value, ticks[0], ticks[-1])
                parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{colour}"/>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" role="img" aria-label="{escape(title)}">'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def read(table: str, series: str, label: str) -> Series:
    """Return the Dice of a table by two of its columns, in the order of its rows."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with (HERE / "results" / table).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[NAMES.get(row[series], row[series])][row[label]].append(float(row["dice"]))
    return found


def plots() -> dict[str, str]:
    """Return every plot by the name of its file."""
    length = read("training_length.csv", "start", "updates")
    by_length = {name: {n: values[n] for n in ("300", "1000")} for name, values in length.items()}
    methods = read("methods.csv", "settings", "start")
    settings = {"corrected": "#0072B2", "as the paper": "#E69F00"}
    return {
        "labelled-subjects.svg": chart(
            "Dice on 20 ACDC test subjects against labelled subjects (small network)",
            "labelled training subjects",
            read("labelled_subjects.csv", "start", "labelled_subjects"),
            (0.60, 0.65, 0.70, 0.75, 0.80, 0.85),
        ),
        "training-length.svg": chart(
            "Five labelled subjects: short and long training on labels",
            "updates on labels",
            by_length,
            (0.80, 0.82, 0.84, 0.86, 0.88, 0.90),
        ),
        "methods.svg": chart(
            "Pretraining methods at five labelled subjects, 300 updates on labels",
            "pretraining",
            methods,
            (0.78, 0.80, 0.82, 0.84),
            colours=settings,
            joined=False,
        ),
    }


def main() -> None:
    """Write all plots."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--out", type=Path, default=HERE / "images")
    out = parser.parse_args().out
    for name, drawing in plots().items():
        (out / name).write_text(drawing, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
