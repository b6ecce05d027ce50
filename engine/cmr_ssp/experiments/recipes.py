"""The recipe of a cell: its preset, settings, seeds and length."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from cmr_ssp.experiments.arms import SCRATCH
from cmr_ssp.recipes import Recipe, load_recipe

WITHOUT_AUGMENTATION = (
    "augmentation.translation_px=0",
    "augmentation.rotation_deg=0",
    "augmentation.scale=[1, 1]",
    *(f"augmentation.{name}_p=0" for name in ("flip", "noise", "blur", "multiply", "shift", "gamma")),
    "augmentation.solarise_p=0",
)
"""Settings that show every slice as it is."""


def preset_of(method: str, preset: str, *, labels: bool) -> str:
    """Return the name of the preset of a method, for training on labels or for pretraining."""
    return f"{SCRATCH if method == SCRATCH else 'finetune'}/{preset}" if labels else f"{method}/{preset}"


@cache
def _loaded(preset: str, settings: tuple[str, ...]) -> Recipe:
    return load_recipe(preset, settings)


def checked_recipe(preset: str, settings: Sequence[str]) -> Recipe:
    """Load a recipe; the same one is read only once.

    Raises
    ------
    RecipeError
        If the preset is missing or a setting is invalid.
    """
    return _loaded(preset, tuple(settings))
