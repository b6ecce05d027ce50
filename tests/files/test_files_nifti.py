from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.errors import ImageError, Severity
from cmr_ssp.files import open_cine, open_stack
from cmr_ssp.subjects import FrameSource, SliceOrder, Subject, VolumeSource
from files_helpers import DIAGONAL, OBLIQUE, SHAPE, edit_header, pixels, save


def test_a_4d_cine_comes_as_frame_slice_row_column(tmp_path: Path) -> None:
    data = pixels(*SHAPE, 3)
    stack = open_cine(save(tmp_path / "a.nii.gz", data))
    loaded = stack.load()
    assert stack.n_frames == 3
    assert stack.grid.shape == (4, 5, 6)
    assert loaded.shape == (3, 4, 5, 6)
    assert loaded.dtype == np.float32
    assert loaded.flags.c_contiguous
    assert loaded.flags.writeable
    assert loaded[2, 3, 1, 5] == data[5, 1, 3, 2]


@pytest.mark.parametrize(
    ("shape", "expected"), [(SHAPE, (1, 4, 5, 6)), ((6, 5), (1, 1, 5, 6)), ((6, 5, 4, 2, 1), (2, 4, 5, 6))]
)
def test_other_dimensions(tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert open_cine(save(tmp_path / "a.nii", pixels(*shape))).load().shape == expected


def test_five_dimensions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="6 x 5 x 4 x 2 x 3"):
        open_cine(save(tmp_path / "a.nii.gz", pixels(6, 5, 4, 2, 3)))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_scaled_pixels(tmp_path: Path, suffix: str) -> None:
    data = pixels(*SHAPE)
    image = nib.Nifti1Image(data, DIAGONAL)
    image.header.set_slope_inter(0.5, -3)
    nib.save(image, tmp_path / f"a{suffix}")
    stored = nib.load(tmp_path / f"a{suffix}")
    expected = stored.get_fdata().T[None]
    np.testing.assert_allclose(open_cine(tmp_path / f"a{suffix}").load(), expected, rtol=1e-6)


def test_big_endian_pixels(tmp_path: Path) -> None:
    data = pixels(*SHAPE)
    nib.save(nib.Nifti1Image(data, DIAGONAL, nib.Nifti1Header(endianness=">")), tmp_path / "a.nii.gz")
    assert np.array_equal(open_cine(tmp_path / "a.nii.gz").load()[0], data.T)


def test_spacing_is_that_of_the_affine(tmp_path: Path) -> None:
    stack = open_cine(save(tmp_path / "a.nii.gz", pixels(*SHAPE)))
    assert stack.grid.spacing_mm == (10.0, 1.25, 1.5)
    assert stack.problems == ()
    contradicted = open_cine(save(tmp_path / "b.nii.gz", pixels(*SHAPE), pixdim=[1, 2, 2, 8, 1, 1, 1, 1]))
    assert contradicted.grid.spacing_mm == (10.0, 1.25, 1.5)
    (problem,) = contradicted.problems
    assert problem.severity is Severity.WARNING
    assert "b.nii.gz" in problem.where


@pytest.mark.parametrize("affine", [np.diag([-1.0, -1, 1, 1]), np.diag([0.0, 0, 0, 1])])
def test_spacing_is_that_of_pixdim_where_the_affine_has_none(tmp_path: Path, affine: np.ndarray) -> None:
    path = save(tmp_path / "a.nii", pixels(*SHAPE))
    content = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(content[:348]))
    header["qform_code"], header["sform_code"] = 0, 2
    for row, values in zip(("srow_x", "srow_y", "srow_z"), affine, strict=False):
        header[row] = values
    content[:348] = header.binaryblock
    path.write_bytes(content)
    stack = open_cine(path)
    assert stack.grid.spacing_mm == (10.0, 1.25, 1.5)
    assert "pixdim is used" in stack.problems[0].what


def test_a_file_without_voxel_size_is_refused_or_doubted(tmp_path: Path) -> None:
    unit = open_cine(save(tmp_path / "a.nii.gz", pixels(*SHAPE), np.eye(4)))
    assert "1 x 1 x 1 mm" in unit.problems[0].what
    with pytest.raises(ImageError, match="voxel size"):
        nothing = {"sform_code": 2, "srow_x": 0, "srow_y": 0, "srow_z": 0, "pixdim": 0}
        open_cine(edit_header(save(tmp_path / "b.nii.gz", pixels(*SHAPE)), **nothing))


@pytest.mark.parametrize(
    ("affine", "order", "is_reversed"),
    [
        (OBLIQUE, SliceOrder.BASE_FIRST, False),
        (OBLIQUE @ np.diag([1, 1, -1, 1]), SliceOrder.BASE_FIRST, True),
        (OBLIQUE @ np.diag([-1, 1, 1, 1]), SliceOrder.BASE_FIRST, False),
        (DIAGONAL, SliceOrder.UNKNOWN, False),
        (DIAGONAL @ np.diag([1, 1, -1, 1]), SliceOrder.UNKNOWN, False),
    ],
)
def test_slices_come_base_first(
    tmp_path: Path, affine: np.ndarray, order: SliceOrder, is_reversed: bool
) -> None:
    data = pixels(*SHAPE, 2)
    stack = open_cine(save(tmp_path / "a.nii.gz", data, affine))
    assert stack.grid.slice_order is order
    assert stack.grid.slices_reversed is is_reversed
    expected = data.T[:, ::-1] if is_reversed else data.T
    loaded = stack.load()
    assert np.array_equal(loaded, expected)
    assert loaded.flags.c_contiguous


