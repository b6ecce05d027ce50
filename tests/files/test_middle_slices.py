"""The middle slice of one frame, and how little is read for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.errors import ImageError
from cmr_ssp.files import open_cohort, open_stack
from cmr_ssp.files.dicom import pixels as dicom_pixels
from cmr_ssp.files.formats import frame_reading
from cmr_ssp.files.stacks import read_middle_slice
from cmr_ssp.subjects import Subject, VolumeSource, exam_frames, file_frames
from cohort_helpers import write_beating_cohort
from dicom_helpers import FRAMES, SLICES, save_exam, siemens
from files_helpers import pixels, save


def middle(subject: Subject, frame: int) -> np.ndarray:
    return open_stack(subject).load()[frame][open_stack(subject).grid.shape[0] // 2]


def counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    """Record the calls of a function."""
    calls: list[Any] = []
    real: Callable[..., Any] = getattr(module, name)

    def call(*arguments: Any) -> Any:
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(module, name, call)
    return calls


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_of_a_cine_it_reads_one_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}", pixels(9, 8, 5, 4), np.diag([1.5, 2.0, 8.0, 1.0]))
    subject = Subject("a", file_frames(path, 4))
    read = counted(monkeypatch, frame_reading, "scale")
    for frame in (0, 3):
        read.clear()
        found, spacing_mm = read_middle_slice(subject, frame)
        assert [each[0].shape for each in read] == [(5, 8, 9)]
        np.testing.assert_array_equal(found, middle(subject, frame))
        assert spacing_mm == (2.0, 1.5)


def test_of_volumes_it_reads_one_file(tmp_path: Path) -> None:
    files = [save(tmp_path / f"{n}.nii", pixels(9, 8, 5, seed=n)) for n in range(2)]
    subject = Subject("a", tuple(map(VolumeSource, files)))
    expected = middle(subject, 1)
    files[0].unlink()
    np.testing.assert_array_equal(read_middle_slice(subject, 1)[0], expected)


@pytest.mark.parametrize("is_archive", [False, True])
def test_of_an_exam_it_decodes_one_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_archive: bool
) -> None:
    place = save_exam(tmp_path / "exam", siemens())
    if is_archive:
        place = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", place))
    subject = Subject("a", exam_frames(place, FRAMES))
    expected = middle(subject, 2)
    decoded = counted(monkeypatch, dicom_pixels, "_decode")
    np.testing.assert_array_equal(read_middle_slice(subject, 2)[0], expected)
    assert len(decoded) == 1 and SLICES > 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    subject = open_cohort(write_beating_cohort(tmp_path / "cohort", "a")).subject("a")
    with pytest.raises(ImageError, match="frame 9"):
        read_middle_slice(replace(subject, frames=(replace(subject.frames[0], index=9),)))
    (tmp_path / "cohort" / "a.nii.gz").unlink()
    with pytest.raises(ImageError, match=r"a\.nii\.gz"):
        read_middle_slice(subject)
