from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import OutputError
from cmr_ssp.files import open_cine, open_stack, write_segmentation
from cmr_ssp.subjects import Subject, VolumeSource
from files_helpers import DIAGONAL, OBLIQUE, SHAPE, edit_header, fingerprint, pixels, save

APEX_FIRST = OBLIQUE @ np.diag([1.0, 1, -1, 1])
FLIPPED = DIAGONAL @ np.diag([-1.0, 1, -1, 1])


def labels_for(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4, shape).astype(np.uint8)


def poor_header(path: Path, n_frames: int) -> Path:
    """Write a file like those of ACDC: unit sform, no qform, no units, spacing only in pixdim."""
    save(path, pixels(*SHAPE, n_frames))
    unit = {"srow_x": [-1, 0, 0, 0], "srow_y": [0, -1, 0, 0], "srow_z": [0, 0, 1, 0]}
    return edit_header(path, qform_code=0, sform_code=2, xyzt_units=0, **unit)


def same_geometry(written: Path, source: Path) -> None:
    ours, theirs = nib.load(written), nib.load(source)
    assert np.array_equal(ours.affine, theirs.affine)
    for field in ("qform_code", "sform_code", "xyzt_units", "quatern_b", "quatern_c", "quatern_d", "srow_z"):
        assert np.array_equal(ours.header[field], theirs.header[field]), field
    assert np.array_equal(ours.header["pixdim"][:5], theirs.header["pixdim"][:5])
    assert ours.get_data_dtype() == np.uint8


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("affine", [DIAGONAL, FLIPPED, OBLIQUE, APEX_FIRST, None], ids=str)
def test_round_trip(tmp_path: Path, suffix: str, affine: np.ndarray | None) -> None:
    source = tmp_path / "in.nii.gz"
    if affine is None:
        poor_header(source, 3)
    else:
        save(source, pixels(*SHAPE, 3), affine)
    before = fingerprint(tmp_path)
    stack = open_cine(source)
    labels = labels_for((3, 4, 5, 6))
    out = tmp_path / "out" / f"seg{suffix}"
    write_segmentation(out, labels, stack)
    same_geometry(out, source)
    assert np.array_equal(open_cine(out).load(), labels)
    in_file = np.asarray(nib.load(out).dataobj).T
    assert np.array_equal(in_file, labels[:, ::-1] if stack.grid.slices_reversed else labels)
    assert {name: value for name, value in fingerprint(tmp_path).items() if name in before} == before
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_frame_spacing_and_time_units_survive(tmp_path: Path) -> None:
    source = save(tmp_path / "in.nii.gz", pixels(*SHAPE, 3), OBLIQUE)
    edit_header(source, pixdim=[-1, 1.27, 1.22, 10, 46.0, 1, 1, 1], xyzt_units=18)
    write_segmentation(tmp_path / "out.nii.gz", labels_for((3, 4, 5, 6)), open_cine(source))
    same_geometry(tmp_path / "out.nii.gz", source)
    assert open_cine(tmp_path / "out.nii.gz").frame_spacing_s == pytest.approx(0.046)


def test_one_volume_and_one_frame_are_written_as_3d(tmp_path: Path) -> None:
    stack = open_cine(save(tmp_path / "in.nii.gz", pixels(*SHAPE, 3)))
    labels = labels_for((4, 5, 6))
    write_segmentation(tmp_path / "a.nii.gz", labels, stack)
    assert np.array_equal(np.asarray(nib.load(tmp_path / "a.nii.gz").dataobj), labels.T)
    single = open_cine(save(tmp_path / "in3.nii.gz", pixels(*SHAPE)))
    write_segmentation(tmp_path / "b.nii.gz", labels[None], single)
    assert nib.load(tmp_path / "b.nii.gz").shape == SHAPE


