from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from cmr_ssp.recipes import Augmentation, Crop
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.resampling import (
    Placement,
    crop_to_slice,
    draw_placement,
    gather,
    no_placement,
    resample,
)
from cmr_ssp.samples.seeding import Draws
from cmr_ssp.samples.views import make_views
from samples_helpers import batch_of, centroid, disc, placed, write_cohort
from scipy import ndimage

CPU = torch.device("cpu")
CROP = Crop(size_px=64, spacing_mm=1.25)


def seeded(n: int, seed: int) -> Draws:
    return Draws(torch.Generator().manual_seed(seed), n)


def crop_of(image: np.ndarray, placement: Placement, crop: Crop = CROP, **about: object) -> np.ndarray:
    images, _ = resample(batch_of(image, **about), placement, crop)  # type: ignore[arg-type]
    assert images.shape == (1, 1, crop.size_px, crop.size_px)
    return images[0, 0].numpy()


def slow_places(placement: Placement, crop: Crop, spacing: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return where each crop pixel lies on the slice, shape (axis, row, column), one pixel at a time."""
    angle, zoom = float(placement.rotation[0]), float(placement.scale[0]) * crop.spacing_mm
    places = np.empty((2, crop.size_px, crop.size_px))
    for r in range(crop.size_px):
        for c in range(crop.size_px):
            moved = np.array([r, c]) - (crop.size_px - 1) / 2 + placement.translation_px[0].numpy()
            down, across = moved * placement.flip[0].numpy() * zoom
            turned = (
                math.cos(angle) * down - math.sin(angle) * across,
                math.sin(angle) * down + math.cos(angle) * across,
            )
            places[:, r, c] = centre + np.array(turned) / spacing
    return places


def slow_bicubic(image: np.ndarray, row: float, column: float) -> float:
    """Convolve with Keys' kernel (a = -0.75), zero outside."""

    def weight(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.25 * x**3 - 2.25 * x**2 + 1
        return -0.75 * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    total = 0.0
    for r in range(math.floor(row) - 1, math.floor(row) + 3):
        for c in range(math.floor(column) - 1, math.floor(column) + 3):
            if 0 <= r < image.shape[0] and 0 <= c < image.shape[1]:
                total += weight(row - r) * weight(column - c) * image[r, c]
    return total


@pytest.mark.parametrize("seed", [0, 1])
def test_images_are_bicubic_and_labels_nearest_as_in_a_slow_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image, labels = rng.random((11, 9)), rng.integers(0, 4, (11, 9))
    crop = Crop(size_px=14, spacing_mm=1.1)
    placement = draw_placement(Augmentation(translation_px=3), seeded(1, seed))
    spacing, centre = np.array([0.9, 1.6]), np.array([4.3, 5.1])
    batch = batch_of(image, labels, spacing_mm=(0.9, 1.6), centre_px=(4.3, 5.1), mean=0.4)
    images, found = resample(batch, placement, crop)
    places = slow_places(placement, crop, spacing, centre)
    expected = [slow_bicubic(image, *place) - 0.4 for place in places.reshape(2, -1).T]
    np.testing.assert_allclose(images.numpy().ravel(), expected, atol=2e-4)
    nearest = ndimage.map_coordinates(np.pad(labels, 20), places + 20, order=0)
    assert found is not None and found.dtype == torch.uint8
    np.testing.assert_array_equal(found[0].numpy(), nearest)
    assert 0 < np.count_nonzero(nearest) < nearest.size  # the crop sees the slice and beyond


def test_without_augmentation_equal_spacing_only_cuts_out() -> None:
    image = np.random.default_rng(0).random((40, 30)).astype(np.float32)
    crop = Crop(size_px=8, spacing_mm=2.0)
    found = crop_of(image, no_placement(1), crop, spacing_mm=(2.0, 2.0), centre_px=(20.5, 9.5), mean=0.25)
    np.testing.assert_allclose(found, image[17:25, 6:14] - 0.25, atol=2e-5)


def test_agrees_with_scipy_on_a_smooth_image() -> None:
    smooth = ndimage.gaussian_filter(np.random.default_rng(3).random((70, 60)), 3).astype(np.float32)
    placement = placed((4.0, -7.0), 35.0, 0.8, (1.0, -1.0))
    found = crop_of(smooth, placement, Crop(size_px=24, spacing_mm=1.25), spacing_mm=(1.4, 1.1))
    places = slow_places(
        placement, Crop(size_px=24, spacing_mm=1.25), np.array([1.4, 1.1]), np.array([34.5, 29.5])
    )
    expected = ndimage.map_coordinates(smooth, places, order=3)
    assert np.abs(found - expected).max() < 0.02 * np.ptp(expected)


def test_a_quarter_turn_brings_what_lay_right_of_the_centre_below_it() -> None:
    right = disc((80, 80), (0.0, 15.0), 6.0, (1.0, 1.0))
    assert centroid(crop_of(right, placed())) == pytest.approx((0, 12), abs=0.05)
    assert centroid(crop_of(right, placed(degrees=90.0))) == pytest.approx((12, 0), abs=0.05)
    halfway = 12 / math.sqrt(2)
    assert centroid(crop_of(right, placed(degrees=45.0))) == pytest.approx((halfway, halfway), abs=0.05)


def test_flips_mirror_rows_and_columns() -> None:
    image = disc((80, 90), (10.0, 20.0), 5.0, (1.0, 1.0))
    plain = crop_of(image, placed())
    for flip, axes in (((-1.0, 1.0), (0,)), ((1.0, -1.0), (1,)), ((-1.0, -1.0), (0, 1))):
        np.testing.assert_allclose(crop_of(image, placed(flip=flip)), np.flip(plain, axes), atol=1e-4)


def test_a_scale_above_one_sees_more_of_the_slice() -> None:
    image = disc((80, 80), (0.0, 14.0), 10.0, (1.0, 1.0))
    for scale in (0.7, 1.0, 1.4):
        found = crop_of(image, placed(scale=scale))
        assert found.sum() == pytest.approx(image.sum() / (1.25 * scale) ** 2, rel=0.01)
        assert centroid(found)[1] == pytest.approx(14 / (1.25 * scale), abs=0.05)


@pytest.mark.parametrize("scale", [0.8, 1.4])
def test_translation_is_multiplied_by_the_scale_and_moves_the_crop(scale: float) -> None:
    image = disc((120, 120), (0.0, 0.0), 6.0, (1.0, 1.0))
    # The crop moves by 9 of its own (scaled) pixels, so what it sees moves by 9 the other way.
    found = crop_of(image, placed((9.0, -5.0), scale=scale))
    assert centroid(found) == pytest.approx((-9.0, 5.0), abs=0.05)


@pytest.mark.parametrize(("degrees", "flip"), [(90.0, (1.0, 1.0)), (0.0, (-1.0, 1.0)), (40.0, (1.0, -1.0))])
def test_translation_lies_along_the_crop_s_axes(degrees: float, flip: tuple[float, float]) -> None:
    image = disc((120, 120), (0.0, 0.0), 6.0, (1.0, 1.0))
    found = crop_of(image, placed((9.0, -5.0), degrees=degrees, flip=flip))
    assert centroid(found) == pytest.approx((-9.0, 5.0), abs=0.05)


def test_the_centre_stays_within_the_translation_however_the_crop_is_turned() -> None:
    n = 2000
    placement = draw_placement(Augmentation(translation_px=40), seeded(n, 0))
    batch = batch_of(np.zeros((4, 4)), spacing_mm=(1.4, 1.1), centre_px=(100.0, 80.0), n=n)
    matrix, offset = crop_to_slice(batch, placement, CROP)
    centre_px = torch.linalg.solve(matrix, batch.centre_px - offset)  # in the crop, from its middle
    assert float(centre_px.abs().max()) <= 40.001
    assert float((centre_px.abs() > 39).any(dim=1).float().mean()) == pytest.approx(0.05, abs=0.02)


def test_a_disc_stays_round_where_pixels_are_not_square() -> None:
    spacing = (0.8, 2.0)
    image = disc((120, 60), (12.0, -16.0), 10.0, spacing)
    for degrees, expected in ((0.0, (9.6, -12.8)), (90.0, (-12.8, -9.6))):
        found = crop_of(image, placed(degrees=degrees), spacing_mm=spacing)
        assert centroid(found) == pytest.approx(expected, abs=0.1)
        rows, columns = np.nonzero(found > 0.5)
        assert np.ptp(rows) == pytest.approx(16, abs=1)  # 20 mm across at 1.25 mm
        assert np.ptp(columns) == pytest.approx(16, abs=1)


def test_label_and_image_stay_aligned() -> None:
    image = np.maximum(
        disc((70, 90), (8.0, -12.0), 14.0, (1.3, 1.1)), disc((70, 90), (-15.0, 20.0), 9.0, (1.3, 1.1))
    )
    placement = draw_placement(Augmentation(translation_px=10), seeded(16, 4))
    batch = batch_of(image, image > 0.5, spacing_mm=(1.3, 1.1), n=16)
    images, labels = resample(batch, placement, CROP)
    assert labels is not None
    bright, drawn = images[:, 0] > 0.5, labels > 0
    overlap = 2 * (bright & drawn).sum((1, 2)) / (bright.sum((1, 2)) + drawn.sum((1, 2)))
    assert overlap.min() > 0.96


def test_outside_the_slice_lies_the_darkest_level() -> None:
    image = np.random.default_rng(0).random((20, 20)).astype(np.float32)  # darkest level 0
    found = crop_of(image, no_placement(1), mean=2.5)
    np.testing.assert_array_equal(found[:20], np.full((20, 64), -2.5, np.float32))
    np.testing.assert_array_equal(found[:, -20:], np.full((64, 20), -2.5, np.float32))


def test_placements_fill_their_ranges_and_nothing_more() -> None:
    ranges = Augmentation(translation_px=40, rotation_deg=90, scale=(0.7, 1.4), flip_p=0.25)
    drawn = draw_placement(ranges, seeded(4000, 0))
    for values, low, high in (
        (drawn.translation_px[:, 0], -40, 40),
        (drawn.translation_px[:, 1], -40, 40),
        (drawn.rotation, -math.pi / 2, math.pi / 2),
        (drawn.scale, 0.7, 1.4),
    ):
        span = high - low
        assert low <= float(values.min()) < low + 0.01 * span
        assert high - 0.01 * span < float(values.max()) <= high + 1e-6
        assert float(values.mean()) == pytest.approx((low + high) / 2, abs=0.02 * span)
    for axis in (0, 1):
        assert float((drawn.flip[:, axis] == -1).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert set(drawn.flip.unique().tolist()) == {-1.0, 1.0}
    turned = torch.stack((drawn.rotation, drawn.scale, *drawn.translation_px.T, *drawn.flip.T))
    assert (torch.corrcoef(turned) - torch.eye(6)).abs().max() < 0.06  # drawn independently


def test_the_views_of_a_part_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    """Several processes share a batch whose slices differ in size, and all intensity steps are drawn."""
    bank = slice_bank(write_cohort(tmp_path / "in").subjects, tmp_path / "banks")
    samples = np.linspace(0, len(bank) - 1, 12).astype(np.int64)
    ranges = Augmentation(translation_px=2, noise_p=0.5, blur_p=0.5, gamma_p=0.5, solarise_p=0.5)
    crop = Crop(size_px=24, spacing_mm=1.0)

    def views(keep: np.ndarray | None) -> torch.Tensor:
        return make_views(bank, samples, crop, ranges, (1, 2), CPU, with_labels=False, keep=keep).images

    whole = views(None)
    for keep in (np.arange(6), np.arange(6, 12), np.array([1, 2, 7, 8])):
        torch.testing.assert_close(views(keep), whole[keep], rtol=0, atol=1e-5)


def test_slices_of_several_sizes_come_out_as_each_would_alone(tmp_path: Path) -> None:
    bank = slice_bank(write_cohort(tmp_path / "in").subjects, tmp_path / "banks")
    samples = np.array([0, 13, len(bank) - 1, 5])
    assert len({(int(r["rows"]), int(r["columns"])) for r in bank.index[samples]}) == 3
    crop = Crop(size_px=24, spacing_mm=1.0)
    placement = draw_placement(Augmentation(translation_px=2), seeded(4, 2))
    images, labels = resample(gather(bank, samples, crop, CPU, with_labels=True), placement, crop)
    assert labels is not None
    for place, sample in enumerate(samples):
        one = slice(place, place + 1)
        alone = Placement(
            placement.translation_px[one], placement.rotation[one], placement.scale[one], placement.flip[one]
        )
        batch = gather(bank, np.array([sample]), crop, CPU, with_labels=True)
        image, label = resample(batch, alone, crop)
        torch.testing.assert_close(images[one], image, atol=1e-3, rtol=0)
        assert label is not None and torch.equal(labels[one], label)


def test_crops_are_centred_as_the_recipe_says(tmp_path: Path) -> None:
    bank = slice_bank(write_cohort(tmp_path / "in").subjects, tmp_path / "banks")
    samples = np.array([0, len(bank) - 1])
    moving = gather(bank, samples, Crop(centre="motion"), CPU, with_labels=False)
    middle = gather(bank, samples, Crop(centre="image"), CPU, with_labels=False)
    np.testing.assert_allclose(moving.centre_px, bank.index["heart_px"][samples], rtol=1e-6)
    sides = np.stack([bank.index["rows"], bank.index["columns"]], axis=1)[samples]
    np.testing.assert_allclose(middle.centre_px, (sides - 1) / 2)
    assert moving.labels is None


def test_views_depend_on_the_seed_alone(tmp_path: Path) -> None:
    bank = slice_bank(write_cohort(tmp_path / "in").subjects, tmp_path / "banks")
    samples, crop = np.arange(12), Crop(size_px=16)
    ranges = Augmentation(translation_px=4)  # a crop beyond its slice is flat

    def views(*seed: int) -> torch.Tensor:
        return make_views(bank, samples, crop, ranges, seed, CPU, with_labels=True).images

    first = views(0, 7, 0)
    torch.rand(5)  # the global generator plays no part
    assert torch.equal(first, views(0, 7, 0))
    for other in (views(1, 7, 0), views(0, 8, 0), views(0, 7, 1), views(7, 0, 0)):
        assert (first - other).abs().amax(dim=(1, 2, 3)).min() > 0.01
    again = make_views(bank, samples, crop, ranges, (0, 7, 0), CPU, with_labels=False)
    assert torch.equal(first, again.images) and again.labels.numel() == 0


def test_unaugmented_views_ignore_the_seed_and_tell_what_was_drawn(tmp_path: Path) -> None:
    bank = slice_bank(write_cohort(tmp_path / "in").subjects, tmp_path / "banks")
    samples = np.array([0, 3, 12, 17])  # cine ED, cine unlabelled frame, pair, unlabelled
    one = make_views(bank, samples, Crop(size_px=16), None, (0,), CPU, with_labels=True)
    two = make_views(bank, samples, Crop(size_px=16), None, (1,), CPU, with_labels=True)
    assert torch.equal(one.images, two.images)
    assert one.drawn.tolist() == [[True] * 3, [False] * 3, [True, True, False], [False] * 3]
    assert one.labels is not None and one.labels.dtype == torch.uint8
    assert one.labels[1].max() == 0 and one.labels[0].max() > 0
