"""Reconstruction of hidden patches: geometry, masks, errors, and its job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from cmr_ssp import jobs
from cmr_ssp.errors import CheckpointError, ImageError, RecipeError
from cmr_ssp.events import Cancel, Noticed, Outcome
from cmr_ssp.files import open_cohort, open_stack
from cmr_ssp.methods.mim.objective import masked_mse
from cmr_ssp.methods.mim.reconstruct import Rebuilder, Reconstruction, load_rebuilder, rebuild
from cmr_ssp.networks import UNet
from cmr_ssp.runs import Provenance, Run
from cmr_ssp.subjects import Cohort
from cmr_ssp.weights import Checkpoint, save_checkpoint
from cohort_helpers import (
    FRAMES,
    SLICES,
    Listener,
    beating_heart,
    mim,
    segmentation,
    write_beating_cohort,
)
from files_helpers import save
from torch import Tensor, nn

PATCH = 4
SPACING_MM = (1.5, 1.2)


class Fake(nn.Module):
    """Returns a function of its input, and stores the input."""

    def __init__(self, answer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.somewhere = nn.Parameter(torch.zeros(1))  # tells the device
        self.answer, self.shown = answer, cast(list[Tensor], [])

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(images)
        return self.answer(images)


def rebuilder(answer: Callable[[Tensor], Tensor] = lambda x: x + 0.25, **changes: Any) -> Rebuilder:
    return Rebuilder(cast(UNet, Fake(answer)), mim(**changes), Provenance())


def noise(frames: int = 3, slices: int = 5) -> np.ndarray:
    shape = (frames, slices, 40, 44)
    return np.random.default_rng(0).uniform(10, 90, shape).astype(np.float32)


# ---- geometry -----------------------------------------------------------------------------------


def dots(place_px: tuple[float, float], border: tuple[int, int]) -> np.ndarray:
    """Return a cine of a soft pulsating dot beside a static one, with a border of zeros."""
    i, j = np.indices((60, 70))
    radii = 3 + np.cos(2 * np.pi * np.arange(4) / 4)
    squares = (i - place_px[0]) ** 2 + (j - place_px[1]) ** 2
    inner = np.stack([[10 + 80 * np.exp(-squares / (2 * r**2))] for r in radii])
    return np.pad(inner, ((0, 0), (0, 0), (border[0], 2), (border[1], 1))).astype(np.float32)


@pytest.mark.parametrize("centre", ["motion", "image"])
@pytest.mark.parametrize(
    ("place_px", "border"), [((30.0, 34.0), (0, 0)), ((26.5, 41.0), (7, 3)), ((35, 31), (2, 9))]
)
def test_a_dot_lies_at_the_same_place_over_the_cine(
    place_px: tuple[float, float], border: tuple[int, int], centre: str
) -> None:
    crop = {"size_px": 32, "spacing_mm": 2.0, "centre": centre}
    found = rebuild(rebuilder(crop=crop), dots(place_px, border), SPACING_MM, 1)
    assert found.spacing_mm == 2.0
    bright = np.clip(found.image[0] - found.image[0].max() / 4, 0, None)  # the dot alone
    for axis in (0, 1):
        here = float(bright.sum(axis=1 - axis) @ np.arange(32) / bright.sum())
        there_mm = (place_px[axis] + border[axis]) * SPACING_MM[axis]
        assert found.origin_mm[axis] + here * found.spacing_mm == pytest.approx(there_mm, abs=0.1)


# ---- masks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hidden", "patches"), [(None, 12), (0.0, 0), (0.5, 8), (0.6, 10), (1.0, 16)])
def test_exactly_the_share_asked_for_is_hidden(hidden: float | None, patches: int) -> None:
    found = rebuild(rebuilder(), noise(), SPACING_MM, 0, hidden=hidden)
    assert found.mask.sum(axis=(1, 2)).tolist() == [patches * PATCH**2] * 5
    whole = found.mask.reshape(5, 4, PATCH, 4, PATCH)
    assert np.array_equal(whole.all(axis=(2, 4)), whole.any(axis=(2, 4)))


def test_one_slice_is_hidden_like_the_same_slice_among_all() -> None:
    whole = rebuild(rebuilder(), noise(), SPACING_MM, 1, seed=7)
    some = rebuild(rebuilder(), noise(), SPACING_MM, 1, [4, 2], seed=7)
    assert whole.slices == (0, 1, 2, 3, 4) and some.slices == (4, 2) and some.frame == 1
    for name in ("image", "masked", "mask", "rebuilt", "error", "mean_error"):
        np.testing.assert_array_equal(getattr(some, name), getattr(whole, name)[[4, 2]])


def test_seed_frame_and_slice_each_change_the_mask() -> None:
    def masks(frame: int, seed: int) -> list[bytes]:
        found = rebuild(rebuilder(), noise(), SPACING_MM, frame, seed=seed)
        return [mask.tobytes() for mask in found.mask]

    assert len({*masks(0, 0), *masks(1, 0), *masks(0, 1)}) == 15


def test_hiding_more_keeps_hidden_what_was() -> None:
    less, more = (rebuild(rebuilder(), noise(), SPACING_MM, 0, hidden=share).mask for share in (0.3, 0.7))
    assert (more | ~less).all() and more.sum() > less.sum()


# ---- what comes out -----------------------------------------------------------------------------


def test_the_network_sees_what_is_called_masked() -> None:
    made = rebuilder()
    found = rebuild(made, noise(), SPACING_MM, 0)
    (shown,) = cast(Fake, made.network).shown
    np.testing.assert_array_equal(shown[:, 0], found.masked)
    np.testing.assert_array_equal(found.masked, np.where(found.mask, 0, found.image))
    assert found.image[found.mask].any()


def test_errors_count_hidden_pixels_only() -> None:
    found = rebuild(rebuilder(), noise(), SPACING_MM, 0)
    np.testing.assert_array_equal(found.rebuilt, found.masked + np.float32(0.25))
    assert not found.error[~found.mask].any()
    np.testing.assert_allclose(found.error[found.mask], np.abs(0.25 - found.image[found.mask]), rtol=1e-5)
    rebuilt, image, mask = (
        torch.from_numpy(part)[:, None] for part in (found.rebuilt, found.image, found.mask)
    )
    expected = [float(masked_mse(rebuilt[k], image[k], mask[k])) for k in range(5)]
    np.testing.assert_allclose(found.mean_error, expected, rtol=1e-5)


def test_composed_fills_the_gaps_alone() -> None:
    found = rebuild(rebuilder(lambda x: 0 * x + 7.0), noise(), SPACING_MM, 0)
    assert (found.composed[found.mask] == 7).all()
    np.testing.assert_array_equal(found.composed[~found.mask], found.image[~found.mask])


def test_with_nothing_hidden_there_is_no_error_to_speak_of() -> None:
    found = rebuild(rebuilder(), noise(), SPACING_MM, 0, hidden=0)
    assert np.isnan(found.mean_error).all() and not found.error.any()


def test_many_large_slices_are_rebuilt_in_parts() -> None:
    made = rebuilder(crop={"size_px": 256, "spacing_mm": 0.5})
    pixels = noise(1, 19)
    found = rebuild(made, pixels, SPACING_MM, 0)
    assert len(cast(Fake, made.network).shown) > 1 and not found.heart_sure
    np.testing.assert_array_equal(found.rebuilt, found.masked + np.float32(0.25))


# ---- refusals -----------------------------------------------------------------------------------


def test_every_frame_and_slice_that_is_not_there_is_named() -> None:
    with pytest.raises(ImageError) as caught:
        rebuild(rebuilder(), noise(), SPACING_MM, 3, [-1, 0, 5])
    assert [problem.what for problem in caught.value.problems] == [
        "it has no frame 3",
        "it has no slice -1",
        "it has no slice 5",
    ]
    with pytest.raises(ImageError, match="no slice was chosen"):
        rebuild(rebuilder(), noise(), SPACING_MM, 0, [])


@pytest.mark.parametrize("hidden", [-0.1, 1.1, float("nan")])
def test_a_share_lies_between_nothing_and_all(hidden: float) -> None:
    with pytest.raises(RecipeError, match="not a fraction"):
        rebuild(rebuilder(), noise(), SPACING_MM, 0, hidden=hidden)


def checkpoint(path: Path, network: nn.Module, settings: Any) -> Path:
    seen = Provenance(pretraining={"a": "1"})
    save_checkpoint(path, Checkpoint(network.state_dict(), {}, {"update": 1}, settings, seen, {}))
    return path


def test_a_rebuilder_comes_from_its_checkpoint_alone(tmp_path: Path) -> None:
    network = UNet((3, 4), 1, deep_supervision=False).eval()
    found = load_rebuilder(checkpoint(tmp_path / "last", network, mim()), torch.device("cpu"))
    images = torch.randn(1, 1, 8, 8)
    torch.testing.assert_close(found.network(images), network(images))
    assert not found.network.training
    assert found.recipe == mim() and found.provenance.pretraining == {"a": "1"}


def test_other_networks_rebuild_nothing(tmp_path: Path) -> None:
    segmenter = checkpoint(tmp_path / "a", UNet((3, 4), 4, deep_supervision=True), segmentation())
    with pytest.raises(CheckpointError, match="does not reconstruct"):
        load_rebuilder(segmenter, torch.device("cpu"))
    wider = checkpoint(tmp_path / "b", UNet((3, 5), 1, deep_supervision=False), mim())
    with pytest.raises(CheckpointError, match="do not fit"):
        load_rebuilder(wider, torch.device("cpu"))


# ---- the job ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abc"))


@pytest.fixture(scope="module")
def run(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("made")
    pretrained = Run(folder / "mim")
    jobs.pretrain(cohort, mim(), pretrained, settings=jobs.JobSettings("cpu", bank_folder=folder / "banks"))
    return pretrained


def test_the_job_rebuilds_slices_of_a_subject(run: Run, cohort: Cohort) -> None:
    told, subject = Listener(), cohort.subject("b")
    found = jobs.reconstruct(run, subject, 2, [1], seed=3, device="cpu", on_event=told)
    assert isinstance(found, Reconstruction) and told.end.outcome is Outcome.FINISHED
    stack = open_stack(subject)
    expected = rebuild(
        load_rebuilder(run.last, torch.device("cpu")), stack.load(), stack.grid.spacing_mm[1:], 2, seed=3
    )
    assert found.frame == 2 and found.slices == (1,) and found.origin_mm == expected.origin_mm
    np.testing.assert_array_equal(found.masked[0], expected.masked[1])
    np.testing.assert_allclose(found.rebuilt[0], expected.rebuilt[1], atol=0.05)  # bfloat16, other batch
    everything = jobs.reconstruct(run, subject, 0, device="cpu")
    assert everything is not None and everything.slices == tuple(range(SLICES))


def test_an_unsure_heart_is_told(run: Run, tmp_path: Path) -> None:
    pixels, _ = beating_heart(0)
    save(tmp_path / "still.nii.gz", np.repeat(pixels[..., :1], FRAMES, axis=3))
    told = Listener()
    jobs.reconstruct(run, open_cohort(tmp_path).subject("still"), 0, device="cpu", on_event=told)
    assert [notice.problem.where for notice in told.of(Noticed)] == ["still"]


def test_what_is_not_there_is_named_before_pixels_are_read(run: Run, tmp_path: Path) -> None:
    cine = write_beating_cohort(tmp_path, ["b"]) / "b.nii.gz"
    subject = open_cohort(tmp_path).subject("b")
    cine.write_bytes(cine.read_bytes()[:2000])  # the header is whole, the pixels are not
    told = Listener()
    with pytest.raises(ImageError, match=f"b: it has no frame {FRAMES}"):
        jobs.reconstruct(run, subject, FRAMES, device="cpu", on_event=told)
    assert told.end.outcome is Outcome.FAILED
    with pytest.raises(ImageError, match=r"b\.nii\.gz"):
        jobs.reconstruct(run, subject, 0, device="cpu")


def test_a_cancelled_job_returns_nothing(run: Run, cohort: Cohort) -> None:
    cancel, told = Cancel(), Listener()
    cancel.request()
    found = jobs.reconstruct(run, cohort.subject("a"), 0, device="cpu", on_event=told, cancel=cancel)
    assert found is None and told.end.outcome is Outcome.STOPPED
