"""Draw who may import whom, from the contracts of import-linter in pyproject.toml: ``make layers``."""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
SOURCES = {"cmr_ssp": ROOT / "engine" / "cmr_ssp", "napari_cmr_ssp": ROOT / "napari_cmr_ssp"}

WIDTH, GAP, MARGIN, LEFT = 1080, 10, 12, 40
NAME, LINE = 24, 11  # heights of a box without text, and of a line of it
CHARACTER = 5.4  # width of a character of that text

STYLE = """
text { font-family: system-ui, sans-serif; fill: #1f2937; }
.name { font-size: 14px; font-weight: 600; }
.about { font-size: 10px; fill: #4b5563; }
rect { fill: #eef2ff; stroke: #6366f1; }
.arrow { stroke: #6b7280; stroke-width: 2; fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #e5e7eb; } .about { fill: #cbd5e1; }
  rect { fill: #1e1b4b; stroke: #818cf8; }
}
"""


def drawings() -> dict[str, str]:
    """Return the picture of each layers contract, by the name of its file."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    return {_file_name(c): _drawing(c) for c in contracts if c["type"] == "layers"}


def _file_name(contract: dict[str, Any]) -> str:
    container = contract.get("containers", ["engine"])[0]
    return f"layers-{container.removeprefix('cmr_ssp.').removesuffix('_cmr_ssp')}.svg"


def _drawing(contract: dict[str, Any]) -> str:
    container = contract.get("containers", [""])[0]
    rows = [[_dotted(container, name) for name in re.split(r"\s*[|:]\s*", row)] for row in contract["layers"]]
    boxes, top = "", MARGIN
    for names in rows:
        row, bottom = _row(names, top)
        boxes, top = boxes + row, bottom + GAP
    height = top - GAP + MARGIN
    arrow = f'<path class="arrow" d="M 20 {MARGIN + 6} V {height - MARGIN - 6} m -5 -8 l 5 8 l 5 -8"/>'
    title = escape(contract["name"])
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    return f"{head}\n<title>{title}</title>\n<style>{STYLE}</style>\n{arrow}\n{boxes}</svg>\n"


def _dotted(container: str, name: str) -> str:
    return f"{container}.{name.strip('()')}" if container else name.strip("()")


def _row(names: Sequence[str], top: int) -> tuple[str, int]:
    """Draw boxes side by side; return them and where they end."""
    width = (WIDTH - LEFT - MARGIN - (len(names) - 1) * GAP) / len(names)
    abouts = [textwrap.wrap(_summary(name), int((width - 16) / CHARACTER), max_lines=4) for name in names]
    height = NAME + LINE * max(map(len, abouts)) + 4
    boxes = (
        _box(name, about, (round(LEFT + i * (width + GAP)), top, round(width), height))
        for i, (name, about) in enumerate(zip(names, abouts, strict=True))
    )
    return "".join(boxes), top + height


def _box(name: str, about: Sequence[str], place: tuple[int, int, int, int]) -> str:
    left, top, width, height = place
    lines = "".join(
        f'<text class="about" x="{left + 8}" y="{top + NAME + 7 + LINE * i}">{escape(line)}</text>\n'
        for i, line in enumerate(about)
    )
    shown = escape(name.removeprefix("cmr_ssp.").removeprefix("napari_cmr_ssp.").removeprefix("files."))
    return (
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="6"/>\n'
        f'<text class="name" x="{left + 8}" y="{top + 17}">{shown}</text>\n{lines}'
    )


def _summary(dotted: str) -> str:
    """Return the first sentence of what a module or package says of itself."""
    package, *rest = dotted.split(".")
    place = SOURCES[package].joinpath(*rest)
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].replace("`", "").split())


if __name__ == "__main__":
    for name, svg in drawings().items():
        (IMAGES / name).write_text(svg, encoding="utf-8")
