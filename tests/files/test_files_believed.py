"""Units, voxel sizes and lengths in NIfTI headers, and changes of files while they are read."""

from __future__ import annotations

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.errors import ImageError
from cmr_ssp.files import open_cine, open_cohort, write_segmentation
from cmr_ssp.files.dicom import open_dicom
from cmr_ssp.files.formats import pixels as pixel_reading
from cmr_ssp.files.formats.nifti import read_header
from dicom_helpers import at, image, save_exam
from files_helpers import DIAGONAL, OBLIQUE, SHAPE, pixels, save

PER_MM = {"mm": 1.0, "meter": 1e-3, "micron": 1e3, "unknown": 1.0}


@pytest.mark.parametrize("unit", PER_MM)
@pytest.mark.parametrize("shape_of_axes", [DIAGONAL, OBLIQUE])
def test_units_are_honoured(tmp_path: Path, unit: str, shape_of_axes: np.ndarray) -> None:
    affine = shape_of_axes.copy()
    affine[:3] *= PER_MM[unit]
    path = tmp_path / "a.nii.gz"
    made = nib.Nifti1Image(pixels(*SHAPE, 3), affine)
    made.header.set_xyzt_units(unit, "sec")
    nib.save(made, path)
    stack = open_cine(path)
    expected = open_cine(save(tmp_path / "b.nii.gz", pixels(*SHAPE, 3), shape_of_axes))
    assert stack.grid.spacing_mm == pytest.approx(expected.grid.spacing_mm, rel=1e-4)
    np.testing.assert_allclose(stack.grid.affine, expected.grid.affine, rtol=1e-4, atol=1e-3)
    assert [problem.what for problem in stack.problems] == [problem.what for problem in expected.problems]
    labels = np.ones((3, *stack.grid.shape), np.uint8)
    write_segmentation(tmp_path / "seg.nii.gz", labels, stack)
    back = nib.load(tmp_path / "seg.nii.gz")
    assert back.header.get_xyzt_units()[0] == unit
    np.testing.assert_allclose(back.affine, affine, rtol=1e-4, atol=1e-3 * PER_MM[unit])
    assert open_cine(tmp_path / "seg.nii.gz").grid.spacing_mm == stack.grid.spacing_mm


@pytest.mark.parametrize(
    ("size", "usable"),
    [
        ((0.1, 0.1, 0.1), True),
        ((10.0, 10.0, 50.0), True),
        ((1e-6, 1e-6, 1e-6), False),
        ((1e-4, 1e-4, 1e-3), False),
        ((1.5, 0.09, 8.0), False),
        ((1.5, 1.5, 51.0), False),
        ((10.5, 1.5, 8.0), False),
        ((1000.0, 1000.0, 8000.0), False),
    ],
)
def test_voxel_sizes_that_no_heart_has_are_refused(
    tmp_path: Path, size: tuple[float, float, float], usable: bool
) -> None:
    save(tmp_path / "a.nii.gz", pixels(*SHAPE, 3), np.diag([*size, 1.0]))
    cohort = open_cohort(tmp_path)
    assert len(cohort.subjects) == usable
    if not usable:
        (problem,) = cohort.problems
        assert "pixels of 0.1 to 10 mm and slices 0.1 to 50 mm apart" in problem.what


def test_slices_of_dicom_have_the_same_limits(tmp_path: Path) -> None:
    far = (image(k, t, series=10 + k, position=at(8 * k)) for k in range(4) for t in range(6))
    with pytest.raises(ImageError, match=r"slices 0\.1 to 50 mm apart"):
        open_dicom(save_exam(tmp_path / "exam", far))


def test_a_file_that_inflates_to_more_bytes_than_any_cine_is_not_inflated(tmp_path: Path) -> None:
    """The maximum number of voxels with eight bytes each."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float64)
    header.set_data_shape((512, 512, 64, 64))
    header.set_zooms((1.5, 1.5, 8, 1))
    header["magic"], header["vox_offset"] = header.single_magic, 352
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(zlib.compress(header.binaryblock + bytes(4), wbits=31) + bytes(2**23))
    with pytest.raises(ImageError, match=r"pixels \(8.0 GiB\), more than any cine has"):
        open_cine(path)


class Unaffordable:
    """Pixels that are too large to copy."""

    def astype(self, *_: object, **__: object) -> None:
        raise MemoryError


def test_running_out_of_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    stack = open_cine(save(tmp_path / "a.nii.gz", pixels(*SHAPE, 3)))
    with pytest.raises(ImageError, match="of memory, more than is available"):
        pixel_reading.scale(Unaffordable(), read_header(tmp_path / "a.nii.gz"))  # type: ignore[arg-type]
    monkeypatch.setattr(pixel_reading, "_gunzip", exhausted)
    with pytest.raises(ImageError, match="of memory, more than is available"):
        stack.load()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("how", ["replaced", "written to", "gone"])
@pytest.mark.parametrize("by_frame", [False, True])
def test_a_file_that_changed_after_its_header_was_read_is_refused(
    tmp_path: Path, suffix: str, how: str, by_frame: bool
) -> None:
    path = save(tmp_path / f"a{suffix}", pixels(*SHAPE, 3))
    other = save(tmp_path / f"other{suffix}", pixels(*SHAPE, 3, seed=1), OBLIQUE)
    stack = open_cine(path)
    if how == "replaced":
        other.replace(path)
    elif how == "written to":
        path.write_bytes(other.read_bytes())
    else:
        path.unlink()
    with pytest.raises(ImageError, match=r"after its header was read|cannot be read"):
        if by_frame:
            assert stack.open_frames is not None
            with stack.open_frames() as frames:
                frames[0]
        else:
            stack.load()


def test_a_file_that_changes_between_two_frames_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", pixels(*SHAPE, 3))
    stack = open_cine(path)
    assert stack.open_frames is not None
    with stack.open_frames() as frames:
        frames[0]
        save(tmp_path / "b.nii", pixels(*SHAPE, 3, seed=1)).replace(path)
        with pytest.raises(ImageError, match="after its header was read"):
            frames[1]
