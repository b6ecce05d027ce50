"""The bull's-eye of a report: every segment at its place, numbers that can be read, n/a where nothing is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cmr_ssp.errors import OutputError
from cmr_ssp.function.aha import SegmentValue
from cmr_ssp.reports.bullseye import WEDGES, draw_bullseye, ink_on, text_of, value_range
from matplotlib.text import Text
from PIL import Image


def values(unit: str = "mm", missing: tuple[int, ...] = (6, 17)) -> list[SegmentValue]:
    return [
        SegmentValue(number, None if number in missing else number + 0.26, unit, "wall thickness", 0)
        for number in range(1, 18)
    ]


def test_places_are_those_of_the_association() -> None:
    def at(segment: int) -> tuple[float, float]:
        x, y = WEDGES[segment].middle
        return round(x, 2), round(y, 2)

    assert at(1) == (0, 0.88) and at(4) == (0, -0.88)  # anterior above, inferior below
    assert at(2)[0] < 0 < at(2)[1] and at(3)[0] < 0 > at(3)[1]  # septal left
    assert at(5)[0] > 0 > at(5)[1] and at(6)[0] > 0 < at(6)[1]
    assert [at(segment) for segment in (13, 14, 15, 16, 17)] == [
        (0, 0.38), (-0.38, 0), (0, -0.38), (0.38, 0), (0, 0),
    ]  # fmt: skip
    area = sum((wedge.outer**2 - wedge.inner**2) * wedge.span_deg / 360 for wedge in WEDGES.values())
    assert area == pytest.approx(1)


def test_figure_has_all_numbers_and_says_what_is_missing(tmp_path: Path) -> None:
    figure = draw_bullseye(values(), "Wall thickness at end diastole")
    texts = {text.get_text() for text in figure.findobj(Text)}
    assert {"1\n1.3", "16\n16.3", "6\nn/a", "anterior", "septal", "wall thickness (mm)"} <= texts
    assert not any(text.startswith("17") for text in texts)
    assert "17\n17" in {text.get_text() for text in draw_bullseye(values("%", ())).findobj(Text)}
    figure.savefig(tmp_path / "figure.png", dpi=100)
    with Image.open(tmp_path / "figure.png") as drawn:
        assert drawn.size == (393, 413)
        assert len(set(drawn.convert("L").tobytes())) > 50


def test_range_and_text() -> None:
    assert value_range(values()) == (1.0, 17.0)
    assert value_range(values("%")) == (0.0, 20.0)
    assert value_range([]) == value_range(values(missing=tuple(range(1, 18)))) == (0.0, 1.0)
    assert text_of(SegmentValue(1, -0.3, "%", "wall thickening", 0)) == "0"
    assert text_of(None) == "n/a"
    assert ink_on(1, 1, 0) == "#000000" and ink_on(0.3, 0, 0.3) == "#ffffff"
    assert draw_bullseye([]) is not None


def test_matplotlib_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(OutputError, match=r"needs the package matplotlib.*cmr-ssp\[report\]"):
        draw_bullseye(values())


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, cmr_ssp.reports.bullseye; assert not {'matplotlib', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
