"""The one-page report: one page, all it must say, no identity, and the same bytes for the same results."""

from __future__ import annotations

import io
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.errors import OutputError
from cmr_ssp.function import FunctionChoices, MeasuredCine, Scan, SliceMeasures, cardiac_function
from cmr_ssp.function.segments import Orientation
from cmr_ssp.reports.function_page import DISCLAIMER, ReportText, report_pdf, require_report, write_report

SPACING_MM = (8.0, 1.4, 1.4)

pypdf = pytest.importorskip("pypdf")


@pytest.fixture(scope="module")
def found() -> MeasuredCine:
    rows, columns = np.ogrid[:128, :128]
    distance = np.hypot(rows - 64, columns - 70)
    labels = np.zeros((20, 9, 128, 128), np.uint8)
    for frame in range(20):
        radius = 20 - 6 * np.sin(np.pi * frame / 20)
        labels[frame, :, distance < radius + 9] = 2
        labels[frame, :, distance < radius] = 1
    labels[:, :, np.hypot(rows - 60, columns - 30) < 14] = 3
    pixels = np.random.default_rng(0).normal(100, 20, labels.shape).astype(np.float32)
    scan, choices = (
        Scan((8.0, 1.4, 1.4), 0.04, orientation=Orientation()),
        FunctionChoices(height_cm=170, weight_kg=70),
    )
    measures = SliceMeasures.of(labels, SPACING_MM, pixels)
    function = cardiac_function(measures, scan, choices)
    return MeasuredCine(
        function, choices, scan, labels, measures, pixels, "The contours were made by a test."
    )


def text_of(pdf: bytes) -> tuple[int, str]:
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return len(pages), " ".join(" ".join(page.extract_text().split()) for page in pages)


def test_one_page_says_it_all_in_less_than_five_seconds(found: MeasuredCine) -> None:
    report_pdf(found, ReportText("warm up"))  # imports and fonts
    began = time.process_time()
    pdf = report_pdf(found, ReportText("case 7", ("Slice 3 has a gap.",), ("EF 55 to 61 %.",)))
    assert time.process_time() - began < 5
    n_pages, text = text_of(pdf)
    assert n_pages == 1
    assert DISCLAIMER in text
    for quantity in found.function.quantities:
        if quantity.value is not None:
            assert quantity.name in text and quantity.text in text
    for part in ("case 7", "Slice 3 has a gap.", "EF 55 to 61 %.", found.origin, "8 mm", "ED frame 0"):
        assert part in text


def test_many_flags_stay_on_one_page(found: MeasuredCine) -> None:
    flags = tuple(f"Something odd and long to say about slice {k}, " * 3 for k in range(40))
    n_pages, text = text_of(report_pdf(found, ReportText("x", flags)))
    assert n_pages == 1
    assert "32 more" in text


def test_signs_of_markup_in_a_title_are_text(found: MeasuredCine) -> None:
    assert "<b>A & B</b>" in text_of(report_pdf(found, ReportText("<b>A & B</b>")))[1]


def test_equal_results_give_equal_bytes(found: MeasuredCine) -> None:
    one, other = (report_pdf(found, ReportText("x")) for _ in range(2))
    assert one == other


def test_ed_and_es_alone_and_nothing_drawn_make_a_page(found: MeasuredCine) -> None:
    labels = found.labels[[0, 10]]
    for drawn in (labels, np.zeros_like(labels)):
        measures = SliceMeasures.of(drawn, SPACING_MM)
        choices = FunctionChoices(phases={Phase.ED: 0, Phase.ES: 1})
        function = cardiac_function(measures, found.scan, choices)
        pair = replace(found, function=function, labels=drawn, measures=measures, pixels=None)
        n_pages, text = text_of(report_pdf(pair, ReportText("pair")))
        assert n_pages == 1
        assert "No curve" in text


def test_dicom_holds_the_page_and_names_nobody(found: MeasuredCine, tmp_path: Path) -> None:
    path = tmp_path / "report.dcm"
    write_report(path, found, ReportText("case 7"))
    document = pydicom.dcmread(path)
    assert document.MIMETypeOfEncapsulatedDocument == "application/pdf"
    pdf = document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]
    assert text_of(pdf)[0] == 1
    assert document.PatientName == "" and document.PatientID == ""
    write_report(path, found, ReportText("case 7"))  # again, over its own
    checker = shutil.which("dciodvfy")
    if checker is not None:
        said = subprocess.run([checker, str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in said.stdout + said.stderr


def test_only_own_reports_are_replaced(found: MeasuredCine, tmp_path: Path) -> None:
    foreign = tmp_path / "letter.pdf"
    foreign.write_bytes(b"%PDF a letter")
    for path, said in ((foreign, "not a report"), (tmp_path / "x.txt", "cannot end in")):
        with pytest.raises(OutputError, match=said):
            require_report(path)
    own = tmp_path / "own.pdf"
    write_report(own, found, ReportText("x"))
    require_report(own)
