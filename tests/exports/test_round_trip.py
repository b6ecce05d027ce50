"""Load, segment, export, load again: affine, spacing and labels are preserved, even with poor headers.

Round trips of DICOM SEG are in test_exports, since they need DICOM images.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.exports import Moment, export_nnunet, write_frames, write_slicer
from cmr_ssp.files import import_labels, open_cine, open_cohort, write_segmentation
from cmr_ssp.files.formats.geometry import placed_affine
from cmr_ssp.subjects import CineStack
from export_helpers import parse_nrrd
from files_helpers import DIAGONAL, OBLIQUE, SHAPE, edit_header, fingerprint, pixels, save

from napari_cmr_ssp.io.reader import read
from napari_cmr_ssp.io.writer import write_labels

FRAMES = 3
FLIPPED = DIAGONAL @ np.diag([-1.0, 1, -1, 1])
APEX_FIRST = OBLIQUE @ np.diag([1.0, 1, -1, 1])
UNIT = {"srow_x": [-1, 0, 0, 0], "srow_y": [0, -1, 0, 0], "srow_z": [0, 0, 1, 0]}
Made = list[tuple[Path, int | None]]
"""Files that an export wrote, each with the frame that it holds; None is all of them."""


def plain(path: Path, affine: np.ndarray, **fields: object) -> Path:
    return edit_header(save(path, pixels(*SHAPE, FRAMES), affine), **fields)


def qform_alone(path: Path) -> Path:
    image = nib.Nifti1Image(pixels(*SHAPE, FRAMES), None)
    image.set_qform(APEX_FIRST, code=1)
    nib.save(image, path)
    return path


def nifti_2(path: Path) -> Path:
    nib.save(nib.Nifti2Image(pixels(*SHAPE, FRAMES), APEX_FIRST), path)
    return path


def big_endian(path: Path) -> Path:
    header = nib.Nifti1Header(endianness=">")
    nib.save(nib.Nifti1Image(pixels(*SHAPE, FRAMES), OBLIQUE, header), path)
    assert nib.load(path).header.endianness == ">"
    return path


SOURCES: dict[str, Callable[[Path], Path]] = {
    "flipped": lambda path: plain(path, FLIPPED),
    "oblique": lambda path: plain(path, OBLIQUE),
    "apex first": lambda path: plain(path, APEX_FIRST),
    "qform alone": qform_alone,
    "no form": lambda path: plain(path, DIAGONAL, qform_code=0, sform_code=0),
    "spacing in pixdim alone": lambda path: plain(path, DIAGONAL, qform_code=0, xyzt_units=0, **UNIT),
    "scaled": lambda path: plain(path, OBLIQUE, scl_slope=0.5, scl_inter=-10),
    "NIfTI-2": nifti_2,
    "big-endian": big_endian,
}


def whole(out: Path, cine: Path, labels: np.ndarray, stack: CineStack) -> Made:
    write_segmentation(out / "cine_seg.nii.gz", labels, stack)
    return [(out / "cine_seg.nii.gz", None)]


def phases(out: Path, cine: Path, labels: np.ndarray, stack: CineStack) -> Made:
    moments = [Moment(0, Phase.ED), Moment(2, Phase.ES)]
    return list(zip(write_frames(out, "cine", labels, stack, moments, images=True), (0, 2), strict=True))


def slicer(out: Path, cine: Path, labels: np.ndarray, stack: CineStack) -> Made:
    return [(path, 1) for path in write_slicer(out, "cine", labels, stack, [Moment(1)])]


def nnunet(out: Path, cine: Path, labels: np.ndarray, stack: CineStack) -> Made:
    folder = out / "cohort"
    folder.mkdir(parents=True)
    (folder / "cine.nii.gz").symlink_to(cine)
    (folder / "subjects.csv").write_text("id,ed_frame\ncine,1\n")
    write_segmentation(folder / "cine_ED_gt.nii.gz", labels[1], stack)
    made = export_nnunet(open_cohort(folder), out / "raw").folder
    return [(made / "labelsTr" / "subject001_ED.nii.gz", 1)]


def layer(out: Path, cine: Path, labels: np.ndarray, stack: CineStack) -> Made:
    ((_, attributes, _),) = read(str(cine))
    out.mkdir()
    write_labels(str(out / "cine_seg.nii.gz"), labels, attributes)
    return [(out / "cine_seg.nii.gz", None)]


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("export", [whole, phases, slicer, nnunet, layer])
def test_what_is_taken_away_comes_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    export: Callable[[Path, Path, np.ndarray, CineStack], Made],
) -> None:
    monkeypatch.setattr("napari.utils.notifications.show_warning", lambda _: None)  # of poor headers
    (tmp_path / "data").mkdir()
    cine = SOURCES[kind](tmp_path / "data" / "cine.nii.gz")
    before, stack = fingerprint(tmp_path / "data"), open_cine(cine)
    labels = np.random.default_rng(5).integers(0, 4, (FRAMES, *SHAPE[::-1])).astype(np.uint8)
    for path, frame in export(tmp_path / "out", cine, labels, stack):
        found = import_labels(path, stack, frame=frame)
        assert [s.frame for s in found] == (list(range(FRAMES)) if frame is None else [frame])
        assert all(np.array_equal(s.labels, labels[s.frame]) for s in found)
        if path.name.endswith(".nrrd"):
            same_place_in_nrrd(path, stack)
        else:
            same_place(path, cine)
    for path in (tmp_path / "out").rglob("*.nii.gz"):  # images too
        same_place(path, cine)
    assert fingerprint(tmp_path / "data") == before


def same_place(path: Path, cine: Path) -> None:
    """Compare as read by this package and by nibabel."""
    ours, theirs = open_cine(path).grid, open_cine(cine).grid
    assert np.array_equal(ours.affine, theirs.affine)
    assert ours.spacing_mm == theirs.spacing_mm
    assert ours.slices_reversed == theirs.slices_reversed
    written, source = nib.load(path), nib.load(cine)
    assert np.array_equal(written.affine, source.affine)
    assert np.array_equal(written.header.get_zooms()[:3], source.header.get_zooms()[:3])


def same_place_in_nrrd(path: Path, stack: CineStack) -> None:
    fields, _ = parse_nrrd(path)
    vectors = f"{fields['space directions']} {fields['space origin']}".split()
    lps = np.array([[float(v) for v in vector.strip("()").split(",")] for vector in vectors]).T
    assert np.allclose(lps * [[-1], [-1], [1]], placed_affine(stack.grid)[:3], rtol=1e-12)
    assert np.allclose(np.linalg.norm(lps[:, :3], axis=0), stack.grid.spacing_mm[::-1], rtol=1e-6)
