"""Saving labels layers with napari: geometry, numbers and refusals."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.errors import OutputError
from cmr_ssp.files import open_cine, write_segmentation
from cmr_ssp.files.labels.writing import written_numbering
from files_helpers import DIAGONAL, OBLIQUE, SHAPE, edit_header, fingerprint, heart, pixels, save
from npe2 import PluginManifest

from napari_cmr_ssp.io.reader import read
from napari_cmr_ssp.io.writer import write_labels

NAME = "napari-cmr-ssp"
APEX_FIRST = OBLIQUE @ np.diag([1.0, 1, -1, 1])
FLIPPED = DIAGONAL @ np.diag([-1.0, 1, -1, 1])
UNIT = {"srow_x": [-1, 0, 0, 0], "srow_y": [0, -1, 0, 0], "srow_z": [0, 0, 1, 0]}
FRAMES = 3


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", said.append)
    return said


def source(folder: Path, kind: str, frames: int = FRAMES) -> Path:
    """Write a cine with a kind of geometry that occurs in files."""
    affines = {"plain": DIAGONAL, "flipped": FLIPPED, "oblique": OBLIQUE, "apex first": APEX_FIRST}
    path = save(folder / "in" / "anna.nii.gz", pixels(*SHAPE, frames), affines.get(kind, DIAGONAL))
    if kind == "poor header":  # as ACDC's: spacing in pixdim alone
        return edit_header(path, qform_code=0, sform_code=2, xyzt_units=0, **UNIT)
    return edit_header(path, pixdim=[*nib.load(path).header["pixdim"][:4], 0.04, 1, 1, 1])


KINDS = ["plain", "flipped", "oblique", "apex first", "poor header"]


def random_labels(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4, shape).astype(dtype)


def layer_of(path: Path, **changes: Any) -> dict[str, Any]:
    """Return the attributes of a layer that was read from `path`, as passed to writers."""
    ((_, attributes, _),) = read(str(path))
    return attributes | changes


def test_manifest_offers_the_writer_for_nifti() -> None:
    manifest = PluginManifest.from_distribution(NAME)
    (writer,) = manifest.contributions.writers or []
    assert writer.filename_extensions == [".nii.gz", ".nii"]
    assert writer.layer_types == ["labels"]


# round trip


@pytest.mark.parametrize(("kind", "suffix"), [*itertools.product(KINDS, [".nii.gz"]), ("oblique", ".nii")])
def test_round_trip_through_napari(
    viewer: Any, tmp_path: Path, warned: list[str], kind: str, suffix: str
) -> None:
    cine = source(tmp_path, kind)
    before = fingerprint(tmp_path)
    (image,) = viewer.open(str(cine), plugin=NAME)
    warned.clear()
    labels = random_labels(*image.data.shape, dtype=np.int32)
    viewer.add_labels(labels, scale=image.scale, units=image.units, metadata=image.metadata, name="drawn")
    out = tmp_path / "out" / f"drawn{suffix}"
    assert viewer.layers["drawn"].save(str(out), plugin=NAME) == [str(out)]
    assert warned == []
    written, theirs = nib.load(out), nib.load(cine)
    np.testing.assert_array_equal(written.affine, theirs.affine)
    np.testing.assert_array_equal(written.header["pixdim"][:5], theirs.header["pixdim"][:5])
    (again,) = viewer.open(str(out), plugin=NAME)
    np.testing.assert_array_equal(again.data, labels)
    np.testing.assert_array_equal(again.scale, image.scale)
    np.testing.assert_array_equal(again.metadata["affine"], image.metadata["affine"])
    assert list(again.features["structure"]) == ["LV cavity", "LV myocardium", "RV cavity"]
    assert {name: value for name, value in fingerprint(tmp_path).items() if name in before} == before


@pytest.mark.parametrize("kind", KINDS)
def test_geometry_survives_a_source_that_is_gone(tmp_path: Path, warned: list[str], kind: str) -> None:
    cine = source(tmp_path, kind)
    attributes, grid = layer_of(cine), open_cine(cine).grid
    cine.unlink()
    warned.clear()
    labels = random_labels(FRAMES, *grid.shape)
    out = tmp_path / "out.nii.gz"
    write_labels(str(out), labels, attributes)
    found = open_cine(out)
    np.testing.assert_allclose(found.grid.affine, grid.affine, rtol=1e-6, atol=1e-5)
    assert found.grid.spacing_mm == pytest.approx(grid.spacing_mm, rel=1e-5)
    assert found.grid.slices_reversed == grid.slices_reversed
    np.testing.assert_array_equal(found.load(), labels)
    assert warned == []


@pytest.mark.parametrize("kind", ["oblique", "apex first"])
def test_a_volume_is_written_as_one(tmp_path: Path, kind: str) -> None:
    attributes = layer_of(source(tmp_path, kind))
    labels = random_labels(*SHAPE[::-1])
    out = tmp_path / "out.nii.gz"
    write_labels(str(out), labels, attributes | {"scale": attributes["scale"][1:], "units": None})
    assert nib.load(out).shape == SHAPE
    np.testing.assert_array_equal(open_cine(out).load()[0], labels)


def test_labels_of_one_phase_keep_the_geometry_of_their_cine(tmp_path: Path) -> None:
    cine = save(tmp_path / "anna.nii.gz", pixels(12, 12, 6, 5), OBLIQUE)
    (tmp_path / "subjects.csv").write_text("id,ed_frame,es_frame\nanna,0,3\n")
    phase = save(tmp_path / "anna_ES_gt.nii.gz", heart(), DIAGONAL)
    ((labels, attributes, _),) = read(str(phase))
    write_labels(str(tmp_path / "anna_seg.nii.gz"), labels, attributes)
    np.testing.assert_array_equal(nib.load(tmp_path / "anna_seg.nii.gz").affine, nib.load(cine).affine)
    for path in (cine, phase):
        with pytest.raises(OutputError, match="is a source file of this layer"):
            write_labels(str(path), labels, attributes)


# layers of other plugins


def test_a_layer_without_a_source_gets_its_scale_and_a_warning(
    viewer: Any, tmp_path: Path, warned: list[str]
) -> None:
    labels = random_labels(FRAMES, 4, 5, 6, dtype=np.int64)
    viewer.add_labels(labels, scale=(1, 8, 1500, 1.4), units=("pixel", "mm", "um", "pixel"), name="mine")
    out = tmp_path / "mine.nii.gz"
    viewer.layers["mine"].save(str(out), plugin=NAME)
    found = open_cine(out)
    assert found.grid.spacing_mm == pytest.approx((8, 1.5, 1.4))
    np.testing.assert_allclose(found.grid.affine, np.diag([1.4, 1.5, 8, 1]), rtol=1e-6)
    np.testing.assert_array_equal(found.load(), labels)
    (text,) = warned
    assert "'mine'" in text and "8 x 1.5 x 1.4 mm" in text and "LV 1, MYO 2, RV 3" in text


def test_numbers_that_nobody_explained_are_saved_with_a_warning(tmp_path: Path, warned: list[str]) -> None:
    ((labels, attributes, _),) = read(str(save(tmp_path / "some_seg.nii", heart())))
    write_labels(str(tmp_path / "out.nii"), labels, attributes)
    (text,) = warned
    assert "the meaning of its numbers is unknown" in text
    assert written_numbering(tmp_path / "out.nii") == {1: 1, 2: 2, 3: 3}


# refused


@pytest.mark.parametrize("name", ["in/anna.nii.gz", "link.nii.gz", "notes.nii", "theirs_gt.nii.gz"])
def test_nothing_of_others_is_written_over(viewer: Any, tmp_path: Path, name: str) -> None:
    (image,) = viewer.open(str(source(tmp_path, "oblique")), plugin=NAME)
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "in" / "anna.nii.gz")
    (tmp_path / "notes.nii").write_text("no image")
    save(tmp_path / "theirs_gt.nii.gz", heart())
    before = fingerprint(tmp_path)
    viewer.add_labels(random_labels(*image.data.shape), metadata=image.metadata, name="drawn")
    with pytest.raises(OutputError, match="Choose another name"):
        viewer.layers["drawn"].save(str(tmp_path / name), plugin=NAME)
    assert fingerprint(tmp_path) == before


def test_our_own_file_is_replaced_unless_the_layer_comes_from_it(tmp_path: Path) -> None:
    cine = source(tmp_path, "plain")
    out = tmp_path / "out.nii.gz"
    write_segmentation(out, random_labels(FRAMES, 4, 5, 6), open_cine(cine))
    write_labels(str(out), np.zeros((FRAMES, 4, 5, 6), np.uint8), layer_of(cine))
    assert not open_cine(out).load().any()
    with pytest.raises(OutputError, match=r"out\.nii\.gz: it is a source file of this layer"):
        write_labels(str(out), random_labels(FRAMES, 4, 5, 6), layer_of(out))
    assert not open_cine(out).load().any()


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        (np.full((2, 4, 5, 6), 4), "it contains 4, but the structures are"),
        (np.full((4, 5, 6), -1), "it contains -1, but"),
        (np.full((4, 5, 6), 257), "it contains 257, but"),
        (np.arange(120).reshape(4, 5, 6), "it contains 4, 5, 6, 7, 8, 9, 10, 11, ..., but"),
        (np.full((4, 5, 6), 0.5), "it contains fractions"),
        (np.zeros((5, 6), int), "it has 2 axes"),
        (np.zeros((2, 2, 4, 5, 6), int), "it has 5 axes"),
    ],
)
def test_what_is_no_stack_of_structures(tmp_path: Path, labels: np.ndarray, what: str) -> None:
    out = tmp_path / "out.nii.gz"
    with pytest.raises(OutputError, match=f"layer 'mine': {what}"):
        write_labels(str(out), labels, {"name": "mine", "scale": [1.0] * labels.ndim})
    assert not out.exists()


def test_several_resolutions_are_refused_in_napari(viewer: Any, tmp_path: Path) -> None:
    levels = [np.zeros((2, 4, 8, 8), int), np.zeros((2, 4, 4, 4), int)]
    viewer.add_labels(levels, multiscale=True, name="levels")
    with pytest.raises(OutputError, match="multiscale layer"):
        viewer.layers["levels"].save(str(tmp_path / "out.nii.gz"), plugin=NAME)


def test_a_layer_that_left_the_grid_of_its_source_is_refused(tmp_path: Path) -> None:
    attributes = layer_of(source(tmp_path, "oblique"))
    with pytest.raises(OutputError, match=r"shape \(4, 5, 5\), but those of anna\.nii\.gz \(4, 5, 6\)"):
        write_labels(str(tmp_path / "out.nii.gz"), random_labels(FRAMES, 4, 5, 5), attributes)
