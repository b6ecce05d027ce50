"""Cohorts of DICOM exams, and `cmr-ssp convert`: folder names that identify people do not appear."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.cli import main
from cmr_ssp.errors import CohortError, Severity
from cmr_ssp.files import check_pixels, exam_id, open_cine, open_cohort, open_stack
from cmr_ssp.samples.bank.building import slice_bank
from dicom_helpers import FRAMES, SLICES, image, long_axis, save_exam, secrets_in, siemens, stored, values
from files_helpers import fingerprint, pixels, save


def person(folder: Path, name: str, number: int, **fields: object) -> Path:
    """Write the exam of a person into a folder with that name."""
    images = siemens(study_seed=f"study {number}", **({"PatientID": f"MRN{4700 + number}"} | fields))
    return save_exam(folder / name, images)


def ids(folder: Path) -> dict[str, str]:
    """Return the ids of the usable subjects by the names of their folders."""
    return {subject.frames[0].path.name: subject.id for subject in open_cohort(folder).subjects}


@pytest.fixture
def coded(tmp_path: Path) -> Path:
    for number, name in enumerate(["p02", "p01", "p03"]):
        person(tmp_path / "cohort", name, number)
    return tmp_path / "cohort"


def test_subjects_are_called_by_the_ids_of_their_exams(coded: Path) -> None:
    exam = coded / "p03"
    shutil.make_archive(str(coded / "p04"), "zip", exam)
    shutil.rmtree(exam)
    cohort = open_cohort(coded)
    assert (cohort.layout, cohort.problems) == ("DICOM exams", ())
    assert [subject.id for subject in cohort.subjects] == sorted(map(exam_id, coded.iterdir()))
    for subject in cohort.subjects:
        assert (subject.vendor, len(subject.frames)) == ("Siemens", FRAMES)
        assert np.array_equal(open_stack(subject).load(), stored())
    assert check_pixels(cohort) == ()


def test_one_exam_is_a_cohort_of_one(coded: Path) -> None:
    assert list(ids(coded / "p01")) == ["p01"]
    assert set(ids(coded.parent)) == {"p01", "p02", "p03"}


def test_a_folder_a_series_is_one_exam(tmp_path: Path) -> None:
    for k in range(SLICES):
        save_exam(tmp_path / "exam7" / f"series{k}", siemens([k]))
    save_exam(tmp_path / "exam7" / "other", long_axis())
    (subject,) = open_cohort(tmp_path / "exam7").subjects
    assert subject.id == exam_id(tmp_path / "exam7")
    assert np.array_equal(open_stack(subject).load(), stored())


@pytest.mark.parametrize(
    "name", ["Roe^Richard", "mrn4701", "JANE_DOE", "19610203", "1961-02-03", "A1234567", "study01"]
)
def test_no_folder_lends_its_name(coded: Path, name: str) -> None:
    person(coded, name, 1)
    cohort = open_cohort(coded)
    assert all(re.fullmatch(r"exam-\d{8}", subject.id) for subject in cohort.subjects)
    assert len({subject.id for subject in cohort.subjects}) == 4


def test_an_id_belongs_to_the_images_wherever_they_lie(coded: Path, tmp_path: Path) -> None:
    before = ids(coded)
    (coded / "p01").rename(tmp_path / "Doe^Jane")
    for number, file in enumerate(sorted((tmp_path / "Doe^Jane").iterdir(), reverse=True)):
        file.rename(file.with_name(f"I{number}"))
    archive = Path(shutil.make_archive(str(tmp_path / "19610203"), "zip", tmp_path / "Doe^Jane"))
    assert exam_id(tmp_path / "Doe^Jane") == exam_id(archive) == before["p01"]
    assert ids(archive) == {archive.name: before["p01"]}
    assert ids(coded) == {name: before[name] for name in ("p02", "p03")}


def test_two_exams_opened_one_after_the_other_have_two_ids(coded: Path) -> None:
    """In any order, alone or together; otherwise results of the second would replace those of the first."""
    together = ids(coded)
    alone = [ids(coded / name) for name in ("p02", "p01", "p02", "p03")]
    assert alone == [{name: together[name]} for name in ("p02", "p01", "p02", "p03")]
    assert len(set(together.values())) == 3


@pytest.mark.parametrize("lost", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_exams_without_identifiers_have_ids_of_their_own(coded: Path, lost: str) -> None:
    for number in (7, 8):
        exam = person(coded, f"x{number}", number, **{lost: None, "ProtocolName": f"n{number}"})
        archive = Path(shutil.make_archive(str(coded.parent / f"x{number}"), "zip", exam))
        assert exam_id(archive) == exam_id(exam)
    assert len(set(ids(coded).values())) == 5


def test_identifiers_that_an_anonymiser_made_alike_do_not_join_people(coded: Path) -> None:
    alike = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "PatientID": "anonymous"}
    for name, number in (("x", 7), ("y", 8)):
        person(coded, name, number, **alike)
    assert len(set(ids(coded).values())) == 5


def test_copies_of_an_exam_count_once(coded: Path) -> None:
    shutil.copytree(coded / "p02", coded / "Doe^Jane")
    cohort = open_cohort(coded)
    assert len(cohort.subjects) == 3
    (problem,) = cohort.problems
    assert (problem.severity, problem.where) == (Severity.WARNING, f"subject {exam_id(coded / 'p02')}")
    assert "2 times" in problem.what


def test_exams_of_one_person_are_pointed_out(coded: Path) -> None:
    person(coded, "later", 9, PatientID="MRN4701")
    cohort = open_cohort(coded)
    assert len(cohort.subjects) == 4
    (problem,) = cohort.problems
    assert problem.severity is Severity.WARNING
    assert {exam_id(coded / name) for name in ("p01", "later")} == set(re.findall(r"exam-\d+", problem.where))
    assert "the same role in the split" in problem.remedy
    assert not secrets_in(str(problem))


def test_problems_of_an_exam_name_its_pseudonym(coded: Path) -> None:
    person(coded, "Roe^Richard", 8, slices=[0, 1, 3, 4])
    cohort = open_cohort(coded)
    assert set(ids(coded)) == {"p01", "p02", "p03"}
    (error,) = [problem for problem in cohort.problems if problem.severity is Severity.ERROR]
    assert (error.where, "gap" in error.what) == (f"subject {exam_id(coded / 'Roe^Richard')}", True)
    assert "Roe" not in " ".join(map(str, cohort.problems))


def test_pixel_problems_name_the_pseudonym_too(coded: Path) -> None:
    black = [
        image(k, t, series=10, study_seed="b", pixels=values(k, t) * (t != 2))
        for k in range(SLICES)
        for t in range(FRAMES)
    ]
    save_exam(coded / "Roe^Richard", black)
    found = check_pixels(open_cohort(coded))
    assert [problem.where for problem in found] == [f"subject {exam_id(coded / 'Roe^Richard')}"]
    assert "all pixels of frame 2" in found[0].what


def test_a_damaged_archive_is_reported(coded: Path) -> None:
    (coded / "Roe^Richard.zip").write_bytes(b"PK")
    cohort = open_cohort(coded)
    assert set(ids(coded)) == {"p01", "p02", "p03"}
    assert "cannot be read as a zip archive" in " ".join(map(str, cohort.problems))
    assert "Roe" not in " ".join(map(str, cohort.problems))


def test_nifti_beside_zips_stays_what_it_is(coded: Path) -> None:
    save(coded / "a.nii.gz", pixels(6, 5, 4, 3))
    assert open_cohort(coded).layout == "plain folder"


def test_a_folder_of_nifti_beside_exams_stays_what_it_is(coded: Path) -> None:
    (coded / "nifti").mkdir()
    save(coded / "nifti" / "a.nii.gz", pixels(6, 5, 4, 3))
    cohort = open_cohort(coded / "nifti")
    assert (cohort.layout, [subject.id for subject in cohort.subjects]) == ("plain folder", ["a"])


def test_no_dicom_no_cohort(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.bin").write_bytes(bytes(400))
    with pytest.raises(CohortError, match="DICOM exams"):
        open_cohort(tmp_path)


def test_the_bank_sees_a_changed_exam(coded: Path, tmp_path: Path) -> None:
    subjects = open_cohort(coded).subjects
    first = slice_bank(subjects, tmp_path / "banks")
    assert slice_bank(subjects, tmp_path / "banks").folder == first.folder
    file = sorted((coded / "p01").iterdir())[0]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content + b"\0\0")
    assert slice_bank(open_cohort(coded).subjects, tmp_path / "banks").folder != first.folder


def run(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    exam = person(tmp_path / "Doe^Jane", "MRN4711", 11)
    save_exam(exam, long_axis())
    before = fingerprint(exam)
    monkeypatch.chdir(tmp_path)
    assert run("convert", exam, "-o", "cine.nii.gz") == 0
    said = capsys.readouterr()
    assert "series 10 to 13" in said.out
    assert "fewer than 3 parallel slices" in said.out
    assert said.out.count("0 to 200") == SLICES
    assert "4 slices x 6 frames -> cine.nii.gz" in said.out
    assert not secrets_in(said.out + said.err)
    assert np.array_equal(open_cine(Path("cine.nii.gz")).load(), stored())
    assert fingerprint(exam) == before


def test_convert_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    exam = save_exam(tmp_path / "exam", siemens([0, 1, 3, 4]))
    out = tmp_path / "cine.nii.gz"
    assert run("convert", exam, "-o", out) == 1
    said = capsys.readouterr()
    assert "--missing-slice skip" in said.err
    assert "Traceback" not in said.err
    assert not out.exists()
    assert run("convert", exam, "-o", out, "--missing-slice", "interpolate") == 0
    assert "interpolated between their neighbours" in capsys.readouterr().out
    other = tmp_path / "other.nii.gz"
    save(other, pixels(6, 5, 4, 3))
    content = other.read_bytes()
    assert run("convert", exam, "-o", other, "--missing-slice", "skip") == 1
    assert "is not a cine of this program" in capsys.readouterr().err
    assert other.read_bytes() == content


def test_cohort_check_prints_no_name(
    coded: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    person(coded, "Doe^Jane", 9)
    assert run("cohort", "check", coded) == 0
    said = capsys.readouterr()
    assert exam_id(coded / "Doe^Jane") in said.out
    assert not secrets_in(said.out + said.err)
