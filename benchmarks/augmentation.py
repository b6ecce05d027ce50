"""Augmented 256 x 256 training slices a second, image and label: ours against MONAI and batchgeneratorsv2.

The same slices (216 x 256 pixels of 1.4 mm), the same steps and ranges (translation, rotation, scale and
flip in one interpolation, images bicubic, labels nearest; noise, blur, multiplication, shift, gamma),
batches of 32, one process each, the same number of threads each.

* ours: `make_views` from the slice bank;
* MONAI: one ``.pt`` file a slice, a dictionary pipeline a sample, as the paper's authors run it (their own
  affine resampling transform on deep copies, then MONAI's random intensity transforms), MONAI's
  `DataLoader`;
* batchgeneratorsv2: its transforms a sample, on slices read from our memory-mapped bank.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cmr_ssp.files import open_cohort
from cmr_ssp.recipes import Augmentation, Crop
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.samples.views import make_views
from common import SPACING_MM, Size, arguments, by_turns, rate, verdict, write_cines
from monai.data import DataLoader, Dataset, MetaTensor
from monai.transforms import (
    Compose,
    MapTransform,
    RandAdjustContrastd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    Randomizable,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from torch import Tensor
from torch.nn import functional

TARGET_MONAI, TARGET_BATCHGENERATORS, TARGET_TWO_VIEWS = 4.0, 2.0, 5.0
BATCH = 32
CROP, RANGES = Crop(), Augmentation()
Sample = dict[str, Any]
Batch = tuple[Tensor, Tensor | None]  # images (sample, view, row, column) and labels
CPU = torch.device("cpu")


class Ours:
    """Batches from the slice bank."""

    def __init__(self, bank: SliceBank, n_views: int = 1) -> None:
        self._bank, self._update, self._n_views = bank, 0, n_views

    def __call__(self) -> Batch:
        samples = np.random.default_rng(self._update).permutation(len(self._bank))[:BATCH]
        self._update += 1
        seed, alone = (0, self._update), self._n_views == 1
        views = make_views(
            self._bank, samples, CROP, RANGES, seed, CPU, with_labels=alone, n_views=self._n_views
        )
        apart = views.images.reshape(self._n_views, BATCH, *views.images.shape[2:])
        return apart.swapaxes(0, 1), views.labels


class LoadFiled(MapTransform):
    """Read one saved slice."""

    def __call__(self, data: Sample) -> Sample:
        return torch.load(data["file"], weights_only=False)


class RandResampled(Randomizable, MapTransform):
    """Resample and augment image and label of one sample, each through its own grid."""

    def __call__(self, data: Sample) -> Sample:
        angle = math.radians(self.R.uniform(-RANGES.rotation_deg, RANGES.rotation_deg))
        scale = self.R.uniform(*RANGES.scale) * np.where(self.R.rand(2) < RANGES.flip_p, -1, 1)
        shift = self.R.uniform(-RANGES.translation_px, RANGES.translation_px, 2) * 2 / CROP.size_px
        copy = deepcopy(data)
        turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        scales, shifts = (torch.tensor(values, dtype=torch.float32) for values in (scale, shift))
        for key, mode in zip(self.keys, ("bicubic", "nearest"), strict=False):
            slice_mm = torch.tensor(copy[key].shape[1:]) * copy["spacing"]
            matrix = turn * scales * (CROP.size_px * CROP.spacing_mm / slice_mm)[:, None]
            theta = torch.cat((matrix, (matrix @ shifts)[:, None]), dim=1)[None]
            grid = functional.affine_grid(theta, [1, 1, CROP.size_px, CROP.size_px], align_corners=False)
            copy[key] = functional.grid_sample(copy[key][None], grid, mode=mode, align_corners=False)[0]
        return copy


class Standardised(MapTransform):
    """Subtract the cine's mean and divide by its deviation."""

    def __call__(self, data: Sample) -> Sample:
        copy = deepcopy(data)
        copy["image"] = (copy["image"] - copy["mean"]) / copy["deviation"]
        return copy


class Monai:
    """Batches from one file a slice, with labels or, where there are several views of each, without."""

    def __init__(self, bank: SliceBank, folder: Path, n_views: int = 1) -> None:
        folder.mkdir()
        keys = ("image", "label") if n_views == 1 else ("image",)
        items = []
        for sample in range(len(bank)):
            item = {
                "image": MetaTensor(torch.from_numpy(bank.image(sample)).float()[None]),
                "label": MetaTensor(torch.from_numpy(bank.labels(sample)).float()[None]),
                "spacing": torch.tensor(SPACING_MM),
                "mean": float(bank.index["mean"][sample]),
                "deviation": 1.0,
            }
            torch.save(item, folder / f"{sample}.pt")
            items.append({"file": folder / f"{sample}.pt"})
        augment = Compose(
            [
                RandResampled(keys),
                Standardised("image"),
                RandGaussianNoised("image", prob=RANGES.noise_p, std=RANGES.noise_sd),
                RandGaussianSmoothd(
                    "image",
                    prob=RANGES.blur_p,
                    sigma_x=RANGES.blur_sigma_px,
                    sigma_y=RANGES.blur_sigma_px,
                ),
                RandScaleIntensityd(
                    "image", prob=RANGES.multiply_p, factors=tuple(f - 1 for f in RANGES.multiply)
                ),
                RandShiftIntensityd("image", prob=RANGES.shift_p, offsets=RANGES.shift),
                RandAdjustContrastd("image", prob=RANGES.gamma_p, gamma=RANGES.gamma),
            ]
        )
        load = LoadFiled("file")

        def transform(item: Sample) -> Sample:
            loaded = load(item)
            views = [augment(loaded) for _ in range(n_views)]
            stacked = {"image": torch.cat([view["image"] for view in views])}
            return stacked | ({"label": views[0]["label"]} if n_views == 1 else {})

        self._loader = DataLoader(
            Dataset(items, transform), batch_size=BATCH, shuffle=True, drop_last=True, num_workers=0
        )
        self._batches = iter(self._loader)

    def __call__(self) -> Batch:
        batch = next(self._batches, None)
        if batch is None:
            self._batches = iter(self._loader)
            batch = next(self._batches)
        return batch["image"], batch.get("label")


