from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.errors import CohortError, Severity
from cmr_ssp.files import check_pixels, open_cohort
from cmr_ssp.files.cohorts import _bad_id
from cmr_ssp.subjects import Subject, VolumeSource
from files_helpers import edit_header, fingerprint, heart, pixels, save

SHAPE = (12, 12, 6)


def pair(folder: Path, name: str, ed: np.ndarray | None = None, es: np.ndarray | None = None) -> None:
    """Write ED and ES volumes with labels, in the plain layout."""
    for phase, drawn, default in (("ED", ed, heart()), ("ES", es, heart(radius=3.0))):
        save(folder / f"{name}_{phase}.nii.gz", pixels(*SHAPE))
        save(folder / f"{name}_{phase}_gt.nii.gz", default if drawn is None else drawn)


def test_missing_empty_and_unknown_folders(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="does not exist"):
        open_cohort(tmp_path / "nowhere")
    with pytest.raises(CohortError, match="the folder is empty"):
        open_cohort(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(CohortError, match="it is a file"):
        open_cohort(tmp_path / "notes.txt")
    with pytest.raises(CohortError) as caught:
        open_cohort(tmp_path)
    for expected in ("no known layout", "ACDC", "M&Ms", "Sunnybrook", "ID_ED_gt.nii.gz"):
        assert expected in str(caught.value)


def test_several_data_sets_are_not_mixed(tmp_path: Path) -> None:
    save(tmp_path / "one" / "A_sa_ED.nii.gz", pixels(*SHAPE))
    save(tmp_path / "two" / "B_sax.nii.gz", pixels(*SHAPE, 2))
    save(tmp_path / "three" / "c.nii.gz", pixels(*SHAPE))
    with pytest.raises(CohortError, match=r"M&Ms in one; Sunnybrook in two"):
        open_cohort(tmp_path)


def test_all_broken_subjects_are_reported_at_once_and_left_out(tmp_path: Path) -> None:
    pair(tmp_path, "good")
    pair(tmp_path, "other-shape", ed=np.zeros((12, 12, 5), np.uint8))
    pair(tmp_path, "absurd")
    edit_header(tmp_path / "absurd_ED.nii.gz", dim=[4, 9999, 9999, 99, 99, 1, 1, 1])
    pair(tmp_path, "not-nifti")
    (tmp_path / "not-nifti_ES.nii.gz").write_bytes(b"")
    before = fingerprint(tmp_path)
    cohort = open_cohort(tmp_path)
    assert [subject.id for subject in cohort.subjects] == ["good"]
    where = [Path(problem.where).name for problem in cohort.problems]
    assert where == ["absurd_ED.nii.gz", "not-nifti_ES.nii.gz", "other-shape_ED_gt.nii.gz"]
    assert all(problem.severity is Severity.ERROR for problem in cohort.problems)
    assert fingerprint(tmp_path) == before


def test_check_pixels_reports_what_headers_cannot_show(tmp_path: Path) -> None:
    bad = heart().astype(np.float32)
    bad[0, 0, 0] = np.nan
    pair(tmp_path, "a-fine")
    pair(tmp_path, "b-unknown-number", ed=np.where(heart() > 0, 9, 0).astype(np.uint8))
    pair(tmp_path, "c-nan-label", es=bad)
    pair(tmp_path, "d-swapped", ed=heart(radius=3.0), es=heart())
    pair(tmp_path, "e-empty", es=np.zeros(SHAPE, np.uint8))
    pair(tmp_path, "f-apex-first", ed=heart()[..., ::-1])
    pair(tmp_path, "g-nan")
    save(tmp_path / "g-nan_ED.nii.gz", np.full(SHAPE, np.nan, np.float32))
    pair(tmp_path, "h-flat")
    save(tmp_path / "h-flat_ES.nii.gz", np.full(SHAPE, 7, np.int16))
    pair(tmp_path, "i-truncated")
    truncated = tmp_path / "i-truncated_ES.nii.gz"
    truncated.write_bytes(truncated.read_bytes()[:-200])
    before = fingerprint(tmp_path)
    cohort = open_cohort(tmp_path)
    assert len(cohort.subjects) == 9
    seen: list[tuple[int, int]] = []
    problems = check_pixels(cohort, lambda done, total: seen.append((done, total)))
    found = [(Path(problem.where).name, str(problem.severity)) for problem in problems]
    assert found == [
        ("b-unknown-number_ED_gt.nii.gz", "error"),
        ("c-nan-label_ES_gt.nii.gz", "error"),
        ("subject d-swapped", "warning"),
        ("e-empty_ES_gt.nii.gz", "warning"),
        ("f-apex-first_ED_gt.nii.gz", "warning"),
        ("g-nan_ED.nii.gz", "error"),
        ("h-flat_ES.nii.gz", "error"),
        ("i-truncated_ES.nii.gz", "error"),
    ]
    assert seen == [(done, 9) for done in range(1, 10)]
    assert fingerprint(tmp_path) == before


def test_labels_with_another_affine_are_doubted(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    save(tmp_path / "a_ED_gt.nii.gz", heart(), np.eye(4))
    cohort = open_cohort(tmp_path)
    assert len(cohort.subjects) == 1
    assert [problem.severity for problem in cohort.problems] == [Severity.WARNING]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", ".hidden", "a..b", "c:x"])
def test_ids_that_could_lead_out_of_a_folder(name: str) -> None:
    assert len(_bad_id(Subject(name, (VolumeSource(Path("x.nii")),)), [])) == 1


def test_a_file_with_dots_in_its_name_is_refused_as_a_subject(tmp_path: Path) -> None:
    save(tmp_path / "a..b.nii.gz", pixels(*SHAPE))
    cohort = open_cohort(tmp_path)
    assert cohort.subjects == ()
    assert "cannot be a subject's id" in cohort.problems[0].what


def test_two_subjects_of_one_id(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        save(tmp_path / folder / "a.nii.gz", pixels(*SHAPE))
    cohort = open_cohort(tmp_path)
    assert len(cohort.subjects) == 1
    assert "second subject" in cohort.problems[0].what
    assert "two" in cohort.problems[0].where


def test_files_that_the_system_leaves_around_are_ignored(tmp_path: Path) -> None:
    save(tmp_path / "a.nii.gz", pixels(*SHAPE))
    (tmp_path / "._a.nii.gz").write_bytes(b"resource fork")
    (tmp_path / ".DS_Store").write_bytes(b"")
    cohort = open_cohort(tmp_path)
    assert ([subject.id for subject in cohort.subjects], cohort.problems) == (["a"], ())


def test_reading_files_loads_neither_torch_nor_monai() -> None:
    heavy = ("torch", "monai", "napari")
    code = f"import sys, cmr_ssp.files; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_header_is_read_again_when_its_file_changed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", pixels(*SHAPE, 2))
    assert len(open_cohort(tmp_path).subjects[0].frames) == 2
    save(path, pixels(*SHAPE, 3))
    assert len(open_cohort(tmp_path).subjects[0].frames) == 3
    path.write_bytes(path.read_bytes()[:40])
    assert open_cohort(tmp_path).subjects == ()


def test_the_cavity_inside_the_myocardium_must_be_the_lv(tmp_path: Path) -> None:
    for name in ("right", "wrong"):
        pair(tmp_path / name, "a", heart(), heart(radius=3.0))
    (tmp_path / "wrong" / "cohort.yaml").write_text("numbering: acdc\n")
    assert check_pixels(open_cohort(tmp_path / "right")) == ()
    problems = check_pixels(open_cohort(tmp_path / "wrong"))
    doubted = [p for p in problems if "the myocardium encloses is called RV" in p.what]
    assert [Path(problem.where).name for problem in doubted] == ["a_ED_gt.nii.gz", "a_ES_gt.nii.gz"]
    assert all(problem.severity is Severity.WARNING for problem in doubted)


def test_an_open_ring_encloses_nothing(tmp_path: Path) -> None:
    labels = heart()
    labels[6, :6][labels[6, :6] == 2] = 0
    pair(tmp_path, "a", labels)
    (tmp_path / "cohort.yaml").write_text("numbering: acdc\n")
    assert [Path(p.where).name for p in check_pixels(open_cohort(tmp_path)) if "encloses" in p.what] == [
        "a_ES_gt.nii.gz"
    ]


@pytest.mark.parametrize(
    ("name", "personal"),
    [
        ("Doe_Jane", True),
        ("DOE-JANE-2", True),
        ("JaneDoe", True),
        ("Doe, Jane", True),
        ("Doe^Jane", True),
        ("case_19610203", True),
        ("03.02.1961", True),
        ("anna", False),
        ("subject_anna", False),
        ("patient001", False),
        ("A1B2C3", False),
        ("SCD0000301", False),
        ("SC-HF-NI-03", False),
        ("case_20240001", False),
        ("119610203", False),
        ("heart_LV", False),
    ],
)
def test_ids_that_look_like_people_are_pointed_out(tmp_path: Path, name: str, personal: bool) -> None:
    save(tmp_path / f"{name}.nii.gz", pixels(*SHAPE))
    cohort = open_cohort(tmp_path)
    assert [subject.id for subject in cohort.subjects] == [name]
    found = [problem for problem in cohort.problems if "names or dates of people" in problem.what]
    assert len(found) == personal
    assert all(problem.severity is Severity.WARNING and name not in str(problem) for problem in found)
