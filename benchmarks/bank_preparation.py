"""Slice bank against one file a slice: the rate at which cines on disk become training samples on disk.

Three ways from the same 4D ``.nii.gz`` files and their labels, each in one process: the slice bank (crop,
standardise, locate the heart, one file, flushed to disk); the authors' steps (`authors_preparation`), which
the target is about; and, for orientation, the least that MONAI and one file a slice can cost (load, subtract
the minimum, note mean and deviation, save).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import authors_preparation
import torch
from cmr_ssp.files import open_cohort
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.subjects import Subject
from common import PAPER_ANCHOR, QUICK, arguments, by_turns, rate, verdict, write_cines
from monai.transforms import Compose, EnsureChannelFirstd, EnsureTyped, LoadImaged

TARGET = 20.0

LOAD = Compose(
    [
        LoadImaged("image"),
        EnsureChannelFirstd("image", channel_dim="no_channel"),
        EnsureTyped("image", dtype=torch.float32, track_meta=False),
    ]
)


def least(subjects: tuple[Subject, ...], folder: Path) -> None:
    """Save one file a slice with as little work as possible, images only."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for subject in subjects:
        image = LOAD({"image": subject.frames[0].path})["image"]
        image -= image.min()
        numbers = {"mean": float(image.mean()), "deviation": float(image.std())}
        for frame in range(image.shape[-1]):
            for slice_ in range(image.shape[-2]):
                sample = numbers | {"image": image[..., slice_, frame].clone()}
                torch.save(sample, folder / f"{subject.id}-{slice_:02}-{frame:02}.pt")


def ours(subjects: tuple[Subject, ...], folder: Path) -> None:
    """Build the slice bank."""
    shutil.rmtree(folder, ignore_errors=True)
    slice_bank(subjects, folder)


def main() -> None:
    chosen = arguments(__doc__.splitlines()[0], rounds=3)
    size, rounds = (QUICK, 1) if chosen.quick else (PAPER_ANCHOR, chosen.rounds)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_cines(folder / "cohort", size)
        subjects = open_cohort(folder / "cohort").subjects
        contestants = {
            "slice bank": lambda: ours(subjects, folder / "bank"),
            "authors' steps": lambda: authors_preparation.prepare(subjects, folder / "authors"),
            "least work": lambda: least(subjects, folder / "least"),
        }
        seconds = by_turns(list(contestants.values()), rounds)
    rates = [rate(size.n_slices, taken) for taken in seconds]
    for name, each in zip(contestants, rates, strict=True):
        print(f"{name}: {each:.0f} slices/s")
    print(f"slice bank over least work: {rates[0] / rates[2]:.3g} (no target)")
    verdict("slice bank over the authors' steps", rates[0] / rates[1], TARGET)


if __name__ == "__main__":
    main()
