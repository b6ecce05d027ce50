"""Which preset goes on from a pretraining."""

from __future__ import annotations

from cmr_ssp.errors import RecipeError
from cmr_ssp.recipes.load import load_recipe, preset_names
from cmr_ssp.recipes.models import Recipe


def matching_preset(pretrained: Recipe | None, *, on_gpu: bool = False) -> str:
    """Return the preset that fits a pretrained network, or the usual one for the device from scratch.

    Where several have its network and crop, contrast, augmentation and how the length is counted tell them
    apart, in this order.

    Raises
    ------
    RecipeError
        Where no preset has the network and crop of the pretraining.
    """
    if pretrained is None:
        return "scratch/gpu-8gb" if on_gpu else "scratch/cpu-small"
    presets = {name: load_recipe(name) for name in preset_names() if name.startswith("finetune/")}
    fitting = [
        name
        for name, recipe in presets.items()
        if recipe.network == pretrained.network and recipe.crop == pretrained.crop
    ]
    if fitting:
        return min(fitting, key=lambda name: _differences(presets[name], pretrained))
    remedy = "Give a recipe with the same network.channels and crop: --recipe FILE."
    raise RecipeError.of("pretraining", "no preset has its network and crop", remedy)


def _differences(preset: Recipe, pretrained: Recipe) -> tuple[bool, bool, bool]:
    ours, theirs = preset.augmentation, pretrained.augmentation
    counts_epochs = preset.epochs is not None
    return ours.multiply != theirs.multiply, ours != theirs, counts_epochs != (pretrained.epochs is not None)
