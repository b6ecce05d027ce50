"""cvi42 workspaces, created to match published parsers, since no real export was available."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import LabelError, Severity
from cmr_ssp.files.contours.cvi42 import read_cvi42, stack_labels
from contour_helpers import CENTRE, circle, contour, workspace

UIDS = ("1.2.840.1", "1.2.840.2", "1.2.840.3")
SHAPE = (40, 50)
"""Column and row."""


def test_contours_become_structures(tmp_path: Path) -> None:
    both = contour("saendocardialContour", circle(8)) + contour("saepicardialContour", circle(12))
    right = contour("sarvendocardialContour", circle(5, (40.0, 19.0)), scale=1)
    path = workspace(tmp_path / "a.cvi42wsx", {UIDS[0]: both + right, UIDS[2]: both})
    found = read_cvi42(path)
    labels, drawn = stack_labels(found, UIDS, SHAPE)
    assert drawn == set(Structure)
    row, column = np.indices(SHAPE)
    away = np.hypot(column - CENTRE[0], row - CENTRE[1])
    clear = (np.abs(away - 8) > 0.5) & (np.abs(away - 12) > 0.5)
    expected = np.where(away < 8, 1, np.where(away < 12, 2, 0))
    assert np.array_equal(labels[2][clear], expected[clear])
    assert abs(int((labels[2] == Structure.LV).sum()) - np.pi * 64) < 6
    assert not labels[1].any()
    assert (labels[0][19, 38:44] == Structure.RV).all()
    assert [problem.severity for problem in found.problems] == [Severity.WARNING]
    assert "never checked against a real export" in found.problems[0].what


def test_an_epicardium_alone_draws_nothing(tmp_path: Path) -> None:
    path = workspace(tmp_path / "a.xml", {UIDS[0]: contour("saepicardialContour", circle(12))})
    labels, drawn = stack_labels(read_cvi42(path), UIDS, SHAPE)
    assert not labels.any()
    assert not drawn


def test_two_contours_of_one_kind_and_others(tmp_path: Path) -> None:
    inner = contour("sarvendocardialContour", circle(4, (10.0, 10.0)))
    inner += contour("sarvendocardialContour0001", circle(4, (30.0, 30.0)))
    inner += contour("laendocardialContour", circle(4))
    found = read_cvi42(workspace(tmp_path / "a.xml", {UIDS[0]: inner}))
    labels, _ = stack_labels(found, UIDS[:1], SHAPE)
    assert labels[0, 10, 10] == labels[0, 30, 30] == Structure.RV
    assert "laendocardialContour" in found.problems[1].what


BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY b SYSTEM "file:///etc/passwd">]>"""


@pytest.mark.parametrize("head", [BOMB, OUTSIDE, "<!DOCTYPE x SYSTEM 'http://localhost/x.dtd'>"])
def test_document_types_and_entities_are_refused(tmp_path: Path, head: str) -> None:
    inner = contour("saendocardialContour", circle(8))
    with pytest.raises(LabelError, match="declares a document type"):
        read_cvi42(workspace(tmp_path / "a.xml", {UIDS[0]: inner}, head))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no xml",
        b"<a/>",
        b"<a>" * 5000,
        b"<a>&b;</a>",
        b"\xff\xfe\x00",
        b"<?xml version='1.0' encoding='klingon'?><a/>",
    ],
)
def test_what_is_no_workspace(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    with pytest.raises(LabelError):
        read_cvi42(path)
    with pytest.raises(LabelError):
        read_cvi42(tmp_path / "missing.xml")


@pytest.mark.parametrize(
    ("old", "new"), [(">4</Hash", ">0</Hash"), (">4</Hash", ">x</Hash"), (">128<", ">nan<")]
)
def test_numbers_that_make_no_sense(tmp_path: Path, old: str, new: str) -> None:
    path = workspace(tmp_path / "a.xml", {UIDS[0]: contour("saendocardialContour", circle(8))})
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(LabelError):
        read_cvi42(path)