class BatchGenerators:
    """Batches of batchgeneratorsv2's transforms, which work on one sample at a time."""

    def __init__(self, bank: SliceBank) -> None:
        from batchgeneratorsv2.transforms.intensity.brightness import (
            BrightnessAdditiveTransform,
            MultiplicativeBrightnessTransform,
        )
        from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
        from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
        from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
        from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
        from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
        from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
        from batchgeneratorsv2.transforms.utils.random import RandomTransform

        self._bank, self._update = bank, 0
        sides = (int(bank.index["rows"].max()), int(bank.index["columns"].max()))
        zoom = CROP.spacing_mm / SPACING_MM[0]
        self._spatial = ComposeTransforms(
            [
                SpatialTransform(
                    (CROP.size_px, CROP.size_px),
                    patch_center_dist_from_border=[side / 2 - RANGES.translation_px * zoom for side in sides],
                    random_crop=True,
                    p_rotation=1,
                    rotation=(-math.pi, math.pi),
                    p_scaling=1,
                    scaling=tuple(scale * zoom for scale in RANGES.scale),
                    p_synchronize_scaling_across_axes=1,
                    mode_image="bicubic",
                    mode_seg="nearest",
                ),
                MirrorTransform((0, 1)),
            ]
        )
        self._intensity = ComposeTransforms(
            [
                RandomTransform(GaussianNoiseTransform((0, RANGES.noise_sd)), RANGES.noise_p),
                RandomTransform(GaussianBlurTransform(RANGES.blur_sigma_px), RANGES.blur_p),
                MultiplicativeBrightnessTransform(RANGES.multiply, synchronize_channels=False),
                BrightnessAdditiveTransform(*RANGES.shift),  # draws between the two
                GammaTransform(RANGES.gamma, 0, False, 1, 0),
            ]
        )

    def _one(self, sample: int) -> Sample:
        labels = self._bank.labels(sample)
        assert labels is not None
        item: Sample = self._spatial(
            image=torch.from_numpy(self._bank.image(sample)).float()[None],
            segmentation=torch.from_numpy(labels)[None],
        )
        item["image"] -= float(self._bank.index["mean"][sample])
        changed: Sample = self._intensity(**item)
        return changed

    def __call__(self) -> Batch:
        samples = np.random.default_rng(self._update).permutation(len(self._bank))[:BATCH]
        self._update += 1
        items = [self._one(sample) for sample in samples]
        return torch.stack([i["image"] for i in items]), torch.stack([i["segmentation"] for i in items])


def several(batch: Callable[[], Batch], n: int, n_views: int = 1) -> None:
    """Make `n` batches."""
    for _ in range(n):
        images, labels = batch()
        assert images.shape == (BATCH, n_views, CROP.size_px, CROP.size_px)
        assert (labels is None) == (n_views > 1)


def main() -> None:
    chosen = arguments(__doc__.splitlines()[0], rounds=7, batches=8)
    rounds, batches = (3, 1) if chosen.quick else (chosen.rounds, chosen.batches)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_cines(folder / "cohort", Size(subjects=4, frames=2, slices=16))  # ED and ES: all labelled
        bank = slice_bank(open_cohort(folder / "cohort").subjects, folder / "bank")
        contestants = {
            "ours": Ours(bank),
            "MONAI, one file a slice": Monai(bank, folder / "files"),
            "batchgeneratorsv2": BatchGenerators(bank),
        }
        for contestant in contestants.values():
            several(contestant, 1)  # warm up
        seconds = by_turns([lambda one=one: several(one, batches) for one in contestants.values()], rounds)
        pair = Ours(bank, 2), Monai(bank, folder / "again", 2)
        for contestant in pair:
            several(contestant, 1, 2)
        seconds_of_two = by_turns([lambda one=one: several(one, batches, 2) for one in pair], rounds)
    rates = [rate(batches * BATCH, taken) for taken in seconds]
    for name, each in zip(contestants, rates, strict=True):
        print(f"{name}: {each:.0f} slices/s")
    verdict("ours over MONAI with one file a slice", rates[0] / rates[1], TARGET_MONAI)
    verdict("ours over batchgeneratorsv2", rates[0] / rates[2], TARGET_BATCHGENERATORS)
    two = [rate(batches * BATCH, taken) for taken in seconds_of_two]
    print(f"two views of a slice without labels: ours {two[0]:.0f}, MONAI {two[1]:.0f} slices/s")
    verdict("two views of a slice over MONAI", two[0] / two[1], TARGET_TWO_VIEWS)


if __name__ == "__main__":
    main()
