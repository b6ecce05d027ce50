"""Segmenting stacks with networks of known output, to test the geometry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cmr_ssp.errors import CheckpointError
from cmr_ssp.networks import UNet
from cmr_ssp.prediction import Onlooker, batches, load_segmenter, segment_cine, segment_stack
from cmr_ssp.runs import Provenance
from cmr_ssp.samples.standardise import standardise
from cmr_ssp.weights import Checkpoint, save_checkpoint
from prediction_helpers import Fake, recipe
from torch import Tensor, nn
from training_helpers import recipe as pretraining_recipe

LEVELS = (2.5, 6.5, 10.5, 14.5)
"""Pixel value of each class; halfway between them lie 4.5, 8.5 and 12.5."""

FLOOR = 10.0
"""Added to all pixels of a field of view, so that zeros are outside of it."""


def classify(pixels: np.ndarray) -> Fake:
    """Return a network that gives each pixel the class of the nearest level, in file units."""
    cine = standardise(pixels)
    rows, columns = cine.levels.shape[2:]
    kept = pixels[..., cine.top : cine.top + rows, cine.left : cine.left + columns]
    low, deviation = float(kept.min()), float(np.ptp(kept) / cine.levels.max())
    values = torch.tensor(LEVELS)[:, None, None] + FLOOR

    def logits(images: Tensor) -> Tensor:
        pixel = (images + cine.mean) * deviation + low
        return 2 * pixel * values - values**2  # the largest is nearest, and bicubic keeps straight lines

    return Fake(logits)


def classes(heights: np.ndarray) -> np.ndarray:
    return np.digitize(heights, (4.5, 8.5, 12.5)).astype(np.uint8)


def tents(rows: int, columns: int, frames: int = 1) -> np.ndarray:
    """Return heights (frame, slice, row, column) of two truncated pyramids off the centre.

    Every boundary between classes lies in the middle between two pixels, so the right labels are certain.
    """
    i, j = np.indices((rows, columns))
    slices = [
        np.minimum.reduce([i - up, rows - 1 - down - i, j - left, columns - 1 - right - j])
        for up, down, left, right in ((3, 0, 0, 4), (0, 2, 5, 1))
    ]
    return np.repeat(np.clip(slices, 0, 16)[None], frames, axis=0).astype(np.float32)


def everywhere(structure: int) -> Fake:
    def logits(images: Tensor) -> Tensor:
        return nn.functional.one_hot(torch.full(images[:, 0].shape, structure), 4).movedim(3, 1).float()

    return Fake(logits)


# ---- geometry -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "crop_mm"),
    [
        ((40, 48), (1.0, 1.0), 1.0),
        ((41, 47), (1.0, 1.0), 1.0),
        ((41, 56), (1.7, 0.9), 1.25),
        ((56, 41), (0.8, 1.5), 0.7),
        ((64, 39), (1.25, 1.25), 1.0),
    ],
)
def test_labels_are_exact_on_the_own_grid(
    shape: tuple[int, int], spacing_mm: tuple[float, float], crop_mm: float
) -> None:
    pixels = tents(*shape) + FLOOR
    size = int(np.ceil(max(np.multiply(shape, spacing_mm)) / crop_mm)) + 4
    found = segment_stack(classify(pixels), pixels, spacing_mm, recipe(size + size % 2, crop_mm))
    assert found.labels.dtype == np.uint8
    assert np.array_equal(found.labels, classes(pixels - FLOOR))
    assert set(np.unique(found.labels)) == {0, 1, 2, 3}


def test_a_zero_border_is_cropped_and_restored() -> None:
    inner = tents(40, 44) + FLOOR
    pixels = np.pad(inner, ((0, 0), (0, 0), (3, 0), (2, 5)))
    found = segment_stack(classify(pixels), pixels, (1.0, 1.0), recipe(64))
    expected = np.pad(classes(inner - FLOOR), ((0, 0), (0, 0), (3, 0), (2, 5)))
    assert np.array_equal(found.labels, expected)


def inside(shape: tuple[int, int], centre: Any, spacing_mm: Any, side_mm: float) -> np.ndarray:
    """Return which pixels have their centre in a square (row, column)."""
    offsets = [np.abs((np.arange(n) - c) * mm) for n, c, mm in zip(shape, centre, spacing_mm, strict=True)]
    return (offsets[0][:, None] <= side_mm / 2) & (offsets[1][None, :] <= side_mm / 2)


@pytest.mark.parametrize("centre", [(13.3, 31.8), (2.0, 2.0), (19.5, 24.5)])
def test_outside_the_crop_is_background(centre: tuple[float, float]) -> None:
    levels, spacing_mm = np.ones((1, 2, 40, 50), np.float32), (1.4, 0.9)
    labels = segment_cine(everywhere(3), levels, 0.0, spacing_mm, centre, recipe(16, 1.25))
    assert np.array_equal(labels[0, 1], np.where(inside((40, 50), centre, spacing_mm, 20.0), 3, 0))


def test_an_off_centre_heart_is_segmented_where_it_is() -> None:
    heights = tents(60, 70)[:, :1, :, :] * 0
    heights[0, 0, 8:30, 38:60] = tents(22, 22)[0, 0] * 2
    pixels = heights + FLOOR
    cine, network = standardise(pixels), classify(pixels)
    labels = segment_cine(network, cine.levels, cine.mean, (1.0, 1.0), (18.0, 48.0), recipe(32))
    assert np.array_equal(labels, classes(heights))


def moving(shape: tuple[int, int], middle: tuple[int, int], frames: int = 4) -> np.ndarray:
    """Return a cine (frame, slice, row, column) in which a disc pulsates at `middle`."""
    i, j = np.indices(shape)
    distance = np.hypot(i - middle[0], j - middle[1])
    radii = 14 + 5 * np.cos(2 * np.pi * np.arange(frames) / frames)
    return np.stack([[np.where(distance < r, 50.0, 10.0)] for r in radii]).astype(np.float32)


def test_the_crop_follows_motion_unless_the_recipe_says_image() -> None:
    pixels = moving((100, 120), (30, 85))
    by_motion = segment_stack(everywhere(1), pixels, (1.5, 1.5), recipe(20, 1.5))
    assert by_motion.heart_sure
    rows, columns = (np.flatnonzero(by_motion.labels[0, 0].any(axis=axis)) for axis in (1, 0))
    assert rows.mean() == pytest.approx(30, abs=2)
    assert columns.mean() == pytest.approx(85, abs=2)
    by_image = segment_stack(everywhere(1), pixels, (1.5, 1.5), recipe(20, 1.5, centre="image"))
    assert np.array_equal(by_image.labels[2, 0], inside((100, 120), (49.5, 59.5), (1.5, 1.5), 30.0))


def test_a_single_frame_has_no_motion_so_the_heart_is_not_sure() -> None:
    pixels = moving((40, 40), (20, 20))[:1]
    assert not segment_stack(everywhere(1), pixels, (1.0, 1.0), recipe(16)).heart_sure


# ---- frames -------------------------------------------------------------------------------------


def test_a_subset_of_frames_is_that_part_of_all() -> None:
    pixels = tents(40, 40, frames=5) + FLOOR
    pixels *= np.linspace(0.6, 1.0, 5, dtype=np.float32)[:, None, None, None]
    network = classify(pixels)
    whole = segment_stack(network, pixels, (1.0, 1.0), recipe(48)).labels
    assert whole.shape == pixels.shape
    assert len({frame.tobytes() for frame in whole}) == 5
    some = segment_stack(network, pixels, (1.0, 1.0), recipe(48), frames=[3, 0]).labels
    assert np.array_equal(some, whole[[3, 0]])


@pytest.mark.parametrize("place", [(0, 0), (3, 1), (6, 2), (1, 2)])
def test_what_is_looked_at_comes_first_and_all_labels_stay_the_same(
    monkeypatch: pytest.MonkeyPatch, place: tuple[int, int]
) -> None:
    monkeypatch.setattr(batches, "_MOST_SLICES", 2)  # frames have 3 slices: they lie across batches
    pixels = np.random.default_rng(0).random((7, 3, 40, 36), dtype=np.float32) + FLOOR
    settings = recipe(32, flips=True, recentre=True, largest_component=True)
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, 4, 5, padding=2)
    expected = segment_stack(network, pixels, (1.0, 1.2), settings).labels
    seen: list[tuple[tuple[int, ...], np.ndarray]] = []

    def see(frames: Sequence[int], labels: np.ndarray) -> None:
        seen.append((tuple(frames), labels.copy()))

    found = segment_stack(network, pixels, (1.0, 1.2), settings, onlooker=Onlooker(place, see)).labels
    assert found.tobytes() == expected.tobytes()
    assert place[0] in seen[0][0]
    assert seen[0][1][place].any(), "the slice that is looked at is in the first batch"
    distances = [min(abs(frame - place[0]) for frame in frames) for frames, _ in seen]
    assert distances == sorted(distances)
    complete = next(labels for _, labels in seen if all(each.any() for each in labels[place[0]]))
    assert np.array_equal(complete[place[0]], expected[place[0]]), "a complete frame is final"
    assert len(seen) == 11 and np.array_equal(seen[-1][1], expected)


def test_more_slices_than_fit_in_a_batch_keep_their_order() -> None:
    levels = np.arange(70, dtype=np.float32).reshape(35, 2, 1, 1) * np.ones((8, 8), np.float32)
    network = Fake(lambda x: torch.cat([0 * x, -(x - 3).abs() + 0.5, -(x - 34).abs() + 0.5, 0 * x - 1], 1))
    labels = segment_cine(network, levels, 0.0, (1.0, 1.0), (3.5, 3.5), recipe(8))
    found = [(int(k), int(labels.reshape(70, 8, 8)[k, 4, 4])) for k in range(70)]
    assert [pair for pair in found if pair[1]] == [(3, 1), (34, 2)]
    assert len(network.modes) > 1


def test_half_precision_levels_are_accepted() -> None:
    labels = segment_cine(
        everywhere(2), np.ones((1, 1, 8, 8), np.float16), 0.0, (1.0, 1.0), (3.5, 3.5), recipe(8)
    )
    assert (labels == 2).all()


# ---- settings -----------------------------------------------------------------------------------


def one_sided(images: Tensor) -> Tensor:
    """Return LV logits of 3 in the upper left quarter and -0.5 elsewhere, for any image."""
    lv = torch.full_like(images, -0.5)
    lv[..., : images.shape[2] // 2, : images.shape[3] // 2] = 3.0
    never = torch.full_like(images, -9.0)
    return torch.cat([torch.zeros_like(images), lv, never, never], dim=1)


def test_flips_average_over_four_views() -> None:
    levels = np.ones((1, 1, 8, 8), np.float32)
    plain, flipped = Fake(one_sided), Fake(one_sided)
    alone = segment_cine(plain, levels, 0.0, (1.0, 1.0), (3.5, 3.5), recipe(8))
    quarter = np.zeros((8, 8), np.uint8)
    quarter[:4, :4] = 1
    assert np.array_equal(alone[0, 0], quarter)
    assert len(plain.modes) == 1
    together = segment_cine(flipped, levels, 0.0, (1.0, 1.0), (3.5, 3.5), recipe(8, flips=True))
    assert (together == 1).all()  # (3 - 0.5 - 0.5 - 0.5) / 4 > 0
    assert len(flipped.modes) == 4


def test_certainty_is_the_dice_that_the_probabilities_promise() -> None:
    levels = np.ones((2, 1, 8, 8), np.float32)
    certainty = np.zeros((2, 1, 3, 2), np.float32)
    odds = 3.0  # of the LV in one quarter, by the logits 3 and 0
    segment_cine(
        Fake(one_sided), levels, 0.0, (1.0, 1.0), (3.5, 3.5), recipe(8, recentre=True), certainty=certainty
    )
    inside, outside = (1 / (1 + np.exp(-logit)) for logit in (odds, -0.5))
    overlap, total = 16 * inside, 16 * inside + 48 * outside + 16
    np.testing.assert_allclose(certainty[:, 0, 0], [[overlap, total]] * 2, rtol=0.02)
    assert (certainty[:, :, 1:, 0] == 0).all(), "no pixel is MYO or RV"


def test_flips_change_nothing_for_a_symmetric_network() -> None:
    pixels = tents(41, 38) + FLOOR
    plain, flipped = (
        segment_stack(classify(pixels), pixels, (1.0, 1.3), recipe(56, flips=flips)).labels
        for flips in (False, True)
    )
    assert np.array_equal(plain, flipped)


def blocks(*boxes: tuple[int, Any]) -> np.ndarray:
    """Return pixels of 2 frames and 3 slices; each box (class, index) has the level of its class."""
    pixels = np.zeros((2, 3, 32, 32), np.float32)
    for structure, box in boxes:
        pixels[box] = LEVELS[structure]
    return pixels + FLOOR


def segmented_blocks(pixels: np.ndarray, **prediction: bool) -> np.ndarray:
    cine = standardise(pixels)
    middle = (15.5, 15.5)
    return segment_cine(
        classify(pixels), cine.levels, cine.mean, (1.0, 1.0), middle, recipe(32, **prediction)
    )


def test_the_labels_of_a_frame_do_not_depend_on_the_other_frames() -> None:
    """So a segmentation of all frames has the same scores as one of ED and ES."""
    pixels = np.repeat(blocks((1, np.s_[:, :, 4:12, 4:12])), 4, axis=0)
    for frame in range(8):  # the heart wanders, so that every frame alone would centre elsewhere
        pixels[frame] = np.roll(pixels[frame], 2 * frame, axis=-1)
    settings = recipe(16, recentre=True)
    whole = segment_stack(classify(pixels), pixels, (1.0, 1.0), settings).labels
    some = segment_stack(classify(pixels), pixels, (1.0, 1.0), settings, [6, 1]).labels
    assert whole.any()
    np.testing.assert_array_equal(some, whole[[6, 1]])


def test_the_largest_component_of_every_structure_and_frame_is_kept() -> None:
    upper, lower = slice(4, 12), slice(24, 28)
    pixels = blocks(
        (1, np.s_[0, :, upper, upper]),
        (1, np.s_[0, 1, 12:16, 12:16]),  # touches it at a corner
        (1, np.s_[0, 2, lower, lower]),  # touches nothing
        (3, np.s_[0, :, lower, upper]),  # another structure
        (1, np.s_[1, :, lower, lower]),  # another frame
    )
    everything = classes(pixels - FLOOR)
    assert np.array_equal(segmented_blocks(pixels), everything)
    everything[0, 2, lower, lower] = 0
    assert np.array_equal(segmented_blocks(pixels, largest_component=True), everything)


def test_components_may_touch_diagonally_in_the_next_slice() -> None:
    """Breath-holds shift slices relative to each other."""
    pixels = blocks((2, np.s_[:, 0, 4:12, 4:12]), (2, np.s_[:, 1, 12:18, 12:18]))
    assert np.array_equal(segmented_blocks(pixels, largest_component=True), classes(pixels - FLOOR))


def test_recentring_includes_the_whole_heart() -> None:
    pixels = np.zeros((1, 1, 48, 48), np.float32)
    pixels[0, 0, 20:30, 20:30] = LEVELS[2]
    pixels += FLOOR
    cine, network = standardise(pixels), classify(pixels)
    arguments = (network, cine.levels, cine.mean, (1.0, 1.0), (14.5, 24.5))
    once = segment_cine(*arguments, recipe(16))
    assert (once > 0).sum() == 3 * 10  # rows 20 to 22 lie in the crop
    twice = segment_cine(*arguments, recipe(16, recentre=True))
    assert np.array_equal(twice, classes(pixels - FLOOR))


def test_without_foreground_the_crop_is_not_recentred() -> None:
    levels = np.ones((1, 1, 16, 16), np.float32)
    labels = segment_cine(everywhere(0), levels, 0.0, (1.0, 1.0), (7.5, 7.5), recipe(8, recentre=True))
    assert not labels.any()


# ---- the network is left as it was --------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_the_network_predicts_in_evaluation_mode_and_keeps_its_own(training: bool) -> None:
    network = everywhere(1).train(training)
    segment_cine(network, np.ones((1, 1, 8, 8), np.float32), 0.0, (1.0, 1.0), (3.5, 3.5), recipe(8))
    assert network.modes == [False]
    assert network.training is training


def test_the_training_mode_is_restored_after_a_failure() -> None:
    def fail(images: Tensor) -> Tensor:
        raise RuntimeError("broken")

    network = Fake(fail).train()
    with pytest.raises(RuntimeError, match="broken"):
        segment_cine(network, np.ones((1, 1, 8, 8), np.float32), 0.0, (1.0, 1.0), (3.5, 3.5), recipe(8))
    assert network.training


# ---- loading ------------------------------------------------------------------------------------


def checkpoint(path: Path, network: nn.Module, settings: Any) -> Path:
    seen = Provenance(training={"a": "1"})
    save_checkpoint(path, Checkpoint(network.state_dict(), {}, {"update": 1}, settings, seen, {}))
    return path


def test_a_segmenter_is_loaded_from_its_checkpoint_only(tmp_path: Path) -> None:
    network = UNet((2, 4), 4, deep_supervision=True).eval()
    found = load_segmenter(checkpoint(tmp_path / "last", network, recipe(8)), torch.device("cpu"))
    images = torch.randn(1, 1, 8, 8)
    torch.testing.assert_close(found.network(images), network(images))
    assert not found.network.training
    assert found.recipe == recipe(8)
    assert found.provenance.training == {"a": "1"}


def test_a_pretrained_network_does_not_segment_yet(tmp_path: Path) -> None:
    network = UNet((2, 4), 1, deep_supervision=False)
    path = checkpoint(tmp_path / "last", network, pretraining_recipe())
    with pytest.raises(CheckpointError, match="Fine-tune it first"):
        load_segmenter(path, torch.device("cpu"))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "last", UNet((2, 3), 4, deep_supervision=True), recipe(8))
    with pytest.raises(CheckpointError, match="do not fit"):
        load_segmenter(path, torch.device("cpu"))
