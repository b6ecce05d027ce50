"""Files that claim or decompress to more than any exam are rejected early."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.errors import ImageError
from cmr_ssp.files.dicom import open_dicom, reader, sources
from cmr_ssp.files.dicom.exam_headers import read_exam
from cmr_ssp.files.dicom.pixels import RowLoader
from dicom_helpers import enhanced, image, save_exam, siemens, stored
from pydicom.uid import DeflatedExplicitVRLittleEndian


def deflated(number: int, t: int) -> object:
    data = image(number, t, series=10 + number)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return data


def test_an_archive_that_unpacks_to_much_more_than_images_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_EXPANDS_FREELY", 2**20)
    buffer = io.BytesIO()
    image().save_as(buffer, enforce_file_format=True)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("IM0001", buffer.getvalue() + bytes(2**21))
    with pytest.raises(ImageError, match="times its size, too much for images"):
        open_dicom(tmp_path / "bomb.zip")


def test_a_file_of_zeros_is_damaged_and_not_read_through(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", siemens())
    with (exam / "IM0024").open("wb") as file:
        file.write(bytes(128) + b"DICM")
        file.truncate(2**30)
    stack = open_dicom(exam)
    assert any("damaged or truncated: file 25 of 25 (IM0024)" in problem.what for problem in stack.problems)
    assert np.array_equal(stack.load(), stored())


def test_deflated_files_are_read(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", (deflated(k, t) for k in range(4) for t in range(6)))
    assert np.array_equal(open_dicom(exam).load(), stored())


def test_deflated_files_inflate_to_no_more_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exam = save_exam(tmp_path / "exam", (deflated(k, t) for k in range(4) for t in range(6)))
    monkeypatch.setattr(reader, "MAX_INFLATED_BYTES", 500)
    with pytest.raises(ImageError, match="24 of its files were left out because they are damaged"):
        open_dicom(exam)


@pytest.mark.parametrize("limit", ["MAX_HEADER_BYTES", "MAX_HEADER_READS"])
def test_headers_have_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    exam = save_exam(tmp_path / "exam", [enhanced()])
    monkeypatch.setattr(reader, limit, 50)
    with pytest.raises(ImageError, match="1 of its files were left out"):
        open_dicom(exam)


def test_files_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 900)
    with pytest.raises(
        ImageError, match="24 of its files were left out because they are larger than any image"
    ):
        open_dicom(save_exam(tmp_path / "exam", siemens()))


def test_running_out_of_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    exam = save_exam(tmp_path / "exam", siemens())
    stack = open_dicom(exam)
    monkeypatch.setattr(RowLoader, "_read", exhausted)
    with pytest.raises(ImageError, match="pixels need more memory than is available"):
        stack.load()
    read_exam.cache_clear()
    monkeypatch.setattr("cmr_ssp.files.dicom.headers._read", exhausted)
    with pytest.raises(ImageError, match="headers need more memory than is available"):
        open_dicom(exam)
    read_exam.cache_clear()


def test_a_file_that_was_replaced_is_refused(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", siemens())
    stack = open_dicom(exam)
    save_exam(tmp_path / "other", [image(0, 0, series=10, pixels=stored([3])[5, 0])])
    (tmp_path / "other" / "IM0000").replace(exam / "IM0000")
    with pytest.raises(ImageError, match="changed after it was listed"):
        stack.load()
    assert not np.array_equal(open_dicom(exam).load(), stored())
