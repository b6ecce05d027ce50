"""cvi42 workspaces beside DICOM exams, from listing to a slice bank."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import LabelError, Severity
from cmr_ssp.files import check_pixels, open_cohort, read_segmentation, resolve_subject
from cmr_ssp.files.layouts.dicom_exams import reopen_exam
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.subjects import ContourFormat, ContourSource, SortOptions
from contour_helpers import contour, workspace
from dicom_helpers import SLICES, save_exam, siemens
from pydicom import dcmread

ED, ES = 1, 4


def box(low: float, high: float) -> np.ndarray:
    return np.array([(low, low), (high, low), (high, high), (low, high)])


def drawn_on(exam: Path) -> dict[str, str]:
    """Draw LV and MYO on all slices at ED, and a smaller LV at ES."""
    images = [dcmread(path) for path in sorted(exam.iterdir()) if path.suffix != ".cvi42wsx"]
    of_frame = {int(image.InstanceNumber) - 1: "" for image in images}
    of_frame[ED] = contour("saendocardialContour", box(0.5, 3.5)) + contour(
        "saepicardialContour", box(-0.5, 4.5)
    )
    of_frame[ES] = contour("saendocardialContour", box(1.5, 2.5))
    return {
        image.SOPInstanceUID: of_frame[image.InstanceNumber - 1]
        for image in images
        if of_frame[image.InstanceNumber - 1]
    }


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    return save_exam(tmp_path / "cohort" / "Doe^Jane", siemens(SpecificCharacterSet="ISO_IR 100"))


@pytest.mark.parametrize("inside", [True, False])
def test_labels_come_from_the_workspace(exam: Path, inside: bool, tmp_path: Path) -> None:
    place = exam if inside else exam.parent
    workspace(place / "Doe^Jane.cvi42wsx", drawn_on(exam))
    cohort = open_cohort(tmp_path / "cohort")
    (subject,) = cohort.subjects
    assert cohort.layout == "DICOM exams"
    assert {label.phase: label.listed_frame for label in subject.labels} == {Phase.ED: ED, Phase.ES: ES}
    assert {label.source for label in subject.labels} == {
        ContourSource(place / "Doe^Jane.cvi42wsx", ContourFormat.CVI42)
    }
    (problem,) = cohort.problems
    assert problem.severity is Severity.WARNING
    assert "never checked against a real export" in problem.what
    assert "Doe" not in str(problem)
    resolved = resolve_subject(subject)
    drawing = read_segmentation(resolved, Phase.ED)
    assert drawing.drawn == {Structure.LV, Structure.MYO}
    assert [int((drawing.labels[k] == Structure.LV).sum()) for k in range(SLICES)] == [9] * SLICES
    assert not [problem for problem in check_pixels(cohort) if problem.severity is Severity.ERROR]
    assert slice_bank([subject], tmp_path / "banks").index["drawn"].any()


def test_a_workspace_of_other_images_labels_nothing(exam: Path) -> None:
    other = save_exam(exam.parent.parent / "other", siemens(study_seed="other"))
    workspace(exam.parent / "b.cvi42wsx", drawn_on(other))
    cohort = open_cohort(exam.parent)
    assert (cohort.subjects[0].labels, cohort.problems) == ((), ())


def test_a_second_workspace_and_a_damaged_one_are_told(exam: Path) -> None:
    first = workspace(exam / "a.cvi42wsx", drawn_on(exam))
    shutil.copy(first, exam / "b.cvi42wsx")
    (exam / "c.cvi42wsx").write_text("no xml")
    cohort = open_cohort(exam.parent)
    assert {label.source.path for label in cohort.subjects[0].labels} == {first}
    said = " ".join(problem.what for problem in cohort.problems)
    assert "a second cvi42 workspace" in said
    assert "cannot be read as a cvi42 workspace" in said
    assert not any("Doe" in problem.where for problem in cohort.problems)


def test_contours_follow_another_way_of_sorting(exam: Path) -> None:
    workspace(exam / "a.cvi42wsx", drawn_on(exam))
    (subject,) = open_cohort(exam.parent).subjects
    again, stack = reopen_exam(subject, SortOptions(repeated="first"))
    assert again.labels == subject.labels
    assert any("real export" in problem.what for problem in stack.problems)


def test_a_workspace_that_changed_since_listing(exam: Path) -> None:
    path = workspace(exam / "a.cvi42wsx", drawn_on(exam))
    resolved = resolve_subject(open_cohort(exam.parent).subjects[0])
    workspace(path, {"1.2.3": contour("saendocardialContour", box(0.5, 3.5))})
    with pytest.raises(LabelError, match="to none of the images"):
        read_segmentation(resolved, Phase.ED)
