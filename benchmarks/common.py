"""What the benchmarks share: synthetic cines on disk, timing by turns, and the printed ratio."""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

SHAPE = (216, 256)
"""Rows and columns."""

SPACING_MM = (1.4, 1.4)


@dataclass(frozen=True)
class Size:
    """How much synthetic data to write."""

    subjects: int
    frames: int
    slices: int

    @property
    def n_slices(self) -> int:
        return self.subjects * self.frames * self.slices


PAPER_ANCHOR = Size(subjects=7, frames=25, slices=10)
QUICK = Size(subjects=2, frames=25, slices=10)


def arguments(description: str, **defaults: int) -> argparse.Namespace:
    """Read ``--quick``, ``--rounds``, ``--threads`` and the whole numbers named in `defaults`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a few seconds of work; the ratio is rough")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, for each side")
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    return chosen


def write_cines(folder: Path, size: Size) -> None:
    """Write noisy cines of a beating disc between still organs, with labels, in the plain layout.

    Pixels are int16 with about five noisy bits, so they compress as patients' images do (to about 60 %).
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    columns, rows = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]), indexing="ij")
    still = 300 + 150 * np.sin(columns / 19) * np.cos(rows / 23)
    distance = np.hypot(columns - 140, rows - 100)
    noise = rng.normal(0, 12, (*still.shape, 64)).astype(np.float32)
    affine = np.diag([SPACING_MM[1], SPACING_MM[0], 10.0, 1.0])
    table = [["id", "ed_frame", "es_frame"]]
    for subject in range(size.subjects):
        name, end_systole = f"s{subject:02}", max(1, size.frames // 3)
        cine = np.empty((*still.shape, size.slices, size.frames), np.int16)
        for frame in range(size.frames):
            radius = 24 + 6 * np.cos(2 * np.pi * frame / size.frames)
            moving = still + 500 * np.clip(radius - distance, 0, 1)
            for slice_ in range(size.slices):
                cine[..., slice_, frame] = np.maximum(moving + noise[..., rng.integers(64)], 0)
        cine[:3] = cine[-2:] = 0
        _save(folder / f"{name}.nii.gz", cine, affine)
        for phase, radius in (("ED", 30.0), ("ES", 20.0)):
            labels = np.select([distance < radius, distance < radius + 8], [1, 2], 0)
            labels[distance < radius + 8] += ((columns < 120) & (labels == 2))[distance < radius + 8]
            _save(folder / f"{name}_{phase}_gt.nii.gz", np.repeat(labels[..., None], size.slices, 2), affine)
        table.append([name, "0", str(end_systole)])
    with (folder / "subjects.csv").open("w", newline="") as file:
        csv.writer(file).writerows(table)


def _save(path: Path, pixels: np.ndarray, affine: np.ndarray) -> None:
    image = nib.Nifti1Image(pixels.astype(np.int16 if pixels.ndim == 4 else np.uint8), affine)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def by_turns(contestants: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Return the seconds of each contestant in each round; taking turns spreads other load over all.

    What one has left to be written to disk is written before the next starts, so that nobody waits for
    another's.
    """
    seconds: list[list[float]] = [[] for _ in contestants]
    for _ in range(rounds):
        for place, contestant in enumerate(contestants):
            if hasattr(os, "sync"):  # not on Windows
                os.sync()
            started = time.perf_counter()
            contestant()
            seconds[place].append(time.perf_counter() - started)
    return seconds


def rate(n: int, seconds: Sequence[float]) -> float:
    """Return how many of `n` things a second, at the median round."""
    return n / statistics.median(seconds)


def verdict(name: str, ratio: float, target: float, *, at_most: bool = False) -> None:
    """Print the one figure."""
    met = ratio <= target if at_most else ratio >= target
    bound = "at most" if at_most else "at least"
    print(f"{name}: {ratio:.3g} (target {bound} {target:g}: {'met' if met else 'MISSED'})", flush=True)