@pytest.mark.parametrize(
    ("units", "value", "seconds"),
    [("sec", 0.04, 0.04), ("msec", 40.0, 0.04), ("unknown", 0.04, None), ("sec", 1.0, None)],
)
def test_frame_spacing(tmp_path: Path, units: str, value: float, seconds: float | None) -> None:
    image = nib.Nifti1Image(pixels(*SHAPE, 2), DIAGONAL)
    image.header.set_xyzt_units("mm", units)
    image.header["pixdim"][4] = value
    nib.save(image, tmp_path / "a.nii.gz")
    found = open_cine(tmp_path / "a.nii.gz").frame_spacing_s
    assert found is None if seconds is None else found == pytest.approx(seconds)


def test_frames_from_several_files_and_parts_of_files(tmp_path: Path) -> None:
    cine, volume = pixels(*SHAPE, 3), pixels(*SHAPE, seed=1)
    first = save(tmp_path / "c.nii.gz", cine, OBLIQUE @ np.diag([1, 1, -1, 1]))
    second = save(tmp_path / "v.nii.gz", volume, OBLIQUE @ np.diag([1, 1, -1, 1]))
    frames = (FrameSource(first, 2), VolumeSource(second), FrameSource(first, 0))
    stack = open_stack(Subject("x", frames))
    expected = np.stack([cine[..., 2].T, volume.T, cine[..., 0].T])[:, ::-1]
    assert np.array_equal(stack.load(), expected)
    assert stack.sources == (first, second)


def test_frames_on_different_grids_are_refused(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / "a.nii.gz", pixels(*SHAPE)),
        save(tmp_path / "b.nii.gz", pixels(6, 5, 3)),
        save(tmp_path / "c.nii.gz", pixels(*SHAPE), DIAGONAL * 1.1),
    ]
    with pytest.raises(ImageError) as caught:
        open_stack(Subject("x", tuple(VolumeSource(path) for path in paths)))
    assert [Path(problem.where).name for problem in caught.value.problems] == ["b.nii.gz", "c.nii.gz"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    data = pixels(*SHAPE, 2).astype(np.float32)
    data[1, 2, 3, 1] = value
    stack = open_cine(save(tmp_path / "a.nii.gz", data))
    with pytest.raises(ImageError, match=r"a\.nii\.gz: 1 of its pixels"):
        stack.load()


@pytest.mark.parametrize("kept", [0.5, 0.98])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_truncated_files(tmp_path: Path, suffix: str, kept: float) -> None:
    path = save(tmp_path / f"a{suffix}", pixels(60, 50, 4))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ImageError, match=r"truncated|damaged"):
        open_cine(path).load()


def test_a_stream_cut_off_after_the_last_pixel(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", pixels(60, 50, 4))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ImageError, match="truncated"):
        open_cine(path).load()


def test_a_damaged_stream_fails_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    save(tmp_path / "a.nii", pixels(60, 50, 4))
    content = bytearray(gzip.compress((tmp_path / "a.nii").read_bytes(), compresslevel=0))
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ImageError, match="cannot be read"):
        open_cine(path).load()


@pytest.mark.parametrize(
    "dim",
    [
        [4, 32767, 32767, 1000, 500, 1, 1, 1],
        [4, 4000, 4000, 100, 50, 1, 1, 1],
        [4, 1000, 1000, 20, 25, 1, 1, 1],
    ],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_absurd_sizes_are_refused_before_allocation(tmp_path: Path, suffix: str, dim: list[int]) -> None:
    path = edit_header(save(tmp_path / "a.nii.gz", pixels(*SHAPE)), dim=dim)
    if suffix == ".nii":
        path.with_name("a.nii").write_bytes(gzip.decompress(path.read_bytes()))
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="claims"):
            open_cine(tmp_path / f"a{suffix}").load()
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_more_pixels_than_any_cine_are_refused_though_the_file_could_hold_them(tmp_path: Path) -> None:
    path = edit_header(save(tmp_path / "a.nii.gz", pixels(*SHAPE)), dim=[4, 1024, 1024, 100, 20, 1, 1, 1])
    with path.open("ab") as file:
        file.truncate(16 * 2**20)
    with pytest.raises(ImageError, match="more than any cine"):
        open_cine(path)


@pytest.mark.parametrize(
    "dim", [[4, 6, 5, -4, 1, 1, 1, 1], [4, 6, 0, 4, 1, 1, 1, 1], [3, 6, 5, 3000, 1, 1, 1, 1]]
)
def test_impossible_dimensions(tmp_path: Path, dim: list[int]) -> None:
    with pytest.raises(ImageError):
        open_cine(edit_header(save(tmp_path / "a.nii.gz", pixels(*SHAPE)), dim=dim)).load()


@pytest.mark.parametrize(
    "content", [b"", b"not an image", gzip.compress(b"nor this" * 100)], ids=["empty", "text", "gzip"]
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_other_files_under_a_nifti_name(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(ImageError, match="cannot be read as NIfTI"):
        open_cine(path)


def test_complex_and_colour_pixels_are_refused(tmp_path: Path) -> None:
    colour = np.zeros(SHAPE, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    for data in (pixels(*SHAPE).astype(np.complex64), colour):
        with pytest.raises(ImageError, match="pixels are of type"):
            open_cine(save(tmp_path / "a.nii.gz", data))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        open_cine(tmp_path / "a.nii.gz")
