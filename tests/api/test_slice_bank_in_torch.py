"""`cmr_ssp.SliceBank` in a plain loader and in MONAI's dictionary transforms."""

from __future__ import annotations

import cmr_ssp
import torch
from cmr_ssp.subjects import Cohort
from monai.data import Dataset as MonaiDataset
from monai.transforms import Compose, RandFlipd, ResizeWithPadOrCropd, ScaleIntensityd
from torch.utils.data import DataLoader, Dataset


def test_a_bank_of_a_cohort_holds_every_slice(cohort: Cohort) -> None:
    bank = cmr_ssp.SliceBank.of(cohort)
    assert isinstance(bank, Dataset)
    assert len(bank) == 6 * 4 * 3  # subjects, frames, slices
    last = bank[len(bank) - 1]
    assert (last["subject"], last["frame"], last["slice"]) == ("f", 3, 2)
    assert last["image"].shape[0] == 1 and last["image"].dtype == torch.float32


def test_a_loader_takes_it_with_two_workers(cohort: Cohort) -> None:
    bank = cmr_ssp.SliceBank.of(cohort)
    loader = DataLoader(bank, batch_size=36, num_workers=2, multiprocessing_context="spawn")
    first, second = loader
    assert first["image"].shape == second["image"].shape == (36, 1, 36, 40)
    assert first["subject"][0] == "a" and second["subject"][-1] == "f"
    torch.testing.assert_close(second["image"][0], bank[36]["image"])


def test_dictionary_transforms_of_monai_take_its_items(cohort: Cohort) -> None:
    bank = cmr_ssp.SliceBank.of(cohort)
    keys = ["image", "labels"]
    steps = Compose(
        [
            ResizeWithPadOrCropd(keys, (32, 48)),
            RandFlipd(keys, prob=1.0, spatial_axis=0),
            ScaleIntensityd("image"),
        ]
    )
    batch = next(iter(DataLoader(MonaiDataset(bank, steps), batch_size=4)))
    assert batch["image"].shape == batch["labels"].shape == (4, 1, 32, 48)
    assert (batch["image"].min(), batch["image"].max()) == (0.0, 1.0)
    assert batch["subject"] == ["a"] * 4
    flipped = bank[0]["labels"][0].flip(0)
    assert torch.equal(torch.as_tensor(batch["labels"][0, 0, :, 4:44]), flipped[2:34])
