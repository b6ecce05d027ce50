"""The napari plugin: manifest, layers, reader and sample data, the last two in a real viewer."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import COLOURS, Structure
from cmr_ssp.errors import ImageError, LabelError
from cmr_ssp.files import open_cine, write_segmentation
from files_helpers import DIAGONAL, OBLIQUE, heart, pixels, save
from npe2 import PluginManifest
from qtpy.QtWidgets import QFileDialog

from napari_cmr_ssp.io.reader import get_reader, read
from napari_cmr_ssp.scene import layers

NAME = "napari-cmr-ssp"
AXES = ("frame", "slice", "row", "column")


def only(found: list[layers.LayerData]) -> layers.LayerData:
    assert len(found) == 1
    return found[0]


def reader_of(path: Path) -> Any:
    return get_reader(str(path))


# manifest


def test_manifest_is_valid_and_all_its_commands_exist() -> None:
    manifest = PluginManifest.from_distribution(NAME)
    manifest.validate_imports()
    assert manifest.name == NAME
    assert [reader.filename_patterns for reader in manifest.contributions.readers] == [
        ["*.nii", "*.nii.gz"],
        ["*.zip"],
    ]
    assert [sample.key for sample in manifest.contributions.sample_data] == ["phantom", "phantom_cohort"]


# reader


def test_cine_becomes_a_layer_of_four_axes(tmp_path: Path) -> None:
    data = pixels(6, 5, 4, 3)
    data_out, arguments, kind = only(read(str(save(tmp_path / "anna.nii.gz", data))))
    assert kind == "image"
    np.testing.assert_array_equal(data_out, data.transpose(3, 2, 1, 0))
    assert arguments["name"] == "anna"
    assert arguments["axis_labels"] == AXES
    assert arguments["scale"] == pytest.approx((1.0, 10.0, 1.25, 1.5))
    assert arguments["units"] == ("pixel", "mm", "mm", "mm")


def test_layer_carries_the_true_affine_and_its_source(tmp_path: Path) -> None:
    towards_base = OBLIQUE * [1, 1, -1, 1]
    path = save(tmp_path / "apex_first.nii", pixels(6, 5, 4, 3), towards_base)
    data, arguments, _ = only(read(str(path)))
    about = arguments["metadata"]
    np.testing.assert_allclose(about["affine"], towards_base, rtol=1e-6)
    assert about["slices_reversed"] is True
    assert about["sources"] == [str(path)]
    np.testing.assert_array_equal(data[0, 0], nib.load(path).get_fdata()[..., -1, 0].T)


def test_thick_volume_is_one_frame(tmp_path: Path) -> None:
    path = save(tmp_path / "volume.nii", pixels(6, 5, 4))
    data, _, _ = only(reader_of(path)(str(path)))
    assert data.shape == (1, 4, 5, 6)


@pytest.mark.parametrize(
    ("shape", "affine"),
    [((6, 5, 4), np.diag([1.0, 1.0, 1.2, 1.0])), ((6, 5, 60), DIAGONAL)],
    ids=["isotropic", "many slices"],
)
def test_other_volumes_are_left_to_other_plugins(
    tmp_path: Path, shape: tuple[int, ...], affine: np.ndarray
) -> None:
    assert reader_of(save(tmp_path / "brain.nii", pixels(*shape), affine)) is None


def test_what_is_no_single_nifti_file_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "anna.nii", pixels(6, 5, 4, 3))
    text = tmp_path / "notes.txt"
    text.write_text("anna")
    folder = tmp_path / "folder.nii"
    folder.mkdir()
    assert reader_of(path) is not None
    assert get_reader([str(path), str(path)]) is None
    assert [reader_of(other) for other in (text, folder, tmp_path / "absent.nii")] == [None] * 3


def test_contrast_ignores_a_few_bright_pixels(tmp_path: Path) -> None:
    data = pixels(20, 20, 4, 3)
    data[0, 0, 0, 0] = 30_000
    _, arguments, _ = only(read(str(save(tmp_path / "anna.nii", data))))
    low, high = arguments["contrast_limits"]
    assert 0 <= low < high <= 1000


def test_constant_image_has_usable_contrast(tmp_path: Path) -> None:
    _, arguments, _ = only(read(str(save(tmp_path / "flat.nii", np.full((6, 5, 4), 7, np.int16)))))
    low, high = arguments["contrast_limits"]
    assert low < high


# label files


def test_numbers_mean_what_the_convention_of_the_folder_says(tmp_path: Path) -> None:
    folder = tmp_path / "patient001"
    save(folder / "patient001_frame01.nii.gz", pixels(12, 12, 6))
    save(folder / "patient001_frame12.nii.gz", pixels(12, 12, 6))
    (folder / "Info.cfg").write_text("ED: 1\nES: 12\n")
    acdc = heart(numbering="acdc")
    path = save(folder / "patient001_frame12_gt.nii.gz", acdc)
    data, arguments, kind = only(read(str(path)))
    assert (kind, data.shape) == ("labels", (1, 6, 12, 12))
    np.testing.assert_array_equal(data[0] == Structure.RV, acdc.T == 1)
    np.testing.assert_array_equal(data[0] == Structure.LV, acdc.T == 3)
    assert arguments["features"]["index"] == [1, 2, 3]
    assert arguments["metadata"]["subject"] == "patient001"


def test_labels_of_one_frame_show_at_that_frame_alone(tmp_path: Path) -> None:
    save(tmp_path / "anna.nii.gz", pixels(12, 12, 6, 5))
    (tmp_path / "subjects.csv").write_text("id,ed_frame,es_frame\nanna,0,3\n")
    path = save(tmp_path / "anna_ES_gt.nii.gz", heart())
    data, arguments, _ = only(read(str(path)))
    assert data.shape == (5, 6, 12, 12)
    assert np.flatnonzero(data.any(axis=(1, 2, 3))).tolist() == [3]
    assert arguments["metadata"]["drawn"] == {3: ["LV", "MYO", "RV"]}


@pytest.mark.parametrize("numbering", ["mnms", "acdc"])
def test_our_own_segmentations_say_what_their_numbers_mean(tmp_path: Path, numbering: str) -> None:
    stack = open_cine(save(tmp_path / "in" / "anna.nii", pixels(12, 12, 6, 2)))
    labels = np.stack([heart().T, heart().T])
    path = tmp_path / "out" / "renamed.nii.gz"
    write_segmentation(path, labels, stack, numbering)
    data, arguments, kind = only(read(str(path)))
    assert kind == "labels"
    np.testing.assert_array_equal(data, labels)
    assert arguments["features"]["structure"] == ["LV cavity", "LV myocardium", "RV cavity"]


def test_numbers_of_unknown_meaning_get_no_names(tmp_path: Path) -> None:
    data, arguments, kind = only(read(str(save(tmp_path / "anything_seg.nii", heart() * 7))))
    assert kind == "labels"
    np.testing.assert_array_equal(data[0], heart().T * 7)
    assert "features" not in arguments
    assert "colormap" not in arguments


def test_integers_without_a_label_name_are_an_image(tmp_path: Path) -> None:
    _, _, kind = only(read(str(save(tmp_path / "anna.nii", heart()))))
    assert kind == "image"


def test_sunnybrook_label_lies_over_its_cine(real_data: Path) -> None:
    cine, _, _ = only(read(str(real_data / "sunnybrook" / "SCD0000301_sax.nii.gz")))
    labels, arguments, _ = only(read(str(real_data / "sunnybrook" / "SCD0000301_frame07_gt.nii.gz")))
    assert labels.shape == cine.shape
    assert np.flatnonzero(labels.any(axis=(1, 2, 3))).tolist() == [6]
    assert arguments["metadata"]["drawn"] == {6: ["LV"]}
    inside = cine[labels == Structure.LV]
    assert inside.mean() > 1.5 * cine[6].mean()  # blood is bright


# errors


def test_damaged_file_is_taken_so_that_reading_says_what_is_wrong(tmp_path: Path) -> None:
    path = save(tmp_path / "cut.nii.gz", pixels(60, 50, 4, 3))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(ImageError, match=r"cut\.nii\.gz"):
        reader_of(path)(str(path))


def test_label_file_of_fractions_is_refused_by_name(tmp_path: Path) -> None:
    path = save(tmp_path / "odd_gt.nii", heart().astype(np.float32) / 2)
    with pytest.raises(LabelError, match=r"odd_gt\.nii.*whole numbers"):
        read(str(path))


def test_error_reaches_the_caller_of_the_viewer(viewer: Any, tmp_path: Path) -> None:
    path = tmp_path / "text.nii.gz"
    path.write_bytes(gzip.compress(b"no image"))
    with pytest.raises(ImageError, match="cannot be read as NIfTI"):
        viewer.open(str(path), plugin=NAME)
    assert len(viewer.layers) == 0


# in the viewer


def assert_aligned(viewer: Any) -> None:
    first = viewer.layers[0]
    for layer in viewer.layers:
        assert layer.ndim == 4
        assert layer.data.shape == first.data.shape
        np.testing.assert_array_equal(layer.scale, first.scale)
        assert layer.units == first.units
        assert layer.axis_labels == AXES
    assert viewer.dims.nsteps == first.data.shape


def test_cine_and_labels_lie_over_each_other_in_the_viewer(viewer: Any, tmp_path: Path) -> None:
    cine = save(tmp_path / "ben.nii.gz", pixels(12, 12, 6, 4), OBLIQUE)
    drawn = np.zeros((12, 12, 6, 4), np.uint8)
    drawn[..., 0] = heart()
    drawn[..., 2] = heart(radius=3)
    labels = save(tmp_path / "ben_gt.nii.gz", drawn, OBLIQUE)
    viewer.open([str(cine), str(labels)], plugin=NAME)
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Labels"]
    assert_aligned(viewer)
    np.testing.assert_array_equal(viewer.layers[1].data, drawn.T)
    assert viewer.layers[0].axis_labels == viewer.dims.axis_labels


def test_odd_geometry_is_said_in_the_viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", said.append)
    read(
        str(save(tmp_path / "unit.nii", pixels(6, 5, 4, 3), np.eye(4), pixdim=[1, 1.5, 1.25, 10, 1, 0, 0, 0]))
    )
    assert len(said) == 1
    assert "pixdim is used" in said[0]


def test_sample_data_in_the_viewer(viewer: Any) -> None:
    viewer.open_sample(NAME, "phantom")
    image, labels = viewer.layers
    assert_aligned(viewer)
    assert labels.data.dtype == np.uint8
    assert set(np.unique(labels.data)) == {0, 1, 2, 3}
    assert list(labels.features["index"]) == [1, 2, 3]
    assert list(labels.features["structure"]) == ["LV cavity", "LV myocardium", "RV cavity"]
    assert labels.colormap.map(0)[3] == 0
    phases = image.metadata["phases"]
    volumes = (labels.data == Structure.LV).sum(axis=(1, 2, 3))
    assert volumes[phases["ED"]] > volumes[phases["ES"]]


# command palette


COMMANDS = ("get_reader", "get_folder_reader", "write_labels", "correct", "help")


@pytest.fixture
def commands(viewer: Any) -> Callable[[str], Any]:
    """Return a function that executes a command of the plugin as napari's palette does."""
    from napari._app_model import get_app_model
    from napari.plugins._npe2 import _npe2_manifest_to_actions

    actions, _ = _npe2_manifest_to_actions(PluginManifest.from_distribution(NAME))
    app = get_app_model()
    app.register_actions([action for action in actions if action.id not in app.commands])
    ids = [action.id for action in actions]
    assert ids == [f"{NAME}.{name}" for name in COMMANDS]
    return lambda name: app.commands.execute_command(f"{NAME}.{name}").result()


