"""All validated settings of a run, and the shipped presets."""

from cmr_ssp.recipes.load import load_recipe, parse_recipe, preset_names, recipe_yaml
from cmr_ssp.recipes.matching import matching_preset
from cmr_ssp.recipes.models import (
    Augmentation,
    Crop,
    MimRecipe,
    Network,
    Optimiser,
    PatchMask,
    Prediction,
    Recipe,
    Schedule,
    SegmentationLoss,
    SegmentationRecipe,
)

__all__ = [
    "Augmentation",
    "Crop",
    "MimRecipe",
    "Network",
    "Optimiser",
    "PatchMask",
    "Prediction",
    "Recipe",
    "Schedule",
    "SegmentationLoss",
    "SegmentationRecipe",
    "load_recipe",
    "matching_preset",
    "parse_recipe",
    "preset_names",
    "recipe_yaml",
]
