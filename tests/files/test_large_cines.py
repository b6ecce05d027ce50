"""Cines that do not fit into memory are segmented frame by frame, with the same result."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from cmr_ssp import jobs
from cmr_ssp.errors import DeviceError, ImageError, Severity
from cmr_ssp.files import open_cine, open_cohort, open_stack, write_segmentation
from cmr_ssp.files.labels.marks import cine_digest, labels_digest
from cmr_ssp.jobs import notices
from cmr_ssp.prediction import segment_stack
from cmr_ssp.runs import Run
from cmr_ssp.samples import heart
from cmr_ssp.samples.standardise import standardise, standardise_frames
from cmr_ssp.subjects import CineStack, FrameSource, Grid, Role, Split, Subject, VolumeSource, stack
from cohort_helpers import Listener, segmentation, write_beating_cohort
from files_helpers import DIAGONAL, OBLIQUE, pixels, save
from prediction_helpers import Fake, recipe


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read and sum single frames, as for cines of more than half a gigabyte."""
    for module in (stack, heart, notices):
        monkeypatch.setattr(module, "LARGE_BYTES", 1)


def written(folder: Path, kind: str) -> CineStack:
    """Write the same cine of five frames in one of several ways."""
    data = pixels(12, 10, 4, 5)
    affine = OBLIQUE if kind == "from the apex" else DIAGONAL
    if kind == "several files":
        paths = [save(folder / f"{t}.nii.gz", data[..., t], affine) for t in range(5)]
        return open_stack(Subject("x", tuple(VolumeSource(path) for path in paths)))
    if kind == "chosen frames":
        path = save(folder / "a.nii.gz", data, affine)
        return open_stack(Subject("x", tuple(FrameSource(path, t) for t in (3, 0, 4))))
    path = save(folder / ("a.nii" if kind == "plain" else "a.nii.gz"), data, affine)
    if kind == "scaled":
        image = nib.Nifti1Image(data, affine)
        image.header.set_slope_inter(0.5, -3.0)
        nib.save(image, path)
    return open_cine(path)


KINDS = ["plain", "compressed", "scaled", "from the apex", "several files", "chosen frames"]


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_those_of_the_whole(tmp_path: Path, kind: str) -> None:
    cine = written(tmp_path, kind)
    whole = cine.load()
    with cine.frames() as frames:
        assert not isinstance(frames, np.ndarray)
        assert frames.shape == whole.shape
        for t in (*range(len(whole)), *reversed(range(len(whole)))):
            assert np.array_equal(frames[t], whole[t])
        assert cine_digest(frames) == cine_digest(whole)


