"""Recipes with validation, the presets, and the pretraining methods."""

from cmr_ssp.recipes.load import (
    load_recipe,
    parse_recipe,
    preset_names,
    preset_purpose,
    recipe_yaml,
    validation_problems,
)
from cmr_ssp.recipes.matching import matching_preset
from cmr_ssp.recipes.models import (
    Augmentation,
    Count,
    Crop,
    Fraction,
    NetworkSettings,
    Optimiser,
    Positive,
    Recipe,
    RecipeModel,
    Schedule,
    Seeds,
    blur_radius_px,
)
from cmr_ssp.recipes.pretraining import PretrainRecipe
from cmr_ssp.recipes.registry import (
    Method,
    is_pretraining,
    method,
    method_names,
    method_problems,
    methods,
)
from cmr_ssp.recipes.segmentation import (
    PredictionSettings,
    SegmentationLoss,
    SegmentationRecipe,
    SegmentationSeeds,
)

__all__ = [
    "Augmentation",
    "Count",
    "Crop",
    "Fraction",
    "Method",
    "NetworkSettings",
    "Optimiser",
    "Positive",
    "PredictionSettings",
    "PretrainRecipe",
    "Recipe",
    "RecipeModel",
    "Schedule",
    "Seeds",
    "SegmentationLoss",
    "SegmentationRecipe",
    "SegmentationSeeds",
    "blur_radius_px",
    "is_pretraining",
    "load_recipe",
    "matching_preset",
    "method",
    "method_names",
    "method_problems",
    "methods",
    "parse_recipe",
    "preset_names",
    "preset_purpose",
    "recipe_yaml",
    "validation_problems",
]
