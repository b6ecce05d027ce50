"""All validated settings of a run, and the shipped presets."""

from cmr_ssp.recipes.load import (
    PRETRAINING,
    load_recipe,
    parse_recipe,
    preset_names,
    preset_purpose,
    recipe_yaml,
)
from cmr_ssp.recipes.matching import matching_preset
from cmr_ssp.recipes.models import (
    Augmentation,
    Crop,
    Network,
    Optimiser,
    Recipe,
    Schedule,
    Seeds,
    blur_radius_px,
)
from cmr_ssp.recipes.pretraining import (
    ContrastiveRecipe,
    DinoHead,
    DinoRecipe,
    MimRecipe,
    PatchMask,
    PclRecipe,
    PretrainRecipe,
    Projection,
    SimclrRecipe,
    Teacher,
)
from cmr_ssp.recipes.segmentation import Prediction, SegmentationLoss, SegmentationRecipe, SegmentationSeeds

__all__ = [
    "PRETRAINING",
    "Augmentation",
    "ContrastiveRecipe",
    "Crop",
    "DinoHead",
    "DinoRecipe",
    "MimRecipe",
    "Network",
    "Optimiser",
    "PatchMask",
    "PclRecipe",
    "Prediction",
    "PretrainRecipe",
    "Projection",
    "Recipe",
    "Schedule",
    "Seeds",
    "SegmentationLoss",
    "SegmentationRecipe",
    "SegmentationSeeds",
    "SimclrRecipe",
    "Teacher",
    "blur_radius_px",
    "load_recipe",
    "matching_preset",
    "parse_recipe",
    "preset_names",
    "preset_purpose",
    "recipe_yaml",
]
