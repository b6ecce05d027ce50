"""Find the preset for fine-tuning a pretrained network."""

from __future__ import annotations

from cmr_ssp.errors import RecipeError
from cmr_ssp.recipes.load import load_recipe, preset_names
from cmr_ssp.recipes.models import Recipe


def matching_preset(pretrained: Recipe | None, *, on_gpu: bool = False) -> str:
    """Return the preset that fits a pretrained network, or the default for the device if there is none.

    Among several presets with its network and crop, the preset with the most similar contrast, augmentation
    and unit of length (in this order) is chosen.

    Raises
    ------
    RecipeError
        If no preset has the same network and crop.
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
