from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import NUMBERINGS, Numbering, Phase, Structure
from cmr_ssp.errors import LabelError
from cmr_ssp.files import read_segmentation
from cmr_ssp.subjects import FrameSource, ResolvedLabel, ResolvedSubject, VolumeSource
from files_helpers import OBLIQUE, SHAPE, edit_header, pixels, save

LV, MYO, RV = Structure


def subject_with(
    folder: Path,
    labels: np.ndarray,
    numbering: Numbering = NUMBERINGS["mnms"],
    affine: np.ndarray = OBLIQUE,
    index: int | None = None,
) -> ResolvedSubject:
    """Write a two-frame cine and labels of its second frame as ED."""
    cine = save(folder / "cine.nii.gz", pixels(*SHAPE, 2), affine)
    path = save(folder / "gt.nii.gz", labels, affine)
    place = VolumeSource(path) if index is None else FrameSource(path, index)
    label = ResolvedLabel(Phase.ED, 1, place, numbering)
    return ResolvedSubject("x", (FrameSource(cine, 0), FrameSource(cine, 1)), (label,))


def drawn_in(*numbers: float, dtype: type = np.uint8) -> np.ndarray:
    labels = np.zeros(SHAPE, dtype)
    labels[: len(numbers), 0, 0] = numbers
    return labels


@pytest.mark.parametrize(("name", "expected"), [("mnms", [LV, MYO, RV]), ("acdc", [RV, MYO, LV])])
def test_numbers_become_the_engines_own(tmp_path: Path, name: str, expected: list[Structure]) -> None:
    segmentation = read_segmentation(subject_with(tmp_path, drawn_in(1, 2, 3), NUMBERINGS[name]), Phase.ED)
    assert segmentation.labels[0, 0, :3].tolist() == expected
    assert segmentation.labels.dtype == np.uint8
    assert segmentation.labels.shape == (4, 5, 6)
    assert segmentation.frame == 1
    assert segmentation.drawn == frozenset(Structure)


def test_labels_follow_the_slice_order_of_their_cine(tmp_path: Path) -> None:
    subject = subject_with(tmp_path, drawn_in(1), affine=OBLIQUE @ np.diag([1, 1, -1, 1]))
    assert read_segmentation(subject, Phase.ED).labels[3, 0, 0] == LV


def test_a_structure_without_voxel_is_not_labelled(tmp_path: Path) -> None:
    assert read_segmentation(subject_with(tmp_path, drawn_in(3, 3)), Phase.ED).drawn == {RV}
    assert read_segmentation(subject_with(tmp_path, drawn_in()), Phase.ED).drawn == frozenset()


def test_one_frame_of_4d_labels(tmp_path: Path) -> None:
    labels = np.stack([drawn_in(1), drawn_in(2)], axis=-1)
    assert read_segmentation(subject_with(tmp_path, labels, index=1), Phase.ED).drawn == {MYO}


def test_whole_numbers_stored_as_floats(tmp_path: Path) -> None:
    subject = subject_with(tmp_path, drawn_in(1, 2, dtype=np.float32))
    assert read_segmentation(subject, Phase.ED).drawn == {LV, MYO}


def test_scaled_labels(tmp_path: Path) -> None:
    subject = subject_with(tmp_path, drawn_in(2, 4))
    edit_header(subject.labels[0].source.path, scl_slope=0.5, scl_inter=0)
    assert read_segmentation(subject, Phase.ED).drawn == {LV, MYO}


def test_a_phase_that_nobody_labelled(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="subject x: it has no ES label"):
        read_segmentation(subject_with(tmp_path, drawn_in(1)), Phase.ES)


@pytest.mark.parametrize(
    ("numbers", "dtype", "message"),
    [
        ((1, 4, 7), np.uint8, "structure number 4, 7 is unknown"),
        ((1, -1), np.int16, "structure number -1 is unknown"),
        ((1, 300), np.int16, "structure number 300 is unknown"),
        ((1, 1.5), np.float32, "not integers"),
        ((1, np.nan), np.float32, "not finite"),
        ((1, np.inf), np.float32, "not finite"),
    ],
)
def test_numbers_that_are_no_structure(
    tmp_path: Path, numbers: tuple[float, ...], dtype: type, message: str
) -> None:
    subject = subject_with(tmp_path, drawn_in(*numbers, dtype=dtype))
    with pytest.raises(LabelError, match=message) as caught:
        read_segmentation(subject, Phase.ED)
    assert caught.value.problems[0].where.endswith("gt.nii.gz")


@pytest.mark.parametrize("shape", [(6, 5, 3), (5, 6, 4), (6, 5, 4, 2)])
def test_labels_of_another_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    subject = subject_with(tmp_path, np.zeros(shape, np.uint8))
    with pytest.raises(LabelError, match="the label"):
        read_segmentation(subject, Phase.ED)


def test_unreadable_labels_are_a_label_error(tmp_path: Path) -> None:
    subject = subject_with(tmp_path, drawn_in(1))
    path = subject.labels[0].source.path
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(LabelError, match="cannot be read"):
        read_segmentation(subject, Phase.ED)
    path.unlink()
    with pytest.raises(LabelError, match="does not exist"):
        read_segmentation(subject, Phase.ED)
