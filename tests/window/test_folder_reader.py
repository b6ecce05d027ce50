"""Cohort folders and DICOM exams opened by napari, and folders that are left to other plugins."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.errors import ImageError
from cmr_ssp.files import exam_id
from cohort_helpers import FRAMES, write_beating_cohort
from dicom_helpers import localiser, long_axis, save_exam, secrets_in, siemens

from napari_cmr_ssp.io.folder_reader import get_folder_reader


def test_cohort_folder_shows_its_first_subject_with_labels(tmp_path: Path) -> None:
    folder = write_beating_cohort(tmp_path / "cohort", "ab")
    reader = get_folder_reader(str(folder))
    assert reader is not None
    (pixels, image, kind), (labels, reference, labels_kind) = reader(str(folder))
    assert (image["name"], kind, pixels.shape[0]) == ("a", "image", FRAMES)
    assert (reference["name"], labels_kind, labels.shape) == ("a reference", "labels", pixels.shape)
    assert image["scale"] == reference["scale"]


@pytest.mark.parametrize("zipped", [False, True])
def test_dicom_exam_is_one_layer_that_names_nobody(tmp_path: Path, zipped: bool) -> None:
    exam = save_exam(tmp_path / "DOE^JANE", siemens(), long_axis())
    source = Path(shutil.make_archive(str(tmp_path / "exam"), "zip", exam)) if zipped else exam
    reader = get_folder_reader(str(source))
    assert reader is not None
    ((pixels, about, kind),) = reader(str(source))
    assert (about["name"], kind, pixels.ndim) == (exam_id(exam), "image", 4)
    assert not secrets_in(str(about["name"]))
    assert np.ptp(pixels) > 0


def test_an_exam_without_a_short_axis_cine_is_refused_with_the_reason(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", localiser())
    reader = get_folder_reader(str(exam))
    assert reader is not None
    with pytest.raises(ImageError, match="short-axis"):
        reader(str(exam))


def test_other_folders_and_archives_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "stack_of_tiffs").mkdir()
    (tmp_path / "stack_of_tiffs" / "z0.tif").write_bytes(b"II*\0" + bytes(64))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.me").write_text("nothing")
    archive = shutil.make_archive(str(tmp_path / "code"), "zip", tmp_path / "notes")
    for other in (tmp_path / "stack_of_tiffs", tmp_path / "notes", Path(archive), tmp_path / "absent"):
        assert get_folder_reader(str(other)) is None
    assert get_folder_reader([str(tmp_path)]) is None


def test_napari_opens_a_cohort_folder(
    npe2pm: Any, make_napari_viewer: Callable[[], Any], tmp_path: Path
) -> None:
    folder = write_beating_cohort(tmp_path / "cohort", "ab")
    with npe2pm.tmp_plugin(package="napari-cmr-ssp"):
        viewer = make_napari_viewer()
        viewer.open(str(folder), plugin="napari-cmr-ssp")
        assert [layer.name for layer in viewer.layers] == ["a", "a reference"]