def test_a_stack_of_several_files(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{name}.nii.gz", pixels(*SHAPE), APEX_FIRST) for name in "ab"]
    stack = open_stack(Subject("x", tuple(VolumeSource(path) for path in paths)))
    labels = labels_for((2, 4, 5, 6))
    write_segmentation(tmp_path / "out.nii.gz", labels, stack)
    assert np.array_equal(open_cine(tmp_path / "out.nii.gz").load(), labels)
    for path in paths:
        with pytest.raises(OutputError, match="the image that was segmented"):
            write_segmentation(path, labels, stack)


def test_acdc_numbers(tmp_path: Path) -> None:
    stack = open_cine(save(tmp_path / "in.nii.gz", pixels(*SHAPE)))
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[0, 0, :3] = Structure.LV, Structure.MYO, Structure.RV
    write_segmentation(tmp_path / "out.nii.gz", labels, stack, numbering="acdc")
    assert np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj)[:3, 0, 0].tolist() == [3, 2, 1]


def test_nifti_2_stays_nifti_2(tmp_path: Path) -> None:
    nib.save(nib.Nifti2Image(pixels(*SHAPE), OBLIQUE), tmp_path / "in.nii.gz")
    labels = labels_for((4, 5, 6))
    write_segmentation(tmp_path / "out.nii.gz", labels, open_cine(tmp_path / "in.nii.gz"))
    assert isinstance(nib.load(tmp_path / "out.nii.gz"), nib.Nifti2Image)
    assert np.array_equal(open_cine(tmp_path / "out.nii.gz").load()[0], labels)


def test_the_same_labels_give_the_same_bytes(tmp_path: Path) -> None:
    stack = open_cine(save(tmp_path / "in.nii.gz", pixels(*SHAPE)))
    for name in ("a.nii.gz", "b.nii.gz"):
        write_segmentation(tmp_path / name, labels_for((4, 5, 6)), stack)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_text_of_the_source_is_left_behind(tmp_path: Path) -> None:
    source = save(
        tmp_path / "in.nii", pixels(*SHAPE), descrip=b"Doe^Jane", aux_file=b"Doe^Jane", db_name=b"Doe^Jane"
    )
    write_segmentation(tmp_path / "out.nii", labels_for((4, 5, 6)), open_cine(source))
    assert b"Jane" not in (tmp_path / "out.nii").read_bytes()


def test_only_our_own_files_are_replaced(tmp_path: Path) -> None:
    stack = open_cine(save(tmp_path / "in.nii.gz", pixels(*SHAPE)))
    labels = labels_for((4, 5, 6))
    theirs = save(tmp_path / "manual_gt.nii.gz", labels.T)
    (tmp_path / "notes.nii").write_text("no image")
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "in.nii.gz")
    before = fingerprint(tmp_path)
    for name in ("in.nii.gz", "link.nii.gz", theirs.name, "notes.nii"):
        with pytest.raises(OutputError, match="Choose another name"):
            write_segmentation(tmp_path / name, labels, stack)
    assert fingerprint(tmp_path) == before
    for value in (labels, np.zeros_like(labels)):
        write_segmentation(tmp_path / "ours.nii.gz", value, stack)
    assert not open_cine(tmp_path / "ours.nii.gz").load().any()


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((4, 5, 7), np.uint8),
        np.zeros((2, 4, 5, 6), np.uint8),
        np.zeros((4, 5, 6), np.int64),
        np.full((4, 5, 6), 4, np.uint8),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, labels: np.ndarray) -> None:
    stack = open_cine(save(tmp_path / "in.nii.gz", pixels(*SHAPE)))
    with pytest.raises(OutputError):
        write_segmentation(tmp_path / "out.nii.gz", labels, stack)
    assert not (tmp_path / "out.nii.gz").exists()


@pytest.mark.parametrize("name", ["out.png", "in.nii.gz/out.nii.gz", "folder.nii"])
def test_places_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    stack = open_cine(save(tmp_path / "in.nii.gz", pixels(*SHAPE)))
    (tmp_path / "folder.nii").mkdir()
    before = fingerprint(tmp_path)
    with pytest.raises(OutputError):
        write_segmentation(tmp_path / name, labels_for((4, 5, 6)), stack)
    assert fingerprint(tmp_path) == before


def test_an_unknown_numbering(tmp_path: Path) -> None:
    stack = open_cine(save(tmp_path / "in.nii.gz", pixels(*SHAPE)))
    with pytest.raises(OutputError, match="acdc, mnms"):
        write_segmentation(tmp_path / "out.nii.gz", labels_for((4, 5, 6)), stack, numbering="acdk")