def test_a_small_cine_is_read_once(tmp_path: Path) -> None:
    with written(tmp_path, "compressed").frames() as frames:
        assert isinstance(frames, np.ndarray)


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize("damage", ["cut", "cut after the pixels", "flipped", "not a number"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    data = pixels(60, 50, 4, 3).astype(np.float32)
    if damage == "not a number":
        data[1, 2, 3, 2] = np.nan
    path = save(tmp_path / "a.nii", data)
    content = bytearray(gzip.compress(path.read_bytes(), compresslevel=0))
    if damage == "flipped":
        content[5001] ^= 1
    kept = {"cut": -9000, "cut after the pixels": -3}.get(damage)
    (tmp_path / "a.nii.gz").write_bytes(content[:kept])
    with open_cine(tmp_path / "a.nii.gz").frames() as frames, pytest.raises(ImageError, match=r"a\.nii\.gz"):
        for t in range(3):
            frames[t]


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize("border", [0, 3])
def test_levels_are_the_same_to_the_last_bit(border: int) -> None:
    cine = beating(7, 3, 40, 36)
    if border:
        cine[:, :, :border], cine[..., -border:] = 0, 0
    whole, frames = standardise(cine), standardise_frames(cine)
    assert (frames.mean, frames.rows.start, frames.columns.start) == (whole.mean, whole.top, whole.left)
    assert frames.shape == whole.levels.shape
    assert all(np.array_equal(frames[t], whole.levels[t]) for t in range(7))
    ours, theirs = (heart.find_heart(each, (1.5, 1.2)) for each in (frames, whole.levels))
    assert (ours.row, ours.column, ours.sure) == pytest.approx((theirs.row, theirs.column, theirs.sure))


def beating(frames: int, slices: int, rows: int, columns: int) -> np.ndarray:
    """Return a pulsating bright disc on a noisy background, shape (frame, slice, row, column)."""
    random = np.random.default_rng(0)
    cine = random.integers(20, 60, (frames, slices, rows, columns)).astype(np.float32)
    i, j = np.indices((rows, columns))
    for t in range(frames):
        radius = rows / 5 * (1 - 0.4 * np.sin(np.pi * t / frames))
        cine[t, :, np.hypot(i - rows * 0.45, j - columns * 0.55) < radius] += 200
    return cine


def bright() -> Fake:
    """Return a network that labels bright pixels as LV and dark ones as RV."""

    def logits(images: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.zeros_like(images), images - 1, images - 9, -images - 0.9], dim=1)

    return Fake(logits)


@pytest.mark.parametrize("frames", [None, [4, 1]])
def test_labels_are_those_of_the_whole(
    tmp_path: Path, frames: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.nii.gz", beating(6, 3, 50, 40).T.astype(np.int16))
    settings = recipe(32, 1.5, flips=True, recentre=True, largest_component=True)
    expected = segment_stack(bright(), open_cine(path).load(), (1.25, 1.5), settings, frames)
    assert {0, 1, 3} <= set(np.unique(expected.labels))
    for module in (stack, heart):
        monkeypatch.setattr(module, "LARGE_BYTES", 1)
    with open_cine(path).frames() as one_by_one:
        found = segment_stack(bright(), one_by_one, (1.25, 1.5), settings, frames)
    assert np.array_equal(found.labels, expected.labels)
    assert found.heart_sure is expected.heart_sure


def test_memory_grows_with_the_labels_not_with_the_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.nii.gz", beating(40, 20, 64, 64).T.astype(np.int16))
    cine = open_cine(path)
    frame = cine.n_bytes // cine.n_frames
    for module in (stack, heart):
        monkeypatch.setattr(module, "LARGE_BYTES", 4 * frame)
    settings = recipe(32, 1.5, recentre=True, largest_component=True)
    segment_stack(bright(), cine.load()[:2], (1.25, 1.5), settings)  # imports are no part of it
    with peak() as measured, cine.frames() as frames:
        labels = segment_stack(bright(), frames, (1.25, 1.5), settings).labels
        write_segmentation(tmp_path / "a_seg.nii.gz", labels, cine, cine=cine_digest(frames))
    assert labels.nbytes == cine.n_bytes // 4
    assert measured[0] < labels.nbytes + 14 * frame < 0.7 * cine.n_bytes


@contextmanager
def peak() -> Iterator[list[int]]:
    """Yield a list that receives the peak memory in bytes, without that of torch."""
    measured: list[int] = []
    tracemalloc.start()
    try:
        yield measured
    finally:
        measured.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [(3, 4, 10, 12), (1, 4, 10, 12), (4, 10, 12)])
def test_a_file_written_in_parts_is_that_written_at_once(
    tmp_path: Path, suffix: str, shape: tuple[int, ...]
) -> None:
    cine = open_cine(save(tmp_path / "cine.nii.gz", pixels(12, 10, 4, shape[0] if len(shape) == 4 else 1)))
    labels = np.random.default_rng(0).integers(0, 4, shape).astype(np.uint8)
    path = tmp_path / f"a{suffix}"
    write_segmentation(path, labels, cine, "acdc")
    content = path.read_bytes() if suffix == ".nii" else gzip.decompress(path.read_bytes())
    numbers = np.array([0, 3, 2, 1], np.uint8)[labels]
    numbers = numbers[..., ::-1, :, :] if cine.grid.slices_reversed else numbers
    assert content.endswith(numbers.tobytes())
    found = np.asarray(nib.load(path).dataobj)
    assert np.array_equal(found.T.reshape(numbers.shape), numbers)
    if suffix == ".nii.gz":
        assert path.read_bytes() == gzip.compress(content, compresslevel=6, mtime=0)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_digests_do_not_depend_on_the_type_of_small_numbers(kind: type) -> None:
    labels = np.random.default_rng(0).integers(0, 4, (3, 4, 5, 6))
    assert labels_digest(labels.astype(kind)) == labels_digest(labels.astype(np.uint8))
    changed = labels.astype(np.float32)
    changed[0, 0, 0, 0] = 0.5
    assert labels_digest(changed) != labels_digest(labels.astype(np.uint8))


# ---- messages -----------------------------------------------------------------------------------


def large(**changes: object) -> CineStack:
    """Return a stack of 100 x 30 x 512 x 512 that is never read."""
    grid = Grid((30, 512, 512), (8.0, 0.7, 0.7), np.eye(4))
    return CineStack(grid, 100, lambda: np.empty(0, np.float32), **changes)  # type: ignore[arg-type]


def test_a_cine_that_may_not_fit_is_told_before_it_is_segmented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "free_memory", lambda _: 1 << 30)
    lazy, whole = large(open_frames=lambda: None), large()
    for each, needed in ((lazy, "1.2 GiB"), (whole, "4.2 GiB")):
        problem = notices.large_cine_warning("cine", each)
        assert problem is not None
        assert problem.severity is Severity.WARNING
        assert needed in problem.what
        assert "1.0 GiB are free" in problem.what
    monkeypatch.setattr(notices, "free_memory", lambda _: 2 << 30)
    assert notices.large_cine_warning("cine", lazy) is None


def test_segmenting_out_of_memory_does_not_advise_on_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = open_cohort(write_beating_cohort(tmp_path / "cohort", "ab"))
    run, split = Run(tmp_path / "run"), Split({"a": Role.TRAIN, "b": Role.TEST})
    trained = segmentation(method="scratch")
    jobs.finetune(cohort, trained, run, split=split, settings=jobs.JobSettings("cpu"))

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(sys.modules["cmr_ssp.jobs.segmenting"], "segment_stack", exhausted)
    with pytest.raises(DeviceError) as caught:
        jobs.segment(run, [cohort.root / "a.nii.gz"], tmp_path / "out", device="cpu", on_event=Listener())
    (problem,) = caught.value.problems
    assert "Close other programs" in problem.remedy
    assert "batch_size" not in problem.remedy
