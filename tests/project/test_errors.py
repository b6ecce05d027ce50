"""What is kept of a problem names no folder."""

from __future__ import annotations

import pytest
from cmr_ssp.errors import Problem


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("/data/Doe^Jane/anna.nii.gz", "anna.nii.gz"),
        ("C:\\scans\\Doe Jane\\split.yaml", "split.yaml"),
        ("/data/Doe^Jane.zip", "a file or folder"),
        ("/data/19610203", "a file or folder"),
        ("exams/Doe.dcm", "a file or folder"),
        ("subject exam-12345678", "subject exam-12345678"),
        ("crop.centre", "crop.centre"),
    ],
)
def test_folders_are_left_out_of_where(where: str, expected: str) -> None:
    assert Problem(where, "it is damaged", "Copy it.").without_paths().where == expected


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("FileNotFoundError: [Errno 2] No such file: '/data/Doe Jane/IM1'", "a file or folder'"),
        ("it equals /data/Doe Jane/x.nii.gz, or not", "it equals x.nii.gz, or not"),
        ("ED/ES and LV/RV of 3/4 subjects", "ED/ES and LV/RV of 3/4 subjects"),
        ("it is called a/b", "it is called a/b"),
    ],
)
def test_paths_are_left_out_of_sentences(what: str, expected: str) -> None:
    found = Problem("anna", what, "Copy /data/Doe/scan.zip again.").without_paths()
    assert found.what.endswith(expected)
    assert "Doe" not in str(found)
