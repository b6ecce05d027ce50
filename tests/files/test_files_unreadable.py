"""Unreadable folders and special files are left out with a warning, and pipes do not block."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.errors import CohortError, ImageError, Problem, Severity
from cmr_ssp.files import exam_id, open_cine, open_cohort, open_stack
from cmr_ssp.files.dicom import open_dicom
from cmr_ssp.subjects import Cohort
from cohort_helpers import write_beating_cohort
from dicom_helpers import save_exam, siemens, stored
from files_helpers import pixels, save

SHAPE = (12, 12, 6)
NOBODY = 65534

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs permissions, pipes and links of POSIX")


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder accessible to other users, unlike `tmp_path`."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


def listed_by_somebody_else(folder: Path) -> Cohort:
    """List a cohort as another user, since root may read everything."""
    open_cohort(folder)  # loads what that user may perhaps not load
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        return open_cohort(folder)
    finally:
        os.seteuid(user)


def said(cohort: Cohort, what: str) -> list[Problem]:
    return [problem for problem in cohort.problems if what in problem.what]


def layouts(folder: Path) -> None:
    """Write a small cohort of each layout that looks into subjects' folders."""
    for name in ("frame01", "frame02"):
        save(folder / "acdc" / "patient001" / f"patient001_{name}.nii.gz", pixels(*SHAPE))
    (folder / "acdc" / "patient001" / "Info.cfg").write_text("ED: 1\nES: 2\n")
    save(folder / "mnms" / "A1B2C3" / "A1B2C3_sa_ED.nii.gz", pixels(*SHAPE))
    save(folder / "mnms2" / "001" / "001_SA_ED.nii.gz", pixels(*SHAPE))
    save(folder / "plain" / "anna.nii.gz", pixels(*SHAPE))
    save(folder / "nnunet" / "imagesTr" / "anna_0000.nii.gz", pixels(*SHAPE))
    save_exam(folder / "dicom" / "one", siemens())


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
def test_a_folder_that_may_not_be_read_stops_nothing(place: Path, mode: int) -> None:
    layouts(place)
    for cohort in sorted(place.iterdir()):
        (cohort / "lost+found").mkdir()
        (cohort / "lost+found" / "x").mkdir()
        (cohort / "lost+found").chmod(mode)
        found = listed_by_somebody_else(cohort)
        assert len(found.subjects) == 1, cohort.name
        (warning,) = said(found, "cannot be read and are left out")
        assert (warning.severity, warning.where) == (Severity.WARNING, str(cohort))
        assert "1 of its folders" in warning.what


def test_unreadable_files_of_an_exam_are_counted(place: Path) -> None:
    exam = save_exam(place / "exams" / "one", siemens([0, 1, 2]))
    save_exam(exam / "closed", siemens([3]))
    (exam / "IM0030").write_bytes(b"secret")
    (exam / "IM0030").chmod(0)
    (exam / "closed").chmod(0)
    (warning,) = said(
        listed_by_somebody_else(place / "exams"), "left out because they cannot be read without permission"
    )
    assert "2 of its files" in warning.what
    assert "(IM0030)" in warning.what


def odd_files(folder: Path) -> list[Path]:
    """Create special files: a dead link, a circular link, a pipe, a socket and a device."""
    (folder / "IM8001").symlink_to(folder / "gone")
    (folder / "IM8002").symlink_to(folder / "IM8002")
    os.mkfifo(folder / "IM8003")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(folder)  # such names must be short
        listening.bind("IM8004")
        os.chdir(here)
    (folder / "IM8005").symlink_to("/dev/zero")
    return sorted(folder.glob("IM800*"))


def test_what_is_no_file_is_left_out_of_an_exam(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exams" / "one", siemens())
    assert len(odd_files(exam)) == 5
    stack = open_dicom(exam)
    assert np.array_equal(stack.load(), stored())
    (problem,) = stack.problems
    assert problem.severity is Severity.WARNING
    assert "5 of its files were left out because they are broken links, pipes or devices" in problem.what
    assert "file 25 of 29 (IM8001)" in problem.what
    cohort = open_cohort(tmp_path / "exams")
    assert [subject.id for subject in cohort.subjects] == [exam_id(exam)]
    assert np.array_equal(open_stack(cohort.subjects[0]).load(), stored())


def test_a_pipe_that_stands_for_an_exam_is_refused(tmp_path: Path) -> None:
    for name in ("a.dcm", "a.zip", "a.nii.gz"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(ImageError, match=r"no file|not exist"):
            open_cine(tmp_path / name)


@pytest.mark.parametrize(
    "name",
    ["subjects.csv", "info.csv", "cohort.yaml", "b.nii.gz", "b_ED_gt.nii.gz", "Info.cfg", "dataset.json"],
)
def test_pipes_in_a_cohort_are_not_waited_for(tmp_path: Path, name: str) -> None:
    layouts(tmp_path)
    for folder in ("acdc", "acdc/patient001", "mnms", "plain", "nnunet"):
        path = tmp_path / folder / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    for folder in ("acdc", "mnms", "plain", "nnunet"):
        try:
            open_cohort(tmp_path / folder)
        except CohortError as error:  # two layouts in one folder
            assert error.problems


def test_a_beating_cohort_with_a_dead_link_is_listed(tmp_path: Path) -> None:
    folder = write_beating_cohort(tmp_path / "cohort", "ab")
    (folder / "c.nii.gz").symlink_to(tmp_path / "gone.nii.gz")
    cohort = open_cohort(folder)
    assert [subject.id for subject in cohort.subjects] == ["a", "b"]
    assert any("c.nii.gz" in problem.where for problem in cohort.problems)
