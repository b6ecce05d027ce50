"""Sunnybrook as distributed: DICOM images of a patient, and contours in a folder of the same name."""

from __future__ import annotations

import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.files import check_pixels, open_cohort, open_stack, read_segmentation, resolve_subject
from cmr_ssp.samples.bank.building import slice_bank
from dicom_helpers import FRAMES, SLICES, one_series, save_exam, stored
from files_helpers import fingerprint


def contour(folder: Path, image: int, kind: str, left: float, right: float) -> Path:
    path = folder / "contours-manual" / "IRCCI-expert" / f"IM-0001-{image:04d}-{kind}contour-manual.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    points = [(left, left), (right, left), (right, right), (left, right)]
    path.write_text("".join(f"{x} {y}\n" for x, y in points))
    return path


def draw(folder: Path, ed: int = 1, es: int = 4) -> None:
    """Draw two basal slices: LV and MYO at ED, a smaller LV alone at ES."""
    for k in range(2):
        contour(folder, k * FRAMES + ed + 1, "i", 0.5, 3.5)
        contour(folder, k * FRAMES + ed + 1, "o", -0.5, 4.4)
        contour(folder, k * FRAMES + es + 1, "i", 1.5, 2.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "SCD"
    for number, name in enumerate(["SC-HF-I-1", "SC-N-02", "SC-N-03"]):
        save_exam(top / "SCD_IMAGES" / name, one_series(study_seed=f"study {number}", PatientID=f"N{number}"))
    for name in ("SC-HF-I-01", "SC-N-2", "SC-N-40"):
        draw(top / "SCD_ManualContours" / name)
    return top


def test_contours_find_their_images(folder: Path) -> None:
    before = fingerprint(folder)
    for named in (folder, folder.parent):
        cohort = open_cohort(named)
        assert cohort.layout == "Sunnybrook contours"
        assert [subject.id for subject in cohort.subjects] == ["SC-HF-I-1", "SC-N-02", "SC-N-03"]
        (problem,) = cohort.problems
        assert "SC-N-40" in problem.where
    assert cohort.subject("SC-N-03").labels == ()
    subject = cohort.subject("SC-HF-I-1")
    assert {label.phase: label.listed_frame for label in subject.labels} == {Phase.ED: 1, Phase.ES: 4}
    assert np.array_equal(open_stack(subject).load(), stored())
    ed, es = (read_segmentation(resolve_subject(subject), phase) for phase in Phase)
    assert ed.drawn == {Structure.LV, Structure.MYO}
    assert es.drawn == {Structure.LV}
    assert [int((ed.labels[k] == Structure.LV).sum()) for k in range(SLICES)] == [9, 9, 0, 0]
    assert [int((ed.labels[k] == Structure.MYO).sum()) for k in range(SLICES)] == [16, 16, 0, 0]
    assert [int((es.labels[k] > 0).sum()) for k in range(SLICES)] == [1, 1, 0, 0]
    assert check_pixels(cohort) == ()
    assert fingerprint(folder) == before


def test_a_table_tells_which_images_are_whose(folder: Path) -> None:
    (folder / "SCD_IMAGES" / "SC-HF-I-1").rename(folder / "SCD_IMAGES" / "SCD0000101")
    lost = open_cohort(folder)
    assert lost.subject("SCD0000101").labels == ()
    assert len(lost.problems) == 2
    (folder / "scd_patientdata.csv").write_text("PatientID,OriginalID,Age\nSCD0000101,SC-HF-I-01,60\n")
    found = open_cohort(folder)
    assert found.subject("SCD0000101").phases == (Phase.ED, Phase.ES)
    assert len(found.problems) == 1


def test_a_patient_whose_contours_are_wrong_is_left_out(folder: Path) -> None:
    contour(folder / "SCD_ManualContours" / "SC-HF-I-01", SLICES * FRAMES + 1, "i", 1, 3)
    cohort = open_cohort(folder)
    assert [subject.id for subject in cohort.subjects] == ["SC-N-02", "SC-N-03"]
    assert any("image 25 is not among the 4 x 6" in problem.what for problem in cohort.problems)


def test_a_changed_contour_makes_another_bank(folder: Path, tmp_path: Path) -> None:
    first = slice_bank(open_cohort(folder).subjects[:1], tmp_path / "banks").folder
    assert slice_bank(open_cohort(folder).subjects[:1], tmp_path / "banks").folder == first
    contour(folder / "SCD_ManualContours" / "SC-HF-I-01", 2, "i", 0.5, 2.55)
    assert slice_bank(open_cohort(folder).subjects[:1], tmp_path / "banks").folder != first


def test_the_public_exam_equals_its_nifti_twin(real_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(real_data / "sunnybrook" / "SCD0000301_dicom.zip") as archive:
        archive.extractall(tmp_path / "zip")
    (tmp_path / "all" / "contours" / "SCD0000301").mkdir(parents=True)
    (tmp_path / "all" / "images").mkdir()
    (tmp_path / "zip" / "contours").rename(tmp_path / "all" / "contours" / "SCD0000301" / "contours-manual")
    (tmp_path / "zip" / "SCD0000301").rename(tmp_path / "all" / "images" / "SCD0000301")
    cohort = open_cohort(tmp_path / "all")
    (subject,) = cohort.subjects
    for phase, frame in ((Phase.ED, 19), (Phase.ES, 6)):
        drawn = read_segmentation(resolve_subject(subject), phase)
        twin = nib.load(real_data / "sunnybrook" / f"SCD0000301_frame{frame + 1:02d}_gt.nii.gz")
        theirs = np.asarray(twin.dataobj).T[::-1]  # the file starts at the apex
        assert drawn.frame == frame
        assert np.array_equal(drawn.labels, np.array([0, 0, 2, 1], np.uint8)[theirs])