def answer(monkeypatch: pytest.MonkeyPatch, dialog: str, path: Path | str) -> None:
    given: Any = str(path) if dialog == "getExistingDirectory" else (str(path), "")
    monkeypatch.setattr(QFileDialog, dialog, lambda *_: given)


def test_palette_opens_what_it_says(
    viewer: Any, commands: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "getOpenFileName", "")
    answer(monkeypatch, "getExistingDirectory", "")
    commands("get_reader")
    commands("get_folder_reader")
    assert len(viewer.layers) == 0, "nothing was chosen"
    answer(monkeypatch, "getOpenFileName", save(tmp_path / "anna.nii.gz", pixels(6, 5, 4, 3)))
    commands("get_reader")
    assert [layer.name for layer in viewer.layers] == ["anna"]
    save(tmp_path / "cohort" / "bob.nii.gz", pixels(6, 5, 4, 3))
    answer(monkeypatch, "getExistingDirectory", tmp_path / "cohort")
    commands("get_folder_reader")
    assert [layer.name for layer in viewer.layers] == ["anna", "bob"]


def test_palette_saves_the_chosen_labels(
    viewer: Any, commands: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", said.append)
    commands("write_labels")
    assert said == ["Select a labels layer in the layer list, then save it."]
    (image,) = viewer.open(str(save(tmp_path / "anna.nii.gz", pixels(6, 5, 4, 3), OBLIQUE)), plugin=NAME)
    labels = viewer.add_labels(np.ones(image.data.shape, np.uint8), metadata=image.metadata)
    viewer.layers.selection.active = labels
    answer(monkeypatch, "getSaveFileName", tmp_path / "drawn")
    commands("write_labels")
    np.testing.assert_allclose(nib.load(tmp_path / "drawn.nii.gz").affine, OBLIQUE, rtol=1e-6)
    assert open_cine(tmp_path / "drawn.nii.gz").load().min() == 1


# colours


# Viénot, Brettel and Mollon (1999): colours as seen with red and green blindness, in linear RGB.
RED_BLIND = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])
GREEN_BLIND = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])


def linear_rgb(colour: str) -> np.ndarray:
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(linear: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ linear.clip(0, 1) / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize(
    "sight", [np.eye(3), RED_BLIND, GREEN_BLIND], ids=["usual", "red-blind", "green-blind"]
)
def test_structures_are_told_apart_with_any_colour_vision(sight: np.ndarray) -> None:
    seen = [lab(sight @ linear_rgb(COLOURS[structure])) for structure in Structure]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 30
