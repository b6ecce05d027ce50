"""A cohort of tiny beating hearts on disk, and recipes that train on it in an instant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.events import Event, JobEnded
from cmr_ssp.methods.mim import MimRecipe
from cmr_ssp.recipes import PretrainRecipe, SegmentationRecipe, load, parse_recipe, recipe_yaml
from files_helpers import save

ROWS, COLUMNS, SLICES, FRAMES = 36, 40, 3, 4
ED, ES = 0, 2
SPACING_MM = (1.6, 1.5, 8.0)
"""Columns, rows and slices, as the affine has them."""


def write_beating_cohort(
    folder: Path, ids: Sequence[str], *, labelled: Sequence[str] | None = None, seed: int = 0
) -> Path:
    """Write cines in the plain layout; all of them labelled at ED and ES unless `labelled` names those."""
    rows = ["id,ed_frame,es_frame,vendor"]
    for number, subject in enumerate(ids):
        pixels, labels = beating_heart(seed + number)
        save(folder / f"{subject}.nii.gz", pixels, np.diag([*SPACING_MM, 1.0]))
        if labelled is None or subject in labelled:
            for phase, frame in (("ED", ED), ("ES", ES)):
                save(folder / f"{subject}_{phase}_gt.nii.gz", labels[..., frame], np.diag([*SPACING_MM, 1.0]))
        rows.append(f"{subject},{ED},{ES},{'AB'[number % 2]}")
    (folder / "subjects.csv").write_text("\n".join(rows) + "\n")
    return folder


def beating_heart(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and labels, both (column, row, slice, frame): rings that breathe on a noisy ground."""
    random = np.random.default_rng(seed)
    middle = np.add(random.uniform(-3, 3, 2), (COLUMNS / 2, ROWS / 2))
    i, j = np.indices((COLUMNS, ROWS))
    pixels = random.integers(20, 60, (COLUMNS, ROWS, SLICES, FRAMES)).astype(np.int16)
    labels = np.zeros(pixels.shape, np.uint8)
    for k, t in np.ndindex(SLICES, FRAMES):
        distance = np.hypot(i - middle[0], j - middle[1])
        cavity = (7 - k) * (1 - 0.4 * np.sin(np.pi * t / FRAMES))
        labels[(distance < cavity + 6) & (i < middle[0] - 2), k, t] = 3
        labels[distance < cavity + 3, k, t] = 2
        labels[distance < cavity, k, t] = 1
        pixels[..., k, t] += np.array([0, 200, 60, 180], np.int16)[labels[..., k, t]]
    return pixels, labels


COMMON: dict[str, Any] = {
    "updates": 2,
    "batch_size": 4,
    "checkpoint_every": 2,
    "precision": "32-true",
    "threads": 1,
    "network": {"channels": (3, 4)},
    "crop": {"size_px": 16, "spacing_mm": 4.0},
    "augmentation": {"translation_px": 2, "blur_sigma_px": (0.5, 1.5)},
    "optimiser": {"name": "adamw", "learning_rate": 0.01},
}


def mim(**changes: Any) -> MimRecipe:
    return parse_recipe(COMMON | {"method": "mim", "mask": {"patch_px": 4}} | changes, "test", kind=MimRecipe)


HEADS: dict[str, dict[str, Any]] = {
    "mim": {"mask": {"patch_px": 4}},
    "simclr": {"head": {"hidden": 6, "outputs": 5}},
    "pcl": {"head": {"hidden": 6, "outputs": 5}, "threshold": 0.3},
    "dino": {
        "head": {"hidden": 6, "bottleneck": 4, "outputs": 7},
        "freeze_last_layer": 0.2,
        "views": {"n_local": 2, "local_size_px": 8, "local_translation_px": 2},
        "augmentation": {"translation_px": 2, "blur_sigma_px": (0.5, 1.5)},
    },
}
"""What each method's recipe needs to be tiny."""


def pretraining(method: str, **changes: Any) -> PretrainRecipe:
    """Return a tiny recipe of a method."""
    return parse_recipe(COMMON | {"method": method} | HEADS[method] | changes, "test", kind=PretrainRecipe)


def segmentation(**changes: Any) -> SegmentationRecipe:
    return parse_recipe(COMMON | {"method": "finetune"} | changes, "test", kind=SegmentationRecipe)


_PRESET_TEXT = load._preset_text


def tiny_presets(patch: pytest.MonkeyPatch) -> None:
    """Make presets of MIM and of training on labels train in a second; no page trains by the others."""

    def tiny(name: str) -> str:
        method, text = name.partition("/")[0], _PRESET_TEXT(name)
        if method not in ("mim", "finetune", "scratch"):
            return text
        recipe = mim() if method == "mim" else segmentation(method=method)
        return text.partition("\n")[0] + "\n" + recipe_yaml(recipe)  # the first line says what it is for

    patch.setattr(load, "_preset_text", tiny)


class Listener(list[Event]):
    """Remembers events."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self if isinstance(event, kind)]

    @property
    def end(self) -> JobEnded:
        """The end of the job, which comes once and last."""
        ends = self.of(JobEnded)
        assert len(ends) == 1
        assert self[-1] is ends[0]
        found: JobEnded = ends[0]
        return found
